"""``tongluo out-of-service``: take a rule out until it is put back."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import json_option, state_option
from edge.cli.silencing import by_option, reason_option, request


@click.command()
@click.argument("rule")
@by_option
@reason_option
@state_option
@json_option
def out_of_service(rule: str, by: str, reason: str, state: Path, as_json: bool) -> None:
    """Take RULE out of service until in-service puts it back."""
    request(state, as_json, "out-of-service", rule=rule, by=by, reason=reason)
