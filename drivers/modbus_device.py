"""Any Modbus device that a profile describes.

Its points are polled, its actions are carried out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from drivers.bus.line import Line
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from drivers.modbus_action import Run
from drivers.profile import ModbusPoint, ModbusProfile
from edge.core.errors import Absent, Garbled, NoAnswer, Refused
from edge.core.instant import Clock, Instant
from edge.core.model import Command, DeviceId, Outcome, Point, PointId, Quality, Sample
from edge.core.ports import Class
from protocols.modbus import Request, read_bits, read_registers
from protocols.registers import decode, scaling, width

_FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_MOST_BITS = 2000
_QUALITY: dict[type, Quality] = {
    NoAnswer: Quality.NO_ANSWER,
    Garbled: Quality.GARBLED,
    Refused: Quality.REFUSED,
    Absent: Quality.ABSENT,
}


@dataclass(frozen=True, slots=True)
class _Field:
    """A point and where it lies in the answer of its read: ``offset`` in registers or bits.

    ``convert`` takes all registers of the answer.
    """

    point: Point
    offset: int
    convert: Callable[[tuple[int, ...]], tuple[float | None, Quality]]


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """One question that fetches neighbouring points; the same only if it is the same object."""

    request: Request
    bits: int
    fields: tuple[_Field, ...]

    def among(self, urgent: frozenset[PointId], wanted: bool) -> tuple[_Field, ...]:
        """The fields that are urgent, or those that are not."""
        return tuple(field for field in self.fields if (field.point.id in urgent) is wanted)


class ModbusDevice:
    """A device at one address of one line.

    Satisfies Sensor, and Actuator if its profile has actions.
    """

    def __init__(
        self,
        name: str,
        address: int,
        profile: ModbusProfile,
        points: tuple[Point, ...],
        line: Line,
        clock: Clock,
        *,
        urgent: frozenset[PointId] = frozenset(),
    ) -> None:
        """``urgent``: points that are delivered before the rest of their answer is decoded."""
        self.id = DeviceId(name)
        self.points = points
        self.actions = tuple(profile.actions)
        self._unit = address
        self._profile = profile
        self._line = line
        self._clock = clock
        timing = profile.timing
        self._timing = DeviceTiming(
            timeout_s=timing.timeout_ms / 1000,
            late_s=timing.late_ms / 1000,
            gap_s=timing.gap_ms / 1000,
        )
        self._reads = _plan_reads(address, profile, {p.id.split(".", 1)[1]: p for p in points})
        self._parts = {
            read: [part for part in (read.among(urgent, True), read.among(urgent, False)) if part]
            for read in self._reads
        }
        self._open_reads = 0
        self._seq = itertools.count(1)
        self._runs: dict[str, Run] = {}

    def poll(
        self,
        deadline: Instant,
        done: Callable[[tuple[Sample, ...]], None],
        priority: Class,
    ) -> bool:
        """Ask for every point once; neighbours share a question. See Sensor.poll."""
        if self._open_reads or self._line.owes(self._unit):
            return False
        self._open_reads = len(self._reads)
        for read in self._reads:
            self._line.submit(
                Transaction(
                    read.request, priority, deadline, self._timing,
                    partial(self._read_ended, read, done),
                )
            )  # fmt: skip
        return True

    def apply(self, command: Command, done: Callable[[Outcome], None]) -> None:
        """Carry an action out, and again until it is confirmed or too late. See Actuator.apply."""
        older = self._runs.get(command.output)
        if older is not None:
            older.supersede()
        run = Run(
            command, self._unit, self._profile.actions[command.action],
            self._timing, self._line, self._clock, partial(self._run_ended, done),
        )  # fmt: skip
        self._runs[command.output] = run
        run.start()

    def _run_ended(self, done: Callable[[Outcome], None], run: Run, outcome: Outcome) -> None:
        if self._runs.get(run.command.output) is run:
            del self._runs[run.command.output]
        done(outcome)

    def _read_ended(
        self, read: _Read, done: Callable[[tuple[Sample, ...]], None], result: Result
    ) -> None:
        self._open_reads -= 1
        utc = self._clock.utc()
        seq = next(self._seq)
        values = _values(read, result)
        for part in self._parts[read]:
            samples = []
            for field in part:
                value, quality = values(field)
                point = field.point
                samples.append(Sample(point.id, value, point.unit, quality, result.at, utc, seq))
            done(tuple(samples))


def _values(read: _Read, result: Result) -> Callable[[_Field], tuple[float | None, Quality]]:
    """How to get a field's value and quality out of what a read brought."""
    answer = result.answer
    if answer is None:
        failure = None, _QUALITY[type(result.error)]
        return lambda _: failure
    if read.bits:
        bits = answer.bits(read.bits)
        return lambda field: (float(bits[field.offset]), Quality.GOOD)
    words = answer.registers()
    return lambda field: field.convert(words)


