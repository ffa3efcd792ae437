"""All rules of a site, judged reading by reading. Pure.

A reading costs a look at the bands of its point and of the windows on it. Only one that leaves a
band changes a comparison; then what depends on the point is judged, parts before wholes, so that
no expression is ever seen with one part from before the reading and another from after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from edge.core.instant import NS_PER_MS, Instant, Utc
from edge.core.model import Level, Point, PointId, Quality, RuleId, Verdict
from edge.engine.conditions import windows
from edge.engine.conditions.build import Builder
from edge.engine.conditions.explain import Explanation, explain
from edge.engine.conditions.memory import memory_bytes
from edge.engine.conditions.presence import NEVER, CalendarNode
from edge.engine.conditions.rulings import Ruling
from edge.engine.conditions.sources import MOST
from edge.engine.conditions.tracks import Track
from edge.engine.conditions.tree import Condition, Selector
from edge.engine.conditions.truth import LOST, UNKNOWN, Truth
from edge.engine.conditions.windows import DaySum
from edge.engine.quality import Counter

_NOTHING: tuple[Verdict, ...] = ()
_GOOD = Quality.GOOD
_MS_PER_MIN = 60_000
_DAY_MIN = 24 * 60
_DAY_BEGINS_MIN = 8 * 60
# A wall clock that was set meanwhile is noticed after at most so long.
_LOOK_AGAIN_MIN = 10


class LocalTime(Protocol):
    """The calendar where the site is; injected, so that this needs no zone database."""

    def __call__(self, utc_ms: int) -> tuple[int, int, int, int]:
        """The number of the hydrological day (from 08:00), month, day, and minute of the day."""
        ...


class RuleSet:
    """The state of every rule. Between two calls time does not go back."""

    def __init__(
        self,
        conditions: Sequence[Condition],
        points: Iterable[Point],
        *,
        selectors: Sequence[Selector] = (),
        counters: Mapping[PointId, Counter] | None = None,
        local: LocalTime,
    ) -> None:
        """Raises ValueError if a condition names a point, a selector or a choice that is none."""
        built = self._built = Builder(points, selectors, counters or {})
        self._rulings = [built.rule(condition) for condition in conditions]
        built.finish()
        self._by_rule = {each.condition.rule: each for each in self._rulings}
        self._tracks = built.tracks
        self._rulings_of = {
            name: tuple(each for each in self._rulings if track in each.tracks)
            for name, track in built.tracks.items()
        }
        self._order = tuple(node for node in built.order if not node.passive)
        self._calendar = [node for node in built.order if isinstance(node, CalendarNode)]
        self._days = [each for each in built.windows.values() if isinstance(each, DaySum)]
        self._seen = [node for track in self._tracks.values() for node in track.seen]
        self._local = local
        self._timed = bool(self._calendar or self._days or self._seen)
        self._next = 0 if self._timed else NEVER

    @property
    def points(self) -> frozenset[PointId]:
        """Every point that a condition looks at, those of selectors included."""
        return frozenset(self._tracks)

    @property
    def due(self) -> Instant | None:
        """When time alone may change a verdict; None: not before the next reading."""
        return Instant(self._next) if 0 < self._next < NEVER else None

    def feed(
        self, point: PointId, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Verdict]:
        """Take the next reading of a point, already judged; the verdicts that this changes.

        A verdict whose level is None says that the rule's level is unknown from now on.
        """
        track = self._tracks.get(point)
        if track is None:
            return _NOTHING
        if (
            quality is _GOOD
            and not track.busy
            and at < self._next
            and value is not None
            and track.low <= value < track.high
        ):
            track.newest = (value, quality, at, utc)
            if not track.windows or not track.observe(value, at):
                return _NOTHING
            track.compare()
            return self._judge(track, at)
        return self._feed(track, value, quality, at, utc)

    def _feed(
        self, track: Track, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Verdict]:
        earlier = self.advance(at, utc) if at >= self._next else _NOTHING
        if quality is not _GOOD:
            track.miss(value, quality, at, utc)
        elif value is None or not -MOST <= value < MOST:
            track.miss(None, Quality.GARBLED, at, utc)
        else:
            track.take(value, at, utc)
        for seen in track.seen:
            self._next = min(self._next, seen.turns_at)
        verdicts = self._judge(track, at)
        return (*earlier, *verdicts) if earlier else verdicts

    def _judge(self, track: Track, at: Instant) -> Sequence[Verdict]:
        for node in track.nodes:
            if node.stale:
                node.stale = False
                node.judge(at)
        return self._verdicts(self._rulings_of[track.point], at, track)

    def _verdicts(
        self, rulings: Iterable[Ruling], at: Instant, cause: Track | None
    ) -> Sequence[Verdict]:
        found: list[Verdict] = []
        for ruling in rulings:
            if ruling.stale:
                ruling.stale = False
                verdict = ruling.judge(at, cause)
                if verdict is not None:
                    found.append(verdict)
        return found or _NOTHING

    def advance(self, now: Instant, utc: Utc) -> Sequence[Verdict]:
        """Let time pass until now; the verdicts that this changes."""
        if not self._timed:
            return _NOTHING
        for seen in self._seen:
            seen.age(now)
        turns_at = self._turn(now, utc) if self._calendar or self._days else NEVER
        self._next = min(turns_at, min((seen.turns_at for seen in self._seen), default=NEVER))
        for node in self._order:
            if node.stale:
                node.stale = False
                node.judge(now)
        return self._verdicts(self._rulings, now, None)

    def _turn(self, now: Instant, utc: Utc) -> int:
        """Set what depends on the calendar; when it turns next."""
        number, month, day, minute = self._local(utc.ms)
        for node in self._calendar:
            node.turn(month, day, minute)
        for window in self._days:
            window.turn(number)
        turns = {turn for node in self._calendar for turn in node.turns_min}
        if self._days:
            turns.add(_DAY_BEGINS_MIN)
        wait_min = min((turn - minute - 1) % _DAY_MIN + 1 for turn in turns)
        wait_ms = min(wait_min, _LOOK_AGAIN_MIN) * _MS_PER_MIN - utc.ms % _MS_PER_MIN
        return now + wait_ms * NS_PER_MS

    def take_over(self, other: RuleSet) -> None:
        """Go on where another set stopped: windows, holding times and levels that are equal.

        A rule that says something else now keeps its level until its new condition clears. The
        other set stays as it is. What is new is judged at the next readings.
        """
        mine, theirs = self._built, other._built
        # numbers in another unit say nothing
        alike = {
            name
            for name, track in mine.tracks.items()
            if name in theirs.tracks and theirs.tracks[name].of.unit is track.of.unit
        }
        for name in alike:
            mine.tracks[name].go_on(theirs.tracks[name])
        for said, window in mine.windows.items():
            old = theirs.windows.get(said)
            point = said.point
            counted = mine.counters.get(point) == theirs.counters.get(point)
            if old is not None and point in alike and counted:
                windows.go_on(window, old)
        for key, node in mine.nodes.items():
            if key in theirs.nodes:
                node.go_on(theirs.nodes[key])
        for each, selector in mine.selectors.items():
            before = theirs.selectors.get(each)
            if before is not None and before.said == selector.said:
                selector.go_on(before)
        for rule, ruling in self._by_rule.items():
            if rule in other._by_rule:
                ruling.go_on(other._by_rule[rule])
        self._next = 0 if self._timed else NEVER

    def restore(self, levels: Mapping[RuleId, Level]) -> None:
        """Take up the levels of before a restart; each stays until its condition clears."""
        for rule, level in levels.items():
            if rule in self._by_rule:
                self._by_rule[rule].restore(level)

    def memory_bytes(self) -> int:
        """The most that the state of all rules ever takes; the site file alone decides it."""
        return memory_bytes(self._built, self._rulings)

    def doubted(self) -> dict[RuleId, Truth]:
        """The rules of which a level is unknown now: LOST if a lost sensor is why, else UNKNOWN."""
        found: dict[RuleId, Truth] = {}
        for ruling in self._rulings:
            if any(rung.raises.truth is LOST for rung in ruling.rungs):
                found[ruling.condition.rule] = LOST
            elif ruling.told is None:
                found[ruling.condition.rule] = UNKNOWN
        return found

    def explain(self, rule: RuleId) -> Explanation:
        """Why the rule is at its level. Raises KeyError."""
        return explain(self._by_rule[rule], self._built)
