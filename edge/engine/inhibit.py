"""Inhibits of zones: while works go on at a horn, its zone's alarms are judged and recorded, not
sounded. Pure.

An inhibit lives in the silences of its zone's alarms, so that their records carry it over a
restart; what is here brings them together by zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.core.model import Alarm, RuleId, Silence, Silencing
from edge.engine.alarms import AlarmPolicy, silenced


@dataclass(frozen=True, slots=True)
class InhibitNotice:
    """An inhibit began or ended. ``by`` is empty if its time was over."""

    zone: str
    silence: Silence
    began: bool
    by: str


def zones(policies: Mapping[RuleId, AlarmPolicy]) -> dict[str, tuple[RuleId, ...]]:
    """The rules of every zone, in the order of the policies."""
    found: dict[str, tuple[RuleId, ...]] = {}
    for rule, policy in policies.items():
        if policy.zone:
            found[policy.zone] = (*found.get(policy.zone, ()), rule)
    return found


def inhibits_of(
    kept: Iterable[Alarm], policies: Mapping[RuleId, AlarmPolicy]
) -> dict[str, Silence]:
    """The zones that were inhibited when these alarms were recorded.

    Of a begin or an end that was cut short between two records, the side that sounds is taken: an
    inhibit holds only if every kept alarm of the zone has it.
    """
    found: dict[str, Silence | None] = {}
    for alarm in kept:
        zone = policies[alarm.rule].zone if alarm.rule in policies else ""
        if not zone:
            continue
        silence = silenced(alarm, Silencing.INHIBITED)
        if silence is None or silence.source != zone:
            found[zone] = None
        else:
            found.setdefault(zone, silence)
    return {zone: silence for zone, silence in found.items() if silence is not None}
