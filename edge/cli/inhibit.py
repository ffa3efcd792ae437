"""``tongluo inhibit``: let nothing sound in a zone for a limited time."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, for_option, reason_option, request


@click.command()
@click.argument("zone")
@for_option
@by_option
@reason_option
@state_option
@json_option
def inhibit(zone: str, for_s: float, by: str, reason: str, state: Path, as_json: bool) -> None:
    """Let no alarm of ZONE sound for a limited time."""
    request(state, as_json, "inhibit", zone=zone, for_s=for_s, by=by, reason=reason)
