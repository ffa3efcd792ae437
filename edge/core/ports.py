"""Seams between the engine and what it drives.

Each fits on a screen; each has a second implementation in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from edge.core.calls import Answer, Request, Result
from edge.core.instant import Instant
from edge.core.model import (
    ActuatorId,
    Command,
    DeviceId,
    Outcome,
    Point,
    Record,
    Sample,
)


class Class(IntEnum):
    """What a transaction is for; a lower class goes first on the line."""

    ACT = 0
    WATCH = 1
    LOG = 2


class Sensor(Protocol):
    """Answers when asked."""

    @property
    def id(self) -> DeviceId:
        """The device's name in the site file."""
        ...

    @property
    def points(self) -> tuple[Point, ...]:
        """What a read returns, in this order; known without hardware."""
        ...

    def poll(
        self, deadline: Instant, done: Callable[[tuple[Sample, ...]], None], priority: Class
    ) -> bool:
        """Ask once; ``deadline`` is when the next poll is due, and orders those that wait.

        ``done`` gets each point's sample exactly once, bad ones included, as the answers come: in
        the very call that saw the last byte, with the points that feed alarms first. What it does
        is on the alarm path. A question without a valid answer may be repeated before the deadline.
        Returns False, and asks nothing, while the previous poll is under way or an answer to it may
        still come; of several questions those still open are not asked again.
        """
        ...


class Trigger(Protocol):
    """Speaks first: its samples arrive when the device sends them."""

    @property
    def id(self) -> DeviceId:
        """The device's name in the site file."""
        ...

    @property
    def points(self) -> tuple[Point, ...]:
        """What its samples can be of."""
        ...

    def listen(self, heard: Callable[[tuple[Sample, ...]], None]) -> None:
        """Call ``heard`` with each message from now on.

        Silence past its limit yields STALE samples.
        """
        ...


class Actuator(Protocol):
    """Does something that people hear."""

    @property
    def id(self) -> ActuatorId:
        """The device's name in the site file."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of what it can do."""
        ...

    def apply(self, command: Command, done: Callable[[Outcome], None]) -> None:
        """Start at once; the first byte leaves in this call if the line is free.

        Idempotent on what it does. Past ``not_after`` it ends TOO_LATE and touches nothing.
        NO_ANSWER means unknown. ``done`` is called exactly once.
        """
        ...


class Channel(Protocol):
    """Asks a person: a telephone line, short messages, a satellite terminal. Nothing here waits."""

    @property
    def name(self) -> str:
        """What plans call it: voice, sms, beidou or mqtt."""
        ...

    @property
    def lines(self) -> int:
        """How many requests it takes at a time."""
        ...

    def begin(self, request: Request) -> bool:
        """Ask now; False if it cannot take this at all.

        A request that it knows by its id is not begun again: what became of it is told again.
        """
        ...

    def withdraw(self, request: str) -> None:
        """Nobody waits for this request any more: stop ringing; tell nothing of it."""
        ...

    def report(
        self,
        ended: Callable[[str, Result, str], None],
        heard: Callable[[Answer], None],
    ) -> None:
        """Tell what becomes of requests (id, result, detail) and what people answer, from now on.

        An answer to a request is told before its end.
        """
        ...


class Journal(Protocol):
    """The side exit of the walk. Neither call waits, raises, or touches a disk."""

    def offer(self, record: Record) -> None:
        """Hand over a record; what cannot be kept is counted by kind."""
        ...

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Hand over readings for the next telemetry block."""
        ...
