"""Which questions fetch a device's points in the least line time. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from drivers.profile import Limits, ModbusPoint, Timing
from protocols.modbus import Request, read_bits, read_registers
from protocols.registers import width

FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
"""Function code that reads a table."""
_BIT_TABLES = ("coil", "discrete")
_MOST_BITS = 2000
# Of a read: address, function, start, count and checksum; and address, function, count, checksum.
_QUESTION_CHARACTERS = 8
_ANSWER_CHARACTERS = 5

_Spot = tuple[int, int, tuple[str, ...]]
"""From an address to the one behind it, and the names of the points there."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a further question costs beyond the data it fetches, in seconds of line time.

    ``character_s``: one character; 0 where bytes take no time, as on TCP. ``exchange_s``: silence
    before the question and the device's turnaround.
    """

    character_s: float
    exchange_s: float

    def of(self, data_bytes: float) -> float:
        """Line time of one question that fetches this much."""
        characters = _QUESTION_CHARACTERS + _ANSWER_CHARACTERS + data_bytes
        return self.exchange_s + characters * self.character_s


@dataclass(frozen=True, slots=True)
class LineCost:
    """What every exchange on a line costs, in seconds: per character, and the silence t3.5."""

    character_s: float
    silence_s: float

    def with_turnaround(self, timing: Timing) -> Cost:
        """What it costs with a device of this timing."""
        gap_s = max(self.silence_s, timing.gap_ms / 1000)
        return Cost(self.character_s, gap_s + timing.turnaround_ms / 1000)


TIMELESS = LineCost(0.0, 0.0)
"""Where bytes take no time, as on TCP."""


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """One question: ``count`` registers or bits from ``address`` on, and the points it brings.

    ``watch``: one of them feeds an alarm.
    """

    table: str
    address: int
    count: int
    names: tuple[str, ...]
    watch: bool = False

    @property
    def bits(self) -> bool:
        """Whether the table holds single bits."""
        return self.table in _BIT_TABLES

    def request(self, unit: int) -> Request:
        """The question to this address."""
        read = read_bits if self.bits else read_registers
        return read(unit, FUNCTION[self.table], self.address, self.count)


def plan_reads(
    points: Mapping[str, ModbusPoint],
    limits: Limits,
    cost: Cost,
    watched: Collection[str] = (),
) -> tuple[PlannedRead, ...]:
    """Group points into the questions that take the least line time together.

    A gap is read over if that is cheaper than a question of its own, and the device's limits on
    registers per read and on gaps allow it. Questions that feed alarms (``watched`` points) come
    first, else by table and address.
    """
    reads: list[PlannedRead] = []
    for table in FUNCTION:
        spots = sorted(
            (point.address, -end_of(point), name)
            for name, point in points.items()
            if point.table == table
        )
        groups: list[_Spot] = [(start, -end, (name,)) for start, end, name in spots]
        for start, end, names in _cheapest(groups, table in _BIT_TABLES, limits, cost):
            watch = any(name in watched for name in names)
            reads.append(PlannedRead(table, start, end - start, names, watch))
    return tuple(sorted(reads, key=lambda read: not read.watch))


def end_of(point: ModbusPoint) -> int:
    """The address behind a point."""
    single = point.table in _BIT_TABLES or point.type == "bit"
    return point.address + (1 if single else width(point.type))


def attempts(period_s: float, timing: Timing, question_s: float, *, slips: bool) -> int:
    """How often a read is asked at most in one poll.

    A repetition must begin within the period. ``slips``: a late answer could be taken for the next
    one, so it waits until none can come.
    """
    held_s = timing.late_ms / 1000 if slips else 0.0
    each_s = question_s + timing.timeout_ms / 1000 + held_s
    return 1 + min(timing.retries, int(period_s / each_s))


def _cheapest(spots: list[_Spot], bits: bool, limits: Limits, cost: Cost) -> list[_Spot]:
    """Join sorted spots into groups of the least total cost.

    ``best[i]`` is the least cost of the first i spots, ``cut[i]`` where their last group begins.
    """
    most = _MOST_BITS if bits else limits.max_registers
    spots = _without_contained(spots)
    best, cut = [0.0], [0]
    for last, (_, end, _) in enumerate(spots):
        least, begin = math.inf, last
        for first in range(last, -1, -1):
            span = end - spots[first][0]
            if first < last and (
                span > most or spots[first + 1][0] - spots[first][1] > limits.max_gap
            ):
                break
            price = best[first] + cost.of((span + 7) // 8 if bits else 2 * span)
            if price < least:
                least, begin = price, first
        best.append(least)
        cut.append(begin)
    groups: list[_Spot] = []
    behind = len(spots)
    while behind:
        part = spots[cut[behind] : behind]
        names = tuple(name for _, _, each in part for name in each)
        groups.append((part[0][0], part[-1][1], names))
        behind = cut[behind]
    return groups[::-1]


def _without_contained(spots: list[_Spot]) -> list[_Spot]:
    """A spot within the one before it costs nothing: they are one."""
    joined: list[_Spot] = []
    for start, end, names in spots:
        if joined and end <= joined[-1][1]:
            first, last, others = joined[-1]
            joined[-1] = (first, last, others + names)
        else:
            joined.append((start, end, names))
    return joined
