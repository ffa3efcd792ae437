"""The real clock: the only user of monotonic and wall time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.core.instant import NS_PER_S, Clock, ClockQuality, Instant, Timer, Utc

# systemd-timesyncd touches this file when it has set the clock.
_SYNCED = Path("/run/systemd/timesync/synchronized")
_LOOK_AGAIN_NS = 30 * NS_PER_S
# Waking up takes 0.1 to 0.25 ms of the 1.75 to 4 ms of silence between two frames, so where every
# silence counts the processor is awake this long before.
_AWAKE_NS = 200_000


class RealClock:
    """Monotonic time of the running event loop, and the system's wall time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._quality = ClockQuality.UNKNOWN
        self._looked_at: int | None = None

    def now(self) -> Instant:
        """CLOCK_MONOTONIC, which is also the loop's time."""
        return Instant(time.monotonic_ns())

    def utc(self) -> Utc:
        """The system's wall time."""
        now = time.monotonic_ns()
        if self._looked_at is None or now - self._looked_at > _LOOK_AGAIN_NS:
            self._looked_at = now
            self._quality = ClockQuality.SYNCED if _SYNCED.exists() else ClockQuality.UNKNOWN
        return Utc(time.time_ns() // 1_000_000, self._quality)

    def call_at(self, at: Instant, callback: Callable[[], None], *, exact: bool = False) -> Timer:
        """Run the callback then, on the loop. See Clock.call_at."""
        if exact:
            return self._loop.call_at((at - _AWAKE_NS) / NS_PER_S, _run_at, at, callback)
        return self._loop.call_at(at / NS_PER_S, callback)


class LifeClock:
    """The clock of one agent: what it has scheduled never happens once its life is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._over = False

    def now(self) -> Instant:
        """See Clock.now."""
        return self._clock.now()

    def utc(self) -> Utc:
        """See Clock.utc."""
        return self._clock.utc()

    def call_at(self, at: Instant, callback: Callable[[], None], *, exact: bool = False) -> Timer:
        """See Clock.call_at."""
        return self._clock.call_at(at, partial(self._call, callback), exact=exact)

    def end(self) -> None:
        """Let nothing happen any more."""
        self._over = True

    def _call(self, callback: Callable[[], None]) -> None:
        if not self._over:
            callback()


def _run_at(at: Instant, callback: Callable[[], None]) -> None:
    while time.monotonic_ns() < at:
        pass
    callback()
