"""What is kept and shared: restart, change of the configuration, counters, evidence, memory."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import DeviceId, Level, Point, PointId, Quality, RuleId
from edge.core.units import Unit
from edge.engine.conditions.rule_set import RuleSet
from edge.engine.conditions.tree import (
    All,
    AnyOf,
    Choice,
    Compare,
    Condition,
    DuringHours,
    Function,
    Held,
    LevelCondition,
    Not,
    Pick,
    Repeated,
    Seen,
    Selector,
    Value,
    Votes,
    Window,
)
from edge.engine.conditions.truth import Truth
from edge.engine.quality import Counter

A, B, C = PointId("a"), PointId("b"), PointId("c")
R = RuleId("r")
HIGH = Compare(Value(A), ">=", 5.0)
S = NS_PER_S


def window(function: Function, length_s: float, point: PointId = A) -> Window:
    velocity = 0.5 if function is Function.TANGENT else 0.0
    length = 0 if function is Function.DAY_SUM else round(length_s * S)
    return Window(function, point, length, velocity)


# --- restart


@pytest.mark.parametrize("level", [Level.NORMAL, Level.BLUE, Level.ORANGE, Level.RED])
def test_a_restored_level_stands_while_nothing_is_known(desk, red, level):
    """Also a level that only a loss can raise."""
    table = desk([red(Compare(window(Function.SUM, 3600), ">=", 5.0), lost=Level.ORANGE)])
    table.set.restore({R: level, RuleId("gone"): Level.RED})
    table.feed(None, 0, Quality.GARBLED)
    assert table.explain().standing is level
    table.feed(0.0, 1)
    assert table.explain().standing is level, "warming"
    table.feed(0.0, 3602)
    assert table.explain().standing is Level.NORMAL


def test_a_restored_level_clears_by_what_clears_it(one):
    table = one(HIGH, Compare(Value(A), "<", 3.0))
    table.set.restore({R: Level.RED})
    assert table.feed(4.0, 0) == []
    assert [v.level for v in table.feed(2.9, 1)] == [Level.NORMAL]


# --- change of the configuration


def changed(desk, old, *conditions, **fields):
    table = desk(conditions, **fields)
    table.set.take_over(old.set)
    table.told = dict(old.told)
    return table


def test_windows_of_unchanged_conditions_go_on(desk, red):
    condition = red(Compare(window(Function.SUM, 10), ">=", 5.0))
    old = desk([condition])
    for at_s in range(12):
        old.feed(0.4, at_s)
    assert old.truth() is Truth.FALSE
    new = changed(desk, old, condition, red(HIGH, rule="another"))
    assert new.truth() is Truth.FALSE
    assert [v.rule for v in new.feed(0.6, 12)] == ["another"]
    assert new.explain().windows[0].value == pytest.approx(4.6)
    assert not new.explain().windows[0].warming
    for at_s in range(13, 40):
        new.feed(0.0, at_s)
    old.feed(0.6, 12)
    assert old.explain().windows[0].value == pytest.approx(4.6), "the old set is as it was"


def test_a_new_threshold_finds_the_window_full(desk, red):
    old = desk([red(Compare(window(Function.SUM, 10), ">=", 50.0))])
    for at_s in range(12):
        old.feed(1.0, at_s)
    new = changed(desk, old, red(Compare(window(Function.SUM, 10), ">=", 5.0)))
    new.feed(0.0, 12)
    assert new.level() is Level.RED


def test_a_new_threshold_is_applied_at_the_next_reading_even_if_that_is_the_same(desk, red):
    old = desk([red(Compare(Value(A), ">=", 9.0))])
    old.feed(6.0, 0)
    new = changed(desk, old, red(HIGH))
    assert [v.level for v in new.feed(6.0, 1)] == [Level.RED]


def test_a_raised_level_outlives_the_change_of_its_rule_until_its_condition_clears(desk, red):
    old = desk([red(HIGH)])
    old.feed(6.0, 0)
    new = changed(desk, old, red(Compare(Value(A), ">=", 8.0), Compare(Value(A), "<", 5.5)))
    assert new.feed(6.0, 1) == []
    assert [v.level for v in new.feed(5.0, 2)] == [Level.NORMAL]


def test_holding_times_repetitions_losses_and_events_go_on(desk, red):
    conditions = [
        red(Held(HIGH, 10 * S), rule="held"),
        red(Repeated(HIGH, 3, 3), rule="repeated"),
        red(Compare(Value(B), ">=", 5.0), rule="lost", lost=Level.YELLOW),
        red(Seen(C, ">=", 0.8, 30 * S), rule="seen"),
    ]
    old = desk(conditions)
    old.feed(0.9, 0, on="c")
    old.miss(0, times=2, on="b")
    old.feed(6.0, 0)
    old.feed(6.0, 5)
    new = changed(desk, old, *conditions)
    new.miss(6, on="b")
    assert new.level("lost") is Level.YELLOW
    new.feed(6.0, 10)
    assert (new.level("held"), new.level("repeated")) == (Level.RED, Level.RED)
    new.advance(31)
    assert new.level("seen") is Level.NORMAL


def test_a_counter_that_is_none_any_more_begins_anew(desk, red):
    condition = red(Compare(window(Function.SUM, 10), ">=", 5.0))
    old = desk([condition], counters={A: Counter()})
    old.feed(100.0, 0)
    old.feed(104.0, 1)
    kept = changed(desk, old, condition, counters={A: Counter()})
    kept.feed(104.5, 2)
    assert kept.explain().windows[0].value == 4.5
    plain = changed(desk, old, condition)
    plain.feed(1.0, 2)
    assert plain.explain().windows[0].value == 1.0


ROUND = [Compare(window(function, 5), ">=", 5.0) for function in Function] + [
    Held(HIGH, 3 * S),
    Repeated(HIGH, 2, 3),
    Votes(1, (HIGH, Compare(Value(B), ">=", 5.0))),
    Compare(Value(A), ">=", Pick("soil", (("wet", 3.0), ("dry", 7.0)))),
    Seen(B, ">=", 5.0, 3 * S),
    All((HIGH, DuringHours(600, 601))),
]
SOIL = Selector("soil", (Choice("wet", Compare(Value(B), ">=", 5.0)),), "dry", "wet")


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 2500),
            st.one_of(st.integers(0, 9).map(float), st.none()),
        ),
        max_size=40,
    ),
    st.integers(0, 40),
    st.booleans(),
)
@example(  # the time that is held goes on with the next reading of its point, not with the clock
    [("a", 114, 5.0), ("a", 1400, 5.0), ("b", 106, None), ("b", 1600, None)], 3, False
)
@settings(max_examples=60)
def test_a_take_over_by_an_equal_set_changes_nothing(desk, red, steps, cut, counted):
    """The set that goes on says what the one that never stopped says."""
    conditions = [red(each, rule=f"r{index}", lost=Level.BLUE) for index, each in enumerate(ROUND)]
    counters = {A: Counter(100.0)} if counted else {}
    whole = desk(conditions, selectors=(SOIL,), counters=counters)
    second = desk(conditions, selectors=(SOIL,), counters=counters)
    at = 0
    for index, (name, gap_ms, value) in enumerate(steps):
        if index == cut:
            old, second = second, desk(conditions, selectors=(SOIL,), counters=counters)
            second.set.take_over(old.set)
            second.told = dict(old.told)
        at += gap_ms * 1_000_000
        quality = Quality.GARBLED if value is None else Quality.GOOD
        found = [each.feed_ns(value, at, quality, name) for each in (whole, second)]
        assert found[0] == found[1]
        for condition in conditions:
            assert whole.explain(condition.rule) == second.explain(condition.rule)


# --- sharing


def test_equal_conditions_share_their_state(desk, red):
    """A hundred rules on the same window cost one."""
    same = [
        red(Held(Compare(window(Function.SUM, 3600), ">=", 5.0), S), rule=f"r{n}")
        for n in range(100)
    ]
    assert len(desk(same).set._built.windows) == 1
    assert len(desk(same).set._built.order) == len(desk(same[:1]).set._built.order)
    table = desk(same)
    table.feed(6.0, 0)
    assert len(table.feed(6.0, 1)) == 100


# --- what a verdict tells


def test_evidence_is_the_newest_reading_of_every_point_of_the_level_the_cause_first(desk):
    levels = (
        LevelCondition(Level.YELLOW, Compare(Value(C), ">=", 5.0)),
        LevelCondition(Level.RED, All((HIGH, Compare(Value(B), ">=", 5.0)))),
    )
    table = desk([Condition(R, levels)])
    table.feed(1.0, 1, on="c")
    table.feed(6.0, 2)
    table.feed(7.0, 2.5)
    [verdict] = table.feed(8.0, 3, on="b")
    assert [(s.point, s.value, s.at) for s in verdict.evidence] == [
        ("b", 8.0, 3 * S), ("a", 7.0, 2.5 * S),
    ]  # fmt: skip
    assert verdict.evidence[0].unit is Unit.MILLIMETRE
    assert verdict.evidence[0].utc == Utc(table.utc_ms + 3000)
    assert verdict.at == 3 * S
    [verdict] = table.feed(1.0, 4, on="b")
    assert [s.point for s in verdict.evidence] == ["b", "a"], "what has cleared"


def test_levels_are_judged_whatever_their_order_in_the_file(desk):
    levels = (
        LevelCondition(Level.RED, Compare(Value(A), ">=", 8.0)),
        LevelCondition(Level.BLUE, HIGH),
    )
    table = desk([Condition(R, levels)])
    table.feed(9.0, 0)
    assert table.level() is Level.RED
    table.feed(6.0, 1)
    assert table.level() is Level.BLUE


@pytest.mark.parametrize(
    "wrong",
    [
        Compare(Value(PointId("nowhere")), ">=", 5.0),
        Compare(Value(A), ">=", Pick("none", (("wet", 1.0),))),
        Compare(Value(A), ">=", Pick("soil", (("wet", 1.0),))),
    ],
)
def test_what_names_nothing_is_refused(one, wrong):
    with pytest.raises(ValueError, match=r"no point|no selector|no limit"):
        one(wrong, selectors=(SOIL,))


def test_a_selector_that_needs_itself_is_refused(one):
    wrong = Compare(Value(A), ">=", Pick("loop", (("x", 1.0), ("y", 2.0))))
    loop = Selector("loop", (Choice("x", wrong),), "y", "x")
    with pytest.raises(ValueError, match="needs itself"):
        one(wrong, selectors=(loop,))


# --- counters


@pytest.mark.parametrize(
    ("rollover", "totals", "grown"),
    [
        (None, [500.0, 500.2, 503.0], 3.0),
        (None, [500.0, 501.0, 0.0, 0.4], 1.4),
        (None, [500.0, 501.0, 0.4], 1.4),
        (None, [500.0, 501.0, 480.0, 481.0], 2.0),
        (None, [5000.0, 2000.0], 0.0),
        (100_000.0, [99_999.5, 0.5], 1.0),
        (100_000.0, [99_999.9, 0.0], 0.1),
        (100_000.0, [50_000.0, 0.5], 0.5),
        (None, [99_999.5, 0.5], 0.5),
    ],
)
def test_a_counter_never_brings_negative_rain(one, rollover, totals, grown):
    """Reset, reset with rain since, set by somebody, and roll-over of N(6,1) at 100 000."""
    table = one(Compare(window(Function.SUM, 3600), ">=", 1e6), counters={A: Counter(rollover)})
    for at_s, total in enumerate(totals):
        table.feed(total, at_s)
    assert table.explain().windows[0].value == pytest.approx(grown)


def test_a_comparison_with_a_counter_itself_is_with_its_total(desk, red):
    table = desk(
        [red(HIGH), red(Compare(window(Function.SUM, 60), ">=", 1.0), rule="rain")],
        counters={A: Counter()},
    )
    table.feed(500.0, 0)
    assert (table.level(), table.level("rain")) == (Level.RED, None)


def test_what_fell_while_a_counter_was_lost_is_not_forgotten(one):
    """Its total tells afterwards: the window need not warm anew."""
    table = one(Compare(window(Function.SUM, 100), ">=", 5.0), counters={A: Counter()})
    for at_s in range(101):
        table.feed(500.0, at_s)
    table.feed(None, 101, Quality.LOST)
    table.feed(504.0, 150)
    assert table.truth() is Truth.FALSE
    table.feed(505.0, 151)
    assert table.level() is Level.RED


# --- memory


def _everything(rule: str, point: PointId, length_s: float) -> Condition:
    parts = tuple(Compare(window(function, length_s, point), ">=", 1e9) for function in Function)
    raises = AnyOf((*parts, Repeated(Compare(Value(point), ">", 1e9), 3, 30)))
    other = Not(Held(Compare(Value(point), "<", 3.0), S))
    levels = (LevelCondition(Level.YELLOW, other), LevelCondition(Level.RED, raises))
    return Condition(RuleId(rule), levels)


@pytest.mark.parametrize(("lengths_s", "rules"), [((600, 800), 4), ((), 50)])
def test_memory_stays_below_what_is_stated(lengths_s, rules):
    """Every window full, every value and instant as large as they come; and not far below."""
    points = [
        Point(PointId(f"device-{n}.p"), DeviceId(f"device-{n}"), Unit.METRE, 6) for n in range(2)
    ]
    conditions = [
        _everything(f"{point.id}-{length}", point.id, length)
        for point in points
        for length in lengths_s
    ]
    conditions += [
        Condition(
            RuleId(f"s{n}"),
            (LevelCondition(Level.RED, Compare(Value(points[n % 2].id), ">=", float(n))),),
        )
        for n in range(rules)
    ]
    gc.collect()
    tracemalloc.start()
    try:
        rule_set = RuleSet(conditions, points, local=lambda ms: (ms // 86_400_000, 1, 1, 0))
        now, utc = 10**15, 10**12
        for index in range(1700):
            # falls, so that MAX keeps every bin; MIN does so in the second half
            value = 1e9 - index if index < 850 else index * 1.0
            for point in points:
                at = Instant(now + index * S)
                rule_set.feed(point.id, value, Quality.GOOD, at, Utc(utc + index * 1000))
        gc.collect()
        measured, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert measured <= rule_set.memory_bytes() <= 2.5 * measured
