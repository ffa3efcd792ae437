"""``tongluo read``: ask one device now."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from edge.app.local_socket import ask
from edge.cli.options import columns, json_option, print_json, state_option
from edge.cli.words import quality, value
from edge.locale import text


@click.command()
@click.argument("device")
@state_option
@json_option
def read(device: str, state: Path, as_json: bool) -> int:
    """Read DEVICE through the running agent, between the polls of its line.

    Exits 1 if any of its points could not be read.
    """
    answer = asyncio.run(ask(state, {"op": "read", "device": device}, timeout_s=10.0))
    samples = answer["samples"]
    bodies = samples if isinstance(samples, list) else []
    if as_json:
        print_json(answer)
    elif not bodies:
        click.echo(text("read.nothing"), err=True)
    else:
        click.echo(columns([(b["point"], value(b), quality(b["quality"])) for b in bodies]))
    return int(any(body["quality"] != "good" for body in bodies))
