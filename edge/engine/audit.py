"""The audit chain: how a record is hashed, and how each hash follows from the one before. Pure.

The document docs/audit.md says the same in words, enough to check a chain without this code.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from edge.core.model import RecordKind

TAG: Final = "tongluo audit 1"
CHECKPOINT_EVERY: Final = 1000
"""Links between two checkpoints."""
CHECKPOINT_MS: Final = 86_400_000
"""A chain that has grown gets a checkpoint after this time at the latest."""
MISSING: Final = "records are missing at the end"
ANOTHER_CHAIN: Final = "the chain is not the one that was kept"
"""Causes in a gap record: the file is not as the head beside it says."""
UNCHAINED: Final = frozenset({RecordKind.BIRTH, RecordKind.BLOCK, RecordKind.HEALTH})
"""Readings and what describes them decide nothing; every other kind of record is chained."""


@dataclass(frozen=True, slots=True)
class Context:
    """Under what a record was made: this start of the agent, and the configuration in force."""

    run: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose chain it is: one journal file of one site."""

    site: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain has come: ``n`` links, the last of them for record ``seq``."""

    n: int
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What the record table says of a record."""

    kind: str
    urgency: int
    utc_ms: int
    quality: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the chain itself says of it. ``mono_ms``: monotonic time of the box."""

    run: str
    config: str
    mono_ms: int


def begin(source: Source, seq: int) -> Head:
    """The head of a chain without links; it covers the records after ``seq``."""
    return Head(0, seq, hashlib.sha256(_joined(source.site, source.epoch, str(seq))).digest())


def digest(source: Source, n: int, seq: int, stamp: Stamp, content: Content) -> bytes:
    """SHA-256 over a record and its place, unambiguously joined."""
    joined = _joined(
        source.site, source.epoch, str(n), str(seq), stamp.run, stamp.config, str(stamp.mono_ms),
        content.kind, str(content.urgency), str(content.utc_ms), content.quality, content.body,
    )  # fmt: skip
    return hashlib.sha256(joined).digest()


def follow(head: bytes, record: bytes) -> bytes:
    """The head after a record of this digest."""
    return hashlib.sha256(head + record).digest()


def _joined(*fields: str | bytes) -> bytes:
    """The tag and the fields as netstrings (D. J. Bernstein, 1997): no two lists read the same."""
    parts = []
    for field in (TAG, *fields):
        data = field.encode("utf-8", "surrogatepass") if isinstance(field, str) else field
        parts.append(b"%d:%b," % (len(data), data))
    return b"".join(parts)
