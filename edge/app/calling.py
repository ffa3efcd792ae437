"""Calls between the engine and whoever can ring: after the commands, and never in their way."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from edge.app.complaint import Complaint
from edge.app.config.call_plans import call_plans
from edge.app.config.call_texts import Phrases
from edge.app.config.model import Site
from edge.core.calls import COMMAND_LINE, Answer, Request, Result, mask
from edge.core.instant import Clock, Timer
from edge.core.model import Alarm, Record, RecordKind, RuleId, Urgency
from edge.core.ports import Channel, Journal
from edge.engine.bodies import call_body, call_from
from edge.engine.calls.caller import Caller, Phrase, waiting_s
from edge.engine.calls.climber import Handover
from edge.engine.calls.effects import Effects
from edge.engine.calls.entries import Entry, What
from edge.engine.calls.ladder import CallPlan
from edge.engine.calls.run import Run
from edge.engine.pipeline import Pipeline

_log = logging.getLogger("tongluo.calls")

# So many requests leave in one turn of the loop: a hundred helpers must not delay a reading.
_PER_TURN: Final = 8


class Calling:
    """Climbs the ladders of the alarms it is told by the channels that are attended.

    ``acknowledge`` is called with rule, alarm and name when somebody answers who may.
    """

    def __init__(
        self,
        plans: Mapping[RuleId, CallPlan],
        phrase: Phrase,
        acknowledge: Callable[[RuleId, str, str], None],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._caller = Caller(plans, phrase, clock.now())
        self._plans = plans
        self._acknowledge = acknowledge
        self._journal = journal
        self._clock = clock
        self._channels: dict[str, list[Channel]] = {}
        self._changed: deque[Alarm] = deque()
        self._outbox: deque[Request] = deque()
        self._timer: Timer | None = None
        self._soon: Timer | None = None
        self._closed = False
        self._heir: Calling | None = None

    def restore(self, bodies: Iterable[Mapping[str, object]], alarms: Iterable[Alarm]) -> None:
        """Take up the calls of before a restart; an entry that cannot be read is logged."""
        entries: list[Entry] = []
        for body in bodies:
            try:
                entries.append(call_from(body))
            except (KeyError, TypeError, ValueError) as error:
                _log.error("event=call_state_unreadable reason=%s", error)
        now, utc = self._clock.now(), self._clock.utc()
        self._do(self._caller.restore(entries, list(alarms), now, utc))

    def cut_by(self, plans: Mapping[RuleId, CallPlan]) -> tuple[str, ...]:
        """The alarms for which somebody is being called now on a ladder that these do not have."""
        standing = [run for run in self._caller.runs if run.end is None]
        cut = [
            run.alarm
            for run in standing
            if run.rule not in plans or plans[run.rule].ladder(run.ladder.id) != run.ladder
        ]
        return tuple(dict.fromkeys(cut))

    def take_over(self, old: Calling, alarms: Iterable[Alarm]) -> None:
        """Go on where the calls of another site file stopped; whoever rings, rings for this one."""
        handover, self._channels, self._outbox = old.hand_over(self)
        for attendants in self._channels.values():
            for channel in attendants:
                channel.report(self._on_ended, self.on_answer)
        now, utc = self._clock.now(), self._clock.utc()
        self._do(self._caller.take_over(handover, list(alarms), now, utc))

    def hand_over(self, heir: Calling) -> tuple[Handover, dict[str, list[Channel]], deque[Request]]:
        """What is under way, who rings, and what waits to be rung; this one does no more."""
        self.close()
        self._heir = heir
        return self._caller.hand_over(), self._channels, self._outbox

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True
        for timer in (self._timer, self._soon):
            if timer is not None:
                timer.cancel()

    # -- who rings --------------------------------------------------------------------------

    def attend(self, channel: Channel) -> None:
        """From now on this one rings for its channel; what is under way is offered to him."""
        if self._heir is not None:
            self._heir.attend(channel)
            return
        channel.report(self._on_ended, self.on_answer)
        attendants = self._channels.setdefault(channel.name, [])
        attendants.append(channel)
        _log.info("event=channel_attended channel=%s lines=%d", channel.name, channel.lines)
        if len(attendants) > 1:
            self._do(self._caller.renew(channel.name, self._clock.now(), self._clock.utc()))
        self._tell_lines()

    def leave(self, channel: Channel) -> None:
        """He is gone; one who attended before him takes over."""
        if self._heir is not None:
            self._heir.leave(channel)
            return
        attendants = self._channels.get(channel.name, [])
        if channel not in attendants:
            return
        attendants.remove(channel)
        _log.info("event=channel_left channel=%s", channel.name)
        if attendants:
            self._do(self._caller.renew(channel.name, self._clock.now(), self._clock.utc()))
        self._tell_lines()

    def _tell_lines(self) -> None:
        lines = {name: each[-1].lines for name, each in self._channels.items() if each}
        self._do(self._caller.on_channels(lines, self._clock.now(), self._clock.utc()))

    # -- what happens -----------------------------------------------------------------------

    def on_answer(self, answer: Answer) -> None:
        """Somebody has sent something back."""
        self._do(self._caller.on_answer(answer, self._clock.now(), self._clock.utc()))

    def answer(self, alarm: str, contact: str, by: str) -> dict[str, object]:
        """A person answers at the box. Raises Complaint if nobody of that name is called for it."""
        if not by:
            raise Complaint("nobody")
        runs = [run for run in self._caller.runs if alarm in ("all", run.alarm, run.rule)]
        if not runs:
            known = sorted({run.alarm for run in self._caller.runs})
            raise Complaint("no-call", found=alarm, allowed=", ".join(known))
        if not any(run.ladder.contact(contact) for run in runs):
            names = {c.id for run in runs for rung in run.ladder.rungs for c in rung.contacts}
            raise Complaint("not-called", found=contact, allowed=", ".join(sorted(names)))
        now, utc = self._clock.now(), self._clock.utc()
        answer = Answer(f"cli-{now}", COMMAND_LINE, by, sender=contact, alarm=alarm)
        effects = self._caller.on_answer(answer, now, utc)
        answers = [call_body(each) for each in effects.entries if each.what is What.ANSWER]
        self._do(effects)
        return {"answers": answers}

    def on_alarms(self, alarms: Sequence[Alarm]) -> None:
        """Alarms have changed, and their commands have left. Called on the walk: does no more."""
        concerned = [alarm for alarm in alarms if alarm.rule in self._plans]
        if concerned:
            self._changed.extend(concerned)
            self._go_on()

    def _go_on(self) -> None:
        if self._soon is None and not self._closed:
            self._soon = self._clock.call_at(self._clock.now(), self._turn)

    def _turn(self) -> None:
        """A slice of what waits; the rest after whatever else is due."""
        self._soon = None
        while self._changed:
            alarm = self._changed.popleft()
            self._do(self._caller.on_alarm(alarm, self._clock.now(), self._clock.utc()))
        for _ in range(min(_PER_TURN, len(self._outbox))):
            self._begin(self._outbox.popleft())
        if self._outbox or self._changed:
            self._go_on()

    def _begin(self, request: Request) -> None:
        attendants = self._channels.get(request.channel)
        if not attendants or not attendants[-1].begin(request):
            self._on_ended(request.id, Result.NO_CHANNEL, "")

    def _on_ended(self, request: str, result: Result, detail: str) -> None:
        now, utc = self._clock.now(), self._clock.utc()
        self._do(self._caller.on_outcome(request, result, detail, now, utc))

    def _advance(self) -> None:
        self._timer = None
        self._do(self._caller.advance(self._clock.now(), self._clock.utc()))

    # -- what follows -----------------------------------------------------------------------

    def _do(self, effects: Effects) -> None:
        utc = self._clock.utc()
        for entry in effects.entries:
            urgency = Urgency.STATE if entry.drill else Urgency.ALARM
            self._journal.offer(Record(RecordKind.CALL, urgency, utc, call_body(entry)))
            _log_entry(entry)
        for name, request in effects.withdrawn:
            self._outbox = deque(each for each in self._outbox if each.id != request)
            for channel in self._channels.get(name, ()):
                channel.withdraw(request)
        self._outbox.extend(effects.requests)
        if self._outbox:
            self._go_on()
        for rule, alarm, by in effects.acknowledged:
            self._acknowledge(rule, alarm, by)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._caller.due
        if due is not None and not self._closed:
            self._timer = self._clock.call_at(due, self._advance)

    # -- for people -------------------------------------------------------------------------

    def body(self) -> dict[str, object]:
        """Who is being called now, and how it stands. Numbers show their last four digits."""
        now = self._clock.now()
        return {
            "channels": dict(self._caller.lines),
            "unknown_answers": self._caller.unknown,
            "ladders": [
                {
                    "rule": run.rule,
                    "alarm": run.alarm,
                    "plan": run.plan.id,
                    "ladder": run.ladder.id,
                    "level": run.level.name.lower(),
                    "drill": run.drill,
                    "persons": list(run.ladder.persons),
                    "round": run.round,
                    "rung": run.rung + 1,
                    "rungs": len(run.ladder.at(run.level)),
                    "end": run.end.value if run.end is not None else "",
                    "again_s": waiting_s(run, now),
                    "calling": _calling(run),
                }
                for run in self._caller.runs
            ],
        }


def calling_of(site: Site, pipeline: Pipeline, journal: Journal, clock: Clock) -> Calling:
    """The calls of a site's alarms; they hear of every alarm of the pipeline."""
    acknowledge = partial(_acknowledge, pipeline)
    calling = Calling(call_plans(site), Phrases(site), acknowledge, journal, clock)
    pipeline.watch_alarms(calling.on_alarms)
    return calling


def _acknowledge(pipeline: Pipeline, rule: RuleId, alarm: str, by: str) -> None:
    """Somebody has answered a call for this alarm; to a drill's, for the drill alone."""
    drills = pipeline.outputs.drills
    if drills.alarm is not None and drills.alarm.id == alarm:
        drills.acknowledge(by)
    elif pipeline.alarms[rule].id == alarm:
        pipeline.acknowledge([rule], by)


def _calling(run: Run) -> list[dict[str, object]]:
    """The attempts of a run that are under way."""
    return [
        {
            "contact": attempt.contact.id,
            "name": attempt.contact.name,
            "role": attempt.contact.role,
            "channel": attempt.channel,
            "number": mask(attempt.contact.address(attempt.channel) or ""),
            "attempt": attempt.number,
            "talking": track.talking,
        }
        for track in run.tracks
        if track.request
        for attempt in [track.attempts[track.at]]
    ]


def _log_entry(entry: Entry) -> None:
    _log.info(
        "event=call_%s alarm=%s ladder=%s contact=%s channel=%s result=%s",
        entry.what, entry.alarm, entry.ladder, entry.contact, entry.channel,
        entry.result or entry.judgement,
    )  # fmt: skip
