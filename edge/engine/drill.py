"""Drills: a rule's plan played end to end, apart from everything real.

A drill has an alarm of its own, which no rule and no statistic ever sees; its outputs are
commanded once and never kept up, so that between its commands the lines are as free as without it.
It sounds only what the site file gives a ``drill`` for, so that nobody takes it for what is real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.core.instant import Clock, Instant, Timer, Utc, after
from edge.core.model import Alarm, Command, Level, Phase, Record, RecordKind, RuleId, Urgency
from edge.core.ports import Journal
from edge.engine import plan
from edge.engine.bodies import command_body
from edge.engine.dispatch import Dispatcher
from edge.engine.plan import Order, Step


class Mode(StrEnum):
    """What of a plan a drill carries out, and who knows of it beforehand."""

    ANNOUNCED = "announced"
    """People were told: it sounds, and calls."""
    SILENT = "silent"
    """It only calls."""
    SURPRISE = "surprise"
    """Nobody was told: it sounds, and calls."""


class End(StrEnum):
    """Why a drill is over."""

    STOPPED = "stopped"
    TIME = "time is up"
    PRE_EMPTED = "pre-empted"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that was started. ``left_out``: outputs of the plan that stay silent in it."""

    id: str
    rule: RuleId
    plan: str
    level: Level
    mode: Mode
    by: str
    reason: str
    began: Utc
    until: Instant
    minutes: float
    outputs: tuple[str, ...]
    left_out: tuple[str, ...]

    def body(self) -> dict[str, object]:
        """For records and status."""
        return {
            "drill": self.id,
            "rule": self.rule,
            "plan": self.plan,
            "level": self.level.name.lower(),
            "mode": self.mode.value,
            "by": self.by,
            "reason": self.reason,
            "began_ms": self.began.ms,
            "until_ms": self.began.ms + round(self.minutes * 60_000),
            "outputs": list(self.outputs),
            "left_out": list(self.left_out),
        }


