"""Three-valued logic, votes and their degradation, holding times and repetitions."""

from __future__ import annotations

from itertools import product

import pytest

from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, Quality
from edge.engine.conditions.tree import (
    All,
    AnyOf,
    Choice,
    Compare,
    Degrade,
    Held,
    Not,
    Pick,
    Repeated,
    Selector,
    Value,
    Votes,
)
from edge.engine.conditions.truth import Truth

NAMES = "abcd"
HIGH = {name: Compare(Value(PointId(name)), ">=", 5.0) for name in NAMES}
T, F, U, L = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN, Truth.LOST


def put(table, name: str, truth: Truth, at_s: float = 0.0) -> None:
    """Let a point say this."""
    if truth in (T, F):
        table.feed(9.0 if truth is T else 1.0, at_s, on=name)
    else:
        quality = Quality.LOST if truth is L else Quality.GARBLED
        table.feed(None, at_s, quality, on=name)


AND = {
    (T, T): T, (T, F): F, (T, U): U, (T, L): L, (F, F): F, (F, U): F, (F, L): F,
    (U, U): U, (U, L): L, (L, L): L,
}  # fmt: skip
OR = {
    (T, T): T, (T, F): T, (T, U): T, (T, L): T, (F, F): F, (F, U): U, (F, L): L,
    (U, U): U, (U, L): L, (L, L): L,
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), list(product(Truth, Truth)))
def test_and_or_not_are_kleenes(desk, red, first, second):
    """Unknown is neither true nor false; a lost sensor is named only if it leaves it open."""
    a, b = HIGH["a"], HIGH["b"]
    table = desk(
        [
            red(All((a, b)), rule="and"),
            red(AnyOf((a, b)), rule="or"),
            red(Not(a), rule="not"),
        ]
    )
    put(table, "a", first)
    put(table, "b", second)
    key = (first, second) if (first, second) in AND else (second, first)
    assert table.truth("and") is AND[key]
    assert table.truth("or") is OR[key]
    assert table.truth("not") is {T: F, F: T}.get(first, first)


def published(needed: int, sensors: int, lost: int, degrade: Degrade) -> tuple[int, int] | None:
    """How many of how many decide; None: no vote (3 good: 2oo3; 2: 1oo2 or 2oo2; 1: 1oo1; 0)."""
    rest = sensors - lost
    if rest == 0:
        return None
    if degrade is Degrade.SAFETY:
        return max(1, needed - lost), rest
    return min(needed, rest), rest


def test_two_of_three_degrades_as_published():
    safety = [published(2, 3, lost, Degrade.SAFETY) for lost in range(4)]
    available = [published(2, 3, lost, Degrade.AVAILABILITY) for lost in range(4)]
    assert safety == [(2, 3), (1, 2), (1, 1), None]
    assert available == [(2, 3), (2, 2), (1, 1), None]


@pytest.mark.parametrize("degrade", Degrade)
@pytest.mark.parametrize("sensors", [1, 2, 3, 4])
def test_every_combination_of_votes_and_losses(one, sensors, degrade):
    """Each sensor true, false, once bad, or lost; each number of votes needed."""
    names = NAMES[:sensors]
    for needed in range(1, sensors + 1):
        votes = Votes(needed, tuple(HIGH[name] for name in names))
        for truths in product((T, F, U, L), repeat=sensors):
            table = one(votes, degrade=degrade)
            for name, truth in zip(names, truths, strict=True):
                put(table, name, truth)
            lost, bad = truths.count(L), truths.count(U)
            rest = (needed, sensors)
            if degrade is not Degrade.NO and lost:
                rest = published(needed, sensors, lost, degrade) or (0, 0)
            wanted, among = rest
            [shown] = table.explain().votes
            assert (shown.needed, shown.among) == rest
            open_votes = bad + (lost if degrade is Degrade.NO else 0)
            if among == 0:
                expected = L
            elif truths.count(T) >= wanted:
                expected = T
            elif truths.count(T) + open_votes < wanted:
                expected = F
            else:
                expected = L if degrade is Degrade.NO and lost else U
            assert table.truth() is expected, (needed, truths)
            assert (table.level() is Level.RED) == (expected is T)


@pytest.mark.parametrize(
    ("degrade", "one_lost", "two_lost"),
    [(Degrade.SAFETY, [T, T, F], [T, F]), (Degrade.AVAILABILITY, [T, F, F], [T, F])],
)
def test_two_of_three_with_lost_sensors_in_the_field(one, degrade, one_lost, two_lost):
    """2oo3 becomes 1oo2 or 2oo2, then 1oo1; a sensor that is back gets its vote back."""
    table = one(Votes(2, tuple(HIGH[name] for name in "abc")), degrade=degrade)
    for name in "abc":
        put(table, name, F)
    put(table, "c", L, 1)
    for expected, (a, b) in zip(one_lost, [(T, T), (T, F), (F, F)], strict=True):
        put(table, "a", a, 2)
        put(table, "b", b, 2)
        assert table.truth() is expected
    put(table, "b", L, 3)
    for expected, a in zip(two_lost, (T, F), strict=True):
        put(table, "a", a, 4)
        assert table.truth() is expected
    put(table, "b", F, 5)
    put(table, "c", F, 5)
    put(table, "a", T, 6)
    assert table.truth() is F
    assert table.explain().votes[0].needed == 2


