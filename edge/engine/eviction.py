"""Keeps a full journal within its bound, and says what it drops: records, and links of the chain.

Used by the store, in the journal's own thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from edge.core.model import Urgency
from edge.engine.audit_trail import bridge
from protocols.envelope import Malformed, decode_body

_RECORDS: Final = 64
"""Records of a step, so that trimming is rare and each loss is one record."""
_KEPT_NOTICES: Final = 256
"""Notices of loss beyond these are merged into the next one, so that they cannot fill the file."""
_LINKS: Final = 1024
"""So many links may outlive their records before they are looked through for runs that can go."""


class Eviction:
    """The steps by which a file becomes smaller."""

    def __init__(self) -> None:
        # what an earlier run left is looked through once
        self._links = _LINKS

    def step(
        self, db: sqlite3.Connection, insert: Callable[[dict[str, object]], None]
    ) -> int | None:
        """Drop the oldest records of the least urgent class there is, in one transaction.

        ``insert`` takes the body of the loss record that says so. Returns how many were dropped;
        None if there is nothing left to drop. Before any alarm goes, links go that are of no use.
        """
        (urgency,) = db.execute("SELECT max(urgency) FROM record WHERE kind != 'loss'").fetchone()
        if urgency is None:
            return None
        if urgency == Urgency.ALARM and self._links >= _RECORDS:
            self._drop(db, insert, [], [], bridging=True)
            return 0
        seqs = [
            seq
            for (seq,) in db.execute(
                "SELECT seq FROM record WHERE urgency = ? AND kind != 'loss' ORDER BY seq LIMIT ?",
                (urgency, _RECORDS),
            )
        ]
        notices = db.execute(
            "SELECT seq, body FROM record WHERE kind = 'loss' ORDER BY seq DESC LIMIT -1 OFFSET ?",
            (_KEPT_NOTICES,),
        ).fetchall()
        self._links += len(notices) + (0 if urgency == Urgency.TELEMETRY else len(seqs))
        self._drop(db, insert, seqs, notices, bridging=self._links >= _LINKS)
        return len(seqs)

    def _drop(
        self,
        db: sqlite3.Connection,
        insert: Callable[[dict[str, object]], None],
        seqs: list[int],
        notices: list[tuple[int, bytes]],
        *,
        bridging: bool,
    ) -> None:
        gone = seqs + [seq for seq, _ in notices]
        body = notice(gone, [older for _, older in notices])
        with db:
            db.executemany("DELETE FROM record WHERE seq = ?", [(seq,) for seq in gone])
            if bridging:
                self._links = 0
                add_bridges(body, bridge(db))
            insert(body)


def notice(gone: Iterable[int], merged: Sequence[bytes]) -> dict[str, object]:
    """The body of a loss record for these sequence numbers.

    ``merged``: bodies of older notices that are dropped too; nothing of what they say is forgotten.
    """
    old = [decoded(body) for body in merged]
    ranges = [[seq, seq] for seq in gone]
    ranges += [[int(first), int(last)] for each in old for first, last in _lists(each, "ranges")]
    body: dict[str, object] = {"cause": "journal full", "ranges": _joined(ranges)}
    add_bridges(body, [bridge for each in old for bridge in _lists(each, "bridges")])
    return body


def add_bridges(body: dict[str, object], bridges: Sequence[Sequence[object]]) -> None:
    """Say of runs of links that they were dropped; ``[n, head, n, head]`` each."""
    if not bridges:
        return
    kept: list[list[Any]] = []
    for each in sorted([*_lists(body, "bridges"), *map(list, bridges)], key=_widest_first):
        if not kept or each[2] > kept[-1][2]:
            kept.append(each)
    body["bridges"] = kept


def _widest_first(bridge: list[Any]) -> tuple[int, int]:
    """A newer bridge spans the older ones it replaces."""
    return bridge[0], -bridge[2]


def decoded(body: bytes) -> dict[str, object]:
    """The content of a record; nothing if it cannot be read."""
    try:
        return decode_body(body)
    except Malformed:
        return {}


def _lists(body: dict[str, object], key: str) -> list[list[Any]]:
    found = body.get(key, [])
    return [list(each) for each in found] if isinstance(found, list) else []


def _joined(ranges: list[list[int]]) -> list[list[int]]:
    joined: list[list[int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return joined
