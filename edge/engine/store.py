"""The journal file: versioned schema, all-or-nothing appends, a bound in bytes.

Used by one thread.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from edge.core.errors import StoreError
from edge.core.instant import Utc
from edge.core.model import Notice, Record, RecordKind, Urgency
from protocols.envelope import Malformed, decode_body, encode_body

_log = logging.getLogger("tongluo.journal")

_PAGE_BYTES = 4096
# Telemetry is evicted in steps of this many records, so that trimming is rare and each loss is one
# record.
_EVICT_RECORDS = 64
_BUSY_MS = 2000
# Notices of loss beyond these are merged into the next one, so that they cannot fill the file
# themselves.
_KEPT_NOTICES = 256

# Events of a device that hold until the other one comes, and are taken up after a restart.
_LASTING = (Notice.LOST.value, Notice.BACK.value)


class Store:
    """A SQLite file in WAL mode with synchronous=FULL. Every failure is a StoreError."""

    def __init__(self, path: Path, site: str, most_bytes: int) -> None:
        self.epoch = ""
        self.set_aside = ""
        self.bytes_used = 0
        self._path = path
        self._site = site
        self._most_bytes = most_bytes
        self._db: sqlite3.Connection | None = None
        self._last_seq = 0

    def open(self, now_ms: int) -> None:
        """Open or make the file, its schema up to date; what is no journal is set aside.

        Quick however large the file is: ``verify`` looks into all of it.
        """
        self._guard(self._connect, now_ms)

    def verify(self, now_ms: int) -> None:
        """Look through the whole file; a damaged one is set aside and a new one begun.

        Reads every page: seconds on a large file, so never before the box is armed.
        """
        self._guard(self._look_through, now_ms)

    def reopen(self, now_ms: int) -> None:
        """After a failed write nothing of the old connection is trusted."""
        self.close()
        self.open(now_ms)

    def close(self) -> None:
        """Release the file; harmless twice."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def append(self, records: list[tuple[Record, bytes]]) -> int:
        """Commit all of these, durably, or none. Returns the newest sequence number."""
        db = self._database()
        try:
            with db:
                for record, body in records:
                    self._insert(db, record, body)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return self._last_seq

    def alarms(self) -> list[dict[str, object]]:
        """The newest alarm body of each rule; unreadable ones are left out and logged."""
        return self._bodies("SELECT rule, body FROM alarm_state")

    def devices(self) -> list[dict[str, object]]:
        """The newest loss or return of each device, by bus and address."""
        return self._bodies("SELECT bus || '/' || address, body FROM device_state")

    def trim(self, utc: Utc) -> int:
        """Keep the file within its bound: oldest telemetry first, never an alarm for telemetry's
        sake.

        Returns how many records were evicted; each step is itself a record.
        """
        db = self._database()
        evicted = 0
        try:
            self._measure(db)
            while self.bytes_used > self._most_bytes:
                gone = self._evict(db, utc)
                if not gone:
                    break
                evicted += gone
                self._measure(db)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return evicted

    # -- inside -----------------------------------------------------------------------------

    def _database(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self._path}: not open")
        return self._db

    def _bodies(self, query: str) -> list[dict[str, object]]:
        """The readable ones of (name, body) rows; the others are logged."""
        bodies: list[dict[str, object]] = []
        try:
            rows = self._database().execute(query).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        for name, body in rows:
            try:
                bodies.append(decode_body(body))
            except Malformed as error:
                _log.error("event=state_unreadable name=%s reason=%s", name, error)
        return bodies

    def _connect(self) -> None:
        new = not self._path.exists()
        db = sqlite3.connect(self._path, timeout=_BUSY_MS / 1000, check_same_thread=False)
        try:
            if new:
                db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_size_limit = 1048576")
            _migrate(db)
            self.epoch = self._identify(db)
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
            self._last_seq = row[0] if row else 0
        except (sqlite3.Error, OSError):
            db.close()
            raise
        self._db = db

    def _look_through(self) -> None:
        verdict = self._database().execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"damaged: {verdict}")

    def _guard(self, step: Callable[[], None], now_ms: int) -> None:
        """Do this; if the file is damaged, set it aside and begin a new one."""
        try:
            try:
                step()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                    raise
                self.close()
                self._put_aside(now_ms, str(error))
                self._connect()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreError(
                f"{self._path}: {error}",
                hint="look at the disk: space, mount, permissions of the state directory",
            ) from error

    def _identify(self, db: sqlite3.Connection) -> str:
        """Draw the epoch of a new file; refuse the file of another site."""
        with db:
            db.execute(
                "INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', ?), ('site', ?)",
                (secrets.token_hex(4), self._site),
            )
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        if meta["site"] != self._site:
            raise OSError(f"the journal belongs to site {meta['site']!r}, not {self._site!r}")
        return str(meta["epoch"])

    def _put_aside(self, now_ms: int, reason: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged-{now_ms}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self._path}{suffix}")
            if part.exists():
                part.rename(f"{aside}{suffix}")
        self.set_aside = aside.name
        _log.error("event=journal_set_aside as=%s reason=%s", aside.name, reason)

    def _insert(self, db: sqlite3.Connection, record: Record, body: bytes) -> None:
        cursor = db.execute(
            "INSERT INTO record (kind, urgency, utc_ms, quality, body) VALUES (?, ?, ?, ?, ?)",
            (
                record.kind.value,
                int(record.urgency),
                record.utc.ms,
                record.utc.quality.value,
                body,
            ),
        )
        self._last_seq = cursor.lastrowid or self._last_seq
        if record.kind is RecordKind.ALARM:
            db.execute(
                "INSERT INTO alarm_state (rule, seq, body) VALUES (?, ?, ?)"
                " ON CONFLICT (rule) DO UPDATE SET seq = excluded.seq, body = excluded.body",
                (str(record.body["rule"]), self._last_seq, body),
            )
        elif record.kind is RecordKind.DEVICE and record.body["event"] in _LASTING:
            db.execute(
                "INSERT INTO device_state (bus, address, seq, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (bus, address) DO UPDATE"
                " SET seq = excluded.seq, body = excluded.body",
                (record.body["bus"], record.body["address"], self._last_seq, body),
            )

    def _measure(self, db: sqlite3.Connection) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        free = db.execute("PRAGMA freelist_count").fetchone()[0]
        self.bytes_used = (pages - free) * _PAGE_BYTES

    def _evict(self, db: sqlite3.Connection, utc: Utc) -> int:
        """Drop the oldest records of the least urgent class there is, and say so in a record."""
        row = db.execute("SELECT max(urgency) FROM record WHERE kind != 'loss'").fetchone()
        if row[0] is None:
            return 0
        seqs = [
            seq
            for (seq,) in db.execute(
                "SELECT seq FROM record WHERE urgency = ? AND kind != 'loss' ORDER BY seq LIMIT ?",
                (row[0], _EVICT_RECORDS),
            )
        ]
        notices = db.execute(
            "SELECT seq, body FROM record WHERE kind = 'loss' ORDER BY seq DESC LIMIT -1 OFFSET ?",
            (_KEPT_NOTICES,),
        ).fetchall()
        gone = seqs + [seq for seq, _ in notices]
        ranges = _merge([[seq, seq] for seq in gone] + [r for _, b in notices for r in _lost(b)])
        body: dict[str, object] = {"cause": "journal full", "ranges": ranges}
        with db:
            db.executemany("DELETE FROM record WHERE seq = ?", [(seq,) for seq in gone])
            self._insert(db, Record(RecordKind.LOSS, Urgency.STATE, utc, body), encode_body(body))
        return len(seqs)


def _lost(body: bytes) -> list[list[int]]:
    """The ranges of an older notice, so that merging notices forgets none of them."""
    try:
        ranges = decode_body(body).get("ranges", [])
    except Malformed:
        return []
    return [list(each) for each in ranges] if isinstance(ranges, list) else []


def _merge(ranges: list[list[int]]) -> list[list[int]]:
    merged: list[list[int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


def _is_damage(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _migrate(db: sqlite3.Connection) -> None:
    """Apply every schema file above ``user_version``, all in one transaction."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    folder = importlib.resources.files("edge.engine") / "schema"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    newest = int(files[-1].removesuffix(".sql"))
    if version > newest:
        raise OSError(f"the journal has schema {version}; this program knows up to {newest}")
    due = [name for name in files if int(name.removesuffix(".sql")) > version]
    if not due:
        return
    script = "\n".join((folder / name).read_text("utf-8") for name in due)
    db.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {newest};\nCOMMIT;")
