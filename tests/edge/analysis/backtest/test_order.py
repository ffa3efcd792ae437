"""Rows of several sources come in one order, each reading once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
from hypothesis import given

from edge.analysis.backtest.model import Intake, Row
from edge.analysis.backtest.order import Seen, each_once, in_order, merged
from edge.core.model import Quality


def row(at_ms: int, series: int = 0, value: float | None = 1.0) -> Row:
    """A good row."""
    return at_ms, series, value, Quality.GOOD


def times(batches: Iterator[list[Row]]) -> list[int]:
    """The times of all rows."""
    return [each[0] for batch in batches for each in batch]


def batches(rows: list[Row], size: int) -> list[list[Row]]:
    """Rows as a source gives them."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]


@given(st.lists(st.integers(0, 50)), st.integers(2, 20))
def test_rows_in_order_stay_as_they_are(numbers: list[int], size: int) -> None:
    """Also rows of one time keep their places: a file's order is the order of its readings."""
    rows = [row(at, series=place) for place, at in enumerate(sorted(numbers))]
    intake = Intake()
    assert [each for batch in in_order(batches(rows, size), intake) for each in batch] == rows
    assert intake.late == 0


@given(st.lists(st.integers(0, 1000)), st.integers(2, 20))
def test_what_comes_out_is_always_in_order_and_nothing_is_lost_uncounted(
    numbers: list[int], size: int
) -> None:
    """However wild the file is."""
    intake = Intake()
    found = times(in_order(batches([row(at) for at in numbers], size), intake))
    assert found == sorted(found)
    assert len(found) + intake.late == len(numbers)


def test_a_row_out_of_place_by_less_than_half_a_batch_is_put_right() -> None:
    """A logger that sends what waited on a bad link."""
    rows = [row(at) for at in (*range(40), 38, *range(41, 80))]
    intake = Intake()
    found = times(in_order(batches(rows, 20), intake))
    assert found == sorted(each[0] for each in rows)
    assert intake.late == 0


@given(st.lists(st.lists(st.integers(0, 30)), max_size=4), st.integers(1, 7))
def test_merging_is_sorting_by_time_then_by_source(lists: list[list[int]], size: int) -> None:
    """Whatever the sizes of the pieces are."""
    sources = [
        [row(at, series=number) for at in sorted(numbers)] for number, numbers in enumerate(lists)
    ]
    flows = [iter(batches(rows, size)) for rows in sources]
    together = [each for batch in merged(flows) for each in batch]
    assert together == sorted((each for rows in sources for each in rows), key=lambda r: r[0])


def test_a_reading_said_twice_is_taken_once_and_a_contradiction_is_taken() -> None:
    """Overlapping exports repeat themselves; two different values are two readings."""
    rows = [row(1), row(1), row(1, value=2.0), row(1, series=1), row(2)]
    intake, seen = Intake(), list[Seen]()
    kept = [each for batch in each_once(iter([rows[:2], rows[2:]]), seen, intake) for each in batch]
    assert kept == [rows[0], *rows[2:]]
    assert (intake.duplicates, intake.conflicts, intake.taken) == (1, 1, 4)


def test_gaps_are_measured_by_series_across_batches() -> None:
    """So that a report can say what was not there."""
    seen: list[Seen] = []
    rows = [[row(0), row(5, series=1)], [row(100), row(110)]]
    assert sum(map(len, each_once(iter(rows), seen, Intake()))) == 4
    assert seen[0] == Seen(rows=3, first_ms=0, last_ms=110, gap_ms=100, gap_end_ms=100)
    assert seen[1].rows == 1