def _converter(
    spot: ModbusPoint, offset: int
) -> Callable[[tuple[int, ...]], tuple[float | None, Quality]]:
    """From an answer's registers to a value; what is constant is worked out once."""
    if spot.type == "bit":
        bit = spot.bit or 0
        return lambda words: (float(words[offset] >> bit & 1), Quality.GOOD)
    scaled = scaling(spot.scale, spot.offset, spot.decimals)
    errors = frozenset(spot.error_words)
    if spot.type == "u16" and spot.byte_order == "big":

        def convert_word(words: tuple[int, ...]) -> tuple[float | None, Quality]:
            word = words[offset]
            if word in errors:
                return None, Quality.ERROR_WORD
            return scaled(word), Quality.GOOD

        return convert_word
    end = offset + width(spot.type)
    word_order = spot.word_order or "high_first"

    def convert(words: tuple[int, ...]) -> tuple[float | None, Quality]:
        number, raw = decode(
            words[offset:end], spot.type, word_order=word_order, byte_order=spot.byte_order
        )
        if raw in errors or not math.isfinite(number):
            return None, Quality.ERROR_WORD
        return scaled(number), Quality.GOOD

    return convert


def _plan_reads(unit: int, profile: ModbusProfile, points: dict[str, Point]) -> tuple[_Read, ...]:
    """Group a profile's points into as few questions as its limits allow."""
    reads: list[_Read] = []
    for table, function in _FUNCTION.items():
        mapped = sorted(
            ((spot, points[name]) for name, spot in profile.points.items() if spot.table == table),
            key=lambda pair: pair[0].address,
        )
        bits = table in ("coil", "discrete")
        most = _MOST_BITS if bits else profile.limits.max_registers
        group: list[tuple[ModbusPoint, Point]] = []
        for spot, point in mapped:
            start = group[0][0].address if group else spot.address
            end = max((_end(each) for each, _ in group), default=spot.address)
            near = spot.address - end <= profile.limits.max_gap and _end(spot) - start <= most
            if group and not near:
                reads.append(_make_read(unit, function, group, bits))
                group = []
            group.append((spot, point))
        if group:
            reads.append(_make_read(unit, function, group, bits))
    return tuple(reads)


def _end(spot: ModbusPoint) -> int:
    bit_table = spot.table in ("coil", "discrete") or spot.type == "bit"
    return spot.address + (1 if bit_table else width(spot.type))


def _make_read(
    unit: int, function: int, group: list[tuple[ModbusPoint, Point]], bits: bool
) -> _Read:
    start = group[0][0].address
    count = max(_end(spot) for spot, _ in group) - start
    fields = tuple(
        _Field(point, spot.address - start, _converter(spot, spot.address - start))
        for spot, point in group
    )
    if bits:
        return _Read(read_bits(unit, function, start, count), count, fields)
    return _Read(read_registers(unit, function, start, count), 0, fields)
