"""What the commands that silence alarms, and end that again, have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.app.local_socket import ask
from edge.cli.options import print_json
from edge.cli.words import alarm_line
from edge.core.units import Unit, UnitMismatch, parse_quantity
from edge.locale import text

F = TypeVar("F", bound=Callable[..., Any])


def seconds_of(_: click.Context, option: click.Parameter, written: str) -> float:
    """The seconds of ``90s``, ``30 min`` or ``2h``. Raises BadParameter for anything else."""
    try:
        seconds = parse_quantity(written).to(Unit.SECOND)
    except (ValueError, UnitMismatch):
        seconds = 0.0
    if seconds <= 0:
        raise click.BadParameter(text("silencing.duration", found=written), param=option)
    return seconds


def by_option(function: F) -> F:
    """``--by NAME``, which has no default: an account is no name."""
    return click.option("--by", required=True, help="Who asks for it; it is recorded.")(function)


def reason_option(function: F) -> F:
    """``--reason TEXT``."""
    return click.option("--reason", required=True, help="Why; it is recorded and shown.")(function)


def for_option(function: F) -> F:
    """``--for LENGTH`` as ``for_s``."""
    return click.option(
        "--for", "for_s", callback=seconds_of, required=True, metavar="LENGTH",
        help="For how long: 90s, 30min, 2h.",
    )(function)  # fmt: skip


def request(state: Path, as_json: bool, op: str, **arguments: object) -> None:
    """Ask the agent, and print what it changed. Raises AgentError, also with what it objects to."""
    answer = asyncio.run(ask(state, {"op": op, "remote": False, **arguments}))
    if as_json:
        print_json(answer)
        return
    changed = answer.get("changed")
    bodies: list[Mapping[str, Any]] = changed if isinstance(changed, list) else []
    if not bodies:
        click.echo(text("silencing.nothing"), err=True)
    for body in bodies:
        click.echo(alarm_line(body))
