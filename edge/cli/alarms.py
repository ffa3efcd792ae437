"""``tongluo alarms``: the state of every rule's alarm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from edge.app.local_socket import ask
from edge.cli.options import json_option, print_json, state_option
from edge.cli.words import alarm_line


@click.command()
@state_option
@json_option
def alarms(state: Path, as_json: bool) -> None:
    """List all alarms of the running agent, the highest level first."""
    answer = asyncio.run(ask(state, {"op": "alarms"}))
    if as_json:
        print_json(answer)
        return
    bodies = answer["alarms"]
    for body in bodies if isinstance(bodies, list) else []:
        click.echo(alarm_line(body))
