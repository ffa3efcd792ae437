"""Keeps the black box: a thread of its own, which the walk never waits for.

The walk puts items into a bounded inbox; the thread looks into it twice a second, keeps the ring
and its witness, and writes a file for every alarm. A disk that is full or broken costs the box, and
is recorded; nothing else notices.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edge.core.instant import NS_PER_S, Clock, Instant, after
from edge.core.model import Record, RecordKind, Urgency
from edge.engine import box_file
from edge.engine.audit import UNCHAINED
from edge.engine.black_box import (
    BEGIN,
    Cause,
    Frame,
    Input,
    Item,
    Noted,
    Ring,
    cause_of,
    tell,
)
from edge.engine.box_file import Head, Packed
from edge.engine.decider import Decider
from edge.engine.snapshot import Unplain, capture

_log = logging.getLogger("tongluo.box")

_LOOK_S: Final = 0.5
_MOST_WAITING: Final = 50_000
# So soon after the alarm a first file is there, because the power may go with the water.
_FIRST_S: Final = 5.0
# Alarms that follow each other closely share a file, which goes on until the last one's time is
# over, but not for ever.
_MOST_CAUSES: Final = 64
_LONGEST_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much is kept. ``most_bytes`` in memory, ``keep_bytes`` on disk."""

    before_s: float
    after_s: float
    most_bytes: int
    keep_files: int
    keep_bytes: int


@dataclass(frozen=True, slots=True)
class BoxStatus:
    """For status. ``replayable``: the state in which the ring begins is known."""

    written: int = 0
    lost: int = 0
    missed: int = 0
    replayable: bool = True
    ring_bytes: int = 0
    fault: str = ""


@dataclass(slots=True)
class _Open:
    """A box that is being filled."""

    causes: list[Cause]
    ends: Instant
    latest: Instant
    first_due: Instant
    state: Packed | None = None
    begun: bool = False


