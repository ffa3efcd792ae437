"""From a site to the checks of its points' readings. See docs/quality.md."""

from __future__ import annotations

from edge.app.config.model import DeviceConfig, PointConfig, Site
from edge.app.config.profile import LinePoint, ModbusPoint, ModbusProfile
from edge.app.config.wiring import LEAST_POLLS
from edge.core.model import Point, PointId
from edge.core.units import Quantity, Unit
from edge.engine.quality import Counter, CurrentLoop, PointChecks

STALE_POLLS = 5
"""A polled point of which nothing has come for so many periods is stale (trust.md 4.3)."""
_CONCENTRATIONS = frozenset(
    {
        Unit.PPM,
        Unit.PPB,
        Unit.PERCENT_VOLUME,
        Unit.PERCENT_LEL,
        Unit.MG_PER_M3,
        Unit.UG_PER_M3,
    }
)


def checks_of(site: Site) -> dict[PointId, PointChecks]:
    """The checks of every point: the profile's, refined by what the site says of the point."""
    refinements = {refined.id: refined for refined in site.refinements}
    found = {}
    for device in site.devices:
        spots = site.profile(device).points
        for point in site.points_of(device):
            refined = refinements.get(point.id) or PointConfig(id=point.id)
            spot = spots[point.id.partition(".")[2]]
            found[point.id] = _checks(site, device, point, spot, refined)
    return found


def _checks(
    site: Site,
    device: DeviceConfig,
    point: Point,
    spot: ModbusPoint | LinePoint,
    refined: PointConfig,
) -> PointChecks:
    unit = point.unit
    floor, counter = refined.noise_floor, _counter(point.unit, spot, refined)
    saturates = spot.saturates if refined.saturates is None else refined.saturates
    return PointChecks(
        rate_per_s=_rate_per_s(unit, spot, refined),
        # what the profile says of a measurement does not hold of what the site has for a counter
        stuck_s=None if counter else _stuck_s(device, spot, refined),
        noise_floor=spot.noise_floor if floor is None else floor.to(unit),
        peers=tuple(map(PointId, refined.peers)),
        drift=None if refined.drift is None else refined.drift.to(unit),
        drift_s=refined.drift_s,
        drift_excludes=refined.drift_excludes,
        current=None if counter else _loop(unit, spot, refined),
        counter=counter,
        saturates=unit in _CONCENTRATIONS if saturates is None else saturates,
        stale_s=_stale_s(site, device, point),
    )


def _rate_per_s(unit: Unit, spot: ModbusPoint | LinePoint, refined: PointConfig) -> float | None:
    if refined.rate is None:
        return spot.rate_per_s
    return refined.rate.change.to(unit) / refined.rate.seconds


def _stuck_s(
    device: DeviceConfig, spot: ModbusPoint | LinePoint, refined: PointConfig
) -> float | None:
    """A profile does not know how often a site reads: fewer than ten readings say nothing."""
    if refined.stuck_s is not None or spot.stuck_s is None:
        return refined.stuck_s
    return max(spot.stuck_s, LEAST_POLLS * (device.period_ms or 0) / 1000)


def _loop(unit: Unit, spot: ModbusPoint | LinePoint, refined: PointConfig) -> CurrentLoop | None:
    if refined.current is None and spot.current is None:
        return None
    if refined.span is not None:
        low, high = refined.span
        return CurrentLoop(low.to(unit), high.to(unit))
    if spot.span is not None:
        return CurrentLoop(*spot.span)
    if unit in (Unit.MILLIAMPERE, Unit.AMPERE):
        ends = (Quantity(each, Unit.MILLIAMPERE).to(unit) for each in (4.0, 20.0))
        return CurrentLoop(*ends)
    return CurrentLoop(*spot.range)


def _counter(unit: Unit, spot: ModbusPoint | LinePoint, refined: PointConfig) -> Counter | None:
    counts = spot.counter if refined.counter is None else refined.counter
    if not counts:
        return None
    rollover = refined.rollover
    return Counter(spot.rollover if rollover is None else rollover.to(unit))


def _stale_s(site: Site, device: DeviceConfig, point: Point) -> float | None:
    """None for a text sensor: its driver tells its silence."""
    if not isinstance(site.profile(device), ModbusProfile) or not device.period_ms:
        return None
    return site.stale_s.get(point.id, STALE_POLLS * device.period_ms / 1000)
