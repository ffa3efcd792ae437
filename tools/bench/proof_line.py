"""A line with its devices in virtual time, told of whole frames: the fast twin of the campaign.

Times are those of VirtualLine with the answer piece by piece: the question's characters, the
device's turnaround, the answer's characters, of which the first arrives by itself, as a time-out
needs it. What the search finds with this is confirmed with VirtualLine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from drivers.bus.port import OnBytes, OnLost, Port
from edge.core.instant import NS_PER_MS, Clock, Instant
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave, TcpSlave, crc16
from tools.twins.modbus_unit import Unit
from tools.twins.pacing import FrameStamp
from tools.twins.virtual_port import VirtualLine

_BROADCAST = 0
_MBAP = 6  # transaction, protocol, length
# Two ways to round a fraction of a nanosecond.
_ROUNDING_NS = 2


@dataclass(slots=True)
class Attempt:
    """One question on a line; the other times are None until they come, or for good."""

    line: str
    unit: int
    pdu: bytes
    begin_ns: int
    asked_ns: int
    begun_ns: int | None = None
    end_ns: int | None = None


OnAttempt = Callable[[Attempt], None]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a twin of one line needs. ``dead`` (it may change) and ``gaps_ns`` (silence
    wanted) by address.

    ``on_asked`` is told of a question when its last byte has been heard, directly before the
    device takes its values; ``on_answered`` when the answer's last byte is being handed over.
    """

    name: str
    time: LineTime
    units: Mapping[int, Unit]
    dead: set[int]
    gaps_ns: Mapping[int, int]
    on_asked: OnAttempt
    on_answered: OnAttempt


class FastLine:
    """Opens as a line's port: RTU, or one connection over TCP if there is no baud."""

    def __init__(self, wiring: Wiring, clock: Clock, counters: Counter[str]) -> None:
        self._wiring = wiring
        self._clock = clock
        self._counters = counters
        self._tcp = wiring.time.baud is None
        self._quiet_ns = -(10**18)
        self._on_bytes: OnBytes | None = None

    def open(self, on_bytes: OnBytes, on_lost: OnLost) -> Port:
        """As Opener."""
        self._on_bytes = on_bytes
        return self

    def write(self, data: bytes) -> None:
        """As Port: one whole question."""
        body = data[_MBAP:] if self._tcp else data[:-2]
        now = self._clock.now()
        asked_ns = now + self._wiring.time.ns(len(data))
        attempt = Attempt(self._wiring.name, body[0], body[1:], now, asked_ns)
        if not self._tcp:
            self._judge_gap(attempt)
            self._quiet_ns = asked_ns
        self._clock.call_at(Instant(asked_ns), partial(self._heard, attempt, data))

    def close(self) -> None:
        """As Port."""
        self._on_bytes = None

    def _judge_gap(self, attempt: Attempt) -> None:
        pause_ns = attempt.begin_ns - self._quiet_ns + _ROUNDING_NS
        wanted_ns = self._wiring.gaps_ns.get(attempt.unit, 0)
        if pause_ns < max(self._wiring.time.silence_ns, wanted_ns):
            self._counters["short_gaps"] += 1

    def _heard(self, attempt: Attempt, data: bytes) -> None:
        wiring = self._wiring
        wiring.on_asked(attempt)
        if attempt.unit == _BROADCAST:
            for address, unit in wiring.units.items():
                if address not in wiring.dead:
                    unit.answer(attempt.pdu)
            return
        unit_ = wiring.units.get(attempt.unit)
        if unit_ is None or attempt.unit in wiring.dead:
            return
        answer = unit_.answer(attempt.pdu)
        body = bytes((attempt.unit,)) + answer
        frame = data[:4] + len(body).to_bytes(2, "big") if self._tcp else b""
        frame += body if self._tcp else body + crc16(body)
        begin_ns = attempt.asked_ns + round((unit_.turnaround_ms or 0) * NS_PER_MS)
        attempt.begun_ns = begin_ns
        end_ns = begin_ns + wiring.time.ns(len(frame))
        if self._tcp:
            self._clock.call_at(Instant(end_ns), partial(self._last, attempt, frame))
            return
        self._quiet_ns = end_ns
        first_ns = begin_ns + wiring.time.ns(1)
        self._clock.call_at(Instant(first_ns), partial(self._hand_over, frame[:1]))
        self._clock.call_at(Instant(end_ns), partial(self._last, attempt, frame[1:]))

    def _last(self, attempt: Attempt, piece: bytes) -> None:
        attempt.end_ns = self._clock.now()
        self._wiring.on_answered(attempt)
        self._hand_over(piece)

    def _hand_over(self, piece: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(piece)


class TwinLine:
    """The same from the twins that everything else is tested with, character by character."""

    def __init__(self, wiring: Wiring, clock: Clock, counters: Counter[str]) -> None:
        self._wiring = wiring
        self._tcp = wiring.time.baud is None
        self._open: dict[bytes, Attempt] = {}
        slave = TcpSlave(wiring.units) if self._tcp else RtuSlave(wiring.units)
        slave.faults.silent_units = wiring.dead
        carried = slave.connection() if isinstance(slave, TcpSlave) else slave
        self._line = VirtualLine(
            carried, clock, wiring.time.baud, wiring.time.frame,
            bytewise=not self._tcp, name=wiring.name, on_frame=self._note,
        )  # fmt: skip

    def open(self, on_bytes: OnBytes, on_lost: OnLost) -> Port:
        """As Opener."""
        return self._line.opener(on_bytes, on_lost)

    def _note(self, stamp: FrameStamp) -> None:
        body = stamp.frame[_MBAP:] if self._tcp else stamp.frame[:-2]
        transaction = stamp.frame[:2] if self._tcp else b""
        if stamp.kind == "request":
            attempt = Attempt(self._wiring.name, body[0], body[1:], stamp.first_ns, stamp.last_ns)
            self._open[transaction] = attempt
            self._wiring.on_asked(attempt)
            return
        attempt = self._open.pop(transaction)
        attempt.begun_ns, attempt.end_ns = stamp.first_ns, stamp.last_ns
        self._wiring.on_answered(attempt)


Twin = type[FastLine] | type[TwinLine]
