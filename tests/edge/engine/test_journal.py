"""The journal.

Durable appends, blocks, bounds, faults of the disk, damaged files, restored alarms.
"""

import sqlite3
import threading
import time
from typing import Any, cast

import pytest

from edge.core.errors import StoreError
from edge.core.instant import Instant, Utc
from edge.core.model import PointId, Quality, Record, RecordKind, Sample, Urgency
from edge.core.units import Unit
from edge.engine import journal as journal_module
from edge.engine.journal import JournalWriter
from edge.engine.store import Store
from protocols.block import Column, Profile, decode_birth, decode_block
from protocols.envelope import decode_body, encode_body
from tools.virtual_clock import VirtualClock

PROFILE = Profile("shuanghe", (Column("river.level", "m", 3, "river", 100),))


class ThreadClock(VirtualClock):
    """Real monotonic time for the writer's own thread, fixed wall time."""

    def now(self):
        return Instant(time.monotonic_ns())

    def utc(self):
        return Utc(1_718_158_500_000)


def alarm(rule="r", revision=1):
    body = {"rule": rule, "revision": revision}
    return Record(RecordKind.ALARM, Urgency.ALARM, Utc(1), body)


def telemetry(size=100):
    return Record(RecordKind.BLOCK, Urgency.TELEMETRY, Utc(1), {"block": b"x" * size})


def sample(value, ms=0):
    return Sample(PointId("river.level"), value, Unit.METRE, Quality.GOOD, Instant(0), Utc(ms))


def rows(path, sql="SELECT seq, kind, body FROM record ORDER BY seq"):
    with sqlite3.connect(path) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def writer(path):
    committed = []
    made = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0,
        committed=lambda seq, urgent: committed.append((seq, urgent)),
    )  # fmt: skip
    writer: Any = made
    writer.commits = committed
    made.start()
    yield made
    assert made.stop(30.0)  # a shared disk may stall


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        threading.Event().wait(0.005)


def test_an_alarm_is_on_disk_at_once_and_the_link_is_told(writer, path):
    writer.offer(alarm())
    wait_for(lambda: any(urgent for _, urgent in writer.commits))
    assert [kind for _, kind, _ in rows(path)] == ["birth", "alarm"]


def test_stopping_commits_everything_that_was_offered(path):
    writer = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0, committed=lambda *_: None
    )
    writer.start()
    for revision in range(50):
        writer.offer(alarm(revision=revision))
    writer.offer_samples((sample(3.217, 1000),))
    assert writer.stop()
    kinds = [kind for _, kind, _ in rows(path)]
    assert kinds.count("alarm") == 50
    assert kinds[-1] == "block"


def test_readings_become_blocks_that_the_birth_record_explains(path):
    writer = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0, committed=lambda *_: None
    )
    writer.start()
    for i in range(10):
        writer.offer_samples((sample(round(3.2 + i / 1000, 3), 1000 + 100 * i),))
    writer.stop()
    found = {kind: body for _, kind, body in rows(path)}
    profile = decode_birth(found["birth"])
    readings = decode_block(found["block"], {profile.id: profile})
    assert [reading.value for reading in readings] == [round(3.2 + i / 1000, 3) for i in range(10)]


def test_a_full_disk_keeps_records_until_there_is_room_again(writer, path, monkeypatch):
    monkeypatch.setattr(journal_module, "_RETRY_S", 0.02)
    broken = [True]
    append = Store.append

    def fail(store, records):
        if broken[0]:
            raise StoreError("database or disk is full")
        return append(store, records)

    monkeypatch.setattr(Store, "append", fail)
    writer.offer(alarm(revision=1))
    writer.offer(alarm(revision=2))
    wait_for(lambda: writer.status.fault)
    assert "full" in writer.status.fault
    broken[0] = False
    wait_for(lambda: not writer.status.fault and writer.status.last_seq >= 3)
    assert [kind for _, kind, _ in rows(path)].count("alarm") == 2


def test_while_the_disk_is_gone_telemetry_is_lost_before_alarms_and_the_loss_is_recorded(
    writer, path, monkeypatch
):
    monkeypatch.setattr(journal_module, "_RETRY_S", 0.02)
    monkeypatch.setattr(journal_module, "MOST_RECORDS", 20)
    broken = [True]
    append = Store.append

    def fail(store, records):
        if broken[0]:
            raise StoreError("input/output error")
        return append(store, records)

    monkeypatch.setattr(Store, "append", fail)
    for number in range(30):
        writer.offer(telemetry())
        if number < 10:
            writer.offer(alarm(revision=number))
    wait_for(lambda: writer.status.lost.get("block", 0) >= 10)
    broken[0] = False
    wait_for(lambda: not writer.status.fault and any(k == "loss" for _, k, _ in rows(path)))
    found = rows(path)
    assert [kind for _, kind, _ in found].count("alarm") == 10
    losses = [decode_body(body) for _, kind, body in found if kind == "loss"]
    assert (
        sum(cast("dict[str, int]", loss["records"])["block"] for loss in losses)
        == writer.status.lost["block"]
    )


