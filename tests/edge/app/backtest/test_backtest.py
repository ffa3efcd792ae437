"""A whole back-test: files in, what every rule would have done out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.analysis.backtest.model import Event, Span
from edge.app.backtest import Order, Report, backtest
from edge.app.backtest_engine import engine_of
from edge.app.config import Site
from edge.app.history.mapping import Series, parse_missing
from edge.app.sweep import parse_sweep, sweep_of
from edge.core.errors import ConfigError
from edge.core.model import Level, PointId, RuleId
from edge.core.units import Unit
from edge.engine.conditions.tree import Compare, walk

FLOOD = RuleId("high-water")
HEAD = "time,series,value\n"
HOUR_S = 3600


def write(path: Path, *rows: tuple[int, str, float | str]) -> Path:
    """A file of readings."""
    path.write_text(HEAD + "".join(f"{at},{name},{value}\n" for at, name, value in rows))
    return path


def tide(*levels: float, period_s: int = 600, begin_s: int = 0) -> list[tuple[int, str, float]]:
    """A level that is read so often."""
    return [(begin_s + at * period_s, "log.tide", level) for at, level in enumerate(levels)]


def run(site: Site, *paths: Path, **more: object) -> Report:
    """Back-test one site."""
    return backtest(Order((site,), paths, **more), engine_of)  # type: ignore[arg-type]  # fields of Order


def changes(report: Report, rule: RuleId = FLOOD) -> list[tuple[int, Level]]:
    """What a rule did, in seconds."""
    return [(at_ms // 1000, level) for at_ms, level in report.results[0].tracks[rule].changes]


def test_the_engine_is_the_one_that_runs_on_site(site: Site, tmp_path: Path) -> None:
    """Hold time, hysteresis and levels as the rule says: red is 0.80 m for 12 minutes."""
    path = write(tmp_path / "a.csv", *tide(0.3, 0.81, 0.82, 0.83, 0.78, 0.7, 0.3, 0.3))
    assert changes(run(site, path)) == [
        (1800, Level.RED), (3000, Level.YELLOW), (3600, Level.NORMAL),
    ]  # fmt: skip


def test_units_are_converted_by_the_mapping(site: Site, tmp_path: Path) -> None:
    """Centimetres of a logger, metres of a rule; exactly at the threshold."""
    rows = [(at, "stage", round(level * 100)) for at, _, level in tide(0.3, 0.8, 0.8, 0.8, 0.8)]
    path = write(tmp_path / "a.csv", *rows)
    mapped = (Series("stage", PointId("log.tide"), Unit.CENTIMETRE),)
    assert changes(run(site, path, series=mapped)) == [(1800, Level.RED)]


def test_a_lost_sensor_is_neither_high_nor_low_and_its_time_is_told(
    site: Site, tmp_path: Path
) -> None:
    """The last level stands; the report says how long nobody knew."""
    rows = tide(0.3, 0.81, 0.82, 0.83) + tide(*[-9999.0] * 12, begin_s=2400)
    path = write(tmp_path / "a.csv", *rows, *tide(0.2, 0.2, begin_s=9600))
    report = run(site, path, missing=dict([parse_missing("-9999")]))
    assert changes(report)[0] == (1800, Level.RED)
    assert changes(report)[1] == (9600, Level.NORMAL)
    doubts = report.results[0].tracks[FLOOD].doubts
    # the first two bad readings are no loss as yet
    lost = [(each.begin_ms // 1000, each.end_ms // 1000) for each in doubts if each.why == "lost"]
    assert lost == [(3600, 9600)]
    assert report.intake.missing == 12


def test_silence_makes_a_sensor_lost_if_it_is_asked_for(site: Site, tmp_path: Path) -> None:
    """A gap in a file is no calm water; rule surge warns when its sensor is lost."""
    path = write(tmp_path / "a.csv", *tide(*[0.3] * 9), *tide(*[0.3] * 9, begin_s=90_000))
    quiet = run(site, path)
    assert changes(quiet, RuleId("surge")) == []
    told = run(site, path, silence_ms=2 * HOUR_S * 1000)
    assert changes(told, RuleId("surge"))[0] == (8 * 600 + 2 * HOUR_S, Level.YELLOW)


def test_events_are_hit_missed_or_not_covered(site: Site, tmp_path: Path) -> None:
    """With the lead time from the alarm to the begin."""
    path = write(tmp_path / "a.csv", *tide(0.3, 0.81, 0.82, 0.83, *[0.3] * 20))
    events = tuple(
        Event(Span(at * 1000, at * 1000), name, rule=FLOOD)
        for at, name in ((5400, "flood"), (12_000, "quiet"), (10**9, "elsewhere"))
    )
    report = run(site, path, events=events, reach_ms=3600_000)
    red = next(s for s in report.results[0].scores if (s.rule, s.level) == (FLOOD, Level.RED))
    assert [(hit.event.label, hit.lead_ms) for hit in red.hits] == [("flood", 3600_000)]
    assert [event.label for event in red.misses] == ["quiet"]
    assert [event.label for event in report.outside] == ["elsewhere"]


def test_two_site_files_go_through_the_same_rows(site: Site, tmp_path: Path) -> None:
    """Side by side, in one pass."""
    path = write(tmp_path / "a.csv", *tide(*[0.75] * 9))
    other = replace(site, rules=tuple(rule for rule in site.rules if rule.id != FLOOD))
    report = backtest(Order((site, other), (path,)), engine_of)
    one, two = report.results
    assert FLOOD in one.tracks
    assert FLOOD not in two.tracks
    assert one.fed == two.fed == 9


def test_shadow_rules_are_judged_and_named(site: Site, tmp_path: Path) -> None:
    """In a back-test they are heard: that is what it is for."""
    path = write(tmp_path / "a.csv", *tide(0.3, 0.75, 0.3))
    report = run(site, path)
    shadow = RuleId("high-water-lower")
    assert report.results[0].shadows == {shadow}
    assert changes(report, shadow) == [(600, Level.RED), (1200, Level.NORMAL)]


def test_points_without_rows_are_told_by_rule(site: Site, tmp_path: Path) -> None:
    """A rule that was never judged must not look like one that was never wrong."""
    report = run(site, write(tmp_path / "a.csv", *tide(0.3, 0.3)))
    unfed = report.results[0].unfed
    assert unfed[RuleId("soaked")] == ("log.moisture", "log.tips")
    assert FLOOD not in unfed


def test_data_for_no_rule_is_refused_with_both_lists(site: Site, tmp_path: Path) -> None:
    """The usual mistake of the first attempt."""
    with pytest.raises(ConfigError) as wrong:
        run(site, write(tmp_path / "a.csv", (0, "stage", 1.0)))
    assert "stage" in str(wrong.value)
    assert "log.tide" in str(wrong.value)
    assert "--map" in wrong.value.hint


def test_a_file_that_is_not_in_order_is_refused(site: Site, tmp_path: Path) -> None:
    """Newest first, as some loggers export: it would be a record of nothing."""
    rows = [(at, "log.tide", 0.3) for at in range(60_000, 0, -1)]
    with pytest.raises(ConfigError, match="later"):
        run(site, write(tmp_path / "a.csv", *rows))
    small = write(tmp_path / "b.csv", *reversed(tide(0.3, 0.81, 0.82, 0.83)))
    assert changes(run(site, small)) == [(1800, Level.RED)]


def test_progress_goes_up_to_the_end(site: Site, tmp_path: Path) -> None:
    """Over all files together."""
    paths = (
        write(tmp_path / "a.csv", *tide(*[0.3] * 30_000)),
        write(tmp_path / "b.csv", *[(at, "log.tips", 0) for at in range(30_000)]),
    )
    seen: list[float] = []
    backtest(Order((site,), paths), engine_of, progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == 1.0


def test_a_sweep_moves_one_threshold_and_keeps_its_hysteresis(site: Site, tmp_path: Path) -> None:
    """And shows where it is now, also between the steps."""
    levels = [0.3, 0.5, 0.55, 0.62, 0.66, 0.71, 0.74, 0.7, 0.5, 0.3] * 3
    path = write(tmp_path / "a.csv", *tide(*levels))
    asked = parse_sweep("rule=high-water:level=red:50 cm..75 cm:3")
    events = (Event(Span(3_000_000, 3_600_000), "flood"),)
    order = Order((site,), (path,), events=events, sweep=sweep_of((site,), asked))
    [curve] = backtest(order, engine_of).curves
    assert [(choice.words, choice.present) for choice in curve.choices] == [
        ("50 cm", False), ("62.5 cm", False), ("75 cm", False), ("80 cm", True),
    ]  # fmt: skip
    assert [len(choice.score.alarms) for choice in curve.choices] == [3, 3, 0, 0]
    leads = [choice.score.lead_ms for choice in curve.choices[:2]]
    assert leads[0] is not None
    assert leads[1] is not None
    assert leads[0] > leads[1]


def test_what_clears_a_level_moves_with_it(site: Site) -> None:
    """Red from 0.80 m until below 0.75 m: from 0.50 m until below 0.45 m."""
    sweep = sweep_of((site,), parse_sweep("rule=high-water:level=red:0.5 m..0.6 m:2"))
    moved = sweep.variants[0][0].site.rules[0].condition.levels[-1]
    assert moved.clears is not None
    raises = [part.limit for part in walk(moved.raises) if isinstance(part, Compare)]
    clears = [part.limit for part in walk(moved.clears) if isinstance(part, Compare)]
    assert (raises, clears) == ([0.5], [0.45])


def test_a_sweep_of_a_rate_moves_the_number_that_is_meant(site: Site) -> None:
    """Written per hour, kept per second, and no other number of the condition moves."""
    sweep = sweep_of((site,), parse_sweep("rule=surge:level=yellow:0.3 m/h..0.5 m/h:2:term=1"))
    limits = [
        [part.limit for part in walk(rule.condition.levels[0].raises) if isinstance(part, Compare)]
        for variant in sweep.variants[0]
        for rule in variant.site.rules
        if rule.id == "surge"
    ]
    assert [rate for rate, _ in limits] == [0.3 / 3600, 0.35 / 3600, 0.5 / 3600]
    assert {change for _, change in limits} == {0.65}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("high-water", ["no sweep"]),
        ("rule=high-water:level=red:1 m..2 m", ["no sweep"]),
        ("rule=high-water:level=purple:1 m..2 m:3", ["purple", "orange"]),
        ("rule=high-watr:level=red:1 m..2 m:3", ["high-watr", "high-water"]),
        ("rule=high-water:level=orange:1 m..2 m:3", ["orange", "yellow"]),
        ("rule=high-water:level=red:1 m..2 cm:3", ["one unit"]),
        ("rule=high-water:level=red:1 degC..2 degC:3", ["degC", "log.tide"]),
        ("rule=high-water:level=red:1..2:3", ["log.tide", "cm"]),
        ("rule=high-water:level=red:1 m..2 m:1", ["2 … 100"]),
        ("rule=surge:level=yellow:1 m..2 m:3", ["1: rate(log.tide, 1 h)", "2: change"]),
    ],
)
def test_a_sweep_that_is_none_is_refused(site: Site, written: str, words: list[str]) -> None:
    """With what would be one."""
    with pytest.raises(ConfigError) as wrong:
        sweep_of((site,), parse_sweep(written))
    said = f"{wrong.value} {wrong.value.hint}"
    assert all(word in said for word in words), said
