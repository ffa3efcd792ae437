"""A back-test's outcome as a report that a duty officer can read."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from edge.analysis.backtest.curve import Curve, best, undominated
from edge.analysis.backtest.draw import Lane, sweep, timeline
from edge.analysis.backtest.model import YEAR_MS, Event
from edge.analysis.backtest.score import Score, doubt_ms, only, waits
from edge.app.backtest import Report, Result
from edge.app.config.model import Site
from edge.app.config.problems import listed
from edge.cli.backtest_words import (
    captions,
    lead,
    level_word,
    moment,
    number,
    sentence,
    share,
)
from edge.cli.document import Block, Heading, Paragraph, Picture, Table
from edge.cli.lengths import NOTHING, length
from edge.core.model import Level, RuleId
from edge.locale import text

_ALARMS_SHOWN = 100
_DIFFERENCES_SHOWN = 20
_SHORT_YEARS = 1.0
_DOUBTS = ("lost", "warming", "unknown")


def title(report: Report) -> str:
    """The report's name."""
    return text("backtest.title", site=report.order.sites[0].site.name)


def blocks(report: Report) -> Iterator[Block]:
    """The whole report, the most important first."""
    zone = zone_of(report.order.sites[0])
    yield Heading(title(report), 1)
    yield Paragraph(_record(report, zone))
    for result in report.results:
        yield from _summary(report, result)
    yield from _warnings(report)
    yield Picture(timeline_svg(report))
    yield Heading(text("backtest.head-scores"))
    yield _scores(report)
    yield Paragraph(text("backtest.scores-note", reach=length(report.order.reach_ms)))
    if report.inside:
        yield Heading(text("backtest.head-events"))
        yield _events(report, zone)
    if len(report.results) > 1:
        yield from _differences(report, zone)
    if report.curves:
        yield from _sweep(report)
    yield from _doubts(report)
    yield from _answers(report)
    yield from _alarms(report, zone)
    yield from _input(report, zone)


def zone_of(site: Site) -> ZoneInfo:
    """The site's time zone, which its file was checked for."""
    return ZoneInfo(site.site.time_zone)


def rule_name(result: Result, rule: RuleId) -> str:
    """A rule's id; a shadow says so."""
    return text("backtest.shadow", rule=rule) if rule in result.shadows else rule


def timeline_svg(report: Report) -> str:
    """What was raised when."""
    zone = zone_of(report.order.sites[0])
    several = len(report.results) > 1
    lanes = [
        Lane(
            f"{rule_name(result, rule)} ({result.site.path.name})"
            if several
            else rule_name(result, rule),
            track,
        )
        for result in report.results
        for rule, track in result.tracks.items()
    ]
    words = captions(zone, report.span)
    return timeline(lanes, report.inside, report.span, words, title=title(report))


def sweep_svg(report: Report) -> str:
    """Lead time against false alarms, per threshold."""
    zone = zone_of(report.order.sites[0])
    return sweep(report.curves, captions(zone, report.span), title=_sweep_title(report))


def _record(report: Report, zone: ZoneInfo) -> str:
    span = report.span
    return text(
        "backtest.record",
        begin=moment(span.begin_ms, zone),
        end=moment(span.end_ms, zone),
        zone=zone.key,
        length=length(span.length_ms),
        fed=report.results[0].fed,
        events=len(report.inside),
    )


def _summary(report: Report, result: Result) -> Iterator[Block]:
    if len(report.results) > 1:
        yield Paragraph(f"{result.site.path.name}:")
    for score in result.scores:
        first = next(each for each in result.scores if each.rule == score.rule)
        last = [each for each in result.scores if each.rule == score.rule][-1]
        if score in (first, last):
            yield Paragraph(sentence(score, rule_name(result, score.rule)), strong=True)


def _warnings(report: Report) -> Iterator[Block]:
    for result in report.results:
        for rule, points in result.unfed.items():
            yield Paragraph(
                text("backtest.unfed", rule=rule, points=listed(points), file=result.site.path.name)
            )
        for rule, track in result.tracks.items():
            if track.left_out:
                yield Paragraph(text("backtest.left-out", rule=rule, count=track.left_out))
    if report.span.length_ms < _SHORT_YEARS * YEAR_MS:
        yield Paragraph(text("backtest.short", length=length(report.span.length_ms)))
    if report.outside:
        yield Paragraph(
            text(
                "backtest.outside",
                count=len(report.outside),
                labels=listed(event.label for event in report.outside),
            )
        )