def test_a_thread_that_has_ended_is_revived(writer, monkeypatch):
    # ends the thread without an exception, which would end the test session's patience instead
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_take", lambda: True)
        writer.offer(alarm(revision=1))
        wait_for(lambda: not writer._thread.is_alive())
    assert writer.revive()
    writer.offer(alarm(revision=2))
    wait_for(lambda: any(urgent for _, urgent in writer.commits))


def open_store(path, most_bytes=1 << 22):
    store = Store(path, "shuanghe", most_bytes)
    store.open(1_718_158_500_000)
    return store


def test_the_file_is_in_wal_mode_and_fully_synchronous(path):
    store = open_store(path)
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()


def test_sequence_numbers_are_never_reused_even_after_the_newest_was_evicted(path):
    store = open_store(path)
    last = store.append([(telemetry(), b"x")] * 5)
    with store._db:
        store._db.execute("DELETE FROM record")
    store.close()
    store = open_store(path)
    assert store.append([(telemetry(), b"x")]) == last + 1
    store.close()


def test_the_newest_alarm_of_each_rule_survives_a_restart_and_eviction(path):
    store = open_store(path)
    for record in (alarm("a", 1), alarm("b", 1), alarm("a", 2)):
        store.append([(record, encode_body(record.body))])
    store.close()
    store = open_store(path)
    assert sorted((b["rule"], b["revision"]) for b in store.alarms()) == [("a", 2), ("b", 1)]
    store.close()


def test_the_newest_time_is_that_before_a_clock_was_set_back_just_before_the_end(path):
    store = open_store(path)
    assert store.newest() is None
    times = [50_000, *range(1_000, 2_000, 10), 90_000, 3_000]
    store.append(
        [(Record(RecordKind.RUN, Urgency.STATE, Utc(ms), {}), encode_body({})) for ms in times]
    )
    assert store.newest() == Utc(90_000)
    store.append(
        [
            (Record(RecordKind.RUN, Urgency.STATE, Utc(ms), {}), encode_body({}))
            for ms in [4_000] * 64
        ]
    )
    assert store.newest() == Utc(4_000)
    store.close()


def notice(address, event, bus="field"):
    body = {"bus": bus, "address": address, "device": "gas", "event": event, "detail": ""}
    return Record(RecordKind.DEVICE, Urgency.ALARM, Utc(1), body)


def test_what_became_of_each_device_survives_a_restart_and_eviction(path):
    store = open_store(path, most_bytes=1 << 16)
    records = [
        notice(7, "lost"),
        notice(9, "lost"),
        notice(7, "lost", bus="other"),
        notice(7, "back"),
        notice(7, "babbling"),
        notice(None, "babbling"),
    ]
    for record in records:
        store.append([(record, encode_body(record.body))])
    for _ in range(40):
        store.append([(r := telemetry(4000), r.body["block"])])
        store.trim(Utc(1))
    store.close()
    store = open_store(path)
    kept = store.devices()
    store.close()
    assert {(b["bus"], b["address"], b["event"]) for b in kept} == {
        ("field", 7, "back"),
        ("field", 9, "lost"),
        ("other", 7, "lost"),
    }


def test_a_file_of_the_first_schema_is_taken_over_with_everything_in_it(path):
    store = open_store(path)
    store.append([(record := alarm(), encode_body(record.body))])
    store.close()
    with sqlite3.connect(path) as db:
        # as the first version left it
        later = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT IN ('record', 'meta', 'alarm_state')"
        ).fetchall()
        for (table,) in later:
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = open_store(path)
    assert store.devices() == []
    assert [body["rule"] for body in store.alarms()] == ["r"]
    store.append([(record := notice(7, "lost"), encode_body(record.body))])
    assert len(store.devices()) == 1
    store.close()


