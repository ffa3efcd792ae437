"""Parquet files of readings say the same as CSV files, and what is missing to read them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.mapping import Catalogue, parse_missing
from edge.app.history.opening import open_sources
from edge.app.history.source import Absent
from edge.core.errors import ConfigError, TongluoError
from edge.core.model import Quality

GOOD = Quality.GOOD


@pytest.fixture
def arrow() -> Any:
    """The library, where it is installed."""
    return pytest.importorskip("pyarrow")


def read(path: Path, known: Catalogue, zone: str | None = None) -> list[Row]:
    """The rows of a file."""
    absent = Absent(known, dict([parse_missing("-9999")]))
    [source] = open_sources([path], known, absent, ZoneInfo(zone) if zone else None)
    rows = [row for batch in source.batches(Intake()) for row in batch]
    assert source.progress == 1.0
    return rows


def write(arrow: Any, path: Path, **columns: Any) -> None:
    """A file with these columns."""
    parquet = importlib.import_module("pyarrow.parquet")
    parquet.write_table(arrow.table(columns), path)


def test_numbers_nulls_and_sentinels(tmp_path: Path, needed: Catalogue, arrow: Any) -> None:
    """As in CSV."""
    path = tmp_path / "x.parquet"
    write(
        arrow, path, time=[1, 2, 3, 4, 5],
        series=["river.level"] * 3 + ["other", "river.level"],
        value=[1.5, None, -9999.0, 1.0, float("nan")],
    )  # fmt: skip
    assert read(path, needed) == [
        (1000, 0, 1.5, GOOD),
        (2000, 0, None, Quality.NO_ANSWER),
        (3000, 0, None, Quality.ERROR_WORD),
        (5000, 0, None, Quality.NO_ANSWER),
    ]


def test_timestamps_with_and_without_a_zone(tmp_path: Path, needed: Catalogue, arrow: Any) -> None:
    """One without needs to be told."""
    zoned, naive = tmp_path / "zoned.pq", tmp_path / "naive.parquet"
    second = 1_720_000_000
    at = arrow.array([second * 10**6], arrow.timestamp("us", "UTC"))
    write(arrow, zoned, time=at, device=["river"], point=["level"], value=[3])
    assert read(zoned, needed) == [(second * 1000, 0, 3.0, GOOD)]
    local = arrow.array([(second + 8 * 3600) * 10**3], arrow.timestamp("ms"))
    write(arrow, naive, time=local, series=["river.level"], value=[3.0])
    with pytest.raises(ConfigError, match="time zone"):
        read(naive, needed)
    assert read(naive, needed, "Asia/Shanghai") == [(second * 1000, 0, 3.0, GOOD)]


@pytest.mark.parametrize("content", [b"", b"PAR1 this is no such file PAR1"])
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, needed: Catalogue, arrow: Any, content: bytes
) -> None:
    """With its name."""
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.parquet"):
        read(path, needed)


def test_wrong_columns_and_kinds_are_refused(tmp_path: Path, needed: Catalogue, arrow: Any) -> None:
    """Before anything is judged."""
    path = tmp_path / "x.parquet"
    write(arrow, path, when=[1], series=["river.level"], value=[1.0])
    with pytest.raises(ConfigError, match="when"):
        read(path, needed)
    write(arrow, path, time=[1], series=["river.level"], value=["high"])
    with pytest.raises(ConfigError, match="not a number"):
        read(path, needed)


def test_without_the_library_it_is_said_how_to_get_it(
    tmp_path: Path, needed: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet is an extra."""
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")

    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("edge.app.history.parquet_file.importlib.import_module", refuse)
    with pytest.raises(TongluoError) as error:
        read(path, needed)
    assert "pyarrow" in str(error.value)
    assert "tongluo[parquet]" in error.value.hint
