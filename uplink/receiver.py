"""The district's side: from messages to readings, alarms, and a statement of what is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from edge.core.quality_code import CODES
from protocols import envelope
from protocols.block import Malformed, UnknownProfile, decode_birth, decode_block
from protocols.envelope import Envelope
from uplink.archive import Archive
from uplink.topics import BIRTH, LINK, parse

Item = dict[str, object]

BLOCK: Final = "block"
LOSS: Final = "loss"

_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso_utc(utc_ms: int) -> str:
    """ISO 8601 with milliseconds; beyond the years 1 to 9999 the number itself."""
    try:
        at = _ZERO + timedelta(milliseconds=utc_ms)
    except OverflowError:
        return f"{utc_ms} ms"
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Receiver:
    """Turns messages into items that can be printed as JSON. Never raises for what it is given.

    ``prefix``: of the topics; ``complain`` gets one line for each malformed message; without
    ``readings`` blocks are accounted for, but not spelled out.
    """

    def __init__(
        self,
        archive: Archive,
        prefix: str,
        *,
        complain: Callable[[str], None],
        readings: bool = True,
    ) -> None:
        self._archive = archive
        self._prefix = prefix
        self._complain = complain
        self._readings = readings
        self.malformed = 0

    def take(self, topic: str, payload: bytes) -> Iterator[Item]:
        """What a message says; nothing if it was here before."""
        address = parse(topic, self._prefix)
        try:
            if address is None:
                raise Malformed("topic of no record")
            if address.kind == LINK:
                yield _link_item(address.site, payload)
                return
            record = envelope.decode(payload)
            if record.kind != address.kind:
                raise Malformed(f"record of kind {record.kind!r}")
            if address.kept:
                # A copy of a record that is counted, if at all, where it came in its turn.
                yield from self._birth(address.site, record)
            elif self._archive.book(address.site, record.epoch).note(record.seq):
                yield from self._record(address.site, record, payload)
        except Malformed as error:
            self._count_malformed(topic, error)

    def completeness(self) -> Iterator[Item]:
        """For each journal: up to where all is here, and what is missing before the newest."""
        for site, epoch, book in self._archive.books():
            yield {
                "type": "completeness",
                "site": site,
                "epoch": epoch,
                "complete_to": book.complete_to,
                "missing": [list(span) for span in book.missing],
                "received": book.count,
                "duplicates": book.duplicates,
            }

    def _count_malformed(self, topic: str, error: Malformed) -> None:
        self.malformed += 1
        self._complain(f"{topic!r}: {error}")

    def _record(self, site: str, record: Envelope, payload: bytes) -> Iterator[Item]:
        if record.kind == BLOCK:
            yield from self._block(site, record, payload)
        elif record.kind == BIRTH:
            profile = decode_birth(record.body)
            points = [[column.point, column.unit] for column in profile.columns]
            yield _item(site, record, {"profile": profile.id.hex(), "points": points})
            yield from self._birth(site, record)
        else:
            body = envelope.decode_body(record.body)
            if record.kind == LOSS:
                book = self._archive.book(site, record.epoch)
                for first, last in _ranges(body.get("ranges")):
                    book.explain(first, last)
            yield _item(site, record, body)

    def _birth(self, site: str, record: Envelope) -> Iterator[Item]:
        """Remember a profile, and decode what waited for it."""
        profile = decode_birth(record.body)
        if profile.id not in self._archive.profiles(site):
            self._archive.keep_birth(site, profile, record.body)
        for payload in self._archive.take_waiting(site, profile.id):
            try:
                yield from self._block(site, envelope.decode(payload), payload)
            except Malformed as error:  # only this one: the others wait no longer either
                self._count_malformed(f"{self._prefix}/{site}/{BLOCK}", error)

    def _block(self, site: str, record: Envelope, payload: bytes) -> Iterator[Item]:
        profiles = self._archive.profiles(site)
        profile_id = _profile_id(record.body)
        if profile_id not in profiles:
            if not self._archive.keep_waiting(site, profile_id, payload):
                raise UnknownProfile(profile_id)
            return
        if not self._readings:
            return
        for reading in decode_block(record.body, profiles):
            column = profiles[profile_id].columns[reading.column]
            code = reading.quality
            yield {
                "type": "reading",
                "site": site,
                "point": column.point,
                "time": iso_utc(reading.at_ms),
                "value": _plain(reading.value),
                "unit": column.unit,
                "quality": CODES[code].value if code < len(CODES) else f"code {code}",
                "clock": record.quality,
                "epoch": record.epoch,
                "seq": record.seq,
            }


def _profile_id(block: bytes) -> bytes:
    """Which profile a block is of. Raises Malformed."""
    try:
        decode_block(block, {})
    except UnknownProfile as unknown:
        return unknown.profile_id
    raise Malformed("block of no profile")


def _ranges(value: object) -> Iterator[tuple[int, int]]:
    """The ranges of a loss record: ``[[first, last], ...]``."""
    for span in value if isinstance(value, list) else []:
        match span:
            case [int(first), int(last)] if 0 < first <= last:
                yield first, last


def _item(site: str, record: Envelope, body: Mapping[str, object]) -> Item:
    """A record for printing. A key of the body that the envelope has too is prefixed ``body.``."""
    item: Item = {
        "type": record.kind,
        "site": site,
        "epoch": record.epoch,
        "seq": record.seq,
        "utc": iso_utc(record.utc_ms),
        "clock": record.quality,
    }
    for key, value in body.items():
        item[f"body.{key}" if key in item else key] = _plain(value)
    return item


def _link_item(site: str, payload: bytes) -> Item:
    try:
        body = json.loads(payload)
    except ValueError:
        raise Malformed("link state that is not JSON") from None
    word = body.get("state") if isinstance(body, dict) else None
    if word not in ("online", "offline", "lost"):
        raise Malformed("link state", "online, offline, lost")
    return {"type": LINK, "site": site, "state": word}


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
