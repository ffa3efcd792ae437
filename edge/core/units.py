"""Units of measurement: a closed set, each with its dimension and its factor to the base unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """Every unit a point may have. The value is how it is written in files and on screens."""

    NONE = ""
    COUNT = "count"
    STATE = "state"
    METRE = "m"
    CENTIMETRE = "cm"
    MILLIMETRE = "mm"
    METRE_PER_SECOND = "m/s"
    MILLIMETRE_PER_SECOND = "mm/s"
    MILLIMETRE_PER_HOUR = "mm/h"
    CUBIC_METRE_PER_SECOND = "m3/s"
    CELSIUS = "degC"
    PERCENT = "%"
    PERCENT_LEL = "%LEL"
    PERCENT_VOLUME = "%vol"
    PPM = "ppm"
    PPB = "ppb"
    MG_PER_M3 = "mg/m3"
    UG_PER_M3 = "ug/m3"
    PASCAL = "Pa"
    HECTOPASCAL = "hPa"
    KILOPASCAL = "kPa"
    DEGREE = "deg"
    VOLT = "V"
    MILLIVOLT = "mV"
    AMPERE = "A"
    MILLIAMPERE = "mA"
    WATT = "W"
    WATT_HOUR = "Wh"
    KILOWATT_HOUR = "kWh"
    HERTZ = "Hz"
    DBM = "dBm"
    DECIBEL = "dB"
    LUX = "lux"
    WATT_PER_M2 = "W/m2"
    MICROSIEMENS_PER_CM = "uS/cm"
    MG_PER_LITRE = "mg/L"
    NTU = "NTU"
    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"


# dimension name and factor to the dimension's base unit; a unit that is absent here stands alone.
_SCALE: dict[Unit, tuple[str, float]] = {
    Unit.METRE: ("length", 1.0),
    Unit.CENTIMETRE: ("length", 1e-2),
    Unit.MILLIMETRE: ("length", 1e-3),
    Unit.METRE_PER_SECOND: ("speed", 1.0),
    Unit.MILLIMETRE_PER_SECOND: ("speed", 1e-3),
    Unit.PPM: ("volume fraction", 1e-6),
    Unit.PPB: ("volume fraction", 1e-9),
    Unit.PERCENT_VOLUME: ("volume fraction", 1e-2),
    Unit.MG_PER_M3: ("mass concentration", 1e-6),
    Unit.UG_PER_M3: ("mass concentration", 1e-9),
    Unit.PASCAL: ("pressure", 1.0),
    Unit.HECTOPASCAL: ("pressure", 1e2),
    Unit.KILOPASCAL: ("pressure", 1e3),
    Unit.VOLT: ("voltage", 1.0),
    Unit.MILLIVOLT: ("voltage", 1e-3),
    Unit.AMPERE: ("current", 1.0),
    Unit.MILLIAMPERE: ("current", 1e-3),
    Unit.WATT_HOUR: ("energy", 1.0),
    Unit.KILOWATT_HOUR: ("energy", 1e3),
    Unit.SECOND: ("time", 1.0),
    Unit.MINUTE: ("time", 60.0),
    Unit.HOUR: ("time", 3600.0),
}


class UnitMismatch(ValueError):
    """The two units measure different things."""

    def __init__(self, found: Unit, wanted: Unit) -> None:
        super().__init__(f"{found.value!r} cannot be converted to {wanted.value!r}")
        self.found = found
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, as written in a site file: ``3.20 m``."""

    value: float
    unit: Unit

    def to(self, unit: Unit) -> float:
        """The number in another unit of the same dimension. Raises UnitMismatch."""
        return convert(self.value, self.unit, unit)


def dimension(unit: Unit) -> str:
    """The name of what the unit measures; units of one dimension convert into each other."""
    entry = _SCALE.get(unit)
    return entry[0] if entry else unit.value


def convert(value: float, unit: Unit, wanted: Unit) -> float:
    """Convert between units of one dimension. Raises UnitMismatch.

    Rounded to 12 significant digits, so that 320 cm is exactly 3.2 m.
    """
    if unit is wanted:
        return value
    here, there = _SCALE.get(unit), _SCALE.get(wanted)
    if here is None or there is None or here[0] != there[0]:
        raise UnitMismatch(unit, wanted)
    return float(f"{value * here[1] / there[1]:.12g}")


_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")
_ALIASES = {"°C": "degC", "°": "deg", "mg/m³": "mg/m3", "m³/s": "m3/s", "µg/m3": "ug/m3"}


def parse_unit(text: str) -> Unit:
    """The unit written this way. Raises ValueError with the text as its only argument."""
    return Unit(_ALIASES.get(text, text))


def parse_quantity(text: str) -> Quantity:
    """Read ``3.20 m`` or ``10 ppm``.

    Raises ValueError if it is no number, or the unit is unknown.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return Quantity(float(match[1]), parse_unit(match[2]))
