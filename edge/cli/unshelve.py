"""``tongluo unshelve``: end a shelving before its time."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, request


@click.command()
@click.argument("rule")
@by_option
@state_option
@json_option
def unshelve(rule: str, by: str, state: Path, as_json: bool) -> None:
    """End the shelving of RULE before its time."""
    request(state, as_json, "unshelve", rule=rule, by=by)
