"""Thresholds on one point: levels, hold time, hysteresis, bad readings, and what a loss means."""

from __future__ import annotations

from typing import Any

import pytest

from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, Quality, RuleId
from edge.engine.conditions.tracks import LOST_AFTER
from edge.engine.conditions.tree import Compare, Condition, Held, LevelCondition, Value

A = PointId("a")
FOUR = (
    (Level.BLUE, 2.0),
    (Level.YELLOW, 2.6),
    (Level.ORANGE, 2.9),
    (Level.RED, 3.2),
)
_OPPOSITE = {">=": "<", ">": "<=", "<=": ">", "<": ">="}


def rule(**changes: Any) -> Condition:
    """The short form of a rule, as the configuration makes it."""
    fields: dict[str, Any] = {
        "comparison": ">=",
        "thresholds": FOUR,
        "hysteresis": 0.1,
        "hold_s": 0.0,
        "lost": None,
    } | changes
    comparison = fields["comparison"]
    sign = 1.0 if comparison in (">=", ">") else -1.0
    levels = []
    for level, threshold in fields["thresholds"]:
        raises: Any = Compare(Value(A), comparison, threshold)
        if fields["hold_s"]:
            raises = Held(raises, round(fields["hold_s"] * NS_PER_S))
        release = threshold - sign * fields["hysteresis"]
        clears = Compare(Value(A), _OPPOSITE[comparison], release)
        levels.append(LevelCondition(level, raises, clears))
    return Condition(RuleId("r"), tuple(levels), fields["lost"])


@pytest.fixture
def levels(desk):
    """What makes the level after each of several readings."""

    def make(condition, values, period_s=1.0):
        table, found = desk([condition]), []
        for index, value in enumerate(values):
            table.feed(value, index * period_s)
            found.append(table.level())
        return found

    return make


def test_each_threshold_raises_its_level_at_once(levels):
    found = levels(rule(), [1.99, 2.0, 2.6, 2.9, 3.2])
    assert found == [Level.NORMAL, Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED]


def test_a_level_is_kept_until_the_value_has_fallen_by_the_hysteresis(levels):
    found = levels(rule(), [3.2, 3.11, 3.1, 3.09, 3.15, 3.2])
    assert found == [Level.RED, Level.RED, Level.RED, Level.ORANGE, Level.ORANGE, Level.RED]


def test_a_falling_comparison_mirrors_thresholds_and_hysteresis(levels):
    low = rule(comparison="<=", thresholds=((Level.YELLOW, 19.5), (Level.RED, 18.0)))
    found = levels(low, [20.0, 19.5, 19.55, 19.7, 18.0, 18.05, 18.2])
    assert found == [
        Level.NORMAL, Level.YELLOW, Level.YELLOW, Level.NORMAL, Level.RED, Level.RED, Level.YELLOW,
    ]  # fmt: skip


@pytest.mark.parametrize(("comparison", "value"), [(">", 3.2), ("<", 3.2)])
def test_a_strict_comparison_does_not_include_its_threshold(levels, comparison, value):
    strict = rule(comparison=comparison, thresholds=((Level.RED, 3.2),), hysteresis=0.0)
    assert levels(strict, [value]) == [Level.NORMAL]


@pytest.mark.parametrize(
    ("comparison", "found"),
    [(">=", [0, 4, 4]), (">", [0, 0, 4]), ("<=", [4, 4, 0]), ("<", [4, 0, 0])],
)
def test_each_comparison_on_both_sides_of_its_threshold(levels, comparison, found):
    exact = rule(comparison=comparison, thresholds=((Level.RED, 3.2),), hysteresis=0.0)
    assert levels(exact, [3.1999999999999997, 3.2, 3.2000000000000006]) == found


def test_hold_time_counts_from_the_first_sample_beyond_the_threshold(levels):
    found = levels(rule(hold_s=20.0), [3.3, 3.3, 3.3, 3.3], period_s=7.0)
    assert found == [Level.NORMAL, Level.NORMAL, Level.NORMAL, Level.RED]


def test_a_dip_below_the_threshold_starts_the_hold_time_anew(levels):
    held = rule(hold_s=2.0, thresholds=((Level.RED, 3.2),))
    found = levels(held, [3.3, 3.3, 3.1, 3.3, 3.3, 3.3])
    assert found[:5] == [Level.NORMAL] * 5
    assert found[5] is Level.RED


