"""The audit chain: what was written verifies, and everything done to it afterwards is found."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.core.errors import StoreError
from edge.core.instant import Utc
from edge.core.model import Record, RecordKind, Urgency
from edge.engine import eviction
from edge.engine.audit import Head, Source, Stamp
from edge.engine.audit_file import verify
from edge.engine.audit_head import HeadFile, KeptHead, head_path, read_heads
from edge.engine.audit_verify import Anchor, Break
from edge.engine.store import Store
from protocols.envelope import decode_body, encode_body

SITE = "shuanghe"
CONFIG = "c0" * 32
LENGTH = 1000


def made(kind, urgency, body):
    return Record(kind, urgency, Utc(1_718_158_500_000), body)


def alarm(number):
    body = {
        "rule": f"rule-{number % 7}",
        "revision": number,
        "evidence": [{"point": "river.level"}],
    }
    return made(RecordKind.ALARM, Urgency.ALARM, body)


def outcome(number):
    return made(RecordKind.OUTCOME, Urgency.STATE, {"command": f"c-{number}", "status": "done"})


def block(size=40):
    return made(RecordKind.BLOCK, Urgency.TELEMETRY, {"block": b"x" * size})


def entry(record, mono_ms=0, run="ab12cd"):
    body = record.body.get("block") or encode_body(record.body)
    return record, body, Stamp(run, CONFIG, mono_ms)


def open_store(path, most_bytes=1 << 26):
    store = Store(path, SITE, most_bytes)
    store.open(0)
    return store


def write(path, records, run="ab12cd", *, orderly=True):
    """One run of an agent that writes these, a few at a time."""
    store = open_store(path)
    for index in range(0, len(records), 50):
        store.append([entry(r, index + i, run) for i, r in enumerate(records[index : index + 50])])
    if orderly:
        store.finish()
    store.close()


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    """A journal of 1 000 links with readings among them, and a checkpoint."""
    path = tmp_path_factory.mktemp("segment") / "journal.db"
    records = [alarm(i) if i % 3 else outcome(i) for i in range(LENGTH)]
    for place in range(0, LENGTH, 90):
        records.insert(place, block())
    write(path, records)
    return path


@pytest.fixture
def copy(segment, tmp_path):
    """A copy that a test may spoil, with the head beside it."""
    path = tmp_path / "journal.db"
    shutil.copy(segment, path)
    shutil.copy(head_path(segment), head_path(path))
    return path


def spoil(path, *statements):
    """Change a journal from outside."""
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)
    db.close()


def rows(path, sql):
    with sqlite3.connect(path) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


def independent(path):
    """The number of links, or the record where the chain breaks: from docs/audit.md alone."""
    with sqlite3.connect(path) as db:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        bases = db.execute("SELECT n, seq, head FROM audit_base").fetchall()
        links = db.execute(
            "SELECT seq, n, run, config, mono_ms, digest, head FROM audit ORDER BY seq"
        ).fetchall()
        records = {row[0]: row[1:] for row in db.execute("SELECT * FROM record")}
    db.close()
    sha = netstrings_hash(meta["site"], meta["epoch"])
    losses: list[dict[str, Any]] = [
        decode_body(record[4]) for record in records.values() if record[0] == "loss"
    ]
    gone = {n for loss in losses for a, b in loss.get("ranges", []) for n in range(a, b + 1)}
    bridges = {(n, h): (to, at) for loss in losses for n, h, to, at in loss.get("bridges", [])}
    ((n, begin, head),) = bases
    if n != 0 or head != sha(begin):
        return 0
    for seq, number, run, config, mono_ms, digest, stored in links:
        if number != n + 1:
            n, after = bridges.get((n, head.hex()), (n, head.hex()))
            head = bytes.fromhex(after)
        if number != n + 1 or (seq not in records and seq not in gone):
            return seq
        if seq in records and sha(number, seq, run, config, mono_ms, *records[seq]) != digest:
            return seq
        n, head = number, hashlib.sha256(head + digest).digest()
        if head != stored:
            return seq
    chained = {link[0] for link in links}
    readings = ("birth", "block", "health")
    loose = [
        s for s, r in records.items() if s > begin and s not in chained if r[0] not in readings
    ]
    return loose[0] if loose else f"{n} links"


def netstrings_hash(site, epoch):
    """SHA-256 over the fields as the document joins them."""

    def sha(*fields):
        hashed = hashlib.sha256()
        for field in ("tongluo audit 1", site, epoch, *fields):
            data = field if isinstance(field, bytes) else str(field).encode()
            hashed.update(str(len(data)).encode() + b":" + data + b",")
        return hashed.digest()

    return sha


def fault_of(path, **options) -> Any:
    return verify(path, **options).fault


# -- what was written verifies -------------------------------------------------------------------


def test_a_segment_is_intact_from_its_first_to_its_last_record(segment):
    result = verify(segment)
    assert result.fault is None
    assert (result.account.first.n, result.account.last.n) == (0, LENGTH + 1)
    assert result.account.checkpoints == 1
    assert result.end_known
    assert not result.trusted


def test_a_verifier_written_from_the_document_agrees(segment):
    assert independent(segment) == f"{LENGTH + 1} links"


def test_a_checkpoint_says_the_head_of_the_link_before_it(segment):
    ((seq, body),) = rows(segment, "SELECT seq, body FROM record WHERE kind = 'checkpoint'")
    said = decode_body(body)
    ((n, head),) = rows(segment, f"SELECT n, head FROM audit WHERE seq = {said['seq']}")
    assert (said["n"], said["head"], said["signature"]) == (n, head.hex(), None)
    assert said["n"] == LENGTH
    assert seq > said["seq"]


def test_a_day_without_a_thousand_links_has_a_checkpoint_all_the_same(tmp_path):
    path = tmp_path / "journal.db"
    store = open_store(path)
    store.append([entry(alarm(1), 0)])
    store.append([entry(alarm(2), 86_400_000)])
    store.append([entry(alarm(3), 86_400_001)])
    store.append([entry(block(), 2 * 86_400_000 + 1)])
    store.append([entry(block(), 3 * 86_400_000 + 1)])
    store.close()
    kinds = [kind for (kind,) in rows(path, "SELECT kind FROM record ORDER BY seq")]
    assert kinds == ["alarm", "alarm", "checkpoint", "alarm", "block", "checkpoint", "block"]
    assert fault_of(path) is None


def test_a_part_is_verified_from_a_head_that_is_taken_as_it_stands(copy):
    spoil(copy, "UPDATE record SET utc_ms = utc_ms + 1 WHERE seq = 40")
    result = verify(copy, first=100, last=200)
    assert result.fault is None
    assert result.trusted
    assert not result.whole
    assert result.account.last.seq == 200
    assert fault_of(copy, first=30, last=50).seq == 40


def test_readings_are_not_chained(copy):
    assert rows(
        copy, "SELECT count(*) FROM audit JOIN record USING (seq) WHERE kind = 'block'"
    ) == [(0,)]
    spoil(copy, "DELETE FROM record WHERE kind = 'block'")
    assert fault_of(copy) is None


# -- what is done to it is found -----------------------------------------------------------------

PLACES = [1, 2, 3, 500, 501, 999, 1000, 1013]
COLUMNS = [
    ("record", "kind", "'command'"),
    ("record", "urgency", "urgency + 1"),
    ("record", "utc_ms", "utc_ms + 1"),
    ("record", "quality", "'synced'"),
    ("record", "body", "CAST(body || x'00' AS BLOB)"),
    ("audit", "n", "n + 100000"),
    ("audit", "run", "'ffffff'"),
    ("audit", "config", "'00'"),
    ("audit", "mono_ms", "mono_ms + 1"),
    ("audit", "digest", "zeroblob(32)"),
    ("audit", "head", "zeroblob(32)"),
]


@pytest.mark.parametrize(("table", "column", "value"), COLUMNS)
@pytest.mark.parametrize("place", PLACES)
def test_every_edit_of_any_column_is_found_where_it_is(copy, table, column, value, place):
    seqs = [seq for (seq,) in rows(copy, "SELECT seq FROM audit ORDER BY seq")]
    seq = min(seqs, key=lambda each: abs(each - place))
    spoil(copy, f"UPDATE {table} SET {column} = {value} WHERE seq = {seq}")
    assert fault_of(copy).seq == seq
    assert independent(copy) == seq


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("meta", "value", "'0badcafe' WHERE key = 'epoch'"),
        ("meta", "value", "'elsewhere' WHERE key = 'site'"),
        ("audit_base", "n", "1"),
        ("audit_base", "seq", "5"),
        ("audit_base", "head", "zeroblob(32)"),
    ],
)
def test_edits_of_the_beginning_and_of_whose_file_it_is_are_found(copy, table, column, value):
    spoil(copy, f"UPDATE {table} SET {column} = {value}")
    assert (fault_of(copy).kind, fault_of(copy).why) == (Break.EDITED, "beginning")
    spoil(copy, "DELETE FROM audit_base")
    assert fault_of(copy).why == "beginning"


@pytest.mark.parametrize("place", PLACES[:-2])
def test_a_deleted_record_is_found_with_or_without_its_link(copy, place):
    seq = rows(copy, f"SELECT min(seq) FROM audit WHERE seq >= {place}")[0][0]
    spoil(copy, f"DELETE FROM record WHERE seq = {seq}")
    assert (fault_of(copy).kind, fault_of(copy).seq) == (Break.DELETED, seq)
    spoil(copy, f"DELETE FROM audit WHERE seq = {seq}")
    fault = fault_of(copy)
    n = rows(copy, f"SELECT count(*) FROM audit WHERE seq < {seq}")[0][0] + 1
    assert (fault.kind, fault.n) == (Break.DELETED, n)


def test_a_removed_link_of_a_record_that_is_still_there_is_found(copy):
    spoil(copy, "DELETE FROM audit WHERE seq = 300")
    fault = fault_of(copy)
    assert (fault.kind, fault.seq, fault.why) == (Break.DELETED, 300, "link-gone")


def test_a_deletion_that_renumbers_what_follows_is_found(copy):
    spoil(
        copy,
        "DELETE FROM record WHERE seq = 300",
        "DELETE FROM audit WHERE seq = 300",
        "UPDATE audit SET n = n - 1 WHERE seq > 300",
    )
    assert fault_of(copy).seq == 301


CONTENT = "kind, urgency, utc_ms, quality, body"
LINK = "n, run, config, mono_ms, digest, head"


def swap(path, table, columns, one, two):
    first, second = (
        rows(path, f"SELECT {columns} FROM {table} WHERE seq = {seq}")[0] for seq in (one, two)
    )
    assert first != second
    marks = ", ".join("?" * len(first))
    for seq, values in ((one, second), (two, first)):
        spoil(path, (f"UPDATE {table} SET ({columns}) = ({marks}) WHERE seq = {seq}", values))


@pytest.mark.parametrize("place", [2, 500, 1000])
def test_swapped_neighbours_are_found_and_called_so(copy, place):
    one = place
    swap(copy, "record", CONTENT, one, one + 1)
    fault = fault_of(copy)
    assert (fault.kind, fault.seq, fault.facts) == (Break.SWAPPED, one, {"other": one + 1})
    swap(copy, "record", CONTENT, one, one + 1)
    swap(copy, "audit", LINK, one, one + 1)
    fault = fault_of(copy)
    assert (fault.kind, fault.seq) == (Break.SWAPPED, one)
    swap(copy, "record", CONTENT, one, one + 1)
    assert fault_of(copy).seq == one
    assert independent(copy) == one


def test_an_inserted_record_is_found(copy):
    spoil(
        copy,
        "DELETE FROM record WHERE kind = 'block' AND seq = 91",
        "INSERT INTO record SELECT 91, kind, urgency, utc_ms, quality, body FROM record"
        " WHERE seq = 50",
    )
    fault = fault_of(copy)
    assert (fault.kind, fault.seq) == (Break.INSERTED, 91)
    spoil(
        copy,
        "INSERT INTO audit SELECT 91, n, run, config, mono_ms, digest, head FROM audit"
        " WHERE seq = 50",
    )
    fault = fault_of(copy)
    assert (fault.kind, fault.seq) == (Break.INSERTED, 91)


def test_an_appended_record_is_found(copy):
    spoil(copy, f"INSERT INTO record ({CONTENT}) SELECT {CONTENT} FROM record WHERE seq = 50")
    assert fault_of(copy).kind is Break.INSERTED


def cut(path, after, *, clever):
    """Cut the newest records off; the clever one also resets what the file has given out."""
    spoil(path, f"DELETE FROM record WHERE seq > {after}", f"DELETE FROM audit WHERE seq > {after}")
    for name in ("alarm_state", "device_state"):
        spoil(path, f"DELETE FROM {name} WHERE seq > {after}")
    if clever:
        spoil(path, f"UPDATE sqlite_sequence SET seq = {after} WHERE name = 'record'")


def test_records_cut_off_the_end_are_missed_by_the_file_itself(copy):
    cut(copy, 900, clever=False)
    head_path(copy).unlink()
    fault = fault_of(copy)
    assert (fault.kind, fault.why) == (Break.TRUNCATED, "given")


def test_records_cut_off_cleverly_are_missed_by_the_head_beside_the_file(copy):
    cut(copy, 900, clever=True)
    fault = fault_of(copy)
    assert (fault.kind, fault.seq, fault.why) == (Break.TRUNCATED, 900, "known")


def test_without_any_head_elsewhere_the_end_is_said_to_be_unknown(copy):
    """What cannot be found is not claimed to be intact to the end."""
    cut(copy, 900, clever=True)
    head_path(copy).unlink()
    spoil(copy, *_healed_states(copy))
    result = verify(copy)
    assert result.fault is None
    assert not result.end_known


def _healed_states(path):
    """The newest alarm of each rule put back, as a careful forger would."""
    newest = {}
    for seq, body in rows(path, "SELECT seq, body FROM record WHERE kind = 'alarm' ORDER BY seq"):
        newest[decode_body(body)["rule"]] = (seq, body)
    return [
        ("INSERT OR REPLACE INTO alarm_state (rule, seq, body) VALUES (?, ?, ?)", (rule, *state))
        for rule, state in newest.items()
    ]


def test_what_the_district_received_shows_a_cut_and_a_rewritten_chain(copy, segment):
    ((n, seq, head),) = rows(segment, "SELECT n, seq, head FROM audit WHERE n = 950")
    known = Anchor(n, seq, head, "the district")
    assert fault_of(copy, anchors=[known]) is None
    assert verify(copy, anchors=[Anchor(0, 1010, b"", "the district")]).fault is None
    other = Anchor(n, seq, b"\1" * 32, "the district")
    assert fault_of(copy, anchors=[other]).kind is Break.REWRITTEN
    cut(copy, 900, clever=True)
    head_path(copy).unlink()
    spoil(copy, *_healed_states(copy))
    for anchor in (known, Anchor(0, 901, b"", "the district")):
        fault = fault_of(copy, anchors=[anchor])
        assert (fault.kind, fault.facts["origin"]) == (Break.TRUNCATED, "the district")


def test_the_agent_itself_finds_at_its_start_that_records_are_missing(copy):
    cut(copy, 900, clever=True)
    spoil(copy, *_healed_states(copy))
    write(copy, [alarm(1)], run="second")
    fault = fault_of(copy)
    assert (fault.kind, fault.why) == (Break.TRUNCATED, "found-at-start")
    body = decode_body(rows(copy, "SELECT body FROM record WHERE kind = 'gap'")[0][0])
    assert (body["n"], body["found"]) == (LENGTH + 1, 890)
    assert verify(copy, first=fault.seq + 1).fault is None


def test_the_agent_itself_finds_at_its_start_that_the_chain_is_another_one(copy):
    spoil(copy, "UPDATE audit SET head = zeroblob(32) WHERE seq = (SELECT max(seq) FROM audit)")
    store = open_store(copy)
    store.append([entry(alarm(1))])
    store.close()
    body = decode_body(rows(copy, "SELECT body FROM record WHERE kind = 'gap'")[0][0])
    assert body["cause"] == "the chain is not the one that was kept"


def test_what_a_restart_goes_on_from_must_be_what_the_records_say(copy):
    spoil(copy, "UPDATE alarm_state SET body = x'a0' WHERE rule = 'rule-3'")
    assert fault_of(copy).facts == {"table": "alarm_state"}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alarm_state WHERE rule = 'rule-3'",
        """UPDATE alarm_state SET (seq, body) = (SELECT seq, body FROM record WHERE seq = 2)
        WHERE rule = 'rule-1'""",
    ],
)
def test_an_older_state_of_an_alarm_cannot_be_put_in_place_of_the_newest(copy, statement):
    spoil(copy, statement)
    assert fault_of(copy).why == "newest-alarm"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_any_chained_record_is_found(segment, tmp_path, data):
    """Bit for bit in bodies and links; what is spoiled is healed again for the next example."""
    path = tmp_path / "journal.db"
    if not path.exists():
        shutil.copy(segment, path)
        shutil.copy(head_path(segment), head_path(path))
    seqs = [seq for (seq,) in rows(path, "SELECT seq FROM audit ORDER BY seq")]
    seq = data.draw(st.sampled_from(seqs))
    table, column = data.draw(
        st.sampled_from([("record", "body"), ("audit", "digest"), ("audit", "head")])
    )
    ((old,),) = rows(path, f"SELECT {column} FROM {table} WHERE seq = {seq}")
    bit = data.draw(st.integers(0, len(old) * 8 - 1))
    new = bytearray(old)
    new[bit // 8] ^= 1 << bit % 8
    spoil(path, (f"UPDATE {table} SET {column} = ? WHERE seq = {seq}", (bytes(new),)))
    assert fault_of(path).seq == seq
    spoil(path, (f"UPDATE {table} SET {column} = ? WHERE seq = {seq}", (old,)))


# -- eviction, power cuts, other files -----------------------------------------------------------


def test_evicted_records_leave_a_chain_that_can_be_walked(tmp_path):
    path = tmp_path / "journal.db"
    store = open_store(path, most_bytes=600_000)
    for index in range(60):
        store.append([entry(alarm(index))] + [entry(outcome(i)) for i in range(60)])
        store.append([entry(block(2000))])
        store.trim(Utc(1))
    store.finish()
    store.close()
    result = verify(path)
    assert result.fault is None
    assert result.account.evicted > 500
    assert result.account.bridged > 500
    assert independent(path) == f"{result.account.last.n} links"
    links = rows(path, "SELECT count(*) FROM audit")[0][0]
    living = rows(path, "SELECT count(*) FROM record WHERE kind != 'block'")[0][0]
    assert links < living + 60 * 64 + 1100
    # an alarm that no loss record names is a deletion, however much was evicted
    victim = rows(path, "SELECT seq FROM record WHERE kind = 'alarm' ORDER BY seq")[-2][0]
    spoil(path, f"DELETE FROM record WHERE seq = {victim}")
    assert (fault_of(path).kind, fault_of(path).seq) == (Break.DELETED, victim)


def test_notices_that_are_merged_forget_no_bridge(tmp_path, monkeypatch):
    monkeypatch.setattr(eviction, "_KEPT_NOTICES", 4)
    path = tmp_path / "journal.db"
    store = open_store(path, most_bytes=1_000_000)
    for index in range(60):
        # more between two alarms that stay than is bridged in one piece
        store.append([entry(alarm(index))] + [entry(outcome(i)) for i in range(150)])
        store.trim(Utc(1))
    store.close()
    counts = dict(rows(path, "SELECT kind, count(*) FROM record GROUP BY kind"))
    assert counts["loss"] < 10
    assert counts["alarm"] == 60
    result = verify(path)
    assert result.fault is None
    assert result.account.bridged > 1000
    assert independent(path) == f"{result.account.last.n} links"


def test_a_forged_loss_record_is_found_as_inserted(copy):
    body = encode_body({"cause": "journal full", "ranges": [[300, 300]]})
    spoil(
        copy,
        "DELETE FROM record WHERE seq = 300",
        ("INSERT INTO record VALUES (NULL, 'loss', 1, 1, 'unknown', ?)", (body,)),
    )
    assert fault_of(copy).kind is Break.INSERTED


def test_after_a_power_cut_the_new_run_begins_with_a_gap(tmp_path):
    path = tmp_path / "journal.db"
    write(path, [alarm(1)], run="first", orderly=False)
    write(path, [alarm(2)], run="second", orderly=True)
    write(path, [alarm(3)], run="third", orderly=True)
    result = verify(path)
    assert result.fault is None
    assert [gap["cause"] for gap in result.account.gaps] == ["the last run did not end in order"]
    assert result.account.gaps[0]["run"] == "first"
    assert result.account.gaps[0]["n"] == 1
    runs = rows(path, "SELECT run FROM audit ORDER BY seq")
    assert [run for (run,) in runs] == ["first", "second", "second", "third"]


def test_a_file_opened_anew_in_the_same_run_has_no_gap(tmp_path):
    path = tmp_path / "journal.db"
    store = open_store(path)
    store.append([entry(alarm(1))])
    store.reopen(1)
    store.append([entry(alarm(2))])
    store.close()
    assert rows(path, "SELECT count(*) FROM record WHERE kind = 'gap'") == [(0,)]
    assert verify(path).account.last.n == 2


def test_after_a_failed_transaction_the_chain_goes_on_from_the_last_commit(tmp_path):
    path = tmp_path / "journal.db"
    store = open_store(path)
    store.append([entry(alarm(1))])
    body: dict[str, object] = {"event": "lost", "bus": None, "address": 1}
    bad = Record(RecordKind.DEVICE, Urgency.ALARM, Utc(1), body)
    for again in (lambda: None, lambda: store.reopen(1)):
        with pytest.raises(StoreError):
            store.append([entry(alarm(2)), entry(bad)])
        again()
        store.append([entry(alarm(3))])
    store.close()
    assert verify(path).fault is None
    assert verify(path).account.last.n == 3


def test_the_journal_that_follows_a_damaged_one_names_the_old_chain(tmp_path):
    path = tmp_path / "journal.db"
    write(path, [alarm(i) for i in range(20)])
    old = read_heads(head_path(path))[-1]
    path.write_bytes(b"no database at all" * 1000)
    write(path, [alarm(1)], run="second")
    gap = verify(path).account.gaps[0]
    assert gap["cause"] == "another journal was here"
    assert (gap["epoch"], gap["n"], gap["head"]) == (old.source.epoch, 20, old.head.head.hex())
    assert verify(path).end_known


def test_a_journal_of_before_the_chain_is_covered_from_its_update_on(tmp_path):
    path = tmp_path / "journal.db"
    write(path, [alarm(i) for i in range(5)])
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM audit")
        db.execute("DELETE FROM audit_base")
    db.close()
    head_path(path).unlink()
    write(path, [alarm(9)])
    result = verify(path)
    assert result.fault is None
    assert result.uncovered == 5
    assert result.account.last.n == 1


def test_the_head_file_outlives_a_torn_write(tmp_path):
    path = tmp_path / "journal.db.head"
    file = HeadFile(path)
    source = Source(SITE, "0123abcd")
    for n in range(1, 6):
        file.write(KeptHead(source, Head(n, n, bytes([n]) * 32)), durable=n == 5)
    data = bytearray(path.read_bytes())
    assert [kept.head.n for kept in read_heads(path)] == [4, 5]
    data[532] ^= 1
    path.write_bytes(data)
    assert [kept.head.n for kept in read_heads(path)] == [4]
    path.write_bytes(data[:100])
    assert read_heads(path) == []


def test_a_head_that_cannot_be_written_costs_no_record(tmp_path):
    path = tmp_path / "journal.db"
    head_path(path).mkdir()
    store = Store(path, SITE, 1 << 22)
    store.open(0)
    assert store.append([entry(alarm(1))]) == 1
    store.close()


def test_a_file_that_is_no_journal_cannot_be_verified(tmp_path):
    path = tmp_path / "journal.db"
    with pytest.raises(StoreError):
        verify(path)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError):
        verify(path)


def test_the_kept_head_reads_as_the_document_says(segment):
    data = Path(head_path(segment)).read_bytes()
    lines = [json.loads(data[:512]), json.loads(data[512:])]
    for line in lines:
        check = hashlib.sha256(json.dumps(line[:6]).encode()).hexdigest()[:16]
        assert line[6] == check
    assert max(lines)[3] == LENGTH + 1
