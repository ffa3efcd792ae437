"""From the journal to a link: lease, publish, mark what was accepted, repeat."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar

from edge.core.errors import LinkError, StoreError
from protocols import envelope
from protocols.block import decode_birth
from protocols.envelope import Envelope, Malformed
from uplink.connection import NO_SUBSCRIBERS, Receipt
from uplink.cursor import Cursor, Mark, Position
from uplink.mqtt import LinkStatus
from uplink.outbox import ALARM, Lease, Outbox, Want
from uplink.ranges import Ranges
from uplink.reader import JournalReader, digest
from uplink.topics import BIRTH, Topics

POLL_S: Final = 1.0
"""How often the journal is looked at without a nudge."""
STORE_EVERY_S: Final = 1.0
STORE_EVERY_RECORDS: Final = 64
"""What may be sent twice after a power cut: so many records, or so many seconds of them."""
UNSENDABLE: Final = -1
"""In place of a reason code: the record does not fit into an envelope."""

T = TypeVar("T")
_log = logging.getLogger("tongluo.link")


class Link(Protocol):
    """Takes messages one by one and answers for each. MqttLink is one."""

    @property
    def up(self) -> bool:
        """Whether a publish has a chance now."""
        ...

    @property
    def window(self) -> int:
        """How many publishes may be in flight."""
        ...

    @property
    def status(self) -> LinkStatus:
        """A snapshot for people."""
        ...

    def listen(self, changed: Callable[[], None]) -> None:
        """Call this whenever the link went up or down."""
        ...

    def hurry(self) -> None:
        """Something urgent waits."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Receipt:
        """The peer's answer. Raises LinkError if there is none: then it may have the message."""
        ...


