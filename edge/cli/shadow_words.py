"""How shadow rules are said to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.cli.lengths import length
from edge.locale import text


def shadow_lines(shadows: Mapping[str, Any]) -> list[str]:
    """A line per shadow: how often and how long it disagreed, which way, and if it does now."""
    return [_line(name, body) for name, body in shadows.items()]


def _line(name: str, body: Mapping[str, Any]) -> str:
    against = body["armed"] or text("shadow.silence")
    if not body["disagreements"]:
        return text("shadow.agreed", shadow=name, armed=against)
    line = text(
        "shadow.disagreed", shadow=name, armed=against, count=body["disagreements"],
        more=body["more"], less=body["less"], length=length(body["disagreed_s"] * 1000),
    )  # fmt: skip
    now = body["open"]
    if now is None:
        return line
    levels = {key: text(f"level.{now[key]}") for key in ("shadow_level", "armed_level")}
    return f"{line}  {text('shadow.now', **levels)}"
