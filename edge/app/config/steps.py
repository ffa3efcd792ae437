"""Plans and push-buttons: actuators, actions and arguments of steps; acknowledging inputs."""

from __future__ import annotations

from pydantic import BaseModel

from edge.app.config.draft import Draft, written_ids
from edge.app.config.fields import LEVELS
from edge.app.config.items import Item
from edge.app.config.problems import listed, show, suggest
from edge.app.config.profile import Action
from edge.app.config.references import find_point, name_dimension, report_dangling, units_like
from edge.app.config.rule_tables import RuleEntry
from edge.app.config.sheet import Sheet
from edge.core.model import Level
from edge.core.units import Unit
from edge.locale import text

_ACTIONS = (("action", "arguments"), ("stop", "stop_arguments"))
_WORDS = {level: word for word, level in LEVELS.items()}


def check_steps(draft: Draft) -> None:
    """Every step names an actuator, actions it has, and exactly their parameters."""
    for plan in draft.plans:
        for step in plan.steps:
            check_step(draft, step)


def check_step(draft: Draft, step: Item[BaseModel]) -> None:
    """A step, or what stands in for one, names an actuator, actions it has, their parameters."""
    if step.given("stop_arguments") and not step.given("stop"):
        step.report("stop_arguments", "not-applicable", reason=text("reason.no-stop"))
    name = step.get("actuator", str)
    if name is None:
        return
    device = draft.device(name)
    actuators = [each for each, _, sheet in draft.sheeted() if sheet.action_names]
    if device is None:
        report_dangling(step, "actuator", name, "actuator", actuators)
        return
    sheet = draft.sheet(device)
    if sheet is None or sheet.action_names is None:
        return
    if not sheet.action_names:
        step.report("actuator", "no-actions", allowed=listed(actuators) or text("type.nothing"))
        return
    bus = draft.bus(device.get("bus", str) or "")
    tcp = bus.get("id", str) if bus is not None and bus.get("kind", str) == "tcp" else None
    for key, arguments in _ACTIONS:
        if key == "action" or step.given(key):
            check_action(step, sheet, key, arguments)
            action = sheet.actions.get(step.get(key, str) or "")
            if tcp is not None and action is not None and action.broadcast:
                step.report(key, "broadcast-tcp", action=step.get(key, str), bus=tcp)


def check_action(step: Item[BaseModel], sheet: Sheet, key: str, arguments: str) -> None:
    """The actuator has the action under ``key``, with the parameters under ``arguments``."""
    name = step.get(key, str)
    if name is None or sheet.action_names is None:
        return
    if name not in sheet.action_names:
        report_dangling(step, key, name, "action", sorted(sheet.action_names))
        return
    action = sheet.actions.get(name)
    written = step.raw.get(arguments, {})
    if action is not None and isinstance(written, dict):
        _check_arguments(step, action, name, arguments, written)


def _check_arguments(
    step: Item[BaseModel], action: Action, name: str, key: str, written: dict[str, object]
) -> None:
    declared = action.parameters
    for parameter, (low, high) in declared.items():
        path = (*step.path, key, parameter)
        value = written.get(parameter)
        if parameter not in written:
            step.findings.add(
                path, "missing-argument", found=parameter, action=name, allowed=f"{low} … {high}"
            )
        elif isinstance(value, int) and not isinstance(value, bool) and not low <= value <= high:
            step.findings.add(path, "out-of-range", found=show(value), allowed=f"{low} … {high}")
    for parameter in written:
        if parameter not in declared:
            step.findings.add(
                (*step.path, key, parameter),
                "unknown-argument",
                found=parameter,
                action=name,
                allowed=listed(declared) or text("type.nothing"),
                hint=suggest(parameter, declared),
            )


def check_acknowledges(draft: Draft) -> None:
    """A push-button is a point of unit ``state``."""
    for item in draft.acknowledges:
        point = find_point(draft, item, "point")
        if point is not None and point.unit is not Unit.STATE:
            item.report(
                "point", "not-a-state", found=point.id, dimension=name_dimension(point.unit),
                allowed=listed(units_like(Unit.STATE)),
            )  # fmt: skip


def warn_of_idle_plans(draft: Draft) -> None:
    """Warn of a plan that no rule starts, and of a rule too low for every step of its plan."""
    started = {rule.get("plan", str) for rule in draft.rules}
    for plan in draft.plans:
        name = plan.item.get("id", str)
        if name is None:
            continue
        if name not in started:
            rules = listed(written_ids(draft.rules)) or text("type.nothing")
            draft.warnings.add((*plan.item.path, "id"), "idle-plan", found=name, allowed=rules)
        lowest = min(
            (
                level
                for step in (*plan.steps, *plan.calls, *plan.helpers)
                if (level := step.get("level", Level)) is not None
            ),
            default=Level.NORMAL,
        )
        for rule in draft.rules:
            if rule.get("plan", str) == name and _highest(rule) < lowest:
                path, word = (*rule.path, "plan"), _WORDS[lowest]
                draft.warnings.add(path, "plan-too-high", found=name, allowed=word)


def warn_of_broadcasts(draft: Draft) -> None:
    """Warn of an action that reaches other devices of its line: they may take it for theirs."""
    for plan in draft.plans:
        for step in plan.steps:
            name = step.get("actuator", str) or ""
            device = draft.device(name)
            sheet = draft.sheet(device) if device is not None else None
            if device is None or sheet is None:
                continue
            others = [
                other
                for other, item, _ in draft.sheeted()
                if other != name and item.get("bus", str) == device.get("bus", str)
            ]
            for key, _ in _ACTIONS:
                action = sheet.actions.get(step.get(key, str) or "")
                if action is not None and action.broadcast and others:
                    draft.warnings.add(
                        (*step.path, key), "broadcast-shared", found=name, others=listed(others),
                        action=step.get(key, str), bus=device.get("bus", str),
                    )  # fmt: skip


def _highest(rule: Item[RuleEntry]) -> Level:
    """The highest level a rule can raise, by a threshold or by losing its sensor."""
    levels = [level for word, level in LEVELS.items() if rule.given(word)]
    return max([*levels, LEVELS.get(rule.get("lost", str) or "", Level.NORMAL)])
