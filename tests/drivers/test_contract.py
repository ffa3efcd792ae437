"""One contract for every driver and every shipped profile, against its twin, with every fault."""

from __future__ import annotations

import math

import pytest

from drivers.bus.dialect import Rtu
from drivers.bus.line import Line
from drivers.line_sensor import LineSensor
from drivers.modbus_device import ModbusDevice
from edge.app.config import LineProfile, ModbusProfile, read_sheet, shipped_profiles
from edge.core.instant import Instant, after, ms_between
from edge.core.model import (
    ActuatorId,
    Command,
    DeviceId,
    Outcome,
    Point,
    PointId,
    Quality,
    Sample,
    Status,
)
from edge.core.ports import Class
from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.virtual_port import VirtualLine
from tools.twins.world import World
from tools.virtual_clock import VirtualClock

BAUD = 9600
UNIT = 1
PROFILES = {name: read_sheet(path).profile for name, path in shipped_profiles().items()}
MODBUS = {n: p for n, p in PROFILES.items() if isinstance(p, ModbusProfile)}
READABLE = {n: p for n, p in MODBUS.items() if p.points}

FAULTS: dict[str, dict[str, object]] = {
    "silent": {"silent": True},
    "late": {"late_ms": 2500.0},
    "wrong unit": {"wrong_unit": 9},
    "wrong function": {"wrong_function": True},
    "wrong length": {"wrong_length": True},
    "refused": {"exception": 4},
    "half a frame": {"half_frame": True},
    "bad checksum": {"bad_crc": True},
    "lost answers": {"mute": True},
}
HARMLESS: dict[str, dict[str, object]] = {
    "none": {},
    "noise before": {"noise_before": b"\x00\xff\x7e"},
    "two frames": {"two_frames": True},
    "echo": {"echo": True},
}


