"""``tongluo set-address``: give a device another address; asks first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from edge.cli.line_words import (
    BAUDS,
    PARITIES,
    converse,
    known_profiles,
    place,
    profiles_option,
    server,
)
from edge.cli.options import json_option, print_json
from edge.core.errors import ConfigError
from edge.locale import text

if TYPE_CHECKING:
    from edge.app.commissioning.place import Place
    from edge.app.commissioning.set_address import Move, Moved
    from edge.app.commissioning.talk import Script

T = TypeVar("T")

EXIT_INTERRUPTED = 130


@click.command("set-address")
@click.argument("port")
@click.option(
    "--address", "old", type=click.IntRange(1, 247), required=True, help="Address it has now."
)
@click.option("--to", "new", type=click.IntRange(1, 247), required=True, help="Address to give it.")
@click.option("--profile", "name", required=True, help="What it is; its profile says how.")
@click.option("--baud", type=click.Choice([str(each) for each in BAUDS]),
              help="Baud rate; without it that of the profile.")  # fmt: skip
@click.option("--parity", type=click.Choice(PARITIES), help="Parity; without it the profile's.")
@click.option("--stop-bits", type=click.Choice(["1", "2"]), default="1", show_default=True,
              help="Stop bits.")  # fmt: skip
@profiles_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def set_address(
    port: str,
    old: int,
    new: int,
    name: str,
    baud: str | None,
    parity: str | None,
    stop_bits: str,
    folder: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Give the device at an address of PORT another one."""
    from edge.app.commissioning.set_address import Outcome, carry_out, check_move, plan_move

    profiles = known_profiles(folder)
    by_stem = {Path(each).stem: profile for each, profile in profiles.items()}
    profile = profiles.get(name) or by_stem.get(name)
    if profile is None:
        raise ConfigError(text("set-address.no-profile", found=name))
    if server(port) is not None:
        raise ConfigError(text("set-address.not-on-tcp"))
    move = plan_move(name, profile, old, new, profile.timing.timeout_ms / 1000)
    line = profile.line
    baud = baud or (str(line.baud) if line else None)
    where = place(port, baud, parity or (line.parity if line else None), stop_bits)
    if not yes and not sys.stdin.isatty():
        raise ConfigError(text("set-address.no-terminal"), hint=text("set-address.say-yes"))
    converse(_after_tuning(where, check_move(move)), port)
    click.echo(text("set-address.plan", port=port, line=str(where), profile=name), err=True)
    for request in move.writes:
        click.echo(f"  {_shown(request.pdu)}", err=True)
    if not yes and not click.confirm(text("set-address.sure", old=old, new=new), err=True):
        click.echo(text("set-address.nothing-written"), err=True)
        return 1
    wrote: list[bool] = []
    try:
        moved = converse(_after_tuning(where, carry_out(move, lambda: wrote.append(True))), port)
    except KeyboardInterrupt:
        key = "set-address.interrupted" if wrote else "set-address.nothing-written"
        click.echo(text(key, old=old, new=new), err=True)
        return EXIT_INTERRUPTED
    if as_json:
        body = {"outcome": moved.outcome.value, "detail": moved.detail, "from": old, "to": new}
        print_json(body)
    else:
        _print(move, moved)
    return 0 if moved.outcome in (Outcome.MOVED, Outcome.PENDING) else 1


def _print(move: Move, moved: Moved) -> None:
    key = f"set-address.{moved.outcome.value}"
    click.echo(text(key, old=move.old, new=move.new, detail=moved.detail))
    if move.sheet.notes:
        click.echo(move.sheet.notes)


def _after_tuning(where: Place, script: Script[T]) -> Script[T]:
    from edge.app.commissioning.talk import Tune

    heard = yield Tune(where)
    if heard.error is not None:
        raise heard.error
    result = yield from script
    return result


def _shown(pdu: bytes) -> str:
    address = int.from_bytes(pdu[1:3], "big")
    values = pdu[3:5] if pdu[0] in (5, 6) else pdu[6:]
    function = text("set-address.function", code=pdu[0], address=f"{address:04X}H")
    return f"{function} {values.hex(' ').upper()}"
