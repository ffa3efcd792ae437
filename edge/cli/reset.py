"""``tongluo reset``: end alarms whose cause has gone."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, request


@click.command()
@click.argument("alarm")
@by_option
@state_option
@json_option
def reset(alarm: str, by: str, state: Path, as_json: bool) -> None:
    """End ALARM if its cause has gone: a rule, an alarm id, or 'all'."""
    request(state, as_json, "reset", rule=alarm, by=by)
