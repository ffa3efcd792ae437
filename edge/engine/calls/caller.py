"""Call and answer: alarms, outcomes, answers and time in; requests and entries out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from edge.core.calls import Answer, Result, mask
from edge.core.instant import Instant, Utc, after, seconds_between
from edge.core.model import Alarm, Phase, RuleId
from edge.engine.calls.answers import judge, whose
from edge.engine.calls.climber import Climber, Handover
from edge.engine.calls.effects import Effects
from edge.engine.calls.entries import End, Entry, Judgement, What
from edge.engine.calls.ladder import CallPlan, Contact, Ladder
from edge.engine.calls.run import TALK_S, Run, newest_rows, rebuild

Phrase = Callable[[Alarm, CallPlan, Ladder, str], str]
"""What to tell of an alarm to the people of a ladder, in one of its forms."""

_UNANSWERED: Final = (
    Phase.ACTIVE_UNACKNOWLEDGED,
    Phase.RETURNED_UNACKNOWLEDGED,
    Phase.LATCHED,
)
# So many answers that count for nothing are recorded of a run: a telephone that sends and sends
# must not fill the journal.
_REFUSED_RECORDED: Final = 50


class Caller(Climber):
    """Takes what happens; every method returns what is to be done now.

    ``due``: when ``advance`` has something to do. ``unknown``: answers of people nobody knows.
    """

    def __init__(self, plans: Mapping[RuleId, CallPlan], phrase: Phrase, now: Instant) -> None:
        super().__init__(now)
        self.unknown = 0
        self._plans = dict(plans)
        self._phrase = phrase

    # -- what happens -----------------------------------------------------------------------

    def on_alarm(self, alarm: Alarm, now: Instant, utc: Utc) -> Effects:
        """An alarm has a new revision."""
        self._take_alarm(alarm, now, utc)
        return self._finish(now, utc)

    def on_outcome(
        self, request: str, result: Result, detail: str, now: Instant, utc: Utc
    ) -> Effects:
        """What became of a request; of one that nobody waits for, nothing."""
        found = self._under_way(request)
        if found is not None:
            run, track = found
            if result is Result.TALKING:
                track.talking, track.deadline = True, after(now, seconds=TALK_S)
            else:
                self._settle(run, track, result, detail, now, utc)
        return self._finish(now, utc)

    def on_answer(self, answer: Answer, now: Instant, utc: Utc) -> Effects:
        """Somebody has sent something back; told twice, it counts once."""
        meant = whose(answer, self._runs.values())
        self.unknown += not any(contact for _, contact in meant)
        for run, contact in meant:
            if answer.id not in run.heard:
                self._judge_answer(run, contact, answer, utc)
        return self._finish(now, utc)

    def on_channels(self, lines: Mapping[str, int], now: Instant, utc: Utc) -> Effects:
        """Which channels are attended from now on, and how many requests each takes at a time."""
        for gone in self._lines.keys() - lines.keys():
            self._left[gone] = now
            for _, track in self._open(gone):
                track.offered = False
        come = lines.keys() - self._lines.keys()
        self._lines = dict(lines)
        for run in self._runs.values():
            # whoever was passed over for want of a line need not wait for the next round
            if run.end is None and run.resumes is not None and run.skipped & come:
                run.resumes = now
        return self._finish(now, utc)

    def renew(self, channel: str, now: Instant, utc: Utc) -> Effects:
        """Another one attends this channel: what is under way is offered to him."""
        for _, track in self._open(channel):
            track.offered = False
        return self._finish(now, utc)

    def advance(self, now: Instant, utc: Utc) -> Effects:
        """Time has passed."""
        for run in self._runs.values():
            for track in run.tracks:
                if track.request and track.deadline <= now and run.end is None:
                    self._settle(run, track, Result.UNKNOWN, "", now, utc)
        return self._finish(now, utc)

    def restore(
        self, entries: Iterable[Entry], alarms: Iterable[Alarm], now: Instant, utc: Utc
    ) -> Effects:
        """Take up what was under way before a restart, in view of the alarms as they were kept.

        A request without an outcome is offered again by its name, which whoever has it knows.
        """
        for (rule, name, drill), rows in newest_rows(entries).items():
            plan = self._plans.get(rule)
            ladder = plan.ladder(name) if plan is not None else None
            if plan is None or ladder is None:
                continue
            run = rebuild(plan, ladder, rows, now, utc)
            if run is not None:
                self._runs[rule, name, drill] = run
                if run.end is not None and rows[-1].what is not What.ENDED:
                    self._end(run, run.end, utc)
        for alarm in alarms:
            self._repair(alarm)
            self._take_alarm(alarm, now, utc)
        for run in self._runs.values():
            if run.end is None and self._alarm_of(run) is None:
                self._end(run, End.OVER, utc)
        return self._finish(now, utc)

    def take_over(
        self, other: Handover, alarms: Iterable[Alarm], now: Instant, utc: Utc
    ) -> Effects:
        """Go on where the caller of another site file stopped, on the ladders that are alike.

        Others begin anew, if their alarm stands.
        """
        self._lines, self._left = dict(other.lines), dict(other.left)
        self._began = other.began
        for key, run in other.runs.items():
            plan = self._plans.get(run.rule)
            if plan is not None and plan.ladder(run.ladder.id) == run.ladder:
                run.plan = plan
                self._runs[key] = run
            elif run.end is None:
                self._end(run, End.OVER, utc)
        for alarm in alarms:
            self._take_alarm(alarm, now, utc)
        return self._finish(now, utc)

    # -- alarms -----------------------------------------------------------------------------

    def _take_alarm(self, alarm: Alarm, now: Instant, utc: Utc) -> None:
        self._alarms[alarm.rule, bool(alarm.drill)] = alarm
        plan = self._plans.get(alarm.rule)
        for ladder in plan.ladders if plan is not None else ():
            run = self._runs.get((alarm.rule, ladder.id, bool(alarm.drill)))
            stands = _stands(ladder, alarm)
            if run is None or run.alarm != alarm.id:
                if run is not None and run.end is None:
                    self._end(run, End.OVER, utc)
                if stands:
                    self._begin(plan, ladder, alarm, now, utc)
            elif not stands:
                self._fall(run, alarm, utc)
            elif alarm.highest > run.level or run.end in (End.OVER, End.ACKNOWLEDGED, End.RISEN):
                if run.end is None:
                    self._end(run, End.RISEN, utc)
                self._begin(plan, ladder, alarm, now, utc)

    def _begin(
        self, plan: CallPlan | None, ladder: Ladder, alarm: Alarm, now: Instant, utc: Utc
    ) -> None:
        if plan is None:
            return
        texts = {form: self._phrase(alarm, plan, ladder, form) for form in ladder.forms}
        run = Run(
            alarm.rule, plan, ladder, alarm.id, alarm.highest, alarm.revision, alarm.drill, texts
        )
        run.climb(0, now)
        self._runs[alarm.rule, ladder.id, bool(alarm.drill)] = run
        self._effects.entries.append(run.head(What.BEGAN, utc))

    def _fall(self, run: Run, alarm: Alarm, utc: Utc) -> None:
        """The alarm asks for nobody any more: it was acknowledged, is over, or is kept silent."""
        acknowledged = bool(alarm.acknowledged_by) and not run.ladder.persons
        if run.end is None:
            self._end(run, End.ACKNOWLEDGED if acknowledged else End.OVER, utc)
        elif acknowledged and run.end in (End.ANSWERED, End.EXHAUSTED):
            self._end(run, End.ACKNOWLEDGED, utc)

    def _repair(self, alarm: Alarm) -> None:
        """Do what an answer of before the restart meant, and was not done any more."""
        for run in self._runs.values():
            if run.rule != alarm.rule or run.alarm != alarm.id or not run.answered_by:
                continue
            if run.end is not End.ANSWERED or alarm.phase not in _UNANSWERED:
                continue
            if alarm.revision == run.end_revision:
                self._effects.acknowledged.append((run.rule, run.alarm, run.answered_by))
            elif not run.ladder.persons:
                run.end = End.ACKNOWLEDGED  # it was acknowledged, and raised again since

    # -- answers ----------------------------------------------------------------------------

    def _judge_answer(self, run: Run, contact: Contact | None, answer: Answer, utc: Utc) -> None:
        judgement = judge(run, contact, answer)
        counts = judgement in (Judgement.ACCEPTED, Judgement.LATER)
        alarm = self._alarm_of(run)
        acknowledges = (
            counts
            and contact is not None
            and contact.acknowledges
            and not run.ladder.persons
            and alarm is not None
            and alarm.id == run.alarm
            and alarm.phase in _UNANSWERED
        )
        if judgement is not Judgement.ACCEPTED:
            run.refused += 1
            if run.refused > _REFUSED_RECORDED and not acknowledges:
                return
        run.heard.add(answer.id)
        revision = alarm.revision if alarm is not None else run.revision
        self._effects.entries.append(
            replace(
                run.entry(What.ANSWER, utc),
                contact=contact.id if contact is not None else "",
                name=contact.name if contact is not None else "",
                role=contact.role if contact is not None else "",
                channel=answer.channel,
                number=mask(answer.sender) if contact is None else "",
                request=answer.request,
                answer=answer.id,
                key=answer.key[:40],
                judgement=judgement.value,
                acknowledges=acknowledges,
                at_revision=revision,
            )
        )
        if judgement is Judgement.ACCEPTED:
            self._answered(run, answer, utc)
        if acknowledges and contact is not None:
            run.answered_by, run.end_revision = contact.name, revision
            self._effects.acknowledged.append((run.rule, run.alarm, contact.name))

    def _answered(self, run: Run, answer: Answer, utc: Utc) -> None:
        """Nobody else need be asked; the call that the answer came by ends by itself."""
        for track in run.tracks:
            if track.request and track.request == answer.request:
                self._note_outcome(run, track, Result.ANSWERED, "", utc)
                track.request = ""
        self._end(run, End.ANSWERED, utc)


def _stands(ladder: Ladder, alarm: Alarm) -> bool:
    """Whether the alarm wants this ladder climbed. Helpers are called also after it was answered:
    whoever has answered is not yet with the people who need help.
    """
    phases = (*_UNANSWERED, Phase.ACTIVE_ACKNOWLEDGED) if ladder.persons else _UNANSWERED
    return bool(alarm.id) and alarm.phase in phases and alarm.highest >= ladder.lowest


def waiting_s(run: Run, now: Instant) -> float | None:
    """How long until the ladder is climbed again; None if it is being climbed, or has ended."""
    return None if run.resumes is None else max(0.0, seconds_between(now, run.resumes))
