"""What the bus bench makes of its stamps, what it tells its clients, and how it reports."""

from __future__ import annotations

import itertools
import json
import struct
from pathlib import Path

import pytest

from edge.app.config import load_site
from tools.bench.bus_bound import WriteBound, write_bound
from tools.bench.bus_plan import RELAY_UNIT, TIMEOUT_MS, Order, Plan, Wire, draw_orders
from tools.bench.bus_report import (
    as_json,
    as_table,
    cost_figures,
    efficiency_figures,
    polled_figures,
)
from tools.bench.bus_rig import BusRig
from tools.bench.bus_runs import Cost
from tools.bench.bus_score import (
    Polled,
    dead_ns,
    intervals,
    missed_cycles,
    polled,
    saturated,
    waits,
)
from tools.bench.bus_site import write_site
from tools.bench.pairing import Frame
from tools.twins.modbus_slave import Unit

MS = 1_000_000
S = 1_000 * MS
ALWAYS = (0, 10**15)


def line(devices: int = 2, registers: int = 4, period_ms: int | None = None) -> Plan:
    return Plan("line", Wire(Path("/dev/ttyUSB0"), 9600), devices, registers, period_ms)


def question(at_ns: float, unit: int = 1) -> Frame:
    data = struct.pack(">BBHHxx", unit, 3, 0, 4)
    return Frame("request", round(at_ns), round(at_ns) + line().question_ns, data)


def answer(begin_ns: float, unit: int = 1, late_ns: float = 0) -> Frame:
    data = struct.pack(">BBB8xxx", unit, 3, 8)
    end_ns = round(begin_ns) + line().line.ns(len(data))
    return Frame("answer", round(begin_ns), end_ns + round(late_ns), data)


def write(at_ns: float, code: int) -> Frame:
    data = struct.pack(">BBHHxx", RELAY_UNIT, 6, 0, code)
    return Frame("request", round(at_ns), round(at_ns) + line().question_ns, data)


def exchanges(count: int, pause_ns: int, late_ns: int = 0) -> list[Frame]:
    """Answered reads, each begun so long after the last byte of the answer before."""
    plan, frames, at_ns = line(), [], 0
    for _ in range(count):
        frames.append(question(at_ns))
        frames.append(answer(at_ns + plan.exchange_ns - plan.answer_ns, late_ns=late_ns))
        at_ns = frames[-1].last_ns + pause_ns
    return frames


def test_line_times_follow_from_baud_and_lengths() -> None:
    """8N1 at 9600: a question of 8 bytes, 5 ms, an answer of 13; ten bits each."""
    plan = line()
    assert plan.question_ns == round(80 / 9600 * S)
    assert plan.exchange_ns == pytest.approx(210 / 9600 * S + 5 * MS, abs=2)
    assert plan.line.silence_ns == pytest.approx(35 / 9600 * S, abs=1)
    assert line(10, 20, 1000).load == pytest.approx(0.638, abs=0.002)
    assert line().load == 1


def test_perfect_master_has_efficiency_one() -> None:
    """Asked after exactly the silence that must be kept, the line carries all it can."""
    plan = line()
    run = saturated(exchanges(11, plan.line.silence_ns), plan, ALWAYS)
    assert run.transactions == 10
    assert run.share_of(plan.exchange_ns + plan.line.silence_ns) == pytest.approx(1, abs=1e-6)
    lazy = saturated(exchanges(11, plan.line.silence_ns + MS), plan, ALWAYS)
    assert lazy.share_of(plan.exchange_ns + plan.line.silence_ns) == pytest.approx(0.968, abs=1e-3)


def test_late_twin_is_not_held_against_the_client() -> None:
    """What the twin hands over late is taken off, but shows in the raw share and by itself."""
    plan = line()
    run = saturated(exchanges(11, plan.line.silence_ns, late_ns=MS), plan, ALWAYS)
    ideal_ns = plan.exchange_ns + plan.line.silence_ns
    assert run.share_of(ideal_ns) == pytest.approx(1, abs=1e-6)
    assert run.share_of(ideal_ns, corrected=False) == pytest.approx(0.968, abs=1e-3)
    assert run.late_us == pytest.approx([1000] * 10, abs=1)


