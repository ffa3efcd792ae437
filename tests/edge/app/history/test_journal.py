"""A box's own journal as history: its readings, their qualities, and how long alarms waited."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.analysis.backtest.model import Answer, Intake, Row
from edge.app.history.journal_file import JournalFile
from edge.app.history.mapping import Catalogue, Series, catalogue
from edge.app.history.opening import open_sources
from edge.app.history.source import Absent
from edge.core.errors import ConfigError, StoreError
from edge.core.instant import ClockQuality, Instant, Utc
from edge.core.model import (
    Alarm,
    Level,
    Phase,
    PointId,
    Quality,
    Record,
    RecordKind,
    RuleId,
    Sample,
    Urgency,
)
from edge.core.units import Unit
from edge.engine.bodies import alarm_body
from edge.engine.journal import JournalWriter
from protocols.block import Column, Profile
from tools.virtual_clock import VirtualClock

LEVEL, RAIN = PointId("river.level"), PointId("gauge.rain")
FLOOD = RuleId("flood")
PROFILE = Profile(
    "site", (Column(LEVEL, "m", 3, "river", 100), Column("gauge.depth", "mm", 1, "gauge", 100))
)
BEGIN_MS = 1_718_158_500_000


class Box:
    """An agent's journal."""

    def __init__(self, state: Path) -> None:
        self.path = state / "journal.db"
        self.clock = VirtualClock(utc_ms=BEGIN_MS)
        self.writer = JournalWriter(
            self.path, PROFILE, self.clock, most_bytes=1 << 24, block_s=0.5,
            committed=lambda seq, urgent: None,
        )  # fmt: skip
        self.writer.start()

    def say(self, point: PointId, value: float | None, quality: Quality, at_ms: int) -> None:
        """A reading."""
        utc = Utc(BEGIN_MS + at_ms, ClockQuality.SYNCED)
        self.writer.offer_samples((Sample(point, value, Unit.METRE, quality, Instant(0), utc),))

    def alarm(self, level: Level, at_ms: int, by: str = "", drill: str = "") -> None:
        """A revision of an alarm."""
        phase = Phase.ACTIVE_ACKNOWLEDGED if by else Phase.ACTIVE_UNACKNOWLEDGED
        alarm = Alarm(FLOOD, level=level, phase=phase, acknowledged_by=by, drill=drill)
        utc = Utc(BEGIN_MS + at_ms, ClockQuality.SYNCED)
        self.writer.offer(Record(RecordKind.ALARM, Urgency.ALARM, utc, alarm_body(alarm)))


@pytest.fixture
def box(state_dir: Path) -> Box:
    """A box that writes; whoever reads stops it first."""
    return Box(state_dir)


def read(box: Box, known: Catalogue) -> tuple[list[Row], Intake]:
    """All rows, once the box has stopped."""
    assert box.writer.stop()
    intake = Intake()
    [source] = open_sources([box.path.parent], known, Absent(known, {}), None)
    rows = [row for batch in source.batches(intake) for row in batch]
    assert source.progress == 1.0
    return rows, intake


def test_readings_come_with_time_and_quality(box: Box, needed: Catalogue) -> None:
    """Exact to the tick of the block."""
    box.say(LEVEL, 3.2, Quality.GOOD, 100)
    box.say(LEVEL, None, Quality.NO_ANSWER, 200)
    rows, intake = read(box, needed)
    assert rows == [
        (BEGIN_MS + 100, 0, 3.2, Quality.GOOD),
        (BEGIN_MS + 200, 0, None, Quality.NO_ANSWER),
    ]
    assert (intake.rows, intake.missing) == (2, 1)


def test_what_old_checks_made_of_a_number_is_judged_anew(box: Box, needed: Catalogue) -> None:
    """A back-test with other ranges must not inherit the verdicts of the old ones."""
    for at_ms, quality in enumerate((Quality.OUT_OF_RANGE, Quality.JUMP, Quality.STALE)):
        box.say(LEVEL, 9.5, quality, at_ms * 100)
    rows, _ = read(box, needed)
    assert [row[3] for row in rows] == [Quality.GOOD, Quality.GOOD, Quality.STALE]


def test_series_nobody_needs_are_counted_and_units_are_those_of_the_journal(box: Box) -> None:
    """A point that had another name then is mapped like a series of a file."""
    box.say(PointId("gauge.depth"), 12.5, Quality.GOOD, 100)
    box.say(LEVEL, 3.2, Quality.GOOD, 200)
    known = catalogue([Series("gauge.depth", RAIN)], [RAIN])
    rows, intake = read(box, known)
    assert rows == [(BEGIN_MS + 100, 0, 12.5, Quality.GOOD)]
    assert known.series[0].unit is Unit.MILLIMETRE
    assert intake.ignored == {LEVEL: 1}


def test_answers_are_how_long_an_alarm_waited(box: Box, needed: Catalogue) -> None:
    """From the first revision that nobody answered to the answer; the highest level counts."""
    box.alarm(Level.YELLOW, 1000)
    box.alarm(Level.RED, 5000)
    box.alarm(Level.RED, 61_000, by="王")
    box.alarm(Level.RED, 62_000, by="王")
    box.alarm(Level.RED, 70_000)
    assert box.writer.stop()
    assert JournalFile(box.path, needed).answers() == [
        Answer(FLOOD, BEGIN_MS + 61_000, "王", Level.RED, 60_000)
    ]


def test_drills_are_no_answers(box: Box, needed: Catalogue) -> None:
    """They are excluded from statistics."""
    box.alarm(Level.RED, 1000, drill="d1")
    box.alarm(Level.RED, 2000, by="王", drill="d1")
    assert box.writer.stop()
    assert JournalFile(box.path, needed).answers() == []


def test_a_long_journal_is_read_in_pages(box: Box, needed: Catalogue) -> None:
    """In the order in which it was written."""
    for at in range(10_000):
        box.say(LEVEL, at / 1000, Quality.GOOD, at * 100)
    rows, intake = read(box, needed)
    assert [row[2] for row in rows] == [at / 1000 for at in range(10_000)]
    assert intake.disordered == 0


def test_what_is_no_journal_is_said(tmp_path: Path, needed: Catalogue) -> None:
    """An empty folder, a file of something else."""
    with pytest.raises(ConfigError, match=r"journal\.db"):
        open_sources([tmp_path], needed, Absent(needed, {}), None)
    (tmp_path / "journal.db").write_bytes(b"SQLite format 4\0" * 100)
    with pytest.raises(StoreError):
        open_sources([tmp_path], needed, Absent(needed, {}), None)
