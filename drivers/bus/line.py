"""One owner of one Modbus line: who goes next, when it may, and whose answer this is.

Non-preemptive earliest deadline first within act, watch and log, in this order; an attempt is never
broken off, and between any two attempts the most urgent question goes first.

A late answer is never taken for the next one. Modbus RTU answers carry no address, so after a
question that stayed unanswered the device *owes* an answer: until it has come, or can no longer
come, that device is not read. Others on the line, and writes, whose answers repeat the question,
are not held up.

Everything runs in plain callbacks: the answer's last byte, the decision it causes and the first
byte of the resulting command are one call.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from functools import partial

from drivers.bus.connection import Connection
from drivers.bus.dialect import Dialect, Reply
from drivers.bus.news import News, OnNotice
from drivers.bus.owed import Owed
from drivers.bus.patience import Patience
from drivers.bus.port import Opener
from drivers.bus.prober import Prober
from drivers.bus.quarantine import Quarantine
from drivers.bus.silence import Silence
from drivers.bus.strays import Strays
from drivers.bus.transaction import (
    DeviceTiming,
    Exchange,
    Result,
    Transaction,
    UnderWay,
    UnitCount,
    failure,
    refusal,
)
from drivers.bus.waiting import Waiting
from edge.core.errors import Absent, NoAnswer
from edge.core.histogram import Histogram
from edge.core.instant import NS_PER_S, Clock, Instant, Timer, after, ms_between
from edge.core.ports import Class
from protocols.modbus import Declined, Request, Seen

_log = logging.getLogger("tongluo.bus")

# What came may be the device's and damaged; these say that it was not the device's at all.
_SILENCE = (Seen.NOTHING, Seen.ECHO, Seen.OTHER_UNIT)
_EXCHANGES_KEPT = 64
# Beyond the profile's turnaround: what this machine may take to notice.
_SLOW_MARGIN_S = 0.005


class Line:
    """The one owner of a line.

    ``submit`` from anywhere on the loop; ``start`` and ``stop`` bracket it. ``exchanges`` are the
    last ones on the line, ``busy_ns`` the line time each class has had, ``waits`` how long its
    questions waited for their first byte, in milliseconds.
    """

    def __init__(
        self,
        name: str,
        opener: Opener,
        dialect: Dialect,
        clock: Clock,
        on_notice: OnNotice | None = None,
    ) -> None:
        self.name = name
        self.units: dict[int, UnitCount] = defaultdict(UnitCount)
        self.strays = Strays()
        self.quarantine = Quarantine()
        self.exchanges: deque[Exchange] = deque(maxlen=_EXCHANGES_KEPT)
        self.busy_ns: dict[Class, int] = dict.fromkeys(Class, 0)
        self.waits = {each: Histogram() for each in Class}
        self._clock = clock
        self._dialect = dialect
        self._news = News(name, on_notice)
        self._connection = Connection(name, opener, clock, self._on_bytes, self._on_change)
        self._waiting = Waiting()
        self._open: dict[int, UnderWay] = {}
        self._silence = Silence(dialect.silence_ns)
        self._wake: Timer | None = None
        self._owed = Owed()
        self._patience = Patience(dialect, self.quarantine)
        self._prober = Prober(self.quarantine, clock, self.submit, self._note_probe)
        self._unanswered = 0
        self._inherited = Owed()

    @property
    def up(self) -> bool:
        """Whether the port is open."""
        return self._connection.up

    @property
    def reason(self) -> str:
        """Why it is not, if it is not."""
        return self._connection.reason

    @property
    def losses(self) -> int:
        """How often the port was lost since start."""
        return self._connection.losses

    @property
    def waiting(self) -> int:
        """Transactions that have not begun."""
        return len(self._waiting)

    @property
    def at_rest(self) -> bool:
        """Whether no question is under way, and no command waits."""
        return not self._open and not self._waiting.acts

    def take_over(self, old: Line) -> None:
        """Go on where the owner of the same line stopped; call it before ``start``.

        Answers that are owed to the old one are waited for: the port is not closed for long.
        """
        self.units, self.strays, self.exchanges = old.units, old.strays, old.exchanges
        self.busy_ns, self.waits = old.busy_ns, old.waits
        self.quarantine.take_over(old.quarantine, self._prober.units)
        self._prober.plan()
        self._patience.take_over(old._patience)
        self._news.take_over(old._news)
        self._connection.losses = old.losses
        self._inherited = old._owed

    def start(self) -> None:
        """Open the port; if it is not there, questions end Absent until it is."""
        self._connection.start()
        self._owed, self._inherited = self._inherited, Owed()
        if not self._connection.up:
            self._news.down(self._connection.reason)

    def stop(self) -> None:
        """Close for good. What was under way or waiting ends Absent."""
        self._connection.stop()
        self._prober.stop()
        if self._wake is not None:
            self._wake.cancel()
        self._fail_all("the line was closed")

    def readable_at(self, unit: int) -> Instant:
        """From when on this device may be read: before, an older answer may still come."""
        now = self._clock.now()
        return self._owed.until(unit, now) or now

    def lost(self, unit: int) -> bool:
        """Whether this device is only probed, because it has been silent."""
        return unit in self.quarantine.lost

    def introduce(self, request: Request, timing: DeviceTiming, *, lost: bool = False) -> None:
        """Tell how to probe a device; ``lost``: it was when the agent last ran."""
        self._prober.introduce(request, timing, self._patience.probe_ns(request, timing))
        if lost:
            self.quarantine.condemn(request.unit, self._clock.now())
            self._prober.plan()

    def submit(self, transaction: Transaction) -> None:
        """Take a question. Its ``done`` is called exactly once, possibly before this returns."""
        transaction.submitted = self._clock.now()
        if transaction.priority is Class.WATCH:
            # the deadline of a poll is its next release
            self._patience.released(
                transaction.request.unit, transaction.submitted, transaction.deadline
            )
        self._waiting.add(transaction)
        if len(self._open) < self._dialect.most_open:
            self._advance()

    def withdraw(self, transaction: Transaction) -> bool:
        """Take a question back that has not begun; its ``done`` is not called. False if it has."""
        return self._waiting.remove(transaction)

    # -- choosing and beginning -------------------------------------------------------------

    def _advance(self) -> None:
        """Begin the most urgent question that may be asked now, or set the alarm clock for it."""
        while len(self._open) < self._dialect.most_open and self._waiting:
            now = self._clock.now()
            if not self._connection.up:
                self._fail_all(self._connection.reason)
                return
            for late in self._waiting.expired(now):
                owed = self._owed.until(late.request.unit, now)
                why = "busy" if owed is None else "owed an older answer"
                late.end(NoAnswer(f"{self._place(late)}: {why} until the deadline"), now)
            entry, again = self._waiting.take(now, self._held_until)
            if entry is None:
                if again is not None:
                    self._wake_at(again)
                return
            quiet = now if self._open else self._silence.enough_at(entry[3], now)
            free = max(quiet, self._patience.room_at(entry[3], now))
            if free > now:
                self._waiting.put_back(entry)
                self._wake_at(free)
                return
            self._begin(entry[3])

    def _held_until(self, transaction: Transaction, now: Instant) -> Instant | None:
        """Until when this question's answer could be confused with one that is owed."""
        if transaction.request.self_identifying or not self._owed:
            return None
        return self._owed.until(transaction.request.unit, now)

    def _begin(self, transaction: Transaction) -> None:
        request = transaction.request
        tag, frame = self._dialect.frame(request)
        self.units[request.unit].questions += 1
        now = self._clock.now()
        try:
            self._connection.write(frame)
        except OSError as error:
            transaction.end(Absent(f"{self._place(transaction)}: {error}"), now)
            return
        transaction.first_byte = now
        self.waits[transaction.priority].add(ms_between(transaction.submitted, now))
        self._dialect.expect(request, tag)
        question_s, answer_s = self._dialect.line_s(request)
        asked_until = after(now, seconds=question_s)
        self._silence.broken(asked_until)
        wait_s = self._patience.wait_s(transaction)
        timer = self._clock.call_at(
            after(asked_until, seconds=wait_s), partial(self._on_timeout, tag)
        )
        self._open[tag] = UnderWay(
            transaction, now, question_s,
            after(asked_until, seconds=wait_s + answer_s), timer,
        )  # fmt: skip

    # -- what comes back --------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        at = self._clock.now()
        self._silence.since = max(self._silence.since, at)
        late = bool(self._owed) and self._hear_owed(data, at)
        if not self._open:
            if not late:
                self._hear_stray(data, at)
            # what begins now was asked after these bytes
            self._advance()
            return
        for each in self._open.values():
            each.heard += data
        found = self._dialect.feed(data)
        while found is not None:
            self._answered(*found, at)
            found = self._dialect.feed(b"") if self._dialect.most_open > 1 else None
        if reason := self._dialect.broken():
            self._connection.restart(reason)

    def _answered(self, tag: int, reply: Reply, at: Instant) -> None:
        open_ = self._open.pop(tag)
        transaction = open_.transaction
        unit = transaction.request.unit
        self._unanswered = 0
        self._connection.confirm()
        self._news.up()
        count = self.units[unit]
        heard_s = len(open_.heard) * self._dialect.character_s
        turnaround_s = max(0.0, (at - open_.asked) / NS_PER_S - open_.question_s - heard_s)
        count.turnaround.add(turnaround_s * 1000)
        most_s = transaction.timing.turnaround_s
        count.slow += most_s is not None and turnaround_s > most_s + _SLOW_MARGIN_S
        if not transaction.request.self_identifying:
            self._patience.answered(unit, turnaround_s)
        self._note_echo(unit)
        self._heard_of(unit)
        if isinstance(reply, Declined):
            count.refusals += 1
            refused = refusal(self._place(transaction), reply.code)
            self._finish(open_, Result(None, refused, transaction.first_byte, at), "refusal")
        else:
            count.answers += 1
            self._finish(open_, Result(reply, None, transaction.first_byte, at), "answer")

    def _on_timeout(self, tag: int) -> None:
        open_ = self._open[tag]
        transaction = open_.transaction
        now = self._clock.now()
        request = transaction.request
        if request.broadcast:
            del self._open[tag]
            self._finish(open_, Result(None, None, transaction.first_byte, now), "broadcast")
            return
        if open_.heard and now < open_.most:
            # an answer has begun: it gets the time of the longest one
            open_.timer = self._clock.call_at(open_.most, partial(self._on_timeout, tag))
            return
        del self._open[tag]
        seen = self._dialect.seen(tag)
        count = self.units[request.unit]
        waited_ms = ms_between(open_.asked, now) - open_.question_s * 1000
        error = failure(self._place(transaction), seen, waited_ms)
        count.unanswered(seen)
        self._note_echo(request.unit)
        if seen in (Seen.NOISE, Seen.OTHER_UNIT):
            self._hear_stray(bytes(open_.heard), now)
        self._note_unanswered(tag, open_, seen, now)
        result = "silence" if seen is Seen.NOTHING else "garbled"
        self._finish(open_, Result(None, error, transaction.first_byte, now), result)

    def _note_unanswered(self, tag: int, open_: UnderWay, seen: Seen, now: Instant) -> None:
        self._unanswered += 1
        request = open_.transaction.request
        listener = self._dialect.give_up(tag)
        if listener is not None and not request.self_identifying:
            self._owed.note(request.unit, open_.asked, open_.owed_until(), listener)
        if self.quarantine.unheard(request.unit, now, silent=seen in _SILENCE):
            self._prober.plan()
            self._news.lost(request.unit, seen.value)
            for read in self._waiting.reads_of(request.unit):
                read.end(NoAnswer(f"{self._place(read)}: lost"), now)
        patience = self._dialect.patience
        if patience is not None and self._unanswered >= patience:
            self._unanswered = 0
            self._connection.restart(f"{patience} questions in a row stayed unanswered")

    def _hear_owed(self, data: bytes, at: Instant) -> bool:
        """Listen for answers that were given up; one that comes after all sets its device free."""
        came = self._owed.hear(data)
        for unit, asked in came:
            self.units[unit].late += 1
            late_ms = ms_between(asked, at)
            self._patience.answered(unit, late_ms / 1000)
            _log.info("bus=%s unit=%d event=late_answer after_ms=%.0f", self.name, unit, late_ms)
            self._heard_of(unit)
        return bool(came)

    def _hear_stray(self, data: bytes, at: Instant) -> None:
        if self.strays.feed(data, at):
            self._news.babbling(self.strays)

    def _heard_of(self, unit: int) -> None:
        """A device has spoken; if it was lost, it is back."""
        lost = self.quarantine.lost.get(unit)
        if self.quarantine.heard(unit) and lost is not None:
            self._news.back(unit, lost, self._clock.now())

    def _note_echo(self, unit: int) -> None:
        if self._dialect.echoed():
            self.units[unit].echoes += 1
            self._news.echoes(unit, self.units[unit].echoes)

    def _note_probe(self, unit: int) -> None:
        self.units[unit].probes += 1

    # -- ending -----------------------------------------------------------------------------

    def _finish(self, open_: UnderWay, result: Result, how: str) -> None:
        """``open_`` has left ``_open``: the line is free for what its answer causes."""
        open_.timer.cancel()
        transaction = open_.transaction
        self.busy_ns[transaction.priority] += result.at - open_.asked
        self.exchanges.append(open_.exchange(result.at, how))
        if self.strays.babbling and self.strays.quiet(result.at):
            self._news.quiet(self.strays)
        try:
            transaction.done(result)
        finally:
            # a fault in what the answer caused must not stop the line
            if self._waiting:
                self._advance()

    def _fail_all(self, reason: str) -> None:
        now = self._clock.now()
        under_way = list(self._open.values())
        self._open.clear()
        for open_ in under_way:
            open_.timer.cancel()
        for transaction in [*(each.transaction for each in under_way), *self._waiting.clear()]:
            transaction.end(Absent(f"{self._place(transaction)}: {reason}"), now)

    def _on_change(self, up: bool) -> None:
        self._owed.clear()
        self._dialect.restart()
        if up:
            self._silence.since = self._clock.now()
            self._advance()
        else:
            self._news.down(self._connection.reason)
            self._fail_all(self._connection.reason)

    def _wake_at(self, at: Instant) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._clock.call_at(at, self._woken, exact=True)

    def _woken(self) -> None:
        self._wake = None
        self._advance()

    def _place(self, transaction: Transaction) -> str:
        return f"{self.name}/{transaction.request.unit}"
