"""Everything that may sound: real alarms, drills and walk-tests, and whether it is heard.

Real orders go out first and exactly as if nothing else were there; what is rehearsed gives way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from edge.core.instant import Clock, Instant
from edge.core.model import (
    Alarm,
    Command,
    Level,
    Phase,
    PointId,
    Record,
    RecordKind,
    RuleId,
    Sample,
    Silencing,
    Urgency,
    Verdict,
)
from edge.core.ports import Journal
from edge.engine import plan
from edge.engine.alarms import AlarmPolicy, silenced
from edge.engine.bodies import sound_body
from edge.engine.dispatch import Dispatcher
from edge.engine.drill import Drills
from edge.engine.plan import Order, Step, with_backups
from edge.engine.sound import Finding, Patience, Sound, Sounding, built_in_rules, unheard_rule
from edge.engine.walk_test import WalkTests

Plans = Mapping[RuleId, tuple[Step, ...]]


def built_in_policies(plans: Iterable[Sequence[Step]]) -> dict[RuleId, AlarmPolicy]:
    """The rules that say of an output that it is not heard; they latch, as every red alarm does."""
    return {rule: AlarmPolicy(latch=Level.RED) for rule in built_in_rules(plans)}


def at_rest(alarm: Alarm) -> Alarm:
    """An alarm as a restart should take it up: what a walk-test had stimulated is not believed."""
    if silenced(alarm, Silencing.TESTED) is None:
        return alarm
    return replace(alarm, current=Level.NORMAL)


class Outputs:
    """Owns what is commanded, and watches whether it is heard."""

    def __init__(
        self,
        plans: Plans,
        journal: Journal,
        clock: Clock,
        *,
        judged: Callable[[Verdict], None],
        drilled: Callable[[Alarm], None],
        tested: Callable[[], None],
        patience: Mapping[tuple[RuleId, str], Patience] | None = None,
    ) -> None:
        """``judged`` is told what the built-in rules say, ``drilled`` each state of a drill's
        alarm, ``tested`` the end of a walk-test, when its rules act again.
        """
        self.sound = Sound(plans.values(), clock, self._found, patience)
        self.drills = Drills(plans, journal, clock, drilled)
        self.walk_tests = WalkTests(journal, clock, self._follow, tested)
        self._plans = plans
        self._journal = journal
        self._clock = clock
        self._judged = judged
        self._dispatcher: Dispatcher | None = None
        self._switching: Instant | None = None
        self._switched: dict[str, Instant] = {}
        self._backed = {
            step.output: unheard_rule(step)
            for steps in plans.values()
            for step in steps
            if step.backup is not None
        }
        primary = {step.output for steps in plans.values() for step in steps}
        every = {step.output for steps in plans.values() for step in with_backups(steps)}
        self._standing_in = frozenset(every - primary)

    @property
    def wanted(self) -> Mapping[str, Order]:
        """What really should sound now, by output."""
        return self._dispatcher.wanted if self._dispatcher is not None else {}

    @property
    def points(self) -> frozenset[PointId]:
        """The points whose readings it wants: those that hear, and those under test."""
        return self.sound.points | self.walk_tests.points

    def connect(self, dispatcher: Dispatcher) -> None:
        """Give it the actuators; before this nothing sounds."""
        self._dispatcher = dispatcher
        self.drills.connect(dispatcher)
        self.walk_tests.connect(dispatcher)

    def bring(
        self, alarms: Mapping[RuleId, Alarm], cause: Instant, *, restart: bool = False
    ) -> list[Command]:
        """Bring the outputs to what the alarms now want: what begins first, then what ends.

        ``restart``: they may sound already, and are asked first.
        """
        dispatcher = self._dispatcher
        if dispatcher is None:
            return []
        before = dict(dispatcher.wanted)
        due = plan.orders(alarms.values(), self._plans, self._unheard(alarms))
        fresh = plan.begun(before, due)
        commands = [dispatcher.start(order, cause, ensure=restart) for order in fresh]
        if self._switching is not None:
            since = self._switching
            self._switched |= {
                command.id: since
                for order, command in zip(fresh, commands, strict=True)
                if order.stands_in
            }
        for order in plan.ended(before, due):
            command = dispatcher.end(order, cause)
            if command is not None:
                commands.append(command)
        for output in (before.keys() - due.keys()) & dispatcher.wanted.keys():
            # without a stop it ends by itself; the next alarm must find it new
            dispatcher.forget(output)
        return commands

    def take_over(
        self, old: Outputs, alarms: Mapping[RuleId, Alarm], cause: Instant
    ) -> list[Command]:
        """Go on driving what the outputs of another site file drove.

        What should sound is asked whether it does; what nobody wants any more is ended.
        """
        dispatcher, before = self._dispatcher, old._dispatcher
        if dispatcher is None or before is None:
            return []
        driven = dispatcher.take_over(before)
        self.sound.take_over(old.sound)
        commands = self.bring(alarms, cause, restart=True)
        for order in driven:
            if order.step.output not in dispatcher.wanted and dispatcher.can_end(order):
                command = dispatcher.end(order, cause, ensure=True)
                commands += [command] if command is not None else []
        return commands

    def settle(self, changed: Iterable[Alarm]) -> None:
        """After the commands of a change have left: end what is rehearsed if something real stands.

        It comes before anybody else hears of the change, so that a drill's alarm is over by then.
        """
        raised = [alarm for alarm in changed if alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED]
        if raised:
            self.walk_tests.silence()
            self.drills.pre_empt(raised[0])
        self._follow()

    def on_samples(self, samples: Iterable[Sample]) -> None:
        """Judged readings, after the walk."""
        for sample in samples:
            if sample.point in self.sound.points:
                self.sound.on_sample(sample)
            if sample.point in self.walk_tests.points:
                self.walk_tests.on_sample(sample)

    def measures(self, command: Command) -> bool:
        """Whether a command that a reading has caused measures what was proven of its rule."""
        return not command.ends and not command.drill and command.output not in self._standing_in

    def switched(self, command: Command) -> Instant | None:
        """When the output was commanded for which this command is the back-up's first one.

        None if it is not, or if the output had been heard before: that is no measurement.
        """
        return self._switched.pop(command.id, None)

    def restore(self, kept: Mapping[str, Mapping[str, object]]) -> None:
        """No drill and no walk-test goes on after a restart. ``kept``: their newest records."""
        self.drills.restore(kept.get(RecordKind.DRILL.value), self.wanted)
        self.walk_tests.restore(kept.get(RecordKind.WALK_TEST.value), self._plans.values())
        self._follow()

    def close(self) -> None:
        """Start nothing more; outputs stay as they are."""
        self.sound.close()
        self.drills.close()
        self.walk_tests.close()

    # -- inside -----------------------------------------------------------------------------------

    def _unheard(self, alarms: Mapping[RuleId, Alarm]) -> frozenset[str]:
        """Outputs whose back-ups should sound: not heard now, or not since somebody was told."""
        return frozenset(
            output
            for output, rule in self._backed.items()
            if rule in alarms and max(alarms[rule].current, alarms[rule].level) >= Level.RED
        )

    def _follow(self) -> None:
        self.sound.follow({**self.walk_tests.orders, **self.drills.orders, **self.wanted})

    def _found(self, finding: Finding) -> None:
        """Command the back-up if need be; then tell."""
        if finding.order.drill:
            self.walk_tests.on_finding(finding)
        elif finding.sounding is not Sounding.UNKNOWN:
            rule = unheard_rule(finding.order.step)
            level = Level.RED if self.sound.unheard(rule) else Level.NORMAL
            self._switching = finding.since if finding.first else None
            self._judged(Verdict(rule, level, finding.evidence, finding.at))
            self._switching = None
        real = finding.sounding is Sounding.UNHEARD and not finding.order.drill
        urgency = Urgency.ALARM if real else Urgency.STATE
        body = sound_body(finding)
        self._journal.offer(Record(RecordKind.SOUND, urgency, self._clock.utc(), body))
