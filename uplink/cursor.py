"""How far a link has come, kept in a small file of its own beside the journal.

Losing it costs repetition, never a record: the district knows every record by (site, epoch, seq).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.core.errors import StoreError

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
    CREATE TABLE position (
        id         INTEGER PRIMARY KEY CHECK (id = 1),
        epoch      TEXT    NOT NULL,
        generation INTEGER NOT NULL,
        mark_seq   INTEGER NOT NULL,
        mark       TEXT    NOT NULL
    ) STRICT;
    CREATE TABLE settled (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
    PRAGMA user_version = {SCHEMA_VERSION};
"""

_log = logging.getLogger("tongluo.link")


@dataclass(frozen=True, slots=True)
class Mark:
    """The delivered record with the highest number, and its digest: by it history is recognised."""

    seq: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """What a link has delivered of one journal file.

    ``epoch`` is the file's; ``settled``: inclusive ranges that are delivered or evicted.
    ``generation`` counts how often this epoch was seen to go back in time.
    """

    epoch: str = ""
    generation: int = 0
    settled: tuple[tuple[int, int], ...] = ()
    mark: Mark = Mark()

    @property
    def wire_epoch(self) -> str:
        """The epoch under which records are sent.

        A journal restored from a backup gives old numbers to new records. Under its own epoch the
        district would take them for duplicates, so each time it goes back it gets a new one.
        """
        if not self.generation:
            return self.epoch
        return hashlib.sha256(f"{self.epoch}/{self.generation}".encode()).hexdigest()[:8]

    def follow(self, epoch: str, tail: int, mark_now: str) -> Position:
        """The position to go on from in the journal as it is now; self if it is the same history.

        ``mark_now``: digest of the record that now has the mark's number; empty if it was evicted.
        """
        if epoch != self.epoch:
            return Position(epoch)
        top = max((last for _, last in self.settled), default=0)
        if tail < top or mark_now not in ("", self.mark.digest):
            return Position(epoch, self.generation + 1)
        return self


class Cursor:
    """The file of one link. Reading never fails: what cannot be read starts from nothing.

    May be used from any thread, by one at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._stored: frozenset[tuple[int, int]] = frozenset()
        self._lock = threading.Lock()

    def load(self) -> Position:
        """The last position stored; a damaged file is set aside under the name ``….damaged``."""
        with self._lock:
            try:
                return self._load()
            except (sqlite3.Error, OSError) as error:
                self._forget()
                _log.error("event=cursor_unreadable file=%s reason=%s", self._path.name, error)
                damaged = not isinstance(error, sqlite3.OperationalError | OSError)
            if damaged:
                with contextlib.suppress(OSError):
                    self._set_aside()
            return Position()

    def store(self, position: Position) -> None:
        """Make it durable, in one transaction. Raises StoreError; then the old position stands."""
        settled = frozenset(position.settled)
        row = (position.epoch, position.generation, position.mark.seq, position.mark.digest)
        with self._lock:
            try:
                connection = self._opened()
                with _transaction(connection):
                    connection.execute(
                        "INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?)", row
                    )
                    _replace(connection, self._stored - settled, settled - self._stored)
                self._stored = settled
            except (sqlite3.Error, OSError) as error:
                self._forget()
                raise StoreError(f"cursor {self._path}: {error}") from error

    def close(self) -> None:
        """Let the file go; the next use opens it again."""
        with self._lock:
            self._forget()

    def _load(self) -> Position:
        connection = self._opened()
        row = connection.execute(
            "SELECT epoch, generation, mark_seq, mark FROM position"
        ).fetchone()
        if row is None:
            return Position()
        epoch, generation, mark_seq, mark = row
        return Position(epoch, generation, tuple(sorted(self._stored)), Mark(mark_seq, mark))

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        connection = sqlite3.connect(
            self._path, timeout=1.0, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                with _transaction(connection):
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
            elif version != SCHEMA_VERSION:
                raise sqlite3.DatabaseError(f"schema {version}, not {SCHEMA_VERSION}")
            self._stored = frozenset(connection.execute("SELECT first, last FROM settled"))
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _set_aside(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, also when the disk is full."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _replace(
    connection: sqlite3.Connection,
    gone: Iterable[tuple[int, int]],
    new: Iterable[tuple[int, int]],
) -> None:
    connection.executemany("DELETE FROM settled WHERE first = ? AND last = ?", gone)
    connection.executemany("INSERT INTO settled VALUES (?, ?)", new)
