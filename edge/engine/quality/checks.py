"""All checks of a site's points, reading by reading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from edge.core.instant import Instant
from edge.core.model import Point, PointId, Quality
from edge.engine.quality.drift import median
from edge.engine.quality.point_checks import PointChecks
from edge.engine.quality.state import PointState

# A name of a module is found several times faster than a member of an enumeration.
_GOOD = Quality.GOOD
_UNCHECKED = PointChecks()
# Once stale, a point is told to be so again after this part of stale_s: it becomes lost in the end.
_AGAIN_PART = 5
_TROUBLES = frozenset({Quality.FAULT_CURRENT, Quality.STUCK, Quality.DRIFT, Quality.STALE})
_NONE: frozenset[Quality] = frozenset()
_DRIFTS = frozenset({Quality.DRIFT})
# A reading that says nothing of the sensor (no answer, garbled) leaves the others as they are.
_ENDED_BY_ANY = frozenset({Quality.STALE})


@dataclass(frozen=True, slots=True)
class Trouble:
    """A point begins or ceases to need somebody who looks after it. ``quality`` says why."""

    point: PointId
    quality: Quality
    began: bool
    at: Instant


class Checks:
    """The checks of every point, and what they remember.

    Between two calls with one point time does not go back.
    """

    def __init__(self, points: Iterable[Point], checks: Mapping[PointId, PointChecks]) -> None:
        named = {peer for each in checks.values() for peer in each.peers}
        self._states: dict[PointId, PointState] = {}
        for point in points:
            wanted = checks.get(point.id, _UNCHECKED)
            simple = point.id not in named and not _needs_state(wanted)
            self._states[point.id] = PointState(point, wanted, simple=simple)
        for state in self._states.values():
            state.peers = tuple(self._states[peer] for peer in state.checks.peers)
        self._ageing = [state for state in self._states.values() if state.stale_ns]
        self._troubles: dict[tuple[PointId, Quality], Trouble] = {}

    @property
    def points(self) -> frozenset[PointId]:
        """Every point of the site."""
        return frozenset(self._states)

    @property
    def described(self) -> tuple[Point, ...]:
        """Every point, as the site has it."""
        return tuple(state.point for state in self._states.values())

    def judge(
        self, point: PointId, value: float | None, quality: Quality, at: Instant
    ) -> tuple[float | None, Quality]:
        """The next reading of a point as rules may see it: only GOOD ones may be compared.

        The value is never changed, but for that of an UNCERTAIN one: it is the last measured one.
        A point of another site raises KeyError.
        """
        state = self._states[point]
        state.readings += 1
        if (
            state.fast
            and quality is _GOOD
            and value is not None
            and state.low <= value <= state.high
        ):
            state.at = at
            return value, quality
        value, quality = self._judge(state, value, quality, at)
        if quality is not _GOOD:
            state.bad[quality] = state.bad.get(quality, 0) + 1
        return value, quality

    def overdue(self, now: Instant) -> tuple[PointId, ...]:
        """The points of which no reading has come for ``stale_s``: each is due a STALE reading.

        Give those to ``judge`` like any other. Ask every second or so: a point is named again
        every fifth of ``stale_s`` until it has a reading.
        """
        found = []
        for state in self._ageing:
            if state.at is None:
                state.at = now
            if now - state.at < state.stale_ns:
                continue
            if state.told is None or (now - state.told) * _AGAIN_PART >= state.stale_ns:
                state.told = now
                found.append(state.point.id)
        return tuple(found)

    def maintain(self, point: PointId, until: Instant) -> None:
        """Somebody works at the sensor: its readings are MAINTENANCE until then."""
        state = self._states[point]
        state.maintained_until = until
        state.fast = False

    def end_maintenance(self, point: PointId) -> None:
        """The sensor is back; every check of it begins anew."""
        state = self._states[point]
        if state.maintained_until is not None:
            state.maintained_until = None
            state.begin()

    @property
    def maintained(self) -> tuple[PointId, ...]:
        """The points in maintenance, as of their newest readings."""
        return tuple(
            name for name, each in self._states.items() if each.maintained_until is not None
        )

    @property
    def troubled(self) -> dict[PointId, frozenset[Quality]]:
        """The points that need somebody: FAULT_CURRENT, STUCK, DRIFT or STALE.

        A point that drifts is named here although its readings may be GOOD.
        """
        return {name: each.troubles for name, each in self._states.items() if each.troubles}

    def take_troubles(self) -> tuple[Trouble, ...]:
        """What has begun or ceased since the last call; at most one entry per point and reason."""
        taken = tuple(self._troubles.values())
        self._troubles.clear()
        return taken

    def counts(self, point: PointId) -> dict[Quality, int]:
        """How many readings of each quality the point has had."""
        state = self._states[point]
        bad = sum(state.bad.values())
        return {_GOOD: state.readings - bad, **state.bad}

    def take_over(self, other: Checks) -> None:
        """Go on where another set of checks stopped, for points that are checked alike."""
        for name, state in self._states.items():
            old = other._states.get(name)
            if old is not None:
                state.go_on(old)

    def _judge(
        self, state: PointState, value: float | None, quality: Quality, at: Instant
    ) -> tuple[float | None, Quality]:
        if quality is not Quality.STALE:
            state.at, state.told = at, None
        if state.maintained_until is not None:
            if at < state.maintained_until:
                state.last = None
                self._note(state, _NONE, at)
                return value, Quality.MAINTENANCE
            self.end_maintenance(state.point.id)
        if quality is _GOOD:
            value, quality, drifting = _check(state, value, at)
            troubles = _DRIFTS if drifting else _NONE
        else:
            troubles = state.troubles - _ENDED_BY_ANY
        if quality is _GOOD:
            state.last = value
        else:
            state.last = None
            troubles |= _TROUBLES & {quality}
        if troubles != state.troubles:
            self._note(state, troubles, at)
        state.fast = state.simple and not troubles
        return value, quality

    def _note(self, state: PointState, troubles: frozenset[Quality], at: Instant) -> None:
        """Keep what begins and ceases until it is taken; what came and went meanwhile is none."""
        point = state.point.id
        for quality in troubles ^ state.troubles:
            if self._troubles.pop((point, quality), None) is None:
                trouble = Trouble(point, quality, quality in troubles, at)
                self._troubles[point, quality] = trouble
        state.troubles = troubles


def _needs_state(checks: PointChecks) -> bool:
    """Whether more than the range is checked of each reading."""
    return bool(
        checks.current or checks.held_readings or checks.stuck_s is not None or checks.peers
    )


def _check(
    state: PointState, value: float | None, at: Instant
) -> tuple[float | None, Quality, bool]:
    """The checks of one good reading in their order, and whether the point drifts."""
    if value is None or not isfinite(value):
        return None, Quality.GARBLED, False
    drift = state.drift
    drifting = drift is not None and drift.drifting
    if state.bands is not None:
        held, quality = state.bands.step(value, at)
        if quality is not _GOOD:
            return held, quality, drifting
    if not state.low <= value <= state.high:
        return value, Quality.OUT_OF_RANGE, drifting
    peers: tuple[float, ...] = ()
    if state.peers:
        peers = tuple(peer.last for peer in state.peers if peer.last is not None)
    if state.stuck is not None and state.stuck.step(value, at, median(peers)):
        return value, Quality.STUCK, drifting
    if state.jump is not None and state.jump.step(value, at):
        return value, Quality.JUMP, drifting
    if drift is not None and drift.step(value, at, peers):
        excluded = state.checks.drift_excludes and len(peers) > 1
        return value, Quality.DRIFT if excluded else _GOOD, True
    return value, _GOOD, False
