"""Reads the audit chain of a journal file and has it walked. Never writes."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.core.errors import StoreError
from edge.engine import audit
from edge.engine.audit import Content, Head, Source, Stamp
from edge.engine.audit_head import KeptHead, head_path, read_heads
from edge.engine.audit_verify import Account, Anchor, Break, Declared, Fault, Link, Walk, beyond
from protocols.envelope import Malformed, decode_body, encode_body

_LINKS: Final = (
    "SELECT audit.seq, n, run, config, mono_ms, digest, head, kind, urgency, utc_ms, quality, body"
    " FROM audit LEFT JOIN record ON record.seq = audit.seq"
    " WHERE audit.seq > ? AND audit.seq <= ? ORDER BY audit.seq"
)
_FIRST_SCHEMA: Final = 3
_NEWEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a verification.

    ``uncovered``: records up to this number are older than the chain. ``trusted``: the walk began
    in the middle, at a head taken as it stands. ``whole``: it went to the end of the chain, and
    ``end_known``: somebody other than the file knows a head of it.
    """

    source: Source
    account: Account
    fault: Fault | None
    uncovered: int
    trusted: bool
    whole: bool
    end_known: bool


def verify(
    path: Path, *, first: int = 0, last: int | None = None, anchors: Sequence[Anchor] = ()
) -> Result:
    """Walk the chain of this journal, of records ``first`` to ``last``, and compare its heads.

    The head file beside it is an anchor too. Raises StoreError if the file is absent, damaged, or
    has no chain.
    """
    try:
        # the head first: what is committed meanwhile only makes the chain longer
        kept = read_heads(head_path(path))
        with contextlib.closing(_opened(path)) as db:
            db.execute("BEGIN")
            return _verify(db, first, last, kept, anchors)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    path.stat()
    uri = path.absolute().as_uri()
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        db.close()
        if not isinstance(error, sqlite3.OperationalError):
            raise
        # a copy on a medium that cannot be written has no log to look into
        db = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return db


def _verify(
    db: sqlite3.Connection,
    first: int,
    last: int | None,
    kept: Sequence[KeptHead],
    anchors: Sequence[Anchor],
) -> Result:
    if db.execute("PRAGMA user_version").fetchone()[0] < _FIRST_SCHEMA:
        raise OSError("this journal was written by a version that kept no audit chain")
    meta = dict(db.execute("SELECT key, value FROM meta"))
    source = Source(str(meta.get("site")), str(meta.get("epoch")))
    rows = db.execute("SELECT n, seq, head FROM audit_base").fetchall()
    ours = [each.head for each in kept if each.source == source][-1:]
    anchors = [*anchors, *(Anchor(h.n, h.seq, h.head, "the head file") for h in ours)]
    base = Head(*rows[0]) if len(rows) == 1 else None
    if base is None or base != audit.begin(source, base.seq):
        nothing = Account(Head(0, 0, b""), Head(0, 0, b""))
        broken = Fault(Break.EDITED, 0, 0, "beginning")
        return Result(source, nothing, broken, 0, trusted=False, whole=True, end_known=False)
    begin = _before(db, first) or base
    end = _NEWEST if last is None else last
    losses = db.execute("SELECT body FROM record WHERE kind = 'loss'")
    declared = Declared.of(body for (body,) in losses)
    walk = Walk(source, begin, declared, anchors)
    account = walk.go(_links(db, begin.seq, end))
    fault = _first(account.fault, _unchained(db, begin.seq, end))
    if fault is None and last is None:
        fault = _after(db, account, anchors) or _states(
            db, account, declared, complete=begin == base
        )
    return Result(
        source,
        account,
        fault,
        base.seq,
        trusted=begin != base,
        whole=last is None,
        end_known=any(each.n for each in account.anchored),
    )


def _before(db: sqlite3.Connection, first: int) -> Head | None:
    """The head that a walk from this record on begins with; None: the base."""
    row = db.execute(
        "SELECT n, seq, head FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT 1", (first,)
    ).fetchone()
    return Head(*row) if row is not None else None


