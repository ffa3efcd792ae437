"""From frame stamps on a line to efficiency, intervals and write latencies. Pure.

Everything is seen from the wire and judged alike for every client; times are CLOCK_MONOTONIC ns.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tools.bench.bus_plan import RELAY_UNIT, Order, Plan
from tools.bench.pairing import Frame

_WRITES = (6, 16)
_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000
_NS_PER_S = 1_000_000_000
Window = tuple[int, int]


@dataclass(slots=True)
class Saturated:
    """What a client made of a line it could have for itself.

    ``elapsed_ns`` of ``transactions``; ``late_ns``: by how much the twins handed answers over later
    than the line would have, which the client could not help. ``idle_us``: from the last byte of an
    answer to the next question, the silence that must be kept included.
    """

    transactions: int = 0
    elapsed_ns: int = 0
    late_ns: int = 0
    short_gaps: int = 0
    idle_us: list[float] = field(default_factory=list)
    late_us: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Transactions per second."""
        return self.transactions * _NS_PER_S / self.elapsed_ns

    def share_of(self, ideal_ns: int, *, corrected: bool = True) -> float:
        """Of the transactions that the line could have carried, ``ideal_ns`` each."""
        own_ns = self.elapsed_ns - (self.late_ns if corrected else 0)
        return self.transactions * ideal_ns / own_ns


@dataclass(slots=True)
class Polled:
    """How a client kept its period, and how long its writes waited.

    ``intervals_ms`` between successive readings of a device that answers, ``early_ms`` the same
    just after others died; ``missed``: periods in which there was none. ``dead_ns``: line time
    spent on dead devices. ``unwritten``: orders that never reached the wire; they count as having
    waited until the end of the slice.
    """

    intervals_ms: list[float] = field(default_factory=list)
    early_ms: list[float] = field(default_factory=list)
    missed: int = 0
    early_missed: int = 0
    cycles: int = 0
    writes_ms: list[float] = field(default_factory=list)
    unwritten: int = 0
    dead_ns: int = 0
    steady_ns: int = 0
    queue: int = 0
    short_gaps: int = 0

    def __iadd__(self, other: Polled) -> Polled:
        self.intervals_ms += other.intervals_ms
        self.early_ms += other.early_ms
        self.missed += other.missed
        self.early_missed += other.early_missed
        self.cycles += other.cycles
        self.writes_ms += other.writes_ms
        self.unwritten += other.unwritten
        self.dead_ns += other.dead_ns
        self.steady_ns += other.steady_ns
        self.queue = max(self.queue, other.queue)
        self.short_gaps += other.short_gaps
        return self


def saturated(frames: Iterable[Frame], plan: Plan, window: Window) -> Saturated:
    """Answered reads of a saturated line that began within the window."""
    found = Saturated()
    begun_ns: int | None = None
    answered: Frame | None = None
    for frame in sorted(frames, key=lambda each: each.first_ns):
        if not window[0] <= frame.first_ns < window[1]:
            continue
        if frame.kind == "answer":
            answered = frame
            continue
        if begun_ns is not None and answered is not None:
            late_ns = answered.last_ns - answered.first_ns - plan.line.ns(len(answered.data))
            found.transactions += 1
            found.late_ns += late_ns
            found.late_us.append(late_ns / _NS_PER_US)
            found.idle_us.append((frame.first_ns - answered.last_ns) / _NS_PER_US)
        if begun_ns is not None:
            found.elapsed_ns += frame.first_ns - begun_ns
        begun_ns, answered = frame.first_ns, None
    return found


def intervals(frames: Iterable[Frame], unit: int, window: Window) -> list[float]:
    """Milliseconds between successive readings of a unit, by when the later one arrived."""
    times = [frame.last_ns for frame in frames if frame.kind == "answer" and frame.data[0] == unit]
    pairs = itertools.pairwise(times)
    return [(b - a) / _NS_PER_MS for a, b in pairs if window[0] <= b < window[1]]


def missed_cycles(gaps_ms: Iterable[float], period_ms: float) -> int:
    """Periods without a reading: an interval of about two periods has missed one."""
    return sum(max(0, round(gap / period_ms) - 1) for gap in gaps_ms)


def waits(frames: Iterable[Frame], orders: Sequence[Order], end_ns: int) -> tuple[list[float], int]:
    """Milliseconds from each order to the first byte of its write; how many were not written."""
    first: dict[int, int] = {}
    for frame in frames:
        data = frame.data
        if frame.kind == "request" and data[0] == RELAY_UNIT and data[1] in _WRITES:
            value = data[4:6] if data[1] == _WRITES[0] else data[7:9]
            first.setdefault(int.from_bytes(value), frame.first_ns)
    unwritten = sum(order.code not in first for order in orders)
    return [
        (first.get(order.code, end_ns) - order.at_ns) / _NS_PER_MS for order in orders
    ], unwritten


def dead_ns(frames: Iterable[Frame], dead: Collection[int], plan: Plan, window: Window) -> int:
    """Line time that questions to dead devices took, up to the next question or their timeout."""
    starts = [f for f in frames if f.kind == "request" and window[0] <= f.first_ns < window[1]]
    starts.sort(key=lambda each: each.first_ns)
    ends = [frame.first_ns for frame in starts[1:]] + [window[1]]
    return sum(
        min(end - frame.first_ns, plan.silent_ns)
        for frame, end in zip(starts, ends, strict=False)
        if frame.data[0] in dead
    )


def polled(
    frames: Sequence[Frame],
    plan: Plan,
    dead: Collection[int],
    orders: Sequence[Order],
    windows: tuple[Window, Window],
) -> Polled:
    """One slice. ``windows``: just after the deaths, and the steady rest."""
    early, steady = windows
    period_ms = plan.period_ms or 0
    found = Polled(steady_ns=steady[1] - steady[0])
    for unit in plan.units:
        if unit in dead:
            continue
        first, later = intervals(frames, unit, early), intervals(frames, unit, steady)
        for gaps, window in ((first, early), (later, steady)):
            # a device that is not read for a whole window has no interval there: it counts as one
            if not gaps:
                gaps.append((window[1] - window[0]) / _NS_PER_MS)
        found.early_ms += first
        found.intervals_ms += later
        found.early_missed += missed_cycles(first, period_ms)
        found.missed += missed_cycles(later, period_ms)
        found.cycles += (steady[1] - steady[0]) // (period_ms * _NS_PER_MS)
    found.writes_ms, found.unwritten = waits(frames, orders, steady[1])
    found.dead_ns = dead_ns(frames, dead, plan, steady)
    return found
