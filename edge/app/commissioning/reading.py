"""Reading the points of any profile from a device whose kind is not known yet. Reads only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.read_plan import Cost, PlannedRead, end_of, plan_reads
from edge.app.commissioning.talk import Ask, Heard, Script
from edge.app.config import ModbusPoint, ModbusProfile
from edge.core.errors import Absent, Garbled
from protocols.modbus import Answer, Declined
from protocols.registers import decode, scaling, width

_ATTEMPTS = 2
# Asking once more costs about as much as this many characters at any usual turnaround.
_COST = Cost(character_s=0.001, exchange_s=0.03)


class Verdict(StrEnum):
    """What a point's reading says for the profile it is from."""

    FITS = "fits"
    ZERO = "zero"
    """In range, but so is what is read where nothing is."""
    ERROR_WORD = "error_word"
    OUT_OF_RANGE = "out_of_range"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class PointReading:
    """A point as read: ``raw`` unsigned as on the wire, ``value`` in the profile's unit."""

    name: str
    table: str
    address: int
    unit: str
    verdict: Verdict
    raw: int | None = None
    value: float | None = None

    def body(self) -> dict[str, object]:
        """For JSON."""
        return {
            "point": self.name,
            "table": self.table,
            "address": self.address,
            "verdict": self.verdict.value,
            "raw": self.raw,
            "value": self.value,
            "unit": self.unit,
        }


Words = tuple[int, ...] | Verdict
"""Registers or bits, or why there are none."""


class Reader:
    """Asks one device, each question once; what was answered is remembered."""

    def __init__(self, unit: int, timeout_s: float) -> None:
        self.unit = unit
        self.asked = 0
        self.answered = 0
        self._timeout_s = timeout_s
        self._known: dict[tuple[str, int, int], Words] = {}

    def read(self, wanted: PlannedRead) -> Script[Words]:
        """Some cells. Raises Absent if the line goes away."""
        key = (wanted.table, wanted.address, wanted.count)
        if key not in self._known:
            self._known[key] = yield from self._ask(wanted)
        return self._known[key]

    def _ask(self, wanted: PlannedRead) -> Script[Words]:
        heard = Heard()
        for _ in range(_ATTEMPTS):
            heard = yield Ask(wanted.request(self.unit), self._timeout_s)
            self.asked += 1
            if isinstance(heard.error, Absent):
                raise heard.error
            if not isinstance(heard.error, Garbled):
                break
        if heard.reply is not None:
            self.answered += 1
        if isinstance(heard.reply, Declined):
            return Verdict.REFUSED
        if not isinstance(heard.reply, Answer):
            return Verdict.SILENT
        if wanted.bits:
            return tuple(map(int, heard.reply.bits(wanted.count)))
        return heard.reply.registers()


def read_cells(reader: Reader, table: str, address: int, count: int = 1) -> Script[Words]:
    """Some neighbouring registers or bits."""
    words = yield from reader.read(PlannedRead(table, address, count, ()))
    return words


def read_points(reader: Reader, profile: ModbusProfile) -> Script[tuple[PointReading, ...]]:
    """Every point of a profile.

    Neighbours share a question; if that is refused they are asked for one by one.
    """
    readings: dict[str, PointReading] = {}
    for planned in plan_reads(profile.points, profile.limits, _COST):
        words = yield from reader.read(planned)
        for name in planned.names:
            point = profile.points[name]
            start, own = point.address - planned.address, words
            if words is Verdict.REFUSED and len(planned.names) > 1:
                alone = PlannedRead(point.table, point.address, _width(point), (name,))
                start, own = 0, (yield from reader.read(alone))
            readings[name] = _judge(name, point, own, start)
    return tuple(readings[name] for name in profile.points)


def fitting_bits(point: ModbusPoint) -> float:
    """How unlikely it is that any number at all is in the point's range, in bits; at most 8.

    Small numbers are common in every device, so each size (each power of two) counts alike.
    """
    if point.type == "bit":
        return 0.0
    if point.type == "f32":
        return 8.0
    signed = point.type[0] == "i"
    ends = sorted((limit - point.offset) / point.scale for limit in point.range)
    sizes = 16 * width(point.type) - signed
    positive = _size(ends[1]) - _size(ends[0])
    negative = _size(-ends[0]) - _size(-ends[1]) if signed else 0.0
    share = min(1.0, max(positive + negative, 0.1) / (sizes * (1 + signed)))
    return min(8.0, -math.log2(share))


def _size(number: float) -> float:
    return math.log2(max(number, 0.0) + 1)


def _width(point: ModbusPoint) -> int:
    return end_of(point) - point.address


def _judge(name: str, point: ModbusPoint, words: Words, start: int) -> PointReading:
    def reading(
        verdict: Verdict, raw: int | None = None, value: float | None = None
    ) -> PointReading:
        unit = point.unit.value
        return PointReading(name, point.table, point.address, unit, verdict, raw, value)

    if isinstance(words, Verdict):
        return reading(words)
    own = words[start : start + _width(point)]
    if point.type == "bit":
        state = own[0] >> (point.bit or 0) & 1
        return reading(Verdict.FITS if state else Verdict.ZERO, own[0], float(state))
    number, raw = decode(
        own,
        point.type,
        word_order=point.word_order or "high_first",
        byte_order=point.byte_order,
    )
    if raw in point.error_words:
        return reading(Verdict.ERROR_WORD, raw)
    if not math.isfinite(number):
        return reading(Verdict.OUT_OF_RANGE, raw)
    value = scaling(point.scale, point.offset, point.decimals)(number)
    if not point.range[0] <= value <= point.range[1]:
        return reading(Verdict.OUT_OF_RANGE, raw, value)
    return reading(Verdict.FITS if raw else Verdict.ZERO, raw, value)


def profiles_of(profiles: Mapping[str, object]) -> dict[str, ModbusProfile]:
    """Those that are of Modbus devices with points."""
    return {
        name: profile
        for name, profile in profiles.items()
        if isinstance(profile, ModbusProfile) and profile.points
    }
