"""The journal as the link process sees it: read-only, one consistent snapshot at a time."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.core.errors import StoreError
from protocols.envelope import Envelope
from uplink.outbox import LEASE_BYTES, LEASE_RECORDS, Lease, Want

SCHEMA_VERSIONS: Final = (1, 2, 3, 4, 5)
BUSY_MS: Final = 500
"""WAL readers wait only while the writer recovers or resets the log: moments."""


def digest(record: Envelope) -> str:
    """Eight bytes, as hex, that tell this record from another one with the same number."""
    head = f"{record.kind}\0{record.utc_ms}\0".encode()
    return hashlib.sha256(head + record.body).hexdigest()[:16]


class Snapshot:
    """The journal at one moment. ``epoch``: of the file; ``tail``: the newest number ever given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        if "epoch" not in meta:
            raise StoreError("the journal has no epoch", hint="it is made by `tongluo run`")
        self.epoch = str(meta["epoch"])
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
        self.tail = int(row[0]) if row else 0

    def record(self, seq: int) -> Envelope | None:
        """One record; None if it was evicted, or never existed."""
        row = self._connection.execute(f"{_SELECT} WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else self._envelope(row)

    def lease(
        self, want: Want, *, limit: int = LEASE_RECORDS, max_bytes: int = LEASE_BYTES
    ) -> Lease:
        """The wanted records in order: at most ``limit``, ended by ``max_bytes`` of bodies."""
        without = sorted(want.without)
        kinds = f" AND kind NOT IN ({', '.join('?' * len(without))})" if without else ""
        rows = self._connection.execute(
            f"{_SELECT} WHERE urgency = ? AND seq > ?{kinds} ORDER BY seq LIMIT ?",
            (want.urgency, want.after, *without, limit),
        )
        records: list[Envelope] = []
        size = 0
        for row in rows:
            records.append(self._envelope(row))
            size += len(records[-1].body)
            if size >= max_bytes:
                break
        exhausted = len(records) < limit and size < max_bytes
        upto = max(self.tail, want.after) if exhausted else records[-1].seq
        return Lease(want, tuple(records), upto, exhausted)

    def scan(
        self, *, after: int = 0, kinds: tuple[str, ...] = (), last: int | None = None
    ) -> Iterator[Envelope]:
        """Records after a number in order, of these kinds (none: all), or only the last so many."""
        only = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        newest = f"{_SELECT} WHERE seq > ?{only} ORDER BY seq DESC LIMIT ?"
        rows = self._connection.execute(
            "SELECT * FROM (" + newest + ") ORDER BY seq",  # noqa: S608 - constants and marks only
            (after, *kinds, -1 if last is None else last),
        )
        return map(self._envelope, rows)

    def _envelope(self, row: tuple[int, str, int, int, str, bytes]) -> Envelope:
        seq, kind, urgency, utc_ms, quality, body = row
        return Envelope(
            epoch=self.epoch,
            seq=seq,
            kind=kind,
            urgency=urgency,
            utc_ms=utc_ms,
            quality=quality,
            body=body,
        )


_SELECT: Final = "SELECT seq, kind, urgency, utc_ms, quality, body FROM record"


class JournalReader:
    """Opens the journal when it is there, again when another file took its place. Never writes.

    May be used from any thread, by one at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """What the journal holds now. Raises StoreError: absent, locked, damaged or too new."""
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN")
                try:
                    yield Snapshot(connection)
                finally:
                    connection.execute("ROLLBACK")
            except (sqlite3.Error, OSError) as error:
                self._forget()
                raise StoreError(f"journal {self._path}: {error}") from error

    def close(self) -> None:
        """Let the file go; the next snapshot opens it again."""
        with self._lock:
            self._forget()

    def _opened(self) -> sqlite3.Connection:
        stat = self._path.stat()
        file = (stat.st_dev, stat.st_ino)
        if self._connection is not None and file == self._file:
            return self._connection
        self._forget()
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in SCHEMA_VERSIONS:
                raise StoreError(
                    f"journal {self._path} has schema {version}, not one of {SCHEMA_VERSIONS}",
                    hint="run `tongluo link` and `tongluo run` from the same version",
                )
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
        self._connection, self._file = connection, file
        return connection

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
