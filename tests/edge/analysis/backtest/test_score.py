"""Hits, misses, false alarms and lead times, as forecast verification counts them."""

from __future__ import annotations

import pytest

from edge.analysis.backtest.curve import Choice, best, steps, undominated
from edge.analysis.backtest.model import DAY_MS, YEAR_MS, Answer, Event, Span, Track
from edge.analysis.backtest.score import Score, Waits, covered, only, score, waits
from edge.core.model import Level, RuleId

FLOOD, GAS = RuleId("flood"), RuleId("gas")
HOUR_MS = 3_600_000
RECORD = Span(0, round(2 * YEAR_MS))


def track(*changes: tuple[int, Level]) -> Track:
    """A rule that changed so, in hours."""
    return Track(FLOOD, [(hour * HOUR_MS, level) for hour, level in changes])


def event(begin_h: int, end_h: int, **more: object) -> Event:
    """An event, in hours."""
    return Event(Span(begin_h * HOUR_MS, end_h * HOUR_MS), "flood", **more)  # type: ignore[arg-type]  # level and rule


def judged(track_: Track, *events: Event, level: Level = Level.RED, reach_h: int = 24) -> Score:
    """The score over two years."""
    return score(track_, level, RECORD, events, reach_ms=reach_h * HOUR_MS)


def test_an_alarm_before_an_event_is_a_hit_with_its_lead_time() -> None:
    """The time people had."""
    found = judged(track((100, Level.RED), (110, Level.NORMAL)), event(103, 120))
    assert [hit.lead_ms for hit in found.hits] == [3 * HOUR_MS]
    assert (found.misses, found.false, found.detection, found.false_ratio) == ((), (), 1.0, 0.0)


def test_an_alarm_after_the_begin_is_a_hit_that_came_late() -> None:
    """Late is better than never, and must not look early."""
    found = judged(track((105, Level.RED), (110, Level.NORMAL)), event(103, 120))
    assert found.lead_ms == -2 * HOUR_MS


def test_alarms_outside_the_reach_are_false_and_the_event_is_missed() -> None:
    """An alarm of the day before yesterday, and one after the event."""
    alarms = track((50, Level.RED), (51, Level.NORMAL), (130, Level.RED), (131, Level.NORMAL))
    found = judged(alarms, event(103, 120))
    assert (len(found.hits), len(found.misses), len(found.false)) == (0, 1, 2)
    assert found.false_per_year == pytest.approx(1.0)
    assert found.lead_ms is None


def test_an_alarm_that_stands_for_ever_is_no_early_warning() -> None:
    """Its lead time counts no more than the reach."""
    found = judged(track((1, Level.RED)), event(1000, 1010))
    assert found.lead_ms == 24 * HOUR_MS
    assert found.alarm_ms > 1.9 * YEAR_MS


def test_a_momentary_event_and_an_alarm_at_its_end_meet() -> None:
    """Labels often are single moments."""
    alarms = track((103, Level.RED), (104, Level.NORMAL))
    assert len(judged(alarms, event(103, 103)).hits) == 1
    assert len(judged(alarms, event(104, 104), reach_h=0).hits) == 0


def test_one_alarm_may_be_of_two_events_and_two_alarms_of_one() -> None:
    """None of them is false."""
    long = judged(track((100, Level.RED), (200, Level.NORMAL)), event(101, 102), event(150, 151))
    assert (len(long.hits), len(long.false)) == (2, 0)
    two = track((100, Level.RED), (101, Level.NORMAL), (102, Level.RED), (103, Level.NORMAL))
    short = judged(two, event(103, 110))
    assert (len(short.hits), len(short.false), short.lead_ms) == (1, 0, 3 * HOUR_MS)


def test_a_level_is_judged_by_events_that_were_bad_enough_for_it() -> None:
    """Red during an orange event was too much; orange was right."""
    alarms = track((100, Level.RED), (110, Level.NORMAL))
    orange = event(103, 120, level=Level.ORANGE)
    assert len(judged(alarms, orange, level=Level.RED).false) == 1
    assert len(judged(alarms, orange, level=Level.ORANGE).hits) == 1


def test_events_of_other_rules_do_not_concern_this_one() -> None:
    """And a record that labels nothing for a rule makes none of its alarms false."""
    alarms = track((100, Level.RED), (110, Level.NORMAL))
    found = judged(alarms, event(103, 120, rule=GAS))
    assert (found.hits, found.misses, found.false, found.labelled) == ((), (), (), False)
    assert (found.false_per_year, found.detection) == (None, None)


def test_events_beyond_the_record_are_set_aside() -> None:
    """Nobody can be blamed for missing them."""
    inside, outside = covered([event(1, 2), event(-1, 2)], Span(0, 3 * HOUR_MS))
    assert (inside, outside) == ([event(1, 2)], [event(-1, 2)])


def test_alarms_that_only_one_of_two_raises() -> None:
    """An alarm that merely begins later is the same alarm."""
    one = judged(track((1, Level.RED), (5, Level.NORMAL), (9, Level.RED), (10, Level.NORMAL)))
    other = judged(track((3, Level.RED), (5, Level.NORMAL)))
    assert only(one, other) == [Span(9 * HOUR_MS, 10 * HOUR_MS)]
    assert only(other, one) == []


def test_waits_are_told_by_level() -> None:
    """The highest first."""
    answers = [Answer(FLOOD, 0, "王", Level.RED, ms) for ms in (10, 30)]
    answers.append(Answer(FLOOD, 0, "王", Level.BLUE, 7))
    assert waits(answers) == [Waits(Level.RED, 2, 20, 30), Waits(Level.BLUE, 1, 7, 7)]


def test_steps_are_numbers_as_people_write_them() -> None:
    """Both ends included."""
    assert steps(2.0, 2.6, 4) == [2.0, 2.2, 2.4, 2.6]
    assert steps(4.0, 2.0, 3) == [4.0, 3.0, 2.0]


def test_the_best_choice_misses_least_before_anything_else() -> None:
    """A life before an annoyance; then the annoyance; then the lead time."""
    early = track((100, Level.RED), (110, Level.NORMAL), (500, Level.RED), (501, Level.NORMAL))
    late = track((102, Level.RED), (110, Level.NORMAL))
    wanted = event(103, 120)
    low, middle, high = (
        Choice(threshold, str(threshold), judged(each, wanted))
        for threshold, each in ((1.0, early), (2.0, late), (3.0, track()))
    )
    assert best([low, middle, high]) is middle
    # silence has no false alarm, but what misses an event is beaten by what warns without one
    assert undominated([low, middle, high]) == [low, middle]
    assert best([]) is None


def test_a_missed_event_weighs_more_than_any_false_alarm() -> None:
    """The silent threshold is not the better one."""
    events = (event(103, 120), event(3000, 3001))
    noisy = track(*((hour, Level.RED if hour % 2 else Level.NORMAL) for hour in range(99, 4000)))
    silent = track((102, Level.RED), (110, Level.NORMAL))
    choices = [
        Choice(rank, str(rank), judged(each, *events)) for rank, each in enumerate((noisy, silent))
    ]
    assert best(choices) is choices[0]


def test_a_year_is_a_year() -> None:
    """Numbers per year are of the length of the record."""
    found = score(track((1, Level.RED)), Level.RED, Span(0, 10 * DAY_MS), [], reach_ms=0)
    assert found.alarms_per_year == pytest.approx(36.525)
    assert found.false_per_year is None
