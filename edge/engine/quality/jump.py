"""Rate of change: a reading that the quantity cannot have reached since the last one. Pure."""

from __future__ import annotations

from edge.core.instant import NS_PER_S, Instant
from edge.engine.quality.point_checks import JUMP_READINGS, Counter


class JumpCheck:
    """Holds an implausible change back until JUMP_READINGS readings have borne it out.

    A change is plausible up to ``rate_per_s`` times the time since the last good reading, plus
    ``step`` (the resolution). What bears a change out is any later reading that is implausible in
    the same direction: a wall of water that goes on rising must not begin anew with each reading.
    A decrease of a counter is held back like a jump, whatever its rate: it is a reset only if it
    stays. A roll-over that fits the rate is none.
    """

    __slots__ = ("_counter", "_good", "_good_at", "_rate_per_ns", "_same", "_step", "_up")

    def __init__(self, rate_per_s: float | None, step: float, counter: Counter | None) -> None:
        self._rate_per_ns = None if rate_per_s is None else rate_per_s / NS_PER_S
        self._step = step
        self._counter = counter
        self._good: float | None = None
        self._good_at = Instant(0)
        self._same = 0
        self._up = False

    def step(self, value: float, at: Instant) -> bool:
        """Whether the reading is a jump; it is held back then."""
        good = self._good
        if good is None or self._plausible(value - good, at - self._good_at):
            return self._accept(value, at)
        up = value > good
        if up is not self._up:
            self._up, self._same = up, 0
        if self._same >= JUMP_READINGS:
            return self._accept(value, at)
        self._same += 1
        return True

    def _accept(self, value: float, at: Instant) -> bool:
        self._good, self._good_at, self._same = value, at, 0
        return False

    def _plausible(self, change: float, elapsed_ns: int) -> bool:
        rate_per_ns = self._rate_per_ns
        if self._counter is not None and change < 0:
            rollover = self._counter.rollover
            if rollover is None or rate_per_ns is None:
                return False
            change += rollover
            if change < 0:
                return False
        if rate_per_ns is None:
            return True
        return abs(change) <= rate_per_ns * elapsed_ns + self._step
