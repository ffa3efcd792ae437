"""How the parts of a back-test are said to people."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.analysis.backtest.draw import Captions
from edge.analysis.backtest.model import Span
from edge.analysis.backtest.score import Score
from edge.cli.lengths import NOTHING, length
from edge.core.model import Level
from edge.locale import text


def moment(at_ms: int, zone: ZoneInfo) -> str:
    """A time in the site's zone, to the minute."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M")


def day(at_ms: int, zone: ZoneInfo, span: Span) -> str:
    """A time for an axis: the date, and the time of the day if the record is short."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return local.strftime("%m-%d %H:%M" if span.length_ms < 6 * 86_400_000 else "%Y-%m-%d")


def lead(ms: float | None) -> str:
    """How long before the event, or after its begin."""
    if ms is None:
        return NOTHING
    return text("backtest.before" if ms >= 0 else "backtest.after", length=length(ms))


def share(part: float | None) -> str:
    """A part of 1 as percent."""
    return NOTHING if part is None else f"{part:.0%}" if part in (0, 1) else f"{part:.1%}"


def number(value: float | None) -> str:
    """A rate for people: two digits that mean something."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 20 or value == round(value) else f"{value:.2g}"


def level_word(level: Level) -> str:
    """A warning level by its colour."""
    return text(f"level.{level.name.lower()}")


def sentence(score: Score, name: str) -> str:
    """What a rule did at one level, for a reader in a hurry."""
    due = len(score.hits) + len(score.misses)
    words = {
        "rule": name,
        "level": level_word(score.level),
        "alarms": len(score.alarms),
        "per_year": number(score.alarms_per_year),
        "events": due,
        "hits": len(score.hits),
        "lead": lead(score.lead_ms),
        "least": lead(score.least_lead_ms),
        "false": len(score.false),
        "false_per_year": number(score.false_per_year),
    }
    if not score.judged_ms and not score.alarms:
        return text("backtest.sentence-never", **words)
    if not score.labelled:
        return text("backtest.sentence-unlabelled", **words)
    if not due:
        return text("backtest.sentence-no-event", **words)
    if not score.hits:
        return text("backtest.sentence-none", **words)
    return text("backtest.sentence", **words)


def captions(zone: ZoneInfo, span: Span) -> Captions:
    """The words of the pictures."""
    levels = {level: level_word(level) for level in Level if level}
    return Captions(
        events=text("backtest.events"),
        unknown=text("backtest.unknown"),
        levels=levels,
        false_per_year=text("backtest.axis-false"),
        lead=text("backtest.axis-lead"),
        threshold=text("backtest.threshold"),
        alarms_per_year=text("backtest.axis-alarms"),
        missed=text("backtest.missed-count", count="{count}"),
        present=text("backtest.present"),
        silent=text("backtest.silent", thresholds="{thresholds}"),
        no_events=text("backtest.no-hit"),
        stamp=lambda at_ms: day(at_ms, zone, span),
    )
