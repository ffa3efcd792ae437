"""Questions that have not begun, in the order in which they go: class, deadline, submission."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from drivers.bus.transaction import Transaction
from edge.core.instant import Instant
from edge.core.ports import Class

Entry = tuple[Class, Instant, int, Transaction]
"""A question with what decides its turn."""
HeldUntil = Callable[[Transaction, Instant], Instant | None]


class Waiting:
    """A queue that can pass over what must not be asked yet."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._order = itertools.count()
        self._expiring = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def acts(self) -> bool:
        """Whether a command waits."""
        return bool(self._heap) and self._heap[0][0] is Class.ACT

    def add(self, transaction: Transaction) -> None:
        """Queue a question behind those of the same class and deadline."""
        self._expiring += transaction.expires is not None
        heapq.heappush(
            self._heap,
            (transaction.priority, transaction.deadline, next(self._order), transaction),
        )

    def put_back(self, entry: Entry) -> None:
        """It was not begun after all, and keeps its place."""
        self._expiring += entry[3].expires is not None
        heapq.heappush(self._heap, entry)

    def take(self, now: Instant, held_until: HeldUntil) -> tuple[Entry | None, Instant | None]:
        """Remove and return the first question that is not held; else when to look again."""
        held: list[Entry] = []
        again: Instant | None = None
        taken: Entry | None = None
        while self._heap and taken is None:
            entry = heapq.heappop(self._heap)
            until = held_until(entry[3], now)
            if until is None:
                taken = entry
                self._expiring -= entry[3].expires is not None
                continue
            held.append(entry)
            if entry[3].expires is not None:
                until = min(until, Instant(entry[3].expires + 1))
            again = until if again is None else min(again, until)
        for entry in held:
            heapq.heappush(self._heap, entry)
        return taken, again

    def expired(self, now: Instant) -> list[Transaction]:
        """Remove and return what has become worthless."""
        if not self._expiring:
            return []
        return self._remove(
            [e for e in self._heap if e[3].expires is not None and e[3].expires < now]
        )

    def remove(self, transaction: Transaction) -> bool:
        """Take one out; whether it was there."""
        return bool(self._remove([e for e in self._heap if e[3] is transaction]))

    def reads_of(self, unit: int) -> list[Transaction]:
        """Remove and return what watches or logs this unit: it is not asked any more."""
        gone = [e for e in self._heap if e[3].request.unit == unit and e[0] is not Class.ACT]
        return self._remove(gone)

    def clear(self) -> list[Transaction]:
        """Remove and return everything, in order."""
        entries, self._heap, self._expiring = sorted(self._heap), [], 0
        return [entry[3] for entry in entries]

    def _remove(self, entries: list[Entry]) -> list[Transaction]:
        if entries:
            gone = {entry[2] for entry in entries}
            self._heap = [entry for entry in self._heap if entry[2] not in gone]
            heapq.heapify(self._heap)
            self._expiring -= sum(entry[3].expires is not None for entry in entries)
        return [entry[3] for entry in sorted(entries)]