def _scores(report: Report) -> Table:
    several = len(report.results) > 1
    keys = ("rule", "level", "alarms", "per-year", "in-alarm", "hits", "misses", "false",
            "false-per-year", "detection", "false-ratio", "lead", "least-lead")  # fmt: skip
    head = tuple(text(f"backtest.{key}") for key in keys)
    rows = []
    pairs = [(result, score) for result in report.results for score in result.scores]
    # the levels of two files beside each other
    places: dict[tuple[RuleId, Level], int] = {}
    for _, score in pairs:
        places.setdefault((score.rule, score.level), len(places))
    pairs.sort(key=lambda pair: places[pair[1].rule, pair[1].level])
    for result, score in pairs:
        cells = _score_cells(result, score)
        rows.append((result.site.path.name, *cells) if several else cells)
    return Table((text("backtest.file"), *head) if several else head, tuple(rows))


def _score_cells(result: Result, score: Score) -> tuple[str, ...]:
    part = score.alarm_ms / score.span.length_ms if score.span.length_ms else None
    labelled = score.labelled
    return (
        rule_name(result, score.rule),
        level_word(score.level),
        str(len(score.alarms)),
        number(score.alarms_per_year),
        f"{length(score.alarm_ms)} ({share(part)})",
        str(len(score.hits)) if labelled else NOTHING,
        str(len(score.misses)) if labelled else NOTHING,
        str(len(score.false)) if labelled else NOTHING,
        number(score.false_per_year),
        share(score.detection),
        share(score.false_ratio),
        lead(score.lead_ms),
        lead(score.least_lead_ms),
    )


def _events(report: Report, zone: ZoneInfo) -> Table:
    """A row per event, a column per rule: the highest level that warned of it, and how early."""
    several = len(report.results) > 1
    columns = [(result, rule) for result in report.results for rule in result.tracks]
    head = tuple(
        f"{rule_name(result, rule)} ({result.site.path.name})" if several
        else rule_name(result, rule)
        for result, rule in columns
    )  # fmt: skip
    rows = tuple(
        (
            moment(event.span.begin_ms, zone),
            event.label,
            level_word(event.level) if event.level is not None else NOTHING,
            *(_warned(result, rule, event) for result, rule in columns),
        )
        for event in report.inside
    )
    keys = ("begin", "label", "level")
    return Table((*(text(f"backtest.{key}") for key in keys), *head), rows)


def _warned(result: Result, rule: RuleId, event: Event) -> str:
    due = [s for s in result.scores if s.rule == rule and event.concerns(rule, s.level)]
    if not due:
        return NOTHING
    hits = [(score.level, hit.lead_ms) for score in due for hit in score.hits if hit.event == event]
    if not hits:
        return text("backtest.missed")
    return ", ".join(f"{level_word(level)} {lead(lead_ms)}" for level, lead_ms in hits)


def _differences(report: Report, zone: ZoneInfo) -> Iterator[Block]:
    """Alarms that only one of the two files would have raised."""
    yield Heading(text("backtest.head-differences"))
    rows: list[tuple[int, tuple[str, ...]]] = []
    one, other = report.results[:2]
    for here, there in ((one, other), (other, one)):
        scores = {(score.rule, score.level): score for score in there.scores}
        for score in here.scores:
            rival = scores.get((score.rule, score.level))
            if rival is None:
                continue
            for span in only(score, rival):
                cells = (
                    moment(span.begin_ms, zone), length(span.length_ms), score.rule,
                    level_word(score.level), here.site.path.name,
                )  # fmt: skip
                rows.append((span.begin_ms, cells))
    if not rows:
        yield Paragraph(text("backtest.no-difference"))
        return
    rows.sort(key=lambda row: row[0])
    keys = ("begin", "lasted", "rule", "level", "only-file")
    head = tuple(text(f"backtest.{key}") for key in keys)
    yield Table(head, tuple(cells for _, cells in rows[:_DIFFERENCES_SHOWN]))
    if len(rows) > _DIFFERENCES_SHOWN:
        yield Paragraph(text("backtest.more", count=len(rows) - _DIFFERENCES_SHOWN))


def _sweep_title(report: Report) -> str:
    order = report.order.sweep
    if order is None:
        return ""
    return text("backtest.head-sweep", rule=order.rule, level=level_word(order.level))


def _sweep(report: Report) -> Iterator[Block]:
    yield Heading(_sweep_title(report))
    yield Picture(sweep_svg(report))
    for curve in report.curves:
        if len(report.curves) > 1:
            yield Paragraph(curve.name)
        yield sweep_table(curve)
        choice = best(curve.choices)
        if choice is None and curve.choices and curve.choices[0].score.labelled:
            yield Paragraph(text("backtest.no-hit"), strong=True)
        if choice is not None:
            score = choice.score
            yield Paragraph(
                text(
                    "backtest.best", threshold=choice.words, misses=len(score.misses),
                    false_per_year=number(score.false_per_year), lead=lead(score.lead_ms),
                ),
                strong=True,
            )  # fmt: skip
    yield Paragraph(text("backtest.sweep-note"))


