"""Functions of a point's last readings, at a cost per reading that no length of time changes. Pure.

A window is cut into bins of a six-hundredth of its length, whole milliseconds, aligned to zero of
monotonic time. At an instant t it covers every bin from that of t - length on: at least its length,
and less than a bin more. Readings are integers, a millionth of the point's last decimal: sums are
exact, do not drift, and 350 times 0.1 mm is 35 mm.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from math import ceil, floor

from edge.core.instant import NS_PER_MS
from edge.engine.conditions.sizes import deque_bytes
from edge.engine.conditions.sources import (
    AT_LEAST,
    EXACT,
    NOTHING,
    RISING,
    Number,
    Scope,
    Source,
)
from edge.engine.conditions.tree import Function
from edge.engine.conditions.tree import Window as Said

BINS = 600
"""The least number of bins in a window that is not very short."""
_FEW_BINS = 20
FINER_DIGITS = 6
"""Decimals that are kept beyond those of the point."""
NEVER = 1 << 200
_LOSS_SHARE = 10


def bin_ns(said: Said) -> int:
    """The width of a window's bin: a six-hundredth of the length, up to whole milliseconds.

    Of ROBUST_RATE a twentieth: neighbours must be so far apart that what moves has moved by more
    than the sensor resolves, or the median of their differences is nothing but zero.
    """
    parts = _FEW_BINS if said.function is Function.ROBUST_RATE else BINS
    return max(1, -(-said.length_ns // (parts * NS_PER_MS))) * NS_PER_MS


def bins_most(said: Said) -> int:
    """The most bins that a window ever holds."""
    return -(-said.length_ns // bin_ns(said)) + 2


def whole_cut(comparison: str, limit: float, scale: int) -> int:
    """The cut among integers: the least number that is beyond the limit as it was written."""
    scaled = Decimal(repr(limit)) * scale
    return floor(scaled) + 1 if comparison in (">", "<=") else ceil(scaled)


class Window(Source):
    """A source that takes every good reading of its point."""

    __slots__ = ("bins", "end", "length_ns", "said", "scale", "since", "turn_at", "width_ns")

    least = -NEVER
    most = NEVER
    record: tuple[object, ...] = ()
    """What a bin is at its largest."""

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said.point)
        self.said = said
        self.scale = scale
        self.length_ns = said.length_ns
        self.width_ns = bin_ns(said)
        self.since: int | None = None
        # Before this instant a reading only adds to the open bin, which ends at ``end``.
        self.turn_at = 0
        self.end = 0

    def take(self, reading: int, at: int) -> bool:
        """The next reading; whether a comparison may have changed."""
        raise NotImplementedError

    def value(self) -> float | None:
        """The number in the unit that its limits have; None if there is none."""
        if self.blind is not None or self.scope is NOTHING:
            return None
        return self._value()

    def _value(self) -> float:
        return self.number / self.scale

    @property
    def warming(self) -> bool:
        """Whether it was not observed for its whole length as yet."""
        return self.scope is not EXACT

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut."""
        return whole_cut(comparison, limit, self.scale), comparison in RISING

    def begin(self, at: int) -> None:
        """Observation begins: with the first reading, and anew after a long loss.

        Until the next reading nothing is known; that one says how much.
        """
        self.since = at
        self.scope = NOTHING
        self.turn_at = 0

    def resume(self, lost_ns: int, at: int) -> None:
        """The sensor was lost for so long: what fell meanwhile was not observed."""
        if lost_ns * _LOSS_SHARE > self.length_ns:
            self.begin(at)

    def bytes_most(self) -> int:
        """What its bins take at most."""
        return deque_bytes(bins_most(self.said), self.record)

    def _settle_scope(self, at: int, until_warm: Scope) -> bool:
        """Say what the number is worth now; whether that changes. ``turn_at`` may come earlier.

        ``until_warm``: while it was not observed for its whole length.
        """
        if self.since is None:
            self.since = at
        warm_at = self.since + self.length_ns
        if at < warm_at:
            self.turn_at = min(self.turn_at, warm_at)
        return self._rescope(until_warm if at < warm_at else EXACT)

    def _rescope(self, scope: Scope) -> bool:
        if scope is self.scope:
            return False
        self.scope = scope
        return True


_Sum = tuple[int, int]


