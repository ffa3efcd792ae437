"""Files of readings, and what came out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.mapping import Catalogue, Series, catalogue, parse_missing
from edge.app.history.opening import open_sources
from edge.app.history.source import Absent
from edge.core.model import PointId

LEVEL = PointId("river.level")
RAIN = PointId("gauge.rain")

Reading = Callable[..., tuple[list[Row], Intake]]


@pytest.fixture
def needed() -> Catalogue:
    """A site that needs a level and a rain."""
    return catalogue([], [LEVEL, RAIN])


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Write a file and read it."""

    def read_text(
        content: str | bytes,
        *,
        series: tuple[Series, ...] = (),
        missing: tuple[str, ...] = (),
        zone: str | None = None,
        name: str = "data.csv",
    ) -> tuple[list[Row], Intake]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        known = catalogue(series, [LEVEL, RAIN])
        absent = Absent(known, dict(map(parse_missing, missing)))
        where = ZoneInfo(zone) if zone else None
        intake = Intake()
        [source] = open_sources([path], known, absent, where)
        return [row for batch in source.batches(intake) for row in batch], intake

    return read_text
