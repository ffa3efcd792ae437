"""The journal is read as it is, without harming it, and whatever is wrong is a StoreError."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.core.errors import StoreError
from uplink.outbox import Want
from uplink.reader import JournalReader, digest

if TYPE_CHECKING:
    from tests.uplink.conftest import JournalFile


@pytest.fixture
def reader(state_dir: Path) -> JournalReader:
    return JournalReader(state_dir / "journal.db")


def seqs(reader: JournalReader, want: Want, **limits: int) -> tuple[list[int], int, bool]:
    with reader.snapshot() as snapshot:
        found = snapshot.lease(want, **limits)
    return [record.seq for record in found.records], found.upto, found.exhausted


def test_records_come_by_class_in_order(journal: JournalFile, reader: JournalReader) -> None:
    """Each with all that the row says; the epoch is the file's."""
    journal.block()
    first, second = journal.alarm(), journal.alarm()
    with reader.snapshot() as snapshot:
        assert (snapshot.epoch, snapshot.tail) == ("0a1b2c3d", 3)
        found = snapshot.lease(Want(0, 0))
    assert [record.seq for record in found.records] == [first, second]
    record = found.records[0]
    assert (record.epoch, record.kind, record.urgency) == ("0a1b2c3d", "alarm", 0)
    assert (record.utc_ms, record.quality) == (1_760_000_000_000, "synced")
    assert found.exhausted
    assert found.upto == 3
    reader.close()


def test_a_lease_is_bounded(journal: JournalFile, reader: JournalReader) -> None:
    """By number and by bytes; it says up to where it is complete; one record always fits."""
    for _ in range(5):
        journal.add("block", 2, b"x" * 100)
    assert seqs(reader, Want(2, 0), limit=2) == ([1, 2], 2, False)
    assert seqs(reader, Want(2, 2), max_bytes=150) == ([3, 4], 4, False)
    assert seqs(reader, Want(2, 4), max_bytes=1) == ([5], 5, False)
    assert seqs(reader, Want(2, 5)) == ([], 5, True)
    reader.close()


def test_kinds_can_be_left_out(journal: JournalFile, reader: JournalReader) -> None:
    """A kind that the broker refuses is not read over and over."""
    journal.block()
    health = journal.add("health", 2)
    journal.block()
    assert seqs(reader, Want(2, 0, frozenset({"block"}))) == ([health], 3, True)
    reader.close()


def test_the_tail_counts_what_was_evicted(journal: JournalFile, reader: JournalReader) -> None:
    """Numbers are never reused, also when the newest record is gone."""
    journal.block()
    journal.evict(journal.block())
    with reader.snapshot() as snapshot:
        assert snapshot.tail == 2
        assert snapshot.record(2) is None
        assert snapshot.record(1) is not None
    reader.close()


def test_a_snapshot_does_not_move(journal: JournalFile, reader: JournalReader) -> None:
    """What is committed meanwhile is seen by the next one; the writer is not held up."""
    journal.block()
    with reader.snapshot() as snapshot:
        journal.alarm()
        assert snapshot.lease(Want(0, 0)).records == ()
    assert seqs(reader, Want(0, 0))[0] == [2]
    reader.close()


def test_another_file_in_its_place_is_read(
    new_journal: Callable[..., JournalFile], reader: JournalReader, state_dir: Path
) -> None:
    """A damaged journal that was set aside is let go without a restart of the link."""
    old = new_journal()
    old.block()
    assert seqs(reader, Want(2, 0))[0] == [1]
    old.close()
    for part in state_dir.glob("journal.db*"):
        part.rename(state_dir / part.name.replace("journal", "aside"))
    new_journal("ffffffff").alarm()
    with reader.snapshot() as snapshot:
        assert (snapshot.epoch, snapshot.tail) == ("ffffffff", 1)
    reader.close()


def test_the_reader_cannot_write(journal: JournalFile, reader: JournalReader) -> None:
    """It is opened read-only."""
    with (
        pytest.raises(StoreError, match="readonly"),
        reader.snapshot() as snapshot,
    ):
        snapshot._connection.execute("DELETE FROM record")
    reader.close()


def _absent(path: Path) -> None:
    path.unlink()


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _locked(path: Path) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("BEGIN EXCLUSIVE")
    _OPEN.append(database)


def _bare(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM meta")
    database.close()


_OPEN: list[sqlite3.Connection] = []


@pytest.mark.parametrize("spoil", [_absent, _garbage, _newer, _locked, _bare])
def test_whatever_is_wrong_is_a_store_error(
    journal: JournalFile,
    reader: JournalReader,
    spoil: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Absent, damaged, too new, locked, without epoch: later it may be well again."""
    monkeypatch.setattr("uplink.reader.BUSY_MS", 10)
    journal.close()
    spoil(journal.path)
    with pytest.raises(StoreError), reader.snapshot():
        pass
    while _OPEN:
        _OPEN.pop().close()
    reader.close()


def test_a_page_that_rots_while_open_is_a_store_error(
    journal: JournalFile, reader: JournalReader
) -> None:
    """Damage found in the middle of a lease, too; the next snapshot opens the file anew."""
    journal.fill(2000)
    journal.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    size = journal.path.stat().st_size
    with journal.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with pytest.raises(StoreError), reader.snapshot() as snapshot:
        snapshot.lease(Want(2, 0), limit=2000, max_bytes=1 << 30)
    reader.close()


def test_digests_tell_records_apart(journal: JournalFile, reader: JournalReader) -> None:
    """By what was recorded, not by the number."""
    journal.alarm("a"), journal.alarm("b"), journal.alarm("a")
    with reader.snapshot() as snapshot:
        a, b, again = snapshot.lease(Want(0, 0)).records
    assert digest(a) == digest(again) != digest(b)
    reader.close()
