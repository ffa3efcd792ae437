"""A rule set at a desk: four points, readings at virtual instants, the calendar of UTC+8."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.core.instant import Instant, Utc
from edge.core.model import DeviceId, Level, Point, PointId, Quality, RuleId, Verdict
from edge.core.units import Unit
from edge.engine.conditions.explain import Explanation
from edge.engine.conditions.rule_set import RuleSet
from edge.engine.conditions.tree import (
    Condition,
    Expression,
    LevelCondition,
    Selector,
)
from edge.engine.conditions.truth import Truth
from edge.engine.quality import Counter

# 2024-06-12 10:00 in Chongqing.
MORNING_MS = 1_718_157_600_000


def china(utc_ms: int) -> tuple[int, int, int, int]:
    """The hydrological day (from 08:00, which is midnight UTC), month, day, minute of the day."""
    there = datetime.fromtimestamp(utc_ms / 1000, UTC) + timedelta(hours=8)
    return utc_ms // 86_400_000, there.month, there.day, there.hour * 60 + there.minute


class Desk:
    """A rule set with what a test wants to know of it."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        *,
        selectors: tuple[Selector, ...] = (),
        counters: Mapping[PointId, Counter] | None = None,
        decimals: int = 1,
    ) -> None:
        points = [Point(PointId(name), DeviceId("d"), Unit.MILLIMETRE, decimals) for name in "abcd"]
        self.set = RuleSet(
            list(conditions), points, selectors=selectors, counters=counters, local=china
        )
        self.told: dict[RuleId, Level | None] = {}
        self.utc_ms = MORNING_MS

    def feed(
        self, value: float | None, at_s: float = 0.0, quality: Quality = Quality.GOOD, on: str = "a"
    ) -> list[Verdict]:
        """A reading; wall time goes with the instant."""
        return self.feed_ns(value, round(at_s * 1e9), quality, on)

    def feed_ns(self, value: float | None, at: int, quality: Quality, on: str) -> list[Verdict]:
        """A reading."""
        utc = Utc(self.utc_ms + at // 1_000_000)
        return self._note(self.set.feed(PointId(on), value, quality, Instant(at), utc))

    def miss(self, at_s: float, times: int = 1, on: str = "a") -> list[Verdict]:
        """Bad readings."""
        found: list[Verdict] = []
        for _ in range(times):
            found += self.feed(None, at_s, Quality.NO_ANSWER, on)
        return found

    def advance(self, at_s: float) -> list[Verdict]:
        """Let time pass."""
        at = round(at_s * 1e9)
        return self._note(self.set.advance(Instant(at), Utc(self.utc_ms + at // 1_000_000)))

    def level(self, rule: str = "r") -> Level | None:
        """What the rule has last told."""
        return self.told.get(RuleId(rule))

    def explain(self, rule: str = "r") -> Explanation:
        """Why the rule is at its level."""
        return self.set.explain(RuleId(rule))

    def truth(self, rule: str = "r") -> Truth:
        """What the lowest level's condition is now."""
        return self.explain(rule).levels[0].raises

    def _note(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        found = list(verdicts)
        for verdict in found:
            assert verdict.rule not in self.told or self.told[verdict.rule] is not verdict.level
            self.told[verdict.rule] = verdict.level
        return found


@pytest.fixture(scope="session")
def desk() -> type[Desk]:
    """What makes a desk of several conditions."""
    return Desk


@pytest.fixture(scope="session")
def red() -> Callable[..., Condition]:
    """What makes a rule with one level out of its condition."""

    def make(raises: Expression, clears: Expression | None = None, **fields: Any) -> Condition:
        rule = RuleId(fields.pop("rule", "r"))
        return Condition(rule, (LevelCondition(Level.RED, raises, clears),), **fields)

    return make


@pytest.fixture(scope="session")
def one(desk: type[Desk], red: Callable[..., Condition]) -> Callable[..., Desk]:
    """What makes a desk with one rule of one level out of its condition."""

    def make(raises: Expression, clears: Expression | None = None, **fields: Any) -> Desk:
        given = {name: fields.pop(name) for name in ("selectors", "counters") if name in fields}
        return desk([red(raises, clears, **fields)], **given)

    return make
