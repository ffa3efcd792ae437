"""What goes next: alarms overtake, refusals wait, nothing is skipped and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.envelope import Envelope
from uplink.outbox import (
    DOUBT_S,
    LAST_ALARM_RETRY_S,
    LAST_RETRY_S,
    LOSSES_TO_HOLD,
    PROBES,
    REFUSALS_TO_CLOSE,
    UNHEARD_S,
    Lease,
    Outbox,
    Want,
)
from uplink.ranges import Ranges

KINDS = (("alarm", 0), ("outcome", 0), ("birth", 1), ("block", 2), ("health", 2))


def record(seq: int, kind: str = "block", urgency: int = 2) -> Envelope:
    return Envelope("0a1b2c3d", seq, kind, urgency, 0, "synced", b"")


def lease(records: Iterable[Envelope], want: Want, limit: int = 64) -> Lease:
    """What the journal's lease does, on a list."""
    everything = sorted(records, key=lambda each: each.seq)
    tail = max((each.seq for each in everything), default=0)
    found = [
        each
        for each in everything
        if each.urgency == want.urgency and each.seq > want.after and each.kind not in want.without
    ][:limit]
    exhausted = len(found) < limit
    return Lease(
        want, tuple(found), max(tail, want.after) if exhausted else found[-1].seq, exhausted
    )


def filled(*records: Envelope) -> Outbox:
    outbox = Outbox(Ranges())
    load(outbox, records)
    return outbox


def load(outbox: Outbox, records: Iterable[Envelope]) -> None:
    everything = tuple(records)
    outbox.look_again()
    while wants := outbox.wants():
        for want in wants:
            outbox.load(lease(everything, want))


def drain(outbox: Outbox, window: int = 100, now_s: float = 0.0) -> list[int]:
    seqs = []
    while (each := outbox.start(now_s, window)) is not None:
        seqs.append(each.seq)
    return seqs


def test_alarms_go_before_older_telemetry() -> None:
    """By urgency first, by number within one."""
    outbox = filled(
        record(1),
        record(2),
        record(3, "birth", 1),
        record(4, "alarm", 0),
        record(5),
        record(6, "outcome", 0),
    )
    assert drain(outbox) == [4, 6, 3, 1, 2, 5]


def test_a_new_alarm_overtakes_a_backlog_in_flight() -> None:
    """The next record started after the alarm was committed is the alarm.

    A place is kept for it.
    """
    backlog = [record(seq) for seq in range(1, 1000)]
    outbox = filled(*backlog)
    assert len(drain(outbox, window=10)) == 9
    load(outbox, [*backlog, record(1000, "alarm", 0)])
    assert drain(outbox, window=10) == [1000]


def test_after_a_nudge_only_alarms_are_started() -> None:
    """Until the journal was looked at."""
    outbox = filled(record(1), record(2, "birth", 1), record(3, "alarm", 0))
    assert [each and each.seq for each in (outbox.start(0.0, 9, alarms_only=True),)] == [3]
    assert outbox.start(0.0, 9, alarms_only=True) is None
    assert drain(outbox) == [2, 1]


def test_a_window_of_one_serves_all() -> None:
    """The kept place must not starve telemetry."""
    outbox = filled(record(1))
    assert drain(outbox, window=1) == [1]


def test_delivered_is_known_exactly() -> None:
    """Delivered ahead of the prefix stays delivered after a restart; nothing else does."""
    records = [record(1), record(2), record(3, "alarm", 0), record(4)]
    outbox = filled(*records)
    assert drain(outbox) == [3, 1, 2, 4]
    outbox.accepted(3, 0.0)
    outbox.accepted(2, 0.0)
    outbox.settle_absent()
    assert list(outbox.settled) == [(2, 3)]
    again = Outbox(Ranges(outbox.settled))
    load(again, records)
    assert drain(again) == [1, 4]


def test_evicted_numbers_are_settled() -> None:
    """Holes in the journal join the delivered prefix, but only as far as it was walked."""
    outbox = filled(record(3), record(7))
    assert drain(outbox) == [3, 7]
    outbox.accepted(3, 0.0)
    outbox.settle_absent()
    assert list(outbox.settled) == [(1, 6)]


