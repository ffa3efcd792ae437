"""The rule language: what conditions say, where mistakes are, and that any text can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, Quality
from edge.core.units import Unit
from edge.engine.conditions import tree
from edge.engine.conditions.bind import QUALITIES, Scope, bind_choice, bind_level
from edge.engine.conditions.measures import MAX_LENGTH_S, SUMMABLE
from edge.engine.conditions.parse import MAX_CHARS, MAX_NESTED, parse
from edge.engine.conditions.tree import Function
from edge.engine.conditions.words import show, show_level
from edge.engine.conditions.written import Mistake, Mistaken


class Known(NamedTuple):
    """A point of the tests."""

    unit: Unit
    low: float | None
    high: float | None


POINTS: Mapping[str, Known] = {
    "river.level": Known(Unit.METRE, 0, 8),
    "gauge-2.rain": Known(Unit.MILLIMETRE, 0, 100),
    "crack.opening": Known(Unit.MILLIMETRE, -100, 100),
    "a.h2s": Known(Unit.PPM, 0, 100),
    "b.h2s": Known(Unit.PPM, 0, 100),
    "pump.running": Known(Unit.STATE, 0, 1),
    "meter.factor": Known(Unit.NONE, 0, 1),
    "cam.smoke": Known(Unit.PERCENT, 0, 100),
    "open.end": Known(Unit.CELSIUS, None, None),
}
SCOPE = Scope(POINTS.get, {"soil": ("wet", "dry"), "broken": ()})
RIVER, RAIN, CRACK, A, B = (
    PointId(each) for each in ("river.level", "gauge-2.rain", "crack.opening", "a.h2s", "b.h2s")
)
S = NS_PER_S
HOUR = 3600 * S


def unit_of(point: PointId) -> Unit:
    return POINTS[point].unit


def raises(text: str) -> tree.Expression:
    """What a text without ``clear when`` says."""
    level = bind_level(Level.RED, parse(text), SCOPE)
    assert level.clears is None
    return level.raises


def mistakes(text: str, scope: Scope = SCOPE) -> list[Mistake]:
    """What is wrong with a text."""
    with pytest.raises(Mistaken) as caught:
        bind_level(Level.RED, parse(text), scope)
    return list(caught.value.mistakes)


def marked(text: str, scope: Scope = SCOPE) -> list[tuple[str, str]]:
    """Code and marked part of each mistake."""
    return [(each.code, text[each.spot.at : each.spot.end]) for each in mistakes(text, scope)]


AFTER = ("and", "or", "for", "clear when")
CALLS = (*[each.value for each in Function], "lost", "quality", "seen", "during", "between")
HIGH = tree.Compare(tree.Value(RIVER), ">=", 3.2)
GAS_A, GAS_B = (tree.Compare(tree.Value(each), ">=", 10.0) for each in (A, B))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("river.level >= 3.20 m", HIGH),
        ("river.level>=320cm", HIGH),
        ("river.level ≥ 3200 mm", HIGH),
        ("\triver.level\n  >= 3.20 m\n", HIGH),
        ("((river.level >= 3.20 m))", HIGH),
        ("river.level >= 3.20 m for 20 s", tree.Held(HIGH, 20 * S)),
        ("river.level >= 3.20 m for 1.5 min", tree.Held(HIGH, 90 * S)),
        ("river.level >= 3.20 m for 3 readings", tree.Repeated(HIGH, 3, 3)),
        ("river.level >= 3.20 m for 1 reading", tree.Repeated(HIGH, 1, 1)),
        ("river.level >= 3.20 m for 2 of 3 readings", tree.Repeated(HIGH, 2, 3)),
        ("not river.level >= 3.20 m for 20 s", tree.Not(tree.Held(HIGH, 20 * S))),
        ("lost(river.level)", tree.Lost(RIVER)),
        ("quality(river.level) is stuck", tree.HasQuality(RIVER, Quality.STUCK)),
        ("quality(a.h2s) is fault-current", tree.HasQuality(A, Quality.FAULT_CURRENT)),
        ("quality(a.h2s) is not good", tree.Not(tree.HasQuality(A, Quality.GOOD))),
        ("during(05-01, 9-30)", tree.DuringDates((5, 1), (9, 30))),
        ("between(22:00, 6:05)", tree.DuringHours(1320, 365)),
        ("2 of (a.h2s >= 10 ppm, b.h2s >= 10 ppm)", tree.Votes(2, (GAS_A, GAS_B))),
        (
            "a.h2s >= 10 ppm or b.h2s >= 10 ppm and river.level >= 3.20 m",
            tree.AnyOf((GAS_A, tree.All((GAS_B, HIGH)))),
        ),
        (
            "(a.h2s >= 10 ppm or b.h2s >= 10 ppm) for 1 h",
            tree.Held(tree.AnyOf((GAS_A, GAS_B)), HOUR),
        ),
        (
            "sum(gauge-2.rain, 1 h) >= pick(soil, dry 6 cm, wet 45 mm)",
            tree.Compare(
                tree.Window(Function.SUM, RAIN, HOUR),
                ">=",
                tree.Pick("soil", (("dry", 60.0), ("wet", 45.0))),
            ),
        ),
        (
            "day_sum(gauge-2.rain) > 50 mm",
            tree.Compare(tree.Window(Function.DAY_SUM, RAIN, 0), ">", 50.0),
        ),
        (
            "count(a.h2s, 7 d) < 3 count",
            tree.Compare(tree.Window(Function.COUNT, A, 168 * HOUR), "<", 3.0),
        ),
        (
            "change(river.level, 1 h) <= -50 cm",
            tree.Compare(tree.Window(Function.CHANGE, RIVER, HOUR), "<=", -0.5),
        ),
        (
            "rate(crack.opening, 6 h) > 2 mm/h",
            tree.Compare(tree.Window(Function.RATE, CRACK, 6 * HOUR), ">", 2 / 3600),
        ),
        (
            "robust_rate(crack.opening, 1 d) > 0.3 cm/d",
            tree.Compare(tree.Window(Function.ROBUST_RATE, CRACK, 24 * HOUR), ">", 3 / 86400),
        ),
        (
            "rate(a.h2s, 1 min) > 20 ppm/min",
            tree.Compare(tree.Window(Function.RATE, A, 60 * S), ">", 20 / 60),
        ),
        (
            "tangent(crack.opening, 0.8 mm/d, 24 h) >= 80°",
            tree.Compare(tree.Window(Function.TANGENT, CRACK, 24 * HOUR, 0.8 / 86400), ">=", 80.0),
        ),
        (
            "seen(cam.smoke >= 80 %, 30 s)",
            tree.Seen(PointId("cam.smoke"), ">=", 80.0, 30 * S),
        ),
        (
            "meter.factor < 0.8",
            tree.Compare(tree.Value(PointId("meter.factor")), "<", 0.8),
        ),
        (
            "rate(meter.factor, 1 h) > 1 /h",
            tree.Compare(tree.Window(Function.RATE, PointId("meter.factor"), HOUR), ">", 1 / 3600),
        ),
        (
            "open.end > -1e3 degC",
            tree.Compare(tree.Value(PointId("open.end")), ">", -1000.0),
        ),
    ],
)  # fmt: skip
def test_what_a_text_says(text: str, expected: tree.Expression) -> None:
    """Points by id, limits in the stored unit or that unit per second, times in nanoseconds."""
    assert raises(text) == expected


def test_a_level_is_cleared_by_its_own_condition() -> None:
    level = bind_level(
        Level.RED, parse("river.level >= 3.20 m for 20 s clear when river.level < 3 m"), SCOPE
    )
    assert level == tree.LevelCondition(
        Level.RED, tree.Held(HIGH, 20 * S), tree.Compare(tree.Value(RIVER), "<", 3.0)
    )


def test_a_length_of_time_is_exact_to_the_nanosecond() -> None:
    """Longer than a float of nanoseconds could tell apart."""
    assert raises("lost(a.h2s) for 31536000.000000001 s") == tree.Held(
        tree.Lost(A), 31_536_000 * S + 1
    )


@pytest.mark.parametrize(
    ("text", "at", "found", "allowed", "kinds"),
    [
        ("", 0, "", (), ("condition",)),
        (" \n ", 0, "", (), ("condition",)),
        ("river.level", 11, "", (), ("comparison",)),
        ("river.level => 3 m", 12, "=>", (), ("comparison",)),
        ("river.level >>= 3 m", 12, ">>=", (), ("comparison",)),
        ("river.level >= m", 15, "m", (), ("limit",)),
        ("river.level >= 3 m or", 21, "", (), ("condition",)),
        ("river.level >= 3 m OR x", 19, "OR", AFTER, ("end",)),
        ("river.level >= 3,2 m", 16, ",", AFTER, ("unit", "end")),
        ("(river.level >= 3 m", 19, "", ("and", "or", "for", ")"), ()),
        ("river.level >= 3 m)", 18, ")", AFTER, ("end",)),
        ("2 of (river.level >= 3 m", 24, "", ("and", "or", "for", ")", ","), ()),
        ("river.level >= 3 m（", 18, "（", AFTER, ("end",)),
        ("river.level for 3 s", 12, "for", (), ("comparison",)),
        ("sum(gauge-2.rain) > 3 mm", 16, ")", (",",), ()),
        ("sum(river > 3", 4, "river", (), ("point",)),
        ("during(5-1, 22:00)", 12, "22", (), ("date",)),
        ("between(22:00, x)", 15, "x", (), ("time",)),
        ("lost(a.h2s) clear a.h2s", 18, "a.h2s", ("when",), ()),
        ("quality(a.h2s) is", 17, "", ("not",), ("name",)),
        ("pick(soil) > 3", 0, "pick", CALLS, ()),
        ("a.h2s > \x00", 8, "\x00", (), ("limit",)),
        ("a.h2s > ３ ppm", 8, "３", (), ("limit",)),
    ],
)  # fmt: skip
def test_a_text_that_is_no_condition_says_where_and_what_was_expected(
    text: str, at: int, found: str, allowed: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    """In words that people write, not names of the grammar."""
    (mistake,) = mistakes(text)
    assert (mistake.spot.at, mistake.found) == (at, found)
    assert (mistake.allowed, mistake.kinds) == (allowed, kinds)
    expected = "condition-syntax" if found else "condition-end"
    assert mistake.code == ("condition-empty" if not text.strip() else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("river.levle >= 3 m", [("no-point", "river.levle")]),
        ("well_1.h2s >= 3 ppm", [("no-point", "well_1.h2s")]),
        ("水位.level >= 3 m", [("no-point", "水位.level")]),
        ("river.level >= 3", [("unit-missing", "3")]),
        ("river.level >= 3 米", [("unknown-unit", "3 米")]),
        ("river.level >= 3 ppm for 20 s", [("wrong-dimension", "3 ppm")]),
        ("sum(gauge-2.rain, 1 h) >= 3 mm/h", [("wrong-dimension", "3 mm/h")]),
        ("rate(crack.opening, 1 h) >= 3 mm", [("wrong-dimension", "3 mm")]),
        ("rate(crack.opening, 1 h) >= 3 m/s/h", [("wrong-dimension", "3 m/s/h")]),
        ("rate(crack.opening, 1 h) >= 3 mm/week", [("unknown-unit", "3 mm/week")]),
        ("count(a.h2s, 1 h) >= 3 ppm", [("wrong-dimension", "3 ppm")]),
        ("river.level >= 3 m for 3 m", [("length-of-time", "3 m")]),
        ("river.level >= 3 m for 3", [("unit-missing", "3")]),
        ("river.level >= 3 m for 0 s", [("out-of-range", "0 s")]),
        ("river.level >= 3 m for -3 s", [("out-of-range", "-3 s")]),
        ("max(river.level, 0.5 s) >= 3 m", [("out-of-range", "0.5 s")]),
        ("max(river.level, 367 d) >= 3 m", [("out-of-range", "367 d")]),
        ("river.level >= 1e999 m", [("out-of-range", "1e999 m")]),
        ("river.level >= 3 m for 1e999 s", [("out-of-range", "1e999 s")]),
        ("river.level >= 9 m", [("never-reached", "9 m")]),
        ("river.level > 8 m", [("never-reached", "8 m")]),
        ("river.level < 0 m", [("never-reached", "0 m")]),
        ("river.level <= -1 cm", [("never-reached", "-1 cm")]),
        ("river.level >= 0 m", [("always-true", "0 m")]),
        ("river.level > -1 m", [("always-true", "-1 m")]),
        ("river.level <= 8 m", [("always-true", "8 m")]),
        ("max(river.level, 1 h) >= 9 m", [("never-reached", "9 m")]),
        ("change(river.level, 1 h) > 8 m", [("never-reached", "8 m")]),
        ("sum(gauge-2.rain, 1 h) < 0 mm", [("never-reached", "0 mm")]),
        ("count(a.h2s, 1 h) >= 0 count", [("always-true", "0 count")]),
        ("tangent(crack.opening, 1 mm/d, 1 d) >= 90 deg", [("never-reached", "90 deg")]),
        ("tangent(crack.opening, 0 mm/d, 1 d) >= 80 deg", [("out-of-range", "0 mm/d")]),
        ("tangent(crack.opening, -1 mm/d, 1 d) >= 80 deg", [("out-of-range", "-1 mm/d")]),
        ("seen(cam.smoke >= 101 %, 30 s)", [("never-reached", "101 %")]),
        ("sum(river.level, 1 h) > 3 m", [("not-of-unit", "river.level")]),
        ("day_sum(a.h2s) > 3 V", [("not-of-unit", "a.h2s")]),
        ("rate(pump.running, 1 h) > 3 state/h", [("not-of-unit", "pump.running")]),
        ("3 of (lost(a.h2s), lost(b.h2s))", [("out-of-range", "3")]),
        ("0 of (lost(a.h2s), lost(b.h2s))", [("out-of-range", "0")]),
        ("1.5 of (lost(a.h2s), lost(b.h2s))", [("out-of-range", "1.5")]),
        ("+1 of (lost(a.h2s), lost(b.h2s))", [("out-of-range", "+1")]),
        ("a.h2s > 3 ppm for 4 of 3 readings", [("out-of-range", "4")]),
        ("a.h2s > 3 ppm for 101 readings", [("out-of-range", "101")]),
        ("lost(a.h2s) for 3 readings", [("not-repeatable", "3")]),
        ("(a.h2s > 3 ppm or b.h2s > 3 ppm) for 3 readings", [("not-repeatable", "3")]),
        ("quality(a.h2s) is stukc", [("not-one-of", "stukc")]),
        ("during(02-30, 13-01)", [("out-of-range", "02-30"), ("out-of-range", "13-01")]),
        ("between(24:00, 23:60)", [("out-of-range", "24:00"), ("out-of-range", "23:60")]),
        ("between(08:00, 8:00)", [("no-hours", "8:00")]),
        ("a.h2s > pick(sol, dry 3 ppm)", [("no-selector", "sol")]),
        ("a.h2s > pick(soil, dry 3 ppm)", [("choice-missing", "soil, dry 3 ppm")]),
        ("a.h2s > pick(soil, dry 3 ppm, wet 2 ppm, wett 1 ppm)", [("no-choice", "wett")]),
        ("a.h2s > pick(soil, dry 3 ppm, wett 1 ppm)", [("no-choice", "wett")]),
        ("a.h2s > pick(soil, dry 3 ppm, wet 2 ppm, dry 1 ppm)", [("picked-twice", "dry")]),
        ("a.h2s > pick(soil, dry 3 m, wet 2 ppm)", [("wrong-dimension", "3 m")]),
        ("river.level >= 3 m clear when river.level < 3.5 m", [("clear-overlap", "3.5 m")]),
        ("river.level >= 3 m clear when river.level <= 3 m", [("clear-overlap", "3 m")]),
        ("river.level >= 3 m for 9 s clear when river.level >= 1 m", [("clear-overlap", "1 m")]),
        ("river.level <= 3 m clear when river.level > 2 m for 1 h", [("clear-overlap", "1 h")]),
        (
            "a.x > 3 m and river.level > 3 V or sum(a.h2s, 3 m) > 1 V",
            [("no-point", "a.x"), ("wrong-dimension", "3 V"), ("not-of-unit", "a.h2s"),
             ("length-of-time", "3 m")],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_marked_where_it_stands(
    text: str, expected: list[tuple[str, str]]
) -> None:
    """All mistakes of a text at once, each under the word it is about."""
    assert marked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "river.level >= 8 m",
        "river.level > 0 m",
        "river.level < 8 m",
        "river.level >= 3 m clear when river.level < 3 m",
        "river.level > 3 m clear when river.level <= 3 m",
        "river.level >= 3 m clear when river.level < 3.5 m and lost(a.h2s)",
        "river.level >= 3 m clear when max(river.level, 1 h) < 3.5 m",
        "change(river.level, 1 h) >= 8 m",
        "rate(river.level, 1 h) > 0 m/h",
        "a.h2s > pick(broken, x 3 ppm)",
    ],
)
def test_what_can_be_is_let_through(text: str) -> None:
    """At the edges of what is refused."""
    assert bind_level(Level.RED, parse(text), SCOPE).level is Level.RED


def test_a_selector_neither_clears_nor_picks() -> None:
    """Its choices are plain conditions."""
    assert bind_choice(parse("river.level >= 3.20 m for 20 s"), SCOPE) == tree.Held(HIGH, 20 * S)
    for text, expected in (
        ("a.h2s > pick(soil, dry 3 ppm, wet 2 ppm)", [("nothing-picked", "soil")]),
        ("lost(a.h2s) clear when lost(b.h2s)", [("nothing-clears", "clear")]),
    ):
        with pytest.raises(Mistaken) as caught:
            bind_choice(parse(text), SCOPE)
        found = [(e.code, text[e.spot.at : e.spot.end]) for e in caught.value.mistakes]
        assert found == expected


def test_length_and_nesting_are_bounded() -> None:
    """At the limit it is read, one beyond it is refused with its place."""
    inner = "lost(a.h2s)"
    deepest = "(" * (MAX_NESTED - 1) + inner + ")" * (MAX_NESTED - 1)
    assert raises(deepest) == tree.Lost(A)
    (deeper,) = mistakes(f"({deepest})")
    assert (deeper.code, deeper.spot.at) == ("condition-nested", MAX_NESTED + len("lost"))
    longest = " or ".join([inner] * 130) + " " * 54
    assert len(longest) == MAX_CHARS
    assert len(tree.parts_of(raises(longest))) == 130
    (longer,) = mistakes(longest + " ")
    assert (longer.code, longer.found) == ("condition-long", str(MAX_CHARS + 1))


# -- canonical text ---------------------------------------------------------------------------

numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float)
lengths = st.integers(S, MAX_LENGTH_S * S) | st.integers(1, 366).map(lambda d: d * 86400 * S)
points = st.sampled_from([PointId("open.end"), PointId("open.two"), PointId("open.amount")])
comparisons = st.sampled_from([">=", ">", "<=", "<"])
OPEN = {
    "open.end": Known(Unit.CELSIUS, None, None),
    "open.two": Known(Unit.METRE_PER_SECOND, None, None),
    "open.amount": Known(Unit.MILLIMETRE, None, None),
}


def open_unit(point: PointId) -> Unit:
    return OPEN[point].unit


@st.composite
def compares(draw: st.DrawFn, limit: st.SearchStrategy[float] = numbers) -> tree.Compare:
    point, comparison = draw(points), draw(comparisons)
    function = draw(st.none() | st.sampled_from(list(Function)))
    if function is None:
        source: tree.Source = tree.Value(point)
    else:
        if function in (Function.SUM, Function.DAY_SUM) and open_unit(point) not in SUMMABLE:
            function = Function.MEAN
        length = 0 if function is Function.DAY_SUM else draw(lengths)
        velocity = 0.0
        if function is Function.TANGENT:
            velocity = draw(st.floats(1e-12, 1e3))
        source = tree.Window(function, point, length, velocity)
    if function is Function.COUNT:
        limit = st.floats(1e-3, 1e6)
    elif function is Function.TANGENT:
        limit = st.floats(-89, 89)
    if draw(st.booleans()):
        pick = tree.Pick("soil", (("wet", draw(limit)), ("dry", draw(limit))))
        return tree.Compare(source, comparison, pick)
    return tree.Compare(source, comparison, draw(limit))


atoms = st.one_of(
    compares(),
    st.builds(tree.Lost, points),
    st.builds(tree.HasQuality, points, st.sampled_from(list(Quality))),
    st.builds(tree.Seen, points, comparisons, numbers, lengths),
    st.builds(tree.DuringDates, *[st.tuples(st.integers(1, 12), st.integers(1, 29))] * 2),
    st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True).map(
        lambda both: tree.DuringHours(*both)
    ),
    st.builds(
        lambda part, counts: tree.Repeated(part, min(counts), max(counts)),
        compares(),
        st.tuples(st.integers(1, 100), st.integers(1, 100)),
    ),
)


def several(parts: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    lists = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(tree.All, lists),
        st.builds(tree.AnyOf, lists),
        st.builds(tree.Not, parts),
        st.builds(tree.Held, parts, lengths),
        lists.flatmap(lambda p: st.builds(tree.Votes, st.integers(1, len(p)), st.just(p))),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(atoms, several, max_leaves=5))
def test_printing_and_reading_gives_the_same(expression: tree.Expression) -> None:
    """Canonical text says exactly the tree, to the last bit of every number."""
    text = show(expression, open_unit)
    assert bind_level(Level.RED, parse(text), Scope(OPEN.get, {"soil": ("wet", "dry")})) == (
        tree.LevelCondition(Level.RED, expression)
    )


@pytest.mark.parametrize(
    "text",
    [
        "river.level >= 3.2 m for 20 s clear when river.level < 3 m",
        "max(gauge-2.rain, 1 h) > pick(soil, dry 6 mm, wet 4 mm) or (lost(a.h2s) and lost(b.h2s))",
        "2 of (a.h2s >= 10 ppm, not (b.h2s >= 10 ppm for 90 s), a.h2s > 3 ppm for 2 of 3 readings)",
        "rate(crack.opening, 6 h) > 2 mm/h and tangent(crack.opening, 0.8 mm/d, 1 d) >= 80 deg",
        "seen(cam.smoke >= 80 %, 30 s) and during(05-01, 09-30) and between(22:00, 06:00)",
        "not quality(a.h2s) is good or meter.factor < 0.8 or day_sum(gauge-2.rain) > 50 mm",
    ],
)  # fmt: skip
def test_canonical_text_is_what_a_person_would_write(text: str) -> None:
    """It is its own canonical text: the shortest numbers, the largest whole unit of time."""
    assert show_level(bind_level(Level.RED, parse(text), SCOPE), unit_of) == text


# -- any text ---------------------------------------------------------------------------------

WORDS = re.findall(
    r"\S+",
    "and or not for of is clear when reading readings lost quality seen during between pick day_sum"
    " tangent sum rate ( ) , >= < ≥ => . river.level gauge-2.rain a.h2s x.y 3 2.5 -1e9 1e999 m mm/h"
    " ppm % °C s h d 05-01 99-99 22:00 soil dry wet （ ） \x00 \ud800 ' \" - + 米",
)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@example("(" * 3000)
@example("not " * 600)
@example("a.h2s>1ppm and " * 140)
@example("9" * 1990)
@example("lost(a.h2s) for " + "9" * 1500 + " s")
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but Mistaken is raised, and every mark lies within the text or right after it."""
    found: tuple[Mistake, ...] | None = None
    try:
        bind_level(Level.RED, parse(text), SCOPE)
    except Mistaken as mistaken:
        found = mistaken.mistakes
    assert found != ()
    for each in found or ():
        assert 0 <= each.spot.at <= len(text)
        assert each.spot.at < each.spot.end


def test_every_quality_can_be_written() -> None:
    assert set(QUALITIES.values()) == set(Quality)
    for name, quality in QUALITIES.items():
        assert raises(f"quality(a.h2s) is {name}") == tree.HasQuality(A, quality)


def test_without_a_text_no_parser_is_loaded() -> None:
    """A site in the short form pays nothing for the language."""
    code = (
        "import sys, edge.engine.conditions.parse, edge.engine.conditions.bind, edge.app.config;"
        "assert 'lark' not in sys.modules;"
        "edge.engine.conditions.parse.parse('lost(a.b)');"
        "assert 'lark' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
