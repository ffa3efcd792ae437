"""How a step is heard, what stands in for it, and what it does in drills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel

from edge.app.config.draft import Draft
from edge.app.config.items import Item
from edge.app.config.model import BackupConfig, HeardConfig, RehearsalConfig, StepConfig
from edge.app.config.references import KnownPoint, convert_to, find_point, narrow_units
from edge.app.config.steps import check_action, check_step
from edge.app.config.wiring import period_of
from edge.core.model import Point
from edge.core.units import Quantity, Unit

M = TypeVar("M", bound=BaseModel)


def check_sounding(draft: Draft) -> None:
    """Check ``heard``, ``backup`` and ``drill`` of every step."""
    for step in _steps(draft):
        _check_heard(draft, step)
        _check_backup(draft, step)
        _check_rehearsal(draft, step)


def heard_in(steps: Iterable[StepConfig], points: Iterable[Point]) -> tuple[StepConfig, ...]:
    """The steps with the values to be heard in the stored units of their points."""
    units = {str(point.id): point.unit for point in points}
    return tuple(_resolved(step, units) for step in steps)


def _resolved(step: StepConfig, units: Mapping[str, Unit]) -> StepConfig:
    if step.heard is None:
        return step
    unit = units[step.heard.point]
    value = Quantity(step.heard.value.to(unit), unit)
    return step.model_copy(update={"heard": step.heard.model_copy(update={"value": value})})


def warn_of_backups(draft: Draft) -> None:
    """Warn of a back-up that fails together with what it stands in for."""
    for step in _steps(draft):
        backup = _part(step, "backup", BackupConfig)
        if backup is None:
            continue
        name, other = _word(backup, "actuator"), _word(step, "actuator")
        if name == other:
            draft.warnings.add((*backup.path, "actuator"), "backup-same-device", found=name)
            continue
        device, primary = draft.device(name), draft.device(other)
        bus = device.get("bus", str) if device is not None else None
        if primary is not None and bus is not None and bus == primary.get("bus", str):
            draft.warnings.add(
                (*backup.path, "actuator"), "backup-same-bus", found=name, bus=bus, other=other
            )


def _steps(draft: Draft) -> Iterator[Item[StepConfig]]:
    for plan in draft.plans:
        yield from plan.steps


def _part(step: Item[StepConfig], key: str, kind: type[M]) -> Item[M] | None:
    """A table within a step that is right in itself; what is wrong with it has been noted."""
    value, raw = step.get(key, kind), step.raw.get(key)
    if value is None or not isinstance(raw, dict):
        return None
    fields: dict[str, object] = {name: getattr(value, name) for name in type(value).model_fields}
    return Item((*step.path, key), raw, fields, value, step.findings)


def _check_heard(draft: Draft, step: Item[StepConfig]) -> None:
    """The point exists, and its range has readings on both sides of the value."""
    heard = _part(step, "heard", HeardConfig)
    if heard is None:
        return
    point, quantity = find_point(draft, heard, "point"), heard.get("value", Quantity)
    if point is None or quantity is None:
        return
    narrow_units(point, heard, "value")
    value = convert_to(point, quantity, heard, "value")
    if value is None:
        return
    comparison = heard.get("comparison", str) or ">="
    heard_at, silent_at = {
        ">=": (value <= point.high, value > point.low),
        ">": (value < point.high, value >= point.low),
        "<=": (value >= point.low, value < point.high),
        "<": (value > point.low, value <= point.high),
    }[comparison]
    allowed = f"{point.low:g} … {point.high:g} {point.unit.value}".rstrip()
    if not heard_at:
        heard.report("value", "never-reached", comparison=comparison, allowed=allowed)
    elif not silent_at:
        heard.report("value", "always-heard", comparison=comparison, allowed=allowed)
    _check_patience(draft, step, heard, point)


def _check_patience(
    draft: Draft, step: Item[StepConfig], heard: Item[HeardConfig], point: KnownPoint
) -> None:
    """A reading of when it sounds must have a chance to come in time."""
    device, horn = draft.device(point.id.partition(".")[0]), draft.device(_word(step, "actuator"))
    within_s = heard.get("within_s", float)
    if device is None or horn is None or within_s is None:
        return
    sheet = draft.sheet(horn)
    action = sheet.actions.get(_word(step, "action")) if sheet is not None else None
    warm_up_ms = action.warm_up_ms if action is not None else 0
    least_s = ((period_of(draft, device) or 0) + warm_up_ms) / 1000
    if within_s < least_s:
        heard.report("within_s", "heard-too-short", point=point.id, allowed=f"≥ {least_s:g}")


def _word(item: Item[BaseModel], key: str) -> str:
    return item.get(key, str) or ""


def _check_backup(draft: Draft, step: Item[StepConfig]) -> None:
    backup = _part(step, "backup", BackupConfig)
    if backup is None:
        return
    check_step(draft, backup)
    if _drives(backup) == _drives(step):
        backup.report("actuator", "backup-itself", found=_words(backup))


def _drives(step: Item[BaseModel]) -> tuple[object, ...]:
    """What of which actuator it drives: as ``Step.output`` has it."""
    stop = "stop" if step.get("stop", str) is not None else "action"
    arguments = step.get("stop_arguments" if stop == "stop" else "arguments", dict) or {}
    return (step.get("actuator", str), step.get(stop, str), tuple(sorted(arguments.items())))


def _words(step: Item[BaseModel]) -> str:
    arguments = step.get("arguments", dict) or {}
    return " ".join([str(step.get("actuator", str)), *(f"{k}={v}" for k, v in arguments.items())])


def _check_rehearsal(draft: Draft, step: Item[StepConfig]) -> None:
    """The step's actuator has this action, too."""
    rehearsal = _part(step, "drill", RehearsalConfig)
    device = draft.device(step.get("actuator", str) or "")
    sheet = draft.sheet(device) if device is not None else None
    if rehearsal is None or sheet is None or not sheet.action_names:
        return
    check_action(rehearsal, sheet, "action", "arguments")
    if not step.given("stop"):
        step.report("drill", "drill-without-stop", found="drill")