def test_a_bad_sample_is_unknown_and_neither_raises_nor_clears(desk):
    table = desk([rule()])
    table.feed(3.3)
    for index in range(10):
        table.feed(None, index, Quality.NO_ANSWER)
        assert table.level() is None
    assert table.explain().standing is Level.RED


def test_an_out_of_range_value_is_never_compared(desk):
    table = desk([rule()])
    assert table.feed(99.0, quality=Quality.OUT_OF_RANGE) == []
    assert table.level() is None


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), 1e300])
def test_a_good_reading_without_a_usable_number_is_a_bad_one(desk, value):
    table = desk([rule(lost=Level.YELLOW)])
    table.feed(1.0)
    assert [v.level for v in table.feed(value, 1)] == [None]
    table.feed(value, 2)
    [verdict] = table.feed(value, 3)
    assert verdict.level is Level.YELLOW
    assert verdict.evidence[0].quality is Quality.GARBLED


def test_a_bad_sample_does_not_reset_the_hold_time(desk):
    table = desk([rule(hold_s=2.0)])
    table.feed(3.3, 0.0)
    table.feed(None, 1.0, Quality.GARBLED)
    table.feed(3.3, 2.0)
    assert table.level() is Level.RED


def test_what_its_line_calls_lost_raises_its_level_at_once(desk):
    table = desk([rule(lost=Level.ORANGE)])
    table.feed(None, 0, Quality.LOST)
    assert table.level() is Level.ORANGE


def test_a_lost_sensor_raises_its_level_only_after_several_bad_samples(desk):
    table, found = desk([rule(lost=Level.ORANGE)]), []
    for index in range(LOST_AFTER + 1):
        table.feed(None, index, Quality.NO_ANSWER)
        found.append(table.level())
    assert found == [None] * (LOST_AFTER - 1) + [Level.ORANGE, Level.ORANGE]


def test_once_lost_a_sensor_stays_so_until_it_is_read(desk):
    table = desk([rule(lost=Level.ORANGE)])
    table.feed(None, 0, Quality.LOST)
    table.feed(None, 1, Quality.GARBLED)
    assert table.level() is Level.ORANGE
    assert table.explain().lost == (A,)


def test_losing_the_sensor_never_lowers_a_level(desk):
    table = desk([rule(lost=Level.BLUE)])
    table.feed(3.3)
    for index in range(LOST_AFTER):
        table.feed(None, index, Quality.ABSENT)
    assert table.level() is Level.RED


def test_one_good_sample_ends_a_loss(desk):
    table = desk([rule(lost=Level.RED)])
    for index in range(LOST_AFTER):
        table.feed(None, index, Quality.NO_ANSWER)
    table.feed(1.0, 9.0)
    assert table.level() is Level.NORMAL
    table.feed(None, 10.0, Quality.NO_ANSWER)
    assert table.level() is None


def test_a_restored_level_keeps_its_hysteresis(desk):
    for value, level in ((3.15, Level.RED), (3.05, Level.ORANGE), (2.85, Level.ORANGE)):
        table = desk([rule()])
        table.set.restore({RuleId("r"): Level.RED})
        table.told[RuleId("r")] = None
        table.feed(value)
        assert table.explain().standing is level


def test_a_level_that_is_reached_is_told_while_a_higher_one_is_unknown(desk):
    """Nothing that is unknown keeps back what is known."""
    levels = (
        LevelCondition(Level.YELLOW, Compare(Value(A), ">=", 5.0)),
        LevelCondition(Level.RED, Compare(Value(PointId("b")), ">=", 5.0)),
    )
    table = desk([Condition(RuleId("r"), levels)])
    assert [v.level for v in table.feed(6.0, 0)] == [Level.YELLOW]
    assert [v.level for v in table.feed(4.0, 1)] == [Level.NORMAL]
    assert table.feed(4.5, 2) == []
    assert [v.level for v in table.feed(1.0, 3, on="b")] == []
    assert [v.level for v in table.miss(4, on="b")] == [None]
    assert [v.level for v in table.feed(6.0, 5)] == [Level.YELLOW]


def test_what_did_not_change_is_the_same_empty_answer(desk):
    table = desk([rule()])
    table.feed(2.7)
    now, utc = 1, table.set
    first = table.set.feed(A, 2.75, Quality.GOOD, now, utc)
    assert first == ()
    assert table.set.feed(A, 2.8, Quality.GOOD, now, utc) is first
    assert table.set.feed(PointId("elsewhere"), 9.0, Quality.GOOD, now, utc) is first
