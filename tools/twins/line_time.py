"""How long characters take on an asynchronous serial line."""

from __future__ import annotations

import re
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
_FRAME = re.compile(r"([5-8])([NEO])([12])")
# Above 19200 Bd the silent interval no longer shrinks (MODBUS over Serial Line V1.02, 2.5.1.1).
_FIXED_SILENCE_NS = 1_750_000
_FIXED_SILENCE_ABOVE_BAUD = 19_200


@dataclass(frozen=True, slots=True)
class LineTime:
    """Speed and character frame of a line, as ``8N1``. ``baud`` None: characters take no time.

    Raises ValueError if the frame is not data bits 5-8, parity N/E/O, stop bits 1-2.
    """

    baud: int | None
    frame: str = "8N1"

    def __post_init__(self) -> None:
        if _FRAME.fullmatch(self.frame) is None:
            raise ValueError(f"character frame {self.frame!r}, expected something like 8N1")
        if self.baud is not None and self.baud <= 0:
            raise ValueError(f"{self.baud} Bd")

    @property
    def bits(self) -> int:
        """Bits per character: start, data, parity, stop."""
        return 1 + int(self.frame[0]) + (self.frame[1] != "N") + int(self.frame[2])

    def ns(self, characters: int) -> int:
        """Nanoseconds that this many characters occupy the line."""
        if self.baud is None:
            return 0
        return round(characters * self.bits * NS_PER_S / self.baud)

    @property
    def silence_ns(self) -> int:
        """The least pause between two Modbus RTU frames: 3.5 characters, 1.75 ms above 19200 Bd."""
        if self.baud is None:
            return 0
        if self.baud > _FIXED_SILENCE_ABOVE_BAUD:
            return _FIXED_SILENCE_NS
        return self.ns(7) // 2
