"""Asks a sensor at t0 + k x period.

A poll that would overlap the last one is skipped and counted.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.core.instant import NS_PER_MS, Clock, Instant, Timer
from edge.core.model import Sample
from edge.core.ports import Class, Sensor


class Poller:
    """Keeps one sensor's phase; it never drifts and never piles up."""

    def __init__(
        self,
        sensor: Sensor,
        period_ms: int,
        priority: Class,
        clock: Clock,
        on_samples: Callable[[tuple[Sample, ...]], None],
    ) -> None:
        self.sensor = sensor
        self.period_ms = period_ms
        self.polls = 0
        self.skipped = 0
        self._period_ns = period_ms * NS_PER_MS
        self._priority = priority
        self._clock = clock
        self._on_samples = on_samples
        self._next = Instant(0)
        self._timer: Timer | None = None

    def start(self, first: Instant) -> None:
        """Poll at this instant and every period from then on."""
        self._next = first
        self._timer = self._clock.call_at(first, self._poll)

    def stop(self) -> None:
        """Ask no more; an answer under way is still taken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        now = self._clock.now()
        missed = (now - self._next) // self._period_ns
        self.skipped += missed
        self._next = Instant(self._next + (missed + 1) * self._period_ns)
        self._timer = self._clock.call_at(self._next, self._poll)
        # the next question makes an older one worthless
        if self.sensor.poll(self._next, self._on_samples, self._priority):
            self.polls += 1
        else:
            self.skipped += 1
