"""Conditions as text again, in one canonical spelling: for status, records and audit. Pure.

Parsing and binding the text gives the same tree.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from edge.core.instant import NS_PER_S
from edge.core.model import PointId
from edge.core.units import Unit
from edge.engine.conditions import tree
from edge.engine.conditions.measures import TIMES, Measure, measure_of

UnitOf = Callable[[PointId], Unit]

_ATOMS = (tree.Compare, tree.Lost, tree.HasQuality, tree.Seen, tree.DuringDates, tree.DuringHours,
          tree.Votes)  # fmt: skip

_LONGEST_FIRST = tuple(reversed(tuple(TIMES.items())))


def show_level(level: tree.LevelCondition, unit_of: UnitOf) -> str:
    """``raises clear when clears``."""
    raises = show(level.raises, unit_of)
    if level.clears is None:
        return raises
    return f"{raises} clear when {show(level.clears, unit_of)}"


def show(expression: tree.Expression, unit_of: UnitOf) -> str:
    """An expression; every and within an or, and every or within an and, in parentheses."""
    match expression:
        case tree.All(parts):
            return " and ".join(_grouped(each, unit_of) for each in parts)
        case tree.AnyOf(parts):
            return " or ".join(_grouped(each, unit_of) for each in parts)
        case tree.Not(part):
            return f"not {_single(part, unit_of)}"
        case tree.Votes(needed, parts):
            return f"{needed} of ({', '.join(show(each, unit_of) for each in parts)})"
        case tree.Held(part, hold_ns):
            return f"{_single(part, unit_of)} for {_length(hold_ns)}"
        case tree.Repeated(part, needed, of):
            count = f"{needed}" if needed == of else f"{needed} of {of}"
            return f"{_single(part, unit_of)} for {count} readings"
        case _:
            return _show_atom(expression, unit_of)


def _show_atom(expression: tree.Expression, unit_of: UnitOf) -> str:
    match expression:
        case tree.Compare(source, comparison, limit):
            function = source.function if isinstance(source, tree.Window) else None
            measure = measure_of(function, unit_of(source.point))
            return f"{_source(source, unit_of)} {comparison} {_limit(limit, measure)}"
        case tree.Lost(point):
            return f"lost({point})"
        case tree.HasQuality(point, quality):
            return f"quality({point}) is {quality.value.replace(' ', '-')}"
        case tree.Seen(point, comparison, limit, age_ns):
            amount = _amount(limit, Measure(unit_of(point)))
            return f"seen({point} {comparison} {amount}, {_length(age_ns)})"
        case tree.DuringDates(begin, end):
            return f"during({begin[0]:02}-{begin[1]:02}, {end[0]:02}-{end[1]:02})"
        case tree.DuringHours(begin_min, end_min):
            return f"between({_time(begin_min)}, {_time(end_min)})"
        case _:
            raise AssertionError("show says the rest")


def _grouped(part: tree.Expression, unit_of: UnitOf) -> str:
    shown = show(part, unit_of)
    return f"({shown})" if isinstance(part, tree.All | tree.AnyOf) else shown


def _single(part: tree.Expression, unit_of: UnitOf) -> str:
    shown = show(part, unit_of)
    return shown if isinstance(part, _ATOMS) else f"({shown})"


def _source(source: tree.Source, unit_of: UnitOf) -> str:
    match source:
        case tree.Value(point):
            return point
        case tree.Window(function, point, length_ns, velocity):
            words: list[str] = [point]
            if function is tree.Function.TANGENT:
                words.append(_amount(velocity, Measure(unit_of(point), per_time=True)))
            if function is not tree.Function.DAY_SUM:
                words.append(_length(length_ns))
            return f"{function.value}({', '.join(words)})"


def _limit(limit: float | tree.Pick, measure: Measure) -> str:
    if not isinstance(limit, tree.Pick):
        return _amount(limit, measure)
    choices = (f"{name} {_amount(value, measure)}" for name, value in limit.choices)
    return f"pick({', '.join([limit.selector, *choices])})"


def _amount(value: float, measure: Measure) -> str:
    unit = measure.unit.value
    if not measure.per_time:
        return f"{_number(value)} {unit}".rstrip()
    # of the ways to write exactly this rate, the shortest; among equals the longest time
    ways = [(_number(value * seconds), time) for time, seconds in _LONGEST_FIRST]
    exact = [way for way in ways if float(way[0]) / TIMES[way[1]] == value]
    exact = exact or [(repr(value), "s")]
    number, time = min(exact, key=lambda way: len(way[0]))
    return f"{number} {unit}/{time}"


def _number(value: float) -> str:
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)


def _length(length_ns: int) -> str:
    for time, seconds in _LONGEST_FIRST:
        if length_ns % (seconds * NS_PER_S) == 0:
            return f"{length_ns // (seconds * NS_PER_S)} {time}"
    return f"{Decimal(length_ns) / NS_PER_S:f} s"


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
