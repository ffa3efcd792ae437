"""One journal record on the wire: deterministic CBOR (RFC 8949, 4.2.1), specified in docs/block.md.

The same bytes go over MQTT, over a satellite and into the district's archive; equal records give
equal bytes, and nothing but those bytes is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from protocols import cbor
from protocols.malformed import Malformed as Malformed

VERSION = 1
MAX_BYTES = 1 << 20
"""Largest encoded envelope, and largest encoded body, in bytes."""

KINDS: tuple[str, ...] = (
    "alarm",
    "command",
    "outcome",
    "birth",
    "block",
    "health",
    "loss",
    "run",
)
"""Record kinds of version 1; the index is the number on the wire. Any other kind goes as text."""

QUALITIES: tuple[str, ...] = ("synced", "unsynced", "unknown")
"""Qualities of the wall clock of version 1, numbered likewise."""

MAX_URGENCY = 15

_EPOCH = re.compile(r"[0-9a-f]{8}")
_WORD = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,31}")
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Envelope:
    """A record with its place in one gateway's journal.

    ``epoch``: eight lower-case hexadecimal digits, drawn when the journal was made; ``seq``: 0 to
    2^63-1, never reused within an epoch; ``urgency``: 0 (alarm) to 15, lower goes first;
    ``utc_ms``: wall time in ms since 1970 (signed 64 bits: clocks can be wrong) and ``quality``,
    how far to believe it; ``body``: deterministic CBOR, for kind ``block`` the block itself.
    Kind and quality are one word each: 1 to 32 of ``a-z 0-9 . _ -`` and space.
    """

    epoch: str
    seq: int
    kind: str
    urgency: int
    utc_ms: int
    quality: str
    body: bytes


def encode(envelope: Envelope) -> bytes:
    """The record's bytes. Raises ValueError for a field out of range or more than MAX_BYTES."""
    fault = _fault(envelope)
    if fault:
        raise ValueError(f"envelope: {fault}")
    data = cbor.encode(
        [
            VERSION,
            bytes.fromhex(envelope.epoch),
            envelope.seq,
            _number(envelope.kind, KINDS),
            envelope.urgency,
            envelope.utc_ms,
            _number(envelope.quality, QUALITIES),
            envelope.body,
        ]
    )
    if len(data) > MAX_BYTES:
        raise ValueError(f"envelope of {len(data)} bytes, allowed: {MAX_BYTES}")
    return data


def decode(data: bytes) -> Envelope:
    """The record that the bytes are. Raises Malformed, and nothing else."""
    fields = cbor.decode(data, max_bytes=MAX_BYTES)
    if not isinstance(fields, list) or not fields or not _is_whole(fields[0]):
        raise Malformed("no array that starts with a version", "an envelope")
    if fields[0] != VERSION:
        raise Malformed(f"envelope version {fields[0]}", str(VERSION))
    if len(fields) != 8:
        raise Malformed(f"envelope of {len(fields)} fields", "8")
    _, epoch, seq, kind, urgency, utc_ms, quality, body = fields
    if not isinstance(epoch, bytes) or not isinstance(body, bytes):
        raise Malformed("epoch or body of another type", "byte strings")
    if not (_is_whole(seq) and _is_whole(urgency) and _is_whole(utc_ms)):
        raise Malformed("sequence number, urgency or time of another type", "integers")
    envelope = Envelope(
        epoch.hex(), seq, _word(kind, KINDS), urgency, utc_ms, _word(quality, QUALITIES), body
    )
    fault = _fault(envelope)
    if fault:
        raise Malformed(f"envelope: {fault}")
    return envelope


def _fault(envelope: Envelope) -> str:
    """What is wrong with a field and what is allowed; empty if nothing is."""
    if not _EPOCH.fullmatch(envelope.epoch):
        return f"epoch {envelope.epoch[:20]!r}, allowed: 8 lower-case hexadecimal digits"
    if not 0 <= envelope.seq < _INT64:
        return f"sequence number {_shown(envelope.seq)}, allowed: 0 to 2^63-1"
    if not 0 <= envelope.urgency <= MAX_URGENCY:
        return f"urgency {_shown(envelope.urgency)}, allowed: 0 to {MAX_URGENCY}"
    if not -_INT64 <= envelope.utc_ms < _INT64:
        return f"time {_shown(envelope.utc_ms)} ms, allowed: signed 64 bits"
    for word in (envelope.kind, envelope.quality):
        if not _WORD.fullmatch(word):
            return f"kind or quality {word[:40]!r}, allowed: 1 to 32 of a-z 0-9 . _ - space"
    return ""


def _shown(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else "beyond 64 bits"


def _is_whole(field: object) -> TypeGuard[int]:
    return isinstance(field, int) and not isinstance(field, bool)


def _number(word: str, table: tuple[str, ...]) -> int | str:
    return table.index(word) if word in table else word


def _word(field: object, table: tuple[str, ...]) -> str:
    if isinstance(field, str):
        if field in table:
            raise Malformed(f"{field!r} as text", f"its number, {table.index(field)}")
        return field
    if _is_whole(field) and 0 <= field < len(table):
        return table[field]
    raise Malformed("kind or quality that is not in the table", f"0 to {len(table) - 1}, or text")


def encode_body(body: Mapping[str, object]) -> bytes:
    """Deterministic CBOR of text, integers, floats, booleans, None, lists and maps with text keys.

    Raises TypeError for any other type, ValueError for what decode_body would refuse.
    """
    if not isinstance(body, Mapping):
        raise TypeError(f"body of type {type(body).__name__}, allowed: a mapping")
    data = cbor.encode(body, byte_strings=False)
    if len(data) > MAX_BYTES:
        raise ValueError(f"body of {len(data)} bytes, allowed: {MAX_BYTES}")
    return data


def decode_body(data: bytes) -> dict[str, object]:
    """The record body that the bytes are; tuples come back as lists. Raises Malformed only."""
    body = cbor.decode(data, max_bytes=MAX_BYTES, byte_strings=False)
    if not isinstance(body, dict):
        raise Malformed("body is not a map", "a map with text keys")
    return dict(body)