def test_unanswered_questions_take_time_but_are_no_transactions() -> None:
    """A master that loses every second answer is half as efficient, not as efficient as ever."""
    plan = line()
    frames = exchanges(21, plan.line.silence_ns)
    run = saturated([f for i, f in enumerate(frames) if i % 4 != 1], plan, ALWAYS)
    assert run.transactions == 10
    assert run.share_of(plan.exchange_ns + plan.line.silence_ns) == pytest.approx(0.5, abs=1e-6)


def test_interval_belongs_to_the_window_in_which_it_ends() -> None:
    """Of one device only, and nothing is counted twice at the border of two windows."""
    frames = [answer(n * S, unit) for n in range(6) for unit in (1, 2)]
    early, late = (0, 3 * S), (3 * S, 6 * S)
    assert intervals(frames, 1, early) == [1000, 1000]
    assert intervals(frames, 1, late) == [1000, 1000, 1000]


def test_missed_cycle_is_an_interval_of_two_periods() -> None:
    """Jitter misses nothing; one, two or three readings that did not come are as many cycles."""
    assert missed_cycles([1000, 1100, 1300, 700], 1000) == 0
    assert missed_cycles([2000, 2900, 4100], 1000) == 1 + 2 + 3


def test_device_that_is_never_read_again_is_no_good_interval() -> None:
    """Nothing read for a whole window counts as an interval of its length, not as none."""
    plan = line(period_ms=1000)
    windows = (0, 10 * S), (10 * S, 40 * S)
    frames = [answer(n * S, 1) for n in range(40)] + [answer(n * S, 2) for n in range(5)]
    found = polled(sorted(frames, key=lambda f: f.first_ns), plan, (), [], windows)
    assert max(found.intervals_ms) == 30_000
    assert found.missed == 29
    dead = polled(sorted(frames, key=lambda f: f.first_ns), plan, (2,), [], windows)
    assert (max(dead.intervals_ms), dead.missed, dead.cycles) == (1000, 0, 30)


def test_wait_ends_with_the_first_write_of_its_number() -> None:
    """A repeated write changes nothing, and one that never came waited until the end."""
    frames = [write(1030 * MS, 1), write(1500 * MS, 1), write(2070 * MS, 2), question(3 * S)]
    orders = [Order(1, 1 * S), Order(2, 2 * S), Order(3, 3 * S)]
    assert waits(frames, orders, 10 * S) == ([30, 70, 7000], 1)


def test_dead_time_ends_with_the_next_question_or_the_timeout() -> None:
    """The line is not lost to a dead device for longer than its slice."""
    plan = line()
    frames = [question(0, 1), question(S, 2), question(S + 50 * MS, 1), question(3 * S, 2)]
    assert dead_ns(frames, (2,), plan, (0, 4 * S)) == 50 * MS + plan.silent_ns
    assert plan.silent_ns == plan.question_ns + TIMEOUT_MS * MS


def test_all_clients_get_the_same_orders() -> None:
    """Random instants, but the same for everyone; 0.5 to 1 s apart, numbered one by one."""
    orders = draw_orders(0, 30 * S, 7, seed=1)
    assert [o.at_ns for o in orders] == [o.at_ns for o in draw_orders(0, 30 * S, 1, seed=1)]
    assert [o.at_ns for o in orders] != [o.at_ns for o in draw_orders(0, 30 * S, 7, seed=2)]
    assert [o.code for o in orders] == list(range(7, 7 + len(orders)))
    gaps = [b.at_ns - a.at_ns for a, b in itertools.pairwise(orders)]
    assert all(0.5 * S <= gap <= S for gap in gaps)
    assert orders[-1].at_ns < 30 * S


def test_devices_of_the_rig_die_and_come_back() -> None:
    """``dead`` names all that are silent from now on, and none that are not."""
    rig = BusRig(9600, {unit: Unit(holding=[0]) for unit in (1, 2, 3)})
    rig.obey("dead 1 3")
    assert rig.slave.faults.silent_units == {1, 3}
    rig.obey("dead")
    assert not rig.slave.faults.silent_units
    assert json.loads(rig.obey("take")) == {"frames": [], "counters": {}}


