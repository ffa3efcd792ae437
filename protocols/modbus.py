"""Modbus questions and answers, whatever carries them (Application Protocol V1.1b3).

Questions are checked when they are built: a ValueError is a mistake of the caller. Answers come
from the wire: ``judge`` says whether one belongs to the question, and never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocols.modbus_identity import (
    BASIC,
    DEVICE_IDENTIFICATION,
    INDIVIDUAL,
    Identification,
    identification_length,
    identification_matches,
    split_objects,
)

READ_COILS = 1
READ_DISCRETE_INPUTS = 2
READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
WRITE_SINGLE_COIL = 5
WRITE_SINGLE_REGISTER = 6
WRITE_MULTIPLE_COILS = 15
WRITE_MULTIPLE_REGISTERS = 16
REPORT_SERVER_ID = 17
MASK_WRITE_REGISTER = 22
READ_WRITE_REGISTERS = 23
ENCAPSULATED_INTERFACE = 43

EXCEPTION_FLAG = 0x80
BROADCAST_UNIT = 0

_BIT_READS = (READ_COILS, READ_DISCRETE_INPUTS)
_REGISTER_READS = (READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)
# How much of the question the reply of a write repeats, in bytes of PDU: function, address, and
# the value (5, 6), the count (15, 16) or both masks (22). V1.1b3 §6.5, 6.6, 6.11, 6.12, 6.16.
_REPEATED_BYTES = {
    WRITE_SINGLE_COIL: 5,
    WRITE_SINGLE_REGISTER: 5,
    WRITE_MULTIPLE_COILS: 5,
    WRITE_MULTIPLE_REGISTERS: 5,
    MASK_WRITE_REGISTER: 7,
}
# Their replies say themselves how long they are.
_UNCOUNTED = (REPORT_SERVER_ID, ENCAPSULATED_INTERFACE)
_LONGEST_PDU = 253

# V1.1b3 §7.
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One question. ``reply_length`` is that of the normal reply's PDU in bytes; 0 for a broadcast.

    Of functions 17 and 43, whose replies tell their own length, it is the longest. ``pdu`` begins
    with the function code. Made by the functions below, which check the limits.
    """

    unit: int
    pdu: bytes
    reply_length: int

    @property
    def function(self) -> int:
        """Function code."""
        return self.pdu[0]

    @property
    def broadcast(self) -> bool:
        """Whether every device acts and none answers."""
        return self.unit == BROADCAST_UNIT

    @property
    def signature(self) -> tuple[int, int]:
        """Function and reply length.

        On a serial line the answers to two reads of one unit with equal signatures look alike.
        """
        return self.function, self.reply_length

    @property
    def self_identifying(self) -> bool:
        """Whether the normal reply repeats what was asked: functions 5, 6, 15, 16, 22."""
        return self.function in _REPEATED_BYTES

    @property
    def open_ended(self) -> bool:
        """Whether only the normal reply itself tells how long it is: functions 17, 43."""
        return self.function in _UNCOUNTED

    @property
    def reply_start(self) -> bytes:
        """The bytes of the normal reply's PDU that are known in advance.

        The whole of it for a write; function and byte count for a read; function, and what it
        repeats, where the length is open; nothing for a broadcast.
        """
        if self.broadcast:
            return b""
        if self.open_ended:
            return self.pdu[:3]
        if self.self_identifying:
            return self.pdu[: self.reply_length]
        return bytes((self.function, self.reply_length - 2))


class Seen(StrEnum):
    """What came, when it was not the answer; from the least to the most telling."""

    NOTHING = "nothing"
    NOISE = "noise"
    ECHO = "echo"
    OTHER_UNIT = "other_unit"
    PARTIAL = "partial"
    OTHER_FUNCTION = "other_function"
    WRONG_LENGTH = "wrong_length"
    WRONG_CONTENT = "wrong_content"
    BAD_CRC = "bad_crc"