class Offload(Protocol):
    """Runs a blocking call elsewhere and gives its result, or its exception."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]:
        """Start it."""
        ...


@dataclass(frozen=True, slots=True)
class _View:
    """What one look into the journal brought."""

    epoch: str
    tail: int
    mark: str
    leases: tuple[Lease, ...]


class Sender:
    """Delivers one journal over one link; ``run`` it, and cancel it to stop.

    SQLite is used in worker threads: a read from a cold SD card takes tens of milliseconds and a
    durable commit up to seconds, and the loop has MQTT's keep-alive and other links to serve.
    ``offload`` can run the calls in place instead, for virtual time.
    """

    def __init__(
        self,
        reader: JournalReader,
        cursor: Cursor,
        link: Link,
        topics: Topics,
        *,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self._reader = reader
        self._cursor = cursor
        self._link = link
        self._topics = topics
        self._offload = offload
        self._position = Position()
        self._outbox = Outbox(Ranges())
        self._tail = 0
        self._nudged = True
        self._looked_s = 0.0
        self._wake = asyncio.Event()
        self._unstored = 0
        self._store_now = asyncio.Event()
        self._delivered = 0
        self._refused = 0
        self._unheard = 0
        self._faults: dict[str, str] = {}

    async def run(self) -> None:
        """Deliver until cancelled. What was in flight then is sent again next time."""
        self._adopt(await self._offload(self._cursor.load))
        self._link.listen(self._link_changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep(), name="cursor")
                await self._drive(group)
        finally:
            self._link.listen(lambda: None)
            self._store_last()

    def nudge(self) -> None:
        """A new urgent record is in the journal."""
        self._nudged = True
        self._link.hurry()
        self._wake.set()

    def status(self) -> dict[str, object]:
        """A snapshot for people and health.

        ``pending`` counts evicted records too until the journal was walked past them; ``held``:
        refused and waiting for another try; ``unheard``: times that the broker had no subscriber
        for what it accepted (MQTT 5, reason code 0x10), ``waiting``: records that this befell and
        that are offered again.
        """
        link = self._link.status
        faults = {**self._faults, **({"link": link.error} if link.error else {})}
        return {
            "state": "up" if link.up else "down",
            "delivered": self._delivered,
            "pending": max(self._tail - self._outbox.settled.count, 0),
            "in_flight": self._outbox.in_flight,
            "refused": self._refused,
            "held": self._outbox.held_refused,
            "closed": list(self._outbox.closed_kinds),
            "unheard": self._unheard,
            "waiting": self._outbox.held_unheard,
            "reconnects": link.reconnects,
            "faults": faults,
            "last_error": next(iter(faults.values()), ""),
        }

    # ---- the journal's side

    async def _drive(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            self._launch(group)
            again = await self._refill()
            self._launch(group)
            if not (again or self._nudged):
                await self._pause()

    async def _refill(self) -> bool:
        """Lease what the outbox wants; True if there may be more to lease at once."""
        now_s = self._now_s()
        if self._nudged or now_s - self._looked_s >= POLL_S:
            self._nudged, self._looked_s = False, now_s
            self._outbox.look_again()
        wants = self._outbox.wants()
        if not wants:
            return False
        mark = self._position.mark  # of this moment: it moves on while the journal is read
        try:
            view = await self._offload(partial(self._look, wants, mark))
        except StoreError as error:
            self._fault("journal", str(error))
            return False
        self._well("journal")
        self._tail = view.tail
        if self._history_changed(view, mark):
            return True
        for lease in view.leases:
            self._outbox.load(lease)
        return bool(self._outbox.wants())

    def _look(self, wants: tuple[Want, ...], mark: Mark) -> _View:
        with self._reader.snapshot() as journal:
            marked = journal.record(mark.seq)
            return _View(
                epoch=journal.epoch,
                tail=journal.tail,
                mark=digest(marked) if marked else "",
                leases=tuple(journal.lease(want) for want in wants),
            )

    def _history_changed(self, view: _View, mark: Mark) -> bool:
        old = replace(self._current(), mark=mark)
        new = old.follow(view.epoch, view.tail, view.mark)
        if new is old:
            return False
        if new.generation > old.generation:
            # restored from a backup: all of it is sent again
            _log.error("event=journal_went_back to=%d sent_as=%s", view.tail, new.wire_epoch)
        elif old.epoch:
            _log.warning("event=journal_replaced old=%s new=%s", old.epoch, new.epoch)
        self._adopt(new)
        self._unstored += 1
        self._store_now.set()
        return True

    async def _pause(self) -> None:
        now_s = self._now_s()
        due_s = self._outbox.next_due()
        wait_s = POLL_S if due_s is None or due_s <= now_s else min(POLL_S, due_s - now_s)
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    # ---- the link's side

    def _link_changed(self) -> None:
        if not self._link.up:
            again = self._outbox.doubt(self._now_s())
            if again:
                self._delivered -= again
                self._unstored += again  # the file must forget them too, and soon
                self._store_now.set()
        self._wake.set()

    def _launch(self, group: asyncio.TaskGroup) -> None:
        while self._link.up:
            # Between a nudge and the look into the journal, nothing may take the alarm's place.
            record = self._outbox.start(self._now_s(), self._link.window, alarms_only=self._nudged)
            if record is None:
                return
            # stamped here: the journal may be replaced before the task begins
            record = replace(record, epoch=self._position.wire_epoch)
            group.create_task(self._deliver(self._outbox, record))

    async def _deliver(self, outbox: Outbox, record: Envelope) -> None:
        """``outbox`` is the one that started the record: the journal may be replaced meanwhile."""
        try:
            receipt = await self._publish(record)
        except LinkError:
            outbox.lost(record.seq, self._now_s())
        else:
            if receipt.accepted:
                heard = receipt.code != NO_SUBSCRIBERS
                done = outbox.accepted(record.seq, self._now_s(), heard=heard)
                self._unheard += not heard
                self._well(record.kind)
                if done and outbox is self._outbox:
                    self._note(record)
            else:
                outbox.refused(record.seq, self._now_s())
                self._refused += 1
                why = f"record {record.seq} refused: {receipt.reason} ({receipt.code:#04x})"
                self._fault(record.kind, why)
        self._wake.set()

    async def _publish(self, record: Envelope) -> Receipt:
        try:
            payload = envelope.encode(record)
        except ValueError as error:
            return Receipt(False, UNSENDABLE, str(error))
        receipt = await self._link.publish(self._topics.record(record.kind), payload)
        if record.kind == BIRTH and receipt.accepted:
            await self._publish_kept(record, payload)
        return receipt

    async def _publish_kept(self, birth: Envelope, payload: bytes) -> None:
        """The copy for receivers that come later. Without it they wait for the next birth."""
        try:
            topic = self._topics.birth(decode_birth(birth.body).id)
        except Malformed as error:
            self._fault("kept birth", f"record {birth.seq}: {error}")
            return
        receipt = await self._link.publish(topic, payload, retain=True)
        if receipt.accepted:
            self._well("kept birth")
        else:
            self._fault("kept birth", f"{topic} refused: {receipt.reason}")

    # ---- the position

    def _adopt(self, position: Position) -> None:
        self._position = position
        self._outbox = Outbox(Ranges(position.settled))

    def _current(self) -> Position:
        return replace(self._position, settled=tuple(self._outbox.settled))

    def _note(self, record: Envelope) -> None:
        self._delivered += 1
        if record.seq > self._position.mark.seq:
            mark = Mark(record.seq, digest(record))
            self._position = replace(self._position, mark=mark)
        self._unstored += 1
        soon = record.urgency == ALARM or self._unstored >= STORE_EVERY_RECORDS
        if soon and "cursor" not in self._faults:
            self._store_now.set()

    async def _keep(self) -> None:
        """Store the position: at once after an alarm, else every so many records or seconds."""
        while True:
            try:
                async with asyncio.timeout(STORE_EVERY_S):
                    await self._store_now.wait()
            except TimeoutError:
                pass
            self._store_now.clear()
            if not self._unstored:
                continue
            self._outbox.settle_absent()
            stored = self._unstored
            try:
                await self._offload(partial(self._cursor.store, self._current()))
            except StoreError as error:
                self._fault("cursor", str(error))
            else:
                self._unstored -= stored
                self._well("cursor")

    def _store_last(self) -> None:
        """On the loop: the last act, and a cancelled task may not wait for a thread."""
        try:
            if self._unstored:
                self._outbox.settle_absent()
                self._cursor.store(self._current())
        except StoreError as error:
            self._fault("cursor", str(error))
        self._cursor.close()
        self._reader.close()

    # ---- for people

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _fault(self, part: str, text: str) -> None:
        if part not in self._faults:
            _log.warning("event=fault part=%s reason=%s", part, text)
        self._faults[part] = text

    def _well(self, part: str) -> None:
        if self._faults.pop(part, None) is not None:
            _log.warning("event=fault_gone part=%s", part)