class Wire:
    """One device on a paced virtual line."""

    def __init__(self, profile: ModbusProfile, unit: Unit, clock: VirtualClock) -> None:
        self.clock = clock
        self.faults = Faults()
        twin = VirtualLine(RtuSlave({UNIT: unit}, self.faults, turnaround_ms=5.0), clock, BAUD)
        self.line = line = Line("line", twin.opener, Rtu(BAUD, 10), clock)
        line.start()
        points = tuple(
            Point(PointId(f"d.{name}"), DeviceId("d"), spot.unit, spot.decimals)
            for name, spot in profile.points.items()
        )
        self.device = ModbusDevice("d", UNIT, profile, points, line, clock)
        self.clock.run_for(0.01)

    def poll(self, within_s: float = 5.0) -> list[Sample]:
        samples: list[Sample] = []
        deadline = after(self.clock.now(), seconds=within_s)
        assert self.device.poll(deadline, samples.extend, Class.WATCH)
        self.clock.run_for(within_s + 40.0)
        return samples

    def apply(self, action: str, not_after_s: float = 3.0, **arguments: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        command = self.command(action, not_after_s, ensure=False, **arguments)
        self.device.apply(command, outcomes.append)
        self.clock.run_for(max(not_after_s, 0.0) + 8.0)
        return outcomes

    def command(
        self, action: str, not_after_s: float = 3.0, *, ensure: bool = False, **arguments: int
    ) -> Command:
        now = self.clock.now()
        return Command(
            "c", ActuatorId("d"), "out", action, tuple(arguments.items()), "a", 1, ensure,
            now, after(now, seconds=not_after_s), now,
        )  # fmt: skip


def wire_for(profile: ModbusProfile, fill: int = 0) -> Wire:
    """A device that has exactly the registers its profile reads, gaps included."""
    tables: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
    for table, cells in tables.items():
        spots = [spot for spot in profile.points.values() if spot.table == table]
        if spots:
            first = min(spot.address for spot in spots)
            last = max(spot.address + spot.registers for spot in spots)
            bits = table in ("coil", "discrete")
            cells.update(dict.fromkeys(range(first, last), fill & 1 if bits else fill))
    unit = Unit(
        coils=tables["coil"],
        discretes=tables["discrete"],
        holding=tables["holding"],
        inputs=tables["input"],
    )
    return Wire(profile, unit, VirtualClock())


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("fault", HARMLESS)
def test_a_poll_yields_every_point_once_with_a_good_value(name: str, fault: str) -> None:
    wire = wire_for(READABLE[name])
    for knob, value in HARMLESS[fault].items():
        setattr(wire.faults, knob, value)
    samples = wire.poll()
    assert sorted(s.point for s in samples) == sorted(p.id for p in wire.device.points)
    for sample in samples:
        assert sample.quality in (Quality.GOOD, Quality.ERROR_WORD)
        assert (sample.value is not None) == (sample.quality is Quality.GOOD)
        assert sample.value is None or math.isfinite(sample.value)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_yields_every_point_once_without_a_value_and_passes(name: str, fault: str) -> None:
    wire = wire_for(READABLE[name])
    for knob, value in FAULTS[fault].items():
        setattr(wire.faults, knob, value)
    samples = wire.poll()
    assert sorted(s.point for s in samples) == sorted(p.id for p in wire.device.points)
    assert all(s.value is None and s.quality is not Quality.GOOD for s in samples)
    wire.faults.clear()
    wire.clock.run_for(60.0)  # one that was lost is met again by a probe
    assert all(s.quality in (Quality.GOOD, Quality.ERROR_WORD) for s in wire.poll())


@pytest.mark.parametrize("name", READABLE)
def test_a_dead_device_is_lost_after_three_attempts_and_its_poll_is_over(name: str) -> None:
    wire = wire_for(READABLE[name])
    wire.faults.silent = True
    begun = wire.clock.now()
    ends: list[Instant] = []
    for _ in range(3):
        deadline = after(wire.clock.now(), seconds=1.0)
        wire.device.poll(deadline, lambda samples: ends.append(wire.clock.now()), Class.WATCH)
        wire.clock.run_for(10.0)
        if wire.line.lost(UNIT):
            break
    timing = READABLE[name].timing
    assert wire.line.lost(UNIT)
    assert wire.line.units[UNIT].questions - wire.line.units[UNIT].probes == 3
    each_ms = timing.timeout_ms + timing.late_ms + 200
    assert ms_between(begun, max(ends)) <= 2 * 10_000 + 3 * each_ms


def test_a_second_poll_while_one_is_under_way_is_refused() -> None:
    wire = wire_for(READABLE["dfrobot-sen0676"])
    deadline = after(wire.clock.now(), seconds=1.0)
    assert wire.device.poll(deadline, lambda samples: None, Class.WATCH)
    assert not wire.device.poll(deadline, lambda samples: None, Class.WATCH)
    wire.clock.run_for(1.0)
    assert wire.device.poll(deadline, lambda samples: None, Class.WATCH)


def test_a_value_is_never_a_remembered_one() -> None:
    unit = Unit(holding=dict.fromkeys(range(6), 0))
    wire = Wire(READABLE["dfrobot-sen0676"], unit, VirtualClock())
    for level in (1000, 2000):
        unit.holding[3] = level
        values = {s.point: s.value for s in wire.poll()}
        assert values[PointId("d.level")] == level / 1000
    wire.faults.silent = True
    assert all(s.value is None for s in wire.poll())


def relay() -> tuple[Wire, RelayBoard]:
    clock = VirtualClock()
    board = RelayBoard(World(clock.now))
    return Wire(MODBUS["relay-8ch"], board, clock), board


def amplifier() -> tuple[Wire, Amplifier]:
    clock = VirtualClock()
    made = Amplifier(World(clock.now))
    return Wire(MODBUS["amplifier-generic"], made, clock), made


def test_an_action_is_done_once_it_is_read_back() -> None:
    wire, board = relay()
    (outcome,) = wire.apply("on", channel=5)
    assert (outcome.status, outcome.confirmed_by) == (Status.DONE, "read-back")
    assert board.coils[4] == 1
    assert outcome.first_byte is not None
    assert outcome.first_byte < outcome.at


def test_doing_it_twice_is_harmless() -> None:
    wire, horn = amplifier()
    for _ in range(2):
        (outcome,) = wire.apply("play", message=3, volume=25)
        assert outcome.status is Status.DONE
    assert [name for _, name, _ in horn.changes].count("message") == 1


def test_past_its_last_moment_a_command_touches_nothing() -> None:
    wire, board = relay()
    (outcome,) = wire.apply("on", not_after_s=-0.1, channel=1)
    assert (outcome.status, outcome.first_byte) == (Status.TOO_LATE, None)
    assert list(board.changes) == []


@pytest.mark.parametrize(
    "fault",
    ["silent", "wrong unit", "wrong function", "wrong length", "half a frame", "bad checksum"],
)
def test_without_a_valid_answer_the_outcome_is_unknown_and_ends_in_time(fault: str) -> None:
    wire, _ = relay()
    for knob, value in FAULTS[fault].items():
        setattr(wire.faults, knob, value)
    begun = wire.clock.now()
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.NO_ANSWER
    assert outcome.detail
    assert ms_between(begun, outcome.at) <= 3000 + MODBUS["relay-8ch"].timing.timeout_ms + 100


def test_a_refusal_is_told_and_not_repeated() -> None:
    wire, _ = relay()
    wire.faults.exception = 2
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.REFUSED
    assert "exception 2" in outcome.detail


def test_a_busy_device_is_asked_again() -> None:
    wire, board = relay()
    wire.faults.exception, wire.faults.next_n = 6, 3
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.DONE
    assert board.coils[0] == 1


def test_lost_frames_are_repeated_until_the_action_is_confirmed() -> None:
    wire, board = relay()
    wire.faults.silent, wire.faults.next_n = True, 2
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.DONE
    assert board.coils[0] == 1


def test_an_echoing_adapter_is_not_taken_for_a_confirmation() -> None:
    wire, board = relay()
    wire.faults.echo = wire.faults.silent = True
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.NO_ANSWER
    assert board.coils[0] == 0


def test_a_contact_that_does_not_move_is_not_done() -> None:
    wire, board = relay()
    board.stuck = {0}
    (outcome,) = wire.apply("on", channel=1)
    assert outcome.status is Status.NO_ANSWER
    assert "read back" in outcome.detail


def test_ensuring_what_already_is_writes_nothing() -> None:
    wire, _ = amplifier()
    wire.apply("play", message=3, volume=25)
    outcomes: list[Outcome] = []
    command = wire.command("play", ensure=True, message=3, volume=25)
    wire.device.apply(command, outcomes.append)
    wire.clock.run_for(5.0)
    assert (outcomes[0].status, outcomes[0].first_byte) == (Status.DONE, None)


def test_ensuring_what_is_not_writes_it() -> None:
    wire, horn = amplifier()
    outcomes: list[Outcome] = []
    command = wire.command("play", ensure=True, message=3, volume=25)
    wire.device.apply(command, outcomes.append)
    wire.clock.run_for(5.0)
    assert outcomes[0].status is Status.DONE
    assert horn.message == 3


def test_a_newer_command_for_the_same_output_supersedes_an_older_one() -> None:
    wire, board = relay()
    wire.faults.silent, wire.faults.next_n = True, 2
    outcomes: list[Outcome] = []
    wire.device.apply(wire.command("on", channel=1), outcomes.append)
    wire.clock.run_for(0.1)
    wire.device.apply(wire.command("off", channel=1), outcomes.append)
    wire.clock.run_for(10.0)
    assert [outcome.status for outcome in outcomes] == [Status.TOO_LATE, Status.DONE]
    assert board.coils[0] == 0


class Ear:
    """A text sensor on a paced virtual line, and what it has heard."""

    def __init__(self) -> None:
        profile = PROFILES["hydreon-rg15"]
        assert isinstance(profile, LineProfile)
        self.clock = VirtualClock()
        self.world = World(self.clock.now)
        self.gauge = AsciiGauge(self.world)
        self.twin = VirtualLine(self.gauge, self.clock, BAUD)
        points = tuple(
            Point(PointId(f"d.{name}"), DeviceId("d"), spot.unit, spot.decimals)
            for name, spot in profile.points.items()
        )
        self.samples: list[Sample] = []
        sensor = LineSensor(
            "d", profile, points, self.twin.opener, self.clock, period_s=1.0, silence_s=5.0
        )
        sensor.listen(self.samples.extend)
        self.begun: Instant = self.clock.now()

    def hear(self, seconds: float) -> list[Sample]:
        self.samples.clear()
        self.clock.run_for(seconds)
        return list(self.samples)


def test_a_text_sensor_reports_all_its_points_with_every_line() -> None:
    ear = Ear()
    ear.world.set("rain.intensity", 60.0)
    ear.hear(60.0)
    heard = {s.point: s for s in ear.hear(1.0)}
    assert all(sample.quality is Quality.GOOD for sample in heard.values())
    total = heard[PointId("d.total")].value
    assert total is not None
    assert total == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("fault", ["silent", "garbage", "half_line", "long_line"])
def test_a_text_sensor_that_says_nothing_valid_becomes_stale_and_comes_back(fault: str) -> None:
    ear = Ear()
    assert ear.hear(3.0)
    setattr(ear.gauge.faults, fault, True)
    ear.hear(1.5)
    heard = ear.hear(12.0)
    assert {s.quality for s in heard} == {Quality.STALE}
    assert all(s.value is None for s in heard)
    setattr(ear.gauge.faults, fault, False)
    ear.hear(60.0)  # what the twin still owes takes its line time
    assert {s.quality for s in ear.hear(3.0)} == {Quality.GOOD}


def test_a_text_sensor_whose_cable_is_pulled_is_absent_and_comes_back() -> None:
    ear = Ear()
    ear.hear(2.0)
    ear.twin.unplug()
    assert {s.quality for s in ear.hear(12.0)} == {Quality.ABSENT}
    ear.twin.replug()
    ear.hear(5.0)
    assert {s.quality for s in ear.hear(3.0)} == {Quality.GOOD}
