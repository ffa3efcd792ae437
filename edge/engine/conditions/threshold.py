"""Threshold conditions: comparison, four levels, hold time, hysteresis, and what a lost sensor
means. Pure.

Three-valued: a bad sample is neither above nor below. It leaves the level and the hold time as they
are, until the sensor counts as lost.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import Level, PointId, Quality, RuleId, Sample, Verdict

# Consecutive bad samples after which a sensor is lost, if its line does not say so before: one
# garbled frame must neither raise nor clear.
LOST_AFTER = 3

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule on one point. Thresholds and hysteresis are in the point's stored unit.

    ``lost`` is the level that a lost sensor raises; None lets the last level stand.
    """

    rule: RuleId
    point: PointId
    comparison: str
    thresholds: tuple[tuple[Level, float], ...]
    hysteresis: float = 0.0
    hold_s: float = 0.0
    lost: Level | None = None


@dataclass(slots=True)
class ConditionState:
    """What is remembered between samples.

    Since when each level has held, and consecutive bad samples.
    """

    level: Level = Level.NORMAL
    since: dict[Level, Instant] = field(default_factory=dict)
    bad: int = 0


def step(condition: Condition, state: ConditionState, sample: Sample) -> Verdict:
    """Take the next sample of the condition's point; O(levels), no allocation but the verdict."""
    if sample.quality is not Quality.GOOD or sample.value is None:
        return _step_bad(condition, state, sample)
    state.bad = 0
    compare = _COMPARE[condition.comparison]
    sign = 1.0 if condition.comparison in (">=", ">") else -1.0
    reached = Level.NORMAL
    for level, threshold in condition.thresholds:
        release = threshold - sign * condition.hysteresis if level <= state.level else threshold
        if not compare(sample.value, release):
            state.since.pop(level, None)
            continue
        since = state.since.setdefault(level, sample.at)
        held = sample.at - since >= condition.hold_s * NS_PER_S
        if (held or level <= state.level) and level > reached:
            reached = level
    state.level = reached
    return Verdict(condition.rule, reached, (sample,), sample.at)


def _step_bad(condition: Condition, state: ConditionState, sample: Sample) -> Verdict:
    state.bad += 1
    level: Level | None = None
    lost = state.bad >= LOST_AFTER or sample.quality is Quality.LOST
    if condition.lost is not None and lost:
        level = max(condition.lost, state.level)
    return Verdict(condition.rule, level, (sample,), sample.at)
