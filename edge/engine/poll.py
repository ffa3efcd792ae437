"""Asks a sensor at t0 + k x period.

A poll that would overlap the last one is skipped and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
        on_response: Callable[[tuple[Sample, ...], Instant], None] | None = None,
    ) -> None:
        """``on_response`` is told, after the walk, which samples came and when they were due."""
        self.sensor = sensor
        self.period_ms = period_ms
        self.polls = 0
        self.skipped = 0
        self._period_ns = period_ms * NS_PER_MS
        self._priority = priority
        self._clock = clock
        self._on_samples = on_samples
        self._on_response = on_response
        self._next = Instant(0)
        self._timer: Timer | None = None

    def start(self, first: Instant) -> None:
        """Poll at this instant and every period from then on."""
        self._next = first
        self._timer = self._clock.call_at(first, self._poll)

    def go_on(self, old: Poller, first: Instant) -> Instant:
        """Count on from the poller of before; when to poll first, at the latest at ``first``.

        With the same period the rhythm is kept.
        """
        self.polls, self.skipped = old.polls, old.skipped
        return old._next if self.period_ms == old.period_ms else min(old._next, first)

    def stop(self) -> None:
        """Ask no more; an answer under way is still taken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Go on after ``stop``, in the same rhythm."""
        if self._timer is None:
            self._timer = self._clock.call_at(self._next, self._poll)

    def _poll(self) -> None:
        now = self._clock.now()
        missed = (now - self._next) // self._period_ns
        self.skipped += missed
        due = Instant(self._next + missed * self._period_ns)
        self._next = Instant(due + self._period_ns)
        self._timer = self._clock.call_at(self._next, self._poll)
        on_samples = self._on_samples
        if self._on_response is not None:
            on_samples = partial(self._took, due)
        if self.sensor.poll(self._next, on_samples, self._priority):
            self.polls += 1
        else:
            self.skipped += 1

    def _took(self, due: Instant, samples: tuple[Sample, ...]) -> None:
        self._on_samples(samples)
        if self._on_response is not None:
            self._on_response(samples, due)
