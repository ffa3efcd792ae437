"""What a device profile says: registers or lines of text, timing, actions. See docs/site.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from edge.app.config.fields import (
    Label,
    Name,
    Note,
    WrittenUnit,
    choice,
    real,
    refuse,
    sequence,
    whole,
)
from edge.app.config.items import Table
from edge.locale import language, text

DeviceKind = Literal[
    "rain", "level", "weather", "gas", "tilt", "crack", "power", "relay", "amplifier", "siren",
    "io", "other",
]  # fmt: skip
Baud = Annotated[int, choice(1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)]
DataBits = Annotated[int, choice(7, 8)]
Parity = Literal["none", "even", "odd"]
StopBits = Annotated[int, choice(1, 2)]
RegisterTable = Literal["coil", "discrete", "holding", "input"]
ValueType = Literal["u16", "i16", "u32", "i32", "f32", "bit"]
WordOrder = Literal["high_first", "low_first"]
ByteOrder = Literal["big", "little"]

MAX_REGISTER = 0xFFFF
WIDE_TYPES = ("u32", "i32", "f32")
"""Value types of two registers."""
BIT_TABLES = ("coil", "discrete")
"""Tables whose entries are single bits."""

_LARGEST = 1e12


def _read_word(value: object) -> int | str:
    """A register value, or ``$parameter``."""
    if isinstance(value, str) and value.startswith("$"):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse("wrong-type", value, allowed=text("type.word"))
    if not 0 <= value <= MAX_REGISTER:
        raise refuse("out-of-range", value, allowed=f"0 … {MAX_REGISTER}")
    return value


def _read_pair(value: object) -> object:
    """``[low, high]`` of an action's parameter."""
    whole_numbers = isinstance(value, list | tuple) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in value
    )
    if not whole_numbers or not isinstance(value, list | tuple) or len(value) != 2:
        raise refuse("wrong-type", value, allowed=text("type.pair"))
    low, high = value
    if not 0 <= low <= high <= MAX_REGISTER:
        raise refuse("out-of-range", value, allowed=f"0 ≤ low ≤ high ≤ {MAX_REGISTER}")
    return low, high


Word = Annotated[int | str, BeforeValidator(_read_word)]
Bounds = Annotated[tuple[int, int], BeforeValidator(_read_pair)]
Address = Annotated[int, whole(0, MAX_REGISTER)]
Scale = Annotated[float, real(-_LARGEST, _LARGEST)]
Decimals = Annotated[int, whole(0, 9)]
Range = Annotated[tuple[Scale, Scale], sequence(2, 2)]


class Description(Table):
    """Words for people in the languages of the catalogue."""

    en: Label | None = None
    zh: Label | None = None

    @property
    def text(self) -> str:
        """In the current language, else in the other one, else empty."""
        return (self.zh or self.en if language() == "zh" else self.en or self.zh) or ""


class ProfileDevice(Table):
    """``[device]``: what it is, and where the facts come from."""

    name: Label
    maker: Label
    model: Label
    kind: DeviceKind
    protocol: Literal["modbus", "line"]
    verified: bool
    source: Note
    notes: Note = ""


class LineDefaults(Table):
    """``[line]``: settings as the device leaves the factory."""

    baud: Baud
    data_bits: DataBits
    parity: Parity
    stop_bits: StopBits
    address: Annotated[int, whole(1, 255)] | None = None


class Timing(Table):
    """``[timing]`` of a Modbus device, in milliseconds from the last byte of the question.

    ``retries``: how often a read that got no answer is asked again within its period.
    """

    turnaround_ms: Annotated[int, whole(0, 10_000)]
    timeout_ms: Annotated[int, whole(1, 60_000)]
    late_ms: Annotated[int, whole(1, 120_000)]
    gap_ms: Annotated[int, whole(0, 1_000)] = 0
    retries: Annotated[int, whole(0, 5)] = 1


class Limits(Table):
    """``[limits]``: most registers of a read, and how many of them only to bridge a gap.

    ``pipeline``: questions that may be on their way at once, on TCP.
    """

    max_registers: Annotated[int, whole(1, 125)] = 125
    max_gap: Annotated[int, whole(0, 124)] = 0
    pipeline: Annotated[int, whole(1, 16)] = 1


class ProfileChecks(Table):
    """How the readings of a point are checked, in its unit; see docs/quality.md."""

    rate_per_s: Scale | None = None
    stuck_s: Annotated[float, real(1, 604_800)] | None = None
    noise_floor: Scale = 0.0
    current: Literal["4-20 mA"] | None = None
    span: Range | None = None
    counter: bool = False
    rollover: Scale | None = None
    saturates: bool | None = None


