"""One Modbus device: four tables of defined addresses, and what it answers to a request.

Written from the MODBUS Application Protocol V1.1b3, independently of the shipped codec, so that
each checks the other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4

MAX_READ_BITS = 2000
MAX_READ_REGISTERS = 125
MAX_WRITE_BITS = 1968
MAX_WRITE_REGISTERS = 123
MAX_READ_WRITE_REGISTERS = 121
_COIL_ON = 0xFF00


class Table(StrEnum):
    """The four address spaces."""

    COILS = "coils"
    DISCRETES = "discretes"
    HOLDING = "holding"
    INPUTS = "inputs"


Cells = Mapping[int, int] | Sequence[int]
"""Values by address; a sequence starts at address 0."""
OnRead = Callable[[Table, int, int], None]
"""Called with (table, address, count) before values are taken: refresh them here."""
OnWrite = Callable[[Table, int, list[int]], None]
"""Called with (table, address, values) after they were stored; raising Refusal takes them back."""

READS_BITS = {1: Table.COILS, 2: Table.DISCRETES}
READS_REGISTERS = {3: Table.HOLDING, 4: Table.INPUTS}
WRITES = frozenset({5, 6, 15, 16, 22, 23})
_SERVED = READS_BITS.keys() | READS_REGISTERS.keys() | WRITES
# Request PDU length by function, where it is fixed; functions nobody serves are listed so that a
# request for them can still be framed and refused.
_FIXED_LENGTHS = dict.fromkeys((1, 2, 3, 4, 5, 6, 8), 5) | dict.fromkeys((7, 11, 12, 17), 1)
_FIXED_LENGTHS |= {22: 7, 24: 3, 43: 4}
# Function -> offset of its byte count.
_COUNTED = {15: 5, 16: 5, 20: 1, 21: 1, 23: 9}


class Refusal(Exception):
    """The device declines with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


def request_length(data: Sequence[int], start: int = 0) -> int | None:
    """Length of the request PDU that begins here; 0 while too little is there, None if unknown."""
    if start >= len(data):
        return 0
    function = data[start]
    fixed = _FIXED_LENGTHS.get(function)
    if fixed is not None:
        return fixed
    count_at = _COUNTED.get(function)
    if count_at is None:
        return None
    if start + count_at >= len(data):
        return 0
    return count_at + 1 + data[start + count_at]


def is_known(function: int) -> bool:
    """Whether the request length of this function is known."""
    return function in _FIXED_LENGTHS or function in _COUNTED


