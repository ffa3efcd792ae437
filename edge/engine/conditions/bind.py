"""From a written tree to what it says of a site's points: resolved, in stored units. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edge.core.model import Level, PointId, Quality
from edge.core.units import Unit
from edge.engine.conditions import tree, written
from edge.engine.conditions.measures import (
    Measure,
    date_of,
    is_always,
    is_never,
    length_ns,
    measure_of,
    minute_of,
    range_of,
    text_of,
    units_for,
    value_in,
)
from edge.engine.conditions.tree import Function
from edge.engine.conditions.written import Mistake, Mistaken, Word

MAX_REPEATED = 100
"""Readings that ``for n of m readings`` may look back at."""

LEAST_WINDOW_S = 1

QUALITIES: Mapping[str, Quality] = {each.value.replace(" ", "-"): each for each in Quality}
"""Qualities as they are written in conditions."""

_RISING = (">=", ">")
_T = TypeVar("_T")


class Known(Protocol):
    """A point that exists; ``low`` and ``high`` None: it ranges without end."""

    @property
    def unit(self) -> Unit: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may refer to.

    ``point`` gives a point by its id, or None. ``selectors`` has the names of each one's choices;
    without any name, whatever is picked is right. None: nothing may be picked here.
    """

    point: Callable[[str], Known | None]
    selectors: Mapping[str, Sequence[str]] | None = field(default_factory=dict)


def bind_level(level: Level, text: written.WrittenLevel, scope: Scope) -> tree.LevelCondition:
    """What a level's text says. Raises Mistaken with all mistakes."""
    binder = _Binder(scope)
    raises = binder.expression(text.raises)
    clears = binder.expression(text.clears) if text.clears is not None else None
    if raises is not None and clears is not None and text.clears is not None:
        binder.check_overlap(raises, clears, text.clears)
    if raises is None or binder.mistakes:
        raise binder.mistaken()
    return tree.LevelCondition(level, raises, clears)


def bind_choice(text: written.WrittenLevel, scope: Scope) -> tree.Expression:
    """What a selector's text says: nothing to clear, nothing picked. Raises Mistaken with all."""
    binder = _Binder(Scope(scope.point, None))
    found = binder.expression(text.raises)
    if text.clears is not None:
        at = text.text.index("clear", _last(text.raises).end)
        binder.mistakes.append(Mistake("nothing-clears", written.Spot(at, at + 5)))
    if found is None or binder.mistakes:
        raise binder.mistaken()
    return found


def plain(expression: tree.Expression) -> tree.Compare | None:
    """The one comparison of an expression that holds or repeats nothing else."""
    while isinstance(expression, tree.Held | tree.Repeated):
        expression = expression.part
    return expression if isinstance(expression, tree.Compare) else None


def overlap(raises: tree.Compare, clears: tree.Compare) -> bool:
    """Whether one value could both raise and clear; only of comparisons with the same source."""
    if not isinstance(raises.limit, float) or not isinstance(clears.limit, float):
        return False
    up = raises.comparison in _RISING
    if up == (clears.comparison in _RISING):
        return True
    gap = raises.limit - clears.limit if up else clears.limit - raises.limit
    both = "=" in raises.comparison and "=" in clears.comparison
    return gap < 0 or (gap == 0 and both)


def _last(part: written.Written) -> written.Spot:
    """Where the last word of a part is, or one near it."""
    match part:
        case written.AllOf(parts) | written.AnyOf(parts) | written.Ballot(_, parts):
            return _last(parts[-1])
        case written.Negation(inner):
            return _last(inner)
        case written.Repetition(_, needed, of):
            return (of or needed).spot
        case written.Holding(_, last) | written.Comparison(_, _, last):
            return last.spot
        case written.Sighting(_, _, _, age):
            return age.spot
        case written.Gone(word) | written.Judged(_, word):
            return word.spot
        case written.Dates(_, word) | written.Hours(_, word):
            return word.spot