class ModbusCell(Table):
    """Where a value lies in a device, and how it is coded."""

    table: RegisterTable
    address: Address
    type: ValueType
    bit: Annotated[int, whole(0, 15)] | None = None
    word_order: WordOrder | None = None
    byte_order: ByteOrder = "big"
    scale: Scale = 1.0
    offset: Scale = 0.0
    decimals: Decimals = 0
    unit: WrittenUnit
    range: Range = (0.0, 1.0)
    error_words: Annotated[tuple[Annotated[int, whole(0, 0xFFFF_FFFF)], ...], sequence(0, 16)] = ()
    description: Description = Description()


class ModbusPoint(ProfileChecks, ModbusCell):
    """``[point.<name>]``: value = raw * scale + offset; ``error_words`` are raw and unsigned."""

    @property
    def registers(self) -> int:
        """How many entries of its table it takes."""
        return 2 if self.type in WIDE_TYPES else 1


class Write(Table):
    """One write of an action. Values are numbers or ``$parameter``; coils are written 1 or 0.

    ``address_step`` names the parameter whose value n moves the address by n - 1.
    """

    table: Literal["coil", "holding"]
    address: Address
    values: Annotated[tuple[Word, ...], sequence(1, 123)]
    address_step: str | None = None
    multiple: bool = False


class Confirm(Table):
    """Read back until the values are there. ``mask`` selects the bits that count."""

    table: RegisterTable
    address: Address
    values: Annotated[tuple[Word, ...], sequence(1, 125)]
    address_step: str | None = None
    mask: Annotated[int, whole(1, MAX_REGISTER)] | None = None
    within_ms: Annotated[int, whole(1, 60_000)]
    every_ms: Annotated[int, whole(10, 10_000)]


class Action(Table):
    """``[action.<name>]``: what an actuator can be told to do; ``parameters`` give low and high.

    ``warm_up_ms``: from the answer to the last write to the effect. ``broadcast``: the writes go to
    every device of the line, which nobody answers; the read-back asks the device itself.
    """

    parameters: dict[Name, Bounds] = Field(default_factory=dict)
    write: Annotated[tuple[Write, ...], sequence(1, 16)]
    confirm: Confirm | None = None
    warm_up_ms: Annotated[int, whole(0, 60_000)] = 0
    broadcast: bool = False
    description: Description = Description()


class Constant(Table):
    """``[[identity]]``: a register that reads the same in every device of the kind.

    ``mask`` selects the bits that count.
    """

    table: Literal["holding", "input"]
    address: Address
    value: Annotated[int, whole(0, MAX_REGISTER)]
    mask: Annotated[int, whole(1, MAX_REGISTER)] = MAX_REGISTER


class SetAddress(Table):
    """``[set_address]``: the holding register that holds the device's own address.

    ``unlock`` is written before it, ``save`` after it, both to the old address. ``effect`` says
    when the new address counts.
    """

    address: Address
    range: Bounds = (1, 247)
    multiple: bool = False
    unlock: Annotated[tuple[Write, ...], sequence(0, 8)] = ()
    save: Annotated[tuple[Write, ...], sequence(0, 8)] = ()
    effect: Literal["at_once", "power_cycle", "unknown"] = "unknown"
    notes: Note = ""


class Framing(Table):
    """``[framing]`` of a text sensor; the named groups of ``pattern`` are its points.

    ``period_ms`` is how often ``poll`` is sent; both are None for a device that speaks by itself.
    ``turnaround_ms``: the longest until the answer to ``poll`` begins.
    """

    terminator: str
    max_length: Annotated[int, whole(1, 4096)]
    pattern: str
    poll: str | None = None
    period_ms: Annotated[int, whole(20, 3_600_000)] | None = None
    turnaround_ms: Annotated[int, whole(0, 60_000)] | None = None
    checksum: Literal["none", "xor_hex"] = "none"
    encoding: Literal["ascii", "utf-8"] = "ascii"
    silence_s: Annotated[float, real(0.1, 86400)]


class LineGroup(Table):
    """What a group of a text sensor's pattern holds."""

    unit: WrittenUnit
    decimals: Decimals
    scale: Scale = 1.0
    offset: Scale = 0.0
    range: Range
    description: Description = Description()


class LinePoint(ProfileChecks, LineGroup):
    """``[point.<name>]`` of a text sensor: the number in its group * scale + offset."""


@dataclass(frozen=True, slots=True)
class ModbusProfile:
    """A device on Modbus. ``line`` is None if the profile gives no defaults."""

    device: ProfileDevice
    line: LineDefaults | None
    timing: Timing
    limits: Limits
    points: dict[str, ModbusPoint]
    actions: dict[str, Action]
    identity: tuple[Constant, ...] = ()
    set_address: SetAddress | None = None


@dataclass(frozen=True, slots=True)
class LineProfile:
    """A device that sends lines of text on a serial line of its own."""

    device: ProfileDevice
    line: LineDefaults | None
    framing: Framing
    points: dict[str, LinePoint]


Profile = ModbusProfile | LineProfile
