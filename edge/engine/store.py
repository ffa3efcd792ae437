"""The journal file: versioned schema, all-or-nothing appends, a bound in bytes.

Used by one thread.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edge.core.errors import StoreError
from edge.core.instant import Utc
from edge.core.model import Notice, Record, RecordKind, Urgency
from edge.engine.audit import Head, Source, Stamp
from edge.engine.audit_head import HeadFile, KeptHead, head_path, read_heads
from edge.engine.audit_trail import Trail
from edge.engine.eviction import Eviction, decoded
from protocols.envelope import Malformed, decode_body, encode_body

_log = logging.getLogger("tongluo.journal")

_PAGE_BYTES = 4096
_BUSY_MS = 2000

Entry = tuple[Record, bytes] | tuple[Record, bytes, Stamp]
"""A record with its encoded body, and under what it was made."""

# With these a call ladder begins (again): what it did before is of no use to a restart.
_FRESH_CALLS = ("began", "again")

_EXERCISES = (RecordKind.DRILL, RecordKind.WALK_TEST)

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
        self._trail: Trail | None = None
        self._stamp = Stamp("", "", 0)
        self._head_file = HeadFile(head_path(path))
        self._head_fault = ""
        self._gaps: list[dict[str, object]] = []
        self._run_begun = ""
        self._eviction = Eviction()

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

    @property
    def head(self) -> Head | None:
        """How far the audit chain has been committed."""
        return self._trail.head if self._trail is not None else None

    def append(self, records: Sequence[Entry]) -> int:
        """Commit all of these, durably, or none. Returns the newest sequence number."""
        db, trail = self._database(), self._chain()
        try:
            with db:
                for entry in self._with_gaps(records):
                    self._stamp = entry[2] if len(entry) == 3 else self._stamp
                    self._insert(db, entry[0], entry[1])
                    self._insert_checkpoint(db, entry[0].utc)
                self._note_run(db, self._stamp.run)
        except sqlite3.Error as error:
            trail.forget()
            raise StoreError(f"{self._path}: {error}") from error
        self._gaps.clear()
        self._keep_chain(trail)
        return self._last_seq

    def finish(self) -> None:
        """The run ends in order: nothing that it decided is missing from the file."""
        db = self._database()
        try:
            with db:
                self._note_run(db, "")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def newest(self) -> Utc | None:
        """The latest wall time of the newest few records; None of an empty journal.

        Of a clock that was set back just before the end, it is the time before.
        """
        query = "SELECT max(utc_ms) FROM (SELECT utc_ms FROM record ORDER BY seq DESC LIMIT 64)"
        try:
            row = self._database().execute(query).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return None if row[0] is None else Utc(row[0])

    def alarms(self) -> list[dict[str, object]]:
        """The newest alarm body of each rule; unreadable ones are left out and logged."""
        return self._bodies("SELECT rule, body FROM alarm_state")

    def devices(self) -> list[dict[str, object]]:
        """The newest loss or return of each device, by bus and address."""
        return self._bodies("SELECT bus || '/' || address, body FROM device_state")

    def calls(self) -> list[dict[str, object]]:
        """What every call ladder has done since it last began, oldest first."""
        return self._bodies("SELECT rule || '/' || ladder, body FROM call_state ORDER BY seq")

    def exercises(self) -> dict[str, dict[str, object]]:
        """The newest beginning or end of a drill and of a walk-test, by kind of record."""
        try:
            rows = self._database().execute("SELECT kind, body FROM exercise_state").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return {kind: decoded(body) for kind, body in rows}

    def trim(self, utc: Utc) -> int:
        """Keep the file within its bound: oldest telemetry first, never an alarm for telemetry's
        sake.

        Returns how many records were evicted; each step is itself a record.
        """
        db, trail = self._database(), self._chain()
        evicted = 0
        try:
            self._measure(db)
            while self.bytes_used > self._most_bytes:
                gone = self._eviction.step(db, partial(self._insert_loss, db, utc))
                if gone is None:
                    break
                self._keep_chain(trail)
                evicted += gone
                self._measure(db)
        except sqlite3.Error as error:
            trail.forget()
            raise StoreError(f"{self._path}: {error}") from error
        return evicted

    # -- inside -----------------------------------------------------------------------------

    def _database(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self._path}: not open")
        return self._db

    def _chain(self) -> Trail:
        if self._trail is None:
            raise StoreError(f"{self._path}: not open")
        return self._trail

    def _keep_chain(self, trail: Trail) -> None:
        """What is committed is the head from now on, also in the file beside the journal.

        That file is a witness, not a store: a disk that refuses it costs no record.
        """
        if trail.next == trail.head:
            return
        durable = trail.keep()
        try:
            self._head_file.write(KeptHead(trail.source, trail.head), durable=durable)
            self._head_fault = ""
        except OSError as error:
            if not self._head_fault:
                _log.error("event=audit_head_not_kept reason=%s", error)
            self._head_fault = str(error)

    def _with_gaps(self, records: Sequence[Entry]) -> list[Entry]:
        """The records, preceded by what was found missing when the file was opened."""
        if not self._gaps or not records:
            return list(records)
        first = records[0]
        stamp = first[2] if len(first) == 3 else self._stamp
        gaps = [Record(RecordKind.GAP, Urgency.ALARM, first[0].utc, body) for body in self._gaps]
        return [*((gap, encode_body(gap.body), stamp) for gap in gaps), *records]

    def _note_run(self, db: sqlite3.Connection, run: str) -> None:
        """Remember which run writes here, so that the next one sees whether it ended in order."""
        if run != self._run_begun:
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('run', ?)", (run,))
            self._run_begun = run

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
            self._trail = Trail(db, Source(self._site, self.epoch), self._last_seq)
            self._look_for_gaps(db, self._trail)
        except (sqlite3.Error, OSError):
            db.close()
            raise
        self._db = db

    def _look_for_gaps(self, db: sqlite3.Connection, trail: Trail) -> None:
        """Whether the last run ended in order, and the file is still as its head says.

        After a failed write of this same run nothing is missing: what failed is written again.
        """
        row = db.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
        begun = str(row[0]) if row else ""
        resumed = bool(begun) and begun == self._run_begun
        self._run_begun = begun
        try:
            kept = read_heads(head_path(self._path))
        except OSError as error:
            _log.error("event=audit_head_unreadable reason=%s", error)
            kept = []
        self._gaps = [] if resumed else [*trail.gaps(db, kept)]
        if begun and not resumed:
            cause = {"cause": "the last run did not end in order", "run": begun}
            self._gaps.append({**cause, "n": trail.head.n, "seq": trail.head.seq})

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
        self._chain().link(db, self._last_seq, record, body, self._stamp)
        if record.kind is RecordKind.ALARM and not record.body.get("drill"):
            db.execute(
                "INSERT INTO alarm_state (rule, seq, body) VALUES (?, ?, ?)"
                " ON CONFLICT (rule) DO UPDATE SET seq = excluded.seq, body = excluded.body",
                (str(record.body["rule"]), self._last_seq, body),
            )
        elif record.kind is RecordKind.CALL:
            self._keep_call(db, record, body)
        elif record.kind in _EXERCISES and record.body["event"] in ("started", "ended"):
            db.execute(
                "INSERT OR REPLACE INTO exercise_state (kind, seq, body) VALUES (?, ?, ?)",
                (record.kind.value, self._last_seq, body),
            )
        elif record.kind is RecordKind.DEVICE and record.body["event"] in _LASTING:
            db.execute(
                "INSERT INTO device_state (bus, address, seq, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (bus, address) DO UPDATE"
                " SET seq = excluded.seq, body = excluded.body",
                (record.body["bus"], record.body["address"], self._last_seq, body),
            )

    def _insert_checkpoint(self, db: sqlite3.Connection, utc: Utc) -> None:
        checkpoint = self._chain().checkpoint(db, utc, self._stamp)
        if checkpoint is not None:
            self._insert(db, checkpoint, encode_body(checkpoint.body))

    def _keep_call(self, db: sqlite3.Connection, record: Record, body: bytes) -> None:
        # a drill has its own rows: it must not take those of the real alarm
        exercise = " drill" if record.body.get("drill") else ""
        ladder = (str(record.body["rule"]), f"{record.body['ladder']}{exercise}")
        if record.body["what"] in _FRESH_CALLS:
            db.execute("DELETE FROM call_state WHERE rule = ? AND ladder = ?", ladder)
        db.execute(
            "INSERT INTO call_state (seq, rule, ladder, body) VALUES (?, ?, ?, ?)",
            (self._last_seq, *ladder, body),
        )

    def _measure(self, db: sqlite3.Connection) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        free = db.execute("PRAGMA freelist_count").fetchone()[0]
        self.bytes_used = (pages - free) * _PAGE_BYTES

    def _insert_loss(self, db: sqlite3.Connection, utc: Utc, body: dict[str, object]) -> None:
        self._insert(db, Record(RecordKind.LOSS, Urgency.STATE, utc, body), encode_body(body))


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
