"""One question to a Modbus line, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.core.errors import DeviceError, Garbled, NoAnswer, Refused
from edge.core.histogram import Histogram
from edge.core.instant import Instant, Timer, after
from edge.core.ports import Class
from protocols.modbus import Answer, Request, Seen, exception_name


@dataclass(frozen=True, slots=True)
class DeviceTiming:
    """How long a device may take, in seconds, counted from the last byte of the question.

    ``timeout_s`` to the first byte of the answer; ``late_s``: an answer that was given up may still
    come this much later, and until then the device is not read; ``gap_s``: silence the device wants
    before a question, beyond the line's own; ``turnaround_s``: the longest it takes if it answers,
    None if nobody knows.
    """

    timeout_s: float
    late_s: float = 1.0
    gap_s: float = 0.0
    turnaround_s: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a transaction ended.

    Exactly one of ``answer`` and ``error`` is set, but for a broadcast.
    """

    answer: Answer | None
    error: DeviceError | None
    first_byte: Instant | None
    at: Instant


@dataclass(slots=True, eq=False)
class Transaction:
    """A question: within its class the one with the earliest ``deadline`` goes first.

    ``expires``: begun later than this it would be worthless; None: it waits for its turn.
    """

    request: Request
    priority: Class
    deadline: Instant
    timing: DeviceTiming
    done: Callable[[Result], None]
    expires: Instant | None = None
    submitted: Instant = field(default=Instant(0), init=False)
    first_byte: Instant | None = field(default=None, init=False)

    def end(self, error: DeviceError, at: Instant) -> None:
        """It ended without having been answered."""
        self.done(Result(None, error, self.first_byte, at))


@dataclass(slots=True, eq=False)
class UnderWay:
    """A question on its line. ``most`` is when it ends even if bytes have begun to come."""

    transaction: Transaction
    asked: Instant
    question_s: float
    most: Instant
    timer: Timer
    heard: bytearray = field(default_factory=bytearray)

    def owed_until(self) -> Instant:
        """Until when an answer to it may still come after it was given up."""
        timing = self.transaction.timing
        return after(self.asked, seconds=self.question_s + timing.timeout_s + timing.late_s)

    def exchange(self, at: Instant, how: str) -> Exchange:
        """What it was on the line, if it has ended now."""
        request = self.transaction.request
        priority = self.transaction.priority
        return Exchange(self.asked, at, request.unit, request.function, priority, how)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was on the line from ``begin`` to ``end``: for the schedule around a breach.

    ``result`` is answer, refusal, silence, garbled, broadcast or absent.
    """

    begin: Instant
    end: Instant
    unit: int
    function: int
    priority: Class
    result: str


@dataclass(slots=True)
class UnitCount:
    """What one address on a line has done since start.

    ``timeouts`` nothing came; ``garbled`` something else than an answer came, ``checksum_errors``
    of them with a bad checksum; ``late`` answers came after they had been given up; ``echoes``
    questions came back; ``slow`` answers took longer than the profile says.
    """

    questions: int = 0
    answers: int = 0
    refusals: int = 0
    timeouts: int = 0
    garbled: int = 0
    checksum_errors: int = 0
    late: int = 0
    echoes: int = 0
    slow: int = 0
    probes: int = 0
    turnaround: Histogram = field(default_factory=Histogram)

    def unanswered(self, seen: Seen) -> None:
        """A question was given up."""
        self.timeouts += seen is Seen.NOTHING
        self.garbled += seen is not Seen.NOTHING
        self.checksum_errors += seen is Seen.BAD_CRC

    def body(self) -> dict[str, object]:
        """For status: counts, and the turnaround in milliseconds."""
        return {
            "questions": self.questions,
            "answers": self.answers,
            "refusals": self.refusals,
            "timeouts": self.timeouts,
            "garbled": self.garbled,
            "checksum_errors": self.checksum_errors,
            "late": self.late,
            "echoes": self.echoes,
            "slow": self.slow,
            "probes": self.probes,
            "turnaround": self.turnaround.body(),
        }


def refusal(place: str, code: int) -> Refused:
    """The device said no."""
    return Refused(f"{place}: exception {code} ({exception_name(code)})", code=code)


def failure(place: str, seen: Seen, waited_ms: float) -> DeviceError:
    """What came instead of an answer, or that nothing did."""
    if seen is Seen.NOTHING:
        return NoAnswer(f"{place}: no answer within {waited_ms:.0f} ms")
    return Garbled(f"{place}: no valid answer, but {seen.value}", seen=seen.value)
