"""The physical range: both ends are valid, and what saturates still alarms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.instant import Instant, Utc
from edge.core.model import DeviceId, Point, PointId, Quality, Sample
from edge.core.units import Unit
from edge.engine.quality import Checks, PointChecks, judge

GOOD, OUT = Quality.GOOD, Quality.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (0.0, GOOD), (10.0, GOOD), (5.0, GOOD),
        (math.nextafter(0.0, -1), OUT), (math.nextafter(10.0, 11), OUT), (1e300, OUT),
    ],
)  # fmt: skip
def test_both_ends_of_the_range_are_valid_and_nothing_beyond(bench, value, quality):
    assert bench().give(value, 0) == (value, quality)


def test_a_point_without_a_range_takes_every_finite_value(bench):
    each = bench(low=None, high=None)
    assert each.give_all([-1e308, 0.0, 1e308]) == [GOOD] * 3


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("low", [None, 0.0])
def test_no_number_is_garbled_and_has_no_value(bench, value, low):
    assert bench(low=low, high=None).give(value, 0) == (None, Quality.GARBLED)


@pytest.mark.parametrize("value", [10.0, 10.4, 10.5])
def test_a_saturating_sensor_may_report_five_percent_above_its_range(bench, value):
    each = bench(saturates=True)
    assert each.give(value, 0) == (value, GOOD)
    assert each.give(10.51, 1)[1] is OUT
    assert each.give(-0.01, 2)[1] is OUT


def test_without_saturation_the_range_ends_where_it_ends(bench):
    assert bench().give(10.4, 0)[1] is OUT


@pytest.mark.parametrize("quality", [each for each in Quality if each is not GOOD])
def test_a_bad_reading_stays_as_it_came(bench, quality):
    each = bench(rate_per_s=1.0, stuck_s=60.0, noise_floor=0.1)
    assert each.give(quality, 0) == (None, quality)
    assert each.give(1.0, 1) == (1.0, GOOD)


def test_each_quality_is_counted(bench):
    each = bench()
    each.give_all([1.0, 11.0, Quality.NO_ANSWER, 1.0, 11.0])
    assert each.checks.counts(PointId("a.x")) == {GOOD: 2, OUT: 2, Quality.NO_ANSWER: 1}


def test_only_known_points_are_judged(bench):
    with pytest.raises(KeyError):
        bench().checks.judge(PointId("b.x"), 1.0, GOOD, Instant(0))


@given(
    value=st.floats() | st.none(),
    quality=st.sampled_from(Quality),
    low=st.none() | st.floats(-1e6, 0),
    high=st.none() | st.floats(0, 1e6),
)
def test_a_sample_is_judged_as_a_reading_is(value, quality, low, high):
    """The same of one sample: for what has no state, and no checks but the range."""
    point = Point(PointId("a.x"), DeviceId("a"), Unit.METRE, 3, low, high)
    sample = Sample(point.id, value, Unit.METRE, quality, Instant(5), Utc(0))
    judged = judge(sample, point)
    found = Checks([point], {point.id: PointChecks()}).judge(point.id, value, quality, sample.at)
    if value is None or math.isfinite(value):
        assert found == (judged.value, judged.quality)
