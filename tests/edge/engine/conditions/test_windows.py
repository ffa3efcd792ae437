"""Windows: against a reference that scans all history again at every reading."""

from __future__ import annotations

import operator
import random
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import atan, degrees
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.model import Level, PointId, Quality
from edge.engine.conditions.tree import Compare, Function, Window
from edge.engine.conditions.truth import Truth
from edge.engine.conditions.windows import bin_ns
from edge.engine.quality import Counter

A = PointId("a")
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
S = 1_000_000_000
MS = 1_000_000
COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
LENGTHS = (600 * MS, 1001 * MS, 7 * S, 60 * S, 3600 * S)
ZERO = Fraction(0)
TRENDS = (Function.RATE, Function.TANGENT, Function.ROBUST_RATE, Function.CHANGE, Function.MEAN)
SLIDING = [each for each in Function if each is not Function.DAY_SUM]


@dataclass
class Rescan:
    """A window as its documentation says, computed anew from everything that ever came."""

    window: Window
    counter: bool = False
    rollover: Fraction | None = None
    readings: list[tuple[int, Fraction]] = field(default_factory=list)
    totals: list[tuple[int, Fraction]] = field(default_factory=list)
    last: Fraction | None = None
    since: int | None = None
    good_at: int = 0
    bad: int = 0

    def feed(self, value: Fraction | None, at: int, *, lost: bool) -> None:
        if value is None:
            self.bad = max(self.bad + 1, 3 if lost else 0)
            return
        gap = at - self.good_at
        if self.since is None or (
            self.bad >= 3 and not self.counter and gap * 10 > self.window.length_ns
        ):
            self.since = at
        self.bad, self.good_at = 0, at
        if not self.counter:
            self.readings.append((at, value))
            return
        last, self.last = self.last, value
        if last is None:
            self.totals.append((at, ZERO))
            return
        grown = value - last
        if grown < 0:
            wrapped = grown + (self.rollover or 0)
            if self.rollover is not None and 0 <= wrapped <= self.rollover / 100:
                grown = wrapped
            else:
                grown = value if 0 <= value <= 10 else ZERO
        self.readings.append((at, grown))
        self.totals.append((at, self.totals[-1][1] + grown))

    def covered(self, of: list[tuple[int, Fraction]], at: int) -> list[tuple[int, Fraction]]:
        width = bin_ns(self.window)
        first = (at - self.window.length_ns) // width
        return [each for each in of if each[0] // width >= first]

    def value(self, at: int) -> Fraction | float | None:
        function = self.window.function
        if function is Function.CHANGE and self.counter:
            function = Function.SUM
        if self.bad or self.since is None:
            return None
        of = self.totals if self.counter and function in TRENDS[:3] else self.readings
        found = self.covered(of, at)
        if function in (Function.SUM, Function.COUNT):
            if not self.readings:
                return None
            return sum((v if function is Function.SUM else Fraction(1) for _, v in found), ZERO)
        if not found:
            return None
        if function in (Function.MIN, Function.MAX):
            return (min if function is Function.MIN else max)(v for _, v in found)
        if 2 * (at - found[0][0]) < self.window.length_ns:
            return None
        return self.trend(function, found)

    def trend(
        self, function: Function, found: list[tuple[int, Fraction]]
    ) -> Fraction | float | None:
        if function is Function.MEAN:
            return sum((v for _, v in found), ZERO) / len(found)
        if function is Function.ROBUST_RATE:
            width = bin_ns(self.window)
            firsts: dict[int, tuple[int, Fraction]] = {}
            for each in found:
                firsts.setdefault(each[0] // width, each)
            steps = pairwise(firsts.values())
            rates = [(v - u) * S / (t - s) for (s, u), (t, v) in steps]
            return median(rates) if rates else None
        change = found[-1][1] - found[0][1]
        if function is Function.CHANGE:
            return change
        rate = change * S / (found[-1][0] - found[0][0])
        if function is Function.TANGENT:
            return degrees(atan(rate / Fraction(repr(self.window.velocity))))
        return rate

    def truth(self, comparison: str, limit: Fraction, at: int) -> Truth:
        value = self.value(at)
        if self.bad:
            return Truth.LOST if self.bad >= 3 else Truth.UNKNOWN
        if value is None:
            return Truth.UNKNOWN
        if isinstance(value, float) and abs(value - limit) < 1e-9:
            value = limit
        true = COMPARE[comparison](value, limit)
        if self.since is None or at - self.since < self.window.length_ns:
            rising = comparison in (">=", ">")
            function = self.window.function
            if function is Function.CHANGE and not self.counter:
                sure = true
            elif function is Function.MIN:
                sure = true is not rising
            else:
                sure = function in TRENDS[:3] or function is Function.MEAN or true is rising
            if not sure:
                return Truth.UNKNOWN
        return Truth.TRUE if true else Truth.FALSE


@st.composite
def histories(draw):
    """A window and what comes: steps from within a bin to beyond the window, bad ones, losses."""
    length = draw(st.sampled_from(LENGTHS))
    width = bin_ns(Window(Function.SUM, A, length))
    several = [width // 2, width, 5 * width, length // 20, length // 7, length // 3, length // 2]
    gaps = st.one_of(
        st.sampled_from([0, 1, *several, *several, length, length + width, 2 * length]),
        st.integers(0, length // 3),
    )
    values = draw(st.sampled_from([st.integers(0, 5), st.integers(-30, 30), st.integers(0, 400)]))
    kinds = st.sampled_from([Quality.GOOD] * 8 + [Quality.NO_ANSWER, Quality.LOST])
    steps = draw(st.lists(st.tuples(gaps, values, kinds), min_size=5, max_size=60))
    start = draw(st.one_of(st.integers(0, 3 * length), st.integers(0, 700).map(width.__mul__)))
    return length, start, steps


def against_rescan(one, window, comparison, limit, start, steps, counter=None):
    fields = {} if counter is None else {"counters": {A: counter}}
    table = one(Compare(window, comparison, float(limit)), **fields)
    rollover = None
    if counter is not None and counter.rollover is not None:
        rollover = Fraction(repr(counter.rollover))
    naive = Rescan(window, counter=counter is not None, rollover=rollover)
    at, raised = start, False
    for gap, tenths, quality in steps:
        at += gap
        good = quality is Quality.GOOD
        value = Fraction(tenths, 10) if good else None
        table.feed_ns(None if value is None else float(value), at, quality, "a")
        naive.feed(value, at, lost=quality is Quality.LOST)
        truth = naive.truth(comparison, limit, at)
        assert table.truth() is truth
        [shown] = table.explain().windows
        expected = naive.value(at)
        assert (shown.value is None) == (expected is None)
        if expected is not None:
            assert shown.value == pytest.approx(float(expected), rel=1e-9, abs=1e-12)
        raised = truth is Truth.TRUE or (raised and truth is not Truth.FALSE)
        assert (table.explain().standing is Level.RED) == raised


@pytest.mark.parametrize("function", SLIDING)
@given(st.data(), histories(), st.sampled_from(list(COMPARE)))
@settings(max_examples=60)
def test_a_window_is_what_a_scan_of_all_history_finds(one, function, data, history, comparison):
    length, start, steps = history
    window = Window(function, A, length, 0.5 if function is Function.TANGENT else 0.0)
    limit = Fraction(data.draw(st.integers(-40, 60)), 10)
    against_rescan(one, window, comparison, limit, start, steps)


@pytest.mark.parametrize("function", SLIDING)
@given(st.data(), histories(), st.sampled_from([None, 100.0]))
@settings(max_examples=40)
def test_a_counter_window_is_what_a_scan_finds(one, function, data, history, rollover):
    """Totals that grow, begin anew, are set by somebody and roll over."""
    length, start, steps = history
    window = Window(function, A, length, 0.5 if function is Function.TANGENT else 0.0)
    limit = Fraction(data.draw(st.integers(0, 60)), 10)
    comparison = data.draw(st.sampled_from(list(COMPARE)))
    total, totals = data.draw(st.sampled_from([0, 300, 990])), []
    for gap, tenths, quality in steps:
        total = total + tenths if 0 <= tenths <= 5 else abs(tenths) % 1000
        total = total - 1000 if rollover is not None and total >= 1000 else total
        totals.append((gap, total, quality))
    against_rescan(one, window, comparison, limit, start, totals, Counter(rollover))


def test_sums_are_exact_at_their_threshold(one):
    """350 times 0.1 mm is 35 mm, which adding one to the other would not find."""
    assert reduce(operator.add, [0.1] * 350) != 35.0
    table = one(Compare(Window(Function.SUM, A, 3600 * S), ">=", 35.0))
    for index in range(349):
        table.feed(0.1, index)
    assert table.level() is None
    assert [v.level for v in table.feed(0.1, 350)] == [Level.RED]


def test_a_sum_does_not_drift_in_a_million_turns(one):
    """What leaves takes away exactly what it brought."""
    table = one(Compare(Window(Function.SUM, A, 60 * MS), ">=", 35.0))
    for index in range(100_000):
        table.feed_ns(0.1 * (index % 7), index * MS, Quality.GOOD, "a")
    for index in range(100_000, 100_061):
        table.feed_ns(0.0, index * MS, Quality.GOOD, "a")
    [shown] = table.explain().windows
    assert shown.value == 0.0


@pytest.mark.parametrize(
    ("function", "comparison", "value", "found"),
    [
        (Function.SUM, ">=", 9.0, Truth.TRUE),
        (Function.SUM, ">=", 1.0, Truth.UNKNOWN),
        (Function.SUM, "<", 9.0, Truth.FALSE),
        (Function.SUM, "<", 1.0, Truth.UNKNOWN),
        (Function.COUNT, ">", 9.0, Truth.UNKNOWN),
        (Function.MAX, ">=", 9.0, Truth.TRUE),
        (Function.MAX, ">=", 1.0, Truth.UNKNOWN),
        (Function.MIN, "<=", 1.0, Truth.TRUE),
        (Function.MIN, "<=", 9.0, Truth.UNKNOWN),
        (Function.MIN, ">", 1.0, Truth.FALSE),
        (Function.MEAN, ">=", 1.0, Truth.UNKNOWN),
        (Function.RATE, ">=", 1.0, Truth.UNKNOWN),
        (Function.CHANGE, ">=", 1.0, Truth.UNKNOWN),
        (Function.DAY_SUM, ">=", 9.0, Truth.TRUE),
        (Function.DAY_SUM, ">=", 1.0, Truth.UNKNOWN),
    ],
)
def test_a_warming_window_says_only_what_more_readings_cannot_undo(
    one, function, comparison, value, found
):
    length = 0 if function is Function.DAY_SUM else 3600 * S
    table = one(Compare(Window(function, A, length), comparison, 5.0), lost=Level.RED)
    table.feed(value, 1.0)
    assert table.truth() is found
    assert table.explain().windows[0].warming
    assert (table.explain().standing is Level.RED) == (found is Truth.TRUE), "warming is no loss"


def test_a_window_is_warm_once_observed_for_its_length(one):
    table = one(Compare(Window(Function.SUM, A, 10 * S), ">=", 5.0))
    for at_s in (0.5, 3, 10.4):
        table.feed(0.1, at_s)
        assert table.truth() is Truth.UNKNOWN
    assert [v.level for v in table.feed(0.1, 10.5)] == [Level.NORMAL]
    assert not table.explain().windows[0].warming


def test_a_long_loss_lets_a_window_warm_anew_and_a_short_one_does_not(one):
    """Rain that fell unobserved may have reached the limit."""
    for lost_s, truth in ((0.9, Truth.FALSE), (1.1, Truth.UNKNOWN)):
        table = one(Compare(Window(Function.SUM, A, 10 * S), ">=", 5.0))
        for at_s in range(20):
            table.feed(0.1, at_s)
        assert table.truth() is Truth.FALSE
        table.feed(None, 19.05, Quality.LOST)
        assert table.truth() is Truth.LOST
        table.feed(0.1, 19 + lost_s)
        assert table.truth() is truth


def test_trends_need_readings_over_half_of_the_window(one):
    table = one(Compare(Window(Function.RATE, A, 10 * S), ">=", 1.0))
    for at_s, value in ((1, 0.0), (5.9, 100.0)):
        table.feed(value, at_s)
        assert table.truth() is Truth.UNKNOWN
    table.feed(100.0, 6)
    assert table.truth() is Truth.TRUE
    assert table.explain().windows[0].value == pytest.approx(20.0)


def test_the_tangent_angle_at_constant_deformation_is_45_degrees(one):
    """Improved tangent angle: the rate over the velocity of the stage of constant rate."""
    window = Window(Function.TANGENT, A, 100 * S, velocity=0.5)
    table = one(Compare(window, ">=", 80.0))
    for at_s in range(200):
        table.feed(round(at_s * 0.5, 1), at_s)
    assert table.explain().windows[0].value == pytest.approx(45.0)
    assert table.truth() is Truth.FALSE
    for at_s in range(200, 300):
        table.feed(100.0 + (at_s - 200) * 3, at_s)
    assert table.explain().windows[0].value == pytest.approx(degrees(atan(6)), rel=0.02)
    assert table.truth() is Truth.TRUE


@pytest.mark.parametrize("function", SLIDING)
@pytest.mark.parametrize("seed", range(12))
def test_a_window_through_a_long_stream_is_what_a_scan_finds(one, function, seed):
    """Sampled at random but steady rates, as sensors are, with outages."""
    chance = random.Random(seed)
    length = chance.choice(LENGTHS)
    width = bin_ns(Window(function, A, length))
    period = chance.choice([width // 3, width, 3 * width, length // 40, length // 6])
    window = Window(function, A, length, 0.5 if function is Function.TANGENT else 0.0)
    total, steps = 0, []
    for _ in range(250):
        gap = period if chance.random() < 0.97 else chance.randrange(length)
        quality = Quality.GOOD
        if chance.random() < 0.05:
            quality = chance.choice([Quality.NO_ANSWER, Quality.NO_ANSWER, Quality.LOST])
        total += chance.randrange(-5, 6)
        steps.append((gap, total if seed % 2 else chance.randrange(-9, 10), quality))
    comparison = chance.choice(list(COMPARE))
    limit = Fraction(chance.randrange(-20, 20), 10)
    against_rescan(one, window, comparison, limit, chance.randrange(length), steps)


@pytest.mark.parametrize(
    ("function", "before", "after"),
    [
        (Function.SUM, 10.0, 1.0),
        (Function.COUNT, 2.0, 1.0),
        (Function.MAX, 9.0, 1.0),
        (Function.MIN, 1.0, 1.0),
        (Function.MEAN, 5.0, None),
        (Function.CHANGE, -8.0, None),
        (Function.RATE, pytest.approx(-8 / 600.5), None),
    ],
)
def test_a_bin_leaves_once_all_of_it_is_older_than_the_window(one, function, before, after):
    """The bin of 0 to 1 s of a window of ten minutes: at 601 s, and not a nanosecond before."""
    for at, value in ((601 * S - 1, before), (601 * S, after)):
        table = one(Compare(Window(function, A, 600 * S), ">=", 5.0))
        table.feed(9.0, 0.5)
        table.feed_ns(1.0, at, Quality.GOOD, "a")
        assert table.explain().windows[0].value == value


def test_a_warming_change_may_be_reached_but_not_be_absent(one):
    for change, found in ((4.9, [U, U, F]), (5.0, [U, T, T])):
        table = one(Compare(Window(Function.CHANGE, A, 10 * S), ">=", 5.0))
        table.feed(0.0, 0)
        truths = []
        for at_s in (4.9, 5, 10):
            table.feed(change, at_s)
            truths.append(table.truth())
        assert truths == found


@pytest.mark.parametrize("function", [Function.RATE, Function.ROBUST_RATE, Function.TANGENT])
@pytest.mark.parametrize(("comparison", "truth"), [(">=", Truth.TRUE), (">", Truth.FALSE)])
@pytest.mark.parametrize("per_h", [0.1, 0.3, 0.7, 2.0, 3.3, 7.0, 11.1])
def test_a_rate_at_its_limit_is_at_its_limit(one, function, comparison, truth, per_h):
    """``2 mm/h`` is 0.000555555555556 mm/s in twelve digits; 2 mm in an hour reach that."""
    limit = float(f"{per_h / 3600:.12g}")
    tangent = function is Function.TANGENT
    window = Window(function, A, 3600 * S, limit if tangent else 0.0)
    table = one(Compare(window, comparison, 45.0 if tangent else limit))
    for quarter in range(5):
        table.feed(round(per_h * quarter, 1), quarter * 3600)
    assert table.truth() is truth


def test_one_spike_does_not_move_the_robust_rate(one):
    for function, truth in ((Function.ROBUST_RATE, Truth.FALSE), (Function.RATE, Truth.TRUE)):
        table = one(Compare(Window(function, A, 60 * S), ">=", 1.0))
        for at_s in range(60):
            table.feed(round(at_s * 0.1, 1), at_s)
        table.feed(500.0, 60)
        assert table.truth() is truth


def test_the_robust_rate_sees_a_movement_below_the_sensor_s_resolution_per_reading(one):
    """A crack meter reads 0.05 mm steps every minute while the crack opens by 2 mm a day."""
    table = one(Compare(Window(Function.ROBUST_RATE, A, 86_400 * S), ">=", 1.5 / 86_400))
    for minute in range(1_500):
        opening = minute * 2.0 / 1_440
        table.feed(round(round(opening / 0.05) * 0.05, 2), minute * 60)
    assert table.truth() is Truth.TRUE
    assert table.explain().windows[0].value == pytest.approx(2.0 / 86_400, rel=0.2)


@pytest.mark.parametrize("function", SLIDING)
def test_readings_out_of_order_do_no_harm(one, function):
    """They do not happen; if they did, they would count as of the newest bin."""
    velocity = 0.5 if function is Function.TANGENT else 0.0
    table = one(Compare(Window(function, A, 10 * S, velocity), ">=", 5.0))
    for at_s in (20, 21, 30, 31, 21, 20, 5, 0, 31, 50):
        table.feed(1.0, at_s)
    table.feed(1.0, 56)
    assert table.explain().windows[0].value is not None
