"""What a running total has grown by from reading to reading. Pure."""

from __future__ import annotations

from edge.engine.quality import Counter

SMALL_STEPS = 100
"""After a reset a total of up to so many steps of the last decimal has grown since then; a larger
one was set by somebody (10 mm for a gauge of 0.1 mm)."""
_WRAP_SHARE = 100


class Increments:
    """Never negative: a decrease is a reset, or a roll-over if the total was close to it.

    Close: within a hundredth of the range from the old total, over the end, to the new one.
    """

    __slots__ = ("last", "rollover", "small", "total")

    def __init__(self, counter: Counter, scale: int, decimals: int) -> None:
        self.rollover = None if counter.rollover is None else round(counter.rollover * scale)
        self.small = SMALL_STEPS * scale // 10**decimals
        self.last: int | None = None
        self.total = 0
        """The sum of all increments."""

    def step(self, reading: int) -> int | None:
        """The increment, or None for the first reading: from what it has grown nobody knows."""
        last, self.last = self.last, reading
        if last is None:
            return None
        grown = reading - last
        if grown < 0:
            grown = self._over(last, reading)
        self.total += grown
        return grown

    def _over(self, last: int, reading: int) -> int:
        if self.rollover is not None:
            wrapped = self.rollover - last + reading
            if 0 <= wrapped * _WRAP_SHARE <= self.rollover:
                return wrapped
        return reading if 0 <= reading <= self.small else 0

    def go_on(self, old: Increments) -> None:
        """Continue where the same counter stood under another configuration."""
        if (self.rollover, self.small) == (old.rollover, old.small):
            self.last, self.total = old.last, old.total
