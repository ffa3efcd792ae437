"""A twin of any Modbus device, made from its profile alone: registers follow a world's signals.

The signals of a device are its points, ``river.level``; they hold values in the point's unit.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from edge.app.config.profile import ModbusPoint, ModbusProfile
from tools.twins.modbus_unit import Table, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.world import World

_TABLES: Final = {
    "coil": Table.COILS,
    "discrete": Table.DISCRETES,
    "holding": Table.HOLDING,
    "input": Table.INPUTS,
}
_OUTPUTS: Final = ("relay", "amplifier")


class ProfiledSensor(Unit):
    """A sensor whose registers hold what a profile says of its points, and of nothing else.

    A value of NaN is sent as the point's first error word, or as the largest word.
    """

    model = "profiled"

    def __init__(
        self, world: World, device: str, profile: ModbusProfile, turnaround_ms: float | None = None
    ) -> None:
        super().__init__(on_read=self._on_read, turnaround_ms=turnaround_ms)
        for name, table in _TABLES.items():
            self.table(table).update(dict.fromkeys(_defined(profile, name), 0))
        self._world = world
        self._points = {f"{device}.{name}": each for name, each in profile.points.items()}

    def _on_read(self, table: Table, address: int, count: int) -> None:
        """Put the present values of the points into what is asked for."""
        for signal, point in self._points.items():
            if _TABLES[point.table] is not table:
                continue
            if point.address < address + count and address < point.address + width(point):
                self._put(point, self._world.value(signal))

    def _put(self, point: ModbusPoint, value: float) -> None:
        cells = self.table(_TABLES[point.table])
        if point.type != "bit":
            cells.update(enumerate(encode(point, value), start=point.address))
        elif point.bit is None:
            cells[point.address] = int(value >= 0.5)
        else:
            mask = 1 << point.bit
            cells[point.address] = cells[point.address] & ~mask | (mask if value >= 0.5 else 0)


def _defined(profile: ModbusProfile, table: str) -> Iterator[int]:
    """The addresses of a table's points, and of gaps that may be read to bridge them."""
    end: int | None = None
    for point in sorted(profile.points.values(), key=lambda each: each.address):
        if point.table == table:
            near = end is not None and point.address - end <= profile.limits.max_gap
            yield from range(end if near and end is not None else point.address, point.address)
            end = point.address + width(point)
            yield from range(point.address, end)


def width(point: ModbusPoint) -> int:
    """How many registers, or bits of a table of bits, a point takes."""
    return 2 if point.type in ("u32", "i32", "f32") else 1


def encode(point: ModbusPoint, value: float) -> list[int]:
    """A value in the point's unit as it goes into its registers, at its type's end if beyond."""
    bits = 16 * width(point)
    if point.type == "f32":
        [raw] = struct.unpack(">I", struct.pack(">f", value))
    elif math.isnan(value):
        raw = point.error_words[0] if point.error_words else (1 << bits) - 1
    else:
        signed = point.type.startswith("i")
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        raw = min(max(round((value - point.offset) / point.scale), low), high) & ((1 << bits) - 1)
    words = [raw >> 16 & 0xFFFF, raw & 0xFFFF] if bits == 32 else [raw]
    if point.byte_order == "little":
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    return words[::-1] if point.word_order == "low_first" else words


def twin_of(world: World, device: str, profile: ModbusProfile) -> Unit:
    """The twin of a device: outputs as they are built, all else from its profile.

    It takes as long to answer as its profile allows. An amplifier's signals are ``<device>.fault``
    and ``<device>.line``.
    """
    # a microsecond less, so that rounding on the line does not make it late
    turnaround_ms = max(0.0, profile.timing.turnaround_ms - 0.001)
    match profile.device.kind:
        case "relay":
            return RelayBoard(world, turnaround_ms=turnaround_ms)
        case "amplifier":
            return Amplifier(world, signal=device, turnaround_ms=turnaround_ms)
    return ProfiledSensor(world, device, profile, turnaround_ms)


def signals_of(device: str, profile: ModbusProfile) -> Iterable[tuple[str, float]]:
    """The signals that a device's twin needs, at rest: zero, or the end of the range next to it."""
    if profile.device.kind == "amplifier":
        return [(f"{device}.fault", 0.0), (f"{device}.line", 1.0)]
    if profile.device.kind in _OUTPUTS:
        return []
    return [
        (f"{device}.{name}", 0.0 if point.type == "bit" else _nearest_zero(point))
        for name, point in profile.points.items()
    ]


def _nearest_zero(point: ModbusPoint) -> float:
    low, high = point.range
    return min(max(0.0, low), high)
