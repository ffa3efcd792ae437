"""The head of the audit chain, kept in a small file beside the journal.

Whoever cuts the newest records off the journal leaves it behind this file. Two copies are written
in turn, each within one disk sector and with a check sum, so that a power cut leaves one readable.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.engine.audit import Head, Source

_SLOT_BYTES: Final = 512
_SLOTS: Final = 2


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head and whose it is."""

    source: Source
    head: Head


def head_path(journal: Path) -> Path:
    """Where the head of this journal's chain is kept."""
    return journal.with_name(f"{journal.name}.head")


class HeadFile:
    """Writes the head after each commit. Raises OSError; the next write may succeed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._serial: int | None = None

    def write(self, kept: KeptHead, *, durable: bool) -> None:
        """Put the head into the older copy; ``durable`` waits for the disk."""
        if self._serial is None:
            self._serial = max((serial for serial, _ in _slots(self._path)), default=0)
        self._serial += 1
        head, source = kept.head, kept.source
        fields = [self._serial, source.site, source.epoch, head.n, head.seq, head.head.hex()]
        text = json.dumps([*fields, _sum(fields)])
        slot = text.encode("ascii").ljust(_SLOT_BYTES - 1) + b"\n"
        if len(slot) > _SLOT_BYTES:
            raise OSError(f"a head of {len(slot)} bytes does not fit")
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.pwrite(descriptor, slot, self._serial % _SLOTS * _SLOT_BYTES)
            if durable:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def read_heads(path: Path) -> list[KeptHead]:
    """The readable copies, the newest last; empty if there is none.

    Raises OSError only if the file is there and cannot be read.
    """
    return [kept for _, kept in sorted(_slots(path), key=lambda slot: slot[0])]


def _slots(path: Path) -> list[tuple[int, KeptHead]]:
    try:
        data = path.read_bytes()[: _SLOTS * _SLOT_BYTES]
    except FileNotFoundError:
        return []
    slots = [data[i : i + _SLOT_BYTES] for i in range(0, len(data), _SLOT_BYTES)]
    return [found for slot in slots if (found := _parsed(slot)) is not None]


def _parsed(slot: bytes) -> tuple[int, KeptHead] | None:
    try:
        fields = json.loads(slot)
    except ValueError:
        return None
    match fields:
        case [int(serial), str(site), str(epoch), int(n), int(seq), str(head), check] if (
            check == _sum(fields[:-1])
        ):
            return serial, KeptHead(Source(site, epoch), Head(n, seq, bytes.fromhex(head)))
    return None


def _sum(fields: list[object]) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]
