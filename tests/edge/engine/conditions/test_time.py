"""What time alone changes: events that age, dates, hours, and the hydrological day."""

from __future__ import annotations

import pytest

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import Level, PointId, Quality
from edge.engine.conditions.tree import (
    All,
    Compare,
    DuringDates,
    DuringHours,
    Function,
    HasQuality,
    Held,
    Lost,
    Not,
    Seen,
    Value,
    Window,
)
from edge.engine.conditions.truth import Truth
from edge.engine.quality import Counter

A, B = PointId("a"), PointId("b")
T, F, U, L = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN, Truth.LOST
SMOKE = Seen(A, ">=", 0.8, 30 * NS_PER_S)
HOUR_MS = 3_600_000
# 2024-06-12 07:59 in Chongqing.
BEFORE_EIGHT_MS = 1_718_150_340_000


def test_an_event_counts_until_it_is_too_old(one):
    table = one(SMOKE)
    table.feed(0.9, 100)
    assert table.level() is Level.RED
    assert table.set.due == 130 * NS_PER_S + 1
    assert table.advance(130) == []
    [verdict] = table.set.advance(table.set.due, Utc(table.utc_ms))
    assert (verdict.level, verdict.at) == (Level.NORMAL, 130 * NS_PER_S + 1)
    assert table.set.due is None


def test_a_weaker_event_neither_renews_nor_ends_a_stronger_one(one):
    table = one(SMOKE)
    table.feed(0.9, 100)
    table.feed(0.5, 110)
    assert table.level() is Level.RED
    table.feed(0.8, 120)
    table.feed(0.8, 120)
    table.feed(0.1, 121)
    assert table.advance(131) == []
    assert [v.level for v in table.advance(150.1)] == [Level.NORMAL]


def test_without_a_timer_a_late_reading_sees_the_event_too_old(one):
    """Verdicts do not depend on when somebody looks at the clock."""
    table = one(All((SMOKE, Compare(Value(B), ">=", 5.0))))
    table.feed(0.9, 100)
    table.feed(1.0, 101, on="b")
    table.feed(9.0, 131, on="b")
    assert table.level() is Level.NORMAL


def test_what_was_seen_before_the_watch_began_is_unknown(one):
    table = one(SMOKE)
    table.advance(10)
    assert (table.truth(), table.level()) == (U, None)
    assert table.set.due == 40 * NS_PER_S + 1
    assert [v.level for v in table.advance(41)] == [Level.NORMAL]
    assert table.truth() is F


def test_silence_of_an_event_point_is_no_loss_but_its_line_may_be_lost(one):
    table = one(SMOKE, lost=Level.YELLOW)
    table.advance(0)
    table.advance(31)
    for at_s in range(32, 40):
        table.feed(None, at_s, Quality.STALE)
    assert table.level() is Level.NORMAL
    table.feed(None, 40, Quality.LOST)
    assert (table.truth(), table.level()) == (L, Level.YELLOW)
    table.feed(0.1, 50)
    assert table.truth() is U, "what happened meanwhile is not known"
    table.advance(81)
    assert (table.truth(), table.level()) == (F, Level.NORMAL)


def test_an_event_outlives_the_loss_of_its_camera_until_it_is_old(one):
    table = one(SMOKE)
    table.feed(0.9, 100)
    table.feed(None, 110, Quality.LOST)
    assert table.truth() is T
    table.advance(131)
    assert table.truth() is L
    assert table.explain().standing is Level.RED


def test_lost_and_quality_are_never_unknown(desk, red):
    table = desk(
        [
            red(Lost(A), rule="lost"),
            red(HasQuality(A, Quality.STUCK), rule="stuck"),
            red(Not(Lost(B)), rule="there"),
        ]
    )
    assert [table.truth(r) for r in ("lost", "stuck", "there")] == [F, F, T]
    table.feed(5.0, 1, Quality.STUCK)
    assert [table.level(r) for r in ("lost", "stuck")] == [Level.NORMAL, Level.RED]
    table.miss(2)
    assert [table.level(r) for r in ("lost", "stuck")] == [Level.NORMAL, Level.NORMAL]
    table.miss(3)
    assert table.level("lost") is Level.RED
    table.feed(5.0, 4)
    assert [table.level(r) for r in ("lost", "stuck")] == [Level.NORMAL, Level.NORMAL]


def test_a_loss_can_be_held(one):
    table = one(Held(Lost(A), 60 * NS_PER_S))
    for at_s in range(0, 60, 10):
        table.miss(at_s)
    assert table.truth() is F
    table.miss(79)
    assert table.truth() is F
    table.miss(80)
    assert table.level() is Level.RED


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ((10 * 60, 12 * 60), ["10:00", "11:59"], ["09:59", "12:00"]),
        ((22 * 60, 6 * 60), ["22:00", "23:59", "00:00", "05:59"], ["21:59", "06:00", "12:00"]),
        ((0, 24 * 60), ["00:00", "23:59"], []),
        ((8 * 60, 8 * 60), ["08:00", "07:59"], []),
    ],
)
def test_hours_end_before_their_end_and_may_pass_midnight(one, hours, inside, outside):
    for times, truth in ((inside, T), (outside, F)):
        for text in times:
            table = one(DuringHours(*hours))
            hour, minute = map(int, text.split(":"))
            table.utc_ms += ((hour - 10) * 60 + minute) * 60_000
            table.advance(0)
            assert table.truth() is truth, text


