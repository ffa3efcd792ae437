"""Windows that estimate: they say nothing until two readings span half of their length. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import atan, degrees, inf, nextafter, radians, tan

from edge.core.instant import NS_PER_S
from edge.engine.conditions.sizes import list_bytes
from edge.engine.conditions.sources import EXACT, NOTHING, RISING, TRUE_ONLY, Number
from edge.engine.conditions.tree import Window as Said
from edge.engine.conditions.windows import Window, bins_most, whole_cut

_SLACK = 1e-11
"""A quotient that is no farther from its limit than this part of it is at it: neither is exact, and
the limit was converted between units, which keeps twelve digits."""
_RIGHT_ANGLE_DEG = 90.0


def quotient_cut(comparison: str, limit: float) -> float:
    """The cut among quotients."""
    slack = abs(limit) * _SLACK
    return nextafter(limit + slack, inf) if comparison in (">", "<=") else limit - slack


class Trend(Window):
    """A window whose number needs its oldest reading, which came at ``first_at``."""

    __slots__ = ("bins", "first_at")

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.first_at = 0

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut."""
        return quotient_cut(comparison, limit), comparison in RISING

    def _span(self, at: int) -> bool:
        """Say what the number is worth now; whether that changes. ``turn_at`` may come earlier."""
        if (at - self.first_at) * 2 >= self.length_ns:
            return self._rescope(EXACT)
        self.turn_at = min(self.turn_at, self.first_at + (self.length_ns + 1) // 2)
        return self._rescope(NOTHING)


class RateWindow(Trend):
    """RATE: the newest reading less the oldest, over the time between them; per second."""

    __slots__ = ("factor", "first")
    record = (1 << 62, 1 << 62, 1 << 62)

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.factor = NS_PER_S / scale
        self.first = 0
        self.bins: deque[tuple[int, int, int]] = deque()

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at < self.turn_at:
            if self.scope is NOTHING:
                return False
            # ``or 1``: readings out of order must not end the agent
            number = (reading - self.first) * self.factor / (at - self.first_at or 1)
            self.number = number
            return not self.low <= number < self.high
        bins = self.bins
        if at >= self.end:
            self.end = end = at - at % self.width_ns + self.width_ns
            bins.append((end + self.length_ns, at, reading))
        while bins[0][0] <= at:
            bins.popleft()
        leaves_at, self.first_at, self.first = bins[0]
        self.turn_at = min(self.end, leaves_at)
        changed = self._span(at)
        if self.scope is NOTHING:
            return changed
        self.number = number = self._trend(reading, at)
        return changed or not self.low <= number < self.high

    def _trend(self, reading: int, at: int) -> Number:
        return (reading - self.first) * self.factor / (at - self.first_at or 1)

    def _value(self) -> float:
        return self.number


class TangentWindow(RateWindow):
    """TANGENT: the rate over the velocity of constant deformation is the tangent of the angle."""

    __slots__ = ()

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.factor = NS_PER_S / (scale * said.velocity)

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut; the limit is in degrees."""
        rising = comparison in RISING
        if abs(limit) >= _RIGHT_ANGLE_DEG:
            return (inf if limit > 0 else -inf), rising
        return quotient_cut(comparison, tan(radians(limit))), rising

    def _value(self) -> float:
        return degrees(atan(self.number))


class ChangeWindow(RateWindow):
    """CHANGE: the newest reading less the oldest.

    Until observed for its whole length it may say that a change was reached, but not that none was.
    """

    __slots__ = ()

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut."""
        return whole_cut(comparison, limit, self.scale), comparison in RISING

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at >= self.turn_at:
            return super().take(reading, at)
        if self.scope is NOTHING:
            return False
        self.number = number = reading - self.first
        return not self.low <= number < self.high

    def _trend(self, reading: int, at: int) -> Number:
        return reading - self.first

    def _span(self, at: int) -> bool:
        if (at - self.first_at) * 2 < self.length_ns:
            if self.since is None:
                self.since = at
            return super()._span(at)
        return self._settle_scope(at, TRUE_ONLY)

    def _value(self) -> float:
        return self.number / self.scale


class MeanWindow(Trend):
    """MEAN of the readings; of a counter, of its increments."""

    __slots__ = ("count", "part", "part_at", "part_count", "total")
    record = (1 << 62, 1 << 62, 1 << 62, 1 << 30)

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.total = self.count = self.part = self.part_at = self.part_count = 0
        self.bins: deque[tuple[int, int, int, int]] = deque()

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at >= self.turn_at:
            changed = self._renew(reading, at)
        else:
            changed = False
            self.part += reading
            self.part_count += 1
            self.total += reading
            self.count += 1
        self.number = number = self.total / self.count
        return changed or (self.scope is EXACT and not self.low <= number < self.high)

    def _renew(self, reading: int, at: int) -> bool:
        bins = self.bins
        if at >= self.end:
            if self.part_count:
                leaves_at = self.end + self.length_ns
                bins.append((leaves_at, self.part_at, self.part, self.part_count))
            self.part = self.part_count = 0
            self.part_at = at
            self.end = at - at % self.width_ns + self.width_ns
        while bins and bins[0][0] <= at:
            _, _, part, count = bins.popleft()
            self.total -= part
            self.count -= count
        self.part += reading
        self.part_count += 1
        self.total += reading
        self.count += 1
        self.first_at = bins[0][1] if bins else self.part_at
        self.turn_at = bins[0][0] if bins and bins[0][0] < self.end else self.end
        return self._span(at)

    def _value(self) -> float:
        return self.number / self.scale

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut."""
        return quotient_cut(comparison, limit * self.scale), comparison in RISING


class RobustRateWindow(Trend):
    """ROBUST_RATE: the median of the rates between the first readings of neighbouring bins.

    It changes at the first reading of a bin.
    """

    __slots__ = ("factor", "rates")
    record = (1 << 62, 1 << 62, 1 << 62, 1.0)

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.factor = NS_PER_S / scale
        # Of each bin: when it leaves, its first reading, and the rate that led there.
        self.bins: deque[tuple[int, int, int, float]] = deque()
        self.rates: list[float] = []

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at < self.turn_at:
            return False
        bins, rates = self.bins, self.rates
        if at >= self.end:
            rate = 0.0
            if bins:
                _, last_at, last, _ = bins[-1]
                rate = (reading - last) * self.factor / (at - last_at)
                insort(rates, rate)
            self.end = end = at - at % self.width_ns + self.width_ns
            bins.append((end + self.length_ns, at, reading, rate))
        while bins[0][0] <= at:
            bins.popleft()
            if bins:
                del rates[bisect_left(rates, bins[0][3])]
        leaves_at, self.first_at, _, _ = bins[0]
        self.turn_at = min(self.end, leaves_at)
        changed = self._span(at)
        if not rates:
            return self._rescope(NOTHING) or changed
        half = len(rates) // 2
        number = rates[half] if len(rates) % 2 else (rates[half - 1] + rates[half]) / 2
        self.number = number
        return changed or not self.low <= number < self.high

    def bytes_most(self) -> int:
        """See Window.bytes_most."""
        return super().bytes_most() + list_bytes(bins_most(self.said), 1.0)

    def _value(self) -> float:
        return self.number
