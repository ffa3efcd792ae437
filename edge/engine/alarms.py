"""The alarm lifecycle as one table (states after ISA-18.2 / IEC 62682). Pure.

A level at or above ``latch`` stays announced until somebody acknowledges it, also after its cause
has gone. A *silence* (shelving, out of service, a zone's inhibit, suppression by design) keeps an
alarm from being announced up to a level of its own; what is measured goes on, and whatever rises
above that level is announced all the same. The limits of a silence run in monotonic time, so that
setting the clock neither lengthens nor shortens them; wall time carries them over a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from edge.core.instant import NS_PER_MS, Instant, Utc, after
from edge.core.model import (
    Alarm,
    Change,
    Level,
    Phase,
    RuleId,
    Silence,
    Silencing,
    Verdict,
)

# A clock that is disciplined moves by less within a silence; more is a clock that was set.
_CLOCK_STEP_MS = 2_000
# A restart may find the clock this much before the newest record and still believe it.
_CLOCK_BACK_MS = 5_000


class Event(Enum):
    """What can happen to an alarm."""

    RAISED = auto()
    """The level rose, from normal or from a lower level."""
    LOWERED = auto()
    """The level fell, but not to normal."""
    RETURNED = auto()
    """The level fell to normal."""
    RETURNED_LATCHED = auto()
    """The level fell to normal, but what was announced is latched."""
    ACKNOWLEDGED = auto()
    """Somebody answered."""
    RESET = auto()
    """Somebody ended what is over."""
    RE_ALARMED = auto()
    """An answer is old, and the cause still there."""
    SHELVED = auto()
    """A shelving is now what silences it."""
    SUPPRESSED = auto()
    """A zone's inhibit, or another rule's alarm, is now what silences it."""
    TAKEN_OUT = auto()
    """It is out of service now."""
    RELEASED = auto()
    """Nothing silences it any more, and the level is normal."""
    RELEASED_ACTIVE = auto()
    """Nothing silences the level that is measured now."""


_N, _AU, _AA = Phase.NORMAL, Phase.ACTIVE_UNACKNOWLEDGED, Phase.ACTIVE_ACKNOWLEDGED
_RU, _L = Phase.RETURNED_UNACKNOWLEDGED, Phase.LATCHED
_SH, _SU, _OS = Phase.SHELVED, Phase.SUPPRESSED, Phase.OUT_OF_SERVICE

SILENT = frozenset({_SH, _SU, _OS})
"""Phases in which nothing is announced although it is measured."""
ACTIVE = frozenset({_AU, _AA})
"""Phases in which a cause is announced."""

TABLE: dict[tuple[Phase, Event], Phase] = {
    (_N, Event.RAISED): _AU,
    (_AU, Event.RAISED): _AU,
    (_AU, Event.LOWERED): _AU,
    (_AU, Event.RETURNED): _RU,
    (_AU, Event.RETURNED_LATCHED): _L,
    (_AU, Event.ACKNOWLEDGED): _AA,
    (_AA, Event.RAISED): _AU,
    (_AA, Event.LOWERED): _AA,
    (_AA, Event.RETURNED): _N,
    (_AA, Event.RETURNED_LATCHED): _N,
    (_AA, Event.RE_ALARMED): _AU,
    (_RU, Event.RAISED): _AU,
    (_RU, Event.ACKNOWLEDGED): _N,
    (_RU, Event.RESET): _N,
    (_L, Event.RAISED): _AU,
    (_L, Event.ACKNOWLEDGED): _N,
    (_L, Event.RESET): _N,
    **{(phase, Event.SHELVED): _SH for phase in Phase},
    **{(phase, Event.SUPPRESSED): _SU for phase in Phase},
    **{(phase, Event.TAKEN_OUT): _OS for phase in Phase},
    # measured and recorded, not announced
    **{(phase, Event.RAISED): phase for phase in (_SH, _SU, _OS)},
    **{(phase, Event.LOWERED): phase for phase in (_SH, _SU, _OS)},
    **{(phase, Event.RETURNED): phase for phase in (_SH, _SU, _OS)},
    **{(phase, Event.RELEASED): _N for phase in (_SH, _SU, _OS)},
    **{(phase, Event.RELEASED_ACTIVE): _AU for phase in (_SH, _SU, _OS)},
}
"""What is absent changes nothing."""

_SILENCED = {
    Silencing.OUT_OF_SERVICE: Event.TAKEN_OUT,
    Silencing.TESTED: Event.TAKEN_OUT,
    Silencing.SHELVED: Event.SHELVED,
    Silencing.INHIBITED: Event.SUPPRESSED,
    Silencing.SUPPRESSED: Event.SUPPRESSED,
}
_STRONGEST = list(Silencing)


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """How a rule's alarm behaves.

    ``latch``: from this level on it latches; None: no level does. ``re_alarm_s``: an answer counts
    this long while the cause lasts; None: as long as it lasts. ``suppressed_by``: rules whose
    active alarm suppresses it by design, ``suppressed_up_to`` that level. ``zone``: where it
    sounds; empty: nowhere that can be inhibited.
    """

    latch: Level | None = Level.RED
    re_alarm_s: float | None = None
    suppressed_by: tuple[RuleId, ...] = ()
    suppressed_up_to: Level = Level.ORANGE
    zone: str = ""


def step(alarm: Alarm, verdict: Verdict, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """The alarm after a verdict; the very same object if nothing changed."""
    level = verdict.level
    if level is None or level == alarm.current:
        return alarm
    event, change = _event(alarm, level, policy)
    measured = replace(alarm, current=level, evidence=verdict.evidence)
    return _revise(alarm, measured, event, change, utc, policy)


def acknowledge(alarm: Alarm, by: str, now: Instant, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """The alarm after somebody answered; the very same object if there was nothing to answer."""
    if (alarm.phase, Event.ACKNOWLEDGED) not in TABLE:
        return alarm
    again = None if policy.re_alarm_s is None else after(now, seconds=policy.re_alarm_s)
    answered = replace(
        alarm, highest=alarm.current, acknowledged_by=by, acknowledged=utc, re_alarms=again
    )
    return _revise(alarm, answered, Event.ACKNOWLEDGED, Change.ACKNOWLEDGED, utc, policy, by)


def reset(alarm: Alarm, by: str, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """End an alarm whose cause has gone; one that is active goes on, and is the same object."""
    if (alarm.phase, Event.RESET) not in TABLE:
        return alarm
    ended = replace(alarm, highest=alarm.current, acknowledged_by=by, acknowledged=utc)
    return _revise(alarm, ended, Event.RESET, Change.RESET, utc, policy, by)


def silence(
    alarm: Alarm, added: Silence, change: Change, utc: Utc, policy: AlarmPolicy, by: str = ""
) -> Alarm:
    """The alarm with this silence, in place of an older one of its kind."""
    kept = tuple(each for each in alarm.silences if each.kind is not added.kind)
    silenced = replace(alarm, silences=(*kept, added))
    return _revise(alarm, silenced, None, change, utc, policy, by or added.by)


def lift(
    alarm: Alarm, kind: Silencing, change: Change, utc: Utc, policy: AlarmPolicy, by: str = ""
) -> Alarm:
    """The alarm without the silence of this kind; the very same object if it has none."""
    kept = tuple(each for each in alarm.silences if each.kind is not kind)
    if len(kept) == len(alarm.silences):
        return alarm
    return _revise(alarm, replace(alarm, silences=kept), None, change, utc, policy, by)


def settle(alarm: Alarm, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """The alarm in the phase that its silences give it; the same object if that is its own.

    A record whose silence could not be read leaves a phase that nothing would ever end.
    """
    if _settle(alarm.phase, alarm) is alarm.phase:
        return alarm
    return _revise(alarm, alarm, None, Change.EXPIRED, utc, policy)


def mark(alarm: Alarm, *, chattering: bool) -> Alarm:
    """The alarm, said to chatter or not to chatter any more."""
    if alarm.chattering is chattering:
        return alarm
    change = Change.CHATTERING if chattering else Change.QUIET
    return replace(alarm, chattering=chattering, revision=alarm.revision + 1, change=change, by="")


def silenced(alarm: Alarm, kind: Silencing) -> Silence | None:
    """The silence of this kind, whether or not it reaches up to the present level."""
    return next((each for each in alarm.silences if each.kind is kind), None)


def reached(alarm: Alarm) -> Level:
    """The level that a silence must reach up to in order to silence this alarm."""
    return max(alarm.current, alarm.highest)


# -- time ---------------------------------------------------------------------------------------


def due(alarm: Alarm) -> Instant | None:
    """When time alone changes this alarm."""
    ends = [each.ends for each in alarm.silences if each.ends is not None]
    if alarm.re_alarms is not None:
        ends.append(alarm.re_alarms)
    return min(ends, default=None)


def advance(alarm: Alarm, now: Instant, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """The alarm after the first thing that is due now; the very same object if nothing is."""
    kept = tuple(s for s in alarm.silences if s.ends is None or s.ends > now)
    if len(kept) < len(alarm.silences):
        lifted = replace(alarm, silences=kept)
        return _revise(alarm, lifted, None, Change.EXPIRED, utc, policy)
    if alarm.re_alarms is None or alarm.re_alarms > now:
        return alarm
    # announces what is measured now, not the height the occurrence once had
    again = replace(alarm, highest=alarm.current)
    return _revise(alarm, again, Event.RE_ALARMED, Change.RE_ALARMED, utc, policy)


def resume(alarm: Alarm, now: Instant, utc: Utc, last: Utc | None, policy: AlarmPolicy) -> Alarm:
    """The alarm of a record with its limits in this run's monotonic time; ``advance`` ends them.

    ``last`` is the latest wall time of the newest records. A clock that is now before it, or before
    the silence began, was set while the box was off: nobody knows for how long that was, so limited
    silences end, and old answers do not count any more.
    """
    newest = max(utc.ms, last.ms) if last is not None else utc.ms
    doubtful = newest - utc.ms > _CLOCK_BACK_MS

    def left_ms(each: Silence, until: Utc) -> int:
        if doubtful or utc.ms < each.since.ms - _CLOCK_BACK_MS:
            return 0
        return max(0, min(until.ms - newest, until.ms - each.since.ms))

    silences = tuple(
        each if each.until is None else replace(each, ends=after(now, ms=left_ms(each, each.until)))
        for each in alarm.silences
    )
    return replace(
        alarm, silences=silences, re_alarms=_re_alarms(alarm, now, utc, policy, doubtful)
    )


def _re_alarms(
    alarm: Alarm, now: Instant, utc: Utc, policy: AlarmPolicy, doubtful: bool
) -> Instant | None:
    if alarm.phase is not _AA or policy.re_alarm_s is None:
        return None
    if alarm.acknowledged is None:
        return after(now, seconds=policy.re_alarm_s)
    old_ms = utc.ms - alarm.acknowledged.ms
    if doubtful or old_ms < 0:
        return now
    return after(now, seconds=max(0.0, policy.re_alarm_s - old_ms / 1000))


def restamp(alarm: Alarm, now: Instant, utc: Utc) -> Alarm:
    """The alarm with its limits in the wall time of now; the same object unless it was set.

    Without this a restart would read the old limits against the new clock.
    """
    moved = tuple(restamped(each, now, utc) for each in alarm.silences)
    if moved == alarm.silences:
        return alarm
    return replace(alarm, silences=moved, revision=alarm.revision + 1, change=Change.CLOCK, by="")


def restamped(each: Silence, now: Instant, utc: Utc) -> Silence:
    """A silence with its limits in the wall time of now; the same object unless it was set."""
    if each.until is None or each.ends is None:
        return each
    until_ms = utc.ms + (each.ends - now) // NS_PER_MS
    step_ms = until_ms - each.until.ms
    if abs(step_ms) <= _CLOCK_STEP_MS:
        return each
    since = Utc(each.since.ms + step_ms, utc.quality)
    return replace(each, since=since, until=Utc(until_ms, utc.quality))


# -- one revision ---------------------------------------------------------------------------------


def _revise(
    before: Alarm,
    changed: Alarm,
    event: Event | None,
    change: Change,
    utc: Utc,
    policy: AlarmPolicy,
    by: str = "",
) -> Alarm:
    """Take the table's step, then let silences take or release what follows from it."""
    phase = before.phase if event is None else TABLE.get((before.phase, event), before.phase)
    phase = _settle(phase, changed)
    level, highest = _announce(changed, phase, policy)
    begins = _begins(before, changed.current, phase)
    unanswered = begins or phase is _AU
    return replace(
        changed,
        id=_name(before, utc) if begins else before.id,
        level=level,
        highest=highest,
        phase=phase,
        revision=before.revision + 1,
        since=utc if begins else before.since,
        acknowledged_by="" if unanswered else changed.acknowledged_by,
        acknowledged=None if unanswered else changed.acknowledged,
        re_alarms=changed.re_alarms if phase is _AA else None,
        change=change,
        by=by,
    )


