"""How much later than its first telling reading a condition may become true. See docs/proof.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.engine.conditions.tracks import LOST_AFTER
from edge.engine.conditions.tree import (
    All,
    AnyOf,
    Compare,
    Condition,
    Expression,
    Function,
    HasQuality,
    Held,
    Lost,
    Not,
    Repeated,
    Votes,
    Window,
)
from edge.engine.conditions.windows import bin_ns

_RISING = (Function.SUM, Function.DAY_SUM, Function.COUNT, Function.MAX)


@dataclass(frozen=True, slots=True)
class Delay:
    """``hold_ns``: time for which it must be true; ``repeats``: further readings that must be."""

    hold_ns: int = 0
    repeats: int = 0

    def then(self, other: Delay) -> Delay:
        """One after the other."""
        return Delay(self.hold_ns + other.hold_ns, self.repeats + other.repeats)


def delay_of(condition: Condition) -> Delay:
    """Of the slowest level."""
    return _longest(_of(level.raises) for level in condition.levels)


def _of(expression: Expression) -> Delay:
    match expression:
        case Compare(Window() as window, comparison):
            return Delay(0 if _at_once(window, comparison) else bin_ns(window))
        case Held(part, hold_ns):
            return _of(part).then(Delay(hold_ns))
        case Repeated(part, needed):
            return _of(part).then(Delay(repeats=needed - 1))
        case All(parts) | AnyOf(parts) | Votes(_, parts):
            return _longest(map(_of, parts))
        case Not(part):
            return _longest((_of(part), *(_of_opposite(part))))
        case Lost() | HasQuality():
            return Delay(repeats=LOST_AFTER)
        case _:
            return Delay()


def _of_opposite(part: Expression) -> Iterable[Delay]:
    """What was at once in one direction may wait for old readings to leave in the other."""
    if isinstance(part, Compare) and isinstance(part.source, Window):
        yield Delay(bin_ns(part.source))


def _at_once(window: Window, comparison: str) -> bool:
    rising = comparison in (">=", ">")
    return window.function in _RISING if rising else window.function is Function.MIN


def _longest(delays: Iterable[Delay]) -> Delay:
    """At least as long as each of them in both parts."""
    found = list(delays)
    return Delay(
        max((each.hold_ns for each in found), default=0),
        max((each.repeats for each in found), default=0),
    )
