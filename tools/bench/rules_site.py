"""The rules bench's site: points in threes, three rules on each, and what sensors send. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import DeviceId, Level, Point, PointId, Quality, RuleId
from edge.core.units import Unit
from edge.engine.conditions.tree import (
    Compare,
    Condition,
    Function,
    Held,
    LevelCondition,
    Value,
    Votes,
    Window,
)
from edge.engine.quality import PointChecks

GROUP = 3
HOUR_S = 3600.0
HOLD_S = 20
VOTES_HOLD_S = 5
HYSTERESIS = 0.305
# Off the grid of two decimals, so that summing in floating point decides as exact sums do.
THRESHOLDS = (
    (Level.BLUE, 2.005),
    (Level.YELLOW, 2.505),
    (Level.ORANGE, 3.005),
    (Level.RED, 3.505),
)
VOTE = 2.755
MEAN_VALUE = 1.8
RATE_PER_H = 0.9007
START_UTC_MS = 1_718_158_500_000

Reading = tuple[PointId, float | None, Quality, Instant, Utc]


@dataclass(frozen=True)
class RulesSite:
    """Points, their checks and conditions. Windows are ``window_s`` long."""

    points: list[Point]
    checks: dict[PointId, PointChecks]
    conditions: list[Condition]
    period_s: float
    window_s: float = HOUR_S
    names: list[PointId] = field(default_factory=list)


def make_site(
    points: int, period_s: float, window_s: float = HOUR_S, *, reach: float = 1.0
) -> RulesSite:
    """So many points, in groups of three redundant sensors; every point feeds three rules.

    Four levels with hysteresis, the highest held; the sum of a window; and in turn, by group, the
    rate over a window or two votes of three, held. ``reach``: times the limits of the windows.
    """
    names = [PointId(f"gauge-{n}.level") for n in range(points)]
    found = [
        Point(name, DeviceId(name.partition(".")[0]), Unit.METRE, 2, -1.0, 30.0) for name in names
    ]
    conditions = []
    for number, name in enumerate(names):
        conditions += [_threshold(name), _sum(name, window_s, period_s, reach)]
        if number // GROUP % 2:
            conditions.append(_rate(name, window_s, reach))
    for first in range(0, points, 2 * GROUP):
        conditions.append(_votes(names[first : first + GROUP]))
    # every other group also has its rate of change looked at
    checks = {name: PointChecks(rate_per_s=10.0) for n, name in enumerate(names) if n // GROUP % 2}
    return RulesSite(found, checks, conditions, period_s, window_s, names)


def _threshold(name: PointId) -> Condition:
    levels = []
    for level, limit in THRESHOLDS:
        raises: Compare | Held = Compare(Value(name), ">=", limit)
        if level is Level.RED:
            raises = Held(raises, HOLD_S * NS_PER_S)
        clears = Compare(Value(name), "<", limit - HYSTERESIS)
        levels.append(LevelCondition(level, raises, clears))
    return Condition(RuleId(f"level {name}"), tuple(levels), lost=Level.YELLOW)


def sum_limits(window_s: float, period_s: float) -> list[tuple[Level, float]]:
    """Limits that the sums of a window cross now and then."""
    mean = MEAN_VALUE * window_s / period_s
    parts = ((Level.YELLOW, 1.0), (Level.ORANGE, 1.01), (Level.RED, 1.02))
    return [(level, round(mean * part, 2) + 0.005) for level, part in parts]


def _sum(name: PointId, window_s: float, period_s: float, reach: float) -> Condition:
    window = Window(Function.SUM, name, round(window_s * NS_PER_S))
    levels = [
        LevelCondition(level, Compare(window, ">=", reach * limit))
        for level, limit in sum_limits(window_s, period_s)
    ]
    return Condition(RuleId(f"sum {name}"), tuple(levels))


def _rate(name: PointId, window_s: float, reach: float) -> Condition:
    window = Window(Function.RATE, name, round(window_s * NS_PER_S))
    compare = Compare(window, ">", reach * RATE_PER_H / window_s)
    return Condition(RuleId(f"rate {name}"), (LevelCondition(Level.ORANGE, compare),))


def _votes(names: list[PointId]) -> Condition:
    votes = Votes(2, tuple(Compare(Value(name), ">=", VOTE) for name in names))
    held = Held(votes, VOTES_HOLD_S * NS_PER_S)
    return Condition(RuleId(f"votes {names[0]}"), (LevelCondition(Level.RED, held),))


def readings(site: RulesSite, count: int, *, seed: int = 1, start_s: float = 0.0) -> list[Reading]:
    """What comes, in order: a noisy quantity that wanders, with spikes and readings that fail."""
    chance = random.Random(seed)
    values = [MEAN_VALUE] * len(site.points)
    found: list[Reading] = []
    rounds = -(-count // len(site.points))
    for turn in range(rounds):
        now_s = start_s + turn * site.period_s
        utc = Utc(START_UTC_MS + round(now_s * 1000), ClockQuality.SYNCED)
        for number, name in enumerate(site.names):
            pull = 0.002 * (MEAN_VALUE - values[number])
            values[number] += pull + chance.gauss(0.0, 0.05)
            value: float | None = round(values[number] + chance.gauss(0.0, 0.02), 2)
            at = Instant(round(now_s * NS_PER_S) + number * 1_000_000)
            luck = chance.random()
            quality = Quality.GOOD
            if luck < 0.001:
                value, quality = None, Quality.NO_ANSWER
            elif luck < 0.0015:
                value = 99.0  # out of range
            found.append((name, value, quality, at, utc))
    return found[:count]
