"""A back-test put together: sites, recorded files, events, and a threshold to be moved."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.analysis.backtest.curve import Choice, Curve
from edge.analysis.backtest.model import Answer, Event, Intake, Row, Span, Track
from edge.analysis.backtest.order import Seen, each_once, in_order, merged
from edge.analysis.backtest.replay import Decided, Engine, Judge, Run, Slot
from edge.analysis.backtest.score import Score, covered, score
from edge.app.config.model import Site
from edge.app.config.problems import listed
from edge.app.history.journal_file import JournalFile
from edge.app.history.mapping import Catalogue, Series, catalogue, transform
from edge.app.history.opening import open_sources
from edge.app.history.source import Absent, Source
from edge.core.errors import ConfigError
from edge.core.model import Alarm, Level, PointId, Quality, RuleId
from edge.engine.bodies import alarm_body
from edge.locale import text

# Rows out of order that are too many for slips of a logger: one in so many, of at least so many.
_LATE_SHARE = 100
_LATE_ROWS = 100
# Alarms and their evidence may hold cycles after all: looked for once in about a million rows.
_COLLECT_BATCHES = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """An engine for one site, and what is asked of it beside decisions.

    ``points``: whose readings it needs. ``levels``: of each rule, those it can reach, lowest first;
    ``looks_at``: the points of its conditions. ``doubts``: the rules that cannot be judged now, and
    why. ``shadows``: rules that nobody hears.
    """

    engine: Engine
    judge: Judge
    points: frozenset[PointId]
    levels: Mapping[RuleId, tuple[Level, ...]]
    looks_at: Mapping[RuleId, frozenset[PointId]]
    doubts: Callable[[], Mapping[RuleId, str]] | None = None
    shadows: frozenset[RuleId] = frozenset()


EngineOf = Callable[[Site], Judged]


@dataclass(frozen=True, slots=True)
class Variant:
    """A site with one threshold moved. ``words``: the threshold as people write it."""

    threshold: float
    words: str
    site: Site
    present: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which rule's level is moved, and for each site what it is moved to."""

    rule: RuleId
    level: Level
    variants: tuple[tuple[Variant, ...], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be tested. ``sites``: one, or two that are compared. ``zone``: of times in files
    that have no offset. ``silence_ms``: after so long without a row a sensor is lost, unless its
    series says otherwise. ``reach_ms``: so long before an event an alarm is already of it."""

    sites: tuple[Site, ...]
    paths: tuple[Path, ...]
    series: tuple[Series, ...] = ()
    missing: Mapping[str, Quality] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    silence_ms: int | None = None
    events: tuple[Event, ...] = ()
    reach_ms: int = 86_400_000
    sweep: Sweep | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What one site made of the record. ``unfed``: points its rules need that had no rows."""

    site: Site
    tracks: Mapping[RuleId, Track]
    scores: tuple[Score, ...]
    shadows: frozenset[RuleId]
    unfed: Mapping[RuleId, tuple[PointId, ...]]
    decisions: int
    fed: int


@dataclass(frozen=True, slots=True)
class Report:
    """A back-test's outcome. ``outside``: events that the record does not cover. ``seen``: per
    series its name and how it was covered."""

    order: Order
    span: Span
    intake: Intake
    seen: tuple[tuple[Series, Seen], ...]
    results: tuple[Result, ...]
    curves: tuple[Curve, ...]
    inside: tuple[Event, ...]
    outside: tuple[Event, ...]
    answers: tuple[Answer, ...]


Progress = Callable[[float], None]


def backtest(
    order: Order,
    engine_of: EngineOf,
    *,
    decided: Decided | None = None,
    progress: Progress | None = None,
) -> Report:
    """Take the record through every site and variant, in one pass over the files.

    ``decided`` hears each decision of the first site. Raises ConfigError for what is wrong with the
    files, StoreError for a journal.
    """
    judged = [engine_of(site) for site in order.sites]
    variants = order.sweep.variants if order.sweep is not None else ()
    tried = [[(variant, engine_of(variant.site)) for variant in row] for row in variants]
    known = catalogue(order.series, {point for each in judged for point in each.points})
    sources = open_sources(order.paths, known, Absent(known, order.missing), order.zone)
    intake, passed = Intake(), _Passage(order, known, sources)
    answers = [
        answer for source in sources if isinstance(source, JournalFile)
        for answer in source.answers()
    ]  # fmt: skip
    runs = [
        passed.add(site, each, answers, decided if number == 0 else None)
        for number, (site, each) in enumerate(zip(order.sites, judged, strict=True))
    ]
    moved = [[passed.add(v.site, each, answers, None) for v, each in row] for row in tried]
    with _uncollected():
        passed.run(intake, progress)
    span = runs[0].finish()
    for run in [*runs[1:], *(run for row in moved for run in row)]:
        run.finish()
    if span is None:
        raise _nothing(known, intake)
    inside, outside = covered(order.events, span)
    results = tuple(
        _result(site, each, run, span, inside, order.reach_ms, passed.fed_points)
        for site, each, run in zip(order.sites, judged, runs, strict=True)
    )
    curves = tuple(
        _curve(order, site, row, moved_row, span, inside)
        for site, row, moved_row in zip(order.sites, variants, moved, strict=bool(variants))
        if row
    )
    seen = tuple(zip(known.series, passed.seen, strict=True))
    return Report(
        order, span, intake, seen, results, curves, tuple(inside), tuple(outside), tuple(answers)
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Rows come and go by the million and hold no cycles: looking for these costs a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def decision_line(at_ms: int, alarm: Alarm) -> str:
    """A decision as one line of JSON; the same decision is the same line, live or replayed."""
    body = {"utc_ms": at_ms, **alarm_body(alarm)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class _Passage:
    """Several runs over the same rows."""

    def __init__(self, order: Order, known: Catalogue, sources: Sequence[Source]) -> None:
        self._order = order
        self._known = known
        self._sources = sources
        self._runs: list[tuple[Site, Judged, list[Slot | None], Run]] = []
        self.seen: list[Seen] = []

    def add(
        self, site: Site, judged: Judged, answers: Sequence[Answer], decided: Decided | None
    ) -> Run:
        """One more engine. Series that come up while reading get their slots then."""
        slots: list[Slot | None] = []
        run = Run(
            judged.engine, judged.judge, slots, judged.levels, answers=answers,
            doubts=judged.doubts, decided=decided,
        )  # fmt: skip
        self._runs.append((site, judged, slots, run))
        return run

    def run(self, intake: Intake, progress: Progress | None) -> None:
        """Read everything, in order, and feed every run."""
        flows = [self._flow(source, intake) for source in self._sources]
        for number, rows in enumerate(each_once(merged(flows), self.seen, intake), start=1):
            self._extend()
            for _, _, _, run in self._runs:
                run.take(rows)
            if number % _COLLECT_BATCHES == 0:
                gc.collect()
            if progress is not None:
                progress(self._progress())
        self._complain(self._sources, intake)
        # a series of which every row was left out
        self.seen += [Seen() for _ in self._known.series[len(self.seen) :]]

    @property
    def fed_points(self) -> set[PointId]:
        """The points of which something was read."""
        return {
            series.point
            for series, seen in zip(self._known.series, self.seen, strict=True)
            if seen.rows
        }

    def _flow(self, source: Source, intake: Intake) -> Iterator[list[Row]]:
        for rows in in_order(source.batches(intake), intake):
            self._complain([source], intake)
            yield rows

    def _complain(self, sources: Sequence[Source], intake: Intake) -> None:
        if intake.late > max(_LATE_ROWS, intake.rows // _LATE_SHARE):
            raise ConfigError(
                text(
                    "history.disorder", file=listed(source.name for source in sources),
                    late=intake.late, rows=intake.rows, first=intake.first_disorder,
                ),
                hint=text("history.disorder-hint"),
            )  # fmt: skip

    def _extend(self) -> None:
        """Slots for series that have come up."""
        for site, judged, slots, run in self._runs:
            for series in self._known.series[len(slots) :]:
                slots.append(_slot(series, site, judged, self._order.silence_ms))
                run.note_slot(slots[-1])

    def _progress(self) -> float:
        total = sum(source.weight for source in self._sources) or 1
        return sum(source.progress * source.weight for source in self._sources) / total


def _slot(series: Series, site: Site, judged: Judged, silence_ms: int | None) -> Slot | None:
    point = next((each for each in site.points if each.id == series.point), None)
    button = next((each.by for each in site.acknowledges if each.point == series.point), "")
    if point is None or (point.id not in judged.points and not button):
        return None
    own_ms = series.silence_ms if series.silence_ms is not None else silence_ms
    return Slot(point.id, transform(series, point), silence_ms=own_ms, button=button)


def _result(
    site: Site, judged: Judged, run: Run, span: Span, events: Sequence[Event], reach_ms: int,
    fed: set[PointId],
) -> Result:  # fmt: skip
    scores = tuple(
        score(run.tracks[rule], level, span, events, reach_ms=reach_ms)
        for rule, levels in judged.levels.items()
        for level in levels
    )
    unfed = {
        rule: tuple(sorted(points - fed))
        for rule, points in judged.looks_at.items()
        if points - fed
    }
    return Result(site, run.tracks, scores, judged.shadows, unfed, run.decisions, run.fed)


def _curve(
    order: Order, site: Site, variants: Iterable[Variant], runs: Iterable[Run], span: Span,
    events: Sequence[Event],
) -> Curve:  # fmt: skip
    if order.sweep is None:
        raise AssertionError("there are variants only in a sweep")
    rule, level = order.sweep.rule, order.sweep.level
    choices = tuple(
        Choice(
            variant.threshold, variant.words,
            score(run.tracks[rule], level, span, events, reach_ms=order.reach_ms),
            variant.present,
        )
        for variant, run in zip(variants, runs, strict=True)
    )  # fmt: skip
    return Curve(site.path.name, choices)


def _nothing(known: Catalogue, intake: Intake) -> ConfigError:
    """No row was for any rule: say what there was, and what was wanted."""
    found = [name for name, _ in intake.ignored.most_common()]
    wanted = sorted(known.mapped)
    return ConfigError(
        text("history.nothing", found=listed(found) or "–", wanted=listed(wanted)),
        hint=text("history.map-hint", found=(found or ["…"])[0], wanted=(wanted or ["…"])[0]),
    )
