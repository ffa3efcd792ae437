"""How much of an RTU line polls take; frame times as in Modbus over serial line V1.02."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.app.config.profile import BIT_TABLES, Limits, ModbusPoint, Timing

# Above this speed the silence between frames no longer shrinks (V1.02, 2.5.1.1).
_FIXED_SILENCE_ABOVE_BAUD = 19_200
_FIXED_SILENCE_S = 0.00175
_REQUEST_CHARS = 8
_RESPONSE_CHARS = 5
_MOST_BITS = 2000


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the time of a character depends on."""

    baud: int
    data_bits: int
    parity: str
    stop_bits: int

    @property
    def char_s(self) -> float:
        """One character with its start, parity and stop bits."""
        bits = 1 + self.data_bits + (self.parity != "none") + self.stop_bits
        return bits / self.baud

    @property
    def silence_s(self) -> float:
        """t3.5, the silence before a frame."""
        if self.baud > _FIXED_SILENCE_ABOVE_BAUD:
            return _FIXED_SILENCE_S
        return 3.5 * self.char_s


@dataclass(frozen=True, slots=True)
class Read:
    """One question: ``count`` registers or bits of a table from ``address`` on."""

    table: str
    address: int
    count: int

    @property
    def data_chars(self) -> int:
        """Data bytes of the answer."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count


def plan_reads(points: Iterable[ModbusPoint], limits: Limits) -> tuple[Read, ...]:
    """Group points into as few questions as the device's limits allow; neighbours share one."""
    spots = sorted(points, key=lambda point: (point.table, point.address))
    reads: list[Read] = []
    for spot in spots:
        end = spot.address + spot.registers
        last = reads[-1] if reads else None
        most = _MOST_BITS if spot.table in BIT_TABLES else limits.max_registers
        if (
            last is not None
            and last.table == spot.table
            and spot.address - (last.address + last.count) <= limits.max_gap
            and end - last.address <= most
        ):
            count = max(last.count, end - last.address)
            reads[-1] = Read(last.table, last.address, count)
        else:
            reads.append(Read(spot.table, spot.address, spot.registers))
    return tuple(reads)


def read_s(read: Read, line: LineSettings, timing: Timing) -> float:
    """Line time of a question and its answer: characters, turnaround, silence before each."""
    chars = _REQUEST_CHARS + _RESPONSE_CHARS + read.data_chars
    waits_s = (timing.turnaround_ms + timing.gap_ms) / 1000
    return chars * line.char_s + waits_s + 2 * line.silence_s


def share(
    points: Iterable[ModbusPoint],
    limits: Limits,
    timing: Timing,
    line: LineSettings,
    period_ms: int,
) -> float:
    """The share of the line that one device's polls take; 1.0 is all of it."""
    poll_s = sum(read_s(read, line, timing) for read in plan_reads(points, limits))
    return poll_s / (period_ms / 1000)
