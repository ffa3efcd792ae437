"""Sets of sequence numbers: what was delivered, what was received, what is missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of integers kept as disjoint inclusive ranges that do not touch, in ascending order."""

    __slots__ = ("_count", "_first", "_last")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._count = 0
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Put in one number, or all from ``first`` to ``last``, which may be none."""
        last = first if last is None else last
        if last < first:
            return
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first = min(first, self._first[low])
            last = max(last, self._last[high - 1])
        swallowed = zip(self._first[low:high], self._last[low:high], strict=True)
        self._count += last - first + 1 - sum(b - a + 1 for a, b in swallowed)
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def discard(self, number: int) -> None:
        """Take one number out, if it is in."""
        at = bisect_left(self._last, number)
        if at < len(self._last) and self._first[at] <= number:
            first, last = self._first[at], self._last[at]
            parts = [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]
            self._first[at : at + 1] = [a for a, _ in parts]
            self._last[at : at + 1] = [b for _, b in parts]
            self._count -= 1

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._last, number)
        return at < len(self._last) and self._first[at] <= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._first, self._last, strict=True))

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    @property
    def count(self) -> int:
        """How many numbers are in the set."""
        return self._count

    @property
    def top(self) -> int:
        """The greatest number in the set; 0 if it is empty."""
        return self._last[-1] if self._last else 0

    def run_end(self, number: int) -> int:
        """Where the run beginning at ``number`` ends; ``number - 1`` if that is not in the set."""
        at = bisect_left(self._last, number)
        inside = at < len(self._last) and self._first[at] <= number
        return self._last[at] if inside else number - 1

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The ranges between ``first`` and ``last``, both included, that are not in the set."""
        at = bisect_left(self._last, first)
        while first <= last:
            if at == len(self._first) or self._first[at] > last:
                yield first, last
                return
            if self._first[at] > first:
                yield first, self._first[at] - 1
            first = self._last[at] + 1
            at += 1
