"""Record bodies: the nouns as plain maps for the journal and the district, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from edge.core.instant import ClockQuality, Utc
from edge.core.model import (
    Alarm,
    Change,
    Command,
    DeviceNotice,
    Level,
    Outcome,
    Phase,
    RuleId,
    Sample,
)
from edge.engine.calls.entries import Entry as CallEntry
from edge.engine.calls.entries import What
from edge.engine.conformance import Breach
from edge.engine.inhibit import InhibitNotice
from edge.engine.quality import Trouble
from edge.engine.silence import silence_body, silences_from, utc_from
from edge.engine.sound import Finding


def alarm_body(alarm: Alarm) -> dict[str, object]:
    """An alarm revision. What came later than the first readers of it stands only where it says
    something.
    """
    body: dict[str, object] = {
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
    if alarm.silences:
        body["silences"] = [silence_body(each) for each in alarm.silences]
    if alarm.acknowledged is not None:
        body["acknowledged_ms"] = alarm.acknowledged.ms
        body["acknowledged_clock"] = alarm.acknowledged.quality.value
    if alarm.chattering:
        body["chattering"] = True
    if alarm.change is not None:
        body["change"] = alarm.change.value
    if alarm.by:
        body["by"] = alarm.by
    if alarm.drill:
        body["drill"] = alarm.drill
    return body


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
        silences=silences_from(body.get("silences")),
        acknowledged=utc_from(body, "acknowledged") if "acknowledged_ms" in body else None,
        chattering=body.get("chattering") is True,
        change=_change(body.get("change")),
        by=str(body.get("by", "")),
        drill=str(body.get("drill", "")),
    )


def _change(written: object) -> Change | None:
    """A newer program may know more of them."""
    return next((each for each in Change if each == written), None)


def inhibit_body(notice: InhibitNotice) -> dict[str, object]:
    """A zone's inhibit that began or ended; ``by`` is who did it, empty if its time was over."""
    return {
        "zone": notice.zone,
        "event": "begun" if notice.began else "ended",
        "by": notice.by,
        "inhibit": silence_body(notice.silence),
    }


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
        **_drill(command.drill),
        **({"measure": command.measure} if command.measure else {}),
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
        **_drill(command.drill),
        **({"measure": command.measure} if command.measure else {}),
    }


def _drill(name: str) -> dict[str, object]:
    """What is real says nothing of drills."""
    return {"drill": name} if name else {}


def sound_body(finding: Finding) -> dict[str, object]:
    """Whether an output that was commanded is heard."""
    order = finding.order
    return {
        "output": order.step.output,
        "actuator": order.step.actuator,
        "alarm": order.alarm,
        "sounding": finding.sounding.value,
        "why": finding.why,
        "evidence": [sample_body(sample) for sample in finding.evidence],
        **_drill(order.drill),
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


_CALL_DEFAULTS = {
    field.name: field.default for field in fields(CallEntry) if field.default is not MISSING
}


def call_body(entry: CallEntry) -> dict[str, object]:
    """One thing that happened on a call ladder; what says nothing is left out."""
    body: dict[str, object] = {
        name: value
        for field in fields(entry)
        if (value := getattr(entry, name := field.name)) != _CALL_DEFAULTS.get(name, MISSING)
    }
    body["what"], body["level"] = entry.what.value, entry.level.name.lower()
    for name in ("persons", "texts"):
        if name in body:
            body[name] = dict(entry.texts) if name == "texts" else list(entry.persons)
    return body


def call_from(body: Mapping[str, object]) -> CallEntry:
    """The entry of a record. Raises ValueError, TypeError or KeyError if it is none."""
    texts, persons = body.get("texts", {}), body.get("persons", [])
    if not isinstance(texts, Mapping) or not isinstance(persons, Sequence):
        raise TypeError("texts must be a map and persons a list")
    known = {field.name for field in fields(CallEntry)}
    for name in ("revision", "round", "utc_ms", "rung", "attempt", "offer", "at_revision"):
        if not isinstance(body.get(name, 0), int):
            raise TypeError(f"{name} must be an integer")
    for name in ("limit_s", "ring_s", "wait_s"):
        if not isinstance(body.get(name, 0.0), int | float):
            raise TypeError(f"{name} must be a number")
    parts: dict[str, Any] = {name: value for name, value in body.items() if name in known}
    parts["what"] = What(str(body["what"]))
    parts["rule"] = RuleId(str(body["rule"]))
    parts["level"] = Level[str(body["level"]).upper()]
    parts["texts"] = tuple(sorted((str(k), str(v)) for k, v in texts.items()))
    parts["persons"] = tuple(str(person) for person in persons)
    return CallEntry(**parts)


def trouble_body(trouble: Trouble) -> dict[str, object]:
    """A sensor needs somebody who looks after it, or does no longer."""
    return {
        "event": "begins" if trouble.began else "ceases",
        "point": trouble.point,
        "quality": trouble.quality.value,
    }