def test_a_refused_record_comes_back_later_and_later() -> None:
    """1 s, 2 s, 4 s ... 300 s; an alarm never later than 30 s."""
    for kind, urgency, last_s in (("block", 2, LAST_RETRY_S), ("alarm", 0, LAST_ALARM_RETRY_S)):
        outbox, now_s, waits = filled(record(1, kind, urgency)), 0.0, []
        for _ in range(12):
            assert drain(outbox, now_s=now_s) == [1]
            outbox.refused(1, now_s)
            due_s = outbox.next_due()
            assert due_s is not None
            assert drain(outbox, now_s=due_s - 0.001) == []
            waits.append(due_s - now_s)
            now_s = due_s
        assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
        assert waits[-1] == last_s
        assert outbox.held_refused == 1


def test_one_bad_record_does_not_stop_its_kind() -> None:
    """Others of the kind go on while it waits."""
    outbox = filled(*(record(seq) for seq in range(1, 20)))
    assert drain(outbox, window=2) == [1]
    outbox.refused(1, 0.0)
    assert drain(outbox) == list(range(2, 20))
    assert outbox.closed_kinds == ()


def test_a_refused_kind_is_probed_and_the_others_go_on() -> None:
    """Three refusals close a kind: then one record at a time, each later than the last."""
    records = [record(seq) for seq in range(1, 500)] + [record(500, "health", 2)]
    outbox = filled(*records)
    for seq in drain(outbox, window=REFUSALS_TO_CLOSE + 1):
        outbox.refused(seq, 0.0)
    assert outbox.closed_kinds == ("block",)
    load(outbox, records)
    assert drain(outbox) == [500]
    now_s, probes, waits = 0.0, [], []
    for _ in range(40):
        due_s = outbox.next_due()
        assert due_s is not None
        probe = drain(outbox, now_s=due_s)
        assert len(probe) == 1
        outbox.refused(probe[0], due_s)
        load(outbox, records)
        probes += probe
        waits.append(due_s - now_s)
        now_s = due_s
    assert probes == list(range(4, 44)), "each probe is a record that was not tried yet"
    assert waits[-1] == LAST_RETRY_S
    assert outbox.held_refused == 43


def test_an_accepted_probe_opens_the_kind() -> None:
    """All that was refused, and all that was left in the journal, follows at once."""
    records = [record(seq) for seq in range(1, 300)]
    outbox = filled(*records)
    for seq in drain(outbox, window=REFUSALS_TO_CLOSE + 1):
        outbox.refused(seq, 0.0)
    load(outbox, records)
    outbox.settle_absent()
    assert outbox.settled.count == 0
    probe = drain(outbox, now_s=1.0)
    assert probe == [4]
    outbox.accepted(4, 1.0)
    assert len(drain(outbox, window=9, now_s=1.0)) == 8
    for seq in (1, 2, 3, 5, 6, 7, 8, 9):
        outbox.accepted(seq, 1.0)
    assert drain(outbox, now_s=1.0) == [10, 11]
    assert outbox.wants(), "at once, not with the next look into the journal"
    outbox.lost(10, 1.0)
    outbox.lost(11, 1.0)
    seqs = [5, 6, 7, 8, 9, 1, 2, 3]
    load(outbox, records)
    while more := drain(outbox, now_s=1.0):
        for seq in more:
            outbox.accepted(seq, 1.0)
        seqs += more
        load(outbox, records)
    assert sorted(seqs) == [1, 2, 3, *range(5, 300)]
    outbox.settle_absent()
    assert list(outbox.settled) == [(1, 299)]


def test_an_open_kind_need_not_wait() -> None:
    """What was refused often, and would wait long, goes out with the rest."""
    outbox = filled(*(record(seq) for seq in range(1, 5)))
    for now_s in (0.0, 1.0, 3.0):
        assert drain(outbox, window=2, now_s=now_s) == [1]
        outbox.refused(1, now_s)
    assert drain(outbox, window=3, now_s=3.0) == [2, 3]
    outbox.refused(2, 3.0)
    outbox.refused(3, 3.0)
    assert drain(outbox, now_s=4.0) == [4]
    outbox.accepted(4, 4.0)
    assert drain(outbox, now_s=4.0) == [1, 2, 3]


