"""Labelled events: when something happened that should have been warned of."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.analysis.backtest.model import Event, Span
from edge.app.config.fields import LEVELS
from edge.app.config.problems import listed
from edge.app.history.times import NoTime, parse_time
from edge.app.history.wrong import unreadable, wrong
from edge.core.model import RuleId

_NEEDED = ("begin", "end", "label")
_ALLOWED = (*_NEEDED, "level", "rule")
_MOST_BYTES = 16 << 20


def read_events(path: Path, rules: Iterable[str], zone: ZoneInfo | None) -> list[Event]:
    """The events of ``begin,end,label[,level][,rule]``, by begin. Raises ConfigError."""
    known = sorted(set(rules))
    events: list[Event] = []
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise wrong(path, None, "events-too-large", allowed=_MOST_BYTES >> 20)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if not set(_NEEDED) <= set(names) or not set(names) <= set(_ALLOWED):
                raise wrong(
                    path, 1, "event-columns", found=",".join(names), allowed=",".join(_ALLOWED)
                )
            events += [_event(path, reader.line_num, row, known, zone) for row in reader]
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise wrong(path, None, "not-text") from None
    except csv.Error as error:
        raise wrong(path, None, "not-csv", reason=str(error)) from None
    if not events:
        raise wrong(path, None, "no-events")
    return sorted(events, key=lambda event: event.span)


def _event(
    path: Path, line: int, row: dict[str, str], rules: list[str], zone: ZoneInfo | None
) -> Event:
    fields = {key: (value or "").strip() for key, value in row.items() if key}
    if row.get(""):
        raise wrong(path, line, "too-many-fields")
    times = []
    for key in ("begin", "end"):
        written = fields.get(key) or fields.get("begin", "")
        try:
            times.append(parse_time(written, per_second=1, zone=zone))
        except NoTime as error:
            raise wrong(path, line, error.code, found=written) from None
    if times[1] < times[0]:
        raise wrong(path, line, "ends-before-begin", found=fields["end"])
    level, rule = fields.get("level", ""), fields.get("rule", "")
    if level and level not in LEVELS:
        raise wrong(path, line, "event-level", found=level, allowed=listed(LEVELS))
    if rule and rule not in rules:
        raise wrong(path, line, "event-rule", found=rule, allowed=listed(rules))
    return Event(
        Span(times[0], times[1]),
        fields.get("label") or text_of(times[0]),
        LEVELS[level] if level else None,
        RuleId(rule) if rule else None,
    )


def text_of(at_ms: int) -> str:
    """A name for an event that has none."""
    return f"@{at_ms // 1000}"
