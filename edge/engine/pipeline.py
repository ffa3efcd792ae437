"""The one walk: sample, quality, rule, alarm, command, in one plain call; then the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge.core.instant import Clock, Instant, ms_between
from edge.core.model import (
    Alarm,
    Command,
    DeviceNotice,
    Outcome,
    Point,
    PointId,
    Quality,
    Record,
    RecordKind,
    RuleId,
    Sample,
    Status,
    Urgency,
)
from edge.core.ports import Journal
from edge.engine import alarms, conditions, plan
from edge.engine.alarms import AlarmPolicy, rule_of
from edge.engine.bodies import alarm_body, command_body, notice_body, outcome_body
from edge.engine.conditions import Condition, ConditionState
from edge.engine.conformance import Conformance
from edge.engine.dispatch import Dispatcher
from edge.engine.health import Health
from edge.engine.plan import Order, Step
from edge.engine.quality import judge


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its condition, how its alarm latches, and its plan's steps."""

    condition: Condition
    policy: AlarmPolicy
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Button:
    """A point that acknowledges everything when it becomes 1."""

    point: PointId
    by: str


class Pipeline:
    """Holds the state of every rule and alarm.

    Every method is a plain function that never waits.
    """

    def __init__(
        self,
        points: Iterable[Point],
        rules: Sequence[Rule],
        buttons: Sequence[Button],
        journal: Journal,
        health: Health,
        conformance: Conformance,
        clock: Clock,
    ) -> None:
        self.values: dict[PointId, Sample] = {}
        self.alarms: dict[RuleId, Alarm] = {
            rule.condition.rule: Alarm(rule.condition.rule) for rule in rules
        }
        self._points = {point.id: point for point in points}
        self._by_point: dict[PointId, list[tuple[Rule, ConditionState]]] = {}
        self._states: dict[RuleId, ConditionState] = {}
        for rule in rules:
            state = ConditionState()
            self._states[rule.condition.rule] = state
            self._by_point.setdefault(rule.condition.point, []).append((rule, state))
        self._plans = {rule.condition.rule: rule.steps for rule in rules}
        self._buttons = {button.point: button for button in buttons}
        self._journal = journal
        self._health = health
        self._clock = clock
        self._conformance = conformance
        self._caused: set[str] = set()
        self._dispatcher: Dispatcher | None = None
        self._listeners: list[Callable[[tuple[Sample, ...]], None]] = []

    def connect(self, dispatcher: Dispatcher) -> None:
        """Give the walk its outputs; before this nothing sounds."""
        self._dispatcher = dispatcher

    def on_samples(self, samples: tuple[Sample, ...]) -> None:
        """The walk. Commands have started when this reaches the journal."""
        changed: list[Alarm] = []
        for sample in samples:
            if sample.point in self._by_point:
                self._step_rules(judge(sample, self._points[sample.point]), changed)
        commands = self._dispatch(samples[0].at) if changed else []
        self._caused.update(command.id for command in commands if not command.ends)
        # from here on nothing is urgent
        judged = tuple(judge(sample, self._points[sample.point]) for sample in samples)
        for sample in judged:
            if sample.point in self._buttons:
                self._press(self._buttons[sample.point], sample)
            self.values[sample.point] = sample
        self._record(changed, commands)
        self._journal.offer_samples(judged)
        for listener in self._listeners:
            listener(judged)

    def _step_rules(self, sample: Sample, changed: list[Alarm]) -> None:
        """Take a judged sample through every rule on its point."""
        for rule, state in self._by_point[sample.point]:
            name = rule.condition.rule
            verdict = conditions.step(rule.condition, state, sample)
            alarm = self.alarms[name]
            stepped = alarms.step(alarm, verdict, sample.utc, rule.policy)
            if stepped is not alarm:
                self.alarms[name] = stepped
                changed.append(stepped)

    def acknowledge(self, rules: Iterable[RuleId], by: str) -> list[Alarm]:
        """Somebody answered for these rules; returns the alarms that this changed."""
        changed: list[Alarm] = []
        for name in rules:
            alarm = self.alarms[name]
            stepped = alarms.acknowledge(alarm, by)
            if stepped is not alarm:
                self.alarms[name] = stepped
                changed.append(stepped)
        commands = self._dispatch(self._clock.now()) if changed else []
        self._record(changed, commands)
        return changed

    def restore(self, kept: Iterable[Alarm]) -> None:
        """Take up the alarms of before a restart and re-assert what should sound."""
        for alarm in kept:
            if alarm.rule in self.alarms:
                self.alarms[alarm.rule] = alarm
                state = self._states[alarm.rule]
                state.level = alarm.current
        if self._dispatcher is None:
            return
        now = self._clock.now()
        due = plan.orders(self.alarms.values(), self._plans)
        commands = [
            self._dispatcher.start(order, now, ensure=True) for order in plan.begun({}, due)
        ]
        self._record([], commands)

    def on_response(self, samples: tuple[Sample, ...], due: Instant) -> None:
        """Samples have come that were due then: stamp their stage, for the rules they feed."""
        for sample in samples:
            if sample.quality is Quality.GOOD:
                for rule, _ in self._by_point.get(sample.point, ()):
                    self._conformance.response(rule.condition.rule, due, sample.at)

    def on_notice(self, notice: DeviceNotice, *, vital: bool) -> None:
        """A device was lost, is back, or speaks unasked. ``vital``: people depend on it."""
        urgency = Urgency.ALARM if vital else Urgency.STATE
        body = notice_body(notice)
        self._journal.offer(Record(RecordKind.DEVICE, urgency, self._clock.utc(), body))

    def on_outcome(self, command: Command, outcome: Outcome) -> None:
        """A command has ended: stamp its latencies and record it."""
        decision_ms = action_ms = None
        if outcome.first_byte is not None:
            decision_ms = ms_between(command.cause, outcome.first_byte)
        if outcome.status is Status.DONE:
            action_ms = ms_between(command.cause, outcome.at)
        self._health.note_outcome(command, outcome, decision_ms, action_ms)
        self._note_stages(command, outcome)
        self._journal.offer(
            Record(
                RecordKind.OUTCOME,
                Urgency.ALARM,
                self._clock.utc(),
                outcome_body(command, outcome, decision_ms, action_ms),
            )
        )

    def _note_stages(self, command: Command, outcome: Outcome) -> None:
        """A command that a reading has caused is a measurement of what was proven."""
        if command.id not in self._caused:
            return
        self._caused.discard(command.id)
        rule = rule_of(command.alarm)
        if outcome.first_byte is None:
            return
        self._conformance.decision(rule, command.cause, outcome.first_byte)
        if outcome.status is Status.DONE:
            self._conformance.action(rule, command.cause, outcome.at)

    def listen(self, listener: Callable[[tuple[Sample, ...]], None]) -> Callable[[], None]:
        """Hear every judged sample, after the walk; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _dispatch(self, cause: Instant) -> list[Command]:
        """Bring the outputs to what the alarms now want: what begins first, then what ends."""
        if self._dispatcher is None:
            return []
        before = dict(self._dispatcher.wanted)
        due = plan.orders(self.alarms.values(), self._plans)
        fresh: list[Order] = plan.begun(before, due)
        commands = [self._dispatcher.start(order, cause) for order in fresh]
        for order in plan.ended(before, due):
            command = self._dispatcher.end(order, cause)
            if command is not None:
                commands.append(command)
        return commands

    def _press(self, button: Button, sample: Sample) -> None:
        """A rising edge acknowledges.

        A button that was unknown before counts when it is first seen down.
        """
        if sample.quality is not Quality.GOOD or sample.value != 1.0:
            return
        last = self.values.get(sample.point)
        if last is None or last.value != 1.0:
            self.acknowledge(list(self.alarms), button.by)

    def _record(self, changed: Iterable[Alarm], commands: Iterable[Command]) -> None:
        utc = self._clock.utc()
        for alarm in changed:
            self._journal.offer(Record(RecordKind.ALARM, Urgency.ALARM, utc, alarm_body(alarm)))
        for command in commands:
            self._journal.offer(
                Record(RecordKind.COMMAND, Urgency.ALARM, utc, command_body(command))
            )
