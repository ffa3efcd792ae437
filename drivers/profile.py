"""What a driver needs to know of its device.

The configuration's profile models satisfy these protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Cell(Protocol):
    """Where something lies in a Modbus device."""

    @property
    def table(self) -> str:
        """coil, discrete, holding or input."""
        ...

    @property
    def address(self) -> int:
        """Protocol address, from 0."""
        ...


class Scale(Protocol):
    """From what was read to an engineering value: number * scale + offset."""

    @property
    def scale(self) -> float:
        """Engineering units per number."""
        ...

    @property
    def offset(self) -> float:
        """Engineering value of 0."""
        ...

    @property
    def decimals(self) -> int:
        """Decimals of the engineering value."""
        ...


class ModbusPoint(Cell, Scale, Protocol):
    """Where a value lies and how it is coded."""

    @property
    def type(self) -> str:
        """u16, i16, u32, i32, f32 or bit."""
        ...

    @property
    def bit(self) -> int | None:
        """Which bit of the register, for type bit in a register table."""
        ...

    @property
    def word_order(self) -> str | None:
        """high_first or low_first, for two registers."""
        ...

    @property
    def byte_order(self) -> str:
        """big, or little if the bytes within each register are swapped."""
        ...

    @property
    def error_words(self) -> Sequence[int]:
        """Raw unsigned values that mean a fault, tested before scaling."""
        ...


class Timing(Protocol):
    """How long a Modbus device may take, in milliseconds from the last byte of the question."""

    @property
    def turnaround_ms(self) -> int:
        """The longest that it takes to begin its answer, if it answers."""
        ...

    @property
    def timeout_ms(self) -> int:
        """Give up when the answer has not begun by then."""
        ...

    @property
    def late_ms(self) -> int:
        """An answer that was given up may still come this much later."""
        ...

    @property
    def gap_ms(self) -> int:
        """Silence the device needs before a question, beyond the line's own."""
        ...

    @property
    def retries(self) -> int:
        """How often a read without a valid answer is asked again within its period."""
        ...


class Limits(Protocol):
    """What one read may cover."""

    @property
    def max_registers(self) -> int:
        """Registers at most."""
        ...

    @property
    def max_gap(self) -> int:
        """Registers that may be read only to bridge a gap between points."""
        ...

    @property
    def pipeline(self) -> int:
        """Questions that may be under way at once; more than one only on TCP."""
        ...


class Span(Cell, Protocol):
    """Some neighbouring cells and their values: words, or ``$parameter``."""

    @property
    def values(self) -> Sequence[int | str]:
        """From the address on."""
        ...

    @property
    def address_step(self) -> str | None:
        """The parameter whose value n moves the address by n - 1."""
        ...


class Write(Span, Protocol):
    """One write of an action, to coils or holding registers."""

    @property
    def multiple(self) -> bool:
        """Use the function for several values even for one."""
        ...


class Confirm(Span, Protocol):
    """A read-back that must show these values."""

    @property
    def mask(self) -> int | None:
        """The bits of each register that count; None: all."""
        ...

    @property
    def within_ms(self) -> int:
        """How long the device may take to get there."""
        ...

    @property
    def every_ms(self) -> int:
        """How often it is asked meanwhile."""
        ...


class Action(Protocol):
    """Something the device can be told to do."""

    @property
    def write(self) -> Sequence[Write]:
        """In this order."""
        ...

    @property
    def broadcast(self) -> bool:
        """Write to every device on the line at once (address 0), which none answers."""
        ...

    @property
    def confirm(self) -> Confirm | None:
        """How to see that it was done; None: the answers to the writes must do."""
        ...


class ModbusProfile(Protocol):
    """A device that is read and written by Modbus."""

    @property
    def timing(self) -> Timing:
        """How long it may take."""
        ...

    @property
    def limits(self) -> Limits:
        """What one read may cover."""
        ...

    @property
    def points(self) -> Mapping[str, ModbusPoint]:
        """What can be read, by name."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by name."""
        ...


class Framing(Protocol):
    """How a text sensor speaks."""

    @property
    def terminator(self) -> str:
        """What ends a line."""
        ...

    @property
    def max_length(self) -> int:
        """The longest line in bytes."""
        ...

    @property
    def pattern(self) -> str:
        """Regular expression of a whole line; named groups are points."""
        ...

    @property
    def poll(self) -> str | None:
        """What to send to be answered; None: it speaks by itself."""
        ...

    @property
    def checksum(self) -> str:
        """none, or xor_hex as in NMEA 0183."""
        ...

    @property
    def encoding(self) -> str:
        """ascii or utf-8."""
        ...

    @property
    def silence_s(self) -> float:
        """Without a valid line for this long its points are stale."""
        ...


class LineProfile(Protocol):
    """A device that sends lines of text on a serial line of its own."""

    @property
    def framing(self) -> Framing:
        """How it speaks."""
        ...

    @property
    def points(self) -> Mapping[str, Scale]:
        """What a line can tell, by name: the number in the pattern's group of this name."""
        ...
