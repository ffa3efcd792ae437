"""How far one ladder has been climbed for one alarm, and how a restart finds it again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from edge.core.calls import VOICE, Result, mask
from edge.core.instant import Instant, Utc, after
from edge.core.model import Level, RuleId
from edge.engine.calls.entries import End, Entry, Judgement, What
from edge.engine.calls.ladder import Attempt, CallPlan, Ladder, form_of

# From the order to dial to the first ring: a mobile network may look for its telephone.
_SETUP_S: Final = 15.0
# A text that nobody has handed over by then will not be.
_HANDOVER_S: Final = 60.0
# The text twice, and 20 s after it for a key: then nobody listens.
TALK_S: Final = 90.0
# The same request is offered at most so often, however often whoever should ring goes away.
_OFFERS: Final = 3


@dataclass(slots=True)
class Track:
    """A sequence of attempts, and where in it we are.

    ``at``: the attempt that is next or under way; ``ready``: not before this. ``request`` is empty
    while none is under way. ``offered``: somebody who can ring has it.
    """

    attempts: tuple[Attempt, ...]
    ready: Instant
    at: int = 0
    request: str = ""
    sent: Instant = field(default_factory=lambda: Instant(0))
    deadline: Instant = field(default_factory=lambda: Instant(0))
    offered: bool = False
    offers: int = 0
    again: int = 0
    talking: bool = False

    def begin(self, request: str, window_s: float, now: Instant) -> None:
        """The attempt is under way; without an outcome it is given up after ``window_s``."""
        self.request, self.sent = request, now
        self.deadline = after(now, seconds=window_s)
        self.offered, self.offers, self.talking = True, self.offers + 1, False

    def settle(self, result: Result, now: Instant, every_s: float) -> None:
        """The attempt has ended: what comes next, and when."""
        attempt = self.attempts[self.at]
        self.request, self.offered, self.offers, self.talking = "", False, 0, False
        if result is Result.DISPLACED:
            self.again, self.ready = self.again + 1, now
            return
        self.again, self.at = 0, self.at + 1
        if result is Result.NO_CHANNEL:
            while self.at < len(self.attempts) and self.attempts[self.at].same_way(attempt):
                self.at += 1
            self.ready = now
            return
        more = self.at < len(self.attempts) and self.attempts[self.at].same_way(attempt)
        # a reply to a text takes its time, also to the last one
        if more or (attempt.channel != VOICE and result is Result.SENT):
            self.ready = max(now, after(self.sent, seconds=every_s))
        else:
            self.ready = now


@dataclass(slots=True)
class Run:
    """One ladder for one alarm at one level. ``texts``: what people are told, by form."""

    rule: RuleId
    plan: CallPlan
    ladder: Ladder
    alarm: str
    level: Level
    revision: int
    drill: str
    texts: dict[str, str]
    round: int = 1
    rung: int = 0
    tracks: list[Track] = field(default_factory=list)
    resumes: Instant | None = None
    end: End | None = None
    end_revision: int = 0
    answered_by: str = ""
    """Who has acknowledged by his answer at ``end_revision``; empty: nobody."""
    skipped: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    refused: int = 0

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """What is more urgent sorts first: real before drill, level, duty before helpers."""
        return bool(self.drill), -self.level, bool(self.ladder.persons)

    def climb(self, rung: int, now: Instant) -> None:
        """Stand on a rung, everything on it still to do."""
        self.rung = rung
        tracks = self.ladder.at(self.level)[rung].tracks(self.level)
        self.tracks = [Track(attempts, now) for attempts in tracks]

    def every_s(self, attempt: Attempt) -> float:
        """How far tries of this kind are apart here."""
        return self.ladder.at(self.level)[self.rung].timing(self.level, attempt.channel).every_s

    def ring_s(self, attempt: Attempt) -> float:
        """How long an attempt rings here."""
        return self.ladder.at(self.level)[self.rung].timing(self.level, attempt.channel).ring_s

    def window_s(self, attempt: Attempt) -> float:
        """How long an attempt may be under way without a word about it."""
        return self.ring_s(attempt) + _SETUP_S if attempt.channel == VOICE else _HANDOVER_S

    def request_id(self, track: Track) -> str:
        """The name of the attempt that is next.

        It follows from the position alone: after a restart the same attempt has the same name.
        """
        attempt = track.attempts[track.at]
        parts = (
            self.alarm, self.revision, self.ladder.id, self.round, self.rung,
            attempt.contact.id, attempt.channel, attempt.number, track.again,
        )  # fmt: skip
        return "|".join(str(part) for part in parts)

    def text(self, attempt: Attempt) -> str:
        """What to tell by this attempt; the shortest there is if its form is not there."""
        form = form_of(attempt.contact, attempt.channel)
        return self.texts.get(form) or min(self.texts.values(), key=len, default="")

    def entry(self, what: What, utc: Utc) -> Entry:
        """An entry that belongs to this run."""
        return Entry(
            what, self.rule, self.alarm, self.plan.id, self.ladder.id, self.level, self.revision,
            self.round, utc.ms, drill=self.drill, rung=self.rung,
        )  # fmt: skip

    def head(self, what: What, utc: Utc) -> Entry:
        """The entry with which a round begins: all that later ones refer to."""
        return replace(
            self.entry(what, utc),
            persons=self.ladder.persons,
            limit_s=self.ladder.answer_s,
            texts=tuple(sorted(self.texts.items())),
        )

    def attempt_entry(self, what: What, utc: Utc, attempt: Attempt) -> Entry:
        """An entry about one attempt."""
        contact = attempt.contact
        return replace(
            self.entry(what, utc),
            contact=contact.id,
            name=contact.name,
            role=contact.role,
            channel=attempt.channel,
            number=mask(contact.address(attempt.channel) or ""),
            attempt=attempt.number,
        )


def parts_of(request: str) -> tuple[str, int, str, str] | None:
    """Alarm, revision, ladder and contact of a request's name; None if it is none of ours."""
    parts = request.rsplit("|", 8)
    if len(parts) != 9 or not parts[1].isdecimal():
        return None
    return parts[0], int(parts[1]), parts[2], parts[5]


