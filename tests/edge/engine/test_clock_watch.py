"""Steps of the wall clock are noticed, slewing is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.instant import NS_PER_MS, ClockQuality, Instant, Utc
from edge.engine.clock_watch import ClockWatch

START = 1_718_158_500_000


def at(ms, shift_ms=0.0, quality=ClockQuality.SYNCED):
    return Instant(round(ms * NS_PER_MS)), Utc(round(START + ms + shift_ms), quality)


@pytest.mark.parametrize("step_ms", [1100, -1100, 3_600_000, -START, 10 * 365 * 86_400_000])
def test_a_step_is_noticed_once_with_its_size(step_ms):
    watch = ClockWatch(*at(0))
    assert watch.look(*at(250)) is None
    change = watch.look(*at(500, step_ms))
    assert change is not None
    assert abs(change.step_ms - step_ms) <= 1
    assert change.before_ms == START + 500
    assert change.after.ms == START + 500 + step_ms
    assert watch.look(*at(750, step_ms)) is None


def test_small_steps_add_up_to_one_that_is_noticed():
    """A clock cannot be led astray in portions of less than a second."""
    watch = ClockWatch(*at(0))
    changes = [watch.look(*at(250 * i, 200 * i)) for i in range(1, 11)]
    assert [i for i, change in enumerate(changes) if change] == [5]


@given(days=st.floats(0.01, 30), ppm=st.floats(-480, 480), every_ms=st.floats(250, 60_000))
def test_a_clock_that_is_slewed_or_drifts_is_followed(days, ppm, every_ms):
    watch = ClockWatch(*at(0))
    looks = min(2000, int(days * 86_400_000 / every_ms))
    for i in range(1, looks):
        assert watch.look(*at(i * every_ms, i * every_ms * ppm / 1e6)) is None


def test_a_change_of_belief_is_noticed_without_a_step():
    watch = ClockWatch(*at(0, quality=ClockQuality.UNKNOWN))
    change = watch.look(*at(250))
    assert change is not None
    assert change.body() == {
        "step_ms": 0,
        "before_ms": START + 250,
        "after_ms": START + 250,
        "was": "unknown",
        "quality": "synced",
    }
    assert watch.look(*at(500)) is None
