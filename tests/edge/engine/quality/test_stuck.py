"""Stuck: no change at all for too long, unless the sensor rests or is saturated."""

import pytest

from edge.core.model import Quality

GOOD, STUCK = Quality.GOOD, Quality.STUCK


def test_no_change_for_the_whole_time_is_stuck_until_it_changes(bench):
    each = bench(stuck_s=10.0)
    found = each.give_all([2.0] * 12)
    assert found == [GOOD] * 10 + [STUCK] * 2
    assert each.give(2.001, 12)[1] is GOOD


def test_any_change_is_a_sign_of_life(bench):
    assert set(bench(stuck_s=10.0).give_all([2.0, 2.001] * 20)) == {GOOD}


def test_a_change_within_the_noise_floor_is_none(bench):
    each = bench(stuck_s=10.0, noise_floor=0.01)
    assert each.give_all([2.0, 2.01] * 6)[-1] is STUCK
    assert each.give(2.011, 12)[1] is GOOD


def test_a_slow_creep_is_a_change_once_it_exceeds_the_noise_floor(bench):
    each = bench(stuck_s=10.0, noise_floor=0.01)
    assert set(each.give_all([2.0 + index * 0.002 for index in range(40)])) == {GOOD}


def test_a_saturated_sensor_rests_at_its_end_and_is_not_stuck(bench):
    assert set(bench(stuck_s=10.0).give_all([10.0] * 30)) == {GOOD}
    assert set(bench(stuck_s=10.0, saturates=True).give_all([10.4] * 30)) == {GOOD}


def test_at_zero_only_a_noise_floor_makes_rest_of_it(bench):
    assert STUCK in bench(stuck_s=10.0).give_all([0.0] * 30)
    assert set(bench(stuck_s=10.0, noise_floor=0.1).give_all([0.1] * 30)) == {GOOD}
    assert STUCK in bench(stuck_s=10.0, noise_floor=0.1).give_all([0.11] * 30)


@pytest.mark.parametrize(("interval_s", "quality"), [(2.0, STUCK), (2.1, GOOD)])
def test_an_outage_is_no_time_without_change(bench, interval_s, quality):
    """Longer than a fifth of the limit."""
    assert bench(stuck_s=10.0).give_all([2.0] * 6, period_s=interval_s)[-1] is quality


def test_with_peers_only_their_movement_shows_that_it_is_stuck(bench):
    each = bench("b.x", "c.x", stuck_s=10.0, peers=("b.x", "c.x"), drift=0.5)
    found = []
    for second in range(40):
        level = 2.0 if second < 20 else 2.0 + (second - 20) * 0.1
        each.give(level, second, "b.x")
        each.give(level, second, "c.x")
        found.append(each.give(2.0, second)[1])
    # the median has moved by more than 0.5 after six steps of 0.1
    assert found == [GOOD] * 26 + [STUCK] * 14


def test_without_a_good_peer_nothing_shows_that_it_is_stuck(bench):
    each = bench("b.x", "c.x", stuck_s=10.0, peers=("b.x", "c.x"), drift=0.5)
    for second in range(30):
        each.give(Quality.NO_ANSWER, second, "b.x")
        assert each.give(2.0, second)[1] is GOOD


def test_peers_that_went_through_zero_have_moved(bench):
    each = bench("b.x", low=-10.0, stuck_s=10.0, peers=("b.x",), drift=1.0)
    found = []
    for second in range(20):
        each.give(0.0 if second == 3 else -2.0, second, "b.x")
        found.append(each.give(-2.0, second)[1])
    assert found[-1] is STUCK
