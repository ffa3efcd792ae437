"""Counters and latency histograms of the walk, bounded in memory."""

from __future__ import annotations

import math

from edge.core.model import Command, Outcome, Status

# Four steps per octave from 1 us on: about 19 % wide, 100 bins reach 33 s.
_FIRST_MS = 0.001
_STEPS_PER_OCTAVE = 4
_BINS = 104


class Histogram:
    """Latencies in milliseconds in bins of 19 %; quantiles err by at most one bin, upwards."""

    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self.count = 0
        self.most_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one latency."""
        bin_ = 0
        if ms > _FIRST_MS:
            bin_ = min(math.ceil(math.log2(ms / _FIRST_MS) * _STEPS_PER_OCTAVE), _BINS - 1)
        self._bins[bin_] += 1
        self.count += 1
        self.most_ms = max(self.most_ms, ms)

    def quantile(self, q: float) -> float | None:
        """The latency that this share did not exceed; None without any."""
        if not self.count:
            return None
        rest = math.ceil(q * self.count)
        for index, count in enumerate(self._bins):
            rest -= count
            if rest <= 0:
                return float(min(_FIRST_MS * 2.0 ** (index / _STEPS_PER_OCTAVE), self.most_ms))
        return self.most_ms

    def body(self) -> dict[str, object]:
        """For status and health records."""
        return {
            "count": self.count,
            "p50_ms": self.quantile(0.5),
            "p99_ms": self.quantile(0.99),
            "p999_ms": self.quantile(0.999),
            "most_ms": self.most_ms if self.count else None,
        }


class Health:
    """What went well and what did not since start."""

    def __init__(self) -> None:
        self.decision = Histogram()
        self.action = Histogram()
        self.loop_lag = Histogram()
        self.outcomes: dict[str, int] = {status.value: 0 for status in Status}
        self.faults = 0

    def note_outcome(
        self,
        command: Command,
        outcome: Outcome,
        decision_ms: float | None,
        action_ms: float | None,
    ) -> None:
        """Count a command's end; follow-ups are not reactions and stay out of the latencies."""
        self.outcomes[outcome.status.value] += 1
        if command.ensure:
            return
        if decision_ms is not None:
            self.decision.add(decision_ms)
        if action_ms is not None:
            self.action.add(action_ms)

    def body(self) -> dict[str, object]:
        """For status and health records."""
        return {
            "decision": self.decision.body(),
            "action": self.action.body(),
            "loop_lag": self.loop_lag.body(),
            "outcomes": dict(self.outcomes),
            "faults": self.faults,
        }