def test_a_full_journal_drops_the_oldest_telemetry_and_says_which(path):
    store = open_store(path, most_bytes=200_000)
    alarm_seq = store.append([(alarm(), b"\xa0")])
    for _ in range(40):
        store.append([(telemetry(), b"x" * 2000)] * 5)
        store.trim(Utc(1))
    store.append([(alarm(), b"\xa0")])
    store.close()
    kept = rows(path)
    kinds = [kind for _, kind, _ in kept]
    assert kinds.count("alarm") == 2
    lost = set()
    for _, kind, body in kept:
        if kind == "loss":
            for first, last in cast("list[list[int]]", decode_body(body)["ranges"]):
                lost |= set(range(first, last + 1))
    assert alarm_seq not in lost
    everything = lost | {seq for seq, _, _ in kept}
    assert everything == set(range(1, max(everything) + 1))
    assert path.stat().st_size < 400_000


def test_a_damaged_file_is_set_aside_and_a_new_epoch_begins(path):
    store = open_store(path)
    store.append([(telemetry(), b"x" * 3000)] * 50)
    epoch = store.epoch
    store.close()
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 4096] = b"\xff" * 4096
    content[100:200] = b"\x00" * 100
    path.write_bytes(content)
    store = open_store(path)
    store.verify(1_718_158_500_000)
    assert store.epoch != epoch
    assert (path.parent / store.set_aside).exists()
    store.append([(alarm(), b"\xa0")])
    store.close()


def test_a_file_that_is_no_database_is_set_aside(path):
    path.write_bytes(b"not a database at all, but long enough to look at" * 50)
    store = open_store(path)
    assert store.set_aside
    store.close()


def test_the_journal_of_another_site_is_refused(path):
    open_store(path).close()
    with pytest.raises(StoreError, match="belongs to site 'shuanghe'"):
        Store(path, "other", 1 << 20).open(0)


def test_a_newer_schema_is_refused_and_left_alone(path):
    store = open_store(path)
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="schema 99"):
        open_store(path)
    assert path.read_bytes() == before


def test_an_unwritable_place_is_a_store_error_with_a_hint(tmp_path):
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "absent" / "journal.db")
    assert caught.value.hint


def test_a_journal_that_was_set_aside_is_told_to_the_district(path):
    path.write_bytes(b"not a database at all, but long enough to look at" * 50)
    writer = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0, committed=lambda *_: None
    )
    writer.start()
    assert writer.stop()
    told = [decode_body(body) for _, kind, body in rows(path) if kind == "run"]
    assert [body["event"] for body in told] == ["journal set aside"]


def test_what_was_committed_is_not_written_again_when_trimming_fails(writer, path, monkeypatch):
    monkeypatch.setattr(journal_module, "_RETRY_S", 0.02)
    trim, broken = Store.trim, [True]

    def fail(store, utc):
        if broken[0]:
            broken[0] = False
            raise StoreError("database or disk is full")
        return trim(store, utc)

    wait_for(lambda: writer.status.last_seq >= 1)
    monkeypatch.setattr(Store, "trim", fail)
    writer.offer(alarm(revision=1))
    wait_for(lambda: not broken[0])
    writer.offer(alarm(revision=2))
    wait_for(lambda: writer.status.last_seq >= 3 and not writer.status.fault)
    revisions = [decode_body(body)["revision"] for _, kind, body in rows(path) if kind == "alarm"]
    assert revisions == [1, 2]


def test_the_kept_alarms_do_not_wait_for_the_look_through_the_file(path, monkeypatch):
    store = open_store(path)
    record = alarm("a", 1)
    store.append([(record, encode_body(record.body))])
    store.close()
    go_on = threading.Event()
    monkeypatch.setattr(Store, "verify", lambda store, now_ms: go_on.wait(5.0))
    busy, alarms = [False], Store.alarms
    monkeypatch.setattr(Store, "alarms", lambda store: [] if busy[0] else alarms(store))
    writer = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0, committed=lambda *_: None
    )
    writer.start()
    busy[0] = True
    assert [body["rule"] for body in writer.kept_alarms()] == ["a"]
    go_on.set()
    assert writer.stop()


def test_a_set_aside_is_told_once_also_after_a_revival(path, monkeypatch):
    path.write_bytes(b"not a database at all, but long enough to look at" * 50)
    writer: Any = JournalWriter(
        path, PROFILE, ThreadClock(), most_bytes=1 << 22, block_s=60.0, committed=lambda *_: None
    )
    writer.start()
    wait_for(lambda: writer.status.last_seq >= 1)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_take", lambda: True)
        writer.offer(alarm())
        wait_for(lambda: not writer._thread.is_alive())
    writer.revive()
    writer.offer(alarm(revision=2))
    assert writer.stop()
    told = [body for _, kind, body in rows(path) if kind == "run"]
    assert len(told) == 1