class Unit:
    """A device with defined addresses only: any other address is exception 2.

    Serves functions 1-6, 15, 16, 22, 23; others are exception 1. ``identification`` are objects of
    function 43/14 by id, as many in one answer as ``per_answer`` allows; ``server_id`` is what
    function 17 tells. ``turnaround_ms`` None takes that of the line.
    """

    model = "plain"

    def __init__(
        self,
        *,
        coils: Cells = (),
        discretes: Cells = (),
        holding: Cells = (),
        inputs: Cells = (),
        on_read: OnRead | None = None,
        on_write: OnWrite | None = None,
        turnaround_ms: float | None = None,
    ) -> None:
        self.coils = _cells(coils)
        self.discretes = _cells(discretes)
        self.holding = _cells(holding)
        self.inputs = _cells(inputs)
        self.on_read = on_read
        self.on_write = on_write
        self.turnaround_ms = turnaround_ms
        self.identification: dict[int, bytes] = {}
        self.per_answer = 99
        self.server_id = b""

    def table(self, table: Table) -> dict[int, int]:
        """The live cells of one table."""
        match table:
            case Table.COILS:
                return self.coils
            case Table.DISCRETES:
                return self.discretes
            case Table.HOLDING:
                return self.holding
            case Table.INPUTS:
                return self.inputs

    def state(self) -> dict[str, object]:
        """What the device is doing, for people and tests; JSON values."""
        return {}

    def answer(self, pdu: bytes) -> bytes:
        """The response PDU to a request PDU; never raises for what came over the wire."""
        function = pdu[0]
        try:
            return bytes([function]) + self._carry_out(function, pdu)
        except Refusal as refusal:
            return bytes([function | 0x80, refusal.code])

    def _carry_out(self, function: int, pdu: bytes) -> bytes:
        if function == 43 and self.identification:
            return self._identify(pdu)
        if function == 17 and self.server_id:
            return bytes([len(self.server_id)]) + self.server_id
        if function not in _SERVED:
            raise Refusal(ILLEGAL_FUNCTION)
        if request_length(pdu) != len(pdu):
            raise Refusal(ILLEGAL_VALUE)
        if function in READS_BITS:
            return self._read_bits(READS_BITS[function], pdu)
        if function in READS_REGISTERS:
            return self._read_registers(READS_REGISTERS[function], *struct.unpack(">HH", pdu[1:5]))
        if function in (5, 6):
            return self._write_one(function, pdu)
        if function in (15, 16):
            return self._write_many(function, pdu)
        return self._mask(pdu) if function == 22 else self._read_write(pdu)

    def _identify(self, pdu: bytes) -> bytes:
        """Read Device Identification (V1.1b3, clause 6.21)."""
        if len(pdu) != 4 or pdu[1] != 14:
            raise Refusal(ILLEGAL_FUNCTION)
        _, _, code, first = pdu
        _check(1 <= code <= 4)
        last = {1: 2, 2: 0x7F, 3: 0xFF, 4: first}[code]
        if code == 4 and first not in self.identification:
            raise Refusal(ILLEGAL_ADDRESS)
        if first not in self.identification:
            first = 0
        ids = [each for each in sorted(self.identification) if first <= each <= last]
        now, later = ids[: self.per_answer], ids[self.per_answer :]
        highest = max(self.identification)
        level = 0x83 if highest > 0x7F else 0x82 if highest > 2 else 0x81
        more = [0xFF, later[0]] if later else [0, 0]
        head = bytes([14, code, level, *more, len(now)])
        values = ((each, self.identification[each]) for each in now)
        return head + b"".join(bytes([each, len(value)]) + value for each, value in values)

    def _read_bits(self, table: Table, pdu: bytes) -> bytes:
        address, count = struct.unpack(">HH", pdu[1:5])
        bits = self._take(table, address, count, MAX_READ_BITS)
        packed = sum((bit & 1) << at for at, bit in enumerate(bits))
        size = (count + 7) // 8
        return bytes([size]) + packed.to_bytes(size, "little")

    def _read_registers(self, table: Table, address: int, count: int) -> bytes:
        words = self._take(table, address, count, MAX_READ_REGISTERS)
        return bytes([2 * count]) + struct.pack(f">{count}H", *(word & 0xFFFF for word in words))

    def _write_one(self, function: int, pdu: bytes) -> bytes:
        address, value = struct.unpack(">HH", pdu[1:5])
        if function == 5:
            if value not in (0, _COIL_ON):
                raise Refusal(ILLEGAL_VALUE)
            self._store(Table.COILS, address, [int(value == _COIL_ON)])
        else:
            self._store(Table.HOLDING, address, [value])
        return pdu[1:5]

    def _write_many(self, function: int, pdu: bytes) -> bytes:
        address, count, size = struct.unpack(">HHB", pdu[1:6])
        if function == 15:
            _check(1 <= count <= MAX_WRITE_BITS and size == (count + 7) // 8)
            packed = int.from_bytes(pdu[6:], "little")
            self._store(Table.COILS, address, [packed >> at & 1 for at in range(count)])
        else:
            _check(1 <= count <= MAX_WRITE_REGISTERS and size == 2 * count)
            self._store(Table.HOLDING, address, list(struct.unpack(f">{count}H", pdu[6:])))
        return pdu[1:5]

    def _mask(self, pdu: bytes) -> bytes:
        address, keep, force = struct.unpack(">HHH", pdu[1:7])
        [old] = self._take(Table.HOLDING, address, 1, 1)
        self._store(Table.HOLDING, address, [(old & keep) | (force & ~keep & 0xFFFF)])
        return pdu[1:]

    def _read_write(self, pdu: bytes) -> bytes:
        read_at, read_count, write_at, write_count, size = struct.unpack(">HHHHB", pdu[1:10])
        _check(1 <= read_count <= MAX_READ_REGISTERS)
        _check(1 <= write_count <= MAX_READ_WRITE_REGISTERS and size == 2 * write_count)
        _check_defined(self.holding, read_at, read_count)
        self._store(Table.HOLDING, write_at, list(struct.unpack(f">{write_count}H", pdu[10:])))
        return self._read_registers(Table.HOLDING, read_at, read_count)

    def _take(self, table: Table, address: int, count: int, most: int) -> list[int]:
        _check(1 <= count <= most)
        cells = self.table(table)
        _check_defined(cells, address, count)
        if self.on_read is not None:
            self.on_read(table, address, count)
        return [cells[each] for each in range(address, address + count)]

    def _store(self, table: Table, address: int, values: list[int]) -> None:
        cells = self.table(table)
        _check_defined(cells, address, len(values))
        new = dict(zip(range(address, address + len(values)), values, strict=True))
        old = {each: cells[each] for each in new}
        cells.update(new)
        if self.on_write is None:
            return
        try:
            self.on_write(table, address, values)
        except Refusal:
            cells.update(old)
            raise


def _cells(cells: Cells) -> dict[int, int]:
    return dict(cells) if isinstance(cells, Mapping) else dict(enumerate(cells))


def _check(right: bool) -> None:
    if not right:
        raise Refusal(ILLEGAL_VALUE)


def _check_defined(cells: Mapping[int, int], address: int, count: int) -> None:
    if not all(each in cells for each in range(address, address + count)):
        raise Refusal(ILLEGAL_ADDRESS)
