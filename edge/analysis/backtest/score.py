"""What a rule did, held against what happened. Pure.

An alarm of a level belongs to an event if it stands at some time from ``reach_ms`` before the event
begins until it ends. An event with such an alarm is a hit, one without is a miss; an alarm without
an event is false. These are the terms of forecast verification: probability of detection (POD) and
false alarm ratio (FAR), WMO-No. 1132.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import median

from edge.analysis.backtest.model import YEAR_MS, Answer, Event, Span, Track
from edge.core.model import Level, RuleId


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that was warned of. ``lead_ms``: from the alarm to the begin of the event.

    Negative if the alarm came after the begin; never more than the reach, for an alarm that has
    stood for a week warns nobody of today.
    """

    event: Event
    raised_ms: int
    lead_ms: int


@dataclass(frozen=True, slots=True)
class Score:
    """One rule at one level, over one record. Without labelled events nothing is hit or false.

    ``judged_ms``: how much of the record the rule could be judged in; numbers per year are of that.
    """

    rule: RuleId
    level: Level
    span: Span
    alarms: tuple[Span, ...]
    hits: tuple[Hit, ...]
    misses: tuple[Event, ...]
    false: tuple[Span, ...]
    labelled: bool
    judged_ms: int

    @property
    def years(self) -> float:
        """How long the rule was judged."""
        return self.judged_ms / YEAR_MS

    @property
    def alarms_per_year(self) -> float | None:
        """None if it was never judged."""
        return len(self.alarms) / self.years if self.years else None

    @property
    def false_per_year(self) -> float | None:
        """None without labelled events, or if it was never judged."""
        return len(self.false) / self.years if self.years and self.labelled else None

    @property
    def alarm_ms(self) -> int:
        """Time in alarm."""
        return sum(alarm.length_ms for alarm in self.alarms)

    @property
    def detection(self) -> float | None:
        """Probability of detection, 0 to 1; None if no event was due."""
        events = len(self.hits) + len(self.misses)
        return len(self.hits) / events if events else None

    @property
    def false_ratio(self) -> float | None:
        """False alarm ratio, 0 to 1; None if there was no alarm, or no event is labelled."""
        return len(self.false) / len(self.alarms) if self.alarms and self.labelled else None

    @property
    def lead_ms(self) -> float | None:
        """Median lead time of the hits."""
        return median(hit.lead_ms for hit in self.hits) if self.hits else None

    @property
    def least_lead_ms(self) -> int | None:
        """The shortest lead time: what people can rely on."""
        return min((hit.lead_ms for hit in self.hits), default=None)


def score(
    track: Track, level: Level, span: Span, events: Sequence[Event], *, reach_ms: int
) -> Score:
    """Judge one rule at one level. Events must lie in the record, see ``covered``."""
    alarms = track.spans(level, span.end_ms)
    due = [event for event in events if event.concerns(track.rule, level)]
    hits: list[Hit] = []
    misses: list[Event] = []
    told: set[Span] = set()
    for event in due:
        window = Span(event.span.begin_ms - reach_ms, event.span.end_ms)
        here = _meeting(alarms, window)
        told.update(here)
        if here:
            first = max(here[0].begin_ms, window.begin_ms)
            hits.append(Hit(event, here[0].begin_ms, event.span.begin_ms - first))
        else:
            misses.append(event)
    labelled = any(event.rule in (None, track.rule) for event in events)
    false = tuple(alarm for alarm in alarms if alarm not in told) if labelled else ()
    judged_ms = max(0, span.length_ms - doubt_ms(track))
    return Score(
        track.rule, level, span, tuple(alarms), tuple(hits), tuple(misses), false, labelled,
        judged_ms,
    )  # fmt: skip


def covered(events: Sequence[Event], span: Span) -> tuple[list[Event], list[Event]]:
    """The events that the record shows from begin to end, and the others."""
    inside = [
        event
        for event in events
        if span.begin_ms <= event.span.begin_ms and event.span.end_ms <= span.end_ms
    ]
    return inside, [event for event in events if event not in inside]


def doubt_ms(track: Track, why: str | None = None) -> int:
    """How long the rule could not be judged, in all or for one reason."""
    return sum(d.end_ms - d.begin_ms for d in track.doubts if why in (None, d.why))


@dataclass(frozen=True, slots=True)
class Waits:
    """How long alarms of a level waited for an answer on site."""

    level: Level
    count: int
    median_ms: float
    most_ms: int


def waits(answers: Sequence[Answer]) -> list[Waits]:
    """By level, the highest first."""
    found = []
    for level in sorted({answer.level for answer in answers}, reverse=True):
        times = [answer.waited_ms for answer in answers if answer.level is level]
        found.append(Waits(level, len(times), median(times), max(times)))
    return found


def only(one: Score, other: Score) -> list[Span]:
    """The alarms of one that the other did not raise at any time of theirs."""
    return [alarm for alarm in one.alarms if not _meeting(other.alarms, alarm)]


def _meeting(alarms: Sequence[Span], window: Span) -> Sequence[Span]:
    """Those of one rule and level that stand in the window.

    An event may be a single moment, and an alarm may begin at its very end.
    """
    first = bisect_right(alarms, window.begin_ms, key=_end)
    return alarms[first : bisect_right(alarms, window.end_ms, key=_begin)]


_begin, _end = itemgetter(0), itemgetter(1)