class Drills:
    """At most one drill at a time."""

    def __init__(
        self,
        plans: Mapping[RuleId, tuple[Step, ...]],
        journal: Journal,
        clock: Clock,
        changed: Callable[[Alarm], None],
    ) -> None:
        """``changed`` is told each state of the drill's alarm: for its record, and its calls."""
        self.running: Drill | None = None
        self.alarm: Alarm | None = None
        self.last: dict[str, object] | None = None
        """The record of the last drill that ended since the start."""
        self._plans = plans
        self._journal = journal
        self._clock = clock
        self._changed = changed
        self._dispatcher: Dispatcher | None = None
        self._orders: dict[str, Order] = {}
        self._timer: Timer | None = None

    @property
    def orders(self) -> Mapping[str, Order]:
        """What the drill sounds now, by output."""
        return self._orders

    def connect(self, dispatcher: Dispatcher) -> None:
        """Give drills their outputs."""
        self._dispatcher = dispatcher

    def start(
        self, rule: RuleId, level: Level, mode: Mode, *, plan: str, by: str, reason: str,
        minutes: float,
    ) -> Drill:  # fmt: skip
        """Play this rule's alarm at this level. The caller has seen to it that no drill runs and no
        real alarm stands.
        """
        if self.running is not None:
            raise AssertionError("a drill is already running")
        now, utc = self._clock.now(), self._clock.utc()
        steps = self._steps(rule, mode)
        sounded = [step.output for step in steps if step.level <= level]
        written = [step for step in self._plans.get(rule, ()) if step.level <= level]
        drill = Drill(
            id=f"drill-{utc.ms}",
            rule=rule,
            plan=plan,
            level=level,
            mode=mode,
            by=by,
            reason=reason,
            began=utc,
            until=after(now, seconds=minutes * 60),
            minutes=minutes,
            outputs=tuple(dict.fromkeys(sounded)),
            left_out=tuple(
                dict.fromkeys(
                    step.output for step in written if mode is Mode.SILENT or step.drill is None
                )
            ),
        )
        self.running = drill
        self._note("started", **drill.body())
        self._timer = self._clock.call_at(drill.until, self._time_is_up)
        self._set(
            Alarm(
                rule,
                id=f"{rule}/{utc.ms}/{drill.id}",
                current=level,
                level=level,
                highest=level,
                phase=Phase.ACTIVE_UNACKNOWLEDGED,
                revision=1,
                since=utc,
                drill=drill.id,
            ),
            now,
        )
        return drill

    def acknowledge(self, by: str) -> Alarm | None:
        """Somebody answered the drill's alarm; None if there is nothing to answer."""
        alarm = self.alarm
        if alarm is None or alarm.phase is not Phase.ACTIVE_UNACKNOWLEDGED:
            return None
        answered = replace(
            alarm,
            phase=Phase.ACTIVE_ACKNOWLEDGED,
            acknowledged_by=by,
            revision=alarm.revision + 1,
        )
        self._set(answered, self._clock.now())
        return answered

    def stop(self, by: str) -> None:
        """Somebody ends it; harmless if none runs."""
        self._end(End.STOPPED, by)

    def pre_empt(self, alarm: Alarm) -> None:
        """Something real has happened, and its commands have left: the drill is over."""
        self._end(End.PRE_EMPTED, alarm.id)

    def restore(self, body: Mapping[str, object] | None, wanted: Mapping[str, Order]) -> None:
        """A drill that ran when the agent stopped does not go on: silence what it had sounded.

        ``body``: the newest record of a drill. ``wanted``: outputs that really should sound.
        """
        if body is None or body.get("event") != "started" or self._dispatcher is None:
            return
        left = body.get("outputs")
        sounded = set(left) if isinstance(left, list) else set()
        left_over = plan.left_sounding(self._plans.values(), sounded - wanted.keys())
        for step in left_over:
            order = Order(step, "", 0, 0, str(body.get("drill")))
            command = self._dispatcher.end(order, self._clock.now(), ensure=True)
            self._record([command] if command is not None else [])
        self._note(
            "ended",
            drill=body.get("drill"),
            rule=body.get("rule"),
            why=End.RESTART.value,
            by="",
        )

    def close(self) -> None:
        """Start and end nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    # -- inside -----------------------------------------------------------------------------------

    def _steps(self, rule: RuleId, mode: Mode) -> tuple[Step, ...]:
        return () if mode is Mode.SILENT else plan.rehearsed(self._plans.get(rule, ()))

    def _set(self, alarm: Alarm, cause: Instant) -> None:
        """Bring the drill's outputs to what its alarm wants now, then tell."""
        drill, dispatcher = self.running, self._dispatcher
        if drill is None or dispatcher is None:
            return
        self.alarm = alarm
        steps = {alarm.rule: self._steps(alarm.rule, drill.mode)}
        due = plan.orders([alarm], steps)
        before, self._orders = self._orders, due
        commands = [dispatcher.rehearse(order, cause) for order in plan.begun(before, due)]
        commands += self._silence(plan.ended(before, due), cause)
        self._record(commands)
        self._changed(alarm)

    def _silence(self, orders: Sequence[Order], cause: Instant) -> list[Command]:
        """Stop what the drill has sounded, unless it really should sound by now."""
        dispatcher = self._dispatcher
        if dispatcher is None:
            return []
        commands = (
            dispatcher.end(order, cause)
            for order in orders
            if order.step.output not in dispatcher.wanted
        )
        return [command for command in commands if command is not None]

    def _time_is_up(self) -> None:
        self._end(End.TIME, "")

    def _end(self, why: End, by: str) -> None:
        drill, alarm = self.running, self.alarm
        if drill is None or alarm is None:
            return
        self.close()
        orders, self._orders = self._orders, {}
        self._record(self._silence(plan.ended(orders, {}), self._clock.now()))
        self.running = self.alarm = None
        over = replace(
            alarm, current=Level.NORMAL, level=Level.NORMAL, highest=Level.NORMAL,
            phase=Phase.NORMAL, revision=alarm.revision + 1,
        )  # fmt: skip
        self._changed(over)
        answered = alarm.acknowledged_by
        self.last = self._note(
            "ended", **drill.body(), why=why.value, ended_by=by, answered_by=answered
        )

    def _record(self, commands: Sequence[Command]) -> None:
        utc = self._clock.utc()
        for command in commands:
            body = command_body(command)
            self._journal.offer(Record(RecordKind.COMMAND, Urgency.STATE, utc, body))

    def _note(self, event: str, **body: object) -> dict[str, object]:
        whole: dict[str, object] = {"event": event, **body}
        utc = self._clock.utc()
        self._journal.offer(Record(RecordKind.DRILL, Urgency.ALARM, utc, whole))
        return whole
