"""CSV files of readings: what is read, what is refused, and how clearly that is said."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.csv_file import CsvFile
from edge.app.history.mapping import Catalogue, Series
from edge.app.history.source import Absent
from edge.core.errors import ConfigError
from edge.core.model import PointId, Quality

Read = Callable[..., tuple[list[Row], Intake]]
HEAD = "time,series,value\n"
GOOD = Quality.GOOD


def test_rows_are_times_series_and_numbers(read: Read) -> None:
    """A series is a point of the same name, unless it is mapped."""
    rows, intake = read(HEAD + "100,river.level,3.20\n100.25,gauge.rain,0\n")
    assert rows == [(100_000, 0, 3.2, GOOD), (100_250, 1, 0.0, GOOD)]
    assert (intake.rows, intake.ignored) == (2, {})


def test_device_and_point_are_a_series_too(read: Read) -> None:
    """The form in which a gateway's readings are kept."""
    rows, _ = read("time,device,point,value\n100,river,level,3.2\n")
    assert rows == [(100_000, 0, 3.2, GOOD)]


def test_a_mapped_series_is_found_under_its_own_name(read: Read) -> None:
    """And a point that is fed by it is not also fed by its own name."""
    mapped = (Series("n00_dist", PointId("river.level")),)
    rows, intake = read(HEAD + "1,n00_dist,166.675\n2,river.level,9\n3,soc,97\n", series=mapped)
    assert rows == [(1000, 0, 166.675, GOOD)]
    assert intake.ignored == {"river.level": 1, "soc": 1}


@pytest.mark.parametrize(
    ("written", "at_ms"),
    [
        ("1720000000", 1_720_000_000_000),
        ("1720000000.5", 1_720_000_000_500),
        ("2024-07-03T09:46:40Z", 1_720_000_000_000),
        ("2024-07-03 17:46:40+08:00", 1_720_000_000_000),
    ],
)
def test_times_may_be_written_in_two_ways(read: Read, written: str, at_ms: int) -> None:
    """Seconds since 1970, or ISO 8601 with an offset."""
    assert read(f"{HEAD}{written},river.level,1\n")[0][0][0] == at_ms


def test_milliseconds_are_named_so_and_a_zone_is_given(read: Read) -> None:
    """Nothing is guessed."""
    assert read("time_ms,series,value\n1720000000123,river.level,1\n")[0][0][0] % 1000 == 123
    local = HEAD + "2024-07-03 17:46:40,river.level,1\n"
    assert read(local, zone="Asia/Shanghai")[0][0][0] == 1_720_000_000_000


def test_other_delimiters_orders_of_columns_and_a_byte_order_mark_are_no_hindrance(
    read: Read,
) -> None:
    """Spreadsheets write such files."""
    content = b"\xef\xbb\xbfValue;Remark;Series;Time\r\n3.2;ok;river.level;100\r\n\r\n"
    assert read(content)[0] == [(100_000, 0, 3.2, GOOD)]


def test_what_stands_for_no_reading_is_a_bad_sample_and_not_a_number(read: Read) -> None:
    """A sentinel that is compared would raise or hide an alarm."""
    content = HEAD + "".join(
        f"{number},river.level,{value}\n"
        for number, value in enumerate(["", "NaN", "n/a", "-9999", "-9999.0", "6999", "inf", "1"])
    )
    rows, intake = read(content, missing=("-9999", "6999=stuck"))
    assert [row[3] for row in rows] == [
        Quality.NO_ANSWER, Quality.NO_ANSWER, Quality.NO_ANSWER, Quality.ERROR_WORD,
        Quality.ERROR_WORD, Quality.STUCK, Quality.GARBLED, GOOD,
    ]  # fmt: skip
    assert [row[2] for row in rows] == [None] * 7 + [1.0]
    assert intake.missing == 7


def test_a_sentinel_may_hold_for_one_series_only(read: Read) -> None:
    """-1 is an error of the level, and a temperature elsewhere."""
    mapped = (Series("l", PointId("river.level"), missing={"-1": Quality.ERROR_WORD}),)
    rows, _ = read(HEAD + "1,l,-1\n1,gauge.rain,-1\n", series=mapped)
    assert [row[3] for row in rows] == [Quality.ERROR_WORD, GOOD]


def test_a_column_of_qualities_is_taken(read: Read) -> None:
    """Readings that were already judged bad stay so."""
    head = "time,series,value,quality\n"
    rows, intake = read(head + "1,river.level,1,good\n2,river.level,1,stale\n3,river.level,1,\n")
    assert [row[3] for row in rows] == [GOOD, Quality.STALE, GOOD]
    assert intake.bad == 1


def test_times_that_go_back_are_counted_and_the_first_is_named(read: Read) -> None:
    """They are put in order later; somebody may want to know."""
    content = HEAD + "2,river.level,1\n1,river.level,1\n3,river.level,1\n"
    assert (read(content)[1].disordered, read(content)[1].first_disorder) == (1, "data.csv:3")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("a,b,c\n1,2,3\n", ["data.csv:1", "a,b,c", "time"]),
        ("1,river.level,3\n", ["data.csv:1", "time"]),
        (HEAD + "1,river.level\n", ["data.csv:2", "2 fields"]),
        (HEAD + "1,river.level,high\n", ["data.csv:2", "high", "not a number"]),
        (HEAD + "yesterday,river.level,1\n", ["data.csv:2", "yesterday"]),
        (HEAD + "1720000000123,river.level,1\n", ["data.csv:2", "1720000000123"]),
        (HEAD + "2024-07-03 17:46:40,river.level,1\n", ["data.csv:2", "time zone"]),
        (HEAD + '1,"river.level,1\n', ["CSV"]),
        (HEAD + "1,river.level,1\n\x00,\x00,\n", ["data.csv:3"]),
        (b"time,series,value\n1,\xff\xfe,1\n", ["UTF-8"]),
        ("time,series,value,quality\n1,river.level,1,fine\n", ["data.csv:2", "fine", "garbled"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    read: Read, content: str | bytes, words: list[str]
) -> None:
    """A file of a million rows must say which one it is."""
    with pytest.raises(ConfigError) as wrong:
        read(content)
    assert all(word in str(wrong.value) for word in words), str(wrong.value)


def test_hints_say_what_to_do(read: Read) -> None:
    """With the option to be given."""
    with pytest.raises(ConfigError) as wrong:
        read(HEAD + "1,river.level,M\n")
    assert wrong.value.hint.endswith("--missing 'M'")


def test_a_column_taken_for_the_series_by_mistake_is_noticed(read: Read) -> None:
    """Instead of filling memory with names."""
    content = HEAD + "".join(f"{number},{number},1\n" for number in range(20_000))
    with pytest.raises(ConfigError, match="series"):
        read(content)


def test_missing_files_and_unknown_kinds_are_said(read: Read) -> None:
    """By name."""
    with pytest.raises(ConfigError, match=r"data\.xlsx"):
        read("", name="data.xlsx")


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path, needed: Catalogue) -> None:
    """Some batches at a time, whatever its size."""
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write(HEAD)
        file.writelines(f"{number},river.level,{number % 7}.5\n" for number in range(300_000))
    source = CsvFile(path, needed, Absent(needed, {}), None)
    tracemalloc.start()
    try:
        count = sum(len(batch) for batch in source.batches(Intake()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 300_000
    assert peak < 20_000_000
    assert source.progress == 1.0
