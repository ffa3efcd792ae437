"""Threshold conditions: levels, hold time, hysteresis, and bad samples."""

from typing import Any

import pytest

from edge.core.instant import Instant, Utc
from edge.core.model import Level, PointId, Quality, RuleId, Sample
from edge.core.units import Unit
from edge.engine.conditions import LOST_AFTER, Condition, ConditionState, step

FOUR = (
    (Level.BLUE, 2.0),
    (Level.YELLOW, 2.6),
    (Level.ORANGE, 2.9),
    (Level.RED, 3.2),
)


def condition(**changes):
    fields: dict[str, Any] = {
        "comparison": ">=",
        "thresholds": FOUR,
        "hysteresis": 0.1,
        "hold_s": 0.0,
        "lost": None,
    }
    return Condition(RuleId("r"), PointId("river.level"), **(fields | changes))


def sample(value, at_s=0.0, quality=Quality.GOOD):
    at = Instant(round(at_s * 1e9))
    return Sample(PointId("river.level"), value, Unit.METRE, quality, at, Utc(0))


def levels(cond, values, state=None, period_s=1.0):
    state = state or ConditionState()
    return [step(cond, state, sample(v, i * period_s)).level for i, v in enumerate(values)]


def test_each_threshold_raises_its_level_at_once():
    found = levels(condition(), [1.99, 2.0, 2.6, 2.9, 3.2])
    assert found == [Level.NORMAL, Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED]


def test_a_level_is_kept_until_the_value_has_fallen_by_the_hysteresis():
    found = levels(condition(), [3.2, 3.11, 3.1, 3.09, 3.15, 3.2])
    assert found == [Level.RED, Level.RED, Level.RED, Level.ORANGE, Level.ORANGE, Level.RED]


def test_a_falling_comparison_mirrors_thresholds_and_hysteresis():
    low = condition(comparison="<=", thresholds=((Level.YELLOW, 19.5), (Level.RED, 18.0)))
    found = levels(low, [20.0, 19.5, 19.55, 19.7, 18.0, 18.05, 18.2])
    assert found == [
        Level.NORMAL, Level.YELLOW, Level.YELLOW, Level.NORMAL, Level.RED, Level.RED, Level.YELLOW,
    ]  # fmt: skip


@pytest.mark.parametrize(("comparison", "value"), [(">", 3.2), ("<", 3.2)])
def test_a_strict_comparison_does_not_include_its_threshold(comparison, value):
    strict = condition(comparison=comparison, thresholds=((Level.RED, 3.2),), hysteresis=0.0)
    assert levels(strict, [value]) == [Level.NORMAL]


def test_hold_time_counts_from_the_first_sample_beyond_the_threshold():
    held = condition(hold_s=20.0)
    found = levels(held, [3.3, 3.3, 3.3, 3.3], period_s=7.0)
    assert found == [Level.NORMAL, Level.NORMAL, Level.NORMAL, Level.RED]


def test_a_dip_below_the_threshold_starts_the_hold_time_anew():
    held = condition(hold_s=2.0, thresholds=((Level.RED, 3.2),))
    found = levels(held, [3.3, 3.3, 3.1, 3.3, 3.3, 3.3])
    assert found[:5] == [Level.NORMAL] * 5
    assert found[5] is Level.RED


def test_a_bad_sample_is_unknown_and_neither_raises_nor_clears():
    cond, state = condition(), ConditionState()
    step(cond, state, sample(3.3))
    for index in range(10):
        verdict = step(cond, state, sample(None, index, Quality.NO_ANSWER))
        assert verdict.level is None
    assert state.level is Level.RED


def test_an_out_of_range_value_is_never_compared():
    assert (
        step(condition(), ConditionState(), sample(99.0, quality=Quality.OUT_OF_RANGE)).level
        is None
    )


def test_a_bad_sample_does_not_reset_the_hold_time():
    held, state = condition(hold_s=2.0), ConditionState()
    step(held, state, sample(3.3, 0.0))
    step(held, state, sample(None, 1.0, Quality.GARBLED))
    assert step(held, state, sample(3.3, 2.0)).level is Level.RED


def test_what_its_line_calls_lost_raises_its_level_at_once():
    gas, state = condition(lost=Level.ORANGE), ConditionState()
    assert step(gas, state, sample(None, 0, Quality.LOST)).level is Level.ORANGE


def test_a_lost_sensor_raises_its_level_only_after_several_bad_samples():
    gas, state = condition(lost=Level.ORANGE), ConditionState()
    found = [
        step(gas, state, sample(None, i, Quality.NO_ANSWER)).level for i in range(LOST_AFTER + 1)
    ]
    assert found == [None] * (LOST_AFTER - 1) + [Level.ORANGE, Level.ORANGE]


def test_losing_the_sensor_never_lowers_a_level():
    gas, state = condition(lost=Level.BLUE), ConditionState()
    step(gas, state, sample(3.3))
    found = [step(gas, state, sample(None, i, Quality.ABSENT)).level for i in range(LOST_AFTER)]
    assert found[-1] is Level.RED


def test_one_good_sample_ends_a_loss():
    gas, state = condition(lost=Level.RED), ConditionState()
    for index in range(LOST_AFTER):
        step(gas, state, sample(None, index, Quality.NO_ANSWER))
    assert step(gas, state, sample(1.0, 9.0)).level is Level.NORMAL
    assert step(gas, state, sample(None, 10.0, Quality.NO_ANSWER)).level is None


def test_a_restored_level_keeps_its_hysteresis():
    state = ConditionState(level=Level.RED)
    assert step(condition(), state, sample(3.15)).level is Level.RED
    assert step(condition(), state, sample(3.05)).level is Level.ORANGE
