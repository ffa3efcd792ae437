"""Virtual time.

Runs scheduled calls in order without waiting, so that an hour of agent life takes moments.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from edge.core.instant import NS_PER_MS, NS_PER_S, ClockQuality, Instant, Utc


class _Call:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Withdraw the call."""
        self.callback = None


class VirtualClock:
    """A Clock that stands still while code runs and jumps to the next scheduled call."""

    def __init__(
        self,
        *,
        utc_ms: int = 1_718_158_500_000,
        now: Instant = Instant(NS_PER_S),  # noqa: B008  # a number
    ) -> None:
        self._now = now
        self._utc_offset_ms = utc_ms - self._now // NS_PER_MS
        self._calls: list[tuple[Instant, int, _Call]] = []
        self._order = itertools.count()
        self.calls_run = 0

    def now(self) -> Instant:
        """Virtual monotonic time."""
        return self._now

    def utc(self) -> Utc:
        """Virtual wall time; ``step_utc`` makes it jump."""
        return Utc(self._now // NS_PER_MS + self._utc_offset_ms, ClockQuality.SYNCED)

    def step_utc(self, ms: int) -> None:
        """Let the wall clock jump, as after a time set; monotonic time does not notice."""
        self._utc_offset_ms += ms

    def call_at(self, at: Instant, callback: Callable[[], None], *, exact: bool = False) -> _Call:
        """Schedule a call; calls for the same instant run in the order they were made."""
        call = _Call(callback)
        heapq.heappush(self._calls, (Instant(max(at, self._now)), next(self._order), call))
        return call

    def run_for(self, seconds: float) -> None:
        """Let this much time pass."""
        end = Instant(self._now + round(seconds * NS_PER_S))
        while self._calls and self._calls[0][0] <= end:
            at, _, call = heapq.heappop(self._calls)
            self._now = at
            callback, call.callback = call.callback, None
            if callback is not None:
                self.calls_run += 1
                callback()
        self._now = end
