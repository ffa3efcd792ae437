"""Counters and latency histograms of the walk, bounded in memory."""

from __future__ import annotations

from edge.core.histogram import Histogram
from edge.core.model import Command, Outcome, Status


class Health:
    """What went well and what did not since start."""

    def __init__(self) -> None:
        self.decision = Histogram()
        self.action = Histogram()
        self.loop_lag = Histogram()
        self.outcomes: dict[str, int] = {status.value: 0 for status in Status}
        self.faults = 0

    def take_over(self, old: Health) -> None:
        """Go on counting where another one stopped."""
        self.decision, self.action, self.loop_lag = old.decision, old.action, old.loop_lag
        self.outcomes, self.faults = old.outcomes, old.faults

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
