"""What comparisons look at, and the band of values within which none of them changes. Pure."""

from __future__ import annotations

from enum import Enum, auto
from math import inf, nextafter

from edge.core.model import PointId
from edge.engine.conditions.truth import FALSE, TRUE, UNKNOWN, Node, Truth

MOST = 1e18
"""A value beyond this, in either direction, is no reading."""
RISING = (">=", ">")


class Scope(Enum):
    """How much a number says about the quantity that is compared."""

    EXACT = auto()
    AT_LEAST = auto()
    """It can only be larger: it may have reached a limit, but never not have reached it."""
    TRUE_ONLY = auto()
    """What it makes true is so; what it makes false may be otherwise."""
    NOTHING = auto()


EXACT, AT_LEAST, TRUE_ONLY, NOTHING = Scope.EXACT, Scope.AT_LEAST, Scope.TRUE_ONLY, Scope.NOTHING

Number = int | float


class Comparison(Node):
    """A source's number against a limit: true if ``number >= cut``, or if not, by ``rising``."""

    __slots__ = ("cut", "rising")
    passive = True

    def __init__(self, cut: Number, *, rising: bool) -> None:
        super().__init__()
        self.cut = cut
        self.rising = rising


class Source:
    """A number that changes with readings, and the comparisons that look at it.

    While ``low <= number < high`` none of them changes. ``blind``: why there is no number.
    """

    __slots__ = ("blind", "high", "leaves", "low", "number", "point", "scope")

    least: Number = -MOST
    most: Number = MOST

    def __init__(self, point: PointId) -> None:
        self.point = point
        self.leaves: list[Comparison] = []
        self.number: Number = 0
        self.low: Number = 0
        self.high: Number = 0
        self.scope = NOTHING
        self.blind: Truth | None = UNKNOWN

    def cut(self, comparison: str, limit: float) -> tuple[Number, bool]:
        """The limit as a cut: of two neighbouring numbers the upper one. And whether rising."""
        upper = comparison in (">", "<=")
        return nextafter(limit, inf) if upper else limit, comparison in RISING

    def settle(self) -> None:
        """Judge every comparison, and find the band in which that holds."""
        if self.blind is not None:
            for leaf in self.leaves:
                leaf.settle(self.blind)
            return
        number, scope, low, high = self.number, self.scope, self.least, self.most
        for leaf in self.leaves:
            cut = leaf.cut
            above = number >= cut
            if above:
                low = max(low, cut)
            else:
                high = min(high, cut)
            truth = TRUE if above is leaf.rising else FALSE
            if scope is not EXACT and (
                scope is NOTHING
                or (scope is AT_LEAST and not above)
                or (scope is TRUE_ONLY and truth is FALSE)
            ):
                truth = UNKNOWN
            leaf.settle(truth)
        self.low, self.high = low, high
