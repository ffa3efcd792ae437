"""The one walk: sample, quality, rule, alarm, command, in one plain call; then the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.core.instant import Clock, Instant, Timer, Utc, ms_between
from edge.core.model import (
    Alarm,
    Command,
    DeviceNotice,
    Outcome,
    PointId,
    Quality,
    Record,
    RecordKind,
    RuleId,
    Sample,
    Status,
    Urgency,
    Verdict,
)
from edge.core.ports import Journal
from edge.engine.alarms import rule_of
from edge.engine.annunciator import Annunciator
from edge.engine.black_box import BEGIN, SAMPLES, TAKE_OVER
from edge.engine.bodies import (
    alarm_body,
    command_body,
    inhibit_body,
    notice_body,
    outcome_body,
    trouble_body,
)
from edge.engine.conformance import Conformance
from edge.engine.decider import Decider
from edge.engine.dispatch import Dispatcher
from edge.engine.health import Health
from edge.engine.outputs import Outputs, at_rest
from edge.engine.plan import Step
from edge.engine.recorder import Tell, recorded
from edge.engine.shadow import Shadows
from edge.engine.sound import Patience


@dataclass(frozen=True, slots=True)
class Button:
    """A point that acknowledges everything when it becomes 1."""

    point: PointId
    by: str


class Pipeline:
    """Takes readings to the decider, its decisions to the outputs, and both to the journal.

    Every method is a plain function that never waits.
    """

    def __init__(
        self,
        decider: Decider,
        plans: Mapping[RuleId, tuple[Step, ...]],
        inputs: Mapping[PointId, Sequence[RuleId]],
        buttons: Sequence[Button],
        journal: Journal,
        health: Health,
        conformance: Conformance,
        clock: Clock,
        *,
        shadows: Mapping[RuleId, RuleId | None] | None = None,
        tell: Tell | None = None,
        spare: Decider | None = None,
    ) -> None:
        """``inputs``: the armed rules that look at a point. ``shadows``: as Shadows has them.

        ``tell`` hears all that the decider is told; ``spare``, for who hears it: another decider
        like it, new.
        """
        self.values: dict[PointId, Sample] = {}
        self.decider = decider
        self.annunciator = decider.annunciator
        self.shadows = Shadows(shadows or {})
        self._looked_at = decider.rules.points
        self._units = {point.id: point.unit for point in decider.checks.described}
        self._tell = tell
        self._spare = spare
        # the same two, but that they tell what they are asked
        self._decides = recorded(decider, "decider", tell, clock)
        self._announces = recorded(decider.annunciator, "annunciator", tell, clock)
        self._inputs = inputs
        self.outputs = Outputs(
            plans, journal, clock, judged=self._on_verdict, drilled=self._on_drill,
            tested=self._on_tested,
            patience=_patience(conformance),
        )  # fmt: skip
        self._buttons = {button.point: button for button in buttons}
        self._journal = journal
        self._health = health
        self._clock = clock
        self._conformance = conformance
        self._caused: set[str] = set()
        self._listeners: list[Callable[[tuple[Sample, ...]], None]] = []
        self._overhearers: list[Callable[[tuple[Sample, ...]], None]] = []
        self._watchers: list[Callable[[Sequence[Alarm]], None]] = []
        self._timer: Timer | None = None
        self._due: Instant | None = None
        self._closed = False

    @property
    def alarms(self) -> Mapping[RuleId, Alarm]:
        """The alarm of every rule."""
        return self.annunciator.alarms

    def connect(self, dispatcher: Dispatcher) -> None:
        """Give the walk its outputs; before this nothing sounds."""
        self.outputs.connect(dispatcher)

    def on_samples(self, samples: tuple[Sample, ...]) -> None:
        """The walk. Commands have started when this reaches the journal."""
        if self._closed:
            return
        changed: list[Alarm] = []
        looked_at = self._looked_at
        judged = list(samples)
        for index, sample in enumerate(samples):
            if sample.point in looked_at:
                one = judged[index] = self._judge(sample)
                changed += self.decider.feed(one.point, one.value, one.quality, one.at, one.utc)
        commands = self._dispatch(samples[0].at) if changed else []
        self._caused.update(each.id for each in commands if self.outputs.measures(each))
        # from here on nothing is urgent
        if self._tell is not None:
            self._tell(samples[0].at, SAMPLES, samples)
        for index, sample in enumerate(samples):
            if sample.point not in looked_at:
                judged[index] = self._judge(sample)
        self._settle(tuple(judged), changed, commands)
        for overhearer in self._overhearers:
            overhearer(samples)

    def _judge(self, sample: Sample) -> Sample:
        """The sample with its final quality, and the value that goes with it."""
        checked = self.decider.checks.judge(sample.point, sample.value, sample.quality, sample.at)
        value, quality = checked
        if quality is sample.quality and value == sample.value:
            return sample
        return replace(sample, value=value, quality=quality)

    def _settle(
        self, judged: tuple[Sample, ...], changed: Sequence[Alarm], commands: Iterable[Command]
    ) -> None:
        """What follows once the commands have left."""
        # before what a push-button of the same answer does to these alarms
        self._record(changed, commands)
        for sample in judged:
            if sample.point in self._buttons:
                self._press(self._buttons[sample.point], sample)
            self.values[sample.point] = sample
        self._journal.offer_samples(judged)
        self._compare_shadows(changed)
        self.outputs.on_samples(judged)
        for listener in self._listeners:
            listener(judged)

    def acknowledge(self, rules: Iterable[RuleId], by: str) -> list[Alarm]:
        """Somebody answered for these rules; returns the alarms that this changed.

        If one of them is being drilled, that is what he answered, too.
        """
        rules = tuple(rules)
        changed = self.request(lambda its, now, utc: its.acknowledge(rules, by, now, utc))
        drill = self.outputs.drills
        if drill.running is not None and drill.running.rule in rules:
            answered = drill.acknowledge(by)
            changed += [answered] if answered is not None else []
        return changed

    def request(self, ask: Callable[[Annunciator, Instant, Utc], list[Alarm]]) -> list[Alarm]:
        """Do what a person asks of the alarms; returns what it changed. Raises Declined."""
        now = self._clock.now()
        changed = ask(self._announces, now, self._clock.utc())
        self._record(changed, self._dispatch(now) if changed else [])
        self._compare_shadows(changed)
        return changed

    def look_round(self) -> None:
        """What nobody tells: wall time was set, a point is silent, a sensor wants somebody.

        Call it about once a second.
        """
        self.request(lambda its, now, utc: its.check_clock(now, utc))
        now, utc = self._clock.now(), self._clock.utc()
        checks = self.decider.checks
        for point in checks.overdue(now):
            unit = self._units[point]
            self.on_samples((Sample(point, None, unit, Quality.STALE, now, utc),))
        for trouble in checks.take_troubles():
            body = trouble_body(trouble)
            self._journal.offer(Record(RecordKind.TROUBLE, Urgency.STATE, utc, body))

    def _compare_shadows(self, changed: Sequence[Alarm]) -> None:
        """Hold what shadow rules say against what is armed; it is recorded, and changes nothing."""
        shadowed = self.decider.take_shadowed()
        if not shadowed and not (changed and self.shadows.rules):
            return
        alarms = {**self.alarms, **self.decider.shadow.alarms}
        now, utc = self._clock.now(), self._clock.utc()
        for told in self.shadows.step((*changed, *shadowed), alarms, now, utc):
            self._journal.offer(Record(RecordKind.SHADOW, Urgency.STATE, utc, told.body()))

    def restore(
        self,
        kept: Iterable[Alarm],
        last: Utc | None = None,
        exercises: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Take up the alarms of before a restart and re-assert what should sound.

        ``last``: the newest wall time that was recorded then. ``exercises``: the newest records of
        a drill and of a walk-test, by kind; neither goes on.
        """
        now, utc = self._clock.now(), self._clock.utc()
        if self._tell is not None:
            self._tell(now, BEGIN, (self._spare,))
        changed = self._decides.restore(map(at_rest, kept), now, utc, last)
        changed += self._announces.end_test(list(self.alarms), "", now, utc)
        self._record(changed, self.outputs.bring(self.alarms, now, restart=True))
        self.outputs.restore(exercises or {})

    def take_over(self, old: Pipeline) -> None:
        """Go on where the pipeline of another site file stopped, and with what it sounds.

        Outputs are asked before they are commanded: what sounds goes on sounding.
        """
        now, utc = self._clock.now(), self._clock.utc()
        units = self._units
        self.values.update({p: one for p, one in old.values.items() if units.get(p) is one.unit})
        self._health.take_over(old._health)
        self._conformance.take_over(old._conformance)
        self.shadows.take_over(old.shadows)
        # who watches goes on watching
        self._listeners = old._listeners
        if self._tell is not None:
            self._tell(now, TAKE_OVER, (self._spare, now, utc))
        changed = self.decider.take_over(old.decider, now, utc)
        self._record(changed, self.outputs.take_over(old.outputs, self.alarms, now))

    def close(self) -> None:
        """Take nothing more, and let time change nothing more; outputs stay as they are."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.outputs.close()

    def on_response(self, samples: tuple[Sample, ...], due: Instant) -> None:
        """Samples have come that were due then: stamp their stage, for the rules they feed."""
        for sample in samples:
            if sample.quality is Quality.GOOD:
                for rule in self._inputs.get(sample.point, ()):
                    self._conformance.response(rule, due, sample.at)

    def on_notice(self, notice: DeviceNotice, *, vital: bool) -> None:
        """A device was lost, is back, or speaks unasked. ``vital``: people depend on it."""
        if self._closed:
            return
        urgency = Urgency.ALARM if vital else Urgency.STATE
        body = notice_body(notice)
        self._journal.offer(Record(RecordKind.DEVICE, urgency, self._clock.utc(), body))

    def on_outcome(self, command: Command, outcome: Outcome) -> None:
        """A command has ended: stamp its latencies and record it."""
        if self._closed:
            return
        decision_ms = action_ms = None
        if outcome.first_byte is not None:
            decision_ms = ms_between(command.cause, outcome.first_byte)
        if outcome.status is Status.DONE:
            action_ms = ms_between(command.cause, outcome.at)
        if not command.drill:
            self._health.note_outcome(command, outcome, decision_ms, action_ms)
        self._note_stages(command, outcome)
        self.outputs.sound.on_outcome(command, outcome)
        self._journal.offer(
            Record(
                RecordKind.OUTCOME,
                Urgency.STATE if command.drill else Urgency.ALARM,
                self._clock.utc(),
                outcome_body(command, outcome, decision_ms, action_ms),
            )
        )

    def _note_stages(self, command: Command, outcome: Outcome) -> None:
        """A command that a reading has caused is a measurement of what was proven."""
        since = self.outputs.switched(command)
        if since is not None and outcome.first_byte is not None:
            self._conformance.backup(rule_of(command.alarm), since, outcome.first_byte)
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

    def overhear(self, listener: Callable[[tuple[Sample, ...]], None]) -> Callable[[], None]:
        """Hear every sample as it came, after the walk; returns what ends it."""
        self._overhearers.append(listener)
        return lambda: self._overhearers.remove(listener)

    def watch_alarms(self, watcher: Callable[[Sequence[Alarm]], None]) -> None:
        """Hear of every changed alarm, after its commands have left; of drills', too."""
        self._watchers.append(watcher)

    def _dispatch(self, cause: Instant) -> list[Command]:
        """Bring the outputs to what the alarms now want."""
        return self.outputs.bring(self.alarms, cause)

    def _on_verdict(self, verdict: Verdict) -> None:
        """An output is not heard, or is heard again: its alarm, and its back-up."""
        changed = self._announces.step((verdict,), self._clock.utc())
        self._record(changed, self._dispatch(verdict.at) if changed else [])

    def _on_drill(self, alarm: Alarm) -> None:
        """The alarm of a drill goes where alarms go, and into no rule's state."""
        utc = self._clock.utc()
        self._journal.offer(Record(RecordKind.ALARM, Urgency.STATE, utc, alarm_body(alarm)))
        for watcher in self._watchers:
            watcher((alarm,))

    def _on_tested(self) -> None:
        """A walk-test is over: its rules act again, on what is measured now."""
        self.request(lambda its, now, utc: its.end_test(list(self.alarms), "", now, utc))

    def _press(self, button: Button, sample: Sample) -> None:
        """A rising edge acknowledges.

        A button that was unknown before counts when it is first seen down.
        """
        if sample.quality is not Quality.GOOD or sample.value != 1.0:
            return
        last = self.values.get(sample.point)
        if last is None or last.value != 1.0:
            self.acknowledge(list(self.alarms), button.by)

    def _arm(self) -> None:
        """Wake up when time alone changes an alarm."""
        due = self.decider.due
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._clock.call_at(due, self._let_pass)

    def _let_pass(self) -> None:
        self._due = None
        self.request(lambda _, now, utc: list(self._decides.advance(now, utc)))

    def _record(self, changed: Sequence[Alarm], commands: Iterable[Command]) -> None:
        self.outputs.settle(changed)
        self._arm()
        utc = self._clock.utc()
        for notice in self.annunciator.notices():
            body = inhibit_body(notice)
            self._journal.offer(Record(RecordKind.INHIBIT, Urgency.ALARM, utc, body))
        for alarm in changed:
            self.outputs.walk_tests.on_alarm(alarm)
            self._journal.offer(Record(RecordKind.ALARM, Urgency.ALARM, utc, alarm_body(alarm)))
        for command in commands:
            self._journal.offer(
                Record(RecordKind.COMMAND, Urgency.ALARM, utc, command_body(command))
            )
        for watcher in self._watchers:
            watcher(changed)


def _patience(conformance: Conformance) -> dict[tuple[RuleId, str], Patience]:
    """How long a back-up may be waited with, as the proof has it."""
    return {
        (rule, output): Patience(*switch)
        for rule, limit in conformance.limits.items()
        for output, switch in limit.switches.items()
    }
