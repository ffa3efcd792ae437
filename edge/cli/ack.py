"""``tongluo ack``: answer an alarm."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import click

from edge.app.local_socket import ask
from edge.cli.options import json_option, print_json, state_option
from edge.cli.words import alarm_line
from edge.locale import text


@click.command()
@click.argument("alarm")
@click.option("--by", default=None, help="Who answers; the account's name by default.")
@state_option
@json_option
def ack(alarm: str, by: str | None, state: Path, as_json: bool) -> None:
    """Acknowledge ALARM: a rule, an alarm id, or 'all'."""
    answer = asyncio.run(ask(state, {"op": "ack", "alarm": alarm, "by": by or getpass.getuser()}))
    if as_json:
        print_json(answer)
        return
    bodies = answer["acknowledged"]
    if not isinstance(bodies, list) or not bodies:
        click.echo(text("ack.nothing"), err=True)
        return
    for body in bodies:
        click.echo(alarm_line(body))