def sweep_table(curve: Curve) -> Table:
    """A row per threshold; the choices that no other one beats are marked."""
    good = undominated(curve.choices)
    keys = ("threshold", "alarms", "per-year", "hits", "misses", "false", "false-per-year",
            "lead", "least-lead", "in-alarm", "remark")  # fmt: skip
    rows = []
    for choice in curve.choices:
        score = choice.score
        labelled = score.labelled
        remarks = [text("backtest.present")] if choice.present else []
        remarks += [text("backtest.undominated")] if choice in good else []
        rows.append(
            (
                choice.words,
                str(len(score.alarms)),
                number(score.alarms_per_year),
                str(len(score.hits)) if labelled else NOTHING,
                str(len(score.misses)) if labelled else NOTHING,
                str(len(score.false)) if labelled else NOTHING,
                number(score.false_per_year),
                lead(score.lead_ms),
                lead(score.least_lead_ms),
                length(score.alarm_ms),
                listed(remarks),
            )
        )
    return Table(tuple(text(f"backtest.{key}") for key in keys), tuple(rows))


def _doubts(report: Report) -> Iterator[Block]:
    rows = [
        (
            rule_name(result, rule),
            *(length(doubt_ms(track, why)) for why in _DOUBTS),
            share(doubt_ms(track) / report.span.length_ms if report.span.length_ms else None),
        )
        for result in report.results
        for rule, track in result.tracks.items()
        if track.doubts
    ]
    if rows:
        yield Heading(text("backtest.head-doubts"))
        keys = ("rule", *(f"doubt-{why}" for why in _DOUBTS), "share")
        yield Table(tuple(text(f"backtest.{key}") for key in keys), tuple(rows))


def _answers(report: Report) -> Iterator[Block]:
    if report.answers:
        yield Heading(text("backtest.head-answers"))
        keys = ("level", "answered", "median-wait", "longest-wait")
        rows = tuple(
            (level_word(each.level), str(each.count), length(each.median_ms), length(each.most_ms))
            for each in waits(report.answers)
        )
        yield Table(tuple(text(f"backtest.{key}") for key in keys), rows)


def _alarms(report: Report, zone: ZoneInfo) -> Iterator[Block]:
    """Every time a rule left normal, with the highest level it reached."""
    rows: list[tuple[int, tuple[str, ...]]] = []
    for result in report.results:
        for rule, track in result.tracks.items():
            for span in track.spans(Level.BLUE, report.span.end_ms):
                highest = max(
                    level for at_ms, level in track.changes
                    if span.begin_ms <= at_ms < max(span.end_ms, span.begin_ms + 1)
                )  # fmt: skip
                cells = (
                    moment(span.begin_ms, zone), length(span.length_ms), rule_name(result, rule),
                    level_word(highest),
                )  # fmt: skip
                files = (result.site.path.name,) if len(report.results) > 1 else ()
                rows.append((span.begin_ms, (*cells, *files)))
    yield Heading(text("backtest.head-alarms"))
    if not rows:
        yield Paragraph(text("backtest.no-alarm"))
        return
    rows.sort(key=lambda row: row[0])
    keys = ["begin", "lasted", "rule", "highest"] + ["file"] * (len(report.results) > 1)
    head = tuple(text(f"backtest.{key}") for key in keys)
    yield Table(head, tuple(cells for _, cells in rows[-_ALARMS_SHOWN:]))
    if len(rows) > _ALARMS_SHOWN:
        yield Paragraph(text("backtest.earlier", count=len(rows) - _ALARMS_SHOWN))


def _input(report: Report, zone: ZoneInfo) -> Iterator[Block]:
    intake = report.intake
    yield Heading(text("backtest.head-input"))
    rows = tuple(
        (
            series.name,
            f"{series.point}",
            str(seen.rows),
            moment(seen.first_ms, zone) if seen.rows else NOTHING,
            moment(seen.last_ms, zone) if seen.rows else NOTHING,
            length(seen.gap_ms) if seen.rows > 1 else NOTHING,
        )
        for series, seen in report.seen
    )
    keys = ("series", "point", "rows", "first", "last", "gap")
    yield Table(tuple(text(f"backtest.{key}") for key in keys), rows)
    counts = {
        "missing": intake.missing, "bad": intake.bad, "duplicates": intake.duplicates,
        "conflicts": intake.conflicts, "disordered": intake.disordered, "late": intake.late,
        "damaged": intake.damaged,
    }  # fmt: skip
    told = [
        text(f"backtest.count-{name}", count=count, first=intake.first_disorder)
        for name, count in counts.items()
        if count
    ]
    yield Paragraph(text("backtest.rows-read", rows=intake.rows))
    for words in told:
        yield Paragraph(words)
    if intake.ignored:
        names = (f"{name} ({count})" for name, count in intake.ignored.most_common())
        yield Paragraph(text("backtest.ignored", names=listed(names)))
