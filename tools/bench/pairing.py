"""From frame stamps to latencies: which reading caused which command. Pure.

Everything is seen from the wire and judged alike for every client. A command belongs to the newest
reading of its sensor before it; a second command for the same reading is ``extra``, a crossing
without a command is ``missed``.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_READ_COILS, _READ_HOLDING, _WRITE_COIL = 1, 3, 5
_NS_PER_MS = 1_000_000


class Frame(NamedTuple):
    """One frame on a line; times in CLOCK_MONOTONIC ns, as FrameStamp has them."""

    kind: str
    first_ns: int
    last_ns: int
    data: bytes


@dataclass(slots=True)
class Command:
    """One coil write: its first byte, the end of its answer, the end of its read-back."""

    on: bool
    first_ns: int
    answered_ns: int | None = None
    confirmed_ns: int | None = None


@dataclass(slots=True)
class Tally:
    """Latencies in ms of one client. ``action`` ends with the answer that the client waits for."""

    decision: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    action: list[float] = field(default_factory=list)
    missed: int = 0
    extra: int = 0
    short_gaps: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        self.decision += other.decision
        self.answer += other.answer
        self.action += other.action
        self.missed += other.missed
        self.extra += other.extra
        self.short_gaps += other.short_gaps
        return self


def quantile(values: Iterable[float], q: float) -> float:
    """The smallest value that a share ``q`` does not exceed (nearest rank); NaN without values."""
    ranked = sorted(values)
    if not ranked:
        return math.nan
    return ranked[max(0, math.ceil(q * len(ranked)) - 1)]


def find_readings(frames: Iterable[Frame], unit: int, threshold: int) -> list[tuple[int, bool]]:
    """When the last byte of each reading of a unit was there, and whether it is above; in order."""
    return [
        (frame.last_ns, int.from_bytes(frame.data[3:5]) >= threshold)
        for frame in frames
        if frame.kind == "answer" and frame.data[:2] == bytes([unit, _READ_HOLDING])
    ]


def find_commands(frames: Iterable[Frame], relay_unit: int) -> list[Command]:
    """Coil writes to a relay with one coil, in order, with their answers and read-backs."""
    commands: list[Command] = []
    open_writes: dict[bytes, Command] = {}
    for frame in sorted(frames, key=lambda each: each.first_ns):
        data = frame.data
        if data[0] != relay_unit:
            continue
        if data[1] == _WRITE_COIL and frame.kind == "request":
            command = Command(data[4] == 0xFF, frame.first_ns)
            commands.append(command)
            open_writes[data] = command
        elif data[1] == _WRITE_COIL:
            answered = open_writes.pop(data, None)
            if answered is not None:
                answered.answered_ns = frame.last_ns
        elif data[1] == _READ_COILS and frame.kind == "answer" and commands:
            newest = commands[-1]
            if newest.confirmed_ns is None and bool(data[3] & 1) == newest.on:
                newest.confirmed_ns = frame.last_ns
    return commands


def pair(
    readings: Sequence[tuple[int, bool]],
    commands: Sequence[Command],
    window_ns: tuple[int, int],
    *,
    reads_back: bool,
) -> Tally:
    """Latencies of all crossings of one sensor within the window.

    ``commands`` are those of the relay it drives. ``reads_back``: the client confirms by reading
    the coil, so its action ends there.
    """
    tally = Tally()
    times = [at for at, _ in readings]
    inside = range(bisect.bisect_left(times, window_ns[0]), bisect.bisect_left(times, window_ns[1]))
    caused: set[int] = set()
    for command in commands:
        index = bisect.bisect_right(times, command.first_ns) - 1
        if index not in inside:
            continue
        at, on = readings[index]
        if index in caused or command.on is not on:
            tally.extra += 1
            continue
        caused.add(index)
        tally.decision.append((command.first_ns - at) / _NS_PER_MS)
        if command.answered_ns is not None:
            tally.answer.append((command.answered_ns - at) / _NS_PER_MS)
        end_ns = command.confirmed_ns if reads_back else command.answered_ns
        if end_ns is not None:
            tally.action.append((end_ns - at) / _NS_PER_MS)
    crossings = sum(
        index > 0 and readings[index][1] is not readings[index - 1][1] for index in inside
    )
    tally.missed += max(0, crossings - len(caused))
    return tally
