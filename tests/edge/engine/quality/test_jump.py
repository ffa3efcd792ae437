"""Rate of change: one wild reading is held back, a real change is taken after two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import DeviceId, Point, PointId, Quality
from edge.core.units import Unit
from edge.engine.conditions.tracks import LOST_AFTER
from edge.engine.quality import JUMP_READINGS, Checks, Counter, PointChecks

GOOD, JUMP = Quality.GOOD, Quality.JUMP


def test_one_wild_reading_is_held_back(bench):
    assert bench(rate_per_s=0.1).give_all([1.0, 9.0, 1.0, 1.05]) == [GOOD, JUMP, GOOD, GOOD]


def test_the_value_of_a_jump_is_kept_for_the_record(bench):
    each = bench(rate_per_s=0.1)
    each.give(1.0, 0)
    assert each.give(9.0, 1) == (9.0, JUMP)


def test_a_change_that_stays_is_true_after_two_readings(bench):
    found = bench(rate_per_s=0.1).give_all([1.0, 4.0, 4.0, 4.0, 4.05])
    assert found == [GOOD, JUMP, JUMP, GOOD, GOOD]


def test_a_wave_that_goes_on_rising_does_not_begin_anew_with_each_reading(bench):
    found = bench(rate_per_s=0.1).give_all([1.0, 3.0, 5.0, 7.0])
    assert found == [GOOD, JUMP, JUMP, GOOD]


def test_a_real_change_is_taken_before_the_sensor_counts_as_lost():
    assert JUMP_READINGS < LOST_AFTER


def test_swings_to_both_sides_bear_nothing_out(bench):
    found = bench(rate_per_s=0.1).give_all([5.0, 9.0, 1.0, 9.0, 1.0, 9.0])
    assert found == [GOOD, *[JUMP] * 5]


def test_the_rate_counts_from_the_last_good_reading(bench):
    each = bench(rate_per_s=0.1)
    assert each.give(1.0, 0)[1] is GOOD
    assert each.give(Quality.NO_ANSWER, 1)[1] is Quality.NO_ANSWER
    assert each.give(2.0, 10)[1] is GOOD


@pytest.mark.parametrize(("value", "quality"), [(1.101, GOOD), (1.1011, JUMP)])
def test_a_change_may_be_the_rate_times_the_time_and_one_step_of_resolution(bench, value, quality):
    each = bench(rate_per_s=0.1)
    each.give(1.0, 0)
    assert each.give(value, 1)[1] is quality


def test_changes_within_the_noise_floor_are_none(bench):
    each = bench(rate_per_s=0.1, noise_floor=0.5)
    assert each.give_all([1.0, 1.59, 1.0, 1.61]) == [GOOD, GOOD, GOOD, JUMP]


def test_a_bad_reading_neither_bears_a_change_out_nor_speaks_against_it(bench):
    found = bench(rate_per_s=0.1).give_all([1.0, 4.0, Quality.GARBLED, 4.0, Quality.NO_ANSWER, 4.0])
    assert found == [GOOD, JUMP, Quality.GARBLED, JUMP, Quality.NO_ANSWER, GOOD]


def test_a_decrease_of_a_counter_counts_only_if_it_stays(bench):
    each = bench(high=1e6, counter=Counter())
    assert each.give_all([500.0, 0.0, 500.2]) == [GOOD, JUMP, GOOD]
    assert each.give_all([0.0, 0.2, 0.4, 0.6], from_s=10) == [JUMP, JUMP, GOOD, GOOD]


def test_a_roll_over_that_fits_the_rate_is_no_jump(bench):
    each = bench(high=1e6, counter=Counter(100_000.0), rate_per_s=1.0)
    assert each.give_all([99_999.8, 0.2, 0.4]) == [GOOD, GOOD, GOOD]
    assert each.give_all([99_000.0], from_s=3) == [JUMP]


def test_a_reset_is_no_roll_over(bench):
    each = bench(high=1e6, counter=Counter(100_000.0), rate_per_s=1.0)
    assert each.give_all([500.0, 0.0, 0.0, 0.0]) == [GOOD, JUMP, JUMP, GOOD]


@given(
    base=st.floats(0, 1e3),
    jump=st.floats(1.0, 1e3),
    after=st.lists(st.floats(0, 1e3), min_size=JUMP_READINGS, max_size=JUMP_READINGS),
    down=st.booleans(),
)
def test_whatever_stays_on_one_side_is_accepted_after_so_many_readings(base, jump, after, down):
    """No level that the sensor goes on reporting can be masked for longer."""
    sign = -1.0 if down else 1.0
    point = Point(PointId("a.x"), DeviceId("a"), Unit.METRE, 3)
    checks = Checks([point], {point.id: PointChecks(rate_per_s=1e-6)})
    readings = [base, *(base + sign * (jump + more) for more in (0.0, *after))]
    found = [
        checks.judge(point.id, each, GOOD, Instant(index * NS_PER_S))
        for index, each in enumerate(readings)
    ]
    assert found[0][1] is GOOD
    assert found[-1] == (readings[-1], GOOD)
    assert all(quality is JUMP for _, quality in found[1:-1])
