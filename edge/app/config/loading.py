"""From a site file to a Site, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from edge.app.config.call_messages import check_messages
from edge.app.config.calls import check_calls, warn_of_unreachable
from edge.app.config.draft import Draft, read_draft
from edge.app.config.duplicates import check_duplicates
from edge.app.config.items import Item
from edge.app.config.links import check_links
from edge.app.config.marks import warn_of_marks
from edge.app.config.model import (
    AlarmsConfig,
    BlackBoxConfig,
    DeviceConfig,
    JournalConfig,
    PlanConfig,
    ProofConfig,
    RuleConfig,
    Site,
)
from edge.app.config.problems import Problem, SiteProblems
from edge.app.config.profile import Profile
from edge.app.config.references import load_sheets
from edge.app.config.sounding import check_sounding, heard_in, warn_of_backups
from edge.app.config.source import read_source
from edge.app.config.steps import (
    check_acknowledges,
    check_steps,
    warn_of_broadcasts,
    warn_of_idle_plans,
)
from edge.app.config.suppression import check_suppression
from edge.app.config.thresholds import (
    check_overrides,
    check_rules,
    check_selectors,
    warn_of_idle_selectors,
)
from edge.app.config.wiring import (
    check_buses,
    check_devices,
    check_lines,
    check_points,
    check_site,
    period_of,
    warn_of_defaults,
)
from edge.core.model import DeviceId, Point, PointId
from edge.engine.conditions.tree import Selector

M = TypeVar("M", bound=BaseModel)

# Polled at least this seldom (ms) -> resolution of the times kept (ms).
_TICKS = ((10_000, 1_000), (1_000, 100))
_FINEST_TICK_MS = 10


def load_site(path: Path) -> Site:
    """Read a site file and the profiles it uses. Raises SiteProblems with all that is wrong."""
    site, problems = inspect_site(path)
    if site is None:
        raise SiteProblems(problems)
    return site


def inspect_site(path: Path) -> tuple[Site | None, tuple[Problem, ...]]:
    """A Site and no problems, or None and all problems, by file, line and path."""
    source = read_source(path)
    if source.document is None:
        return None, tuple(source.findings.problems)
    draft = read_draft(source, path.parent)
    load_sheets(draft)
    check_site(draft)
    check_buses(draft)
    check_devices(draft)
    check_duplicates(draft)
    check_points(draft)
    selectors = check_selectors(draft)
    rules = check_rules(draft, selectors)
    check_overrides(draft)
    check_suppression(draft)
    check_steps(draft)
    check_sounding(draft)
    check_acknowledges(draft)
    check_calls(draft)
    check_links(draft)
    check_lines(draft)
    problems = [*source.findings.problems]
    for sheet in draft.sheets.values():
        problems += sheet.problems
    if problems:
        return None, tuple(sorted(problems, key=lambda each: (each.file, each.line, each.path)))
    warn_of_idle_selectors(draft, selectors, rules)
    warn_of_defaults(draft)
    warn_of_idle_plans(draft)
    warn_of_broadcasts(draft)
    warn_of_backups(draft)
    warn_of_unreachable(draft)
    warn_of_marks(source, draft)
    site = _assemble(path, source.content, draft, rules, selectors)
    check_messages(site, draft)
    if source.findings.problems:
        return None, tuple(source.findings.problems)
    return site, ()


def _assemble(
    path: Path,
    content: bytes,
    draft: Draft,
    rules: list[RuleConfig],
    selectors: list[Selector],
) -> Site:
    """Put a Site together from a draft without problems: what must be there is there."""
    about = _table(draft.site)
    if about is None:
        raise AssertionError("a draft without problems has a site")
    devices = _devices(draft)
    profiles = {
        name: sheet.profile for name, sheet in draft.sheets.items() if sheet.profile is not None
    }
    points = tuple(
        point for device in devices for point in _points(device, profiles[device.profile], draft)
    )
    return Site(
        path=path,
        site=about,
        journal=_table(draft.journal) or JournalConfig(),
        proof=_table(draft.proof) or ProofConfig(),
        buses=_values(draft.buses),
        devices=tuple(devices),
        points=points,
        stale_s={
            PointId(each.id): each.stale_s
            for each in _values(draft.points)
            if each.stale_s is not None
        },
        rules=tuple(rules),
        overrides=_values(draft.overrides),
        plans=_plans(draft, points),
        acknowledges=_values(draft.acknowledges),
        links=_values(draft.links),
        profiles=profiles,
        digest=_digest(content, draft),
        names=_names(draft, devices, profiles),
        warnings=tuple(draft.warnings.problems),
        lines=draft.findings.lines,
        refinements=_values(draft.points),
        selectors=tuple(selectors),
        contacts=_values(draft.contacts),
        groups=_values(draft.groups),
        alarms=_table(draft.alarms) or AlarmsConfig(),
        black_box=_table(draft.black_box) or BlackBoxConfig(),
    )


def _devices(draft: Draft) -> list[DeviceConfig]:
    """With their periods, as far as they are polled."""
    return [
        item.value.model_copy(update={"period_ms": period_of(draft, item)})
        for item in draft.devices
        if item.value is not None
    ]


def _plans(draft: Draft, points: tuple[Point, ...]) -> tuple[PlanConfig, ...]:
    return tuple(
        PlanConfig(
            plan.item.value.id,
            heard_in(_values(plan.steps), points),
            plan.item.value,
            _values(plan.calls),
            _values(plan.helpers),
        )
        for plan in draft.plans
        if plan.item.value is not None
    )


def _table(item: Item[M] | None) -> M | None:
    return item.value if item is not None else None


def _values(items: Sequence[Item[M]]) -> tuple[M, ...]:
    return tuple(item.value for item in items if item.value is not None)


def _points(device: DeviceConfig, profile: Profile, draft: Draft) -> list[Point]:
    """The device's points with what the site refines; ticks as coarse as the polls allow."""
    tick_ms = next(
        (tick_ms for least_ms, tick_ms in _TICKS if (device.period_ms or 0) >= least_ms),
        _FINEST_TICK_MS,
    )
    points = []
    for name, spot in profile.points.items():
        reference = f"{device.id}.{name}"
        low, high = draft.ranges.get(reference, spot.range)
        points.append(
            Point(
                id=PointId(reference),
                device=DeviceId(device.id),
                unit=spot.unit,
                decimals=spot.decimals,
                low=low,
                high=high,
                tick_ms=tick_ms,
            )
        )
    return points


def _names(
    draft: Draft, devices: list[DeviceConfig], profiles: dict[str, Profile]
) -> dict[str, str]:
    """Names for people: as written in the site file, else from the profile, else the id."""
    names: dict[str, str] = {}
    if draft.site is not None and draft.site.value is not None:
        names[draft.site.value.id] = draft.site.value.name
    for device in devices:
        names[device.id] = device.name or device.id
        for name, spot in profiles[device.profile].points.items():
            words = spot.description.text or name
            names[f"{device.id}.{name}"] = f"{names[device.id]} {words}"
    for point in _values(draft.points):
        if point.name is not None:
            names[point.id] = point.name
    for button in _values(draft.acknowledges):
        names[button.point] = button.by
    return names


def _digest(content: bytes, draft: Draft) -> str:
    """SHA-256 over the site file and its profiles by name, each with its length before it."""
    digest = hashlib.sha256()
    parts = [("", content)]
    parts += sorted((name, sheet.content) for name, sheet in draft.sheets.items())
    for name, data in parts:
        for each in (name.encode(), data):
            digest.update(len(each).to_bytes(8, "big"))
            digest.update(each)
    return digest.hexdigest()
