"""Drift: told to those who maintain; its readings go on unless the site excludes them."""

import pytest

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import DeviceId, Point, PointId, Quality
from edge.core.units import Unit
from edge.engine.quality import Checks, PointChecks, Trouble
from edge.engine.quality.drift import median, reference

GOOD, DRIFT = Quality.GOOD, Quality.DRIFT
NAMES = [PointId(f"{name}.x") for name in "abc"]


def three(*, excludes: bool, count: int = 3) -> Checks:
    names = NAMES[:count]
    checks = {
        name: PointChecks(
            peers=tuple(each for each in names if each != name),
            drift=1.0,
            drift_s=60.0,
            drift_excludes=excludes,
        )
        for name in names
    }
    points = [Point(name, DeviceId(name[0]), Unit.METRE, 3, 0.0, 10.0) for name in names]
    return Checks(points, checks)


def run(checks: Checks, values: list[float], seconds: int, from_s: int = 0) -> list[Quality]:
    """Every sensor says the same for some time; the qualities at its end."""
    last = []
    for second in range(from_s, from_s + seconds + 1):
        at = Instant(second * NS_PER_S)
        pairs = zip(NAMES, values, strict=False)
        last = [checks.judge(name, value, GOOD, at)[1] for name, value in pairs]
    return last


@pytest.mark.parametrize("value", [9.0, 1.0])
def test_a_drifting_sensor_is_told_and_still_compared(value):
    """A gas sensor that reads high may be right: it must not be silenced."""
    checks = three(excludes=False)
    assert run(checks, [5.0, 5.0, value], 61) == [GOOD] * 3
    assert checks.troubled == {NAMES[2]: {DRIFT}}


def test_a_site_may_exclude_it_and_only_it():
    checks = three(excludes=True)
    assert run(checks, [5.0, 5.0, 9.0], 61) == [GOOD, GOOD, DRIFT]


def test_it_takes_the_whole_time():
    checks = three(excludes=True)
    # the third is read last: at its first reading its peers have been heard
    assert run(checks, [5.0, 5.0, 9.0], 59) == [GOOD] * 3
    assert run(checks, [5.0, 5.0, 9.0], 0, 60) == [GOOD, GOOD, DRIFT]


def test_a_difference_up_to_the_limit_is_none():
    checks = three(excludes=True)
    assert run(checks, [5.0, 5.0, 6.0], 200) == [GOOD] * 3
    assert not checks.troubled


def test_a_short_excursion_begins_the_time_anew():
    checks = three(excludes=True)
    run(checks, [5.0, 5.0, 9.0], 50)
    run(checks, [5.0, 5.0, 5.0], 0, 51)
    assert run(checks, [5.0, 5.0, 9.0], 50, 52) == [GOOD] * 3


def test_it_ends_with_the_first_reading_that_agrees():
    checks = three(excludes=True)
    run(checks, [5.0, 5.0, 9.0], 61)
    checks.take_troubles()
    assert run(checks, [5.0, 5.0, 5.5], 0, 62) == [GOOD] * 3
    assert checks.take_troubles() == (
        Trouble(NAMES[2], DRIFT, began=False, at=Instant(62 * NS_PER_S)),
    )


def test_of_two_sensors_nobody_is_excluded():
    checks = three(excludes=True, count=2)
    assert run(checks, [5.0, 9.0], 100) == [GOOD, GOOD]
    assert set(checks.troubled) == set(NAMES[:2])


def test_with_one_peer_left_nobody_is_excluded():
    checks, found = three(excludes=True), []
    for second in range(100):
        at = Instant(second * NS_PER_S)
        found = [
            checks.judge(NAMES[0], 5.0, GOOD, at)[1],
            checks.judge(NAMES[1], None, Quality.NO_ANSWER, at)[1],
            checks.judge(NAMES[2], 9.0, GOOD, at)[1],
        ]
    assert found == [GOOD, Quality.NO_ANSWER, GOOD]


def test_without_peers_drift_is_neither_found_nor_ended():
    checks = three(excludes=True)
    run(checks, [5.0, 5.0, 9.0], 61)
    for name in NAMES[:2]:
        checks.judge(name, None, Quality.LOST, Instant(62 * NS_PER_S))
    checks.judge(NAMES[2], 5.0, GOOD, Instant(62 * NS_PER_S))
    assert checks.troubled[NAMES[2]] == {DRIFT}


def test_the_median_is_that_of_the_group():
    assert reference(9.0, [5.0, 4.0]) == 5.0
    assert reference(9.0, [5.0]) == 5.0
    assert reference(9.0, []) is None
    assert median([]) is None
    assert median([3.0, 1.0]) == 2.0
    assert median([1.7e308, 1.7e308]) == 1.7e308
