"""The journal: a bounded hand-over from the walk, and one thread that commits to SQLite (WAL,
FULL).

Nothing on the alarm path waits for it. A full or broken disk keeps records in memory up to a bound,
oldest telemetry lost first; what is lost is counted, and recorded once the disk is back.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from edge.core.errors import StoreError
from edge.core.instant import NS_PER_MS, Clock, Instant, Utc, ms_between, seconds_between
from edge.core.model import PointId, Record, RecordKind, Sample, Urgency
from edge.core.quality_code import CODE_OF
from edge.engine.audit import Context, Stamp
from edge.engine.store import Store
from edge.engine.taken import Taken
from protocols.block import Profile, Reading, encode_birth, encode_block

_log = logging.getLogger("tongluo.journal")

# What memory may hold while the disk is gone: about an hour of alarms and a few minutes of
# telemetry.
MOST_RECORDS: Final = 10_000
MOST_READINGS: Final = 100_000
_BLOCK_READINGS: Final = 4096
_RETRY_S: Final = 1.0
_IDLE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """A snapshot for status and health: what is on disk, what waits, what was lost, and why."""

    last_seq: int = 0
    bytes_used: int = 0
    waiting: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    evicted: int = 0
    fault: str = ""
    commit_ms: float = 0.0
    readings: int = 0


@dataclass(frozen=True, slots=True)
class _Stop:
    """Ends the thread after what was offered before it."""


_Item = Record | tuple[Sample, ...] | Context | Profile | _Stop


class JournalWriter:
    """Satisfies Journal.

    ``start`` opens the store and its thread, ``stop`` commits what is left.
    """

    def __init__(
        self,
        path: Path,
        profile: Profile,
        clock: Clock,
        *,
        most_bytes: int,
        block_s: float,
        committed: Callable[[int, bool], None],
    ) -> None:
        self._store = Store(path, profile.site, most_bytes)
        self._profile = profile
        self._columns = {PointId(c.point): index for index, c in enumerate(profile.columns)}
        self._clock = clock
        self._block_s = block_s
        self._committed = committed
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._records: list[Taken] = []
        self._context = Context()
        self._readings: list[Reading] = []
        self._block_since: Instant | None = None
        self._lost: dict[str, int] = {}
        self._unreported: dict[str, int] = {}
        self._failed_at: Instant | None = None
        self._readings_stored = 0
        self._told_aside = ""
        self._kept_alarms: list[dict[str, object]] = []
        self._kept_newest: Utc | None = None
        self._kept_devices: list[dict[str, object]] = []
        self._kept_calls: list[dict[str, object]] = []
        self._kept_exercises: dict[str, dict[str, object]] = {}
        self.status = JournalStatus()

    def start(self) -> None:
        """Open the store (set a damaged one aside) and begin to write."""
        try:
            self._store.open(self._clock.utc().ms)
            # before the thread looks through the file, which would make the alarms wait for it
            self._kept_alarms = self._store.alarms()
            self._kept_newest = self._store.newest()
            self._kept_devices = self._store.devices()
            self._kept_calls = self._store.calls()
            self._kept_exercises = self._store.exercises()
        except StoreError as error:
            # the box always starts: alarms sound without a journal, and opening is tried again
            self._fail(str(error))
        self.offer(_birth(self._profile, self._clock.utc()))
        self._begin()

    def revive(self) -> bool:
        """Start the thread anew if a bug has ended it; True if that was needed."""
        if self._thread is None or self._thread.is_alive():
            return False
        _log.critical("event=journal_thread_died")
        self._begin()
        return True

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Commit what was offered; False if the disk did not take it in time."""
        if self._thread is None:
            return True
        self._items.put(_Stop())
        self._thread.join(timeout_s)
        finished = not self._thread.is_alive()
        if finished:
            self._thread = None
        return finished

    @property
    def epoch(self) -> str:
        """Which life of the journal file this is."""
        return self._store.epoch

    @property
    def set_aside(self) -> str:
        """Where a damaged journal was put at start; empty if it was sound."""
        return self._store.set_aside

    def kept_alarms(self) -> list[dict[str, object]]:
        """The newest alarm body of each rule, as the file had it at the start."""
        return self._kept_alarms

    def kept_newest(self) -> Utc | None:
        """The latest wall time of the newest few records that the file had at the start."""
        return self._kept_newest

    def kept_devices(self) -> list[dict[str, object]]:
        """The newest loss or return of each device, as the file had it at the start."""
        return self._kept_devices

    def kept_exercises(self) -> dict[str, dict[str, object]]:
        """The newest beginning or end of a drill and of a walk-test, by kind, at the start."""
        return self._kept_exercises

    def kept_calls(self) -> list[dict[str, object]]:
        """What every call ladder had done, as the file had it at the start."""
        return self._kept_calls

    # -- the hand-over: called on the alarm path --------------------------------------------

    def offer(self, record: Record) -> None:
        """Hand a record over; never waits. See Journal.offer."""
        self._items.put(record)

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Hand readings over for the next block. See Journal.offer_samples."""
        self._items.put(samples)

    def use(self, profile: Profile) -> None:
        """What is offered from now on are readings of these points; the profile is recorded."""
        self._items.put(profile)

    def set_context(self, context: Context) -> None:
        """What is offered from now on is made in this run, under this configuration."""
        self._items.put(context)

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        self._verify()
        stopping = False
        while not stopping:
            stopping = self._take()
            now = self._clock.now()
            if stopping or self._block_due(now):
                self._close_block()
            if self._records and (stopping or self._may_write(now)):
                self._write()
            self._publish_status()
        self._finish()

    def _finish(self) -> None:
        """Say in the file that nothing is missing, if nothing is."""
        try:
            if not self._records:
                self._store.finish()
        except StoreError as error:
            self._fail(str(error))
        self._store.close()

    def _verify(self) -> None:
        """Look through the file while records wait in memory."""
        if self._failed_at is not None:
            return
        try:
            self._store.verify(self._clock.utc().ms)
        except StoreError as error:
            self._fail(str(error))

    def _take(self) -> bool:
        """Wait for something, then take all that is there. True when it is time to stop."""
        try:
            item: _Item | None = self._items.get(timeout=_IDLE_S)
        except queue.Empty:
            return False
        while item is not None:
            if isinstance(item, _Stop):
                return True
            if isinstance(item, Record):
                self._keep(item)
                self._bound_records()
            elif isinstance(item, Context):
                self._context = item
            elif isinstance(item, Profile):
                self._change_profile(item)
            else:
                self._take_samples(item)
            try:
                item = self._items.get_nowait()
            except queue.Empty:
                item = None
        return False

    def _keep(self, record: Record) -> None:
        """Let a record wait for the disk, stamped now."""
        mono_ms = self._clock.now() // NS_PER_MS
        stamp = Stamp(self._context.run, self._context.config, mono_ms)
        self._records.append(Taken(record, stamp))

    def _change_profile(self, profile: Profile) -> None:
        """A block has one profile: close the open one, then tell what the next ones hold."""
        self._close_block()
        self._profile = profile
        self._columns = {PointId(c.point): index for index, c in enumerate(profile.columns)}
        self._keep(_birth(profile, self._clock.utc()))

    def _take_samples(self, samples: tuple[Sample, ...]) -> None:
        if self._block_since is None:
            self._block_since = self._clock.now()
        for sample in samples:
            self._readings.append(
                Reading(
                    self._columns[sample.point],
                    sample.utc.ms,
                    sample.value,
                    CODE_OF[sample.quality],
                )
            )
        if len(self._readings) >= _BLOCK_READINGS:
            self._close_block()

    def _block_due(self, now: Instant) -> bool:
        return (
            self._block_since is not None
            and seconds_between(self._block_since, now) >= self._block_s
        )

    def _close_block(self) -> None:
        if not self._readings:
            return
        readings, self._readings = self._readings, []
        self._block_since = None
        self._keep(
            Record(
                RecordKind.BLOCK,
                Urgency.TELEMETRY,
                self._clock.utc(),
                {"block": encode_block(self._profile, readings), "readings": len(readings)},
            )
        )
        self._bound_records()

    def _bound_records(self) -> None:
        """While the disk is gone: first the oldest telemetry goes, then the oldest of the rest."""
        while len(self._records) > MOST_RECORDS or self._waiting_readings() > MOST_READINGS:
            index = next(
                (i for i, r in enumerate(self._records) if r.record.urgency is Urgency.TELEMETRY),
                0,
            )
            lost = self._records.pop(index).record
            kind = lost.kind.value
            self._lost[kind] = self._lost.get(kind, 0) + 1
            self._unreported[kind] = self._unreported.get(kind, 0) + 1

    def _waiting_readings(self) -> int:
        if self._failed_at is None:
            return 0
        return sum(each.readings for each in self._records)

    def _may_write(self, now: Instant) -> bool:
        return self._failed_at is None or seconds_between(self._failed_at, now) >= _RETRY_S

    def _write(self) -> None:
        """One transaction for all that waits.

        After a failure the file is opened anew, never trusted.
        """
        began = self._clock.now()
        try:
            if self._failed_at is not None:
                self._store.reopen(self._clock.utc().ms)
            if self._unreported:
                self._note_loss()
            self._note_set_aside()
            last = self._store.append([each.entry() for each in self._records])
        except StoreError as error:
            self._fail(str(error))
            return
        urgent = any(each.record.urgency is Urgency.ALARM for each in self._records)
        self._readings_stored += sum(each.readings for each in self._records)
        self._records.clear()
        self._unreported.clear()
        if self._failed_at is not None:
            _log.warning("event=journal_back")
        self._failed_at = None
        self.status = JournalStatus(
            last_seq=last,
            bytes_used=self._store.bytes_used,
            lost=dict(self._lost),
            evicted=self.status.evicted,
            commit_ms=ms_between(began, self._clock.now()),
            readings=self._readings_stored,
        )
        self._committed(last, urgent)
        self._trim()

    def _trim(self) -> None:
        """Keep to the bound; what was committed is committed, also if this fails."""
        try:
            evicted = self._store.trim(self._clock.utc())
        except StoreError as error:
            self._fail(str(error))
            return
        self.status = replace(
            self.status,
            bytes_used=self._store.bytes_used,
            evicted=self.status.evicted + evicted,
        )

    def _note_set_aside(self) -> None:
        """A damaged file was put aside, at start or later: the district hears of it once."""
        aside = self._store.set_aside
        if aside != self._told_aside:
            self._told_aside = aside
            body: dict[str, object] = {"event": "journal set aside", "as": aside}
            self._keep(Record(RecordKind.RUN, Urgency.ALARM, self._clock.utc(), body))

    def _note_loss(self) -> None:
        """Put what was lost so far among what is about to be written.

        Said anew if writing fails again.
        """
        body: dict[str, object] = {
            "cause": "memory full while the disk was gone",
            "records": dict(self._unreported),
        }
        self._records = [e for e in self._records if e.record.kind is not RecordKind.LOSS]
        self._keep(Record(RecordKind.LOSS, Urgency.ALARM, self._clock.utc(), body))

    def _fail(self, reason: str) -> None:
        if self._failed_at is None:
            _log.error("event=journal_fault reason=%s", reason)
        self._failed_at = self._clock.now()
        self._publish_status(reason)

    def _publish_status(self, fault: str | None = None) -> None:
        old = self.status
        waiting = len(self._records)
        fault = old.fault if fault is None else fault
        if waiting != old.waiting or fault != old.fault or self._lost != old.lost:
            self.status = JournalStatus(
                old.last_seq, old.bytes_used, waiting, dict(self._lost), old.evicted,
                fault, old.commit_ms, old.readings,
            )  # fmt: skip


def _birth(profile: Profile, utc: Utc) -> Record:
    """What the blocks that follow contain."""
    body: dict[str, object] = {"profile": encode_birth(profile)}
    return Record(RecordKind.BIRTH, Urgency.STATE, utc, body)
