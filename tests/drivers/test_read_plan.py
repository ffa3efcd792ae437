"""Which questions fetch a device's points in the least line time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.read_plan import Cost, PlannedRead, attempts, end_of, plan_reads

CHARACTER_S = 10 / 9600
# t3.5 and 20 ms of turnaround: with the 13 characters of a question's own about 37 ms
COST = Cost(CHARACTER_S, 3.5 * CHARACTER_S + 0.020)


@dataclass(frozen=True)
class Spot:
    address: int
    table: str = "holding"
    type: str = "u16"
    bit: int | None = None
    word_order: str | None = None
    byte_order: str = "big"
    error_words: tuple[int, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    decimals: int = 0


@dataclass(frozen=True)
class Limits:
    max_registers: int = 125
    max_gap: int = 0
    pipeline: int = 1


@dataclass(frozen=True)
class Timing:
    turnaround_ms: int = 20
    timeout_ms: int = 200
    late_ms: int = 400
    gap_ms: int = 0
    retries: int = 1


def planned(*addresses: int, limits: Limits, cost: Cost = COST) -> list[tuple[int, int]]:
    points = {f"p{address}": Spot(address) for address in addresses}
    return [(read.address, read.count) for read in plan_reads(points, limits, cost)]


def test_neighbours_share_a_question() -> None:
    assert planned(0, 1, 2, limits=Limits()) == [(0, 3)]


def test_gap_is_read_over_while_that_is_cheaper_than_a_question() -> None:
    """A question of its own costs about 37 ms here, an unused register 2.1 ms: 17 of them."""
    assert planned(0, 18, limits=Limits(max_gap=124)) == [(0, 19)]
    assert planned(0, 19, limits=Limits(max_gap=124)) == [(0, 1), (19, 1)]


def test_slow_device_bridges_more_and_a_quick_one_less() -> None:
    slow = Cost(CHARACTER_S, 0.200)
    quick = Cost(CHARACTER_S, 0.004)
    assert planned(0, 40, limits=Limits(max_gap=124), cost=slow) == [(0, 41)]
    assert planned(0, 12, limits=Limits(max_gap=124), cost=quick) == [(0, 1), (12, 1)]


def test_gap_that_the_device_forbids_is_not_read() -> None:
    assert planned(0, 2, limits=Limits(max_gap=0)) == [(0, 1), (2, 1)]


def test_most_registers_of_the_device_are_kept() -> None:
    reads = planned(*range(10), limits=Limits(max_registers=4))
    assert max(count for _, count in reads) <= 4
    assert len(reads) == 3


def test_limit_cuts_where_it_costs_least() -> None:
    """Greedy would read 0-3 over the gap and leave 4 and 5 for a second one with nothing saved."""
    limits = Limits(max_registers=4, max_gap=2)
    assert planned(0, 3, 4, 5, 6, limits=limits) == [(0, 1), (3, 4)]


def test_points_in_one_register_are_one() -> None:
    points = {
        "level": Spot(4, type="u32"),
        "high": Spot(4),
        "flag": Spot(5, type="bit", bit=3),
    }
    (read,) = plan_reads(points, Limits(), COST)
    assert (read.address, read.count) == (4, 2)
    assert set(read.names) == {"level", "high", "flag"}


def test_tables_are_asked_apart_and_watched_ones_first() -> None:
    points = {"a": Spot(0, "coil"), "b": Spot(0, "input"), "c": Spot(1, "input")}
    reads = plan_reads(points, Limits(), COST, watched=["c"])
    assert reads == (
        PlannedRead("input", 0, 2, ("b", "c"), watch=True),
        PlannedRead("coil", 0, 1, ("a",)),
    )
    assert reads[0].request(7).pdu == bytes((4, 0, 0, 0, 2))


def test_repetition_must_begin_within_the_period() -> None:
    timing = Timing(retries=3)
    assert attempts(0.5, timing, 0.01, slips=True) == 1
    assert attempts(0.7, timing, 0.01, slips=True) == 2
    assert attempts(60.0, timing, 0.01, slips=True) == 4
    assert attempts(0.5, timing, 0.01, slips=False) == 3


def _cost(groups: list[tuple[int, ...]]) -> float:
    return sum(COST.of(2 * (group[-1] + 1 - group[0])) for group in groups)


def _fits(group: tuple[int, ...], limits: Limits) -> bool:
    gaps = [b - a - 1 for a, b in itertools.pairwise(group)]
    return group[-1] + 1 - group[0] <= limits.max_registers and all(
        gap <= limits.max_gap for gap in gaps
    )


@given(
    st.sets(st.integers(0, 60), min_size=1, max_size=7),
    st.integers(1, 40),
    st.integers(0, 30),
)
def test_no_other_grouping_is_cheaper(
    addresses: set[int], max_registers: int, max_gap: int
) -> None:
    """Against every way there is to cut the sorted points into groups."""
    limits = Limits(max_registers, max_gap)
    spots = sorted(addresses)
    best = float("inf")
    for cuts in itertools.product((False, True), repeat=len(spots) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(spots)]
        groups = [tuple(spots[a:b]) for a, b in itertools.pairwise(edges)]
        if all(_fits(group, limits) for group in groups):
            best = min(best, _cost(groups))
    reads = plan_reads({f"p{a}": Spot(a) for a in spots}, limits, COST)
    assert sum(COST.of(2 * read.count) for read in reads) == pytest.approx(best)
    read = {a for each in reads for a in range(each.address, each.address + each.count)}
    assert addresses <= read
    assert sorted(name for each in reads for name in each.names) == sorted(f"p{a}" for a in spots)


def test_end_of_wide_point() -> None:
    assert end_of(Spot(3, type="f32")) == 5
    assert end_of(Spot(3, type="bit")) == 4
