"""What a receiver remembers: records, explained losses, births, blocks not yet decoded."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.core.errors import StoreError
from protocols.block import Malformed, Profile, decode_birth
from uplink.ranges import Ranges

SCHEMA_VERSION: Final = 1
MOST_WAITING: Final = 100_000
"""Blocks that may wait for a birth: 5 s each, almost six days of one site."""

_SCHEMA: Final = f"""
    CREATE TABLE own (client_id TEXT NOT NULL) STRICT;
    CREATE TABLE book (
        site       TEXT    NOT NULL,
        epoch      TEXT    NOT NULL,
        received   INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        PRIMARY KEY (site, epoch)
    ) STRICT;
    CREATE TABLE span (
        site  TEXT    NOT NULL,
        epoch TEXT    NOT NULL,
        lost  INTEGER NOT NULL,   -- 0 received, 1 explained by a loss record
        first INTEGER NOT NULL,
        last  INTEGER NOT NULL,
        PRIMARY KEY (site, epoch, lost, first)
    ) STRICT;
    CREATE TABLE birth (
        site    TEXT NOT NULL,
        profile BLOB NOT NULL,
        body    BLOB NOT NULL,
        PRIMARY KEY (site, profile)
    ) STRICT;
    CREATE TABLE waiting (
        id       INTEGER PRIMARY KEY,
        site     TEXT NOT NULL,
        profile  BLOB NOT NULL,
        envelope BLOB NOT NULL
    ) STRICT;
    CREATE INDEX waiting_profile ON waiting (site, profile, id);
    PRAGMA user_version = {SCHEMA_VERSION}
"""


@dataclass(slots=True)
class Book:
    """The records of one journal file (site and epoch), numbered from 1 without holes."""

    received: Ranges = field(default_factory=Ranges)
    lost: Ranges = field(default_factory=Ranges)
    """What the site itself said is gone."""
    count: int = 0
    duplicates: int = 0
    _known: Ranges = field(default_factory=Ranges)

    def note(self, seq: int) -> bool:
        """Count a record in; False if it was here before."""
        if seq in self.received:
            self.duplicates += 1
            return False
        self.received.add(seq)
        self._known.add(seq)
        self.count += 1
        return True

    def explain(self, first: int, last: int) -> None:
        """The site says that these records no longer exist."""
        self.lost.add(first, last)
        self._known.add(first, last)

    def restore(self, lost: int, first: int, last: int) -> None:
        """Put back a stored span."""
        (self.lost if lost else self.received).add(first, last)
        self._known.add(first, last)

    @property
    def complete_to(self) -> int:
        """Every record up to this one was received or explained; 0 if the first is missing."""
        return self._known.run_end(1)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Ranges before the newest record that were neither received nor explained."""
        return list(self._known.missing(1, self.received.top))


