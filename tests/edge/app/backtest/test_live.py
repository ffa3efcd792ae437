"""A back-test decides what the agent would have decided: the same bytes for the same samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.app.backtest import Order, backtest, decision_line
from edge.app.backtest_engine import engine_of
from edge.app.config import Site
from edge.app.history.mapping import parse_missing
from edge.core.instant import NS_PER_S
from edge.core.model import Alarm, PointId, Quality
from edge.engine.bodies import alarm_body
from tools.recorded_walk import Recorded, decision_of, live_log

Rows = list[tuple[int, str, str]]
_BAD = {"": Quality.NO_ANSWER, "-9999": Quality.ERROR_WORD}


def live(site: Site, rows: Rows, since_boot_ns: int | None = None) -> bytes:
    """The decisions of the agent, on samples that were not read by what is tested."""
    samples = [
        Recorded(
            at_s * 1000,
            PointId(point),
            None if value in _BAD else float(value),
            _BAD.get(value, Quality.GOOD),
        )
        for at_s, point, value in rows
    ]
    return "\n".join(live_log(site, samples, since_boot_ns=since_boot_ns)).encode()


def replayed_log(site: Site, path: Path) -> bytes:
    """The decisions of the armed rules in a back-test."""
    lines: list[str] = []
    shadows = {rule.id for rule in site.rules if rule.shadow}

    def decided(at_ms: int, alarm: Alarm) -> None:
        if alarm.rule not in shadows:
            lines.append(decision_line(at_ms, alarm))

    order = Order((site,), (path,), missing=dict([parse_missing("-9999")]))
    backtest(order, engine_of, decided=decided)
    return "\n".join(lines).encode()


def test_the_same_samples_make_the_same_decisions_byte_for_byte(
    site: Site, recorded: Rows, record: Path
) -> None:
    """Windows, votes, selectors, calendars, holding times, latches, buttons, lost sensors."""
    decided, replayed = live(site, recorded), replayed_log(site, record)
    assert decided == replayed
    decisions = decided.decode().splitlines()
    assert len(decisions) > 200
    for rule in ("high-water", "surge", "soaked", "bursts", "moving"):
        assert any(f'"rule":"{rule}"' in line for line in decisions), rule
    assert any('"by":"值班室"' in line for line in decisions)


def test_a_box_that_was_started_at_another_time_decides_the_same(
    site: Site, recorded: Rows, record: Path
) -> None:
    """Without windows it does not matter where monotonic time begins."""
    plain = replace(
        site, rules=tuple(rule for rule in site.rules if rule.id in ("high-water", "moving"))
    )
    decided = live(plain, recorded, 7 * NS_PER_S + 123_000_000)
    assert decided == replayed_log(plain, record)
    assert decided


def test_a_changed_threshold_changes_the_log(site: Site, recorded: Rows, record: Path) -> None:
    """Two logs that are equal must be able to differ."""
    rules = list(site.rules)
    condition = rules[0].condition
    levels = (replace(condition.levels[0], level=condition.levels[0].level), *condition.levels[1:])
    rules[0] = replace(rules[0], condition=replace(condition, levels=levels[1:]))
    other = replace(site, rules=tuple(rules))
    assert live(other, recorded) != replayed_log(site, record)
    assert live(other, recorded) == replayed_log(other, record)


def test_a_decision_is_one_line_of_its_record(site: Site) -> None:
    """The log is the records, no more and no less."""
    alarm = Alarm(site.rules[0].condition.rule)
    assert decision_line(5, alarm) == decision_of(5, alarm_body(alarm))
    assert "\n" not in decision_line(5, alarm)


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_record_in_pieces_makes_the_same_log(
    site: Site, recorded: Rows, record: Path, tmp_path: Path, pieces: int
) -> None:
    """Files of a month each, given in any order, and overlapping by a row."""
    lines = record.read_text().splitlines(keepends=True)
    paths, size = [], len(lines) // pieces + 1
    for number in range(pieces):
        part = lines[1:][max(0, number * size - 1) : (number + 1) * size]
        paths.append(tmp_path / f"part-{pieces - number}.csv")
        paths[-1].write_text(lines[0] + "".join(part))
    log: list[str] = []
    order = Order((site,), tuple(paths), missing=dict([parse_missing("-9999")]))
    report = backtest(
        order, engine_of, decided=lambda at, alarm: log.append(decision_line(at, alarm))
    )
    whole = Order((site,), (record,), missing=dict([parse_missing("-9999")]))
    expected: list[str] = []
    backtest(whole, engine_of, decided=lambda at, alarm: expected.append(decision_line(at, alarm)))
    assert sorted(log) == sorted(expected)
    assert report.intake.duplicates == pieces - 1
