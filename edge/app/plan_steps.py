"""From a plan as configured to the steps that the engine carries out."""

from __future__ import annotations

from edge.app.config.model import HeardConfig, PlanConfig, RehearsalConfig, Site, StepConfig
from edge.core.model import ActuatorId, PointId, RuleId
from edge.engine.plan import Heard, Rehearsal, Step, Until


def plans_of(site: Site) -> dict[RuleId, tuple[Step, ...]]:
    """The steps of every armed rule; a rule without a plan has none."""
    steps = {plan.id: steps_of(plan) for plan in site.plans}
    return {
        RuleId(rule.id): steps[rule.plan] if rule.plan else ()
        for rule in site.rules
        if not rule.shadow
    }


def steps_of(plan: PlanConfig) -> tuple[Step, ...]:
    """In the order of the file."""
    return tuple(
        Step(
            level=step.level,
            actuator=ActuatorId(step.actuator),
            action=step.action,
            arguments=tuple(sorted(step.arguments.items())),
            stop=step.stop,
            stop_arguments=tuple(sorted(step.stop_arguments.items())),
            until=Until(step.until),
            timeout_s=step.timeout_s,
            heard=_heard(step.heard),
            backup=_backup(step),
            drill=_rehearsal(step.drill),
            measure=step.measure or "",
        )
        for step in plan.steps
    )


def _heard(heard: HeardConfig | None) -> Heard | None:
    if heard is None:
        return None
    return Heard(PointId(heard.point), heard.comparison, heard.value.value, heard.within_s)


def _backup(step: StepConfig) -> Step | None:
    """The back-up begins and ends as its step does."""
    backup = step.backup
    if backup is None:
        return None
    return Step(
        level=step.level,
        actuator=ActuatorId(backup.actuator),
        action=backup.action,
        arguments=tuple(sorted(backup.arguments.items())),
        stop=backup.stop,
        stop_arguments=tuple(sorted(backup.stop_arguments.items())),
        until=Until(step.until),
        timeout_s=step.timeout_s,
        measure=step.measure or "",
    )


def _rehearsal(drill: RehearsalConfig | None) -> Rehearsal | None:
    if drill is None:
        return None
    return Rehearsal(drill.action, tuple(sorted(drill.arguments.items())))
