"""References by name: what a name in a site file leads to, or that it leads nowhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from edge.app.config.draft import Draft
from edge.app.config.items import Item
from edge.app.config.problems import listed, suggest
from edge.app.config.profile import LinePoint, ModbusPoint
from edge.app.config.sheet import read_sheet, shipped_profiles
from edge.core.units import Quantity, Unit, UnitMismatch, dimension
from edge.locale import known, text

# Comparing names is slow; no village has more devices than this.
_COMPARED_DEVICES = 300
_LISTED_DEVICES = 20


@dataclass(frozen=True, slots=True)
class KnownPoint:
    """A point that exists, with the range that holds at this site."""

    id: str
    unit: Unit
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MissingPoint:
    """A point that does not exist, and those that somebody may have meant."""

    choices: list[str]


def report_dangling(
    item: Item[BaseModel], key: str, found: str, what: str, choices: Iterable[str]
) -> None:
    """Note that a name leads nowhere; ``what`` is the catalogue's word for the kind of thing."""
    names = list(choices)
    item.report(
        key,
        "dangling",
        found=f'"{found}"',
        allowed=listed(names) or text("type.nothing"),
        hint=suggest(found, names),
        what=text(f"what.{what}"),
    )


def load_sheets(draft: Draft) -> None:
    """Read every profile that a device names, once; a name that leads to no file is noted."""
    shipped = shipped_profiles()
    for device in draft.devices:
        name = device.get("profile", str)
        if name is None or name in draft.sheets:
            continue
        path: Path | None
        if name.endswith(".toml"):
            path = draft.directory / name
            choices = [each.name for each in _siblings(path)]
        else:
            path = shipped.get(name)
            choices = list(shipped)
        if path is None or not _exists(path):
            report_dangling(device, "profile", name, "profile", choices)
        else:
            draft.sheets[name] = read_sheet(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # what is wrong with it comes out when it is read


def _siblings(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.glob("*.toml"))
    except OSError:
        return []


def find_point(draft: Draft, item: Item[BaseModel], key: str) -> KnownPoint | None:
    """The point a key refers to. None if it dangles (noted) or is itself wrong."""
    reference = item.get(key, str)
    found = look_up(draft, reference) if reference is not None else None
    if reference is not None and isinstance(found, MissingPoint):
        report_dangling(item, key, reference, "point", found.choices)
        return None
    return found if isinstance(found, KnownPoint) else None


def look_up(draft: Draft, reference: str) -> KnownPoint | MissingPoint | None:
    """The point of this name, or which there are; None if it is there but itself wrong."""
    device_name, _, name = reference.partition(".")
    device = draft.device(device_name)
    if device is None:
        return MissingPoint(_points_near(draft, reference))
    sheet = draft.sheet(device)
    if sheet is None or sheet.point_names is None:
        return None
    if name not in sheet.point_names:
        return MissingPoint([f"{device_name}.{each}" for each in sorted(sheet.point_names)])
    spot = sheet.points.get(name)
    return _known(draft, reference, spot) if spot is not None else None


def _known(draft: Draft, reference: str, spot: ModbusPoint | LinePoint) -> KnownPoint:
    low, high = draft.ranges.get(reference, spot.range)
    return KnownPoint(reference, spot.unit, low, high)


def _points_near(draft: Draft, reference: str) -> list[str]:
    """Points that somebody may have meant: of devices with a similar name first."""
    device, _, name = reference.partition(".")
    known_devices = islice(draft.sheeted(), _COMPARED_DEVICES)
    devices = {each: sheet.point_names or frozenset() for each, _, sheet in known_devices}
    near = difflib.get_close_matches(device, devices, n=5, cutoff=0.5)
    ordered = list(dict.fromkeys([*near, *devices]))[:_LISTED_DEVICES]
    points = [(each, point) for each in ordered for point in sorted(devices[each])]
    points.sort(key=lambda pair: pair[1] != name)
    return [f"{each}.{point}" for each, point in points]


def convert_to(
    point: KnownPoint, quantity: Quantity, item: Item[BaseModel], key: str
) -> float | None:
    """A quantity in the point's stored unit; None, and a problem, if it measures something else."""
    try:
        return quantity.to(point.unit)
    except UnitMismatch:
        pair = {dimension(quantity.unit), dimension(point.unit)}
        gas = pair == {"volume fraction", "mass concentration"}
        item.report(
            key,
            "wrong-dimension",
            allowed=listed(units_like(point.unit)),
            hint=text("hint.gas") if gas else "",
            dimension=name_dimension(quantity.unit),
            point=point.id,
            wanted=name_dimension(point.unit),
        )
        return None


def narrow_units(point: KnownPoint, item: Item[BaseModel], *keys: str) -> None:
    """Where a unit is unknown, offer those that fit the point instead of all there are."""
    units = units_like(point.unit)
    for key in keys:
        written = item.raw.get(key)
        for index, each in enumerate(written if isinstance(written, list) else [written]):
            if isinstance(each, str):
                path = (*item.path, key, index) if written is not each else (*item.path, key)
                unit = each.rsplit(" ", 1)[-1]
                item.findings.narrow(
                    path, "unknown-unit", allowed=listed(units), hint=suggest(unit, units)
                )


def units_like(unit: Unit) -> list[str]:
    """Every unit that converts into this one, as it is written."""
    return [each.value or '""' for each in Unit if dimension(each) == dimension(unit)]


def name_dimension(unit: Unit) -> str:
    """What a unit measures, in the current language; the unit itself if it stands alone."""
    if unit is Unit.NONE:
        return text("type.no-unit")
    key = f"dimension.{dimension(unit).replace(' ', '-')}"
    return text(key) if known(key) else unit.value
