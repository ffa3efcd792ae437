"""Which record goes next: alarms first, refused ones later, none skipped. Pure.

Every urgency class is a lane that walks the journal by itself, so an alarm never waits behind older
telemetry. A record leaves the books only when the peer accepted it. What the peer refuses is held
and tried again; a kind that is refused again and again is closed, and only single records of it are
tried until one is accepted, while all other kinds go on.

Times are arguments: seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from protocols.envelope import Envelope
from uplink.ranges import Ranges

URGENCIES: Final = (0, 1, 2)
ALARM: Final = 0

LEASE_RECORDS: Final = 64
LEASE_BYTES: Final = 64 * 1024
LOW_WATER: Final = 32
"""A lane with fewer records in memory asks for more."""

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 300.0
LAST_ALARM_RETRY_S: Final = 30.0
"""An alarm that was refused is offered more often: whoever repairs the broker waits for it."""

REFUSALS_TO_CLOSE: Final = 3
"""One refused record may be bad in itself; three in a row of one kind are about the topic."""

PROBES: Final = 8
"""Records of a closed kind kept in memory to try it with; the others stay in the journal."""

LOSSES_TO_HOLD: Final = 3
"""A record during which the connection broke three times may be what breaks it."""


DOUBT_S: Final = 5.0
"""Brokers acknowledge from memory. What one accepted so shortly before the connection to it broke
may have died with it, and is sent again."""
MOST_DOUBTED: Final = 4096

UNHEARD_S: Final = 600.0
"""What the broker accepts but has no subscriber for is kept back for so long: a district that just
restarts then misses nothing. A broker that says this for longer feeds something else than
subscribers, or nobody wants the kind: from then on its word is taken, until one is heard."""


@dataclass(frozen=True, slots=True)
class Want:
    """Records of one class after ``after``, in order, without the kinds in ``without``."""

    urgency: int
    after: int
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lease:
    """What the journal had: nothing of the class between ``want.after`` and ``upto`` was left out.

    ``exhausted`` says that the journal had no more at that moment.
    """

    want: Want
    records: tuple[Envelope, ...]
    upto: int
    exhausted: bool


@dataclass(slots=True)
class _Held:
    record: Envelope
    retry_at_s: float = 0.0
    refusals: int = 0
    losses: int = 0
    unheard: int = 0

    @property
    def tries(self) -> int:
        return self.refusals + self.unheard


@dataclass(slots=True)
class _Gate:
    """Of one kind. Closed, it lets one record through at a time, and each later than the last."""

    declined: set[int] = field(default_factory=set)
    waits: int = 0
    retry_at_s: float = 0.0
    probe: int | None = None

    @property
    def closed(self) -> bool:
        return len(self.declined) >= REFUSALS_TO_CLOSE


@dataclass(slots=True)
class _Lane:
    urgency: int
    after: int = 0
    exhausted: bool = False
    ready: dict[int, Envelope] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    """For a closed kind: it is on the books up to here, and left in the journal from here on."""

    def fresh(self, kind: str) -> list[int]:
        """What of a kind is in memory and was not yet tried."""
        return [seq for seq, record in self.ready.items() if record.kind == kind]


def _retry_s(urgency: int, count: int) -> float:
    last_s = LAST_ALARM_RETRY_S if urgency == ALARM else LAST_RETRY_S
    return float(min(FIRST_RETRY_S * 2.0 ** min(count - 1, 16), last_s))


class Outbox:
    """The undelivered records of one journal file and one link."""

    def __init__(self, settled: Ranges) -> None:
        self.settled = settled
        """What is delivered, or no longer in the journal."""
        self._lanes = tuple(_Lane(urgency) for urgency in URGENCIES)
        self._flying: dict[int, _Held] = {}
        self._held: dict[int, _Held] = {}
        self._recent: deque[tuple[float, _Held]] = deque(maxlen=MOST_DOUBTED)
        self._gates: dict[str, _Gate] = {}
        self._deaf_since_s: dict[str, float] = {}

    # ---- from the journal

    def wants(self) -> tuple[Want, ...]:
        """What to ask the journal for now; empty while there is enough in memory."""
        wants = []
        for lane in self._lanes:
            for kind in [kind for kind in lane.parked if not lane.fresh(kind)]:
                # all that was kept has been tried: go back for more
                lane.after = min(lane.after, lane.parked.pop(kind))
                lane.exhausted = False
            if not lane.exhausted and self._open_ready(lane) < LOW_WATER:
                lane.after = max(lane.after, self.settled.run_end(lane.after + 1))
                wants.append(Want(lane.urgency, lane.after, frozenset(lane.parked)))
        return tuple(wants)

    def load(self, lease: Lease) -> None:
        """Take over what the journal had for a want."""
        lane = self._lanes[lease.want.urgency]
        books = {*lane.ready, *self._flying, *self._held}
        for record in lease.records:
            if record.seq in books or record.seq in self.settled or record.kind in lane.parked:
                continue
            if self._is_closed(record.kind) and len(lane.fresh(record.kind)) >= PROBES:
                lane.parked[record.kind] = record.seq - 1
            else:
                lane.ready[record.seq] = record
        if lane.after == lease.want.after:  # else it went back while the journal was read
            lane.after = lease.upto
            lane.exhausted = lease.exhausted

    def look_again(self) -> None:
        """The journal may have grown."""
        for lane in self._lanes:
            lane.exhausted = False

    def settle_absent(self) -> None:
        """Count as settled what the journal no longer holds, so that the books stay short."""
        walked = min(min((lane.after, *lane.parked.values())) for lane in self._lanes)
        open_ = {*self._flying, *self._held}.union(*(lane.ready for lane in self._lanes))
        after = 0
        for seq in sorted(seq for seq in open_ if seq <= walked):
            self.settled.add(after + 1, seq - 1)
            after = seq
        self.settled.add(after + 1, walked)

    # ---- to the peer

    def start(self, now_s: float, window: int, *, alarms_only: bool = False) -> Envelope | None:
        """The record to send now, most urgent first; None if there is none or the window is full.

        One place of the window is kept for alarms.
        """
        for lane in self._lanes[:1] if alarms_only else self._lanes:
            keep = 0 if lane.urgency == ALARM or window < 2 else 1
            if len(self._flying) >= window - keep:
                return None
            candidates = self._candidates(lane, now_s)
            record = min(candidates, key=lambda each: each.seq, default=None)
            if record is not None:
                return self._launch(lane, record)
        return None

    def accepted(self, seq: int, now_s: float, *, heard: bool = True) -> bool:
        """The peer took it, and its kind is open from here on. False if it goes out again.

        That is so for what was not ``heard`` by anybody, for a while.
        """
        kind = self._flying[seq].record.kind
        if heard:
            self._deaf_since_s.pop(kind, None)
        elif now_s - self._deaf_since_s.setdefault(kind, now_s) < UNHEARD_S:
            self._flying[seq].unheard += 1
            self._hold(seq, now_s)
            return False
        held = self._flying.pop(seq)
        self.settled.add(seq)
        while self._recent and now_s - self._recent[0][0] > DOUBT_S:
            self._recent.popleft()
        self._recent.append((now_s, held))
        gate = self._gates.pop(kind, None)
        if gate is not None and gate.closed:
            self._reopen(kind)
        return True

    def doubt(self, now_s: float) -> int:
        """The connection broke: what was accepted last goes out again. Returns how many records."""
        count = len(self._recent)
        for _, held in self._recent:
            self.settled.discard(held.record.seq)
            held.retry_at_s = now_s
            self._held[held.record.seq] = held
        self._recent.clear()
        return count

    def refused(self, seq: int, now_s: float) -> None:
        """The peer declined it: hold it back, and its kind too if that is what is declined."""
        self._flying[seq].refusals += 1
        self._hold(seq, now_s)

    def lost(self, seq: int, now_s: float) -> None:
        """The connection ended before an answer came; it goes out again, perhaps a second time."""
        held = self._flying.pop(seq)
        held.losses += 1
        held.retry_at_s = now_s
        if held.losses >= LOSSES_TO_HOLD and held.record.urgency != ALARM:
            held.retry_at_s += _retry_s(held.record.urgency, held.losses - LOSSES_TO_HOLD + 1)
        self._held[seq] = held
        gate = self._gates.get(held.record.kind)
        if gate is not None and gate.probe == seq:
            gate.probe = None

    def next_due(self) -> float | None:
        """When a held record or a closed kind may be tried again; None if nothing is held."""
        times = [
            gate.retry_at_s for gate in self._gates.values() if gate.closed and gate.probe is None
        ]
        times += [
            held.retry_at_s for held in self._held.values() if not self._is_closed(held.record.kind)
        ]
        return min(times, default=None)

    @property
    def in_flight(self) -> int:
        """Records sent and not yet answered."""
        return len(self._flying)

    @property
    def held_refused(self) -> int:
        """Records that the peer declined and that wait for another try."""
        return sum(1 for held in self._held.values() if held.refusals)

    @property
    def held_unheard(self) -> int:
        """Records that were accepted and heard by nobody, and that wait for another try."""
        return sum(1 for held in self._held.values() if held.unheard)

    @property
    def closed_kinds(self) -> tuple[str, ...]:
        """Kinds of which only single records are tried at present."""
        return tuple(sorted(kind for kind, gate in self._gates.items() if gate.closed))

    # ---- inside

    def _hold(self, seq: int, now_s: float) -> None:
        held = self._held[seq] = self._flying.pop(seq)
        urgency, kind = held.record.urgency, held.record.kind
        held.retry_at_s = now_s + _retry_s(urgency, held.tries)
        gate = self._gates.setdefault(kind, _Gate())
        was_closed, was_probe = gate.closed, gate.probe == seq
        gate.declined.add(seq)
        if was_probe or (gate.closed and not was_closed):
            gate.probe = None
            gate.waits += 1
            gate.retry_at_s = now_s + _retry_s(urgency, gate.waits)
        if gate.closed and not was_closed:
            self._park(kind)

    def _is_closed(self, kind: str) -> bool:
        gate = self._gates.get(kind)
        return gate is not None and gate.closed

    def _open_ready(self, lane: _Lane) -> int:
        return sum(1 for record in lane.ready.values() if not self._is_closed(record.kind))

    def _candidates(self, lane: _Lane, now_s: float) -> Iterator[Envelope]:
        """What of a lane may be sent now; of a closed kind one record, best one not yet tried."""
        held = [each for each in self._held.values() if each.record.urgency == lane.urgency]
        for record in lane.ready.values():
            if not self._is_closed(record.kind):
                yield record
        for each in held:
            if not self._is_closed(each.record.kind) and each.retry_at_s <= now_s:
                yield each.record
        for kind, gate in self._gates.items():
            if gate.closed and gate.probe is None and gate.retry_at_s <= now_s:
                if fresh := lane.fresh(kind):
                    yield lane.ready[min(fresh)]
                elif tried := [each for each in held if each.record.kind == kind]:
                    yield min(tried, key=lambda each: each.retry_at_s).record

    def _launch(self, lane: _Lane, record: Envelope) -> Envelope:
        lane.ready.pop(record.seq, None)
        held = self._held.pop(record.seq) if record.seq in self._held else _Held(record)
        self._flying[record.seq] = held
        gate = self._gates.get(record.kind)
        if gate is not None and gate.closed:
            gate.probe = record.seq
        return record

    def _park(self, kind: str) -> None:
        for lane in self._lanes:
            spare = sorted(lane.fresh(kind))[PROBES:]
            if spare:
                lane.parked[kind] = spare[0] - 1
            for seq in spare:
                del lane.ready[seq]

    def _reopen(self, kind: str) -> None:
        """What is parked follows when what is in memory was sent."""
        for held in self._held.values():
            if held.record.kind == kind:
                held.retry_at_s = 0.0