class BoxKeeper:
    """The black box of a running agent. ``start`` and ``stop`` bracket it.

    ``frame``, ``tell`` and ``note`` are called on the alarm path: they put something into a deque.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        clock: Clock,
        offer: Callable[[Record], None],
    ) -> None:
        self.status = BoxStatus()
        self._folder = folder
        self._head = Head("", "", "", "", {})
        self._named: Mapping[str, object] = {}
        self._witness: Decider | None = None
        self._lost_track = False
        self._limits = limits
        self._clock = clock
        self._offer = offer
        self._inbox: deque[Item] = deque(maxlen=_MOST_WAITING)
        self._given = 0
        self._taken = 0
        self._ring = Ring(
            round(limits.before_s * NS_PER_S), limits.most_bytes, released=self._released
        )
        self._open: _Open | None = None
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    # -- called on the alarm path -------------------------------------------------------------

    def frame(self, line: str, at: Instant, sent: bool, data: bytes) -> None:
        """Bytes went over a line."""
        self._given += 1
        self._inbox.append(Frame(at, line, sent, data))

    def tell(self, at: Instant, method: str, arguments: tuple[object, ...]) -> None:
        """The decider was told something."""
        self._given += 1
        self._inbox.append(Input(at, method, arguments))

    def note(self, record: Record) -> None:
        """A record was offered to the journal; readings and births are left out."""
        if record.kind not in UNCHAINED:
            self._given += 1
            self._inbox.append(Noted(self._clock.now(), record))

    def use(self, head: Head, named: Mapping[str, object]) -> None:
        """What boxes say of themselves from now on, and what states need beside themselves."""
        texts = {**self._head.texts, **head.texts}
        self._head = replace(head, named={**self._head.named, **head.named}, texts=texts)
        self._named = {**self._named, **named}

    # -- the thread ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep."""
        self._thread = threading.Thread(target=self._run, name="black box", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Write what is open, and end; False if the disk did not take it in time."""
        if self._thread is None:
            return True
        self._ending = True
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(_LOOK_S)
            self.look()
        if self._open is not None:
            items = _settled(self._ring.items, self._open.ends)
            self._keep(self._open, items, complete=False)

    def look(self) -> None:
        """Take what has come, and do what is due; once in every turn of the thread."""
        now = self._clock.now()
        while self._inbox:
            item = self._inbox.popleft()
            self._taken += 1
            self._ring.add(item)
            cause = cause_of(item)
            if cause is not None:
                self._begin(cause)
        self._count_missed()
        if self._open is not None:
            self._go_on(self._open, now)
        else:
            self._ring.expire(now)
        self._publish()

    def _count_missed(self) -> None:
        """What did not fit into the inbox is missing for ever, to the witness as well."""
        missed = max(0, self._given - self._taken - len(self._inbox))
        if missed > self.status.missed:
            _log.error("event=black_box_missed items=%d", missed - self.status.missed)
            self.status = replace(self.status, missed=missed)
            self._witness, self._lost_track = None, True

    def _released(self, item: Item) -> None:
        """An input leaves the ring: the witness takes it, so that it stands where the ring begins.

        One that has lost track begins again with the next decider that begins.
        """
        if not isinstance(item, Input):
            return
        if item.method == BEGIN:
            self._lost_track = False
        if not self._lost_track:
            self._witness, _ = tell(self._witness, item)

    def _begin(self, cause: Cause) -> None:
        """An alarm: nothing leaves the ring from here on."""
        after_ns = round(self._limits.after_s * NS_PER_S)
        ends = Instant(cause.at + after_ns)
        if self._open is None:
            self._ring.hold = True
            latest = Instant(cause.at + _LONGEST_PARTS * after_ns)
            first = Instant(cause.at + min(after_ns, round(_FIRST_S * NS_PER_S)))
            self._open = _Open([cause], ends, latest, first)
        elif len(self._open.causes) < _MOST_CAUSES:
            self._open.causes.append(cause)
            self._open.ends = min(ends, self._open.latest)

    def _go_on(self, box: _Open, now: Instant) -> None:
        over = self._ring.full or now > box.ends
        if not (over or (now >= box.first_due and not box.begun)):
            return
        items = _settled(self._ring.items, min(box.ends, after(now, seconds=-_LOOK_S)))
        self._keep(box, items, complete=over and not self._ring.full, cut=self._ring.full)
        if over:
            self._open = None
            self._ring.hold = False
            self._ring.expire(now)

    def _keep(
        self, box: _Open, items: tuple[Item, ...], *, complete: bool, cut: bool = False
    ) -> None:
        """Write the file, or write it again with more in it."""
        if box.state is None:
            box.state = self._captured()
        causes = tuple(box.causes)
        head = replace(
            self._head, causes=causes, complete=complete, cut=cut, missed=self.status.missed
        )
        name = box_file.of_causes(causes)
        data = box_file.encode(head, box.state, items, self._named)
        limits = self._limits
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            box_file.write(self._folder / name, data)
            box_file.make_room(
                self._folder, most_files=limits.keep_files, most_bytes=limits.keep_bytes
            )
        except OSError as error:
            self._lose(name, causes, str(error))
            return
        finally:
            box.begun = True
        self.status = replace(self.status, written=self.status.written + complete, fault="")
        if complete or cut or self._ending:
            self._record("kept", name, causes, {"sha256": hashlib.sha256(data).hexdigest()})

    def _captured(self) -> Packed:
        """The state in which the box begins. A box without it still tells the story."""
        if self._witness is None:
            return Packed()
        try:
            return box_file.pack(capture(self._witness, self._named))
        except Unplain as error:
            _log.error("event=black_box_without_state reason=%s", error)
            return Packed()

    def _lose(self, name: str, causes: Iterable[Cause], reason: str) -> None:
        if reason != self.status.fault:
            _log.error("event=black_box_lost name=%s reason=%s", name, reason)
            self._record("lost", name, causes, {"reason": reason})
        self.status = replace(self.status, lost=self.status.lost + 1, fault=reason)

    def _record(
        self, event: str, name: str, causes: Iterable[Cause], more: Mapping[str, object]
    ) -> None:
        body: dict[str, object] = {
            "event": event,
            "file": name,
            "alarms": [cause.id for cause in causes],
            **more,
        }
        self._offer(Record(RecordKind.BLACK_BOX, Urgency.STATE, self._clock.utc(), body))

    def _publish(self) -> None:
        known = not self._lost_track
        status = self.status
        if status.ring_bytes != self._ring.bytes or status.replayable is not known:
            self.status = replace(status, ring_bytes=self._ring.bytes, replayable=known)


def _settled(ring: Iterable[Item], until: Instant) -> tuple[Item, ...]:
    """From the first input on, up to the last one until then with all that it led to.

    An input that has only just come may not have its records yet, so it must be older than a look.
    """
    items = tuple(ring)
    inputs = [index for index, item in enumerate(items) if isinstance(item, Input)]
    if not inputs:
        return tuple(item for item in items if not isinstance(item, Noted))
    over = (index for index in inputs if items[index].at > until)
    early = (item for item in items[: inputs[0]] if isinstance(item, Frame))
    return (*early, *items[inputs[0] : next(over, len(items))])
