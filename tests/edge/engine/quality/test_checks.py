"""All checks together: staleness, maintenance, counts, take-over, and what never happens."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import DeviceId, Point, PointId, Quality
from edge.core.units import Unit
from edge.engine.quality import Checks, Counter, CurrentLoop, PointChecks, Trouble

GOOD = Quality.GOOD
X = PointId("a.x")


def at(second: float) -> Instant:
    return Instant(round(second * NS_PER_S))


def test_a_point_without_readings_is_overdue_and_again_every_fifth(bench):
    each = bench("b.x", stale_s=5.0)
    each.give(1.0, 0)
    named = []
    for tenth in range(90):
        for point in each.checks.overdue(at(tenth / 10)):
            named.append((point, tenth / 10))
            each.checks.judge(point, None, Quality.STALE, at(tenth / 10))
    assert named == [(X, 5.0), (X, 6.0), (X, 7.0), (X, 8.0)]
    assert each.checks.troubled == {X: {Quality.STALE}}
    each.give(1.0, 9)
    assert each.checks.overdue(at(13.9)) == ()
    assert each.checks.overdue(at(14)) == (X,)
    assert [t.began for t in each.checks.take_troubles()] == []


def test_a_bad_reading_is_no_absence(bench):
    each = bench(stale_s=5.0)
    each.give(1.0, 0)
    each.give(Quality.NO_ANSWER, 4)
    assert each.checks.overdue(at(8)) == ()
    assert each.checks.overdue(at(9)) == (X,)


def test_what_never_had_a_reading_is_overdue_from_the_first_question_on(bench):
    each = bench(stale_s=5.0)
    assert each.checks.overdue(at(100)) == ()
    assert each.checks.overdue(at(105)) == (X,)


def test_maintenance_covers_every_reading_and_ends_by_itself(bench):
    each = bench()
    each.checks.maintain(X, at(3))
    assert each.give(5.0, 0) == (5.0, Quality.MAINTENANCE)
    assert each.checks.maintained == (X,)
    assert each.give(Quality.NO_ANSWER, 1) == (None, Quality.MAINTENANCE)
    assert each.give(5.0, 2.999)[1] is Quality.MAINTENANCE
    assert each.give(5.0, 3) == (5.0, GOOD)
    assert each.checks.maintained == ()


def test_maintenance_can_be_ended(bench):
    each = bench()
    each.checks.maintain(X, at(1000))
    each.checks.end_maintenance(X)
    assert each.give(5.0, 1)[1] is GOOD


def test_after_maintenance_every_check_begins_anew(bench):
    each = bench(rate_per_s=0.1, stuck_s=10.0)
    each.give_all([1.0] * 8)
    each.checks.maintain(X, at(9))
    each.give(1.0, 8)
    assert each.give(9.0, 9)[1] is GOOD


def test_a_sensor_in_maintenance_is_no_peer(bench):
    each = bench("b.x", peers=(PointId("b.x"),), drift=1.0, drift_s=60.0)
    each.give(9.0, 0, "b.x")
    each.checks.maintain(PointId("b.x"), at(1000))
    for second in range(100):
        each.give(9.0, second, "b.x")
        each.give(1.0, second)
    assert not each.checks.troubled


def test_of_troubles_only_what_differs_from_what_was_told_last_is_told(bench):
    each = bench(stuck_s=10.0)
    each.give_all([2.0] * 12)
    assert each.checks.take_troubles() == (Trouble(X, Quality.STUCK, began=True, at=at(10)),)
    each.give_all([3.0] * 12, from_s=12)
    each.give(4.0, 24)
    assert each.checks.take_troubles() == (Trouble(X, Quality.STUCK, began=False, at=at(24)),)
    each.give_all([4.0] * 11, from_s=25)
    each.give(5.0, 36)
    assert each.checks.take_troubles() == ()


def test_checks_go_on_where_others_stopped(bench):
    before, after, other = (bench("b.x", stuck_s=10.0) for _ in range(3))
    before.give_all([2.0] * 9)
    after.checks.take_over(before.checks)
    assert after.give_all([2.0] * 2, from_s=9) == [GOOD, Quality.STUCK]
    assert after.checks.counts(X) == {GOOD: 10, Quality.STUCK: 1}
    assert other.give_all([2.0] * 2, from_s=9) == [GOOD, GOOD]


def test_other_checks_begin_anew_but_maintenance_goes_on(bench):
    before, after = bench(stuck_s=10.0), bench(stuck_s=20.0)
    before.give_all([2.0] * 12)
    before.checks.maintain(X, at(100))
    after.checks.take_over(before.checks)
    assert after.checks.counts(X) == {GOOD: 0}
    assert after.give(2.0, 12)[1] is Quality.MAINTENANCE


def test_memory_does_not_grow_with_readings(bench):
    each = bench("b.x", rate_per_s=0.1, stuck_s=10.0, peers=(PointId("b.x"),), drift=1.0)
    for second in range(1000):
        each.give(float(second % 10), second)
        each.give(float(second % 7), second, "b.x")
    state = each.checks._states[X]
    assert len(state.bad) < len(Quality)
    assert len(each.checks._troubles) <= 8


numbers = st.floats() | st.none() | st.floats(-20, 120)
point_checks = st.builds(
    PointChecks,
    rate_per_s=st.none() | st.floats(1e-9, 1e9),
    stuck_s=st.none() | st.floats(1, 100),
    noise_floor=st.sampled_from([0.0, 0.1]),
    peers=st.sampled_from([(), (PointId("b.x"),), (PointId("b.x"), PointId("c.x"))]),
    drift=st.none() | st.floats(0.1, 10),
    drift_s=st.floats(60, 100),
    drift_excludes=st.booleans(),
    current=st.sampled_from([None, CurrentLoop(0.0, 100.0), CurrentLoop(100.0, 0.0)]),
    counter=st.sampled_from([None, Counter(), Counter(100.0)]),
    saturates=st.booleans(),
    stale_s=st.none() | st.floats(1, 10),
)
readings = st.tuples(
    st.sampled_from(["a.x", "b.x", "c.x"]),
    numbers,
    st.sampled_from([GOOD] * 10 + list(Quality)),
    st.integers(0, 30 * NS_PER_S),
)


@settings(max_examples=300)
@given(
    checks=point_checks,
    given_readings=st.lists(readings, max_size=60),
    low=st.none() | st.floats(-100, 0),
    high=st.none() | st.floats(1, 200),
)
def test_nothing_raises_and_no_value_is_ever_changed(checks, given_readings, low, high):
    """A value that may be compared is the one that was read, finite, and possible."""
    names = [PointId(f"{name}.x") for name in "abc"]
    points = [Point(name, DeviceId(name[0]), Unit.METRE, 3, low, high) for name in names]
    each, now = Checks(points, {X: checks}), Instant(0)
    measured: list[float | None] = [None]
    for name, value, quality, elapsed in given_readings:
        now = Instant(now + elapsed)
        judged, found = each.judge(PointId(name), value, quality, now)
        each.overdue(now)
        if found is GOOD:
            assert quality is GOOD
            assert judged == value
            assert value is not None
            assert math.isfinite(value)
            if name != X or not (checks.current or checks.saturates):
                assert low is None or low <= value
                assert high is None or value <= high
        if quality is not GOOD:
            assert (judged, found) == (value, quality) or (
                math.isnan(value or 0.0) and found is quality
            )
        if found is Quality.UNCERTAIN and quality is GOOD:
            assert judged in measured
        elif quality is GOOD and judged is not None:
            assert judged == value
        if name == X:
            measured.append(value)
    assert sum(each.counts(X).values()) == sum(name == X for name, *_ in given_readings)


@given(st.lists(st.floats(0, 10), max_size=50))
def test_without_further_checks_every_value_in_range_is_good(values):
    point = Point(X, DeviceId("a"), Unit.METRE, 3, 0.0, 10.0)
    checks = Checks([point], {})
    for index, value in enumerate(values):
        assert checks.judge(X, value, GOOD, at(index)) == (value, GOOD)