def _links(db: sqlite3.Connection, after: int, last: int) -> Iterator[Link]:
    for row in db.execute(_LINKS, (after, last)):
        seq, n, run, config, mono_ms, digest, head, kind, urgency, utc_ms, quality, body = row
        content = None if kind is None else Content(kind, urgency, utc_ms, quality, body)
        yield Link(seq, n, Stamp(run, config, mono_ms), digest, head, content)


def _unchained(db: sqlite3.Connection, after: int, last: int) -> Fault | None:
    """The first record that should have a link and has none."""
    kinds = sorted(audit.UNCHAINED)
    marks = ", ".join("?" * len(kinds))
    row = db.execute(
        f"SELECT seq FROM record WHERE seq > ? AND seq <= ? AND kind NOT IN ({marks})"  # noqa: S608 - marks only
        " AND seq NOT IN (SELECT seq FROM audit) ORDER BY seq LIMIT 1",
        (after, last, *kinds),
    ).fetchone()
    if row is None:
        return None
    return Fault(Break.INSERTED, 0, row[0], "no-link")


def _first(found: Fault | None, unchained: Fault | None) -> Fault | None:
    """The earlier of the two. A link that is missing exactly there was removed from its record."""
    if found is None or unchained is None:
        return found or unchained
    if unchained.seq > found.seq:
        return found
    if found.kind is Break.DELETED and found.seq > unchained.seq:
        return Fault(Break.DELETED, found.n, unchained.seq, "link-gone")
    return unchained


def _after(db: sqlite3.Connection, account: Account, anchors: Sequence[Anchor]) -> Fault | None:
    """Whether there was more than there is."""
    newest = db.execute("SELECT max(seq) FROM record").fetchone()[0] or 0
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
    given = row[0] if row else 0
    last = account.last
    if given != newest:
        facts = {"given": given, "newest": newest}
        return Fault(Break.TRUNCATED, last.n, last.seq, "given", facts)
    return beyond(account, anchors, newest)


def _states(
    db: sqlite3.Connection, account: Account, declared: Declared, *, complete: bool
) -> Fault | None:
    """Whether what a restart goes on from is what the records say."""
    tables = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%\\_state' ESCAPE '\\'"
        " ORDER BY name"
    ).fetchall()
    for (table,) in tables:
        rows = db.execute(
            "SELECT state.seq, record.seq IS NULL, state.body IS NOT record.body"  # noqa: S608 - names of the schema
            f" FROM {table} AS state LEFT JOIN record USING (seq) ORDER BY state.seq"
        )
        for seq, gone, differs in rows:
            if differs and not (gone and declared.gone(seq)):
                return Fault(Break.EDITED, 0, seq, "state", {"table": table})
    return _newest_alarms(db, account.first.seq) if complete else None


def _newest_alarms(db: sqlite3.Connection, after: int) -> Fault | None:
    """Whether a restart would find the newest alarm of each rule. Decodes only what looks wrong."""
    states = {encode_body({"rule": rule})[1:]: seq for rule, seq in _alarm_states(db)}
    known = re.compile(b"|".join(map(re.escape, states)) or b"(?!)")
    alarms = db.execute(
        "SELECT seq, body FROM record WHERE kind = 'alarm' AND seq > ? ORDER BY seq", (after,)
    )
    for seq, body in alarms:
        found = known.search(body)
        if found is None or states[found[0]] < seq:
            rule = _rule(body)
            if states.get(encode_body({"rule": rule})[1:], 0) < seq:
                return Fault(Break.EDITED, 0, seq, "newest-alarm", {"rule": rule})
    return None


def _alarm_states(db: sqlite3.Connection) -> list[tuple[str, int]]:
    return db.execute("SELECT rule, seq FROM alarm_state").fetchall()


def _rule(body: bytes) -> str:
    with contextlib.suppress(Malformed):
        return str(decode_body(body).get("rule"))
    return ""