def _settle(phase: Phase, alarm: Alarm) -> Phase:
    """The phase after silences had their say."""
    announced = phase not in SILENT and phase is not _N
    level = reached(alarm) if announced else alarm.current
    strongest = _strongest(each for each in alarm.silences if each.up_to >= level)
    if strongest is not None:
        return TABLE[phase, _SILENCED[strongest.kind]]
    if phase in SILENT:
        active = alarm.current > Level.NORMAL
        return TABLE[phase, Event.RELEASED_ACTIVE if active else Event.RELEASED]
    return phase


def _strongest(silences: Iterable[Silence]) -> Silence | None:
    return min(silences, key=lambda each: _STRONGEST.index(each.kind), default=None)


def _begins(before: Alarm, level: Level, phase: Phase) -> bool:
    """Whether a new occurrence begins: a rise from normal, or a silence that ends too early."""
    if before.phase in SILENT and phase is _AU:
        return True
    quiet = before.phase is _N or before.phase in SILENT
    return quiet and before.current is Level.NORMAL and level > Level.NORMAL


def _event(alarm: Alarm, level: Level, policy: AlarmPolicy) -> tuple[Event, Change]:
    if level > alarm.current:
        return Event.RAISED, Change.RAISED
    if level > Level.NORMAL:
        return Event.LOWERED, Change.LOWERED
    latched = policy.latch is not None and alarm.level >= policy.latch
    return Event.RETURNED_LATCHED if latched else Event.RETURNED, Change.RETURNED


def _announce(alarm: Alarm, phase: Phase, policy: AlarmPolicy) -> tuple[Level, Level]:
    """What is announced now, and the highest so far; an unanswered latched level does not sink."""
    if phase is _N or phase in SILENT:
        return Level.NORMAL, Level.NORMAL
    highest = max(alarm.highest, alarm.current)
    latched = policy.latch is not None and highest >= policy.latch
    if latched and phase in (_AU, _L):
        return highest, highest
    return alarm.current, highest


def rule_of(name: str) -> RuleId:
    """The rule of an occurrence's name."""
    return RuleId(name.partition("/")[0])


def _name(alarm: Alarm, utc: Utc) -> str:
    """One occurrence.

    The rule, when it began, and a number that tells restarts of a clock apart.
    """
    return f"{alarm.rule}/{utc.ms}/{alarm.revision + 1}"
