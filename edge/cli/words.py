"""How nouns are said to people, in their language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edge.locale import text


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


def alarm_line(alarm: Mapping[str, Any]) -> str:
    """One alarm on one line."""
    parts = [level(alarm["level"]), alarm["rule"], phase(alarm["phase"])]
    if alarm["since_ms"] and alarm["id"]:
        parts.append(f"{text('cli.since')} {clock_time(alarm['since_ms'])}")
    if alarm["acknowledged_by"]:
        parts.append(f"{text('cli.by')} {alarm['acknowledged_by']}")
    if alarm["evidence"]:
        parts.append(", ".join(f"{e['point']} = {value(e)}" for e in alarm["evidence"]))
    return "  ".join(parts)
