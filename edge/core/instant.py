"""Monotonic and wall time as different types, and the clock that gives both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

Instant = NewType("Instant", int)
"""Monotonic time in integer nanoseconds; its zero has no meaning across restarts."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def after(instant: Instant, *, seconds: float = 0.0, ms: float = 0.0) -> Instant:
    """The instant that lies this much later (or earlier, if negative)."""
    return Instant(instant + round(seconds * NS_PER_S) + round(ms * NS_PER_MS))


def seconds_between(earlier: Instant, later: Instant) -> float:
    """Elapsed seconds; negative if the arguments are out of order."""
    return (later - earlier) / NS_PER_S


def ms_between(earlier: Instant, later: Instant) -> float:
    """Elapsed milliseconds; negative if the arguments are out of order."""
    return (later - earlier) / NS_PER_MS


class ClockQuality(StrEnum):
    """How far wall time can be believed."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Utc:
    """Wall time for people and records.

    Milliseconds since 1970-01-01T00:00:00Z, and its quality.
    """

    ms: int
    quality: ClockQuality = ClockQuality.UNKNOWN


class Timer(Protocol):
    """A scheduled call that can be withdrawn."""

    def cancel(self) -> None:
        """Withdraw the call; harmless if it has already run."""
        ...


class Clock(Protocol):
    """The only source of time.

    Implementations: the real one (edge.app.clock) and the virtual one in tests.
    """

    def now(self) -> Instant:
        """Monotonic time."""
        ...

    def utc(self) -> Utc:
        """Wall time with its quality; may jump in either direction."""
        ...

    def call_at(self, at: Instant, callback: Callable[[], None], *, exact: bool = False) -> Timer:
        """Run the callback at this instant, or as soon after it as the loop allows.

        Never before. ``exact``: to some microseconds, at the cost of some processor time.
        """
        ...
