"""What is remembered of one point: its newest reading, its losses, and its windows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import floor

from edge.core.instant import Instant, Utc
from edge.core.model import Point, Quality, Sample
from edge.engine.conditions.increments import Increments
from edge.engine.conditions.nodes import HeldNode, RepeatedNode
from edge.engine.conditions.presence import Presence, SeenNode
from edge.engine.conditions.sources import EXACT, Source
from edge.engine.conditions.trends import RateWindow, RobustRateWindow
from edge.engine.conditions.truth import LOST, UNKNOWN, Node
from edge.engine.conditions.windows import FINER_DIGITS, Window

LOST_AFTER = 3
"""Consecutive bad samples after which a sensor is lost, if its line does not say so before: one
garbled frame must neither raise nor clear."""

OF_TOTALS = (RateWindow, RobustRateWindow)
"""Of a counter these look at what it has grown by in all, the others at each increment."""

Take = Callable[[int, int], bool]


class Track(Source):
    """The newest reading of a point, as a source of comparisons, and all that depends on it.

    ``busy`` counts the reasons why the next reading needs more than a look at the bands: one is
    that the last was bad (``awry``), the others are nodes that count readings.
    """

    __slots__ = (
        "awry",
        "bad",
        "busy",
        "factor",
        "good_at",
        "held",
        "increments",
        "newest",
        "nodes",
        "of",
        "on_readings",
        "on_totals",
        "presences",
        "repeated",
        "scale",
        "seen",
        "windows",
    )

    def __init__(self, of: Point) -> None:
        super().__init__(of.id)
        self.scope = EXACT
        self.of = of
        self.scale = 10 ** (of.decimals + FINER_DIGITS)
        self.factor = float(self.scale)
        self.newest: tuple[float | None, Quality, Instant, Utc] | None = None
        self.bad = 0
        self.awry = True
        self.busy = 1
        self.good_at = 0
        self.increments: Increments | None = None
        self.windows: tuple[Window, ...] = ()
        self.on_readings: tuple[Take, ...] = ()
        self.on_totals: tuple[Take, ...] = ()
        self.held: tuple[HeldNode, ...] = ()
        self.repeated: tuple[RepeatedNode, ...] = ()
        self.presences: tuple[Presence, ...] = ()
        self.seen: tuple[SeenNode, ...] = ()
        self.nodes: tuple[Node, ...] = ()

    def look(self, windows: Iterable[Window]) -> None:
        """These windows take every good reading of the point."""
        self.windows = tuple(windows)
        totals = OF_TOTALS if self.increments is not None else ()
        self.on_totals = tuple(each.take for each in self.windows if isinstance(each, totals))
        self.on_readings = tuple(each.take for each in self.windows if not isinstance(each, totals))

    @property
    def lost(self) -> bool:
        """Whether the sensor counts as lost."""
        return self.bad >= LOST_AFTER

    def sample(self) -> Sample | None:
        """The newest reading."""
        if self.newest is None:
            return None
        value, quality, at, utc = self.newest
        return Sample(self.of.id, value, self.of.unit, quality, at, utc)

    def observe(self, value: float, at: int) -> bool:
        """A good reading, for the windows; whether a comparison may have changed."""
        reading = floor(value * self.factor + 0.5)
        if self.increments is not None:
            return self._count(self.increments, reading, at)
        moved = False
        for take in self.on_readings:
            if take(reading, at):
                moved = True
        return moved

    def _count(self, increments: Increments, total: int, at: int) -> bool:
        moved = False
        grown = increments.step(total)
        if grown is None:
            for window in self.windows:
                window.begin(at)
        for take in self.on_totals:
            if take(increments.total, at):
                moved = True
        if grown is not None:
            for take in self.on_readings:
                if take(grown, at):
                    moved = True
        return moved

    def take(self, value: float, at: Instant, utc: Utc) -> None:
        """A good reading, with everything that may follow from it."""
        if self.awry:
            self._resume(at)
        self.newest = (value, Quality.GOOD, at, utc)
        if self.windows:
            self.observe(value, at)
        self.compare()
        for presence in self.presences:
            presence.appear(value, Quality.GOOD, at, lost=False)

    def compare(self) -> None:
        """Judge every comparison with the point and its windows; this reading counts."""
        self.settle()
        for window in self.windows:
            window.settle()
        for held in self.held:
            if held.pending:
                held.stale = True
        for repeated in self.repeated:
            repeated.enters = repeated.stale = True

    def miss(self, value: float | None, quality: Quality, at: Instant, utc: Utc) -> None:
        """A bad reading: what is compared becomes unknown, and in the end lost."""
        if not self.awry:
            self.awry = True
            self.busy += 1
            self.good_at = at if self.newest is None else self.newest[2]
        self.newest = (value, quality, at, utc)
        self.bad += 1
        if quality is Quality.LOST:
            self.bad = max(self.bad, LOST_AFTER)
        blind = LOST if self.lost else UNKNOWN
        if blind is not self.blind:
            self.blind = blind
            for window in self.windows:
                window.blind = blind
        self.compare()
        for presence in self.presences:
            presence.appear(value, quality, at, lost=self.lost)

    def settle(self) -> None:
        """See Source.settle: the number is that of the newest reading."""
        if self.blind is None and self.newest is not None and self.newest[0] is not None:
            self.number = self.newest[0]
        super().settle()

    def _resume(self, at: int) -> None:
        self.awry = False
        self.busy -= 1
        self.blind = None
        for window in self.windows:
            window.blind = None
            if self.lost and self.increments is None and window.since is not None:
                window.resume(at - self.good_at, at)
        self.bad = 0

    def go_on(self, old: Track) -> None:
        """Continue where the same point stood under another configuration; see RuleSet.take_over.

        The next reading is looked at in full.
        """
        self.newest, self.bad, self.blind = old.newest, old.bad, old.blind
        self.good_at = old.good_at
        if not old.awry and old.newest is not None:
            self.good_at = old.newest[2]
        if self.increments is not None and old.increments is not None:
            self.increments.go_on(old.increments)
