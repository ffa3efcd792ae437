"""How drills, walk-tests and what is heard are said to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.app.proof_words import output_words
from edge.cli.options import columns
from edge.cli.words import clock_time, level
from edge.locale import text


def drill_sign(drill: Mapping[str, Any]) -> str:
    """The sign that a drill runs."""
    return text(
        "drill.sign",
        drill=drill["drill"],
        rule=drill["rule"],
        level=level(drill["level"]),
        mode=mode_words(drill["mode"]),
        by=drill["by"],
        reason=drill["reason"],
        until=clock_time(drill["until_ms"]),
    )


def drill_end(drill: Mapping[str, Any]) -> str:
    """How a drill ended, and what it showed."""
    return text(
        "drill.over",
        drill=drill["drill"],
        rule=drill["rule"],
        why=text(f"drill.why-{str(drill['why']).replace(' ', '-')}"),
        by=drill.get("ended_by") or "–",
        answered=drill.get("answered_by") or text("cli.none"),
    )


def mode_words(mode: str) -> str:
    """How a drill is held."""
    return text(f"drill.{mode}")


def walk_sign(test: Mapping[str, Any]) -> str:
    """The sign that rules are under test and do not protect."""
    return text(
        "walk.sign",
        rules=", ".join(test["rules"]),
        by=test["by"],
        reason=test["reason"],
        until=clock_time(test["until_ms"]),
    )


def sound_line(sound: Mapping[str, Any]) -> str:
    """Whether an output is heard."""
    words = f"{output_words(sound['output'])}: {sounding_words(sound['sounding'])}"
    return f"{words} ({sound['why']})" if sound["why"] else words


def sounding_words(sounding: str | None) -> str:
    """What is known of an output."""
    return text(f"sounding.{sounding or 'untried'}")


def sensor_rows(sensors: Sequence[Mapping[str, Any]]) -> str:
    """Every sensor under test, and how it responded."""
    head = tuple(text(f"walk.{key}") for key in ("tick", "sensor", "from", "to", "how", "when"))
    return columns([head, *(_sensor_row(each) for each in sensors)])


def _sensor_row(sensor: Mapping[str, Any]) -> tuple[str, ...]:
    seen = sensor["seen"]
    return (
        "✓" if seen else "✗",
        sensor["point"],
        _number(sensor["base"]),
        _number(sensor["value"]),
        text(f"walk.{seen.replace(' ', '-')}") if seen else text("walk.unseen"),
        clock_time(sensor["seen_ms"]) if seen else "–",
    )


def output_rows(outputs: Sequence[Mapping[str, Any]]) -> str:
    """Every output of the rules under test, and whether it was heard."""
    head = tuple(text(f"walk.{key}") for key in ("tick", "output", "heard"))
    return columns([head, *(_output_row(each) for each in outputs)])


def _output_row(output: Mapping[str, Any]) -> tuple[str, ...]:
    heard = output["sounding"] == "heard"
    words = sounding_words(output["sounding"])
    if not output["tested"]:
        words = text("walk.no-drill")
    elif output["why"]:
        words = f"{words} ({output['why']})"
    return ("✓" if heard else "✗", output_words(output["output"]), words)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