@pytest.mark.parametrize("plan", [line(30), line(10, 20, 1000)])
def test_generated_site_is_valid(plan: Plan, tmp_path: Path) -> None:
    """The agent gets a site without a problem; every device is one that feeds alarms."""
    site = load_site(write_site(tmp_path, plan, 1))
    assert len(site.points) == plan.devices * plan.registers
    assert len(site.devices) == plan.devices + 1
    assert {point.device for point in site.points if point.id in site.watched()} == {
        f"d{unit}" for unit in plan.units
    }


def test_generated_tcp_site_is_valid(tmp_path: Path) -> None:
    """A connection per device, and no actuator."""
    plan = Plan("tcp", Wire(ports=(5001, 5002)), 2, 20, 100)
    site = load_site(write_site(tmp_path, plan))
    assert [bus.tcp_port for bus in site.buses] == [5001, 5002]
    assert [device.period_ms for device in site.devices] == [100, 100]


def test_bound_of_a_write_is_the_longest_attempt_and_a_silence(tmp_path: Path) -> None:
    """All alive: the slowest answer; else a timeout. Beside it, an older write of the output."""
    plan = line(10, 20, 1000)
    alive = write_bound(write_site(tmp_path, plan, 0)).line_ms
    silent = write_bound(write_site(tmp_path, plan, 1)).line_ms
    begun_ms, owner_ms = (plan.line.silence_ns + plan.question_ns) / MS, 2 * 0.5
    own_ms = begun_ms + 20 + plan.question_ns / MS + 0.5
    held_ms = plan.line.ns(16) / MS  # a UART may hold the first characters of an answer back
    slowest = begun_ms + 20 + plan.answer_ns / MS + owner_ms
    given_up = begun_ms + TIMEOUT_MS + owner_ms
    assert slowest - 0.01 <= alive <= slowest + own_ms + 0.01
    assert given_up - 0.01 <= silent <= given_up + held_ms + own_ms + 0.01


def test_figures_have_the_names_that_others_read() -> None:
    """Settings, figures and ratios are flat numbers on one line; what is missing says why."""
    plan = line(10)
    run = saturated(exchanges(11, plan.line.silence_ns), plan, ALWAYS)
    some = Polled([1000.0], [1000.0], writes_ms=[10.0, 50.0], steady_ns=S)
    numbers = efficiency_figures({"agent": [run, run], "c": [run], "c_silent": [run]}, plan)
    numbers |= polled_figures(
        {"agent": some, "tb": some}, line(10, 20, 1000), 3, WriteBound(100, 25)
    )
    numbers |= cost_figures({"agent": Cost([0.1], 40, [160])}, "16x20_1s")
    text = as_json({"quick": 1}, numbers, {"tb": "not asked for"})
    found = json.loads(text)
    assert "\n" not in text
    assert (found["bench"], found["absent"]) == ("bus", {"tb": "not asked for"})
    groups = [found[name] for name in ("settings", "figures", "ratios")]
    assert all(isinstance(value, int | float) for group in groups for value in group.values())
    figures = found["figures"]
    assert figures["efficiency_9600_10"] == 1
    assert figures["c_efficiency_9600_10"] == pytest.approx(0.88, abs=0.01)
    assert figures["healthy_interval_p99_ratio_dead3"] == 1
    assert figures["write_ms_p99_dead3"] == figures["tb_write_ms_p99_dead3"] == 50
    assert figures["write_over_bound_max_dead3"] == 0.4
    assert figures["cpu_us_per_read_16x20_1s"] == 625
    assert found["ratios"]["ratio_tb_write_ms_p99_dead3"] == 1
    rows = as_table(numbers, {"tb": "not asked for"}).splitlines()
    assert any(row.startswith("efficiency_9600_10 ") for row in rows)


def test_peer_is_asked_for_the_same() -> None:
    """One request per device for all its registers, the timeout of the others, its own retries."""
    config = line(10, 20, 1000).thingsboard()
    *sensors, relay = config["master"]["slaves"]
    assert [each["unitId"] for each in sensors] == list(range(1, 11))
    assert {each["pollPeriod"] for each in sensors} == {1000}
    (series,) = sensors[0]["timeseries"]
    assert (series["address"], series["maxRegistersPerRequest"]) == ("0-19", 20)
    assert relay["unitId"] == RELAY_UNIT
    assert all(each["timeout"] == TIMEOUT_MS / 1000 for each in (*sensors, relay))
    assert "retries" not in json.dumps(config)