RunKey = tuple[RuleId, str, bool]
"""Rule, ladder, and whether it is a drill: each of these has one run at a time."""


def newest_rows(entries: Iterable[Entry]) -> dict[RunKey, list[Entry]]:
    """The entries of each run since it last began, or began again."""
    rows: dict[RunKey, list[Entry]] = {}
    for entry in entries:
        key = (entry.rule, entry.ladder, bool(entry.drill))
        if entry.what in (What.BEGAN, What.AGAIN):
            rows[key] = []
        if key in rows or entry.what in (What.BEGAN, What.AGAIN):
            rows[key].append(entry)
    return rows


def rebuild(
    plan: CallPlan, ladder: Ladder, rows: Sequence[Entry], now: Instant, utc: Utc
) -> Run | None:
    """The run that wrote these rows, as far as the plan still has what they name.

    None if the ladder has no rung for it any more. Wall time may have jumped: no wait becomes
    longer than it was.
    """
    head = rows[0]
    if not ladder.at(head.level):
        return None
    run = Run(
        head.rule, plan, ladder, head.alarm, head.level, head.revision, head.drill,
        dict(head.texts), round=head.round,
    )  # fmt: skip
    mine = [e for e in rows if e.alarm == run.alarm and e.revision == run.revision]
    done = [e for e in mine if e.what in (What.REQUEST, What.OUTCOME)]
    rung = max((e.rung for e in done), default=0)
    run.climb(rung if rung < len(ladder.at(run.level)) else 0, now)
    for entry in mine:
        passed_s = max(0.0, (utc.ms - entry.utc_ms) / 1000)
        _take(run, entry, passed_s, now)
    return run


def _take(run: Run, entry: Entry, passed_s: float, now: Instant) -> None:
    """Let a run have done what an entry tells."""
    match entry.what:
        case What.REQUEST:
            run.asked.add(entry.contact)
            _take_request(run, entry, passed_s, now)
        case What.OUTCOME:
            _take_outcome(run, entry, passed_s, now)
        case What.ANSWER:
            run.heard.add(entry.answer)
            if entry.acknowledges:
                run.answered_by, run.end_revision = entry.name, entry.at_revision
            if entry.judgement == Judgement.ACCEPTED:
                run.end, run.end_revision = End.ANSWERED, entry.at_revision
        case What.PAUSED:
            left_s = max(0.0, (entry.wait_s or 0.0) - passed_s)
            run.resumes = after(now, seconds=left_s)
            run.tracks = []
        case What.ENDED:
            run.end, run.end_revision = End(entry.result), entry.at_revision
        case _:
            pass


def _find(run: Run, entry: Entry) -> tuple[Track, int] | None:
    if entry.rung != run.rung:
        return None
    for track in run.tracks:
        for index, each in enumerate(track.attempts):
            if (each.contact.id, each.channel, each.number) == (
                entry.contact, entry.channel, entry.attempt,
            ):  # fmt: skip
                return track, index
    return None


def _take_request(run: Run, entry: Entry, passed_s: float, now: Instant) -> None:
    found = _find(run, entry)
    if found is None:
        return
    track, index = found
    track.at = index
    window_s = run.window_s(track.attempts[track.at])
    track.begin(entry.request, window_s, now)
    track.sent = after(now, seconds=-min(passed_s, run.every_s(track.attempts[track.at])))
    # whoever rings may know what became of it, or never have had it: he is asked by its old name
    track.offered, track.offers = False, entry.offer
    track.again = int(again) if (again := entry.request.rpartition("|")[2]).isdecimal() else 0


def _take_outcome(run: Run, entry: Entry, passed_s: float, now: Instant) -> None:
    found = _find(run, entry)
    if entry.result == Result.NO_CHANNEL:
        run.skipped.add(entry.channel)
    if found is None:
        return
    track, index = found
    if index < track.at:
        return
    track.at = index
    if not track.request:
        track.sent = after(now, seconds=-passed_s)
    track.settle(Result(entry.result), now, run.every_s(track.attempts[index]))


def may_offer(track: Track) -> bool:
    """Whether this very request may be offered once more."""
    return track.offers < _OFFERS
