"""What questions and answers take on a line, in whole nanoseconds: for the load and the proof.

Frames and silences as in Modbus over serial line V1.02, 2.5.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from drivers.bus.dialect import FIFO_CHARACTERS
from drivers.read_plan import LineCost, PlannedRead, attempts, plan_reads
from edge.analysis.latency.model import Exchange
from edge.app.config.profile import Limits, ModbusPoint, Timing
from edge.core.instant import NS_PER_MS, NS_PER_S
from protocols.modbus import Request
from protocols.modbus_rtu import character_s, rtu_frame, rtu_reply_bytes, silence_s

# Nobody answers a broadcast; the devices get this long to act on it (V1.02, 2.4.1: 100 to 200 ms).
BROADCAST_DELAY_MS = 100


@dataclass(frozen=True, slots=True)
class LineTime:
    """How time passes on one line: seconds per character, and the silence before a frame.

    ``slips``: a late answer could be taken for the next one. ``lead_s``: the driver waits so long
    before the first byte, to switch the line's direction. On TCP bytes take no time.
    """

    character_s: float = 0.0
    silence_s: float = 0.0
    slips: bool = False
    lead_s: float = 0.0

    @property
    def cost(self) -> LineCost:
        """What planning reads must know of the line."""
        return LineCost(self.character_s, self.silence_s)

    def frame_ns(self, characters: int) -> int:
        """This many characters without a pause."""
        return round(characters * self.character_s * NS_PER_S)

    def gap_ns(self, timing: Timing) -> int:
        """The silence before a question to this device."""
        return max(round(self.silence_s * NS_PER_S), timing.gap_ms * NS_PER_MS)

    def exchange(self, request: Request, timing: Timing) -> Exchange:
        """One attempt."""
        if request.broadcast:
            turnaround_ms = timeout_ms = BROADCAST_DELAY_MS
        else:
            turnaround_ms, timeout_ms = timing.turnaround_ms, timing.timeout_ms
        # an adapter may hold so much of an answer back before it tells of it
        hidden = min(rtu_reply_bytes(request), FIFO_CHARACTERS)
        return Exchange(
            gap_ns=self.gap_ns(timing),
            question_ns=self.frame_ns(len(rtu_frame(request))) + round(self.lead_s * NS_PER_S),
            turnaround_ns=turnaround_ms * NS_PER_MS,
            answer_ns=self.frame_ns(rtu_reply_bytes(request)),
            timeout_ns=timeout_ms * NS_PER_MS + self.frame_ns(hidden),
        )

    def plan(
        self,
        points: Mapping[str, ModbusPoint],
        limits: Limits,
        timing: Timing,
        watched: Collection[str] = (),
    ) -> tuple[PlannedRead, ...]:
        """The reads that fetch these points; those that bring a watched one come first."""
        return plan_reads(points, limits, self.cost.with_turnaround(timing), watched)

    def attempts(self, period_ms: int, timing: Timing, exchange: Exchange) -> int:
        """How often a read is asked at most in one poll."""
        question_s = exchange.question_ns / NS_PER_S
        return attempts(period_ms / 1000, timing, question_s, slips=self.slips)


def serial_line(
    baud: int, data_bits: int, parity: str, stop_bits: int, *, lead_s: float = 0.0
) -> LineTime:
    """Modbus RTU with these settings."""
    each_s = character_s(baud, data_bits, parity != "none", stop_bits)
    return LineTime(each_s, silence_s(baud, each_s), slips=True, lead_s=lead_s)
