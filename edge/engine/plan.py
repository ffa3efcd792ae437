"""What should be sounding: from the state of the alarms to orders per output. Pure.

Orders are a function of the alarms alone, so a restart re-asserts exactly what should sound, and
two rules that share a horn cannot silence each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edge.core.model import ActuatorId, Alarm, Level, Phase, RuleId

Arguments = tuple[tuple[str, int], ...]


class Until(StrEnum):
    """What ends a step.

    Somebody answered, the measured level fell below the step's, the alarm is over.
    """

    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan: from this level on, this action on this actuator."""

    level: Level
    actuator: ActuatorId
    action: str
    arguments: Arguments = ()
    stop: str | None = None
    stop_arguments: Arguments = ()
    until: Until = Until.NORMAL
    timeout_s: float = 5.0

    @property
    def output(self) -> str:
        """What of the actuator this step drives; steps with the same stop drive the same output."""
        action, arguments = (
            (self.stop, self.stop_arguments) if self.stop else (self.action, self.arguments)
        )
        return f"{self.actuator}:{action}:" + ",".join(f"{k}={v}" for k, v in arguments)


@dataclass(frozen=True, slots=True)
class Order:
    """A step that is due, and the alarm revision that made it due."""

    step: Step
    alarm: str
    revision: int
    since_ms: int
    """When the alarm was raised, wall time: of two hazards the newer one is told."""


def engaged(step: Step, alarm: Alarm) -> bool:
    """Whether an alarm in this state wants this step."""
    if alarm.phase is Phase.NORMAL or alarm.highest < step.level:
        return False
    if step.until is Until.ACKNOWLEDGED:
        return alarm.phase is not Phase.ACTIVE_ACKNOWLEDGED
    if step.until is Until.RETURNED:
        return alarm.current >= step.level
    return True


def orders(alarms: Iterable[Alarm], plans: Mapping[RuleId, tuple[Step, ...]]) -> dict[str, Order]:
    """What each output should do.

    Where several want one, the highest level decides, then the newest.
    """
    due: dict[str, Order] = {}
    for alarm in alarms:
        for step in plans.get(alarm.rule, ()):
            if not engaged(step, alarm):
                continue
            order = Order(step, alarm.id, alarm.revision, alarm.since.ms)
            best = due.get(step.output)
            if best is None or _rank(order) > _rank(best):
                due[step.output] = order
    return due


def begun(before: Mapping[str, Order], now: Mapping[str, Order]) -> list[Order]:
    """Orders that are new, or differ in what they ask of their output; the highest level first."""
    fresh = [
        order
        for output, order in now.items()
        if output not in before or not _same(before[output].step, order.step)
    ]
    return sorted(fresh, key=lambda order: -order.step.level)


def ended(before: Mapping[str, Order], now: Mapping[str, Order]) -> list[Order]:
    """Orders that nobody wants any more and that have a stop."""
    return [order for output, order in before.items() if output not in now and order.step.stop]


def _rank(order: Order) -> tuple[Level, int]:
    return order.step.level, order.since_ms


def _same(one: Step, other: Step) -> bool:
    return one.action == other.action and one.arguments == other.arguments