def test_a_lease_from_before_going_back_skips_nothing() -> None:
    """What was read with a kind left out says nothing about that kind."""
    records = [record(seq) for seq in range(1, 101)]
    outbox = filled(*records)
    for seq in drain(outbox, window=REFUSALS_TO_CLOSE + 1):
        outbox.refused(seq, 0.0)
    stale = outbox.wants()[-1]
    assert stale.without == {"block"}
    for now_s in range(1000, 1000 * (PROBES + 1), 1000):
        (probe,) = drain(outbox, now_s=now_s)
        outbox.refused(probe, now_s)
    assert outbox.wants()[-1].after < stale.after
    outbox.load(lease(records, stale))
    load(outbox, records)
    seqs: list[int] = []
    while more := drain(outbox, now_s=100_000.0):
        for seq in more:
            outbox.accepted(seq, 100_000.0)
        seqs += more
        load(outbox, records)
    assert sorted(seqs) == list(range(1, 101))


def test_a_lost_record_goes_out_again_at_once() -> None:
    """Before what comes after it."""
    outbox = filled(record(1), record(2))
    assert drain(outbox, window=2) == [1]
    outbox.lost(1, 5.0)
    assert drain(outbox, now_s=5.0) == [1, 2]


def test_what_breaks_the_connection_again_and_again_is_held() -> None:
    """So that it cannot keep the rest away for ever; an alarm is never held for that."""
    outbox = filled(record(1), record(2, "alarm", 0))
    for _ in range(LOSSES_TO_HOLD):
        assert drain(outbox) == [2, 1]
        outbox.lost(1, 0.0)
        outbox.lost(2, 0.0)
    assert drain(outbox) == [2]
    assert drain(outbox, now_s=1.0) == [1]


def test_what_was_accepted_last_is_sent_again_after_a_break() -> None:
    """A broker's acknowledgement is as durable as its memory; 5 s of it are doubted, no more."""
    outbox = filled(*(record(seq) for seq in range(1, 5)))
    assert drain(outbox) == [1, 2, 3, 4]
    for seq, at_s in ((1, 0.0), (2, 10.0), (3, 10.0 + DOUBT_S)):
        outbox.accepted(seq, at_s)
    outbox.lost(4, 60.0)
    assert outbox.doubt(60.0) == 2
    assert list(outbox.settled) == [(1, 1)]
    assert drain(outbox, now_s=60.0) == [2, 3, 4]
    assert outbox.doubt(60.0) == 0


def test_what_nobody_heard_is_kept_back_for_a_while() -> None:
    """Ten minutes of single tries; after that the broker's word is taken for the whole kind."""
    records = [record(seq) for seq in range(1, 100)]
    outbox = filled(*records)
    now_s, tries, done = 0.0, 0, 0
    while not done:
        for seq in drain(outbox, window=REFUSALS_TO_CLOSE + 1, now_s=now_s):
            tries += 1
            done += outbox.accepted(seq, now_s, heard=False)
        if not done:
            assert 0 < outbox.held_unheard <= tries
            assert outbox.held_refused == 0
            due_s = outbox.next_due()
            assert due_s is not None
            now_s = due_s
    assert UNHEARD_S <= now_s <= 2 * UNHEARD_S
    assert tries <= 20
    load(outbox, records)
    while more := drain(outbox, now_s=now_s):
        assert all(outbox.accepted(seq, now_s, heard=False) for seq in more)
        load(outbox, records)
    assert list(outbox.settled) == [(1, 99)]


def test_one_listener_opens_the_kind() -> None:
    """All that was kept back follows, and silence later is silence anew."""
    records = [record(seq) for seq in range(1, 100)]
    outbox = filled(*records)
    for seq in drain(outbox, window=REFUSALS_TO_CLOSE + 1):
        assert not outbox.accepted(seq, 0.0, heard=False)
    (probe,) = drain(outbox, now_s=1.0)
    assert outbox.accepted(probe, 1.0)
    load(outbox, records)
    assert outbox.start(1.0, 100) == record(1)
    assert not outbox.accepted(1, 10_000.0, heard=False)


def test_alarms_nobody_heard_are_tried_every_30_s() -> None:
    """Telemetry has up to five minutes."""
    outbox, now_s = filled(record(1, "alarm", 0)), 0.0
    while now_s < UNHEARD_S - LAST_ALARM_RETRY_S:
        assert drain(outbox, now_s=now_s) == [1]
        assert not outbox.accepted(1, now_s, heard=False)
        due_s = outbox.next_due()
        assert due_s is not None
        assert due_s - now_s <= LAST_ALARM_RETRY_S
        now_s = due_s


