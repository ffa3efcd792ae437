"""``tongluo uninhibit``: end a zone's inhibit before its time."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, request


@click.command()
@click.argument("zone")
@by_option
@state_option
@json_option
def uninhibit(zone: str, by: str, state: Path, as_json: bool) -> None:
    """End the inhibit of ZONE before its time."""
    request(state, as_json, "uninhibit", zone=zone, by=by)
