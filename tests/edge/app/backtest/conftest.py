"""A record of two places in one: a tide and a slope, as one site would have logged them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.app.config import Site, load_site

RECORDS = Path(__file__).parents[3] / "data" / "telemetry"
# The slope was logged eight years before the tide: moved to the same days.
_MOVED_S = 1_708_473_600 - 1_450_396_800
_POINTS = {"wl_m": "log.tide", "rain_tips": "log.tips", "vwc1": "log.moisture"}
_POINTS["lvl1"] = "log.piezometer"


def _rows() -> Iterator[tuple[int, int, str, str]]:
    for place, name in enumerate(("noaa_8658120.csv", "usgs_mvd116.csv")):
        with (RECORDS / name).open() as file:
            for row in csv.DictReader(file):
                at_s = int(row["time"]) + place * _MOVED_S
                yield at_s, place, _POINTS[row["series"]], row["value"]


@pytest.fixture(scope="session")
def recorded() -> list[tuple[int, str, str]]:
    """Time in seconds, point, value as written: with a button, drop-outs and sentinels in between.

    The tide sensor is dead for two hours; the gauge says -9999 now and then.
    """
    rows = []
    for number, (at_s, _, point, value) in enumerate(sorted(_rows(), key=lambda row: row[:2])):
        silent = point == "log.tide" and 400_000 < at_s - 1_708_473_600 < 407_200
        broken = point == "log.tips" and number % 97 < 4
        rows.append((at_s, point, "" if silent else "-9999" if broken else value))
        if number % 1500 == 0:
            rows.append((at_s, "log.button", "1"))
        elif number % 1500 == 20:
            rows.append((at_s, "log.button", "0"))
    return rows


@pytest.fixture
def record(recorded: list[tuple[int, str, str]], tmp_path: Path) -> Path:
    """The same as a file."""
    path = tmp_path / "record.csv"
    lines = [f"{at_s},{point},{value}\n" for at_s, point, value in recorded]
    path.write_text("time,series,value\n" + "".join(lines))
    return path


@pytest.fixture(scope="session")
def site() -> Site:
    """Rules over those points."""
    return load_site(RECORDS / "site.toml")
