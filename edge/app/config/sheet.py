"""Reading a device profile: all of it if it is right, and what can be known if it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from edge.app.config.fields import NAME
from edge.app.config.items import Item, read_item, report_unknown_key
from edge.app.config.problems import Findings, Problem, show
from edge.app.config.profile import (
    Action,
    Constant,
    Framing,
    Limits,
    LineDefaults,
    LinePoint,
    LineProfile,
    ModbusPoint,
    ModbusProfile,
    Profile,
    ProfileDevice,
    SetAddress,
    Timing,
)
from edge.app.config.profile_checks import (
    check_action,
    check_framing,
    check_line_point,
    check_modbus_point,
    check_set_address,
    check_timing,
)
from edge.app.config.source import Source, read_source
from edge.locale import text

M = TypeVar("M", bound=BaseModel)

_SECTIONS = {
    "modbus": ("device", "line", "timing", "limits", "point", "action", "identity", "set_address"),
    "line": ("device", "line", "framing", "point"),
}
_EVERY_SECTION = tuple(dict.fromkeys((*_SECTIONS["modbus"], *_SECTIONS["line"])))


@dataclass(slots=True)
class Sheet:
    """A profile as far as it could be read.

    ``profile`` is None if there is any problem. ``point_names`` and ``action_names`` hold every
    name in the file, wrong ones too, or None if not even the names are known; ``points`` and
    ``actions`` hold the right ones.
    """

    content: bytes
    findings: Findings
    protocol: str | None = None
    profile: Profile | None = None
    timing: Timing | None = None
    limits: Limits = field(default_factory=Limits)
    framing: Framing | None = None
    point_names: frozenset[str] | None = None
    action_names: frozenset[str] | None = None
    points: dict[str, ModbusPoint | LinePoint] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the file."""
        return self.findings.problems


def shipped_profiles() -> dict[str, Path]:
    """The profiles that come with the program, by name."""
    folder = Path(str(files("drivers"))) / "profiles"
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def read_sheet(path: Path) -> Sheet:
    """Read a profile; see Sheet. Never raises for what is in the file."""
    source = read_source(path)
    sheet = Sheet(source.content, source.findings)
    if source.document is None:
        return sheet
    device = _section(source, ProfileDevice, "device", required=True)
    sheet.protocol = device.get("protocol", str) if device else None
    _check_sections(source, sheet.protocol)
    line = _section(source, LineDefaults, "line")
    sheet.point_names = _names(source, "point")
    # without a usable protocol, what else is there decides which mistakes are worth naming
    if sheet.protocol == "line" or (sheet.protocol is None and "framing" in source.document):
        _read_line_sheet(source, sheet, device, line)
    else:
        _read_modbus_sheet(source, sheet, device, line)
    if source.findings.problems:
        sheet.profile = None
    return sheet


def _check_sections(source: Source, protocol: str | None) -> None:
    allowed = _SECTIONS.get(protocol or "", _EVERY_SECTION)
    for key in source.document or {}:
        if key in allowed:
            continue
        if key in _EVERY_SECTION:
            reason = text("reason.protocol", protocol=protocol)
            source.findings.add((key,), "not-applicable", reason=reason)
        else:
            report_unknown_key(source.findings, (key,), list(allowed))


def _section(source: Source, model: type[M], key: str, *, required: bool = False) -> Item[M] | None:
    document = source.document or {}
    if key in document:
        return read_item(model, document[key], (key,), source.findings)
    if required:
        source.findings.add((key,), "missing-table", found=f"[{key}]")
    return None


def _constants(source: Source) -> tuple[Constant, ...]:
    entries = (source.document or {}).get("identity", [])
    if not isinstance(entries, list):
        source.findings.add(("identity",), "not-a-table", found="identity", allowed="[[identity]]")
        return ()
    items = [
        read_item(Constant, raw, ("identity", index), source.findings)
        for index, raw in enumerate(entries)
    ]
    return tuple(item.value for item in items if item is not None and item.value is not None)


def _names(source: Source, key: str) -> frozenset[str] | None:
    entries = (source.document or {}).get(key, {})
    if isinstance(entries, dict):
        return frozenset(entries)
    source.findings.add((key,), "wrong-type", found=show(entries), allowed=text("type.table"))
    return None


def _entries(source: Source, model: type[M], key: str) -> Iterable[tuple[str, Item[M]]]:
    """The tables ``[key.<name>]`` one by one."""
    entries = (source.document or {}).get(key)
    for name, raw in entries.items() if isinstance(entries, dict) else ():
        if not NAME.fullmatch(name):
            source.findings.add(
                (key, name), "bad-name", found=show(name), allowed=text("type.name")
            )
        item = read_item(model, raw, (key, name), source.findings)
        if item is not None:
            yield name, item


def _right(
    source: Source, model: type[M], key: str, check: Callable[[Item[M]], None]
) -> dict[str, M]:
    """Those of the tables ``[key.<name>]`` that are right in themselves and pass the check."""
    found: dict[str, M] = {}
    for name, item in _entries(source, model, key):
        before = len(source.findings.problems)
        check(item)
        if item.value is not None and len(source.findings.problems) == before:
            found[name] = item.value
    return found


def _read_modbus_sheet(
    source: Source,
    sheet: Sheet,
    device: Item[ProfileDevice] | None,
    line: Item[LineDefaults] | None,
) -> None:
    timing = _section(source, Timing, "timing", required=sheet.protocol == "modbus")
    if timing is not None:
        check_timing(timing)
        sheet.timing = timing.value
    limits = _section(source, Limits, "limits")
    if limits is not None and limits.value is not None:
        sheet.limits = limits.value
    sheet.action_names = _names(source, "action")
    points = _right(source, ModbusPoint, "point", check_modbus_point)
    sheet.points = dict(points)
    sheet.actions = _right(source, Action, "action", check_action)
    identity = _constants(source)
    moved = _section(source, SetAddress, "set_address")
    if moved is not None:
        check_set_address(moved)
    if sheet.protocol is None or sheet.point_names is None or sheet.action_names is None:
        return
    if not sheet.point_names and not sheet.action_names:
        source.findings.add((), "empty-profile")
    if device is not None and device.value is not None and sheet.timing is not None:
        sheet.profile = ModbusProfile(
            device.value, line.value if line else None, sheet.timing, sheet.limits, points,
            sheet.actions, identity, moved.value if moved else None,
        )  # fmt: skip


def _read_line_sheet(
    source: Source,
    sheet: Sheet,
    device: Item[ProfileDevice] | None,
    line: Item[LineDefaults] | None,
) -> None:
    sheet.action_names = frozenset()
    framing = _section(source, Framing, "framing", required=True)
    points = _right(source, LinePoint, "point", check_line_point)
    sheet.points = dict(points)
    if framing is not None:
        check_framing(framing, sheet.point_names)
        sheet.framing = framing.value
    if sheet.point_names is not None and not sheet.point_names:
        source.findings.add((), "empty-profile")
    if device is not None and device.value is not None and sheet.framing is not None:
        sheet.profile = LineProfile(
            device.value, line.value if line else None, sheet.framing, points
        )
