"""What the simulated sensors share: registers from measurements, tips from rain."""

from __future__ import annotations

import math

from tools.twins.modbus_unit import ILLEGAL_ADDRESS, Refusal, Table, Unit
from tools.twins.world import World

ERROR_WORD = 0xFFFF


def word(value: float, step: float = 1.0) -> int:
    """A value as an unsigned register of this step, at its ends where it does not fit."""
    return ERROR_WORD if math.isnan(value) else min(max(round(value / step), 0), 0xFFFF)


def signed_word(value: float, step: float = 1.0) -> int:
    """A value as a two's complement register of this step, at its ends where it does not fit."""
    if math.isnan(value):
        return ERROR_WORD
    return min(max(round(value / step), -0x8000), 0x7FFF) & 0xFFFF


def high_word_first(value: int) -> list[int]:
    """32 bits in two registers, ABCD."""
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def low_word_first(value: int) -> list[int]:
    """32 bits in two registers, CDAB."""
    return high_word_first(value)[::-1]


class Sensor(Unit):
    """A device whose registers follow the world; writing is refused unless it says otherwise."""

    def __init__(self, world: World, turnaround_ms: float | None) -> None:
        super().__init__(
            on_read=self._on_read, on_write=self._on_write, turnaround_ms=turnaround_ms
        )
        self.world = world

    def refresh(self) -> None:
        """Put the present measurement into the registers."""

    def written(self, table: Table, address: int, values: list[int]) -> None:
        """Act on a write, or raise Refusal."""
        raise Refusal(ILLEGAL_ADDRESS)

    def _on_read(self, table: Table, address: int, count: int) -> None:
        self.refresh()

    def _on_write(self, table: Table, address: int, values: list[int]) -> None:
        self.written(table, address, values)


class TippingBucket:
    """Rain in whole tips since the last restart, from an intensity signal in mm/h."""

    def __init__(self, world: World, rain: str, tip_mm: float) -> None:
        self.tip_mm = tip_mm
        self._world = world
        self._rain = rain
        self._zero_mm = 0.0

    def tips(self, at_ns: int | None = None) -> int:
        """Tips until ``at_ns`` (now)."""
        fallen_mm = self._world.area(self._rain, at_ns) / 3600 - self._zero_mm
        # the last bit of a float must not hold back a tip that is due
        return max(0, math.floor(fallen_mm / self.tip_mm + 1e-9))

    def restart(self) -> None:
        """The counter begins at zero again, as after a power cut."""
        self._zero_mm = self._world.area(self._rain) / 3600