class SumWindow(Window):
    """SUM; COUNT, which is that of ones; and CHANGE of a counter, which is that of increments."""

    __slots__ = ("part",)
    record = (1 << 62, 1 << 62)

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.part = 0
        self.bins: deque[_Sum] = deque()

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at < self.turn_at:
            self.part += reading
            self.number = number = self.number + reading
            return not self.low <= number < self.high
        bins = self.bins
        if at >= self.end:
            if self.part:
                bins.append((self.end + self.length_ns, self.part))
            self.part = 0
            self.end = at - at % self.width_ns + self.width_ns
        number = self.number
        while bins and bins[0][0] <= at:
            number -= bins.popleft()[1]
        self.part += reading
        self.number = number = number + reading
        self.turn_at = bins[0][0] if bins and bins[0][0] < self.end else self.end
        if self.scope is EXACT or not self._settle_scope(at, AT_LEAST):
            return not self.low <= number < self.high
        return True


class CountWindow(SumWindow):
    """COUNT."""

    __slots__ = ()

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, 1)

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        return super().take(1, at)


class MaxWindow(Window):
    """MAX: of every bin its largest reading, as long as no later bin has a larger one."""

    __slots__ = ("part",)
    record = (1 << 62, 1 << 62)

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.part = -NEVER
        self.bins: deque[_Sum] = deque()

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        if at < self.turn_at:
            if reading > self.part:
                self.part = reading
                if reading > self.number:
                    self.number = reading
                    return not self.low <= reading < self.high
            return False
        bins, part = self.bins, self.part
        if at >= self.end:
            if self.end:
                while bins and bins[-1][1] <= part:
                    bins.pop()
                bins.append((self.end + self.length_ns, part))
            part = reading
            self.end = at - at % self.width_ns + self.width_ns
        part = max(part, reading)
        self.part = part
        while bins and bins[0][0] <= at:
            bins.popleft()
        if bins and bins[0][1] > part:
            part = bins[0][1]
        self.number = number = part
        self.turn_at = bins[0][0] if bins and bins[0][0] < self.end else self.end
        if self.scope is EXACT or not self._settle_scope(at, AT_LEAST):
            return not self.low <= number < self.high
        return True


class MinWindow(MaxWindow):
    """MIN: the largest of the negated readings."""

    __slots__ = ()

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """See Source.cut; mirrored."""
        return 1 - whole_cut(comparison, limit, self.scale), comparison not in RISING

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        return super().take(-reading, at)

    def _value(self) -> float:
        return -self.number / self.scale


class DaySum(Window):
    """DAY_SUM: since the hydrological day began. ``complete``: it was observed from its begin."""

    __slots__ = ("complete", "day")

    def __init__(self, said: Said, scale: int) -> None:
        super().__init__(said, scale)
        self.length_ns = 24 * 3600 * 1000 * NS_PER_MS
        self.day: int | None = None
        self.complete = False
        self.bins: deque[_Sum] = deque()

    def take(self, reading: int, at: int) -> bool:
        """See Window.take."""
        self.number = number = self.number + reading
        if self.turn_at:
            return not self.low <= number < self.high
        self.turn_at = 1
        if self.since is None:
            self.since = at
        self.scope = EXACT if self.complete else AT_LEAST
        return True

    def begin(self, at: int) -> None:
        """See Window.begin."""
        super().begin(at)
        self.complete = False

    def turn(self, day: int) -> None:
        """It is this day now. A clock that is put back takes nothing away."""
        if day == self.day:
            return
        if self.day is None or day < self.day:
            self.complete = False
        else:
            self.complete = self.since is not None and day == self.day + 1
            self.number = 0
        self.day = day
        if self.since is not None:
            self.scope = EXACT if self.complete else AT_LEAST
        self.settle()

    def bytes_most(self) -> int:
        """See Window.bytes_most: it has no bins."""
        return 0


def go_on(window: Window, old: Window) -> None:
    """Continue where an equal window of another configuration stood; the old one stays as it is."""
    if type(window) is not type(old) or window.scale != old.scale:
        return
    for kind in type(old).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if name not in _FIXED:
                value = getattr(old, name)
                kept = value.copy() if isinstance(value, deque | list) else value
                setattr(window, name, kept)


_FIXED = frozenset(
    {"factor", "high", "leaves", "length_ns", "low", "point", "said", "scale", "width_ns"}
)