@dataclass(frozen=True, slots=True)
class Answer:
    """The normal reply. ``body`` is the PDU after the function code."""

    unit: int
    function: int
    body: bytes

    def registers(self) -> tuple[int, ...]:
        """The words read, 0..FFFFh each (functions 3, 4, 23). ValueError for another function."""
        if self.function not in (*_REGISTER_READS, READ_WRITE_REGISTERS):
            raise ValueError(f"function {self.function} carries no registers, allowed 3, 4, 23")
        return struct.unpack_from(f">{(len(self.body) - 1) // 2}H", self.body, 1)

    def bits(self, count: int) -> tuple[bool, ...]:
        """The first ``count`` states read (functions 1, 2), lowest address first.

        ValueError for another function, or more bits than came.
        """
        if self.function not in _BIT_READS:
            raise ValueError(f"function {self.function} carries no bits, allowed 1, 2")
        _check("count", count, 0, 8 * (len(self.body) - 1))
        packed = int.from_bytes(self.body[1:], "little")
        return tuple(bool(packed >> index & 1) for index in range(count))

    def server_id(self) -> bytes:
        """What the device says of itself, in the maker's own form (function 17). ValueError else.

        Mostly an id, then 00h (stopped) or FFh (running), then text.
        """
        if self.function != REPORT_SERVER_ID:
            raise ValueError(f"function {self.function} carries no server id, allowed 17")
        return self.body[1:]

    def identification(self) -> Identification:
        """Objects by which the device names itself (function 43/14). ValueError for another."""
        if self.function != ENCAPSULATED_INTERFACE:
            raise ValueError(f"function {self.function} carries no objects, allowed 43")
        more, following = self.body[3] == 0xFF, self.body[4]
        objects = split_objects(bytes((self.function,)) + self.body)
        return Identification(self.body[2], following if more else None, objects)


@dataclass(frozen=True, slots=True)
class Declined:
    """The device understood, and said no: the exception reply (V1.1b3 §7).

    ``function`` is the one asked for, without the exception flag.
    """

    unit: int
    function: int
    code: int


def exception_name(code: int) -> str:
    """The standard's name of an exception code; a number if it has none."""
    return _EXCEPTIONS.get(code, f"exception {code}")


def judge(request: Request, unit: int, pdu: bytes) -> Answer | Declined | Seen:
    """Whether these bytes, whole and with a good checksum, answer this question; if not, why not.

    An answer has the unit, the function, the length and the byte count asked for; that of a write
    repeats the question's address and values. Nobody answers a broadcast.
    """
    if unit != request.unit or request.broadcast:
        return Seen.OTHER_UNIT
    function = pdu[0] if pdu else 0
    if function == request.function | EXCEPTION_FLAG:
        if len(pdu) != 2:
            return Seen.WRONG_LENGTH
        return Declined(unit, request.function, pdu[1])
    if function != request.function:
        return Seen.OTHER_FUNCTION
    if request.open_ended:
        return _judge_open(request, unit, pdu)
    if len(pdu) != request.reply_length:
        return Seen.WRONG_LENGTH
    if not pdu.startswith(request.reply_start):
        return Seen.WRONG_CONTENT if request.self_identifying else Seen.WRONG_LENGTH
    return Answer(unit, function, pdu[1:])


def _judge_open(request: Request, unit: int, pdu: bytes) -> Answer | Seen:
    """The rest of ``judge`` where the reply announces its length."""
    if request.function == REPORT_SERVER_ID:
        if len(pdu) < 3 or len(pdu) != 2 + pdu[1]:
            return Seen.WRONG_LENGTH
    elif identification_length(pdu) != len(pdu):
        return Seen.WRONG_LENGTH
    elif not identification_matches(request.pdu, pdu):
        return Seen.WRONG_CONTENT
    return Answer(unit, request.function, pdu[1:])


