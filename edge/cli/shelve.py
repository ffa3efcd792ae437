"""``tongluo shelve``: set an alarm aside for a limited time."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, for_option, reason_option, request


@click.command()
@click.argument("rule")
@for_option
@by_option
@reason_option
@click.option("--red", is_flag=True, help="Shelve it even while it is red.")
@state_option
@json_option
def shelve(
    rule: str, for_s: float, by: str, reason: str, red: bool, state: Path, as_json: bool
) -> None:
    """Set the alarm of RULE aside for a limited time."""
    request(state, as_json, "shelve", rule=rule, for_s=for_s, by=by, reason=reason, red=red)
