"""docs/alarms.md shows the very table by which alarms go."""

import re
from pathlib import Path

from edge.core.model import Phase
from edge.engine.alarms import TABLE, Event

PAGE = Path(__file__).parents[3] / "docs" / "alarms.md"
SHORT = dict(zip(["N", "AU", "AA", "RU", "L", "SH", "SU", "OS"], Phase, strict=True))


def test_the_page_has_the_whole_table() -> None:
    section = PAGE.read_text("utf-8").partition("## Changes")[2].partition("\n## ")[0]
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", section, re.MULTILINE)
    ]
    assert [SHORT[name] for name in head[1:]] == list(Phase)
    written = {
        (SHORT[name], Event[what.replace(" ", "_").upper()]): SHORT[cell]
        for what, *cells in rows
        for name, cell in zip(head[1:], cells, strict=True)
        if cell != "·"
    }
    assert written == TABLE
    assert len(rows) == len(Event)
