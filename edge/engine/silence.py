"""Requests that an alarm be not announced: who may ask for what, and for how long. Pure.

Nothing is silenced without a name and a reason, and only *out of service* without an end. What a
person asks for from afar never reaches up to red; a shelving does so only if it says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge.core.errors import AgentError
from edge.core.instant import ClockQuality, Instant, Utc, after
from edge.core.model import Level, Silence, Silencing

MOST_SHELVED_S: Final = 8 * 3600.0
"""One shift. Alarm-management practice after ISA-18.2: a shelving ends by itself."""
_MOST_CHARACTERS: Final = 120
_UNLIMITED: Final = (Silencing.OUT_OF_SERVICE, Silencing.SUPPRESSED)


class Declined(AgentError):
    """A request that is not granted. ``key`` and ``arguments`` make the text for people."""

    def __init__(self, key: str, **arguments: object) -> None:
        super().__init__(key)
        self.key = key
        self.arguments = arguments


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a shelving and a zone's inhibit may last at most, in seconds."""

    shelve_s: float = MOST_SHELVED_S
    inhibit_s: float = MOST_SHELVED_S


@dataclass(frozen=True, slots=True)
class Asked:
    """A person's request. ``remote``: not made at the box. ``red``: meant for red alarms, too."""

    by: str
    reason: str
    for_s: float | None = None
    remote: bool = False
    red: bool = False


def grant(
    asked: Asked, kind: Silencing, now: Instant, utc: Utc, *, most_s: float | None, source: str = ""
) -> Silence:
    """The silence that is asked for. ``most_s`` None: it has no end. Raises Declined."""
    by, reason = name_of(asked.by), asked.reason.strip()
    if not reason:
        raise Declined("no-reason")
    _check_text(reason)
    if asked.remote and asked.red:
        raise Declined("red-remote")
    up_to = Level.RED
    if asked.remote or (kind is Silencing.SHELVED and not asked.red):
        up_to = Level.ORANGE
    if most_s is None:
        return Silence(kind, by, reason, up_to, utc, source)
    length_s = _length_s(asked.for_s, most_s)
    until = Utc(utc.ms + round(length_s * 1000), utc.quality)
    return Silence(kind, by, reason, up_to, utc, source, until, after(now, seconds=length_s))


def name_of(by: str) -> str:
    """The name of a person. Raises Declined if there is none."""
    name = by.strip()
    if not name:
        raise Declined("no-name")
    _check_text(name)
    return name


def _check_text(written: str) -> None:
    if len(written) > _MOST_CHARACTERS or not written.isprintable():
        raise Declined("bad-text", allowed=_MOST_CHARACTERS)


def _length_s(asked_s: float | None, most_s: float) -> float:
    if asked_s is None or not math.isfinite(asked_s) or asked_s <= 0:
        raise Declined("no-time")
    if asked_s > most_s:
        raise Declined("too-long", found=asked_s / 3600, allowed=most_s / 3600)
    return asked_s


def silence_body(silence: Silence) -> dict[str, object]:
    """A silence as part of an alarm's record; its monotonic end is left out."""
    body: dict[str, object] = {
        "kind": silence.kind.value,
        "by": silence.by,
        "reason": silence.reason,
        "up_to": silence.up_to.name.lower(),
        "since_ms": silence.since.ms,
        "since_clock": silence.since.quality.value,
    }
    if silence.source:
        body["source"] = silence.source
    if silence.until is not None:
        body["until_ms"] = silence.until.ms
        body["until_clock"] = silence.until.quality.value
    return body


def silences_from(bodies: object) -> tuple[Silence, ...]:
    """The silences of a record. One that cannot be read is left out: the alarm then sounds."""
    return tuple(
        found for body in (bodies if isinstance(bodies, list) else []) if (found := _read(body))
    )


def _read(body: object) -> Silence | None:
    if not isinstance(body, Mapping):
        return None
    try:
        kind = Silencing(str(body["kind"]))
        until = utc_from(body, "until") if "until_ms" in body else None
        if until is None and kind not in _UNLIMITED:
            return None
        return Silence(
            kind,
            str(body["by"]),
            str(body["reason"]),
            Level[str(body["up_to"]).upper()],
            utc_from(body, "since"),
            str(body.get("source", "")),
            until,
        )
    except (KeyError, ValueError):
        return None


def utc_from(body: Mapping[str, object], key: str) -> Utc:
    """The wall time of ``<key>_ms`` and ``<key>_clock``. Raises KeyError or ValueError."""
    ms = body[f"{key}_ms"]
    if not isinstance(ms, int):
        raise ValueError(f"{key}_ms must be an integer")
    return Utc(ms, ClockQuality(str(body[f"{key}_clock"])))
