"""``tongluo calls``: who is being called now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.cli.call_words import channel, ladder_end, role
from edge.cli.options import json_option, print_json, state_option
from edge.cli.words import level
from edge.locale import text


@click.command()
@state_option
@json_option
def calls(state: Path, as_json: bool) -> None:
    """Show every ladder: who is being called, how often already, and how it ended."""
    answer = asyncio.run(ask(state, {"op": "calls"}))
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(lines(answer)))


def lines(answer: Mapping[str, Any]) -> list[str]:
    """The channels, then each ladder with what is under way on it."""
    attended = ", ".join(f"{channel(name)} x{n}" for name, n in answer["channels"].items())
    shown = [text("calls.channels", channels=attended) if attended else text("calls.no-channels")]
    if not answer["ladders"]:
        shown.append(text("calls.none"))
    for ladder in answer["ladders"]:
        shown.append(
            text(
                "calls.ladder", level=level(ladder["level"]), alarm=ladder["alarm"],
                ladder=_name(ladder), state=_state(ladder),
            )
        )  # fmt: skip
        shown += [f"  {_attempt(each)}" for each in ladder["calling"]]
    return shown


def standing(answer: Mapping[str, Any]) -> list[str]:
    """For ``tongluo status``: the ladders that are being climbed; nothing if none is."""
    ladders = [each for each in answer["ladders"] if not each["end"]]
    return lines({**answer, "ladders": ladders}) if ladders else []


def _name(ladder: Mapping[str, Any]) -> str:
    if not ladder["persons"]:
        return text("report.duty")
    persons = ", ".join(ladder["persons"])
    return text("calls.helper", name=ladder["ladder"], persons=persons)


def _state(ladder: Mapping[str, Any]) -> str:
    if ladder["end"]:
        return ladder_end(ladder["end"])
    if ladder["again_s"] is not None:
        return text("calls.pausing", round=ladder["round"], seconds=ladder["again_s"])
    where = {key: ladder[key] for key in ("round", "rung", "rungs")}
    return text("calls.calling", **where)


def _attempt(each: Mapping[str, Any]) -> str:
    return text(
        "calls.attempt", name=each["name"], role=role(each["role"]),
        channel=channel(each["channel"]), number=each["number"], attempt=each["attempt"],
        talking=text("calls.talking") if each["talking"] else "",
    )  # fmt: skip
