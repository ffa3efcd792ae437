"""From readings to alarms: checks, rules and the alarm table as one machine. Pure.

It has no clock and no outputs: what it decides is a function of what it is told, in order. The
agent, a back-test and a replay use this same machine, so that they decide the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.core.instant import NS_PER_MS, Instant, Utc
from edge.core.model import Alarm, PointId, Quality, Verdict
from edge.engine.annunciator import Annunciator
from edge.engine.conditions.rule_set import RuleSet
from edge.engine.quality import Checks

_NOTHING: tuple[Alarm, ...] = ()


class Decider:
    """Holds the state of every check, rule and alarm. What changes is returned, oldest first."""

    def __init__(
        self,
        checks: Checks,
        rules: RuleSet,
        annunciator: Annunciator,
        shadow: Annunciator | None = None,
    ) -> None:
        """``shadow``: the alarms of rules that are judged, and never announced."""
        self.checks = checks
        self.rules = rules
        self.annunciator = annunciator
        self.shadow = shadow or Annunciator({})
        self._shadowed: list[Alarm] = []

    @property
    def due(self) -> Instant | None:
        """When time alone may change something, unless a reading comes before."""
        due = self.rules.due
        for other in (self.annunciator.due, self.shadow.due):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def take_shadowed(self) -> Sequence[Alarm]:
        """What the shadow rules have changed since the last call."""
        if not self._shadowed:
            return _NOTHING
        taken, self._shadowed = self._shadowed, []
        return taken

    def feed(
        self, point: PointId, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        """Take the next judged reading of a point that a rule looks at; returns what changed."""
        first, second, third = self.rules.due, self.annunciator.due, self.shadow.due
        late = (
            (first is not None and first <= at)
            or (second is not None and second <= at)
            or (third is not None and third <= at)
        )
        earlier = self.advance(at, utc) if late else _NOTHING
        verdicts = self.rules.feed(point, value, quality, at, utc)
        if not verdicts:
            return earlier
        return (*earlier, *self._step(verdicts, utc))

    def advance(self, now: Instant, utc: Utc) -> Sequence[Alarm]:
        """Let time pass until now; each change is dated when it was due, not when it was seen."""
        changed: list[Alarm] = []
        while (due := self.due) is not None and due <= now:
            then = Utc(utc.ms - (now - due) // NS_PER_MS, utc.quality)
            verdicts = self.rules.advance(due, then)
            changed += self._step(verdicts, then)
            changed += self.annunciator.advance(due, then)
            self._shadowed += self.shadow.advance(due, then)
        return changed

    def restore(
        self, kept: Iterable[Alarm], now: Instant, utc: Utc, last: Utc | None = None
    ) -> list[Alarm]:
        """Take up the alarms of before a restart: what was raised stays so until it clears."""
        changed = self.annunciator.restore(kept, now, utc, last)
        alarms = self.annunciator.alarms
        self.rules.restore({rule: alarm.current for rule, alarm in alarms.items()})
        return changed

    def take_over(self, other: Decider, now: Instant, utc: Utc) -> list[Alarm]:
        """Go on where the decider of another site file stopped, for what is alike in both."""
        self.checks.take_over(other.checks)
        self.rules.take_over(other.rules)
        self.shadow.take_over(other.shadow, now, utc)
        return self.annunciator.take_over(other.annunciator, now, utc)

    def _step(self, verdicts: Sequence[Verdict], utc: Utc) -> Sequence[Alarm]:
        if not verdicts:
            return _NOTHING
        if self.shadow.alarms:
            unheard = [each for each in verdicts if each.rule in self.shadow.alarms]
            self._shadowed += self.shadow.step(unheard, utc)
            verdicts = [each for each in verdicts if each.rule not in self.shadow.alarms]
        return self.annunciator.step(verdicts, utc)
