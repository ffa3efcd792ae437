"""Walk-test: somebody stimulates each sensor in turn; which one was seen, and what it sounds.

The rules under test raise no alarm meanwhile; all others do. It ends by itself, also if whoever
began it has gone home.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from edge.core.instant import Clock, Timer, Utc, after
from edge.core.model import (
    Alarm,
    Command,
    PointId,
    Quality,
    Record,
    RecordKind,
    RuleId,
    Sample,
    Urgency,
)
from edge.core.ports import Journal
from edge.engine import plan
from edge.engine.bodies import command_body
from edge.engine.dispatch import Dispatcher
from edge.engine.plan import Order, Step
from edge.engine.sound import Finding, Sounding

# A horn sounds at least until it is known whether it is heard, and this much longer.
_AFTER_HEARD_S: Final = 0.5

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


class Response(StrEnum):
    """How a sensor was seen to respond."""

    THRESHOLD = "passed a threshold"
    CHANGE = "changed enough"
    RULE = "raised its rule"


class End(StrEnum):
    """Why a walk-test is over."""

    STOPPED = "stopped"
    TIME = "time is up"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Probe:
    """A sensor to be stimulated: a point, the rules that look at it, and what counts as a response.

    ``thresholds``: comparisons with limits in the point's stored unit; passing one of them counts.
    So does a change of at least ``change``; None: no change alone does.
    """

    point: PointId
    rules: tuple[RuleId, ...]
    thresholds: tuple[tuple[str, float], ...] = ()
    change: float | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is tested. ``steps``: what the plans of the rules sound when such a sensor responds."""

    rules: tuple[RuleId, ...]
    probes: tuple[Probe, ...]
    steps: Mapping[RuleId, tuple[Step, ...]]


@dataclass(slots=True)
class _Sensor:
    """``base``: the value before it was stimulated."""

    probe: Probe
    base: float | None = None
    seen: Response | None = None
    seen_ms: int = 0
    value: float | None = None


@dataclass(slots=True)
class _Output:
    """An output that the tested rules sound; ``rehearsal`` None: it must not in a test."""

    step: Step
    rehearsal: Step | None
    sounding: Sounding | None = None
    why: str = ""


@dataclass(slots=True)
class _Test:
    id: str
    scope: Scope
    by: str
    reason: str
    began: Utc
    until_ms: int
    sound_s: float | None
    sensors: dict[PointId, _Sensor]
    outputs: dict[str, _Output]
    stops: dict[str, Timer] = field(default_factory=dict)


