"""Walks an audit chain and says where it first broke, or from where to where it is intact. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge.core.model import RecordKind
from edge.engine import audit
from edge.engine.audit import ANOTHER_CHAIN, MISSING, Content, Head, Source, Stamp
from protocols.envelope import Malformed, decode_body


class Break(StrEnum):
    """How a chain can be broken."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"


_FOUND_AT_START: Final[Mapping[object, Break]] = {
    MISSING: Break.TRUNCATED,
    ANOTHER_CHAIN: Break.REWRITTEN,
}


@dataclass(frozen=True, slots=True)
class Link:
    """One link, and its record; ``content`` is None if the record is gone."""

    seq: int
    n: int
    stamp: Stamp
    digest: bytes
    head: bytes
    content: Content | None


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong. ``n`` and ``seq``: of the link and record it was found at.

    ``why`` is a key of the texts for people, ``facts`` what it speaks of.
    """

    kind: Break
    n: int
    seq: int
    why: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What somebody else knows of the chain: its head after link ``n``, or only a record's number.

    ``origin``: who, for people.
    """

    n: int
    seq: int
    head: bytes
    origin: str


@dataclass(slots=True)
class Declared:
    """What loss records say is gone: ranges of records, and bridges over runs of links."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    bridges: dict[int, list[tuple[bytes, int, bytes]]] = field(default_factory=dict)

    @classmethod
    def of(cls, bodies: Iterable[bytes]) -> Declared:
        """From the bodies of the loss records; what cannot be read declares nothing."""
        ranges: list[tuple[int, int]] = []
        declared = cls()
        for data in bodies:
            body = _body(data)
            for span in _items(body.get("ranges")):
                match span:
                    case [int(begin), int(end)]:
                        ranges.append((begin, end))
            for bridge in _items(body.get("bridges")):
                match bridge:
                    case [int(n), str(head), int(to_n), str(to_head)]:
                        across = (_hex(head), to_n, _hex(to_head))
                        declared.bridges.setdefault(n, []).append(across)
        for first, last in sorted(ranges):
            if declared.ranges and first <= declared.ranges[-1][1] + 1:
                begin, end = declared.ranges[-1]
                declared.ranges[-1] = (begin, max(end, last))
            else:
                declared.ranges.append((first, last))
        return declared

    def gone(self, seq: int) -> bool:
        """Whether the record was evicted, and that was said."""
        index = bisect_right(self.ranges, (seq, 1 << 63)) - 1
        return index >= 0 and self.ranges[index][0] <= seq <= self.ranges[index][1]

    def across(self, head: Head, to_n: int) -> Head | None:
        """The head at ``to_n``, if the links in between were dropped and that was said."""
        for from_head, last, to_head in self.bridges.get(head.n, ()):
            if from_head == head.head and last == to_n:
                return Head(to_n, head.seq, to_head)
        return None


@dataclass(slots=True)
class Account:
    """What a walk has seen. ``last``: up to where all is intact.

    ``evicted`` records are gone and declared, ``bridged`` links as well.
    """

    first: Head
    last: Head
    links: int = 0
    evicted: int = 0
    bridged: int = 0
    checkpoints: int = 0
    gaps: list[dict[str, object]] = field(default_factory=list)
    anchored: list[Anchor] = field(default_factory=list)
    fault: Fault | None = None


class Walk:
    """Goes along the chain link by link; ends at the first that does not follow."""

    def __init__(
        self, source: Source, base: Head, declared: Declared, anchors: Sequence[Anchor] = ()
    ) -> None:
        self.account = Account(base, base)
        self._source = source
        self._declared = declared
        self._anchors: Mapping[int, list[Anchor]] = _by_n(anchors)
        self._check_anchors(base)

    def go(self, links: Iterable[Link]) -> Account:
        """Take all links in order of their records; stops at a fault, which the account holds."""
        for link, following in _pairs(links):
            if self.account.fault is None:
                self.account.fault = self._step(link, following)
            if self.account.fault is not None:
                break
        return self.account

    def _step(self, link: Link, following: Link | None) -> Fault | None:
        account = self.account
        before = account.last
        if link.n != before.n + 1:
            bridged = self._declared.across(before, link.n - 1)
            if bridged is None:
                return _misplaced(before, link, following)
            account.bridged += bridged.n - before.n
            before = bridged
            self._check_anchors(bridged)
        fault = self._check_record(link, following)
        if fault is not None:
            return fault
        if audit.follow(before.head, link.digest) != link.head:
            return Fault(Break.EDITED, link.n, link.seq, "link")
        account.last = Head(link.n, link.seq, link.head)
        account.links += 1
        return self._read(link) or self._check_anchors(account.last) or account.fault

    def _check_record(self, link: Link, following: Link | None) -> Fault | None:
        if link.content is None:
            if self._declared.gone(link.seq):
                self.account.evicted += 1
                return None
            return Fault(Break.DELETED, link.n, link.seq, "record-gone")
        if self._digest(link, link.content) == link.digest:
            return None
        if (
            following is not None
            and following.content is not None
            and self._digest(link, following.content) == link.digest
            and self._digest(following, link.content) == following.digest
        ):
            other = {"other": following.seq}
            return Fault(Break.SWAPPED, link.n, link.seq, "swapped", other)
        return Fault(Break.EDITED, link.n, link.seq, "record")

    def _digest(self, link: Link, content: Content) -> bytes:
        return audit.digest(self._source, link.n, link.seq, link.stamp, content)

    def _read(self, link: Link) -> Fault | None:
        """What a sound record itself says of the chain."""
        if link.content is None:
            return None
        if link.content.kind == RecordKind.CHECKPOINT:
            self.account.checkpoints += 1
        elif link.content.kind == RecordKind.GAP:
            body = _body(link.content.body)
            self.account.gaps.append({"at": link.seq, **body})
            kind = _FOUND_AT_START.get(body.get("cause"))
            if kind is not None:
                why = {"cause": body.get("cause"), "kept": body.get("n")}
                return Fault(kind, link.n, link.seq, "found-at-start", why)
        return None

    def _check_anchors(self, head: Head) -> Fault | None:
        for anchor in self._anchors.get(head.n, ()):
            if anchor.head != head.head:
                self.account.fault = Fault(
                    Break.REWRITTEN, head.n, head.seq, "anchor", {"origin": anchor.origin}
                )
                return self.account.fault
            self.account.anchored.append(anchor)
        return None


def beyond(account: Account, anchors: Iterable[Anchor], last_seq: int) -> Fault | None:
    """Whether somebody knows of more than there is. ``last_seq``: of any record in the file."""
    last = account.last
    for anchor in anchors:
        if (anchor.head and anchor.n > last.n) or anchor.seq > last_seq:
            known = {"origin": anchor.origin, "known": anchor.seq}
            return Fault(Break.TRUNCATED, last.n, last.seq, "known", known)
    return None


def _misplaced(before: Head, link: Link, following: Link | None) -> Fault:
    """The number is not the next one."""
    wanted = before.n + 1
    if link.n < wanted:
        return Fault(Break.INSERTED, link.n, link.seq, "order", {"n": link.n})
    if following is not None and following.n == wanted:
        return Fault(Break.SWAPPED, wanted, link.seq, "swapped", {"other": following.seq})
    missing = {"first": wanted, "last": link.n - 1, "after": before.seq}
    return Fault(Break.DELETED, wanted, link.seq, "links-gone", missing)


def _pairs(links: Iterable[Link]) -> Iterator[tuple[Link, Link | None]]:
    held: Link | None = None
    for link in links:
        if held is not None:
            yield held, link
        held = link
    if held is not None:
        yield held, None


def _by_n(anchors: Iterable[Anchor]) -> dict[int, list[Anchor]]:
    found: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        if anchor.head:
            found.setdefault(anchor.n, []).append(anchor)
    return found


def _body(data: bytes) -> dict[str, object]:
    try:
        return decode_body(data)
    except Malformed:
        return {}


def _items(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
