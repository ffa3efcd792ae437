"""Modbus slaves without I/O: fed with bytes, they say what to send and when. RTU and TCP framing.

The framing is written from the standards alone (MODBUS over Serial Line V1.02; MODBUS Messaging on
TCP/IP V1.0b) and shares nothing with the shipped codec, which it checks.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from tools.twins.faults import Faults
from tools.twins.modbus_unit import WRITES, Refusal, Table, Unit, is_known, request_length

__all__ = ["Faults", "Refusal", "Reply", "RtuSlave", "Slave", "Table", "TcpSlave", "Unit", "crc16"]

Reply = tuple[float, bytes]
"""Delay in ms after the end of the request, and what is sent then."""

BROADCAST = 0
MAX_RTU_FRAME = 256
MAX_PDU = 253
GATEWAY_TARGET_SILENT = 0x0B
_SIBLINGS = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15, 22: 6, 23: 3}
_EXTRA_REGISTER = b"\x12\x34"


class Slave(Protocol):
    """Whatever listens on a line and answers; what the runners carry."""

    on_request: Callable[[bytes], None] | None
    """Told of every complete request, whoever it is for, within the feed that completes it."""

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes from the master in any pieces; what they make the devices send."""
        ...

    def reset(self) -> None:
        """Forget a request that is half received."""
        ...

    @property
    def speaks_every_ms(self) -> float | None:
        """Start-to-start interval of what is said unasked; 0 without pause, None not at all."""
        ...

    def speak(self) -> bytes:
        """What is said unasked now."""
        ...


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes | bytearray) -> bytes:
    """CRC-16/MODBUS as it goes onto the wire, low byte first; of ``123456789`` it is 37 4B."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return struct.pack("<H", crc)


class _Devices:
    """The units behind a line, their faults, and counters by name."""

    def __init__(
        self, units: Mapping[int, Unit], faults: Faults | None = None, turnaround_ms: float = 0.0
    ) -> None:
        self.units = dict(units)
        self.faults = faults if faults is not None else Faults()
        self.unit_faults: dict[int, Faults] = {}
        """Faults of single units; while any knob is on they replace those of the line."""
        self.turnaround_ms = turnaround_ms
        self.counters: Counter[str] = Counter()
        self.on_request: Callable[[bytes], None] | None = None

    @property
    def speaks_every_ms(self) -> float | None:
        return 0.0 if self.speak() else None

    def speak(self) -> bytes:
        return b"".join(each.babble for each in (self.faults, *self.unit_faults.values()))

    def faults_of(self, unit: int) -> Faults:
        """What is wrong with this unit now."""
        own = self.unit_faults.get(unit)
        return own if own is not None and own.touches(unit) else self.faults

    def heard(self, frame: bytes) -> None:
        if self.on_request is not None:
            self.on_request(frame)

    def respond(
        self, unit: int, pdu: bytes, request: bytes, wrap: Callable[[int, bytes, Faults], bytes]
    ) -> list[Reply]:
        """Serve one request to one of the units. ``wrap(unit, pdu, faults)`` makes the frame."""
        faults = self.faults_of(unit)
        device = self.units[unit]
        self.counters["requests"] += 1
        replies = [(0.0, request)] if faults.echo else []
        answer = self._answer(device, unit, pdu, faults)
        if answer is not None:
            frame = wrap(unit if faults.wrong_unit is None else faults.wrong_unit, answer, faults)
            if faults.half_frame:
                frame = frame[: len(frame) // 2]
            if faults.two_frames:
                frame += frame
            pause = self.turnaround_ms if device.turnaround_ms is None else device.turnaround_ms
            replies.append((pause + faults.late_ms, faults.noise_before + frame))
        if faults.touches(unit):
            faults.used()
        return replies

    def broadcast(self, pdu: bytes) -> None:
        """Carry out a write on every living unit, answering nothing."""
        self.counters["broadcasts"] += 1
        if pdu[0] not in WRITES:
            return
        for unit, device in self.units.items():
            if not self.faults_of(unit).silences(unit):
                device.answer(pdu)

    def _answer(self, device: Unit, unit: int, pdu: bytes, faults: Faults) -> bytes | None:
        if faults.silences(unit):
            return None
        if faults.exception is not None:
            answer = bytes([pdu[0] | 0x80, faults.exception])
        else:
            answer = device.answer(pdu)
        if faults.mute:
            return None
        self.counters["exceptions" if answer[0] & 0x80 else "answers"] += 1
        if faults.wrong_function:
            code = answer[0] & 0x7F
            answer = bytes([answer[0] & 0x80 | _SIBLINGS.get(code, code ^ 1)]) + answer[1:]
        return _lengthened(answer) if faults.wrong_length else answer


def _lengthened(pdu: bytes) -> bytes:
    """The answer with one register more (bits: one byte), its byte count corrected to match."""
    function = pdu[0]
    if function in (1, 2):
        return bytes([function, pdu[1] + 1 & 0xFF]) + pdu[2:] + _EXTRA_REGISTER[:1]
    if function in (3, 4, 23):
        return bytes([function, pdu[1] + 2 & 0xFF]) + pdu[2:] + _EXTRA_REGISTER
    return pdu + _EXTRA_REGISTER


class RtuSlave(_Devices):
    """All devices on one RTU line.

    A frame is recognised by function, length and CRC, at whatever byte it begins, so that pauses
    are not needed and garbage in front does no harm. Other addresses are ignored.
    """

    def __init__(
        self, units: Mapping[int, Unit], faults: Faults | None = None, turnaround_ms: float = 0.0
    ) -> None:
        super().__init__(units, faults, turnaround_ms)
        self._received = bytearray()

    def reset(self) -> None:
        self._received.clear()

    def feed(self, data: bytes) -> list[Reply]:
        replies: list[Reply] = []
        for byte in data:
            self._received.append(byte)
            del self._received[:-MAX_RTU_FRAME]
            start = self._frame_ending_here()
            if start is not None:
                frame = bytes(self._received[start:])
                self.counters["garbage_bytes"] += start
                self._received.clear()
                replies += self._serve(frame)
        return replies

    def _frame_ending_here(self) -> int | None:
        """Where the request begins that the newest byte completes."""
        received = self._received
        size = len(received)
        for start in range(size - 3):
            length = request_length(received, start + 1)
            if length is None:
                # Nothing tells the end of an unknown function but its CRC. Only tried from the
                # first byte on: tried everywhere it would sooner or later find one in garbage.
                ends_here = start == 0 and not is_known(received[1])
            else:
                ends_here = length > 0 and start + 1 + length + 2 == size
            if ends_here and crc16(received[start:-2]) == received[-2:]:
                return start
        return None

    def _serve(self, frame: bytes) -> list[Reply]:
        self.heard(frame)
        unit, pdu = frame[0], frame[1:-2]
        if unit == BROADCAST:
            self.broadcast(pdu)
            return []
        if unit not in self.units:
            self.counters["foreign"] += 1
            return []
        return self.respond(unit, pdu, frame, _rtu_frame)


def _rtu_frame(unit: int, pdu: bytes, faults: Faults) -> bytes:
    body = bytes([unit]) + pdu
    low, high = crc16(body)
    return body + bytes([low, high ^ 0xFF if faults.bad_crc else high])


class TcpSlave(_Devices):
    """Devices behind one Modbus TCP address; every client has its own connection.

    Units that are not there are answered with exception 0Bh, as a gateway does. A single unit
    also answers to 0 and 255, as the standard asks of a device with its own address.
    """

    def connection(self) -> TcpConnection:
        """The framing state of one client."""
        return TcpConnection(self)

    def resolve(self, unit: int) -> int:
        """The address that a request to this one is for."""
        if unit in (0, 255) and len(self.units) == 1:
            return next(iter(self.units))
        return unit


class TcpConnection:
    """One client's stream. ``broken`` once it sent what is not MBAP: close the connection then."""

    def __init__(self, slave: TcpSlave) -> None:
        self.slave = slave
        self.broken = False
        self.on_request: Callable[[bytes], None] | None = None
        self._received = bytearray()

    @property
    def speaks_every_ms(self) -> float | None:
        """As Slave."""
        return self.slave.speaks_every_ms

    def speak(self) -> bytes:
        """As Slave."""
        return self.slave.speak()

    def reset(self) -> None:
        """A new connection begins."""
        self.broken = False
        self._received.clear()

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes from the client; what to send, with delays."""
        self._received += data
        replies: list[Reply] = []
        while not self.broken and len(self._received) >= 8:
            _, protocol, length = struct.unpack(">HHH", self._received[:6])
            if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
                self.broken = True
                break
            if len(self._received) < 6 + length:
                break
            frame = bytes(self._received[: 6 + length])
            del self._received[: 6 + length]
            replies += self._serve(frame)
        return replies

    def _serve(self, frame: bytes) -> list[Reply]:
        if self.on_request is not None:
            self.on_request(frame)
        self.slave.heard(frame)
        transaction, _, _, asked = struct.unpack(">HHHB", frame[:7])
        unit, pdu = self.slave.resolve(asked), frame[7:]

        def wrap(claimed: int, answer: bytes, faults: Faults) -> bytes:
            seen = transaction + faults.wrong_transaction & 0xFFFF
            shown = asked if claimed == unit else claimed
            return struct.pack(">HHHB", seen, 0, len(answer) + 1, shown) + answer

        if unit not in self.slave.units:
            self.slave.counters["foreign"] += 1
            refusal = bytes([pdu[0] | 0x80, GATEWAY_TARGET_SILENT])
            return [(self.slave.turnaround_ms, wrap(unit, refusal, Faults()))]
        return self.slave.respond(unit, pdu, frame, wrap)