class WalkTests:
    """At most one walk-test at a time."""

    def __init__(
        self, journal: Journal, clock: Clock, sounded: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        """``sounded``: outputs have begun or ended to sound. ``ended``: the rules act again."""
        self._journal = journal
        self._clock = clock
        self._sounded = sounded
        self._ended = ended
        self._dispatcher: Dispatcher | None = None
        self._test: _Test | None = None
        self._timer: Timer | None = None
        self._orders: dict[str, Order] = {}
        self.rules: frozenset[RuleId] = frozenset()
        """The rules under test: they raise no alarm."""
        self.points: frozenset[PointId] = frozenset()
        """The sensors under test."""
        self.last: dict[str, object] | None = None
        """The record of the last test that ended since the start."""

    @property
    def orders(self) -> Mapping[str, Order]:
        """What the test sounds now, by output."""
        return self._orders

    @property
    def running(self) -> bool:
        """Whether a test is under way."""
        return self._test is not None

    def connect(self, dispatcher: Dispatcher) -> None:
        """Give tests their outputs."""
        self._dispatcher = dispatcher

    def start(
        self, scope: Scope, values: Mapping[PointId, Sample], *, by: str, reason: str,
        minutes: float, sound_s: float | None,
    ) -> None:  # fmt: skip
        """Begin. ``values``: the newest readings. ``sound_s``: how long a sensor that responds
        sounds the outputs of its rules; None: not at all.
        """
        if self._test is not None:
            raise AssertionError("a walk-test is already running")
        utc = self._clock.utc()
        steps = [step for each in scope.steps.values() for step in each]
        test = _Test(
            id=f"walk-{utc.ms}",
            scope=scope,
            by=by,
            reason=reason,
            began=utc,
            until_ms=utc.ms + round(minutes * 60_000),
            sound_s=sound_s,
            sensors={probe.point: _Sensor(probe) for probe in scope.probes},
            outputs={step.output: _Output(step, next(iter(plan.rehearsed([step])), None))
                     for step in steps},
        )  # fmt: skip
        self._test = test
        self.rules = frozenset(scope.rules)
        self.points = frozenset(test.sensors)
        for point, sensor in test.sensors.items():
            sample = values.get(point)
            if sample is not None and sample.quality is Quality.GOOD:
                sensor.base = sample.value
        until = after(self._clock.now(), seconds=minutes * 60)
        self._timer = self._clock.call_at(until, self._time_is_up)
        self._note("started", **self._body(test))

    def stop(self, by: str) -> None:
        """End it; harmless if none runs."""
        self._end(End.STOPPED, by)

    def on_sample(self, sample: Sample) -> None:
        """A judged reading of one of ``points``."""
        test = self._test
        if test is None or sample.quality is not Quality.GOOD or sample.value is None:
            return
        sensor = test.sensors[sample.point]
        if sensor.base is None:
            sensor.base = sample.value
        elif sensor.seen is None and (seen := _response(sensor, sample.value)) is not None:
            self._see(test, sensor, seen, sample.value)

    def on_alarm(self, alarm: Alarm) -> None:
        """The alarm of a rule under test was measured anew; what raised it has been seen."""
        test = self._test
        if test is None or alarm.rule not in self.rules or not alarm.current:
            return
        for sample in alarm.evidence:
            sensor = test.sensors.get(sample.point)
            if sensor is not None and sensor.seen is None and sample.quality is Quality.GOOD:
                self._see(test, sensor, Response.RULE, sample.value)

    def on_finding(self, finding: Finding) -> None:
        """Whether an output that the test has sounded is heard."""
        test, output = self._test, finding.order.step.output
        if test is None or output not in test.outputs or finding.order.drill != test.id:
            return
        found = test.outputs[output]
        if finding.sounding is not Sounding.COMMANDED:
            found.sounding, found.why = finding.sounding, finding.why
            self._note(
                "sounded", walk_test=test.id, output=output, sounding=finding.sounding.value,
                why=finding.why,
            )  # fmt: skip

    def body(self) -> dict[str, object] | None:
        """The state of the running test, for status; None if there is none."""
        return self._body(self._test) if self._test is not None else None

    def silence(self) -> None:
        """Something real has happened: whatever the test sounds ends at once."""
        for output in list(self._orders):
            self._stop_sounding(output)

    def restore(self, body: Mapping[str, object] | None, plans: Iterable[Sequence[Step]]) -> None:
        """A test that ran when the agent stopped does not go on; what it may have sounded ends.

        ``body``: the newest record that a test began or ended.
        """
        if body is None or body.get("event") != "started" or self._dispatcher is None:
            return
        left = body.get("sounds")
        sounded = set(left) if isinstance(left, list) else set()
        for step in plan.left_sounding(plans, sounded - self._dispatcher.wanted.keys()):
            order = Order(step, "", 0, 0, str(body.get("walk_test")))
            command = self._dispatcher.end(order, self._clock.now(), ensure=True)
            self._record([command] if command is not None else [])
        whole = {key: value for key, value in body.items() if key != "event"}
        self._note("ended", **whole, why=End.RESTART.value, ended_by="")

    def close(self) -> None:
        """Start and end nothing more."""
        stops = self._test.stops.values() if self._test is not None else ()
        for timer in (self._timer, *stops):
            if timer is not None:
                timer.cancel()

    # -- inside -----------------------------------------------------------------------------------

    def _see(self, test: _Test, sensor: _Sensor, how: Response, value: float | None) -> None:
        sensor.seen, sensor.value, sensor.seen_ms = how, value, self._clock.utc().ms
        self._note("seen", walk_test=test.id, **_sensor_body(sensor))
        if test.sound_s is not None:
            self._sound(test, sensor.probe.rules, test.sound_s)

    def _sound(self, test: _Test, rules: Sequence[RuleId], seconds: float) -> None:
        """Briefly sound what the rules of a sensor would, unless something real sounds."""
        dispatcher = self._dispatcher
        if dispatcher is None or dispatcher.wanted:
            return
        now, commands = self._clock.now(), []
        for step in (step for rule in rules for step in test.scope.steps.get(rule, ())):
            rehearsal = test.outputs[step.output].rehearsal
            if rehearsal is None or step.output in self._orders:
                continue
            order = Order(rehearsal, f"{rules[0]}/{test.began.ms}/{test.id}", 0, 0, test.id)
            self._orders[step.output] = order
            commands.append(dispatcher.rehearse(order, now))
            known_s = rehearsal.heard.within_s if rehearsal.heard is not None else 0.0
            end = after(now, seconds=max(seconds, known_s + _AFTER_HEARD_S))
            stop = partial(self._stop_sounding, step.output)
            test.stops[step.output] = self._clock.call_at(end, stop)
        self._record(commands)
        self._sounded()

    def _stop_sounding(self, output: str) -> None:
        order, dispatcher = self._orders.pop(output, None), self._dispatcher
        if order is None or dispatcher is None:
            return
        if self._test is not None and (timer := self._test.stops.pop(output, None)) is not None:
            timer.cancel()
        if output not in dispatcher.wanted:
            command = dispatcher.end(order, self._clock.now())
            self._record([command] if command is not None else [])
        self._sounded()

    def _time_is_up(self) -> None:
        self._end(End.TIME, "")

    def _end(self, why: End, by: str) -> None:
        test = self._test
        if test is None:
            return
        self.close()
        self.silence()
        self._test, self.rules, self.points = None, frozenset(), frozenset()
        self.last = self._note("ended", **self._body(test), why=why.value, ended_by=by)
        self._ended()

    def _body(self, test: _Test) -> dict[str, object]:
        sensors = [_sensor_body(sensor) for sensor in test.sensors.values()]
        outputs = [_output_body(name, found) for name, found in test.outputs.items()]
        unseen = [point for point, sensor in test.sensors.items() if sensor.seen is None]
        unproven = [
            name for name, found in test.outputs.items() if found.sounding is not Sounding.HEARD
        ]
        sounds = test.sound_s is not None
        return {
            "walk_test": test.id,
            "rules": list(test.scope.rules),
            "by": test.by,
            "reason": test.reason,
            "began_ms": test.began.ms,
            "until_ms": test.until_ms,
            "sound_s": test.sound_s,
            "sensors": sensors,
            "outputs": outputs,
            "sounds": [n for n, o in test.outputs.items() if sounds and o.rehearsal is not None],
            "missing": [*unseen, *unproven],
        }

    def _record(self, commands: Sequence[Command]) -> None:
        utc = self._clock.utc()
        for command in commands:
            body = command_body(command)
            self._journal.offer(Record(RecordKind.COMMAND, Urgency.STATE, utc, body))

    def _note(self, event: str, **body: object) -> dict[str, object]:
        whole: dict[str, object] = {"event": event, **body}
        utc = self._clock.utc()
        self._journal.offer(Record(RecordKind.WALK_TEST, Urgency.ALARM, utc, whole))
        return whole


def _response(sensor: _Sensor, value: float) -> Response | None:
    """How a value responds to a stimulus; None if it does not."""
    base, probe = sensor.base, sensor.probe
    if base is None:
        return None
    for comparison, limit in probe.thresholds:
        compare = _COMPARE[comparison]
        if compare(value, limit) and not compare(base, limit):
            return Response.THRESHOLD
    if probe.change is not None and abs(value - base) >= probe.change:
        return Response.CHANGE
    return None


def _sensor_body(sensor: _Sensor) -> dict[str, object]:
    return {
        "point": sensor.probe.point,
        "rules": list(sensor.probe.rules),
        "seen": sensor.seen.value if sensor.seen is not None else None,
        "seen_ms": sensor.seen_ms if sensor.seen is not None else None,
        "base": sensor.base,
        "value": sensor.value,
    }


def _output_body(name: str, found: _Output) -> dict[str, object]:
    return {
        "output": name,
        "tested": found.rehearsal is not None,
        "sounding": found.sounding.value if found.sounding is not None else None,
        "why": found.why,
    }
