"""A serial line's time, without I/O: when a request has been heard, when an answer has arrived.

A pseudo-terminal and an in-memory port hand over all bytes at once. This says what a wire would
have done: n characters occupy the line for n character times in either direction.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import Slave

Kind = Literal["request", "answer", "unasked"]
_LONGEST_FRAME = 512
# What is said without pause on a line without line time would otherwise never end.
_SHORTEST_SPEECH_NS = 1_000_000
_LONG_AGO_NS = -(10**18)


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """One frame as the line saw it; times are CLOCK_MONOTONIC ns, shared between processes.

    request: ``first_ns`` is when the twin saw the first byte, which is when the master wrote it;
    ``last_ns`` when the last byte had passed at line speed. answer, unasked: ``first_ns`` is the
    start of transmission at line speed, ``last_ns`` is taken directly before the last byte is
    handed to the master.
    """

    line: str
    kind: Kind
    first_ns: int
    last_ns: int
    frame: bytes

    def as_json(self) -> dict[str, object]:
        """For a log of one JSON object per line."""
        return {
            "line": self.line,
            "kind": self.kind,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "hex": self.frame.hex(),
        }


OnFrame = Callable[[FrameStamp], None]


@dataclass(frozen=True, slots=True)
class Emission:
    """Bytes that reach the master at ``at_ns``; the last piece of a frame brings it whole."""

    at_ns: int
    piece: bytes
    kind: Kind
    first_ns: int
    frame: bytes | None


class PacedLine:
    """Carries a slave over a line with line time. Ask ``wake_ns``, then call ``due``.

    counters: frames by kind; ``overlaps`` requests begun while an answer was still on the line,
    ``short_gaps`` requests begun after less than the silent interval; ``bytes_in``, ``bytes_out``.
    """

    def __init__(
        self,
        slave: Slave,
        time: LineTime,
        *,
        bytewise: bool = False,
        name: str = "",
        on_frame: OnFrame | None = None,
    ) -> None:
        self.slave = slave
        self.time = time
        self.name = name
        self.counters: Counter[str] = Counter()
        self._bytewise = bytewise
        self._on_frame = on_frame
        self._order = itertools.count()
        self._incoming: deque[tuple[int, int, bytes]] = deque()  # line start, seen, chunk
        self._incoming_end = _LONG_AGO_NS
        self._seen: deque[int] = deque(maxlen=_LONGEST_FRAME)
        self._waiting: list[tuple[int, int, Kind, bytes]] = []  # heap: start, order
        self._outgoing: deque[Emission] = deque()
        self._outgoing_end = self._sent = _LONG_AGO_NS
        self._speak_at: int | None = None
        self._heard_at = 0
        slave.on_request = self._heard

    def reset(self) -> None:
        """Everything on the line is lost."""
        self._incoming.clear()
        self._waiting.clear()
        self._outgoing.clear()
        self._incoming_end = self._outgoing_end = self._sent = _LONG_AGO_NS
        self._speak_at = None
        self.slave.reset()

    def arrive(self, data: bytes, now_ns: int) -> None:
        """The master has begun to send these bytes."""
        if now_ns >= self._incoming_end and data:
            self._judge_gap(now_ns)
        start = max(now_ns, self._incoming_end)
        self._incoming.append((start, now_ns, data))
        self._incoming_end = start + self.time.ns(len(data))
        self.counters["bytes_in"] += len(data)

    def poke(self, now_ns: int) -> None:
        """Let the devices begin to speak unasked, if they have something to say since."""
        pause_ms = self.slave.speaks_every_ms
        if pause_ms is None:
            self._speak_at = None
        elif self._speak_at is None:
            self._speak_at = now_ns + round(pause_ms * 1e6)

    def wake_ns(self) -> int | None:
        """When ``due`` has something to do next; None: only after ``arrive`` or ``poke``."""
        times = []
        if self._incoming:
            start, _, data = self._incoming[0]
            times.append(start + self.time.ns(len(data)))
        if self._waiting:
            times.append(self._waiting[0][0])
        if self._outgoing:
            times.append(self._outgoing[0].at_ns)
        if self._speak_at is not None:
            times.append(self._speak_at)
        return min(times, default=None)

    def due(self, now_ns: int) -> list[Emission]:
        """What has reached the master by now, in order. Report each with ``sent``."""
        while self._incoming:
            start, seen, data = self._incoming[0]
            if start + self.time.ns(len(data)) > now_ns:
                break
            self._incoming.popleft()
            self._listen(start, seen, data)
        self._speak(now_ns)
        while self._waiting and self._waiting[0][0] <= now_ns:
            start, _, kind, data = heapq.heappop(self._waiting)
            self._transmit(start, kind, data)
        ready = []
        while self._outgoing and self._outgoing[0].at_ns <= now_ns:
            ready.append(self._outgoing.popleft())
        return ready

    def sent(self, emission: Emission, now_ns: int) -> None:
        """This emission is being handed to the master."""
        self.counters["bytes_out"] += len(emission.piece)
        self._sent = now_ns
        if emission.frame is not None:
            self._log(emission.kind, emission.first_ns, now_ns, emission.frame)

    def _judge_gap(self, now_ns: int) -> None:
        # _sent is taken before the bytes are handed over, so a master that keeps the silence is
        # never counted here, however the machine is loaded.
        if self._outgoing and self._outgoing[0].first_ns <= now_ns:
            self.counters["overlaps"] += 1
        elif now_ns - max(self._sent, self._incoming_end) < self.time.silence_ns:
            self.counters["short_gaps"] += 1

    def _listen(self, start: int, seen: int, data: bytes) -> None:
        for index in range(len(data)):
            self._seen.append(seen)
            self._heard_at = start + self.time.ns(index + 1)
            for delay_ms, answer in self.slave.feed(data[index : index + 1]):
                at = self._heard_at + round(delay_ms * 1e6)
                heapq.heappush(self._waiting, (at, next(self._order), "answer", answer))

    def _heard(self, frame: bytes) -> None:
        first = self._seen[-min(len(frame), len(self._seen))]
        self._log("request", first, self._heard_at, frame)

    def _speak(self, now_ns: int) -> None:
        if self._speak_at is None or self._speak_at > now_ns:
            return
        pause_ms = self.slave.speaks_every_ms
        if pause_ms is None:
            self._speak_at = None
            return
        said = self.slave.speak()
        if said:
            self._transmit(self._speak_at, "unasked", said)
        pause = max(round(pause_ms * 1e6), _SHORTEST_SPEECH_NS)
        self._speak_at = max(self._speak_at + pause, self._outgoing_end)

    def _transmit(self, at: int, kind: Kind, data: bytes) -> None:
        start = max(at, self._outgoing_end)
        self._outgoing_end = start + self.time.ns(len(data))
        size = 1 if self._bytewise else len(data)
        for begin in range(0, len(data), size):
            end = min(begin + size, len(data))
            whole = data if end == len(data) else None
            at_ns = start + self.time.ns(end)
            self._outgoing.append(Emission(at_ns, data[begin:end], kind, start, whole))

    def _log(self, kind: Kind, first: int, last: int, frame: bytes) -> None:
        self.counters[kind] += 1
        if self._on_frame is not None:
            self._on_frame(FrameStamp(self.name, kind, first, last, frame))
