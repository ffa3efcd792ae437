"""How calls and answers are said to people."""

from __future__ import annotations

from datetime import UTC, datetime

from edge.locale import known, text


def role(name: str) -> str:
    """What a person is called for; empty for nobody known."""
    return text(f"role.{name}") if known(f"role.{name}") else name


def channel(name: str) -> str:
    """By what somebody was called, or has answered."""
    key = f"channel.{name.replace(' ', '-')}"
    return text(key) if known(key) else name


def result(name: str) -> str:
    """What became of a call."""
    key = f"call-result.{name.replace(' ', '-')}"
    return text(key) if known(key) else name


def judgement(name: str) -> str:
    """What an answer counts for."""
    key = f"judgement.{name.replace(' ', '-')}"
    return text(key) if known(key) else name


def ladder_end(name: str) -> str:
    """How a ladder ended; it goes on while that is empty."""
    key = f"call-end.{name.replace(' ', '-') or 'standing'}"
    return text(key) if known(key) else name


def measure(name: str) -> str:
    """Which of the five measures an output is; empty: it only sounds."""
    return text(f"measure.{name}") if known(f"measure.{name}") else name


def status(name: str) -> str:
    """How a command to an output ended; empty if that is not known yet."""
    key = f"report.status-{name.replace(' ', '-')}"
    return text(key) if known(key) else name


def local_time(ms: int) -> str:
    """A wall time as the box's own clock on the wall shows it, with its zone."""
    try:
        when = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
    return when.strftime("%Y-%m-%d %H:%M:%S %z")


def since(from_ms: int, at_ms: int | None) -> str:
    """How long after the alarm something was, for people; a dash for never."""
    return "-" if at_ms is None else duration((at_ms - from_ms) / 1000)


def duration(seconds: float) -> str:
    """A length of time as minutes and seconds, to a tenth below a minute."""
    if abs(seconds) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def share(part: float | None) -> str:
    """A share in percent; a dash where there is nothing to share."""
    return "-" if part is None else f"{part:.0%}"
