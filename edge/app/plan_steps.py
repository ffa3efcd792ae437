"""From a plan as configured to the steps that the engine carries out."""

from __future__ import annotations

from edge.app.config.model import PlanConfig
from edge.core.model import ActuatorId
from edge.engine.plan import Step, Until


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
        )
        for step in plan.steps
    )