class Delivery(RuleBasedStateMachine):
    """Any journal, any broker, any restart.

    What is settled is exactly what is delivered or evicted.
    """

    @initialize()
    def begin(self) -> None:
        self.journal: dict[int, Envelope] = {}
        self.tail = 0
        self.now_s = 0.0
        self.accepted: set[int] = set()
        self.flying: dict[int, Envelope] = {}
        self.refusing: set[str] = set()
        self.deaf: set[str] = set()
        self.pending_lease: list[Lease] = []
        self.outbox = Outbox(Ranges())

    @rule(what=st.lists(st.sampled_from(KINDS), min_size=1, max_size=80))
    def append(self, what: list[tuple[str, int]]) -> None:
        for kind, urgency in what:
            self.tail += 1
            self.journal[self.tail] = record(self.tail, kind, urgency)

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        if self.journal:
            self.journal.pop(data.draw(st.sampled_from(sorted(self.journal))))

    @rule(limit=st.sampled_from([1, 3, 64]))
    def read(self, limit: int) -> None:
        self.outbox.look_again()
        self.pending_lease = [self._lease(want, limit) for want in self.outbox.wants()]

    @rule()
    def load(self) -> None:
        leases, self.pending_lease = self.pending_lease, []
        for each in leases:
            self.outbox.load(each)

    def _lease(self, want: Want, limit: int) -> Lease:
        found = lease(self.journal.values(), want, limit)
        upto = max(self.tail, want.after) if found.exhausted else found.upto
        return Lease(want, found.records, upto, found.exhausted)

    @rule(window=st.integers(1, 12))
    def start(self, window: int) -> None:
        while (each := self.outbox.start(self.now_s, window)) is not None:
            assert each.seq not in self.accepted
            assert each.seq not in self.flying
            self.flying[each.seq] = each
            assert len(self.flying) <= window

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        each = self.flying.pop(data.draw(st.sampled_from(sorted(self.flying))))
        if each.kind in self.refusing:
            self.outbox.refused(each.seq, self.now_s)
        elif each.kind in self.deaf:
            if self.outbox.accepted(each.seq, self.now_s, heard=False):
                self.accepted.add(each.seq)
        else:
            self.outbox.accepted(each.seq, self.now_s)
            self.accepted.add(each.seq)

    @rule()
    def cut(self) -> None:
        for seq in sorted(self.flying):
            self.outbox.lost(seq, self.now_s)
        self.flying.clear()
        before = self._settled()
        self.outbox.doubt(self.now_s)
        self.accepted -= before - self._settled()

    @rule(kind=st.sampled_from([kind for kind, _ in KINDS]))
    def turn(self, kind: str) -> None:
        self.refusing ^= {kind}

    @rule(kind=st.sampled_from([kind for kind, _ in KINDS]))
    def unsubscribe(self, kind: str) -> None:
        self.deaf ^= {kind}

    @rule(wait_s=st.sampled_from([0.5, 2.0, 400.0]))
    def wait(self, wait_s: float) -> None:
        self.now_s += wait_s

    @rule()
    def restart(self) -> None:
        self.outbox.settle_absent()
        self.outbox = Outbox(Ranges(self.outbox.settled))
        self.flying.clear()
        self.pending_lease = []

    @invariant()
    def nothing_is_skipped(self) -> None:
        self.outbox.settle_absent()
        live = set(self.journal)
        settled = self._settled()
        assert settled & live <= self.accepted
        assert settled <= set(range(1, self.tail + 1))

    def _settled(self) -> set[int]:
        return {n for first, last in self.outbox.settled for n in range(first, last + 1)}

    def teardown(self) -> None:
        """Whatever came before: with a broker that takes all, all is delivered."""
        self.refusing.clear()
        for _ in range(50):
            self.now_s += LAST_RETRY_S
            self.read(64)
            self.load()
            self.start(8)
            while self.flying:
                seq = min(self.flying)
                self.flying.pop(seq)
                self.outbox.accepted(seq, self.now_s)
                self.accepted.add(seq)
                self.start(8)
        assert set(self.journal) <= self.accepted
        self.outbox.settle_absent()
        assert list(self.outbox.settled) == ([(1, self.tail)] if self.tail else [])


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
