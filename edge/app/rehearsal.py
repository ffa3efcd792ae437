"""The rules of a new site file, judging what the running ones are given, heard by nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edge.app.config.model import Site
from edge.app.deciding import decider_of
from edge.core.instant import Clock
from edge.core.model import Alarm, Level, PointId, RuleId, Sample
from edge.engine.pipeline import Pipeline
from edge.engine.sound import UNHEARD


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule reached one level under the running configuration, and another under the new one."""

    rule: str
    before: Level
    after: Level

    @property
    def louder(self) -> bool:
        """Whether the new one alarms, or more than the running one."""
        return self.after > self.before

    def body(self) -> dict[str, object]:
        """For the answer."""
        return {
            "rule": self.rule,
            "before": self.before.name.lower(),
            "after": self.after.name.lower(),
            "louder": self.louder,
        }


class Rehearsal:
    """From its making until ``end``: which levels the rules of both reach.

    ``unjudged``: rules that look at points of which nothing is read yet. ``failed``: the new rules
    could not judge everything, which is a bug, and no matter of what runs.
    """

    def __init__(self, old: Site, pipeline: Pipeline, new: Site, clock: Clock) -> None:
        self.failed = False
        read = set(pipeline.decider.checks.points)
        armed = [rule for rule in new.rules if not rule.shadow]
        self.unjudged = [rule.id for rule in armed if not rule.points <= read]
        self._pipeline = pipeline
        self._clock = clock
        self._before: dict[RuleId, Level] = {}
        self._after: dict[RuleId, Level] = {}
        self._waiting: deque[tuple[Sample, ...]] = deque()
        self._new = decider_of(new)
        self._new.take_over(pipeline.decider, clock.now(), clock.utc())
        self._judge_standing(_of_new_rules(old, new))
        self._compare()
        self._end = pipeline.overhear(self._hear)

    def end(self) -> None:
        """Judge no more."""
        self._end()
        self._judge()
        self._new.advance(self._clock.now(), self._clock.utc())
        self._compare()

    def differences(self) -> list[Difference]:
        """The rules that have reached different levels."""
        normal = Level.NORMAL
        found = [
            Difference(rule, self._before.get(rule, normal), self._after.get(rule, normal))
            for rule in dict.fromkeys((*self._before, *self._after))
            # what is heard of an output is told to those rules alone that command it
            if not rule.startswith(UNHEARD)
        ]
        return [each for each in found if each.before is not each.after]

    def _judge_standing(self, points: frozenset[PointId]) -> None:
        """Hold what was read last against rules that are new: some sensors are asked rarely."""
        now, utc = self._clock.now(), self._clock.utc()
        for point in sorted(points):
            last = self._pipeline.values.get(point)
            if last is not None:
                self._new.feed(point, last.value, last.quality, now, utc)

    def _hear(self, samples: tuple[Sample, ...]) -> None:
        """Called on the walk: what is judged here must neither delay nor break it."""
        if not self._waiting:
            self._clock.call_at(self._clock.now(), self._judge)
        self._waiting.append(samples)

    def _judge(self) -> None:
        failed, self.failed = self.failed, True
        points = self._new.rules.points
        while self._waiting:
            for one in self._waiting.popleft():
                if one.point in points:
                    value, quality = self._new.checks.judge(
                        one.point, one.value, one.quality, one.at
                    )
                    self._new.feed(one.point, value, quality, one.at, one.utc)
            self._compare()
        self.failed = failed

    def _compare(self) -> None:
        _note(self._before, self._pipeline.alarms)
        _note(self._after, self._new.annunciator.alarms)


def _note(levels: dict[RuleId, Level], alarms: Mapping[RuleId, Alarm]) -> None:
    for rule, alarm in alarms.items():
        levels[rule] = max(levels.get(rule, Level.NORMAL), alarm.current)


def _of_new_rules(old: Site, new: Site) -> frozenset[PointId]:
    """The points of rules that say something else than before."""
    chosen = old.selectors == new.selectors
    before = {rule.id: rule.condition for rule in old.rules}
    fresh = [rule for rule in new.rules if not chosen or before.get(rule.id) != rule.condition]
    return frozenset(point for rule in fresh for point in rule.points)
