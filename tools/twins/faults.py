"""What can be wrong with a simulated device. Every knob is off unless set; all may be set live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import cast


@dataclass
class Faults:
    """Knobs of a Modbus device or of a whole line.

    ``next_n`` limits the rest to the next n requests that they touch; then all but ``babble`` go
    back to off. None means until changed. Knobs combine.
    """

    silent: bool = False
    """Dead: does nothing, answers nothing, ignores broadcasts."""
    silent_units: set[int] = field(default_factory=set)
    """The same for these addresses only."""
    mute: bool = False
    """Does as told, but the answer is lost."""
    late_ms: float = 0.0
    """Answers this much later than usual."""
    wrong_unit: int | None = None
    """Answers under this address."""
    wrong_function: bool = False
    """Answers with the sibling function: 3 as 4, 5 as 6, 16 as 15."""
    wrong_length: bool = False
    """Answers with one register (bits: one byte) more than asked; the checksum is right."""
    half_frame: bool = False
    """Stops in the middle of the answer."""
    bad_crc: bool = False
    """RTU only: the last checksum byte is inverted."""
    wrong_transaction: bool = False
    """TCP only: the transaction identifier is one too high."""
    noise_before: bytes = b""
    """Goes out directly before the answer."""
    echo: bool = False
    """Repeats the request first, without turnaround, even when silent."""
    exception: int | None = None
    """Refuses with this exception code instead of doing as told."""
    two_frames: bool = False
    """Sends the answer twice, back to back."""
    next_n: int | None = None
    babble: bytes = b""
    """Spoken again and again without pause, asked or not."""

    def touches(self, unit: int) -> bool:
        """Whether a request to this address would be answered other than normally."""
        return unit in self.silent_units or self._without_targets() != _OFF

    def silences(self, unit: int) -> bool:
        """Whether the device at this address is dead."""
        return self.silent or unit in self.silent_units

    def used(self) -> None:
        """Count one request against ``next_n``; the last one clears the knobs."""
        if self.next_n is None:
            return
        self.next_n -= 1
        if self.next_n <= 0:
            self.clear()

    def clear(self) -> None:
        """Everything off except ``babble``."""
        for each in fields(self):
            if each.name != "babble":
                setattr(self, each.name, getattr(Faults(), each.name))

    def _without_targets(self) -> Faults:
        return replace(self, silent_units=set(), next_n=None, babble=b"")


_OFF = Faults()


@dataclass
class AsciiFaults:
    """Knobs of a device that sends lines of text; ``next_n`` as in Faults, counted in lines."""

    silent: bool = False
    garbage: bool = False
    """Bytes that are no text at all, with a line end."""
    half_line: bool = False
    """The line breaks off in the middle, without a line end."""
    long_line: bool = False
    """4000 characters before the line end comes."""
    late_ms: float = 0.0
    lens_bad: bool = False
    """The device reports its own defect with the flag LensBad."""
    next_n: int | None = None
    babble: bytes = b""

    def used(self) -> None:
        """Count one line against ``next_n``; the last one clears the knobs."""
        if self.next_n is None:
            return
        self.next_n -= 1
        if self.next_n <= 0:
            self.clear()

    def clear(self) -> None:
        """Everything off except ``babble``."""
        for each in fields(self):
            if each.name != "babble":
                setattr(self, each.name, getattr(AsciiFaults(), each.name))


def assign(faults: Faults | AsciiFaults, values: Mapping[str, object]) -> None:
    """Set knobs from JSON values: bytes as hex text, sets as lists. All or nothing.

    Raises ValueError naming the knob that is unknown or of the wrong type.
    """
    known = {each.name for each in fields(faults)}
    ready: dict[str, object] = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"no fault is called {name!r}; known: {', '.join(sorted(known))}")
        ready[name] = _converted(name, value, getattr(type(faults)(), name))
    for name, value in ready.items():
        setattr(faults, name, value)


def _converted(name: str, value: object, default: object) -> object:
    match default, value:
        case bytes(), str():
            return bytes.fromhex(value)
        case set(), list() if all(isinstance(each, int) for each in value):
            return set(cast("list[int]", value))
        case bool(), bool():
            return value
        case float(), int() | float() if not isinstance(value, bool):
            return float(value)
        case None, int() | None if not isinstance(value, bool):
            return value
    raise ValueError(f"fault {name!r} cannot be {value!r}")
