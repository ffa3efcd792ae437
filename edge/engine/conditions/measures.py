"""Amounts in the stored unit of what they are compared with, lengths of time, and ranges. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from edge.core.instant import NS_PER_S
from edge.core.units import Unit, UnitMismatch, convert, dimension, parse_unit
from edge.engine.conditions.tree import Function
from edge.engine.conditions.written import Amount, Mistake, Mistaken, Word

TIMES: Mapping[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86400}
"""Seconds of the units of time: of lengths of time, and below the line of a rate."""

MAX_LENGTH_S = 366 * 86400

SUMMABLE = (Unit.MILLIMETRE, Unit.COUNT, Unit.WATT_HOUR, Unit.KILOWATT_HOUR)
"""Units whose readings may be amounts, such as the rain since the last reading."""

_OF_AMOUNTS = (Function.SUM, Function.DAY_SUM)
_OF_NUMBERS = (
    Function.MEAN,
    Function.CHANGE,
    Function.RATE,
    Function.ROBUST_RATE,
    Function.TANGENT,
)
_RATES = (Function.RATE, Function.ROBUST_RATE)
# an angle whose tangent is finite
_STEEPEST_DEG = math.nextafter(90.0, 0.0)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Measure:
    """What an amount measures: a unit, or with ``per_time`` that unit per second."""

    unit: Unit
    per_time: bool = False


def measure_of(function: Function | None, unit: Unit) -> Measure:
    """What a function of a point's readings measures; None: the reading itself."""
    match function:
        case Function.COUNT:
            return Measure(Unit.COUNT)
        case Function.TANGENT:
            return Measure(Unit.DEGREE)
        case _:
            return Measure(unit, per_time=function in _RATES)


def units_for(function: Function, unit: Unit) -> tuple[Unit, ...]:
    """The units that a function could be applied to; empty if this one is among them."""
    if function in _OF_AMOUNTS:
        return () if unit in SUMMABLE else SUMMABLE
    if function in _OF_NUMBERS and unit is Unit.STATE:
        return tuple(each for each in Unit if each is not Unit.STATE)
    return ()


def range_of(
    function: Function | None, low: float | None, high: float | None
) -> tuple[float, float]:
    """The lowest and highest value that can come, of a point that ranges from low to high."""
    least = -math.inf if low is None else low
    most = math.inf if high is None else high
    match function:
        case None | Function.MIN | Function.MAX | Function.MEAN:
            return least, most
        case Function.CHANGE:
            return least - most, most - least
        case Function.COUNT:
            return 0.0, math.inf
        case Function.SUM | Function.DAY_SUM:
            return (0.0 if least >= 0 else -math.inf), math.inf
        case Function.TANGENT:
            return -_STEEPEST_DEG, _STEEPEST_DEG
        case _:
            return -math.inf, math.inf


def is_never(comparison: str, limit: float, low: float, high: float) -> bool:
    """Whether no value of the range makes the comparison true."""
    return {
        ">=": limit > high,
        ">": limit >= high,
        "<=": limit < low,
        "<": limit <= low,
    }[comparison]


def is_always(comparison: str, limit: float, low: float, high: float) -> bool:
    """Whether every value of the range makes the comparison true."""
    return {
        ">=": limit <= low,
        ">": limit < low,
        "<=": limit >= high,
        "<": limit > high,
    }[comparison]


def units_like(measure: Measure) -> tuple[str, ...]:
    """The units an amount may be written in."""
    units = [unit.value for unit in Unit if dimension(unit) == dimension(measure.unit)]
    if not measure.per_time:
        return tuple(units)
    return tuple(f"{unit}/{time}" for unit in units for time in TIMES)


def value_in(amount: Amount, measure: Measure, what: str) -> float:
    """The amount in the stored unit, or that unit per second. Raises Mistaken.

    ``what`` is the text of what it is compared with.
    """
    number = number_of(amount)
    allowed = units_like(measure)
    if amount.unit is None:
        if measure.unit is Unit.NONE and not measure.per_time:
            return number
        raise Mistaken(Mistake("unit-missing", amount.spot, amount.number.text, allowed))
    written = amount.unit.text
    head, line, time = written.rpartition("/")
    try:
        if measure.per_time and line and time in TIMES:
            return convert(number, parse_unit(head), measure.unit) / TIMES[time]
        unit = parse_unit(written)
        if not measure.per_time:
            return convert(number, unit, measure.unit)
        given = Measure(unit)
    except UnitMismatch as mismatch:
        given = Measure(mismatch.found, measure.per_time)
    except ValueError:
        raise Mistaken(Mistake("unknown-unit", amount.spot, text_of(amount), allowed)) from None
    told = {"dimension": given, "point": what, "wanted": measure}
    raise Mistaken(Mistake("wrong-dimension", amount.spot, text_of(amount), allowed, (), told))


def length_ns(amount: Amount, *, least_s: int = 0) -> int:
    """A length of time in whole nanoseconds, at least this long, never zero. Raises Mistaken."""
    number_of(amount)
    written = amount.unit.text if amount.unit else ""
    if written not in TIMES:
        code = "length-of-time" if written else "unit-missing"
        raise Mistaken(Mistake(code, amount.spot, text_of(amount), tuple(TIMES)))
    # exactly: a float holds no more than 104 days to the nanosecond
    seconds = Decimal(amount.number.text) * TIMES[written]
    if not max(Decimal(least_s), Decimal("1e-9")) <= seconds <= MAX_LENGTH_S:
        low = f"{least_s}" if least_s else "> 0"
        allowed = f"{low} … {MAX_LENGTH_S} s ({MAX_LENGTH_S // 86400} d)"
        raise Mistaken(Mistake("out-of-range", amount.spot, text_of(amount), (allowed,)))
    return int((seconds * NS_PER_S).to_integral_value())


def number_of(amount: Amount) -> float:
    """The number of an amount. Raises Mistaken if it is too large for one."""
    number = float(amount.number.text)
    if not math.isfinite(number):
        allowed = "-1e308 … 1e308"
        raise Mistaken(Mistake("out-of-range", amount.spot, text_of(amount), (allowed,)))
    return number


def text_of(amount: Amount) -> str:
    """The amount as written, with one space."""
    return f"{amount.number.text} {amount.unit.text if amount.unit else ''}".rstrip()


def date_of(word: Word) -> tuple[int, int]:
    """Month and day of ``05-01``; 02-29 is a day. Raises Mistaken."""
    month, day = (int(part) for part in word.text.split("-"))
    if not 1 <= month <= 12:
        raise Mistaken(Mistake("out-of-range", word.spot, word.text, ("01-01 … 12-31",)))
    if not 1 <= day <= _DAYS[month - 1]:
        allowed = f"{month:02}-01 … {month:02}-{_DAYS[month - 1]}"
        raise Mistaken(Mistake("out-of-range", word.spot, word.text, (allowed,)))
    return month, day


def minute_of(word: Word) -> int:
    """Minute of the day of ``22:00``. Raises Mistaken."""
    hour, minute = (int(part) for part in word.text.split(":"))
    if hour > 23 or minute > 59:
        raise Mistaken(Mistake("out-of-range", word.spot, word.text, ("00:00 … 23:59",)))
    return hour * 60 + minute
