"""Expressions about readings as such, about events, and about the calendar. Pure."""

from __future__ import annotations

from edge.core.model import Quality
from edge.engine.conditions.sources import Number
from edge.engine.conditions.truth import FALSE, LOST, TRUE, UNKNOWN, Node

NEVER = 1 << 63
"""An instant that does not come."""


class Presence(Node):
    """Something about a reading itself, good or bad; it takes every one of its point."""

    __slots__ = ()
    passive = True

    def appear(self, value: float | None, quality: Quality, at: int, *, lost: bool) -> None:
        """The next reading. ``lost``: the sensor counts as lost now."""
        raise NotImplementedError


class LostNode(Presence):
    """Lost."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.truth = FALSE

    def appear(self, value: float | None, quality: Quality, at: int, *, lost: bool) -> None:
        """See Presence.appear."""
        self.settle(TRUE if lost else FALSE)


class QualityNode(Presence):
    """HasQuality."""

    __slots__ = ("quality",)

    def __init__(self, quality: Quality) -> None:
        super().__init__()
        self.quality = quality
        self.truth = FALSE

    def appear(self, value: float | None, quality: Quality, at: int, *, lost: bool) -> None:
        """See Presence.appear."""
        self.settle(TRUE if quality is self.quality else FALSE)


class SeenNode(Presence):
    """Seen. What was before the watch began, or while the sensor was lost, is unknown.

    ``turns_at``: when time alone changes it. That nothing is told of an event point (STALE) is no
    loss.
    """

    __slots__ = ("age_ns", "cut", "lost", "rising", "turns_at")

    def __init__(self, cut: Number, age_ns: int, *, rising: bool) -> None:
        super().__init__()
        self.cut = cut
        self.rising = rising
        self.age_ns = age_ns
        self.lost = False
        self.turns_at = 0

    def appear(self, value: float | None, quality: Quality, at: int, *, lost: bool) -> None:
        """See Presence.appear."""
        if quality is Quality.GOOD and value is not None:
            if (value >= self.cut) is self.rising:
                self.turns_at = at + self.age_ns + 1
                self.settle(TRUE)
            elif self.lost and self.truth is not TRUE:
                self.turns_at = at + self.age_ns + 1
                self.settle(UNKNOWN)
            self.lost = False
        elif lost and quality is not Quality.STALE:
            self.lost = True
            if self.truth is not TRUE:
                self.settle(LOST)

    def age(self, now: int) -> None:
        """It is this late now."""
        if self.turns_at == 0:
            self.turns_at = now + self.age_ns + 1
        elif now >= self.turns_at:
            self.turns_at = NEVER
            self.settle(LOST if self.lost else FALSE)

    def go_on(self, old: Node) -> None:
        """See Node.go_on."""
        super().go_on(old)
        if isinstance(old, SeenNode):
            self.lost, self.turns_at = old.lost, old.turns_at


class CalendarNode(Node):
    """DuringDates or DuringHours: from ``begin`` until ``end``, over the turn if that is less."""

    __slots__ = ("begin", "end")
    passive = True

    def __init__(self, begin: int, end: int) -> None:
        super().__init__()
        self.begin = begin
        self.end = end

    def turn(self, month: int, day: int, minute: int) -> None:
        """It is this day of the year, and this minute of the day, local time."""
        now = self.place(month, day, minute)
        if self.begin < self.end:
            inside = self.begin <= now < self.end
        else:
            inside = now >= self.begin or now < self.end
        self.settle(TRUE if inside else FALSE)

    def place(self, month: int, day: int, minute: int) -> int:
        """Where that is between the beginnings."""
        return minute

    @property
    def turns_min(self) -> tuple[int, int]:
        """At which minutes of the day it may turn."""
        return self.begin, self.end


class DatesNode(CalendarNode):
    """DuringDates; both days included."""

    __slots__ = ()

    def __init__(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        super().__init__(_day(*begin), _day(*end) + 1)

    def place(self, month: int, day: int, minute: int) -> int:
        """See CalendarNode.place."""
        return _day(month, day)

    @property
    def turns_min(self) -> tuple[int, int]:
        """See CalendarNode.turns_min."""
        return 0, 0


def _day(month: int, day: int) -> int:
    return month * 32 + day
