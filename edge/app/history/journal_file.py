"""Readings that a box has recorded itself: the telemetry blocks of its journal, and its answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge.analysis.backtest.model import Answer, Intake, Row
from edge.app.history.mapping import Catalogue
from edge.core.model import Level, Quality, RecordKind, RuleId, Urgency
from edge.core.quality_code import CODES
from edge.core.units import Unit
from protocols.block import Profile, decode_birth, decode_block, profile_of
from protocols.envelope import Envelope, Malformed, decode_body
from uplink.outbox import Want
from uplink.reader import JournalReader

_PAGE_BYTES: Final = 1 << 20
# What the checks of that time made of a number: the number is judged anew by those of today.
_JUDGED: Final = frozenset(
    {Quality.OUT_OF_RANGE, Quality.UNCERTAIN, Quality.JUMP, Quality.STUCK, Quality.DRIFT}
)


class JournalFile:
    """A journal, read while the agent may go on writing it; satisfies Source.

    Raises StoreError where it cannot be read.
    """

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        self.name = f"{path.parent.name}/{path.name}"
        self._path = path
        self._catalogue = catalogue
        self._profiles: dict[bytes, Profile] = {}
        self._tail = self._seq = 0
        self._newest_ms = 0
        self.weight = path.stat().st_size if path.exists() else 1
        with contextlib.closing(JournalReader(path)) as reader, reader.snapshot() as snapshot:
            self._tail = snapshot.tail
            for birth in snapshot.scan(kinds=(RecordKind.BIRTH.value,)):
                with contextlib.suppress(Malformed):
                    profile = decode_birth(birth.body)
                    self._profiles[profile.id] = profile

    @property
    def progress(self) -> float:
        """How many of its records were passed, 0 to 1."""
        return min(1.0, self._seq / self._tail) if self._tail else 1.0

    def batches(self, intake: Intake) -> Iterator[list[Row]]:
        """See Source."""
        numbers: dict[bytes, list[int | None]] = {}
        for page in self._pages(Urgency.TELEMETRY):
            rows: list[Row] = []
            for record in page:
                if record.kind == RecordKind.BLOCK.value:
                    self._take(record.body, numbers, rows, intake)
            yield rows

    def _take(
        self, block: bytes, numbers: dict[bytes, list[int | None]], rows: list[Row], intake: Intake
    ) -> None:
        try:
            name = profile_of(block)
            readings = decode_block(block, self._profiles)
        except Malformed:
            intake.damaged += 1
            return
        profile = self._profiles[name]
        if name not in numbers:
            numbers[name] = [
                self._catalogue.number(column.point, _unit(column.unit))
                for column in profile.columns
            ]
        wanted = numbers[name]
        for reading in sorted(readings, key=lambda each: each.at_ms):
            intake.rows += 1
            number = wanted[reading.column]
            if number is None:
                intake.ignored[profile.columns[reading.column].point] += 1
                continue
            code = reading.quality
            quality = CODES[code] if code < len(CODES) else Quality.GARBLED
            if quality in _JUDGED and reading.value is not None:
                quality = Quality.GOOD
            if quality is not Quality.GOOD:
                intake.missing += 1
            if reading.at_ms < self._newest_ms:
                intake.disordered += 1
                intake.first_disorder = intake.first_disorder or self.name
            self._newest_ms = max(self._newest_ms, reading.at_ms)
            rows.append((reading.at_ms, number, reading.value, quality))

    def answers(self) -> list[Answer]:
        """Who answered which alarm, and how long it had waited; drills are left out."""
        found: list[Answer] = []
        waiting: dict[str, tuple[int, Level]] = {}
        for page in self._pages(Urgency.ALARM):
            for record in page:
                if record.kind == RecordKind.ALARM.value:
                    with contextlib.suppress(Malformed, KeyError):
                        _note_answer(record, decode_body(record.body), waiting, found)
        return found

    def _pages(self, urgency: Urgency) -> Iterator[tuple[Envelope, ...]]:
        """All records of a class; between pages the journal is let go, so that it can be tidied."""
        self._seq = 0
        with contextlib.closing(JournalReader(self._path)) as reader:
            while True:
                with reader.snapshot() as snapshot:
                    lease = snapshot.lease(Want(int(urgency), self._seq), max_bytes=_PAGE_BYTES)
                self._seq = lease.upto
                if lease.records:
                    yield lease.records
                if lease.exhausted:
                    return


def _note_answer(
    record: Envelope,
    body: dict[str, Any],
    waiting: dict[str, tuple[int, Level]],
    found: list[Answer],
) -> None:
    """An alarm waits from its first unanswered revision to the first that names who answered."""
    rule, level, by = str(body["rule"]), Level[str(body["level"]).upper()], body["acknowledged_by"]
    if body.get("drill"):
        return
    if by and rule in waiting:
        since_ms, highest = waiting.pop(rule)
        waited_ms = max(0, record.utc_ms - since_ms)
        found.append(Answer(RuleId(rule), record.utc_ms, str(by), highest, waited_ms))
    elif not by and level > Level.NORMAL:
        since_ms, highest = waiting.get(rule, (record.utc_ms, level))
        waiting[rule] = since_ms, max(highest, level)


def _unit(written: str) -> Unit | None:
    """The unit of a column; a journal may know units that this version does not."""
    try:
        return Unit(written)
    except ValueError:
        return None
