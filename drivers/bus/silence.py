"""The silence that must lie between frames, and what to do if there is none. No I/O."""

from __future__ import annotations

from drivers.bus.transaction import Transaction
from edge.core.instant import NS_PER_S, Instant, after
from edge.core.ports import Class

# A line that never falls silent is spoken on anyway: for a siren at once, else after a while.
_TALK_OVER_S = {Class.ACT: 0.05, Class.WATCH: 0.5, Class.LOG: 0.5}


class Silence:
    """``since``: when the last byte left the line, or will have left it."""

    def __init__(self, least_ns: int) -> None:
        self.since = Instant(0)
        self._least_ns = least_ns
        self._wanted: Instant | None = None

    def enough_at(self, transaction: Transaction, now: Instant) -> Instant:
        """When the line has been silent long enough for this question."""
        gap = max(self._least_ns, round(transaction.timing.gap_s * NS_PER_S))
        free = Instant(self.since + gap)
        if free <= now:
            self._wanted = None
            return now
        if self._wanted is None:
            self._wanted = now
        patience = _TALK_OVER_S[transaction.priority]
        return Instant(min(free, after(self._wanted, seconds=gap / NS_PER_S + patience)))

    def broken(self, until: Instant) -> None:
        """A question is on the line until then."""
        self._wanted = None
        self.since = until
