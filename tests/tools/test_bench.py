"""What the latency bench makes of its stamps, and the form in which it reports."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest

from edge.app.config import load_site
from tools.bench.pairing import Frame, Tally, find_commands, find_readings, pair, quantile
from tools.bench.report import PREFIXES, as_json, as_table, figures, own_figures, ratios
from tools.bench.site import write_site
from tools.bench.wiring import RELAY_UNIT, THRESHOLD, same_line, separate_lines

MS = 1_000_000
ALWAYS = (0, 10**12)


def reading(at_ms: float, value: int, unit: int = 1) -> Frame:
    at = round(at_ms * MS)
    return Frame("answer", at - MS, at, struct.pack(">BBBHxx", unit, 3, 2, value))


def write(at_ms: float, on: bool, answered_ms: float | None = None) -> list[Frame]:
    frame = struct.pack(">BBHHxx", RELAY_UNIT, 5, 0, 0xFF00 * on)
    frames = [Frame("request", round(at_ms * MS), round((at_ms + 0.7) * MS), frame)]
    if answered_ms is not None:
        at = round(answered_ms * MS)
        frames.append(Frame("answer", at - 1, at, frame))
    return frames


def read_back(at_ms: float, on: bool) -> Frame:
    at = round(at_ms * MS)
    return Frame("answer", at - 1, at, struct.pack(">BBBBxx", RELAY_UNIT, 1, 1, on))


def tally_of(sensor: list[Frame], relay: list[Frame], *, reads_back: bool = False) -> Tally:
    readings = find_readings(sensor, 1, THRESHOLD)
    return pair(readings, find_commands(relay, RELAY_UNIT), ALWAYS, reads_back=reads_back)


def test_quantiles_are_nearest_rank() -> None:
    """A quantile is a value that was measured: of 1 to 1000, the 990th and the 999th."""
    values = [float(n) for n in range(1000, 0, -1)]
    assert [quantile(values, q) for q in (0.0, 0.5, 0.99, 0.999, 1.0)] == [1, 500, 990, 999, 1000]
    assert quantile([7.0], 0.999) == 7.0
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert math.isnan(quantile([], 0.5))


def test_command_belongs_to_newest_reading_before_it() -> None:
    """Decision is counted from the reading just before, to the answer and to the read-back."""
    sensor = [reading(0, 0), reading(10, 1000), reading(30, 0)]
    relay = [*write(10.5, True, 13), read_back(19, True), *write(30.25, False, 33)]
    relay.append(read_back(38, False))
    tally = tally_of(sensor, relay, reads_back=True)
    assert tally.decision == [0.5, 0.25]
    assert tally.answer == [3, 3]
    assert tally.action == [9, 8]
    assert (tally.missed, tally.extra) == (0, 0)
    assert tally_of(sensor, relay).action == tally.answer


def test_missing_command_is_counted_as_missed() -> None:
    """A crossing that no command answers does not just vanish from the figures."""
    tally = tally_of([reading(0, 0), reading(10, 1000), reading(20, 0)], write(10.5, True, 13))
    assert (len(tally.decision), tally.missed) == (1, 1)


def test_repeated_or_late_command_is_no_second_event() -> None:
    """A retry, and a command that the newest reading contradicts, give no latency."""
    sensor = [reading(0, 0), reading(10, 1000)]
    repeated = tally_of(sensor, [*write(10.5, True), *write(12, True)])
    assert (repeated.decision, repeated.extra) == ([0.5], 1)
    late = tally_of([*sensor, reading(20, 0)], write(20.5, True))
    assert (late.decision, late.extra, late.missed) == ([], 1, 2)


def test_read_back_of_another_state_confirms_nothing() -> None:
    """A coil that reads back otherwise is no confirmed action."""
    sensor = [reading(0, 0), reading(10, 1000)]
    tally = tally_of(sensor, [*write(10.5, True, 13), read_back(19, False)], reads_back=True)
    assert (len(tally.answer), tally.action) == (1, [])


def test_readings_outside_the_window_do_not_count() -> None:
    """Start and end of a slice are cut off on both sides alike."""
    sensor = [reading(n * 10, 1000 * (n % 2)) for n in range(6)]
    relay = [frame for n in range(1, 6) for frame in write(n * 10 + 0.5, bool(n % 2))]
    commands = find_commands(relay, RELAY_UNIT)
    readings = find_readings(sensor, 1, THRESHOLD)
    tally = pair(readings, commands, (15 * MS, 45 * MS), reads_back=False)
    assert (len(tally.decision), tally.missed, tally.extra) == (3, 0, 0)


def test_report_is_one_line_of_flat_numbers() -> None:
    """Names and shape that others read: settings, figures, ratios, nothing nested."""
    numbers: dict[str, float] = {}
    for scenario in ("", "same_line_"):
        tallies = {
            name: Tally(decision=[ms], answer=[ms + 1], action=[ms + 2])
            for name, ms in zip(PREFIXES, (0.4, 0.1, 0.5), strict=True)
        }
        numbers |= figures(tallies, scenario)
    shares = ratios(numbers) | ratios(numbers, "same_line_")
    line = as_json({"quick": 1}, numbers, shares)
    found = json.loads(line)
    assert "\n" not in line
    assert found["bench"] == "latency"
    groups = [found[name] for name in ("settings", "figures", "ratios")]
    assert all(isinstance(value, int | float) for group in groups for value in group.values())
    assert {"events", "decision_ms_p50", "action_ms_p999"} <= found["figures"].keys()
    assert {"c_decision_ms_p99", "same_line_pymodbus_action_ms_p50"} <= found["figures"].keys()
    assert found["ratios"]["ratio_c_p50"] == 4.0
    assert found["ratios"]["ratio_pymodbus_p50"] == 0.8
    assert found["ratios"]["same_line_ratio_c_p999"] == 4.0


def test_client_without_events_leaves_no_ratio() -> None:
    """No division by nothing, and no NaN in the report."""
    numbers = figures({"agent": Tally(), "c": Tally(decision=[1.0]), "pymodbus": Tally()})
    assert ratios(numbers) == {}
    assert numbers["events"] == 0
    as_json({}, numbers, {})


def test_table_has_a_row_per_client_and_kind() -> None:
    """For people: nine rows under a head, then the ratios."""
    one = Tally(decision=[1.0], answer=[2.0], action=[3.0])
    numbers = figures(dict.fromkeys(PREFIXES, one))
    rows = as_table(numbers, ratios(numbers)).splitlines()
    assert [row.split()[:2] for row in rows[1:4]] == [
        ["agent", "decision"], ["agent", "answer"], ["agent", "action"]
    ]  # fmt: skip
    assert len(rows) == 1 + 9 + 6


def test_own_figures_take_the_worst_slice_for_the_tail() -> None:
    """The median slice speaks for p50, the worst one for p99.9."""

    def status(ms: float) -> dict[str, object]:
        body = {"count": 9, "p50_ms": ms, "p99_ms": ms, "p999_ms": ms, "most_ms": ms}
        return {"health": {"decision": body, "action": body, "loop_lag": body}}

    own = own_figures([status(ms) for ms in (1.0, 2.0, 9.0)])
    assert (own["own_decision_ms_p50"], own["own_decision_ms_p999"]) == (2.0, 9.0)


@pytest.mark.parametrize("make", [separate_lines, same_line])
def test_generated_site_is_valid(make: type, tmp_path: Path) -> None:
    """The agent gets a site without a problem, with 32 points."""
    wiring = make(tmp_path)
    site = load_site(write_site(tmp_path, wiring, block_s=0.5, broker=(1883, "5")))
    assert len(site.points) == wiring.points == 32
    assert {rule.latch for rule in site.rules} == {None}
