"""The alarm lifecycle as one table (states after ISA-18.2 / IEC 62682). Pure.

A level at or above ``latch`` stays announced until somebody acknowledges it, also after its cause
has gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from edge.core.instant import Utc
from edge.core.model import Alarm, Level, Phase, RuleId, Verdict


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


_N, _AU, _AA = Phase.NORMAL, Phase.ACTIVE_UNACKNOWLEDGED, Phase.ACTIVE_ACKNOWLEDGED
_RU, _L = Phase.RETURNED_UNACKNOWLEDGED, Phase.LATCHED

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
    (_RU, Event.RAISED): _AU,
    (_RU, Event.ACKNOWLEDGED): _N,
    (_L, Event.RAISED): _AU,
    (_L, Event.ACKNOWLEDGED): _N,
}
"""What is absent changes nothing."""


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """From which level an announced level latches; None: none does."""

    latch: Level | None = Level.RED


def step(alarm: Alarm, verdict: Verdict, utc: Utc, policy: AlarmPolicy) -> Alarm:
    """The alarm after a verdict; the very same object if nothing changed."""
    level = verdict.level
    if level is None or level == alarm.current:
        return alarm
    event = _event(alarm, level, policy)
    phase = TABLE.get((alarm.phase, event), alarm.phase)
    announced, highest = _announce(alarm, level, phase, policy)
    begins = alarm.phase is Phase.NORMAL
    return replace(
        alarm,
        id=_name(alarm, utc) if begins else alarm.id,
        current=level,
        level=announced,
        highest=highest,
        phase=phase,
        revision=alarm.revision + 1,
        since=utc if begins else alarm.since,
        acknowledged_by="" if phase is Phase.ACTIVE_UNACKNOWLEDGED else alarm.acknowledged_by,
        evidence=verdict.evidence,
    )


def acknowledge(alarm: Alarm, by: str) -> Alarm:
    """The alarm after somebody answered; the very same object if there was nothing to answer."""
    phase = TABLE.get((alarm.phase, Event.ACKNOWLEDGED))
    if phase is None:
        return alarm
    return replace(
        alarm,
        level=alarm.current,
        highest=alarm.current,
        phase=phase,
        revision=alarm.revision + 1,
        acknowledged_by=by,
    )


def _event(alarm: Alarm, level: Level, policy: AlarmPolicy) -> Event:
    if level > alarm.current:
        return Event.RAISED
    if level > Level.NORMAL:
        return Event.LOWERED
    latched = policy.latch is not None and alarm.level >= policy.latch
    return Event.RETURNED_LATCHED if latched else Event.RETURNED


def _announce(alarm: Alarm, level: Level, phase: Phase, policy: AlarmPolicy) -> tuple[Level, Level]:
    """What is announced now, and the highest so far; an unanswered latched level does not sink."""
    if phase is Phase.NORMAL:
        return Level.NORMAL, Level.NORMAL
    highest = max(alarm.highest, level)
    latched = policy.latch is not None and highest >= policy.latch
    if latched and phase in (Phase.ACTIVE_UNACKNOWLEDGED, Phase.LATCHED):
        return highest, highest
    return level, highest


def rule_of(name: str) -> RuleId:
    """The rule of an occurrence's name."""
    return RuleId(name.partition("/")[0])


def _name(alarm: Alarm, utc: Utc) -> str:
    """One occurrence.

    The rule, when it began, and a number that tells restarts of a clock apart.
    """
    return f"{alarm.rule}/{utc.ms}/{alarm.revision + 1}"