class Archive:
    """State of one receiver, in a file or (without a path) in memory.

    Changes become durable together, with ``commit``. All errors are StoreError.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._books: dict[tuple[str, str], Book] = {}
        self._stored: dict[tuple[str, str], frozenset[tuple[int, int, int]]] = {}
        self._touched: set[tuple[str, str]] = set()
        self._profiles: dict[str, dict[bytes, Profile]] = {}
        self._waiting = 0
        self.client_id = ""
        """Under this name the broker keeps the session; drawn once, as old as the archive."""

    def __enter__(self) -> Archive:
        with self._errors():
            name = ":memory:" if self._path is None else str(self._path)
            connection = sqlite3.connect(name, timeout=0.2, isolation_level=None)
            self._connection = connection
            try:
                self._open(connection)
            except (sqlite3.Error, StoreError):
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def books(self) -> Iterator[tuple[str, str, Book]]:
        """Site, epoch and book, in order."""
        for site, epoch in sorted(self._books):
            yield site, epoch, self._books[site, epoch]

    def book(self, site: str, epoch: str) -> Book:
        """The book of a site's journal, opened if it is new; it is stored with the next commit."""
        self._touched.add((site, epoch))
        return self._books.setdefault((site, epoch), Book())

    def profiles(self, site: str) -> dict[bytes, Profile]:
        """What is known of a site, by profile id."""
        return self._profiles.setdefault(site, {})

    def keep_birth(self, site: str, profile: Profile, body: bytes) -> None:
        """Remember a profile."""
        self.profiles(site)[profile.id] = profile
        self._write("INSERT OR REPLACE INTO birth VALUES (?, ?, ?)", site, profile.id, body)

    def keep_waiting(self, site: str, profile_id: bytes, envelope: bytes) -> bool:
        """Keep a block until its birth comes; False if too many wait already."""
        if self._waiting >= MOST_WAITING:
            return False
        self._write(
            "INSERT INTO waiting (site, profile, envelope) VALUES (?, ?, ?)",
            *(site, profile_id, envelope),
        )
        self._waiting += 1
        return True

    def take_waiting(self, site: str, profile_id: bytes) -> list[bytes]:
        """The envelopes that waited for this profile, oldest first; they wait no longer."""
        rows = self._write(
            "SELECT envelope FROM waiting WHERE site = ? AND profile = ? ORDER BY id",
            *(site, profile_id),
        )
        if rows:
            self._write("DELETE FROM waiting WHERE site = ? AND profile = ?", site, profile_id)
            self._waiting -= len(rows)
        return [row[0] for row in rows]

    @property
    def waiting(self) -> int:
        """Blocks that cannot be decoded yet."""
        return self._waiting

    def commit(self) -> None:
        """Make everything so far durable."""
        for key in self._touched:
            self._write_book(*key)
        self._touched.clear()
        with self._errors():
            if self._database.in_transaction:
                self._database.execute("COMMIT")

    # ---- inside

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("the archive is not open")
        return self._connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = self._path or "archive in memory"
            raise StoreError(
                f"{name}: {error}", hint="one receiver per state directory; look at the disk"
            ) from error

    def _write(self, statement: str, *values: object) -> list[tuple[bytes]]:
        with self._errors():
            if not self._database.in_transaction:
                self._database.execute("BEGIN IMMEDIATE")
            return self._database.execute(statement, values).fetchall()

    def _write_book(self, site: str, epoch: str) -> None:
        book = self._books[site, epoch]
        spans = frozenset(
            (lost, first, last)
            for lost, ranges in enumerate((book.received, book.lost))
            for first, last in ranges
        )
        stored = self._stored.get((site, epoch), frozenset())
        for lost, first, _ in stored - spans:
            self._write(
                "DELETE FROM span WHERE site = ? AND epoch = ? AND lost = ? AND first = ?",
                *(site, epoch, lost, first),
            )
        for span in spans - stored:
            self._write("INSERT INTO span VALUES (?, ?, ?, ?, ?)", site, epoch, *span)
        self._write(
            "INSERT OR REPLACE INTO book VALUES (?, ?, ?, ?)",
            *(site, epoch, book.count, book.duplicates),
        )
        self._stored[site, epoch] = spans

    def _open(self, database: sqlite3.Connection) -> None:
        # One receiver per archive: a second one would answer for the first one's session.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(f"{self._path} has schema {version}, not {SCHEMA_VERSION}")
        database.execute("BEGIN IMMEDIATE")
        if version == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            name = f"tongluo-receive-{secrets.token_hex(4)}"
            database.execute("INSERT INTO own VALUES (?)", (name,))
        database.execute("COMMIT")
        self._load(database)

    def _load(self, database: sqlite3.Connection) -> None:
        self.client_id = database.execute("SELECT client_id FROM own").fetchone()[0]
        for site, epoch, count, duplicates in database.execute("SELECT * FROM book"):
            self._books[site, epoch] = Book(count=count, duplicates=duplicates)
        stored: dict[tuple[str, str], set[tuple[int, int, int]]] = {}
        for site, epoch, lost, first, last in database.execute("SELECT * FROM span"):
            self._books[site, epoch].restore(lost, first, last)
            stored.setdefault((site, epoch), set()).add((lost, first, last))
        self._stored = {key: frozenset(spans) for key, spans in stored.items()}
        for site, _, body in database.execute("SELECT * FROM birth"):
            with contextlib.suppress(Malformed):  # kept by a version that read it otherwise
                profile = decode_birth(body)
                self.profiles(site)[profile.id] = profile
        self._waiting = database.execute("SELECT count(*) FROM waiting").fetchone()[0]
