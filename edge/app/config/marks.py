"""What a template leaves to whoever knows the place, and has not been looked at yet."""

from __future__ import annotations

from typing import Final

from edge.app.config.draft import Draft
from edge.app.config.source import Source

MARK: Final = "# SET:"
"""Stands on every line of a template that is a site's own."""


def marked_lines(content: str) -> list[int]:
    """The lines of a site file that are still marked, from 1."""
    return [number for number, line in enumerate(content.splitlines(), 1) if MARK in line]


def warn_of_marks(source: Source, draft: Draft) -> None:
    """Warn once, at the first of the lines: a placeholder is nobody's telephone."""
    lines = marked_lines(source.content.decode("utf-8"))
    if lines:
        draft.warnings.add_at(lines[0], "left-to-set", found=str(len(lines)), allowed=MARK)
