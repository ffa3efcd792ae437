"""Labelled events: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.analysis.backtest.model import Event, Span
from edge.app.history.events import read_events
from edge.core.errors import ConfigError
from edge.core.model import Level, RuleId

RULES = ["flood", "gas"]


def events(folder: Path, content: str, zone: str | None = None) -> list[Event]:
    """The events of a file."""
    path = folder / "events.csv"
    path.write_text(content, encoding="utf-8")
    return read_events(path, RULES, ZoneInfo(zone) if zone else None)


def test_events_come_by_begin_with_level_and_rule(tmp_path: Path) -> None:
    """An event without an end is a moment."""
    content = "begin,end,label,level,rule\n200,300,二,red,flood\n100,,一,,\n"
    assert events(tmp_path, content) == [
        Event(Span(100_000, 100_000), "一"),
        Event(Span(200_000, 300_000), "二", Level.RED, RuleId("flood")),
    ]


def test_level_and_rule_may_be_left_out_and_times_be_iso(tmp_path: Path) -> None:
    """As people write them."""
    content = "begin,end,label\n2024-07-03 17:46:40,2024-07-03T09:46:41Z,flood\n"
    assert events(tmp_path, content, "Asia/Shanghai")[0].span == (
        1_720_000_000_000,
        1_720_000_001_000,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("begin,label\n1,x\n", ["events.csv:1", "end"]),
        ("begin,end,label,colour\n1,2,x,red\n", ["events.csv:1", "colour"]),
        ("begin,end,label\n", ["no event"]),
        ("begin,end,label\n2,1,x\n", ["events.csv:2", "before it begins"]),
        ("begin,end,label\nlast week,,x\n", ["events.csv:2", "last week"]),
        ("begin,end,label,level\n1,2,x,purple\n", ["events.csv:2", "purple", "orange"]),
        ("begin,end,label,rule\n1,2,x,floood\n", ["events.csv:2", "floood", "flood"]),
        ("begin,end,label\n1,2,x,y\n", ["events.csv:2", "more fields"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, content: str, words: list[str]
) -> None:
    """A wrong label makes a good rule look bad."""
    with pytest.raises(ConfigError) as wrong:
        events(tmp_path, content)
    assert all(word in str(wrong.value) for word in words), str(wrong.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """By name."""
    with pytest.raises(ConfigError, match=r"none\.csv"):
        read_events(tmp_path / "none.csv", RULES, None)
