"""Recorded rows through an engine in virtual time. Pure.

The engine is the one that runs on site; this only tells it, in order, what the sensors said and
when. Monotonic time is wall time here: a record has one time only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from edge.analysis.backtest.model import Answer, Doubt, Row, Span, Track
from edge.core.instant import NS_PER_MS, ClockQuality, Instant, Utc
from edge.core.model import Alarm, PointId, Quality, RuleId

MOST_CHANGES: Final = 100_000
"""Kept of one rule; one that changes more often than that has no use for a list."""

# Looking at all rules costs about as much as a reading for each: once in so many it does not count.
_READINGS_PER_LOOK: Final = 16
# A sensor is lost after no more bad readings in a row than this; what comes then is no news.
_READINGS_TO_LOSE: Final = 4

Transform = Callable[[float], float]
Judge = Callable[[PointId, float | None, Quality, Instant], tuple[float | None, Quality]]
Decided = Callable[[int, Alarm], None]


class Engine(Protocol):
    """What decides. A change of an alarm is returned by the call that caused it."""

    @property
    def due(self) -> Instant | None:
        """When time alone may change something."""
        ...

    def feed(
        self, point: PointId, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        """Take the next judged reading."""
        ...

    def advance(self, now: Instant, utc: Utc) -> Sequence[Alarm]:
        """Let time pass."""
        ...

    def acknowledge(
        self, rules: Iterable[RuleId] | None, by: str, now: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        """Somebody answered for these rules; None: for all."""
        ...


class Slot:
    """What a series is to one site.

    A point, how its numbers become the point's, how long it may be silent (None: for ever), and
    whose push-button it is (empty: nobody's).
    """

    __slots__ = (
        "bad",
        "button",
        "last_ms",
        "lost",
        "point",
        "pressed",
        "silence_ms",
        "transform",
        "watched",
    )

    def __init__(
        self,
        point: PointId,
        transform: Transform | None = None,
        *,
        silence_ms: int | None = None,
        button: str = "",
    ) -> None:
        self.point = point
        self.transform = transform
        self.silence_ms = silence_ms
        self.button = button
        self.pressed = False
        self.bad = 0
        self.watched = bool(silence_ms or button)
        self.last_ms: int | None = None
        self.lost = False


class Run:
    """One site's engine on its way through the rows.

    ``doubts`` says which rules cannot be judged now, and why. It is asked when a sensor fails or
    comes back, and otherwise after so many readings that it costs little. ``answers`` are given
    when they were on site, ``decided`` hears every change.
    """

    def __init__(
        self,
        engine: Engine,
        judge: Judge,
        slots: Sequence[Slot | None],
        rules: Iterable[RuleId],
        *,
        answers: Sequence[Answer] = (),
        doubts: Callable[[], Mapping[RuleId, str]] | None = None,
        decided: Decided | None = None,
    ) -> None:
        self.tracks = {rule: Track(rule) for rule in rules}
        self.decisions = 0
        self.fed = 0
        self.span: Span | None = None
        self._engine = engine
        self._judge = judge
        self._slots = slots
        self._answers = sorted(answers, key=lambda answer: answer.at_ms)
        self._doubts = doubts
        self._look_after = _READINGS_PER_LOOK * len(self.tracks)
        self._decided = decided
        self._now_ms: int | None = None
        self._open: dict[RuleId, tuple[int, str]] = {}
        self._pressed: list[Slot] = []
        self._next_look = 0
        self._look_now = True
        self._silences: list[Slot] = []
        self._next_silence_ms: int | None = None
        for slot in slots:
            self.note_slot(slot)

    def note_slot(self, slot: Slot | None) -> None:
        """A series has come up, and its slot stands at the end of the list."""
        if slot is not None and slot.silence_ms:
            self._silences.append(slot)
            self._next_silence_ms = 0

    def take(self, rows: Iterable[Row]) -> None:
        """Feed rows that are in order, and not before what was fed already."""
        slots, judge, engine = self._slots, self._judge, self._engine
        feed, note = engine.feed, self._note
        now_ms, fed = self._now_ms, self.fed
        at, utc = _instant(now_ms or 0), _utc(now_ms or 0)
        good = Quality.GOOD
        for at_ms, number, value, quality in rows:
            slot = slots[number]
            if slot is None:
                continue
            if at_ms != now_ms:
                self.fed = fed
                self._pass(at_ms)
                now_ms = at_ms
                at, utc = _instant(at_ms), _utc(at_ms)
            if slot.transform is not None and value is not None:
                value = slot.transform(value)  # noqa: PLW2901 - the same reading in its stored unit
            number_read, judged = judge(slot.point, value, quality, at)
            changed = feed(slot.point, number_read, judged, at, utc)
            fed += 1
            if changed:
                note(at_ms, changed)
            if slot.watched or judged is not good:
                self._watch(slot, at_ms, number_read, judged)
        self.fed = fed

    def finish(self) -> Span | None:
        """The last time seen is the end; returns what the record spans, None if it is empty."""
        if self._now_ms is None or self.span is None:
            return None
        self._press()
        self.span = Span(self.span.begin_ms, self._now_ms)
        for rule in list(self._open):
            self._close(rule, self._now_ms)
        return self.span

    def _pass(self, at_ms: int) -> None:
        """Time goes on to the next reading: what was to happen in between happens, in order."""
        self._press()
        if self._now_ms is None:
            self.span = Span(at_ms, at_ms)
        elif self._look_now or self.fed >= self._next_look:
            self._look(self._now_ms)
        while self._answers and self._answers[0].at_ms <= at_ms:
            answer = self._answers.pop(0)
            self._advance(answer.at_ms)
            self._acknowledge(answer.at_ms, [answer.rule], answer.by)
        if self._next_silence_ms is not None and at_ms > self._next_silence_ms:
            self._tell_silence(at_ms)
        self._advance(at_ms)
        self._now_ms = at_ms

    def _advance(self, at_ms: int) -> None:
        """Let the engine's own times come, each at its time."""
        limit = _instant(at_ms)
        while (due := self._engine.due) is not None and due <= limit:
            then_ms = due // NS_PER_MS
            self._note(then_ms, self._engine.advance(due, _utc(then_ms)))

    def _tell_silence(self, at_ms: int) -> None:
        """A sensor that says nothing for longer than it may is lost, from that moment on."""
        late = [
            (slot.last_ms + slot.silence_ms, slot)
            for slot in self._silences
            if slot.last_ms is not None and slot.silence_ms and not slot.lost
        ]
        for lost_ms, slot in sorted(late, key=lambda each: each[0]):
            if lost_ms >= at_ms:
                break
            self._advance(lost_ms)
            at, utc = _instant(lost_ms), _utc(lost_ms)
            value, quality = self._judge(slot.point, None, Quality.LOST, at)
            self._note(lost_ms, self._engine.feed(slot.point, value, quality, at, utc))
            slot.lost = True
            self._look_now = True
        waiting = [lost_ms for lost_ms, slot in late if not slot.lost]
        least_ms = min(slot.silence_ms or 0 for slot in self._silences)
        self._next_silence_ms = min([*waiting, at_ms + least_ms])

    def _watch(self, slot: Slot, at_ms: int, value: float | None, quality: Quality) -> None:
        """What more there is to a reading: the next silence, a push-button, a sensor that fails.

        A push-button acknowledges when it goes down, after the readings of the same moment.
        """
        good = quality is Quality.GOOD
        slot.last_ms, slot.lost = at_ms, False
        if slot.button and good:
            if value == 1.0 and not slot.pressed:
                self._pressed.append(slot)
            slot.pressed = value == 1.0
        if not good or slot.bad:
            # look soon: it begins to fail, is lost by now, or is back
            slot.bad = 0 if good else slot.bad + 1
            self._look_now = self._look_now or slot.bad <= _READINGS_TO_LOSE
            slot.watched = bool(slot.bad or slot.silence_ms or slot.button)

    def _press(self) -> None:
        if self._pressed and self._now_ms is not None:
            for slot in self._pressed:
                self._acknowledge(self._now_ms, None, slot.button)
            self._pressed.clear()

    def _acknowledge(self, at_ms: int, rules: Sequence[RuleId] | None, by: str) -> None:
        at, utc = _instant(at_ms), _utc(at_ms)
        self._note(at_ms, self._engine.acknowledge(rules, by, at, utc))

    def _note(self, at_ms: int, changed: Iterable[Alarm]) -> None:
        for alarm in changed:
            self.decisions += 1
            if self._decided is not None:
                self._decided(at_ms, alarm)
            track = self.tracks.get(alarm.rule)
            if track is None:
                continue
            if len(track.changes) >= MOST_CHANGES:
                track.left_out += 1
            elif not track.changes or track.changes[-1][1] != alarm.current:
                track.changes.append((at_ms, alarm.current))

    # -- what could not be judged ---------------------------------------------------------------

    def _look(self, at_ms: int) -> None:
        self._look_now, self._next_look = False, self.fed + self._look_after
        found = self._doubts() if self._doubts is not None else {}
        for rule, (_, why) in list(self._open.items()):
            if found.get(rule) != why:
                self._close(rule, at_ms)
        for rule, why in found.items():
            self._open.setdefault(rule, (at_ms, why))

    def _close(self, rule: RuleId, at_ms: int) -> None:
        since_ms, why = self._open.pop(rule)
        if rule in self.tracks and at_ms > since_ms:
            self.tracks[rule].doubts.append(Doubt(since_ms, at_ms, why))


def _instant(at_ms: int) -> Instant:
    return Instant(at_ms * NS_PER_MS)


def _utc(at_ms: int) -> Utc:
    return Utc(at_ms, ClockQuality.SYNCED)
