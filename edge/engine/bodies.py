"""Record bodies: the nouns as plain maps for the journal and the district, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.core.instant import ClockQuality, Utc
from edge.core.model import (
    Alarm,
    Command,
    DeviceNotice,
    Level,
    Outcome,
    Phase,
    RuleId,
    Sample,
)
from edge.engine.conformance import Breach


def alarm_body(alarm: Alarm) -> dict[str, object]:
    """An alarm revision."""
    return {
        "rule": alarm.rule,
        "id": alarm.id,
        "current": alarm.current.name.lower(),
        "level": alarm.level.name.lower(),
        "highest": alarm.highest.name.lower(),
        "phase": alarm.phase.value,
        "revision": alarm.revision,
        "since_ms": alarm.since.ms,
        "since_clock": alarm.since.quality.value,
        "acknowledged_by": alarm.acknowledged_by,
        "evidence": [sample_body(sample) for sample in alarm.evidence],
    }


def alarm_from(body: Mapping[str, object]) -> Alarm:
    """The alarm of a record, without its evidence.

    Raises ValueError or KeyError if it is not one.
    """
    since = body["since_ms"]
    revision = body["revision"]
    if not isinstance(since, int) or not isinstance(revision, int):
        raise ValueError("since_ms and revision must be integers")
    return Alarm(
        rule=RuleId(str(body["rule"])),
        id=str(body["id"]),
        current=Level[str(body["current"]).upper()],
        level=Level[str(body["level"]).upper()],
        highest=Level[str(body["highest"]).upper()],
        phase=Phase(str(body["phase"])),
        revision=revision,
        since=Utc(since, ClockQuality(str(body["since_clock"]))),
        acknowledged_by=str(body["acknowledged_by"]),
    )


def sample_body(sample: Sample) -> dict[str, object]:
    """A reading, as evidence or for a screen."""
    return {
        "point": sample.point,
        "value": sample.value,
        "unit": sample.unit.value,
        "quality": sample.quality.value,
        "utc_ms": sample.utc.ms,
    }


def command_body(command: Command) -> dict[str, object]:
    """A command as it was issued."""
    return {
        "id": command.id,
        "actuator": command.actuator,
        "output": command.output,
        "action": command.action,
        "arguments": dict(command.arguments),
        "alarm": command.alarm,
        "revision": command.revision,
        "ensure": command.ensure,
    }


def outcome_body(
    command: Command, outcome: Outcome, decision_ms: float | None, action_ms: float | None
) -> dict[str, object]:
    """How a command ended, with both latencies in milliseconds."""
    return {
        "command": outcome.command,
        "actuator": outcome.actuator,
        "action": command.action,
        "alarm": command.alarm,
        "ensure": command.ensure,
        "status": outcome.status.value,
        "decision_ms": decision_ms,
        "action_ms": action_ms,
        "confirmed_by": outcome.confirmed_by,
        "detail": outcome.detail,
    }


def notice_body(notice: DeviceNotice) -> dict[str, object]:
    """What became of a device."""
    return {
        "bus": notice.bus,
        "address": notice.address,
        "device": notice.device,
        "event": notice.notice.value,
        "detail": notice.detail,
    }


def breach_body(
    breach: Breach, exchanges: Mapping[str, Sequence[Mapping[str, object]]]
) -> dict[str, object]:
    """A stage that took longer than proven, and what was on the lines around it."""
    return {
        "rule": breach.rule,
        "stage": breach.stage,
        "measured_ms": breach.measured_ms,
        "bound_ms": breach.bound_ms,
        "schedule": {line: [dict(each) for each in part] for line, part in exchanges.items()},
    }
