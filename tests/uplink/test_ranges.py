"""Ranges behave as the set of integers that they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uplink.ranges import Ranges

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(-2, 9)), max_size=30)


@given(spans, st.integers(0, 75), st.integers(0, 75))
def test_ranges_are_a_set(parts: list[tuple[int, int]], low: int, high: int) -> None:
    """Membership, count, form, complement and run ends agree with a plain set."""
    ranges, model = Ranges(), set[int]()
    for first, length in parts:
        ranges.add(first, first + length)
        model.update(range(first, first + length + 1))
    assert {n for first, last in ranges for n in range(first, last + 1)} == model
    assert ranges.count == len(model)
    assert ranges.top == max(model, default=0)
    flat = [number for span in ranges for number in span]
    assert all(b > a + 1 for a, b in zip(flat[1::2], flat[2::2], strict=False))
    assert all((n in ranges) == (n in model) for n in range(80))
    missing = {n for first, last in ranges.missing(low, high) for n in range(first, last + 1)}
    assert missing == set(range(low, high + 1)) - model
    assert list(Ranges(ranges.missing(low, high))) == list(ranges.missing(low, high))
    for number in range(80):
        end = number
        while end in model:
            end += 1
        assert ranges.run_end(number) == end - 1


@given(spans, st.lists(st.integers(0, 75), max_size=20))
def test_numbers_can_be_taken_out(parts: list[tuple[int, int]], out: list[int]) -> None:
    """As from a set; the rest stays as it is."""
    ranges = Ranges((first, first + length) for first, length in parts)
    model = {n for first, length in parts for n in range(first, first + length + 1)}
    for number in out:
        ranges.discard(number)
        model.discard(number)
    assert {n for first, last in ranges for n in range(first, last + 1)} == model
    assert ranges.count == len(model)


def test_one_number_joins_its_neighbours() -> None:
    """A hole that is filled leaves one range."""
    ranges = Ranges([(1, 4), (6, 9)])
    ranges.add(5)
    assert list(ranges) == [(1, 9)]
