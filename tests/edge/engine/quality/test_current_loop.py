"""NAMUR NE 43: measurement from 3.8 to 20.5 mA, failure up to 3.6 and from 21 mA on, after 4 s."""

import pytest

from edge.core.model import Quality
from edge.engine.quality import CurrentLoop

GOOD, UNCERTAIN, FAULT = Quality.GOOD, Quality.UNCERTAIN, Quality.FAULT_CURRENT

LOOPS = {
    "in mA": CurrentLoop(4.0, 20.0),
    "scaled": CurrentLoop(0.0, 100.0),
    "falling": CurrentLoop(30.0, -2.0),
}
BANDS = [
    # current, before 4 s, after 4 s
    (0.0, UNCERTAIN, FAULT),
    (2.0, UNCERTAIN, FAULT),
    (3.6, UNCERTAIN, FAULT),
    (3.601, UNCERTAIN, UNCERTAIN),
    (3.799, UNCERTAIN, UNCERTAIN),
    (3.8, GOOD, GOOD),
    (4.0, GOOD, GOOD),
    (12.0, GOOD, GOOD),
    (20.0, GOOD, GOOD),
    (20.5, GOOD, GOOD),
    (20.501, UNCERTAIN, UNCERTAIN),
    (20.999, UNCERTAIN, UNCERTAIN),
    (21.0, UNCERTAIN, FAULT),
    (24.0, UNCERTAIN, FAULT),
]


@pytest.fixture(params=list(LOOPS))
def loop(request):
    return LOOPS[request.param]


def make(bench, loop, **checks):
    low, high = sorted((loop.at_4_ma, loop.at_20_ma))
    return bench(low=low, high=high, current=loop, **checks)


@pytest.mark.parametrize(("current_ma", "before", "after"), BANDS)
def test_each_band_has_its_quality(bench, loop, current_ma, before, after):
    each = make(bench, loop)
    value, held = loop.value(current_ma), loop.value(10.0)
    each.give(held, 0)
    assert each.give(value, 1) == (value if before is GOOD else held, before)
    assert each.give(value, 4.99)[1] is before
    expected = held if after is UNCERTAIN else value
    assert each.give(value, 5) == (expected, after)


def test_before_any_measurement_there_is_no_value_to_hold(bench, loop):
    assert make(bench, loop).give(loop.value(3.0), 0) == (None, UNCERTAIN)


def test_a_failure_ends_only_in_the_measuring_range(bench, loop):
    each = make(bench, loop)
    currents_ma = [3.0, 3.0, 3.7, 3.6, 3.8, 3.6]
    readings = [loop.value(each) for each in currents_ma]
    assert each.give_all(readings, period_s=4) == [UNCERTAIN, FAULT, FAULT, FAULT, GOOD, UNCERTAIN]


def test_the_four_seconds_are_without_interruption(bench, loop):
    each = make(bench, loop)
    readings = [loop.value(current) for current in (3.0, 3.0, 3.7, 3.0, 3.0, 3.0)]
    assert each.give_all(readings, period_s=2) == [UNCERTAIN] * 5 + [FAULT]


def test_gas_beyond_the_measuring_range_still_alarms(bench):
    """A saturated transmitter, read with the error of its input, is no uncertain one."""
    each = make(bench, LOOPS["scaled"], saturates=True)
    assert each.give(LOOPS["scaled"].value(20.9), 0)[1] is GOOD
    assert each.give(LOOPS["scaled"].value(21.0), 1)[1] is UNCERTAIN
    assert each.give(LOOPS["scaled"].value(3.7), 2)[1] is UNCERTAIN


def test_a_range_that_ends_within_the_span_still_limits(bench):
    each = bench(low=0.0, high=60.0, current=LOOPS["scaled"])
    assert each.give(60.0, 0)[1] is GOOD
    assert each.give(60.1, 1)[1] is Quality.OUT_OF_RANGE
    assert each.give(-1.25, 2)[1] is GOOD

    above = bench(low=40.0, high=100.0, current=LOOPS["scaled"])
    assert above.give(39.9, 0)[1] is Quality.OUT_OF_RANGE
    assert above.give(103.125, 1)[1] is GOOD


def test_a_failed_loop_is_a_trouble_until_it_measures_again(bench, loop):
    each = make(bench, loop)
    each.give_all([loop.value(3.0)] * 2, period_s=4)
    each.give(Quality.NO_ANSWER, 9)
    assert list(each.checks.troubled.values()) == [{FAULT}]
    each.give(loop.value(3.0), 10)
    assert [(t.quality, t.began) for t in each.checks.take_troubles()] == [(FAULT, True)]
    each.give(loop.value(5.0), 11)
    assert [(t.quality, t.began) for t in each.checks.take_troubles()] == [(FAULT, False)]
    assert not each.checks.troubled
