"""A village in virtual time for call ladders: telephones, whoever dials, a journal, and crashes."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace

import pytest

from edge.core.calls import VOICE, Answer, Request, Result
from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import Alarm, Level, Phase, RuleId
from edge.engine.bodies import call_body, call_from
from edge.engine.calls.caller import Caller
from edge.engine.calls.effects import Effects
from edge.engine.calls.entries import Entry
from edge.engine.calls.ladder import CallPlan, Contact, Ladder, Rung

RULE = RuleId("flood")
EPOCH_MS = 1_718_158_500_000


class Crash(Exception):
    """The alarm process has ended between two steps."""


@dataclass
class Dialler:
    """Whoever rings: knows what he has begun, and tells again what became of it.

    ``react`` says what the person does: (seconds, result or None, key or None) in order.
    """

    world: World
    react: Callable[[Request, int], list[tuple[float, Result | None, str | None]]]
    known: dict[str, list[tuple[Result | None, str | None]]] = field(default_factory=dict)
    dials: list[tuple[float, Request]] = field(default_factory=list)
    lives: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    life: int = 0

    def begin(self, request: Request) -> None:
        if request.id in self.known:
            for result, key in list(self.known[request.id]):
                self._tell(request, result, key)
            return
        self.known[request.id] = []
        self.dials.append((self.world.t, request))
        self.lives.append(self.life)
        count = self.counts[request.contact] = self.counts.get(request.contact, 0) + 1
        delay = 0.0
        for wait_s, result, key in self.react(request, count):
            delay += wait_s
            self.world.at(delay, partial(self._happens, request, result, key), self.life)

    def withdraw(self, request: str) -> None:
        self.withdrawn.add(request)

    def _happens(self, request: Request, result: Result | None, key: str | None) -> None:
        if request.id in self.withdrawn:
            return
        self.known[request.id].append((result, key))
        self._tell(request, result, key)

    def _tell(self, request: Request, result: Result | None, key: str | None) -> None:
        if not self.world.up:
            return
        if key is not None:
            self.world.answer(Answer(f"a-{request.id}", request.channel, key, request.id))
        if result is not None:
            self.world.outcome(request.id, result)

    def lose_power(self) -> None:
        """All that was going on is forgotten."""
        self.life += 1
        self.known.clear()
        self.withdrawn.clear()


class World:
    """One box with one alarm, a plan, a journal that commits, and people."""

    def __init__(self, plan, react, *, lines=None, seed=0, level=Level.RED):
        self.random = random.Random(seed)
        self.plan = plan
        self.lines = {"voice": 2, "sms": 4} if lines is None else lines
        self.t = 0.0
        self.up = True
        self.committed: list[dict[str, object]] = []
        self.pending: list[Alarm | dict[str, object]] = []
        self.alarm = self.kept_alarm = raised(level)
        self.dialler = Dialler(self, react)
        self.fuse: int | None = None
        """So many steps until the process crashes."""
        self.skew_ms = 0
        self._order = itertools.count()
        self._events: list[tuple[float, int, int | None, Callable[[], None]]] = []
        self.caller = self._new()

    # -- time

    @property
    def now(self) -> Instant:
        return Instant(round(self.t * NS_PER_S))

    @property
    def utc(self) -> Utc:
        return Utc(EPOCH_MS + round(self.t * 1000) + self.skew_ms, ClockQuality.SYNCED)

    def at(self, delay: float, what: Callable[[], None], life: int | None = None) -> None:
        heapq.heappush(self._events, (self.t + delay, next(self._order), life, what))

    def run(self, seconds: float) -> None:
        """Let time pass; crashes are left to the caller."""
        end = self.t + seconds
        while True:
            due = None if not self.up or self.caller.due is None else self.caller.due / NS_PER_S
            event = self._events[0][0] if self._events else None
            times = [each for each in (due, event) if each is not None and each <= end]
            if not times:
                break
            self.t = max(self.t, min(times))
            self.commit()
            if event is not None and event <= self.t:
                _, _, life, what = heapq.heappop(self._events)
                if life is None or life == self.dialler.life:
                    what()
            else:
                self._apply(self.caller.advance(self.now, self.utc))
        self.t = end
        self.commit()

    # -- what the process does

    def _new(self) -> Caller:
        def phrase(alarm: Alarm, plan: CallPlan, ladder: Ladder, language: str) -> str:
            return f"{language} {alarm.highest.name} {','.join(ladder.persons)}".strip()

        return Caller({RULE: self.plan}, phrase, self.now)

    def start(self) -> None:
        self._apply(self.caller.on_alarm(self.alarm, self.now, self.utc))
        self.attend()

    def attend(self) -> None:
        self._apply(self.caller.on_channels(self.lines, self.now, self.utc))

    def leave(self) -> None:
        self._apply(self.caller.on_channels({}, self.now, self.utc))

    def outcome(self, request: str, result: Result) -> None:
        self._apply(self.caller.on_outcome(request, result, "", self.now, self.utc))

    def answer(self, answer: Answer) -> None:
        self._apply(self.caller.on_answer(answer, self.now, self.utc))

    def change(self, **changes) -> None:
        """A new revision of the alarm."""
        self.alarm = replace(self.alarm, revision=self.alarm.revision + 1, **changes)
        self._step(self.alarm)
        self._apply(self.caller.on_alarm(self.alarm, self.now, self.utc))

    def acknowledge(self, by: str) -> None:
        if self.alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED:
            self.change(phase=Phase.ACTIVE_ACKNOWLEDGED, acknowledged_by=by)

    def _apply(self, effects: Effects) -> None:
        for entry in effects.entries:
            self._step(call_body(entry))
        for _, name in effects.withdrawn:
            self._step(None)
            self.dialler.withdraw(name)
        for request in effects.requests:
            self._step(None)
            self.dialler.begin(request)
        for _, alarm, by in effects.acknowledged:
            assert alarm == self.alarm.id
            self.acknowledge(by)

    def _step(self, record: Alarm | dict[str, object] | None) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash
        if record is not None:
            self.pending.append(record)

    # -- the journal, and what a crash leaves of it

    def commit(self, most: int | None = None) -> None:
        done, self.pending = self.pending[:most], []
        for what in done:
            if isinstance(what, Alarm):
                self.kept_alarm = what
            else:
                self.committed.append(what)

    def crash(self, *, power: bool, down_s: float) -> None:
        """The process dies: what was not yet on disk is lost; with the power, all but the disk."""
        self.fuse = None
        self.up = False
        self.commit(self.random.randint(0, len(self.pending)))
        if power:
            self.dialler.lose_power()
        self.run(down_s)

    def restart(self) -> None:
        self.up = True
        self.alarm = self.kept_alarm
        self.caller = self._new()
        entries = [call_from(body) for body in self.committed]
        self._apply(self.caller.restore(entries, [self.alarm], self.now, self.utc))
        self.at(self.random.choice((0.0, 0.5, 2.0)), self._reattend)

    def _reattend(self) -> None:
        if not self.up:
            return
        self.attend()
        # whoever rings tells again what he has heard
        for request, told in list(self.dialler.known.items()):
            for _, key in told:
                if key is not None:
                    self.answer(Answer(f"a-{request}", request.split("|")[-3], key, request))

    # -- what is asked of it

    def entries(self, *whats: str) -> list[Entry]:
        rows = [call_from(body) for body in self.committed]
        rows += [call_from(body) for body in self.pending if not isinstance(body, Alarm)]
        return [row for row in rows if not whats or row.what in whats]

    def told(self) -> list[str]:
        """What happened, one word group each, for comparison."""
        return [_told(entry) for entry in self.entries()]


def _told(entry: Entry) -> str:
    parts = [entry.what.value, entry.contact, entry.channel]
    if entry.what.value in ("request", "outcome"):
        parts.append(str(entry.attempt))
    return " ".join(part for part in (*parts, entry.result, entry.judgement) if part)


def raised(level: Level, **changes) -> Alarm:
    alarm = Alarm(
        RULE, f"{RULE}/{EPOCH_MS}/1", level, level, level, Phase.ACTIVE_UNACKNOWLEDGED, 1,
        Utc(EPOCH_MS, ClockQuality.SYNCED),
    )  # fmt: skip
    return replace(alarm, **changes)


def contact(name: str, *, duty: bool = False, channels: Iterable[str] = (VOICE,)) -> Contact:
    number = f"1380000{sum(name.encode()) % 10000:04d}"
    return Contact(
        name, name.title(), "duty" if duty else "village",
        tuple((channel, number) for channel in channels), acknowledges=duty,
    )  # fmt: skip


@pytest.fixture
def village():
    """The parts of this file that tests build with."""

    return SimpleNamespace(
        World=World, Crash=Crash, raised=raised, contact=contact, CallPlan=CallPlan, Ladder=Ladder,
        Rung=Rung, RULE=RULE, told=_told,
    )  # fmt: skip
