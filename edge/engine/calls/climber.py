"""Climbs ladders: what is ready begins as far as there are lines, what has ended goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from edge.core.calls import Request, Result
from edge.core.instant import Instant, Utc, after
from edge.core.model import Alarm, RuleId
from edge.engine.calls.effects import Effects
from edge.engine.calls.entries import End, What
from edge.engine.calls.run import Run, RunKey, Track, may_offer

# Who should ring is given this long to come, after a start and after he went away.
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Handover:
    """All that another climber needs to go on."""

    runs: Mapping[RunKey, Run]
    lines: Mapping[str, int]
    left: Mapping[str, Instant]
    began: Instant


class Climber:
    """The runs of all ladders, the alarms they are for, and the lines there are.

    ``due``: when time alone brings something to do; None: only events can bring more.
    """

    def __init__(self, now: Instant) -> None:
        self.due: Instant | None = None
        self._runs: dict[RunKey, Run] = {}
        self._alarms: dict[tuple[RuleId, bool], Alarm] = {}
        self._lines: dict[str, int] = {}
        self._left: dict[str, Instant] = {}
        self._began = now
        self._freed = False
        self._effects = Effects()

    @property
    def runs(self) -> tuple[Run, ...]:
        """The newest run of each ladder, the most urgent first."""
        return tuple(sorted(self._runs.values(), key=lambda run: run.rank))

    @property
    def lines(self) -> Mapping[str, int]:
        """How many requests each attended channel takes at a time."""
        return self._lines

    def hand_over(self) -> Handover:
        """What is under way, for the climber of another site file; this one is not used again."""
        return Handover(self._runs, self._lines, self._left, self._began)

    def _finish(self, now: Instant, utc: Utc) -> Effects:
        """Begin what is ready as far as there are lines, the most urgent first."""
        standing = self._turn(now, utc)
        while self._freed:
            # whoever came earlier in this turn may have waited for the line
            standing = self._turn(now, utc)
        self.due = min((due for run in standing for due in self._dues(run, now)), default=None)
        effects, self._effects = self._effects, Effects()
        return effects

    def _turn(self, now: Instant, utc: Utc) -> list[Run]:
        self._freed = False
        standing = [run for run in self.runs if run.end is None]
        for run in standing:
            self._climb(run, now, utc)
        return standing

    def _climb(self, run: Run, now: Instant, utc: Utc) -> None:
        if run.resumes is not None:
            if run.resumes > now:
                return
            run.resumes, run.round = None, run.round + 1
            run.skipped.clear()
            run.climb(0, now)
            self._effects.entries.append(run.head(What.AGAIN, utc))
        while True:
            for track in run.tracks:
                self._step(run, track, now, utc)
            if any(each.request or each.at < len(each.attempts) for each in run.tracks):
                return
            if any(each.ready > now for each in run.tracks):
                return
            if run.rung + 1 < len(run.ladder.at(run.level)):
                run.climb(run.rung + 1, now)
                continue
            self._pause(run, now, utc)
            return

    def _pause(self, run: Run, now: Instant, utc: Utc) -> None:
        """The last rung is done, and nobody has answered."""
        run.tracks = []
        if not run.ladder.repeat_s:
            self._end(run, End.EXHAUSTED, utc)
            return
        wait_s = run.ladder.repeat_s
        run.resumes = after(now, seconds=wait_s)
        self._effects.entries.append(replace(run.entry(What.PAUSED, utc), wait_s=wait_s))

    def _step(self, run: Run, track: Track, now: Instant, utc: Utc) -> None:
        """Begin the next attempt of a track, or those after it that can be begun."""
        self._offer_again(run, track, now, utc)
        if track.request:
            return
        while track.at < len(track.attempts) and track.ready <= now:
            attempt = track.attempts[track.at]
            if attempt.channel in self._lines:
                if self._make_room(run, attempt.channel, now, utc):
                    self._ask(run, track, now, utc)
                return
            if self._hope(attempt.channel) > now:
                return
            run.skipped.add(attempt.channel)
            self._note_outcome(run, track, Result.NO_CHANNEL, "", utc)
            track.settle(Result.NO_CHANNEL, now, run.every_s(attempt))

    def _offer_again(self, run: Run, track: Track, now: Instant, utc: Utc) -> None:
        if not track.request or track.offered:
            return
        if track.attempts[track.at].channel not in self._lines:
            return
        if may_offer(track):
            self._ask(run, track, now, utc)
        else:
            self._settle(run, track, Result.UNKNOWN, "", now, utc)

    def _ask(self, run: Run, track: Track, now: Instant, utc: Utc) -> None:
        attempt = track.attempts[track.at]
        contact = attempt.contact
        request = track.request or run.request_id(track)
        track.begin(request, run.window_s(attempt), now)
        run.asked.add(contact.id)
        ring_s = run.ring_s(attempt)
        self._effects.requests.append(
            Request(
                request, attempt.channel, contact.address(attempt.channel) or "", contact.id,
                contact.name, contact.language, run.text(attempt), run.plan.keys,
                run.level, ring_s, bool(run.drill),
            )
        )  # fmt: skip
        entry = run.attempt_entry(What.REQUEST, utc, attempt)
        self._effects.entries.append(
            replace(entry, request=request, ring_s=ring_s, offer=track.offers)
        )

    def _make_room(self, run: Run, channel: str, now: Instant, utc: Utc) -> bool:
        """Whether a line is free, or can be taken from what is less urgent.

        Nobody is cut off who has picked up, and duty never cuts off helpers of the same alarm.
        """
        taken = list(self._open(channel))
        if len(taken) < self._lines[channel]:
            return True
        lower = [(r, t) for r, t in taken if r.rank[:2] > run.rank[:2] and not t.talking]
        if not lower:
            return False
        other, track = max(lower, key=lambda pair: pair[0].rank)
        self._effects.withdrawn.append((channel, track.request))
        self._settle(other, track, Result.DISPLACED, "", now, utc)
        return True

    def _settle(
        self, run: Run, track: Track, result: Result, detail: str, now: Instant, utc: Utc
    ) -> None:
        attempt = track.attempts[track.at]
        if result is Result.NO_CHANNEL:
            run.skipped.add(attempt.channel)
        if result is Result.UNKNOWN:
            self._effects.withdrawn.append((attempt.channel, track.request))
        self._note_outcome(run, track, result, detail, utc)
        track.settle(result, now, run.every_s(attempt))
        self._freed = True

    def _note_outcome(self, run: Run, track: Track, result: Result, detail: str, utc: Utc) -> None:
        entry = run.attempt_entry(What.OUTCOME, utc, track.attempts[track.at])
        self._effects.entries.append(
            replace(entry, request=track.request, result=result.value, detail=detail[:80])
        )

    def _open(self, channel: str) -> list[tuple[Run, Track]]:
        return [
            (run, track)
            for run in self._runs.values()
            for track in run.tracks
            if track.request and track.attempts[track.at].channel == channel
        ]

    def _under_way(self, request: str) -> tuple[Run, Track] | None:
        return next(
            (
                (run, track)
                for run in self._runs.values()
                for track in run.tracks
                if request and track.request == request
            ),
            None,
        )

    def _hope(self, channel: str) -> Instant:
        """Until when an unattended channel may yet be attended."""
        return after(self._left.get(channel, self._began), seconds=_GRACE_S)

    def _dues(self, run: Run, now: Instant) -> Iterable[Instant]:
        if run.resumes is not None:
            yield run.resumes
        for track in run.tracks:
            if track.request:
                yield track.deadline
            elif track.ready > now:
                yield track.ready
            elif track.at < len(track.attempts):
                channel = track.attempts[track.at].channel
                if channel not in self._lines:
                    yield self._hope(channel)

    def _end(self, run: Run, end: End, utc: Utc) -> None:
        for track in run.tracks:
            if track.request:
                self._withdraw(run, track, utc)
        run.tracks = []
        alarm = self._alarm_of(run)
        run.end, run.resumes = end, None
        run.end_revision = alarm.revision if alarm is not None else run.end_revision
        by = alarm.acknowledged_by if alarm is not None and end is End.ACKNOWLEDGED else ""
        entry = replace(
            run.entry(What.ENDED, utc), result=end.value, name=by, at_revision=run.end_revision
        )
        self._effects.entries.append(entry)

    def _alarm_of(self, run: Run) -> Alarm | None:
        return self._alarms.get((run.rule, bool(run.drill)))

    def _withdraw(self, run: Run, track: Track, utc: Utc) -> None:
        attempt = track.attempts[track.at]
        self._effects.withdrawn.append((attempt.channel, track.request))
        self._note_outcome(run, track, Result.WITHDRAWN, "", utc)
        track.request = ""
