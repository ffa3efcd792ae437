"""Talking to a line step by step: what is asked is a script, which knows neither time nor ports.

A script is a generator: it yields steps and is sent what came of each. So the same script runs on
a real line, in virtual time, and against a list of answers.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from drivers.bus.line import Line
from drivers.bus.port import OnBytes, OnLost, Opener, Port
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from edge.app.clock import RealClock
from edge.app.commissioning.place import OpenerOf, Place, SerialPlace, real_opener
from edge.core.errors import Absent, DeviceError, NoAnswer, Refused
from edge.core.instant import NS_PER_S, Clock, Timer, after
from edge.core.ports import Class
from protocols.modbus import Answer, Declined, Request
from protocols.modbus_rtu import RtuReader

T = TypeVar("T")
Reply = Answer | Declined

# Answers are listened for this long after their question was given up, in questions.
_OVERHEARD = 8


@dataclass(frozen=True, slots=True)
class Tune:
    """Close the line that is open, open this one. Fails with Absent."""

    place: Place


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask once. The answer must begin within ``timeout_s`` of the question's end."""

    request: Request
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Say nothing for so long."""

    seconds: float


Step = Tune | Ask | Listen


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a step.

    ``reply`` is the answer to an Ask, a refusal too; else ``error`` says why there is none.
    ``turnaround_ms`` is from the question's end to the answer's begin. ``late`` are answers to
    earlier questions that came meanwhile; ``unasked`` counts the bytes that came during a Listen.
    """

    reply: Reply | None = None
    error: DeviceError | None = None
    turnaround_ms: float = 0.0
    late: tuple[Reply, ...] = ()
    unasked: int = 0

    @property
    def silent(self) -> bool:
        """Whether nothing came at all."""
        return isinstance(self.error, NoAnswer)


Script = Generator[Step, Heard, T]


class Talk:
    """Carries out steps one at a time, on one line at a time. ``close`` leaves the line silent."""

    def __init__(self, clock: Clock, opener_of: OpenerOf = real_opener) -> None:
        self._clock = clock
        self._opener_of = opener_of
        self._line: Line | None = None
        self._place: Place | None = None
        self._missed: deque[tuple[Request, RtuReader]] = deque(maxlen=_OVERHEARD)
        self._late: list[Reply] = []
        self._bytes = 0
        self._timer: Timer | None = None

    def close(self) -> None:
        """Give up the open question, if any, and the port. Harmless twice."""
        if self._timer is not None:
            self._timer.cancel()
        line, self._line = self._line, None
        if line is not None:
            line.stop()

    def carry_out(self, step: Step, done: Callable[[Heard], None]) -> None:
        """``done`` is called exactly once, possibly before this returns; never after ``close``."""
        match step:
            case Tune():
                done(self._tune(step.place))
            case Ask():
                self._ask(step, done)
            case Listen():
                before = self._bytes
                at = after(self._clock.now(), seconds=step.seconds)
                self._timer = self._clock.call_at(at, lambda: done(self._listened(before)))

    def _tune(self, place: Place) -> Heard:
        self.close()
        self._missed.clear()
        self._late.clear()
        self._place = place
        opener = self._tap(self._opener_of(place))
        line = Line(str(place), opener, place.dialect, self._clock)
        line.start()
        if not line.up:
            line.stop()
            return Heard(error=Absent(line.reason))
        self._line = line
        return Heard()

    def _tap(self, opener: Opener) -> Opener:
        """The opener, with an ear on what comes in."""

        def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
            def heard(data: bytes) -> None:
                self._overhear(data)
                on_bytes(data)

            return opener(heard, on_lost)

        return open_port

    def _overhear(self, data: bytes) -> None:
        """Slow devices answer after they were given up: their answers count all the same."""
        self._bytes += len(data)
        for entry in list(self._missed):
            reply = entry[1].feed(data)
            if reply is not None:
                self._missed.remove(entry)
                self._late.append(reply)

    def _ask(self, step: Ask, done: Callable[[Heard], None]) -> None:
        line = self._line
        if line is None:
            done(Heard(error=Absent("no line is open")))
            return
        # asked again, its late answer is the answer
        for entry in [each for each in self._missed if each[0] == step.request]:
            self._missed.remove(entry)
        # nothing is held back for what may come late: the reader of the older question hears it
        timing = DeviceTiming(step.timeout_s, late_s=0.0)
        line.submit(
            Transaction(
                step.request, Class.LOG, self._clock.now(), timing, partial(self._asked, step, done)
            )
        )

    def _asked(self, step: Ask, done: Callable[[Heard], None], result: Result) -> None:
        if self._line is None:
            return  # closed: whoever asked has gone
        request, error = step.request, result.error
        reply: Reply | None = result.answer
        if isinstance(error, Refused):
            reply, error = Declined(request.unit, request.function, error.code), None
        turnaround_ms = 0.0
        if reply is not None and result.first_byte is not None:
            taken_s = (result.at - result.first_byte) / NS_PER_S
            turnaround_ms = max(0.0, (taken_s - self._line_s(request, reply)) * 1000)
        elif isinstance(self._place, SerialPlace) and not isinstance(error, Absent):
            self._missed.append((request, RtuReader(request)))
        done(Heard(reply, error, turnaround_ms, self._take_late()))

    def _line_s(self, request: Request, reply: Reply) -> float:
        """Seconds of the question and this very answer on the line."""
        if self._place is None:
            return 0.0
        question_s, _ = self._place.dialect.line_s(request)
        answer_bytes = 5 if isinstance(reply, Declined) else len(reply.body) + 4
        return question_s * (1 + answer_bytes / (len(request.pdu) + 3))

    def _listened(self, before: int) -> Heard:
        return Heard(late=self._take_late(), unasked=self._bytes - before)

    def _take_late(self) -> tuple[Reply, ...]:
        late, self._late = tuple(self._late), []
        return late


async def converse(script: Script[T], opener_of: OpenerOf = real_opener) -> T:
    """Run a script on the running loop. Cancelled or failed, the line is closed and silent."""
    talk = Talk(RealClock(), opener_of)
    loop = asyncio.get_running_loop()
    try:
        step = next(script)
        while True:
            heard: asyncio.Future[Heard] = loop.create_future()
            talk.carry_out(step, partial(_settle, heard))
            step = script.send(await heard)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        talk.close()
        script.close()


def _settle(future: asyncio.Future[Heard], heard: Heard) -> None:
    if not future.done():
        future.set_result(heard)


def run(script: Script[T], opener_of: OpenerOf = real_opener) -> T:
    """Run a script on a loop of its own. Ctrl-C ends it with KeyboardInterrupt, the line closed."""

    def loop() -> asyncio.AbstractEventLoop:
        # epoll would round each silence of a line up to whole milliseconds
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(converse(script, opener_of))
