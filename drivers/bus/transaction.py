"""One question to a Modbus line, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.core.errors import DeviceError
from edge.core.instant import Instant
from edge.core.ports import Class
from protocols.modbus import Answer, Request


@dataclass(frozen=True, slots=True)
class DeviceTiming:
    """How long a device may take, in seconds, counted from the last byte of the question.

    ``timeout_s`` to the first byte of the answer; ``late_s``: an answer that was given up may still
    come this much later, and until then the device is asked nothing else; ``gap_s``: silence the
    device wants before a question, beyond the line's own.
    """

    timeout_s: float
    late_s: float = 1.0
    gap_s: float = 0.0


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
    """A question with its priority. ``deadline``: begun later than this it would be worthless."""

    request: Request
    priority: Class
    deadline: Instant
    timing: DeviceTiming
    done: Callable[[Result], None]
    first_byte: Instant | None = field(default=None, init=False)


@dataclass(slots=True)
class UnitCount:
    """What one address on a line has done since start."""

    questions: int = 0
    answers: int = 0
    refusals: int = 0
    timeouts: int = 0
    garbled: int = 0
    late: int = 0
    turnaround_ms: float = 0.0
