"""A site file taken apart: every table on its own, with lookups for what refers to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from edge.app.config.call_tables import CallConfig, ContactConfig, GroupConfig, HelperConfig
from edge.app.config.items import Context, Item, read_item, report_unknown_key
from edge.app.config.linemap import KeyPath
from edge.app.config.model import (
    AcknowledgeConfig,
    AlarmsConfig,
    BlackBoxConfig,
    BusConfig,
    DeviceConfig,
    JournalConfig,
    LinkConfig,
    OverrideConfig,
    PlanEntry,
    PointConfig,
    ProofConfig,
    SiteConfig,
    StepConfig,
)
from edge.app.config.problems import Findings, show
from edge.app.config.rule_tables import RuleEntry, SelectorEntry, rule_form
from edge.app.config.sheet import Sheet
from edge.app.config.source import Source

M = TypeVar("M", bound=BaseModel)

_TABLES = ("site", "journal", "proof", "alarms", "black_box")
_LISTS = ("bus", "device", "point", "selector", "rule", "override", "plan", "contact", "group",
          "acknowledge", "link")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanDraft:
    """A plan, its steps, calls and helpers, each read on its own."""

    item: Item[PlanEntry]
    steps: tuple[Item[StepConfig], ...]
    calls: tuple[Item[CallConfig], ...] = ()
    helpers: tuple[Item[HelperConfig], ...] = ()


@dataclass(slots=True)
class Draft:
    """The tables of one site file, right and wrong ones, and the profiles its devices use.

    ``ranges`` holds the refined ranges of points, in their stored units. ``warnings`` are oddities
    that may be meant.
    """

    directory: Path
    findings: Findings
    warnings: Findings
    site: Item[SiteConfig] | None = None
    journal: Item[JournalConfig] | None = None
    proof: Item[ProofConfig] | None = None
    alarms: Item[AlarmsConfig] | None = None
    black_box: Item[BlackBoxConfig] | None = None
    buses: list[Item[BusConfig]] = field(default_factory=list)
    devices: list[Item[DeviceConfig]] = field(default_factory=list)
    points: list[Item[PointConfig]] = field(default_factory=list)
    selectors: list[Item[SelectorEntry]] = field(default_factory=list)
    rules: list[Item[RuleEntry]] = field(default_factory=list)
    overrides: list[Item[OverrideConfig]] = field(default_factory=list)
    plans: list[PlanDraft] = field(default_factory=list)
    contacts: list[Item[ContactConfig]] = field(default_factory=list)
    groups: list[Item[GroupConfig]] = field(default_factory=list)
    acknowledges: list[Item[AcknowledgeConfig]] = field(default_factory=list)
    links: list[Item[LinkConfig]] = field(default_factory=list)
    sheets: dict[str, Sheet] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    bus_ids: dict[str, Item[BusConfig]] = field(default_factory=dict)
    device_ids: dict[str, Item[DeviceConfig]] = field(default_factory=dict)

    def bus(self, name: str) -> Item[BusConfig] | None:
        """The bus with this id, right or wrong."""
        return self.bus_ids.get(name)

    def device(self, name: str) -> Item[DeviceConfig] | None:
        """The device with this id, right or wrong."""
        return self.device_ids.get(name)

    def sheet(self, device: Item[DeviceConfig]) -> Sheet | None:
        """The profile of a device, as far as it could be read; None if it could not be found."""
        return self.sheets.get(device.get("profile", str) or "")

    def sheeted(self) -> Iterator[tuple[str, Item[DeviceConfig], Sheet]]:
        """Devices whose profile was found, with their ids as written."""
        for device in self.devices:
            name, sheet = device.raw.get("id"), self.sheet(device)
            if isinstance(name, str) and sheet is not None:
                yield name, device, sheet


def written_ids(items: Iterable[Item[M]]) -> list[str]:
    """All ids as written: what is wrong still exists, a reference to it is not dangling."""
    return [name for item in items if isinstance(name := item.raw.get("id"), str)]


def _by_id(items: list[Item[M]]) -> dict[str, Item[M]]:
    """The first item of each id."""
    found: dict[str, Item[M]] = {}
    for item in items:
        name = item.raw.get("id")
        if isinstance(name, str):
            found.setdefault(name, item)
    return found


def read_draft(source: Source, directory: Path) -> Draft:
    """Take a site file apart; ``source`` has a document, relative paths start at ``directory``."""
    findings = source.findings
    document = source.document or {}
    context: Context = {"directory": directory.absolute()}
    draft = Draft(directory, findings, Findings(findings.file, findings.lines))
    for key in document:
        if key not in (*_TABLES, *_LISTS):
            report_unknown_key(findings, (key,), [*_TABLES, *_LISTS])
    if "site" not in document:
        findings.add(("site",), "missing-table", found="[site]")
    draft.site = _table(document, "site", SiteConfig, findings)
    draft.journal = _table(document, "journal", JournalConfig, findings)
    draft.proof = _table(document, "proof", ProofConfig, findings)
    draft.alarms = _table(document, "alarms", AlarmsConfig, findings)
    draft.black_box = _table(document, "black_box", BlackBoxConfig, findings)
    draft.buses = _list(document, "bus", BusConfig, findings)
    draft.devices = _list(document, "device", DeviceConfig, findings)
    draft.bus_ids, draft.device_ids = _by_id(draft.buses), _by_id(draft.devices)
    draft.points = _list(document, "point", PointConfig, findings)
    draft.selectors = _list(document, "selector", SelectorEntry, findings)
    for path, raw in _elements(document, "rule", (), findings):
        rule = read_item(rule_form(raw), raw, path, findings)
        if rule is not None:
            draft.rules.append(rule)
    draft.overrides = _list(document, "override", OverrideConfig, findings)
    draft.acknowledges = _list(document, "acknowledge", AcknowledgeConfig, findings)
    draft.links = _list(document, "link", LinkConfig, findings, context)
    draft.contacts = _list(document, "contact", ContactConfig, findings)
    draft.groups = _list(document, "group", GroupConfig, findings)
    for path, raw in _elements(document, "plan", (), findings):
        plan = _read_plan(path, raw, findings)
        if plan is not None:
            draft.plans.append(plan)
    return draft


def _read_plan(path: KeyPath, raw: object, findings: Findings) -> PlanDraft | None:
    if not isinstance(raw, dict):
        read_item(PlanEntry, raw, path, findings)
        return None
    head = {key: value for key, value in raw.items() if key not in ("step", "call", "helper")}
    item = read_item(PlanEntry, head, path, findings)
    if item is None:
        return None
    if not any(raw.get(key) for key in ("step", "call", "helper")):
        findings.add(path, "no-steps", hint="[[plan.step]]")
    return PlanDraft(
        item,
        tuple(_parts(raw, "step", StepConfig, path, findings)),
        tuple(_parts(raw, "call", CallConfig, path, findings)),
        tuple(_parts(raw, "helper", HelperConfig, path, findings)),
    )


def _parts(
    owner: dict[str, object], key: str, model: type[M], path: KeyPath, findings: Findings
) -> Iterator[Item[M]]:
    """The tables of a list within a table."""
    for spot, each in _elements(owner, key, path, findings):
        item = read_item(model, each, spot, findings)
        if item is not None:
            yield item


def _table(
    document: dict[str, object], key: str, model: type[M], findings: Findings
) -> Item[M] | None:
    raw = document.get(key, {})
    if isinstance(raw, list) and raw and all(isinstance(each, dict) for each in raw):
        findings.add((key,), "not-a-list", found=f"[[{key}]]", allowed=f"[{key}]")
        return None
    return read_item(model, raw, (key,), findings) if key in document else None


def _list(
    document: dict[str, object],
    key: str,
    model: type[M],
    findings: Findings,
    context: Context | None = None,
) -> list[Item[M]]:
    items = (
        read_item(model, raw, path, findings, context)
        for path, raw in _elements(document, key, (), findings)
    )
    return [item for item in items if item is not None]


def _elements(
    owner: dict[str, object], key: str, path: KeyPath, findings: Findings
) -> Iterator[tuple[KeyPath, object]]:
    """The elements of a list of tables with their paths; anything else is noted."""
    elements = owner.get(key, [])
    header = ".".join([*(part for part in path if isinstance(part, str)), key])
    if isinstance(elements, list):
        for index, raw in enumerate(elements):
            yield (*path, key, index), raw
    elif isinstance(elements, dict):
        findings.add((*path, key), "not-a-table", found=f"[{header}]", allowed=f"[[{header}]]")
    else:
        findings.add((*path, key), "wrong-type", found=show(elements), allowed=f"[[{header}]]")
