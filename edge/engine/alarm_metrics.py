"""How good the alarms are: rates, chatter and standing time, per rule and of the site. Pure.

The figures are those by which ISA-18.2 (clause on monitoring and assessment) and EEMUA 191 judge
an alarm system. Counts are kept in bins, so memory is bounded: some sixty numbers per rule.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Final

from edge.core.instant import NS_PER_S, Instant, seconds_between
from edge.core.model import Alarm, Phase, RuleId
from edge.engine.alarms import ACTIVE, SILENT

FLOOD: Final = 10
"""More announcements than this within ten minutes are a flood (ISA-18.2, EEMUA 191)."""
STANDING_S: Final = 24 * 3600.0
"""An alarm that is active for longer is standing, or stale (ISA-18.2)."""


class Tally:
    """Counts of the last ``bins`` times ``bin_s`` seconds, at most one bin more."""

    __slots__ = ("_bin_ns", "_counts", "_newest")

    def __init__(self, bin_s: int, bins: int) -> None:
        self._bin_ns = bin_s * NS_PER_S
        self._counts = [0] * (bins + 1)
        self._newest = 0

    def add(self, at: Instant) -> None:
        """One more."""
        self._turn(at)
        self._counts[self._newest % len(self._counts)] += 1

    def total(self, now: Instant) -> int:
        """How many there were."""
        self._turn(now)
        return sum(self._counts)

    def _turn(self, now: Instant) -> None:
        newest = max(self._newest, now // self._bin_ns)
        for index in range(max(self._newest + 1, newest + 1 - len(self._counts)), newest + 1):
            self._counts[index % len(self._counts)] = 0
        self._newest = newest


class _RuleFigures:
    __slots__ = ("active_since", "day", "longest_s", "minute", "ten_minutes", "transitions")

    def __init__(self) -> None:
        self.transitions = Tally(60, 10)
        self.minute = Tally(10, 6)
        self.ten_minutes = Tally(60, 10)
        self.day = Tally(3600, 24)
        self.active_since: Instant | None = None
        self.longest_s = 0.0

    def standing_s(self, now: Instant) -> float:
        return 0.0 if self.active_since is None else seconds_between(self.active_since, now)


class AlarmMetrics:
    """Counts what the annunciator does, from its start on."""

    def __init__(self, rules: Iterable[RuleId]) -> None:
        self._rules = {rule: _RuleFigures() for rule in rules}
        self._ten_minutes = Tally(60, 10)
        self._peak = 0

    def note_transition(self, rule: RuleId, at: Instant) -> None:
        """What is measured turned, up or down."""
        figures = self._rules[rule]
        figures.minute.add(at)
        figures.transitions.add(at)

    def note(self, before: Alarm, after: Alarm, at: Instant) -> None:
        """An alarm changed."""
        figures = self._rules[after.rule]
        announced = Phase.ACTIVE_UNACKNOWLEDGED
        if after.phase is announced and before.phase is not announced:
            figures.ten_minutes.add(at)
            figures.day.add(at)
            self._ten_minutes.add(at)
            self._peak = max(self._peak, self._ten_minutes.total(at))
        if after.phase in ACTIVE and figures.active_since is None:
            figures.active_since = at
        elif after.phase not in ACTIVE and figures.active_since is not None:
            figures.longest_s = max(figures.longest_s, figures.standing_s(at))
            figures.active_since = None

    def resume(self, alarm: Alarm, since: Instant) -> None:
        """Take up an alarm that was active before this run."""
        if alarm.phase in ACTIVE:
            self._rules[alarm.rule].active_since = since

    def take_over(self, other: AlarmMetrics) -> None:
        """Go on with the figures of another site file's rules, where they are the same ones.

        The others stay as they are.
        """
        for rule in self._rules.keys() & other._rules.keys():
            self._rules[rule] = copy.deepcopy(other._rules[rule])
        self._ten_minutes, self._peak = copy.deepcopy(other._ten_minutes), other._peak

    def body(self, alarms: Iterable[Alarm], now: Instant) -> dict[str, object]:
        """For status and health records."""
        known = list(alarms)
        rules = {alarm.rule: self._rule_body(alarm, now) for alarm in known}
        per_10min = self._ten_minutes.total(now)
        return {
            "per_10min": per_10min,
            "peak_10min": self._peak,
            "per_day": sum(self._rules[alarm.rule].day.total(now) for alarm in known),
            "flood": per_10min > FLOOD,
            "standing": [a.rule for a in known if self._rules[a.rule].standing_s(now) > STANDING_S],
            "chattering": [alarm.rule for alarm in known if alarm.chattering],
            "silenced": [alarm.rule for alarm in known if alarm.phase in SILENT],
            "rules": rules,
        }

    def _rule_body(self, alarm: Alarm, now: Instant) -> dict[str, object]:
        figures = self._rules[alarm.rule]
        standing_s = figures.standing_s(now)
        return {
            "transitions_min": figures.minute.total(now),
            "transitions_10min": figures.transitions.total(now),
            "per_10min": figures.ten_minutes.total(now),
            "per_day": figures.day.total(now),
            "standing_s": round(standing_s, 1),
            "longest_s": round(max(standing_s, figures.longest_s), 1),
            "chattering": alarm.chattering,
        }