def test_when_every_vote_is_lost_the_last_level_stands_or_the_lost_level_is_raised(one):
    votes = Votes(2, tuple(HIGH[name] for name in "abc"))
    for lost, level in ((None, None), (Level.YELLOW, Level.YELLOW)):
        table = one(votes, degrade=Degrade.SAFETY, lost=lost)
        for name in "abc":
            put(table, name, F)
        assert table.level() is Level.NORMAL
        for name in "abc":
            put(table, name, L, 1)
        assert table.level() is level
        assert table.explain().lost == tuple("abc")


def test_held_counts_readings_of_every_point_of_its_part(one):
    table = one(Held(AnyOf((HIGH["a"], HIGH["b"])), 10 * NS_PER_S))
    put(table, "a", T, 0)
    put(table, "b", F, 9.9)
    assert table.level() is None or table.level() is Level.NORMAL
    put(table, "b", F, 10)
    assert table.level() is Level.RED


def test_held_has_no_timer(one):
    table = one(Held(HIGH["a"], NS_PER_S))
    put(table, "a", T, 0)
    assert table.advance(100) == []
    assert table.set.due is None
    put(table, "a", T, 100)
    assert table.level() is Level.RED


def test_unknown_neither_ends_nor_fulfils_a_holding_time(one):
    table = one(Held(HIGH["a"], 10 * NS_PER_S), lost=Level.BLUE)
    put(table, "a", T, 0)
    put(table, "a", U, 20)
    assert table.truth() is U
    put(table, "a", L, 21)
    assert table.level() is Level.BLUE
    put(table, "a", T, 22)
    assert table.level() is Level.RED


def test_a_change_of_two_parts_by_one_reading_is_no_dip(one):
    """Of a value that crosses from one alternative into the other, nothing is seen in between."""
    low, high = Compare(Value(PointId("a")), "<", 5.0), HIGH["a"]
    table = one(Held(AnyOf((low, high)), 10 * NS_PER_S))
    for at_s, truth in enumerate((T, F, T, F, T, F, T, F, T, F, T)):
        put(table, "a", truth, at_s)
    assert table.level() is Level.RED


@pytest.mark.parametrize(
    ("needed", "of", "readings", "found"),
    [
        (3, 3, "TTT", [U, U, T]),
        (3, 3, "TTFTTT", [U, U, F, F, F, T]),
        (2, 3, "TFTFF", [U, U, T, F, F]),
        (2, 3, "TUTU", [U, U, T, U]),
        (2, 3, "TLT", [U, L, T]),
        (2, 3, "FF", [U, F]),
        (1, 1, "TF", [T, F]),
        (2, 4, "TTTTFFF", [U, T, T, T, T, T, F]),
    ],
)
def test_repetitions_count_the_last_good_readings(one, needed, of, readings, found):
    """Before there were so many readings, what was before is unknown."""
    table = one(Repeated(HIGH["a"], needed, of))
    truths = {"T": T, "F": F, "U": U, "L": L}
    for at_s, (reading, truth) in enumerate(zip(readings, found, strict=True)):
        put(table, "a", truths[reading], at_s)
        assert table.truth() is truth


def test_repetitions_clear_with_the_first_reading_that_ends_them(one):
    table = one(Repeated(HIGH["a"], 3, 3))
    for at_s, truth in enumerate((T, T, T)):
        put(table, "a", truth, at_s)
    assert table.level() is Level.RED
    put(table, "a", F, 4)
    assert table.level() is Level.NORMAL


def test_what_raises_a_level_outweighs_what_clears_it(one):
    """``sum or level clear when level``: a level that is both raised and cleared stands."""
    table = one(AnyOf((HIGH["a"], HIGH["b"])), Not(HIGH["a"]))
    put(table, "a", F)
    put(table, "b", T)
    assert table.level() is Level.RED
    put(table, "b", F)
    assert table.level() is Level.NORMAL


def test_a_lost_sensor_that_decides_nothing_raises_nothing(one):
    table = one(All((HIGH["a"], HIGH["b"])), lost=Level.YELLOW)
    put(table, "a", F)
    put(table, "b", L)
    assert table.level() is Level.NORMAL
    put(table, "a", T)
    assert table.level() is Level.YELLOW


SOIL = Selector(
    "soil",
    (
        Choice("wet", Compare(Value(PointId("c")), ">=", 5.0)),
        Choice("dry", Compare(Value(PointId("c")), "<", 2.0)),
    ),
    "normal",
    "wet",
)
PICKED = Compare(
    Value(PointId("a")), ">=", Pick("soil", (("wet", 3.0), ("normal", 5.0), ("dry", 7.0)))
)


def test_a_selector_chooses_the_limit_and_judges_the_last_reading_at_once(one):
    table = one(PICKED, selectors=(SOIL,))
    table.feed(4.0, 0)
    assert table.explain().choices == {"soil": "wet"}
    assert table.level() is Level.RED, "unknown: the choice that the selector says"
    table.feed(3.0, 1, on="c")
    assert (table.explain().choices["soil"], table.level()) == ("normal", Level.NORMAL)
    table.feed(6.0, 2)
    assert table.level() is Level.RED
    table.feed(1.0, 3, on="c")
    assert (table.explain().choices["soil"], table.level()) == ("dry", Level.NORMAL)
    table.feed(None, 4, Quality.GARBLED, on="c")
    assert table.level() is Level.RED
    [verdict] = table.feed(1.0, 5, on="c")
    assert [sample.point for sample in verdict.evidence] == ["c", "a"]


def test_a_choice_does_not_bring_a_lost_point_back(one):
    table = one(PICKED, selectors=(SOIL,), lost=Level.BLUE)
    table.feed(4.0, 0)
    table.feed(None, 1, Quality.LOST)
    table.feed(3.0, 2, on="c")
    assert table.truth() is L
