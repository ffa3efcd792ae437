"""The audit chain inside the journal file: one link per audited record, in the same transaction.

Used by the store, in the journal's own thread: nothing here is on the alarm path.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from edge.core.instant import Utc
from edge.core.model import Record, RecordKind, Urgency
from edge.engine import audit
from edge.engine.audit import Content, Head, Source, Stamp
from edge.engine.audit_head import KeptHead

_SHORTEST_BRIDGE: Final = 64
"""So many links in a row whose records are gone are replaced by one line of a loss record."""

_Checkpoint = tuple[int, int | None]


class Trail:
    """The end of the chain of an open file.

    ``head`` is as last committed: what ``link`` adds counts after ``keep``, or never after
    ``forget``.
    """

    def __init__(self, db: sqlite3.Connection, source: Source, last_seq: int) -> None:
        """Take up the chain, or begin one after this record."""
        self.source = source
        row = db.execute("SELECT n, seq, head FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        if row is None:
            row = db.execute("SELECT n, seq, head FROM audit_base").fetchone()
        if row is None:
            base = audit.begin(source, last_seq)
            with db:
                db.execute(
                    "INSERT INTO audit_base (n, seq, head) VALUES (?, ?, ?)",
                    (base.n, base.seq, base.head),
                )
            row = (base.n, base.seq, base.head)
        self.head = Head(*row)
        self._next = self.head
        checkpoint = db.execute("SELECT value FROM meta WHERE key = 'checkpoint'").fetchone()
        # number of the newest checkpoint, and when it was written; None: before this start
        self._checkpoint: _Checkpoint = (int(checkpoint[0]) if checkpoint else 0, None)
        self._kept_checkpoint: _Checkpoint = self._checkpoint

    def gaps(self, db: sqlite3.Connection, kept: Sequence[KeptHead]) -> list[dict[str, object]]:
        """What the heads kept beside the file know and the file does not, as bodies of records."""
        ours = [each.head for each in kept if each.source == self.source]
        if not ours:
            others = [each for each in kept if each.source.site == self.source.site]
            return [_gap("another journal was here", other) for other in others[-1:]]
        head = ours[-1]
        if head.n > self.head.n:
            gap = _gap(audit.MISSING, KeptHead(self.source, head))
            return [{**gap, "found": self.head.n}]
        row = db.execute("SELECT head FROM audit WHERE seq = ?", (head.seq,)).fetchone()
        # no row: that link was bridged, or there is none yet
        if row is not None and bytes(row[0]) != head.head:
            return [_gap(audit.ANOTHER_CHAIN, KeptHead(self.source, head))]
        return []

    def link(
        self, db: sqlite3.Connection, seq: int, record: Record, body: bytes, stamp: Stamp
    ) -> None:
        """Chain a record that was just inserted; readings are left out."""
        if record.kind in audit.UNCHAINED:
            return
        content = Content(
            record.kind.value, int(record.urgency), record.utc.ms, record.utc.quality.value, body
        )
        n = self._next.n + 1
        digest = audit.digest(self.source, n, seq, stamp, content)
        self._next = Head(n, seq, audit.follow(self._next.head, digest))
        db.execute(
            "INSERT INTO audit (seq, n, run, config, mono_ms, digest, head)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, n, stamp.run, stamp.config, stamp.mono_ms, digest, self._next.head),
        )

    def checkpoint(self, db: sqlite3.Connection, utc: Utc, stamp: Stamp) -> Record | None:
        """The checkpoint that is due now, to be inserted like any record; None if none is."""
        last_n, last_ms = self._checkpoint
        if last_ms is None:
            last_ms = stamp.mono_ms
            self._checkpoint = (last_n, last_ms)
        late = stamp.mono_ms - last_ms >= audit.CHECKPOINT_MS
        if self._next.n - last_n < (1 if late else audit.CHECKPOINT_EVERY):
            return None
        # the checkpoint is a link itself, and no reason for another one
        self._checkpoint = (self._next.n + 1, stamp.mono_ms)
        db.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('checkpoint', ?)",
            (str(self._checkpoint[0]),),
        )
        body: dict[str, object] = {
            "n": self._next.n,
            "seq": self._next.seq,
            "head": self._next.head.hex(),
            "signature": None,
        }
        return Record(RecordKind.CHECKPOINT, Urgency.STATE, utc, body)

    @property
    def next(self) -> Head:
        """The head with what the open transaction has added."""
        return self._next

    def keep(self) -> bool:
        """The transaction is on disk. True if it held a checkpoint."""
        checked = self._kept_checkpoint[0] != self._checkpoint[0]
        self.head, self._kept_checkpoint = self._next, self._checkpoint
        return checked

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._next, self._checkpoint = self.head, self._kept_checkpoint


def _gap(cause: str, kept: KeptHead) -> dict[str, object]:
    head = kept.head
    return {
        "cause": cause,
        "epoch": kept.source.epoch,
        "n": head.n,
        "seq": head.seq,
        "head": head.head.hex(),
    }


def bridge(db: sqlite3.Connection) -> list[list[object]]:
    """Drop long runs of links whose records are gone; the caller commits, and records the bridges.

    A bridge is ``[n, head, n, head]``: the link before the run and the last of the run, heads in
    hexadecimal digits.
    """
    bridges: list[list[object]] = []
    base = db.execute("SELECT n, head FROM audit_base").fetchone()
    if base is None:
        return bridges
    before_n, before_head = base
    run: list[tuple[int, int, bytes]] = []
    rows = db.execute(
        "SELECT audit.seq, n, head, record.seq IS NULL FROM audit"
        " LEFT JOIN record ON record.seq = audit.seq ORDER BY audit.seq"
    ).fetchall()
    for seq, n, head, gone in [*rows, (0, 0, b"", False)]:
        if gone:
            run.append((seq, n, head))
            continue
        # the last link of all stays: the chain goes on from it
        if len(run) >= _SHORTEST_BRIDGE and seq:
            db.executemany("DELETE FROM audit WHERE seq = ?", [(each[0],) for each in run])
            bridges.append([before_n, before_head.hex(), run[-1][1], run[-1][2].hex()])
        run = []
        before_n, before_head = n, head
    return bridges