@pytest.mark.parametrize(
    ("begin", "end", "truth"),
    [
        ((5, 1), (9, 30), T),
        ((6, 12), (6, 12), T),
        ((6, 13), (6, 11), F),
        ((6, 12), (6, 11), T),
        ((11, 1), (6, 12), T),
        ((11, 1), (6, 11), F),
        ((1, 1), (12, 31), T),
    ],
)
def test_dates_include_both_days_and_may_pass_new_year(one, begin, end, truth):
    """It is 12 June."""
    table = one(DuringDates(begin, end))
    table.advance(0)
    assert table.truth() is truth


def test_hours_turn_by_time_alone_when_they_are_due(one):
    """At the very beginning of the minute, whatever part of one had passed at the start."""
    table = one(DuringHours(10 * 60 + 5, 10 * 60 + 12))
    table.utc_ms += 30_250
    assert [v.level for v in table.advance(0)] == [Level.NORMAL]
    for due_s, level in ((269.75, Level.RED), (689.75, Level.NORMAL)):
        assert table.set.due == due_s * NS_PER_S
        assert table.advance(due_s - 0.001) == []
        assert [v.level for v in table.advance(due_s)] == [level]


def test_a_clock_that_is_set_is_noticed_within_ten_minutes(one):
    table = one(DuringHours(22 * 60, 6 * 60))
    table.advance(0)
    assert table.level() is Level.NORMAL
    assert table.set.due == 600 * NS_PER_S
    table.utc_ms += 13 * HOUR_MS
    table.advance(600)
    assert table.level() is Level.RED


def test_the_day_sum_begins_anew_at_eight(one):
    """From 08:00 local time on it is another hydrological day, also without a reading."""
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0))
    table.utc_ms = BEFORE_EIGHT_MS
    table.feed(3.0, 0)
    table.feed(2.0, 59.9)
    assert table.level() is Level.RED
    assert table.set.due == 60 * NS_PER_S
    [verdict] = table.advance(60)
    assert verdict.level is Level.NORMAL
    [shown] = table.explain().windows
    assert (shown.value, shown.warming) == (0.0, False)
    table.feed(4.9, 61)
    assert table.truth() is F
    table.feed(0.1, 62)
    assert table.level() is Level.RED


def test_a_reading_at_eight_belongs_to_the_new_day(one):
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0))
    table.utc_ms = BEFORE_EIGHT_MS
    table.feed(4.0, 0)
    table.feed(4.0, 60)
    assert table.explain().windows[0].value == 4.0


def test_the_first_day_is_not_known_from_its_begin(one):
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0))
    table.feed(1.0, 0)
    assert (table.truth(), table.explain().windows[0].warming) == (U, True)


def test_a_clock_put_back_takes_no_rain_away(one):
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0))
    table.utc_ms = BEFORE_EIGHT_MS + HOUR_MS
    table.feed(4.0, 0)
    table.utc_ms -= 2 * HOUR_MS
    table.advance(600)
    table.feed(1.0, 601)
    assert table.level() is Level.RED
    assert table.explain().windows[0].warming


def test_a_day_that_was_jumped_over_is_not_complete(one):
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0))
    table.feed(9.0, 0)
    table.utc_ms += 48 * HOUR_MS
    table.advance(600)
    assert table.truth() is U
    assert table.explain().windows[0].value == 0.0


def test_the_day_sum_of_a_counter_is_what_it_has_grown_by(one):
    table = one(Compare(Window(Function.DAY_SUM, A, 0), ">=", 5.0), counters={A: Counter()})
    table.feed(500.0, 0)
    table.feed(504.9, 1)
    assert table.truth() is U
    table.feed(0.1, 2)
    assert table.level() is Level.RED


def test_a_reading_that_is_due_later_tells_time_first(desk, red):
    """One call may bring the verdicts of time and those of the reading, in that order."""
    table = desk(
        [red(SMOKE, rule="smoke"), red(Compare(Value(B), ">=", 5.0), rule="level")],
    )
    table.feed(0.9, 0)
    found = table.feed(9.0, 100, on="b")
    assert [(v.rule, v.level) for v in found] == [("smoke", Level.NORMAL), ("level", Level.RED)]


def test_nothing_is_due_before_the_first_call_tells_the_time(one):
    assert one(DuringHours(0, 60)).set.due is None


def test_nothing_is_due_where_time_changes_nothing(one):
    table = one(Held(Compare(Value(A), ">=", 5.0), NS_PER_S))
    table.feed(9.0, 0)
    assert table.set.due is None
    assert table.set.advance(Instant(10**12), Utc(0)) == ()
