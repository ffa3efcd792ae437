"""``tongluo in-service``: put a rule back into service."""

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
def in_service(rule: str, by: str, state: Path, as_json: bool) -> None:
    """Put RULE back into service."""
    request(state, as_json, "in-service", rule=rule, by=by)
