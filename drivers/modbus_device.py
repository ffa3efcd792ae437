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
from drivers.modbus_action import Composure, Run, first_confirm
from drivers.profile import ModbusPoint, ModbusProfile
from drivers.read_plan import TIMELESS, LineCost, plan_reads
from edge.core.errors import Absent, Garbled, NoAnswer, Refused
from edge.core.instant import Clock, Instant
from edge.core.model import Command, DeviceId, Outcome, Point, PointId, Quality, Sample
from edge.core.ports import Class
from protocols.modbus import Answer, Request
from protocols.registers import decode, scaling, width

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


@dataclass(slots=True, eq=False)
class _Read:
    """One question that fetches neighbouring points; the same only if it is the same object.

    ``parts``: its fields, those that feed alarms first. ``watch``: there are such. ``open``: it has
    been asked and its samples have not been delivered. ``left``: how often it may be asked again.
    """

    request: Request
    bits: int
    parts: tuple[tuple[_Field, ...], ...]
    watch: bool
    open: bool = False
    left: int = 0


_Done = Callable[[tuple[Sample, ...]], None]
_Values = Callable[[_Field], tuple[float | None, Quality]]


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
        line_cost: LineCost = TIMELESS,
        lost: bool = False,
    ) -> None:
        """``urgent``: points that feed alarms. They are asked for in the class of the poll, the
        others as LOG, and delivered before the rest of their answer is decoded. ``lost``: the
        device was silent when the agent last ran.
        """
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
            turnaround_s=timing.turnaround_ms / 1000,
        )
        self._retries = timing.retries
        self._reads = _make_reads(
            address, profile, {p.id.split(".", 1)[1]: p for p in points}, urgent, line_cost
        )
        self._seq = itertools.count(1)
        self._runs: dict[str, Run] = {}
        self._composure = Composure()
        probe = self._reads[0].request if self._reads else first_confirm(address, profile.actions)
        if probe is not None:
            line.introduce(probe, self._timing, lost=lost)

    @property
    def idle(self) -> bool:
        """Whether a poll would ask for every point now."""
        return not any(read.open for read in self._reads) and self._readable

    @property
    def asking(self) -> bool:
        """Whether a poll is under way."""
        return any(read.open for read in self._reads)

    @property
    def busy(self) -> bool:
        """Whether a poll or a command is under way."""
        return self.asking or bool(self._runs)

    @property
    def _readable(self) -> bool:
        return self._line.readable_at(self._unit) <= self._clock.now()

    def poll(self, deadline: Instant, done: _Done, priority: Class) -> bool:
        """Ask for every point once; neighbours share a question. See Sensor.poll.

        Questions that feed no alarm are only of class LOG, so they never delay one that does.
        """
        if self._line.lost(self._unit):
            for read in self._reads:
                if not read.open:
                    self._deliver(read, done, _failure(Quality.LOST), self._clock.now())
            return True
        due = [read for read in self._reads if not read.open]
        if not due or not self._readable:
            return False
        for read in due:
            read.open = True
            read.left = self._retries
        for read in due:
            self._ask(read, done, deadline, priority if read.watch else Class.LOG)
        return True

    def _ask(self, read: _Read, done: _Done, deadline: Instant, priority: Class) -> None:
        ended = partial(self._read_ended, read, done, deadline, priority)
        self._line.submit(Transaction(read.request, priority, deadline, self._timing, ended))

    def apply(self, command: Command, done: Callable[[Outcome], None]) -> None:
        """Carry an action out, and again until it is confirmed or too late. See Actuator.apply."""
        older = self._runs.get(command.output)
        if older is not None:
            older.supersede()
        run = Run(
            command, self._unit, self._profile.actions[command.action],
            self._timing, self._line, self._clock, self._composure, partial(self._run_ended, done),
        )  # fmt: skip
        self._runs[command.output] = run
        run.start()

    def _run_ended(self, done: Callable[[Outcome], None], run: Run, outcome: Outcome) -> None:
        if self._runs.get(run.command.output) is run:
            del self._runs[run.command.output]
        done(outcome)

    def _read_ended(
        self, read: _Read, done: _Done, deadline: Instant, priority: Class, result: Result
    ) -> None:
        if result.error is None:
            read.open = False
            self._deliver(read, done, _values(read, result.answer), result.at)
            return
        lost = self._line.lost(self._unit)
        again = isinstance(result.error, NoAnswer | Garbled) and not lost and read.left > 0
        if again and self._line.readable_at(self._unit) < deadline:
            # asked again within its period, once no late answer can be mistaken any more
            read.left -= 1
            self._ask(read, done, deadline, priority)
            return
        read.open = False
        quality = Quality.LOST if lost else _QUALITY[type(result.error)]
        self._deliver(read, done, _failure(quality), result.at)

    def _deliver(self, read: _Read, done: _Done, values: _Values, at: Instant) -> None:
        utc = self._clock.utc()
        seq = next(self._seq)
        for part in read.parts:
            samples = []
            for field in part:
                value, quality = values(field)
                point = field.point
                samples.append(Sample(point.id, value, point.unit, quality, at, utc, seq))
            done(tuple(samples))


def _failure(quality: Quality) -> _Values:
    """Every field without a value."""
    return lambda _: (None, quality)


def _values(read: _Read, answer: Answer | None) -> _Values:
    """How to get a field's value and quality out of an answer."""
    if answer is None:
        raise AssertionError("only a broadcast ends without an answer, and no read is one")
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


def _make_reads(
    unit: int,
    profile: ModbusProfile,
    points: dict[str, Point],
    urgent: frozenset[PointId],
    line_cost: LineCost,
) -> tuple[_Read, ...]:
    """The questions of a profile, those that feed alarms first."""
    cost = line_cost.with_turnaround(profile.timing)
    watched = [name for name, point in points.items() if point.id in urgent]
    reads = []
    for planned in plan_reads(profile.points, profile.limits, cost, watched):
        fields = [
            _Field(
                points[name],
                profile.points[name].address - planned.address,
                _converter(profile.points[name], profile.points[name].address - planned.address),
            )
            for name in planned.names
        ]
        parts = [
            tuple(field for field in fields if (field.point.id in urgent) is first)
            for first in (True, False)
        ]
        reads.append(
            _Read(
                planned.request(unit),
                planned.count if planned.bits else 0,
                tuple(part for part in parts if part),
                planned.watch,
            )
        )
    return tuple(reads)
