"""One owner of one Modbus line: who goes next, when it may, and whose answer this is.

A late answer is never taken for the next one. Modbus RTU answers carry no address, so after a
question that stayed unanswered the device *owes* an answer: until it has come, or can no longer
come, that device is not asked anything else. Others on the line, and writes, whose answers repeat
the question, are not held up.

Everything runs in plain callbacks: the answer's last byte, the decision it causes and the first
byte of the resulting command are one call.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from drivers.bus.connection import Connection
from drivers.bus.dialect import Dialect, Reply
from drivers.bus.port import Opener
from drivers.bus.transaction import Result, Transaction, UnitCount
from edge.core.errors import Absent, DeviceError, Garbled, NoAnswer, Refused
from edge.core.instant import NS_PER_S, Clock, Instant, Timer, after, ms_between
from edge.core.ports import Class
from protocols.modbus import Declined, exception_name

_log = logging.getLogger("tongluo.bus")

# Slaves need time to carry a broadcast out before the next question (V1.02, 2.1: 100 to 200 ms).
_BROADCAST_S = 0.1
# A line that never falls silent is spoken on anyway: for a siren at once, else after a while.
_TALK_OVER_S = {Class.ACT: 0.05, Class.WATCH: 0.5, Class.LOG: 0.5}


@dataclass(slots=True)
class _Owed:
    """An answer that has not come: until when it may, and who listens for it."""

    until: Instant
    asked: Instant
    heard: Callable[[bytes], bool]


_Entry = tuple[Class, Instant, int, Transaction]


class Line:
    """The one owner of a line.

    ``submit`` from anywhere on the loop; ``start`` and ``stop`` bracket it.
    """

    def __init__(self, name: str, opener: Opener, dialect: Dialect, clock: Clock) -> None:
        self.name = name
        self.units: dict[int, UnitCount] = defaultdict(UnitCount)
        self.stray_bytes = 0
        self._clock = clock
        self._dialect = dialect
        self._connection = Connection(name, opener, clock, self._on_bytes, self._on_change)
        self._queue: list[_Entry] = []
        self._order = itertools.count()
        self._current: Transaction | None = None
        self._asked = Instant(0)
        self._quiet_from = Instant(0)
        self._wanted_since: Instant | None = None
        self._timer: Timer | None = None
        self._wake: Timer | None = None
        self._owed: dict[int, _Owed] = {}
        self._unanswered = 0

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
        return len(self._queue)

    def start(self) -> None:
        """Open the port; if it is not there, questions end Absent until it is."""
        self._connection.start()

    def stop(self) -> None:
        """Close for good. What was under way or waiting ends Absent."""
        self._connection.stop()
        self._fail_all("the line was closed")

    def owes(self, unit: int) -> bool:
        """Whether this device must not be read now, because an older answer may still come."""
        owed = self._owed.get(unit)
        return owed is not None and owed.until > self._clock.now()

    def submit(self, transaction: Transaction) -> None:
        """Take a question. Its ``done`` is called exactly once, possibly before this returns."""
        heapq.heappush(
            self._queue,
            (transaction.priority, transaction.deadline, next(self._order), transaction),
        )
        if self._current is None:
            self._advance()

    # -- choosing and beginning -------------------------------------------------------------

    def _advance(self) -> None:
        """Begin the most urgent question that may be asked now, or set the alarm clock for it."""
        while self._current is None and self._queue:
            now = self._clock.now()
            if not self._connection.up:
                self._fail_all(self._connection.reason)
                return
            pick = self._pick(now)
            if pick is None:
                return
            free = self._free_at(pick[3], now)
            if free > now:
                heapq.heappush(self._queue, pick)
                self._wake_at(free)
                return
            self._begin(pick[3])

    def _pick(self, now: Instant) -> _Entry | None:
        """The first question in order that is not worthless and not held.

        Worthless ones end here.
        """
        held: list[_Entry] = []
        earliest: Instant | None = None
        pick: _Entry | None = None
        while self._queue and pick is None:
            entry = heapq.heappop(self._queue)
            transaction = entry[3]
            if transaction.deadline < now:
                why = "owed an older answer" if self.owes(transaction.request.unit) else "busy"
                late = NoAnswer(f"{self._place(transaction)}: {why} until the deadline")
                self._end(transaction, late, now)
                continue
            until = self._held_until(transaction, now)
            if until is None:
                pick = entry
            else:
                held.append(entry)
                look_again = min(until, Instant(transaction.deadline + 1))
                earliest = look_again if earliest is None else min(earliest, look_again)
        for entry in held:
            heapq.heappush(self._queue, entry)
        if pick is None and earliest is not None:
            self._wake_at(earliest)
        return pick

    def _held_until(self, transaction: Transaction, now: Instant) -> Instant | None:
        """Until when this question's answer could be confused with one that is owed."""
        request = transaction.request
        owed = self._owed.get(request.unit)
        if owed is None:
            return None
        if owed.until <= now:
            del self._owed[request.unit]
            return None
        return None if request.self_identifying else owed.until

    def _free_at(self, transaction: Transaction, now: Instant) -> Instant:
        """When the line has been silent long enough for this question."""
        gap = max(self._dialect.silence_ns, round(transaction.timing.gap_s * NS_PER_S))
        free = Instant(self._quiet_from + gap)
        if free <= now:
            self._wanted_since = None
            return now
        if self._wanted_since is None:
            self._wanted_since = now
        patience = _TALK_OVER_S[transaction.priority]
        return Instant(min(free, after(self._wanted_since, seconds=gap / NS_PER_S + patience)))

    def _begin(self, transaction: Transaction) -> None:
        request = transaction.request
        frame = self._dialect.frame(request)
        self._wanted_since = None
        self.units[request.unit].questions += 1
        now = self._clock.now()
        try:
            self._connection.write(frame)
        except OSError as error:
            self._end(transaction, Absent(f"{self._place(transaction)}: {error}"), now)
            return
        transaction.first_byte = now
        self._dialect.expect(request)
        self._current = transaction
        self._asked = now
        question_s, answer_s = self._dialect.line_s(request)
        self._quiet_from = after(now, seconds=question_s)
        wait_s = _BROADCAST_S if request.broadcast else transaction.timing.timeout_s + answer_s
        self._timer = self._clock.call_at(after(now, seconds=question_s + wait_s), self._on_timeout)

    # -- what comes back --------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        at = self._clock.now()
        self._quiet_from = max(self._quiet_from, at)
        if self._owed:
            self._hear_owed(data, at)
        transaction = self._current
        if transaction is None:
            self.stray_bytes += len(data)
            if self._dialect.broken():
                self._connection.restart(self._dialect.broken())
            self._advance()
            return
        reply = self._dialect.feed(data)
        if reply is not None:
            self._answered(transaction, reply, at)
        elif self._dialect.broken():
            self._connection.restart(self._dialect.broken())

    def _answered(self, transaction: Transaction, reply: Reply, at: Instant) -> None:
        self._unanswered = 0
        self._connection.confirm()
        count = self.units[transaction.request.unit]
        question_s, answer_s = self._dialect.line_s(transaction.request)
        count.turnaround_ms = ms_between(self._asked, at) - (question_s + answer_s) * 1000
        if isinstance(reply, Declined):
            count.refusals += 1
            name = exception_name(reply.code)
            refused = Refused(
                f"{self._place(transaction)}: exception {reply.code} ({name})", code=reply.code
            )
            self._finish(Result(None, refused, transaction.first_byte, at))
        else:
            count.answers += 1
            self._finish(Result(reply, None, transaction.first_byte, at))

    def _on_timeout(self) -> None:
        self._timer = None
        transaction = self._current
        if transaction is None:
            return
        now = self._clock.now()
        request = transaction.request
        if request.broadcast:
            self._finish(Result(None, None, transaction.first_byte, now))
            return
        seen, used_up = self._dialect.seen()
        count = self.units[request.unit]
        error: DeviceError
        place = self._place(transaction)
        if seen == "nothing":
            count.timeouts += 1
            error = NoAnswer(
                f"{place}: no answer within {transaction.timing.timeout_s * 1000:.0f} ms"
            )
        else:
            count.garbled += 1
            error = Garbled(f"{place}: no valid answer, but {seen}", seen=seen)
        self._note_unanswered(transaction, used_up, now)
        self._finish(Result(None, error, transaction.first_byte, now))

    def _note_unanswered(self, transaction: Transaction, used_up: bool, now: Instant) -> None:
        self._unanswered += 1
        request = transaction.request
        if self._dialect.can_slip and not used_up and not request.self_identifying:
            self._owed[request.unit] = _Owed(
                after(now, seconds=transaction.timing.late_s),
                self._asked,
                self._dialect.listener(),
            )
        patience = self._dialect.patience
        if patience is not None and self._unanswered >= patience:
            self._unanswered = 0
            self._connection.restart(f"{patience} questions in a row stayed unanswered")

    def _hear_owed(self, data: bytes, at: Instant) -> None:
        """Listen for answers that were given up; one that comes after all sets its device free."""
        for unit, owed in list(self._owed.items()):
            if owed.heard(data):
                del self._owed[unit]
                self.units[unit].late += 1
                _log.info(
                    "bus=%s unit=%d event=late_answer after_ms=%.0f",
                    self.name, unit, ms_between(owed.asked, at),
                )  # fmt: skip

    # -- ending -----------------------------------------------------------------------------

    def _finish(self, result: Result) -> None:
        transaction = self._current
        if transaction is None:
            return
        self._current = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            transaction.done(result)
        finally:
            # a fault in what the answer caused must not stop the line
            if self._queue:
                self._advance()

    def _end(self, transaction: Transaction, error: DeviceError, at: Instant) -> None:
        transaction.done(Result(None, error, transaction.first_byte, at))

    def _fail_all(self, reason: str) -> None:
        now = self._clock.now()
        current, self._current = self._current, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queue, self._queue = self._queue, []
        waiting = [entry[3] for entry in sorted(queue)]
        for transaction in waiting if current is None else [current, *waiting]:
            self._end(transaction, Absent(f"{self._place(transaction)}: {reason}"), now)

    def _on_change(self, up: bool) -> None:
        self._owed.clear()
        self._dialect.restart()
        if up:
            self._quiet_from = self._clock.now()
            self._advance()
        else:
            self._fail_all(self._connection.reason)

    def _wake_at(self, at: Instant) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._clock.call_at(at, self._woken)

    def _woken(self) -> None:
        self._wake = None
        if self._current is None:
            self._advance()

    def _place(self, transaction: Transaction) -> str:
        return f"{self.name}/{transaction.request.unit}"