class _Binder:
    """Collects the mistakes of one text; what is wrong gives None."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.mistakes: list[Mistake] = []

    def expression(self, part: written.Written) -> tree.Expression | None:
        match part:
            case written.Comparison():
                return self._comparison(part)
            case written.AllOf(parts) | written.AnyOf(parts):
                kind = tree.All if isinstance(part, written.AllOf) else tree.AnyOf
                found = self._parts(parts)
                return kind(found) if found is not None else None
            case written.Negation(inner):
                bound = self.expression(inner)
                return tree.Not(bound) if bound is not None else None
            case written.Ballot(needed, parts):
                found = self._parts(parts)
                count = self._count(needed, len(parts))
                return tree.Votes(count, found) if found is not None and count else None
            case written.Holding(inner, duration):
                bound, hold_ns = self.expression(inner), self._length(duration)
                return tree.Held(bound, hold_ns) if bound is not None and hold_ns else None
            case written.Repetition():
                return self._repetition(part)
            case written.Sighting():
                return self._sighting(part)
            case _:
                return self._fact(part)

    def check_overlap(
        self, raises: tree.Expression, clears: tree.Expression, text: written.Written
    ) -> None:
        """A reading that both raises and clears would make the level flutter."""
        above, below = plain(raises), plain(clears)
        if above is None or below is None or above.source != below.source:
            return
        if overlap(above, below):
            self._note("clear-overlap", _last(text))

    def mistaken(self) -> Mistaken:
        """All mistakes in the order of the text."""
        return Mistaken(*sorted(self.mistakes, key=lambda each: each.spot.at))

    # -- parts --------------------------------------------------------------------------------

    def _parts(self, parts: Sequence[written.Written]) -> tuple[tree.Expression, ...] | None:
        bound = [self.expression(each) for each in parts]
        found = tuple(each for each in bound if each is not None)
        return found if len(found) == len(bound) else None

    def _repetition(self, part: written.Repetition) -> tree.Expression | None:
        bound = self.expression(part.part)
        of = self._count(part.of or part.needed, MAX_REPEATED)
        needed = self._count(part.needed, of) if part.of is not None and of else of
        if bound is None or not of or not needed:
            return None
        if not isinstance(bound, tree.Compare):
            self._note("not-repeatable", part.needed.spot)
            return None
        return tree.Repeated(bound, needed, of)

    def _fact(
        self, part: written.Gone | written.Judged | written.Dates | written.Hours
    ) -> tree.Expression | None:
        match part:
            case written.Gone(point):
                return tree.Lost(PointId(point.text)) if self._point(point) else None
            case written.Judged(point, quality):
                known, judged = self._point(point), QUALITIES.get(quality.text)
                if judged is None:
                    self._note("not-one-of", quality.spot, quality.text, tuple(QUALITIES))
                if known is None or judged is None:
                    return None
                return tree.HasQuality(PointId(point.text), judged)
            case written.Dates(begin, end):
                first, last = self._take(lambda: date_of(begin)), self._take(lambda: date_of(end))
                return tree.DuringDates(first, last) if first and last else None
            case written.Hours(begin, end):
                since, until = (
                    self._take(lambda: minute_of(begin)),
                    self._take(lambda: minute_of(end)),
                )
                if since is None or until is None:
                    return None
                if since == until:
                    self._note("no-hours", end.spot, end.text)
                    return None
                return tree.DuringHours(since, until)

    def _sighting(self, part: written.Sighting) -> tree.Expression | None:
        known, age_ns = self._point(part.point), self._length(part.age)
        if known is None:
            return None
        limit = self._limit(part.limit, None, known, part.comparison, part.point.text)
        if limit is None or not age_ns:
            return None
        return tree.Seen(PointId(part.point.text), part.comparison, limit, age_ns)

    # -- comparisons --------------------------------------------------------------------------

    def _comparison(self, part: written.Comparison) -> tree.Expression | None:
        known = self._point(part.source.point)
        function: Function | None = None
        source: tree.Source | None = tree.Value(PointId(part.source.point.text))
        what = part.source.point.text
        if isinstance(part.source, written.Call):
            function = Function(part.source.function.text)
            source = self._window(part.source, function, known)
            what = f"{function.value}({what})"
        if known is None:
            return None
        limit: float | tree.Pick | None
        if isinstance(part.limit, written.Picked):
            limit = self._pick(part.limit, function, known, part.comparison, what)
        else:
            limit = self._limit(part.limit, function, known, part.comparison, what)
        if source is None or limit is None:
            return None
        return tree.Compare(source, part.comparison, limit)

    def _window(
        self, call: written.Call, function: Function, known: Known | None
    ) -> tree.Window | None:
        length, velocity = 0, 0.0
        if call.arguments:
            length = self._length(call.arguments[-1], least_s=LEAST_WINDOW_S) or 0
        if known is None:
            return None
        if units := units_for(function, known.unit):
            told = {"function": function.value, "unit": Measure(known.unit)}
            allowed = tuple(each.value for each in units if each.value)
            self._note("not-of-unit", call.point.spot, call.point.text, allowed, told)
            return None
        if function is Function.TANGENT:
            amount = call.arguments[0]
            measure = Measure(known.unit, per_time=True)
            velocity = self._take(lambda: value_in(amount, measure, call.point.text)) or 0.0
            if velocity < 0 or (velocity == 0 and not self.mistakes):
                self._note("out-of-range", amount.spot, text_of(amount), ("> 0",))
        return tree.Window(function, PointId(call.point.text), length, velocity)

    def _limit(
        self,
        amount: written.Amount,
        function: Function | None,
        known: Known,
        comparison: str,
        what: str,
    ) -> float | None:
        """The limit in the unit of the source; None and a mistake if it decides nothing."""
        if function is not None and units_for(function, known.unit):
            return None  # noted at the function
        measure = measure_of(function, known.unit)
        limit = self._take(lambda: value_in(amount, measure, what))
        if limit is None:
            return None
        low, high = range_of(function, known.low, known.high)
        code = ""
        if is_never(comparison, limit, low, high):
            code = "never-reached"
        elif is_always(comparison, limit, low, high):
            code = "always-true"
        if not code:
            return limit
        allowed = f"{low:g} … {high:g} {measure.unit.value}".rstrip()
        self._note(code, amount.spot, text_of(amount), (allowed,), {"comparison": comparison})
        return None

    def _pick(
        self,
        picked: written.Picked,
        function: Function | None,
        known: Known,
        comparison: str,
        what: str,
    ) -> tree.Pick | None:
        before = len(self.mistakes)
        self._check_names(picked)
        limits = [
            (name.text, self._limit(amount, function, known, comparison, what))
            for name, amount in picked.choices
        ]
        found = tuple((name, limit) for name, limit in limits if limit is not None)
        if len(self.mistakes) > before or len(found) < len(limits):
            return None
        return tree.Pick(picked.selector.text, found)

    def _check_names(self, picked: written.Picked) -> None:
        """Every choice of the selector has one amount."""
        selectors, selector = self._scope.selectors, picked.selector
        if selectors is None:
            self._note("nothing-picked", selector.spot, selector.text)
            return
        if selector.text not in selectors:
            self._note("no-selector", selector.spot, selector.text, tuple(selectors))
            return
        names = tuple(dict.fromkeys(selectors[selector.text]))
        given: set[str] = set()
        for name, _ in picked.choices:
            if name.text in given:
                self._note("picked-twice", name.spot, name.text)
            elif names and name.text not in names:
                self._note("no-choice", name.spot, name.text, names)
            given.add(name.text)
        missing = [name for name in names if name not in given]
        # a name nobody knows most likely is the missing one
        if missing and given <= set(names):
            told = {"selector": selector.text}
            self._note("choice-missing", picked.spot, ", ".join(missing), names, told)

    # -- words --------------------------------------------------------------------------------

    def _point(self, word: Word) -> Known | None:
        known = self._scope.point(word.text)
        if known is None:
            self._note("no-point", word.spot, word.text)
        return known

    def _length(self, amount: written.Amount, *, least_s: int = 0) -> int | None:
        return self._take(lambda: length_ns(amount, least_s=least_s))

    def _count(self, word: Word, most: int) -> int | None:
        if word.text.isdecimal() and len(word.text) <= 6 and 1 <= int(word.text) <= most:
            return int(word.text)
        self._note("out-of-range", word.spot, word.text, (f"1 … {most}",))
        return None

    def _take(self, read: Callable[[], _T]) -> _T | None:
        """What a reader gives, or None and its mistakes."""
        try:
            return read()
        except Mistaken as mistaken:
            self.mistakes += mistaken.mistakes
            return None

    def _note(
        self,
        code: str,
        spot: written.Spot,
        found: str = "",
        allowed: tuple[str, ...] = (),
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        self.mistakes.append(Mistake(code, spot, found, allowed, (), arguments or {}))
