"""Every combination of faults on three sensors, through checks and votes, against docs/quality.md.

A fault is a quality other than good while the sensor's value is above or below the threshold. The
first of a combination begins one reading before the others, so that they meet while they are new,
and each meets sensors that are good, newly bad, and lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import DeviceId, Level, Point, PointId, Quality, RuleId
from edge.core.units import Unit
from edge.engine.conditions.rule_set import RuleSet
from edge.engine.conditions.tree import Compare, Condition, Degrade, LevelCondition, Value, Votes
from edge.engine.quality import Checks, CurrentLoop, PointChecks

GOOD = Quality.GOOD
NAMES = [PointId(f"{name}.x") for name in "abc"]
HIGH, LOW, THRESHOLD = 9.0, 1.0, 5.0
SECONDS = 8
BEGIN_S = (1, 2, 2)
"""When the faults of the three sensors begin."""
UTC = Utc(0, ClockQuality.SYNCED)

POLICIES = {
    "hold": (Degrade.NO, None),
    "a level": (Degrade.NO, Level.BLUE),
    "safety": (Degrade.SAFETY, None),
    "availability": (Degrade.AVAILABILITY, None),
}
"""Columns of the table: how votes degrade, and what a lost sensor raises."""

Reading = tuple[float | None, Quality]
State = tuple[int, int, int, int]
"""How many sensors are above, below, unknown, lost."""


# --- the published table


def read_table() -> dict[State, dict[str, str]]:
    page = Path(__file__).parents[4] / "docs" / "quality.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    head = next(line for line in lines if line.startswith("| above |"))
    names = [cell.strip().strip("`") for cell in head.strip("|").split("|")]
    assert names == ["above", "below", "unknown", "lost", *POLICIES]
    found: dict[State, dict[str, str]] = {}
    for line in lines[lines.index(head) + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        above, below, unknown, lost = map(int, cells[:4])
        assert (above, below, unknown, lost) not in found
        found[above, below, unknown, lost] = dict(zip(POLICIES, cells[4:], strict=True))
    return found


TABLE = read_table()


def test_the_table_has_every_state_of_three_sensors_once() -> None:
    states = {state for state in itertools.product(range(4), repeat=4) if sum(state) == 3}
    assert set(TABLE) == states
    words = {word for row in TABLE.values() for word in row.values()}
    assert words == {"alarm", "none", "holds", "lost"}


@pytest.mark.parametrize("policy", POLICIES)
def test_one_faulty_sensor_neither_raises_nor_prevents(policy: str) -> None:
    """What the table itself must say, whatever the policy."""
    for fault in ((0, 0, 1, 0), (0, 0, 0, 1)):
        assert TABLE[_plus((2, 0, 0, 0), fault)][policy] == "alarm"
        assert TABLE[_plus((0, 2, 0, 0), fault)][policy] == "none"


def test_unknown_is_never_silently_an_alarm_or_none() -> None:
    for (above, below, unknown, _), row in TABLE.items():
        if unknown and not above:
            assert "alarm" not in row.values()
        if unknown and not below:
            assert "none" not in row.values()


def _plus(state: State, more: State) -> State:
    above, below, unknown, lost = (a + b for a, b in zip(state, more, strict=True))
    return above, below, unknown, lost


# --- how each fault comes about


@dataclass(frozen=True)
class Fault:
    """Values and qualities as they come from the line: before the fault, from it on, over and over.

    ``early_s``: from how long before it the value has been what it is in the fault.
    """

    quality: Quality
    before: float
    during: tuple[float | None, ...]
    checks: PointChecks = PointChecks()  # noqa: RUF009  # frozen
    incoming: Quality = GOOD
    early_s: int = 0
    maintained: bool = False


def faults(value: float) -> Iterator[Fault]:
    """Every quality, of a sensor that is at this value."""
    up = value > THRESHOLD
    loop = PointChecks(current=CurrentLoop(0.0, 10.0))
    yield Fault(GOOD, value, (value,))
    yield Fault(Quality.OUT_OF_RANGE, value, (10.001 if up else -0.001,))
    yield Fault(Quality.FAULT_CURRENT, value, (11.0 if up else -1.0,), loop)
    yield Fault(Quality.UNCERTAIN, value, (10.4 if up else -0.2,), loop)
    swing = (value, HIGH + LOW - value)
    yield Fault(Quality.JUMP, 4.9, swing, PointChecks(rate_per_s=0.01))
    yield Fault(Quality.STUCK, value, (value,), PointChecks(stuck_s=20.0), early_s=20)
    peers = PointChecks(
        peers=(PointId("p.x"), PointId("q.x")), drift=1.0, drift_s=60.0, drift_excludes=True
    )
    yield Fault(Quality.DRIFT, value, (value,), peers, early_s=60)
    yield Fault(Quality.MAINTENANCE, value, (value,), maintained=True)
    for quality in (
        Quality.ERROR_WORD, Quality.NO_ANSWER, Quality.GARBLED, Quality.REFUSED, Quality.ABSENT,
        Quality.STALE, Quality.LOST,
    ):  # fmt: skip
        # a value beside a bad quality must not count either
        yield Fault(quality, value, (value, None), incoming=quality)


FAULTS = [*faults(HIGH), *faults(LOW)]


def readings(fault: Fault, begins_s: int) -> list[Reading]:
    """One reading a second, as the checks leave them; the fault begins at a second."""
    name = NAMES[0]
    points = [
        Point(PointId(each), DeviceId(each[0]), Unit.METRE, 3, 0.0, 10.0)
        for each in (name, "p.x", "q.x")
    ]
    checks = Checks(points, {name: fault.checks})
    found = []
    during = itertools.cycle(fault.during)
    for second in range(-100, SECONDS):
        at = Instant(second * NS_PER_S)
        for peer in ("p.x", "q.x"):
            # with the sensor, until it begins to be far from them
            far = THRESHOLD if second >= begins_s - fault.early_s else fault.before
            checks.judge(PointId(peer), far, GOOD, at)
        if second >= begins_s:
            if fault.maintained and second == begins_s:
                checks.maintain(name, Instant(SECONDS * NS_PER_S))
            reading = checks.judge(name, next(during), fault.incoming, at)
        else:
            # it moves a little, until it is to have been stuck for long enough
            early_s = begins_s - fault.early_s - second
            moves = early_s % 2 if early_s > 0 else 0
            reading = checks.judge(name, fault.before - 0.001 * moves, GOOD, at)
        if second >= 0:
            found.append(reading)
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.quality} {fault.before}")
@pytest.mark.parametrize("begins_s", sorted(set(BEGIN_S)))
def test_each_fault_comes_about_by_the_checks(fault: Fault, begins_s: int) -> None:
    found = readings(fault, begins_s)
    assert {quality for _, quality in found[:begins_s]} == {GOOD}
    bad = [quality for _, quality in found[begins_s:]]
    if fault.quality is Quality.FAULT_CURRENT:
        assert bad == [Quality.UNCERTAIN] * 4 + [Quality.FAULT_CURRENT] * (len(bad) - 4)
    else:
        assert set(bad) == {fault.quality}


def test_every_quality_is_among_the_faults() -> None:
    assert {fault.quality for fault in FAULTS} == set(Quality)


# --- all combinations


def states(each: list[Reading]) -> list[str]:
    """What a sensor counts as after each of its readings, reckoned from the page alone."""
    found, bad = [], 0
    for value, quality in each:
        bad = 0 if quality is GOOD else bad + 1
        if quality is GOOD:
            assert value is not None
            found.append("above" if value >= THRESHOLD else "below")
        else:
            found.append("lost" if bad >= 3 or quality is Quality.LOST else "unknown")
    return found


class Site:
    """Three sensors, and a rule of two of three for every policy."""

    def __init__(self) -> None:
        points = [Point(name, DeviceId(name[0]), Unit.METRE, 3, 0.0, 10.0) for name in NAMES]
        votes = Votes(2, tuple(Compare(Value(name), ">=", THRESHOLD) for name in NAMES))
        conditions = [
            Condition(RuleId(policy), (LevelCondition(Level.RED, votes),), lost, degrade)
            for policy, (degrade, lost) in POLICIES.items()
        ]
        self._rules = RuleSet(conditions, points, local=lambda utc_ms: (0, 1, 1, 0))
        self.told: dict[str, Level | None] = {}
        self._now_s = 0

    def feed(self, three: list[Reading]) -> None:
        """The next reading of each sensor."""
        self._now_s += 1
        at = Instant(self._now_s * NS_PER_S)
        for name, (value, quality) in zip(NAMES, three, strict=True):
            for verdict in self._rules.feed(name, value, quality, at, UTC):
                self.told[verdict.rule] = verdict.level

    def settle(self) -> None:
        """Let every sensor be well and below, so that no rule remembers anything."""
        self.feed([(LOW, GOOD)] * 3)
        assert set(self.told.values()) == {Level.NORMAL}


def expected(state: State, policy: str, standing: Level) -> Level | None:
    """The verdict by the table; None: unknown, what stands stands."""
    word = TABLE[state][policy]
    if word == "lost":
        return max(Level.BLUE, standing)
    return {"alarm": Level.RED, "none": Level.NORMAL, "holds": None}[word]


def check_combination(site: Site, three: list[list[Reading]], counted: list[list[str]]) -> None:
    """Give all readings and compare every rule with the table after each round of them."""
    # the level that the votes have raised: what a lost sensor raises is not held by itself
    voted = dict.fromkeys(POLICIES, Level.NORMAL)
    for second in range(SECONDS):
        site.feed([each[second] for each in three])
        now = [each[second] for each in counted]
        state = (now.count("above"), now.count("below"), now.count("unknown"), now.count("lost"))
        for policy in POLICIES:
            wanted = expected(state, policy, voted[policy])
            assert site.told[policy] == wanted, (state, policy)
            if TABLE[state][policy] in ("alarm", "none"):
                voted[policy] = Level.RED if wanted is Level.RED else Level.NORMAL


@pytest.mark.parametrize("first", FAULTS, ids=lambda fault: f"{fault.quality} {fault.before}")
def test_all_combinations_of_faults_match_the_published_table(first: Fault) -> None:
    """900 combinations with each fault of the first sensor: 27 000 in all, with every policy."""
    site = Site()
    a, *others = ([readings(fault, begins_s) for fault in FAULTS] for begins_s in BEGIN_S)
    mine = a[FAULTS.index(first)]
    counted = [[states(each) for each in of_one] for of_one in others]
    for b, c in itertools.product(range(len(FAULTS)), repeat=2):
        site.settle()
        check_combination(
            site,
            [mine, others[0][b], others[1][c]],
            [states(mine), counted[0][b], counted[1][c]],
        )


def test_the_combinations_reach_every_row_of_the_table() -> None:
    rows = set()
    each = [[states(readings(fault, begins_s)) for fault in FAULTS] for begins_s in BEGIN_S]
    for three in itertools.product(*each):
        for now in zip(*three, strict=True):
            rows.add(tuple(now.count(name) for name in ("above", "below", "unknown", "lost")))
    assert rows == set(TABLE)
