"""``tongluo drill``: play a rule's plan end to end, without anything real."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.app.proof_words import output_words
from edge.cli.exercise_words import drill_end, drill_sign, sound_line
from edge.cli.options import json_option, print_json, state_option
from edge.locale import text

MODES = ("announced", "silent", "surprise")


@click.group()
def drill() -> None:
    """Hold a drill: a rule's plan end to end, tagged, and over at once if something is real."""


@drill.command()
@click.option("--rule", help="The rule whose plan is drilled.")
@click.option("--plan", help="The plan that is drilled, with the first rule that starts it.")
@click.option("--mode", type=click.Choice(MODES), required=True)
@click.option("--by", default=None, help="Who holds it; the account's name by default.")
@click.option("--reason", required=True, help="What for.")
@click.option("--minutes", type=float, default=10.0, show_default=True)
@state_option
@json_option
def start(
    rule: str | None,
    plan: str | None,
    mode: str,
    by: str | None,
    reason: str,
    minutes: float,
    state: Path,
    as_json: bool,
) -> None:
    """Begin a drill. Outputs sound what their step's ``drill`` says; others stay silent."""
    if (rule is None) == (plan is None):
        raise click.UsageError(text("drill.rule-or-plan"))
    request: dict[str, object] = {
        "op": "drill", "do": "start", "rule": rule, "plan": plan, "mode": mode,
        "by": by or getpass.getuser(), "reason": reason, "minutes": minutes,
    }  # fmt: skip
    _show(asyncio.run(ask(state, request)), as_json)


@drill.command()
@click.option("--by", default=None, help="Who ends it; the account's name by default.")
@state_option
@json_option
def stop(by: str | None, state: Path, as_json: bool) -> None:
    """End the drill, and whatever it sounds."""
    request = {"op": "drill", "do": "stop", "by": by or getpass.getuser()}
    _show(asyncio.run(ask(state, request)), as_json)


@drill.command()
@state_option
@json_option
def status(state: Path, as_json: bool) -> None:
    """Show the drill that runs, and how the last one ended."""
    _show(asyncio.run(ask(state, {"op": "drill", "do": "status"})), as_json)


def _show(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    running, last = answer["running"], answer["last"]
    if running is not None:
        click.echo(drill_sign(running))
        for each in answer["sound"]:
            click.echo(f"  {sound_line(each)}")
        if running["left_out"]:
            outputs = ", ".join(map(output_words, running["left_out"]))
            click.echo(f"  {text('drill.left-out', outputs=outputs)}")
        if answer["answered_by"]:
            click.echo(f"  {text('cli.by')} {answer['answered_by']}")
    elif last is None:
        click.echo(text("drill.none"))
    if last is not None:
        click.echo(drill_end(last))
