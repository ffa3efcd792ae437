"""What should be sounding: from the state of the alarms to orders per output. Pure.

Orders are a function of the alarms alone (that an output is not heard is an alarm, too), so a
restart re-asserts exactly what should sound, and two rules that share a horn cannot silence each
other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.core.model import ActuatorId, Alarm, Level, Phase, PointId, RuleId
from edge.engine.alarms import SILENT

Arguments = tuple[tuple[str, int], ...]


class Until(StrEnum):
    """What ends a step.

    Somebody answered, the measured level fell below the step's, the alarm is over.
    """

    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Heard:
    """How it is known that a step sounds: by a reading. ``limit`` is in the point's stored unit.

    It must be so at least once in ``within_s``, from the command on for as long as it should sound.
    """

    point: PointId
    comparison: str
    limit: float
    within_s: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a step does in a drill instead: the message that says so first."""

    action: str
    arguments: Arguments = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan: from this level on, this action on this actuator.

    ``backup`` is commanded too when this one is not confirmed, or not ``heard``. Without a
    ``drill`` it stays silent in drills.
    """

    level: Level
    actuator: ActuatorId
    action: str
    arguments: Arguments = ()
    stop: str | None = None
    stop_arguments: Arguments = ()
    until: Until = Until.NORMAL
    timeout_s: float = 5.0
    heard: Heard | None = None
    backup: Step | None = None
    drill: Rehearsal | None = None
    measure: str = ""
    """Which of cut, forbid, stop, withdraw, divert (断、禁、停、撤、疏) it is, for reports."""

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
    drill: str = ""
    """The drill or walk-test that gave it; empty for what is real."""
    stands_in: bool = False
    """It is the back-up of another output."""


def engaged(step: Step, alarm: Alarm) -> bool:
    """Whether an alarm in this state wants this step; one that is silenced wants none."""
    if alarm.phase in SILENT or alarm.phase is Phase.NORMAL or alarm.highest < step.level:
        return False
    if step.until is Until.ACKNOWLEDGED:
        return alarm.phase is not Phase.ACTIVE_ACKNOWLEDGED
    if step.until is Until.RETURNED:
        return alarm.current >= step.level
    return True


def orders(
    alarms: Iterable[Alarm],
    plans: Mapping[RuleId, tuple[Step, ...]],
    unheard: Collection[str] = (),
) -> dict[str, Order]:
    """What each output should do; also the back-ups of those outputs that are ``unheard``.

    Where several want one, the highest level decides, then the newest; a step goes before a back-up
    of its rank.
    """
    due: dict[str, Order] = {}
    standing_in: list[Order] = []
    for alarm in alarms:
        for step in plans.get(alarm.rule, ()):
            if not engaged(step, alarm):
                continue
            order = Order(step, alarm.id, alarm.revision, alarm.since.ms, alarm.drill)
            _offer(due, order)
            if step.backup is not None and step.output in unheard:
                standing_in.append(replace(order, step=step.backup, stands_in=True))
    for order in standing_in:
        _offer(due, order)
    return due


def with_backups(steps: Iterable[Step]) -> Iterator[Step]:
    """Each step, followed by what stands in for it."""
    for step in steps:
        yield step
        if step.backup is not None:
            yield step.backup


def rehearsed(steps: Iterable[Step]) -> tuple[Step, ...]:
    """What of a plan sounds in a drill: the steps that have a ``drill``, with that in their place.

    Back-ups stay out: what a drill finds unheard it reports.
    """
    return tuple(
        replace(step, action=step.drill.action, arguments=step.drill.arguments, backup=None)
        for step in steps
        if step.drill is not None
    )


def left_sounding(plans: Iterable[Iterable[Step]], outputs: Collection[object]) -> list[Step]:
    """A step for each of these outputs, by which it can be stopped."""
    steps = {step.output: step for each in plans for step in each}
    return [step for output, step in sorted(steps.items()) if output in outputs]


def _offer(due: dict[str, Order], order: Order) -> None:
    best = due.get(order.step.output)
    if best is None or _rank(order) > _rank(best):
        due[order.step.output] = order


def begun(before: Mapping[str, Order], now: Mapping[str, Order]) -> list[Order]:
    """Orders that are new, or differ in what they ask of their output.

    The highest level first, and back-ups last.
    """
    fresh = [
        order
        for output, order in now.items()
        if output not in before or not _same(before[output].step, order.step)
    ]
    return sorted(fresh, key=lambda order: (order.stands_in, -order.step.level))


def ended(before: Mapping[str, Order], now: Mapping[str, Order]) -> list[Order]:
    """Orders that nobody wants any more and that have a stop."""
    return [order for output, order in before.items() if output not in now and order.step.stop]


def _rank(order: Order) -> tuple[Level, int]:
    return order.step.level, order.since_ms


def _same(one: Step, other: Step) -> bool:
    return one.action == other.action and one.arguments == other.arguments
