"""Times and durations as people and loggers write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.core.errors import ConfigError
from edge.core.units import Unit, UnitMismatch, parse_quantity
from edge.locale import text

# 1970 to 2200: what lies outside is another unit, or no time.
_LAST_MS = 7_258_118_400_000


class NoTime(ValueError):
    """The text is no time; ``code`` is the text that says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_time(written: str, *, per_second: int, zone: ZoneInfo | None) -> int:
    """Milliseconds since 1970 UTC, of seconds (``per_second`` 1) or milliseconds (1000) since then,
    or of an ISO 8601 time; one without an offset needs the zone. Raises NoTime."""
    try:
        number = float(written)
    except ValueError:
        return _parse_iso(written, zone)
    if not math.isfinite(number):
        raise NoTime("not-a-time")
    at_ms = round(number * 1000 / per_second)
    if not 0 <= at_ms <= _LAST_MS:
        raise NoTime("time-unit")
    return at_ms


def _parse_iso(written: str, zone: ZoneInfo | None) -> int:
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        raise NoTime("not-a-time") from None
    if moment.tzinfo is None:
        if zone is None:
            raise NoTime("no-zone")
        moment = moment.replace(tzinfo=zone)
    at_ms = round(moment.astimezone(UTC).timestamp() * 1000)
    if not 0 <= at_ms <= _LAST_MS:
        raise NoTime("not-a-time")
    return at_ms


_DAYS = {"d": 86_400_000, "day": 86_400_000, "days": 86_400_000}


def parse_duration(written: str) -> int:
    """Milliseconds of ``6 h``, ``30 min``, ``2 d``. Raises ConfigError."""
    number, _, unit = written.strip().partition(" ")
    try:
        if unit.strip() in _DAYS:
            length = float(number) * _DAYS[unit.strip()]
        else:
            length = parse_quantity(written).to(Unit.SECOND) * 1000
    except (ValueError, UnitMismatch):
        length = math.nan
    if not math.isfinite(length) or length < 0:
        raise ConfigError(text("history.not-a-duration", found=written))
    return round(length)
