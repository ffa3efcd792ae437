"""What is remembered of one point between readings. Pure."""

from __future__ import annotations

import copy

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import Point, Quality
from edge.engine.quality.current_loop import LoopBands
from edge.engine.quality.drift import DriftCheck
from edge.engine.quality.jump import JumpCheck
from edge.engine.quality.limits import limits
from edge.engine.quality.point_checks import PointChecks
from edge.engine.quality.stuck import StuckCheck


class PointState:
    """What is known of one point. ``fast``: there is nothing to do but to compare with its range.

    ``simple``: it has no other check and is nobody's peer. ``last``: the last reading if it was
    good, for its peers. ``at``: when that came; ``told``: when its absence was last told.
    """

    __slots__ = (
        "at",
        "bad",
        "bands",
        "checks",
        "drift",
        "fast",
        "high",
        "jump",
        "last",
        "low",
        "maintained_until",
        "peers",
        "point",
        "readings",
        "simple",
        "stale_ns",
        "stuck",
        "told",
        "troubles",
    )

    def __init__(self, point: Point, checks: PointChecks, *, simple: bool) -> None:
        self.point = point
        self.checks = checks
        self.low, self.high = limits(point, checks)
        self.simple = simple
        self.fast = simple
        self.readings = 0
        self.bad: dict[Quality, int] = {}
        self.at: Instant | None = None
        self.told: Instant | None = None
        self.last: float | None = None
        self.peers: tuple[PointState, ...] = ()
        self.troubles: frozenset[Quality] = frozenset()
        self.maintained_until: Instant | None = None
        self.stale_ns = 0 if checks.stale_s is None else round(checks.stale_s * NS_PER_S)
        self.begin()

    def begin(self) -> None:
        """Begin every check anew: what was learned before a pause does not count."""
        self.bands = _bands(self.checks)
        self.jump = _jump(self.point, self.checks)
        self.stuck = _stuck(self.point, self.checks)
        self.drift = _drift(self.checks)

    def go_on(self, old: PointState) -> None:
        """Continue from the state of before a change of the configuration; that stays as it is.

        Maintenance is always continued, all else if the point is checked as before.
        """
        self.maintained_until = old.maintained_until
        self.fast = self.simple and old.maintained_until is None and not old.troubles
        if old.point != self.point or old.checks != self.checks:
            return
        self.readings, self.bad = old.readings, dict(old.bad)
        self.at, self.told, self.last = old.at, old.told, old.last
        self.troubles = old.troubles
        kept = (old.bands, old.jump, old.stuck, old.drift)
        self.bands, self.jump, self.stuck, self.drift = copy.deepcopy(kept)


def _bands(checks: PointChecks) -> LoopBands | None:
    loop = checks.current
    return None if loop is None else LoopBands(loop, saturates=checks.saturates)


def _jump(point: Point, checks: PointChecks) -> JumpCheck | None:
    if not checks.held_readings:
        return None
    step = max(checks.noise_floor, 10.0**-point.decimals)
    return JumpCheck(checks.rate_per_s, step, checks.counter)


def _stuck(point: Point, checks: PointChecks) -> StuckCheck | None:
    if checks.stuck_s is None:
        return None
    top = limits(point, checks)[1] if point.high is None else point.high
    return StuckCheck(
        checks.stuck_s, checks.noise_floor, top, checks.drift if checks.peers else None
    )


def _drift(checks: PointChecks) -> DriftCheck | None:
    if checks.drift is None or not checks.peers:
        return None
    return DriftCheck(checks.drift, checks.drift_s)
