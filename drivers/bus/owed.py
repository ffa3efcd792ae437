"""Answers that were given up and may still come. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.core.instant import Instant


@dataclass(slots=True)
class _Debt:
    until: Instant
    asked: Instant
    heard: Callable[[bytes], bool]


class Owed:
    """By address: until when an answer may come, and who listens for it."""

    def __init__(self) -> None:
        self._debts: dict[int, _Debt] = {}

    def __bool__(self) -> bool:
        return bool(self._debts)

    def note(
        self, unit: int, asked: Instant, until: Instant, heard: Callable[[bytes], bool]
    ) -> None:
        """This device's answer may still come."""
        self._debts[unit] = _Debt(until, asked, heard)

    def until(self, unit: int, now: Instant) -> Instant | None:
        """How long yet; None if nothing is owed."""
        debt = self._debts.get(unit)
        if debt is None:
            return None
        if debt.until <= now:
            del self._debts[unit]
            return None
        return debt.until

    def hear(self, data: bytes) -> list[tuple[int, Instant]]:
        """Who has answered after all, and when it was asked: they owe nothing any more."""
        came = [(unit, debt.asked) for unit, debt in self._debts.items() if debt.heard(data)]
        for unit, _ in came:
            del self._debts[unit]
        return came

    def clear(self) -> None:
        """The port was closed: nothing can come any more."""
        self._debts.clear()
