"""How nouns are said to people, in their language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edge.locale import known, text

_SUMMARY = ("per_10min", "peak_10min", "per_day")
_SILENT = ("shelved", "suppressed by design", "out of service")


def yes_no(value: bool) -> str:
    """A truth value."""
    return text("cli.yes" if value else "cli.no")


def level(name: str) -> str:
    """A warning level by its colour."""
    return text(f"level.{name}")


def phase(name: str) -> str:
    """An alarm state."""
    return text("phase." + name.replace(", ", "_").replace(" ", "_"))


def quality(name: str) -> str:
    """What is wrong with a reading; empty if nothing is."""
    return "" if name == "good" else text("quality." + name.replace(" ", "_"))


def clock_time(ms: int) -> str:
    """A wall time of the box, in UTC."""
    try:
        when = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
    return when.strftime("%Y-%m-%d %H:%M:%S.") + f"{ms % 1000:03d}Z"


def value(sample: Mapping[str, Any]) -> str:
    """A reading with its unit."""
    number = sample["value"]
    shown = "-" if number is None else f"{number:g}"
    return f"{shown} {sample['unit']}".strip()


def change(name: str) -> str:
    """What made a revision of an alarm."""
    key = "change." + name.replace(" ", "_")
    return text(key) if known(key) else name


def silence(body: Mapping[str, Any]) -> str:
    """Why an alarm is not announced: who, why, up to which level, until when."""
    return text(_key(body), **_told(body))


def sign(body: Mapping[str, Any]) -> str:
    """The permanent sign of a zone's inhibit."""
    return text("silence.sign", **_told(body))


def _key(body: Mapping[str, Any]) -> str:
    key = "silence." + str(body["kind"]).replace(" ", "_")
    return key if known(key) else "silence.shelved"


def _told(body: Mapping[str, Any]) -> dict[str, str]:
    until = body.get("until_ms")
    return {
        "by": body["by"],
        "reason": body["reason"],
        "source": body.get("source", ""),
        "up_to": level(body["up_to"]),
        "until": "-" if until is None else clock_time(until),
    }


def alarm_line(alarm: Mapping[str, Any]) -> str:
    """One alarm on one line."""
    # of what is not announced the measured level is shown
    shown = alarm["current" if alarm["phase"] in _SILENT else "level"]
    parts = [level(shown), alarm["rule"], phase(alarm["phase"])]
    if alarm["since_ms"] and alarm["id"]:
        parts.append(f"{text('cli.since')} {clock_time(alarm['since_ms'])}")
    if alarm["acknowledged_by"]:
        parts.append(f"{text('cli.by')} {alarm['acknowledged_by']}")
    parts += [silence(each) for each in alarm.get("silences", ())]
    if alarm.get("chattering"):
        parts.append(text("change.chattering"))
    if alarm["evidence"]:
        parts.append(", ".join(f"{e['point']} = {value(e)}" for e in alarm["evidence"]))
    return "  ".join(parts)


def metrics_lines(metrics: Mapping[str, Any]) -> list[str]:
    """How good the alarms are: rates, and what needs somebody to look after it."""
    lines = [text("metrics.summary", **{k: metrics[k] for k in _SUMMARY})]
    if metrics["flood"]:
        lines.append(text("metrics.flood"))
    for kind in ("standing", "chattering"):
        lines += [text(f"metrics.{kind}", rule=rule) for rule in metrics[kind]]
    return lines
