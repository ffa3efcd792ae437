"""A record that waits for the disk."""

from __future__ import annotations

from dataclasses import dataclass

from edge.core.model import Record
from edge.engine.audit import Stamp
from edge.engine.store import Entry
from protocols.envelope import encode_body


@dataclass(frozen=True, slots=True)
class Taken:
    """A record as the journal's thread has taken it, and under what it was made."""

    record: Record
    stamp: Stamp

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        count = self.record.body.get("readings")
        return count if isinstance(count, int) else 0

    def entry(self) -> Entry:
        """As it is stored: blocks and births are bytes of their own already."""
        body = self.record.body
        for key in ("block", "profile"):
            ready = body.get(key)
            if isinstance(ready, bytes):
                return self.record, ready, self.stamp
        return self.record, encode_body(body), self.stamp
