"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_STATE = "/var/lib/tongluo"


def state_option(function: F) -> F:
    """``--state DIR``: where the agent keeps its journal and its socket."""
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_STATE,
        show_default=True,
        envvar="TONGLUO_STATE",
        help="State directory of the agent (journal, socket).",
    )(function)


def json_option(function: F) -> F:
    """``--json``: one JSON object (or line) on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Mapping[str, object]) -> None:
    """One object, one line, Chinese left readable."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as aligned columns; a Chinese character is two columns wide."""
    if not rows:
        return ""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


_WIDE_FROM = 0x1100


def _width(cell: str) -> int:
    return sum(2 if ord(character) >= _WIDE_FROM else 1 for character in cell)
