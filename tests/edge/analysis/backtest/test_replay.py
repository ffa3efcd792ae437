"""Recorded rows reach the engine in order, with everything that time alone does in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.analysis.backtest.model import Answer, Doubt, Row
from edge.analysis.backtest.replay import Run, Slot
from edge.core.instant import NS_PER_MS, Instant, Utc
from edge.core.model import Alarm, Level, PointId, Quality, RuleId

POINT, BUTTON = PointId("river.level"), PointId("panel.button")
FLOOD = RuleId("flood")


class RecordingEngine:
    """Red from 3.0 on; writes down all that it is told. ``due``: when it wants to be woken."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.dues: list[Instant] = []
        self.level = Level.NORMAL

    @property
    def due(self) -> Instant | None:
        return self.dues[0] if self.dues else None

    def feed(
        self, point: PointId, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        self.told.append(("feed", point, value, quality, utc.ms))
        assert at == utc.ms * NS_PER_MS
        if point != POINT or value is None:
            return ()
        level = Level.RED if value >= 3.0 else Level.NORMAL
        if level is self.level:
            return ()
        self.level = level
        return (Alarm(FLOOD, current=level),)

    def advance(self, now: Instant, utc: Utc) -> Sequence[Alarm]:
        assert now == self.dues.pop(0)
        self.told.append(("advance", utc.ms))
        return ()

    def acknowledge(
        self, rules: Iterable[RuleId] | None, by: str, now: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        self.told.append(("acknowledge", rules and tuple(rules), by, utc.ms))
        return ()


def pass_on(
    point: PointId, value: float | None, quality: Quality, at: Instant
) -> tuple[float | None, Quality]:
    """No checks."""
    return value, quality


def row(at_ms: int, value: float | None, series: int = 0) -> Row:
    """A row of a series."""
    return at_ms, series, value, Quality.GOOD if value is not None else Quality.NO_ANSWER


def test_levels_and_their_times_are_kept_per_rule() -> None:
    """The track is what everything else is computed from."""
    run = Run(RecordingEngine(), pass_on, [Slot(POINT)], [FLOOD])
    run.take([row(1, 2.0), row(2, 3.5)])
    run.take([row(3, 3.6), row(9, 1.0)])
    assert run.finish() == (1, 9)
    assert run.tracks[FLOOD].changes == [(2, Level.RED), (9, Level.NORMAL)]
    assert run.tracks[FLOOD].spans(Level.ORANGE, 9) == [(2, 9)]
    assert (run.fed, run.decisions) == (4, 2)


def test_a_series_nobody_needs_is_skipped_and_numbers_become_stored_units() -> None:
    """Centimetres of the file are metres of the point."""
    engine = RecordingEngine()
    run = Run(engine, pass_on, [None, Slot(POINT, lambda value: value / 100)], [FLOOD])
    run.take([row(1, 350.0, series=0), row(1, 320.0, series=1)])
    assert engine.told == [("feed", POINT, 3.2, Quality.GOOD, 1)]


def test_what_time_alone_does_comes_at_its_time_before_the_next_reading() -> None:
    """In a record without any reading for days, too."""
    engine = RecordingEngine()
    engine.dues = [Instant(5 * NS_PER_MS), Instant(7 * NS_PER_MS), Instant(20 * NS_PER_MS)]
    run = Run(engine, pass_on, [Slot(POINT)], [FLOOD])
    run.take([row(1, 1.0), row(7, 1.0)])
    assert [each[0] for each in engine.told] == ["feed", "advance", "advance", "feed"]
    assert engine.told[1:3] == [("advance", 5), ("advance", 7)]


def test_a_silent_sensor_is_lost_once_when_its_time_is_over() -> None:
    """Silence is never read as normal."""
    engine = RecordingEngine()
    run = Run(engine, pass_on, [Slot(POINT, silence_ms=100), Slot(BUTTON)], [FLOOD])
    run.take([row(0, 1.0), row(50, 0.0, series=1), row(90, 0.0, series=1)])
    run.take([row(500, 0.0, series=1), row(900, 0.0, series=1), row(950, 1.0), row(2000, 1.0)])
    lost = [each for each in engine.told if each[3:4] == (Quality.LOST,)]
    assert lost == [
        ("feed", POINT, None, Quality.LOST, 100),
        ("feed", POINT, None, Quality.LOST, 1050),
    ]
    assert [each[-1] for each in engine.told] == sorted(each[-1] for each in engine.told)  # type: ignore[type-var]  # all are times


def test_answers_are_given_when_they_were_given_on_site() -> None:
    """Else a latched alarm would hide the next one."""
    engine = RecordingEngine()
    answer = Answer(FLOOD, 15, "王", Level.RED, 5)
    run = Run(engine, pass_on, [Slot(POINT)], [FLOOD], answers=[answer])
    run.take([row(10, 3.5), row(20, 3.6)])
    assert engine.told[1] == ("acknowledge", (FLOOD,), "王", 15)


def test_a_push_button_acknowledges_once_after_the_readings_of_its_moment() -> None:
    """As the running agent does."""
    engine = RecordingEngine()
    run = Run(engine, pass_on, [Slot(POINT), Slot(BUTTON, button="值班室")], [FLOOD])
    run.take([row(1, 1.0, series=1), row(1, 3.5), row(2, 1.0, series=1), row(3, 0.0, series=1)])
    run.take([row(4, 1.0, series=1)])
    run.finish()
    pressed = [each for each in engine.told if each[0] == "acknowledge"]
    assert pressed == [
        ("acknowledge", None, "值班室", 1),
        ("acknowledge", None, "值班室", 4),
    ]
    assert engine.told[1][1] == POINT


def test_times_in_doubt_are_kept_with_their_reason() -> None:
    """A report must say when nobody was watching: from the first bad reading to the first good."""
    engine = RecordingEngine()

    def doubts() -> dict[RuleId, str]:
        last = engine.told[-1]
        return {FLOOD: "lost"} if last[3] is not Quality.GOOD else {}

    run = Run(engine, pass_on, [Slot(POINT)], [FLOOD], doubts=doubts)
    bad = [row(at, None) for at in range(20, 70)]
    run.take([row(10, 1.0), *bad, row(70, 1.0), row(80, 1.0), row(90, None), row(100, None)])
    run.finish()
    assert run.tracks[FLOOD].doubts == [Doubt(20, 70, "lost"), Doubt(90, 100, "lost")]


def test_doubts_of_good_readings_are_looked_for_now_and_then() -> None:
    """A window that fills is no news of a sensor."""
    asked: list[int] = []
    engine = RecordingEngine()

    def doubts() -> dict[RuleId, str]:
        asked.append(1)
        return {FLOOD: "warming"} if len(engine.told) < 100 else {}

    run = Run(engine, pass_on, [Slot(POINT)], [FLOOD], doubts=doubts)
    run.take([row(at, 1.0) for at in range(1000)])
    run.finish()
    [doubt] = run.tracks[FLOOD].doubts
    assert (doubt.begin_ms, doubt.why) == (0, "warming")
    assert 100 <= doubt.end_ms < 130
    assert len(asked) < 100


def test_an_empty_record_has_no_span() -> None:
    """Instead of one that begins in 1970."""
    assert Run(RecordingEngine(), pass_on, [], []).finish() is None