def read_bits(unit: int, function: int, address: int, count: int) -> Request:
    """Read 1..2000 coils (function 1) or discrete inputs (2). ValueError outside the limits."""
    if function not in _BIT_READS:
        raise ValueError(f"function: found {function}, allowed 1, 2")
    _check_unit(unit, lowest=1)
    _check_span(address, count, 2000)
    return Request(unit, struct.pack(">BHH", function, address, count), 2 + (count + 7) // 8)


def read_registers(unit: int, function: int, address: int, count: int) -> Request:
    """Read 1..125 holding (function 3) or input registers (4). ValueError outside the limits."""
    if function not in _REGISTER_READS:
        raise ValueError(f"function: found {function}, allowed 3, 4")
    _check_unit(unit, lowest=1)
    _check_span(address, count, 125)
    return Request(unit, struct.pack(">BHH", function, address, count), 2 + 2 * count)


def write_coil(unit: int, address: int, on: bool) -> Request:
    """Set one coil (function 5). Unit 0 broadcasts. ValueError outside the limits."""
    _check("address", address, 0, 0xFFFF)
    return _write(unit, struct.pack(">BHH", WRITE_SINGLE_COIL, address, 0xFF00 if on else 0))


def write_register(unit: int, address: int, value: int) -> Request:
    """Set a holding register (function 6), 0..FFFFh. Unit 0 broadcasts. ValueError outside."""
    _check("address", address, 0, 0xFFFF)
    _check("value", value, 0, 0xFFFF)
    return _write(unit, struct.pack(">BHH", WRITE_SINGLE_REGISTER, address, value))


def write_coils(unit: int, address: int, values: Sequence[bool]) -> Request:
    """Set 1..1968 coils (function 15). Unit 0 broadcasts. ValueError outside the limits."""
    count = len(values)
    _check_span(address, count, 1968)
    packed = sum(1 << index for index, on in enumerate(values) if on)
    size = (count + 7) // 8
    head = struct.pack(">BHHB", WRITE_MULTIPLE_COILS, address, count, size)
    return _write(unit, head + packed.to_bytes(size, "little"))


def write_registers(unit: int, address: int, values: Sequence[int]) -> Request:
    """Set 1..123 holding registers (function 16). Unit 0 broadcasts. ValueError outside."""
    count = len(values)
    _check_span(address, count, 123)
    head = struct.pack(">BHHB", WRITE_MULTIPLE_REGISTERS, address, count, 2 * count)
    return _write(unit, head + _words(values))


def mask_write(unit: int, address: int, and_mask: int, or_mask: int) -> Request:
    """Set a register to (register AND and_mask) OR (or_mask AND NOT and_mask) (function 22).

    Unit 0 broadcasts. ValueError outside the limits.
    """
    _check("address", address, 0, 0xFFFF)
    _check("and_mask", and_mask, 0, 0xFFFF)
    _check("or_mask", or_mask, 0, 0xFFFF)
    return _write(unit, struct.pack(">BHHH", MASK_WRITE_REGISTER, address, and_mask, or_mask))


def read_write_registers(
    unit: int, read_address: int, read_count: int, write_address: int, values: Sequence[int]
) -> Request:
    """Write 1..121 holding registers, then read 1..125 (function 23). ValueError outside."""
    _check_unit(unit, lowest=1)
    _check_span(read_address, read_count, 125, prefix="read_")
    count = len(values)
    _check_span(write_address, count, 121, prefix="write_")
    head = struct.pack(
        ">BHHHHB", READ_WRITE_REGISTERS, read_address, read_count, write_address, count, 2 * count
    )
    return Request(unit, head + _words(values), 2 + 2 * read_count)


def report_server_id(unit: int) -> Request:
    """Ask what the device is, in the maker's own form (function 17). ValueError outside."""
    _check_unit(unit, lowest=1)
    return Request(unit, bytes((REPORT_SERVER_ID,)), _LONGEST_PDU)


def read_identification(unit: int, code: int = BASIC, first_object: int = 0) -> Request:
    """Ask for identification objects from ``first_object`` on (function 43/14). ValueError outside.

    ``code``: 1 basic, 2 regular, 3 extended, or 4 for that single object.
    """
    _check_unit(unit, lowest=1)
    _check("code", code, BASIC, INDIVIDUAL)
    _check("object", first_object, 0, 0xFF)
    pdu = bytes((ENCAPSULATED_INTERFACE, DEVICE_IDENTIFICATION, code, first_object))
    return Request(unit, pdu, _LONGEST_PDU)


def _write(unit: int, pdu: bytes) -> Request:
    _check_unit(unit, lowest=BROADCAST_UNIT)
    return Request(unit, pdu, 0 if unit == BROADCAST_UNIT else _REPEATED_BYTES[pdu[0]])


def _words(values: Sequence[int]) -> bytes:
    for value in values:
        _check("value", value, 0, 0xFFFF)
    return struct.pack(f">{len(values)}H", *values)


def _check_unit(unit: int, *, lowest: int) -> None:
    # The serial line guide stops at 247, but devices do use what it reserves: 248 is the general
    # address of the PZEM meters, 255 that of a TCP device itself.
    _check("unit", unit, lowest, 255)


def _check_span(address: int, count: int, most: int, *, prefix: str = "") -> None:
    _check(f"{prefix}address", address, 0, 0xFFFF)
    _check(f"{prefix}count", count, 1, most)
    _check(f"last {prefix}address", address + count - 1, 0, 0xFFFF)


def _check(name: str, found: int, low: int, high: int) -> None:
    if not low <= found <= high:
        raise ValueError(f"{name}: found {found}, allowed {low}..{high}")
