"""``tongluo identify``: what one device is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.line_words import (
    converse,
    known_profiles,
    line_options,
    place,
    profiles_option,
    progress_bar,
    stable_port,
)
from edge.cli.options import columns, json_option, print_json
from edge.locale import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.app.commissioning.identify import Fit, Identity
    from edge.app.commissioning.place import Place
    from edge.app.commissioning.talk import Script
    from edge.app.config import ModbusProfile

_SHOWN = 5
EXIT_UNKNOWN = 1


@click.command()
@click.argument("port")
@click.option("--address", type=click.IntRange(1, 255), required=True, help="Address to ask.")
@click.option(
    "--timeout-ms",
    type=click.IntRange(20, 5000),
    default=300,
    show_default=True,
    help="How long an answer may take to begin.",
)
@line_options
@profiles_option
@click.option("--all", "every", is_flag=True, help="Every profile, those that do not fit too.")
@json_option
def identify(
    port: str,
    address: int,
    timeout_ms: int,
    baud: str | None,
    parity: str | None,
    stop_bits: str,
    folder: Path | None,
    every: bool,
    as_json: bool,
) -> int:
    """Ask the device at an address of PORT what it is."""
    from edge.app.commissioning.reading import profiles_of

    where = place(port, baud, parity, stop_bits)
    profiles = profiles_of(known_profiles(folder))
    with progress_bar(1.0, text("identify.bar")) as show:
        identity = converse(_script(where, address, profiles, timeout_ms / 1000, show), port)
    if as_json:
        stable = {} if port.startswith("tcp://") else {"port": stable_port(port)}
        print_json({"kind": "identify", **identity.body(), **stable})
    else:
        _print(identity, every=every)
    return 0 if identity.candidates else EXIT_UNKNOWN


def _script(
    where: Place,
    address: int,
    profiles: Mapping[str, ModbusProfile],
    timeout_s: float,
    show: Callable[[float], None],
) -> Script[Identity]:
    from edge.app.commissioning import identify as identification
    from edge.app.commissioning.talk import Tune

    heard = yield Tune(where)
    if heard.error is not None:
        raise heard.error

    def tell(done: int, total: int) -> None:
        show(done / total)

    identity = yield from identification.identify(where, address, profiles, timeout_s, tell)
    return identity


def _print(identity: Identity, *, every: bool) -> None:
    click.echo(text("identify.head", address=identity.address, place=str(identity.place)))
    if identity.names:
        click.echo(text("identify.names"))
        click.echo(columns([(f"  {name}", value) for name, value in identity.names]))
    else:
        click.echo(text("identify.no-names"))
    if identity.answers_anywhere:
        click.echo(text("identify.anywhere", tables=", ".join(identity.answers_anywhere)))
    candidates = identity.candidates
    shown = identity.fits if every else (candidates or identity.fits)[:_SHOWN]
    for fit in shown:
        click.echo("")
        _print_fit(fit)
    click.echo("")
    if not candidates:
        click.echo(text("identify.none"))
    elif len(candidates) == 1:
        click.echo(text("identify.clear", profile=candidates[0].profile))
    else:
        several = ", ".join(fit.profile for fit in candidates)
        click.echo(text("identify.several", profiles=several))


def _print_fit(fit: Fit) -> None:
    mark = text("identify.contradicted" if fit.contradicted else "identify.fits")
    click.echo(
        text("identify.rank", mark=mark, profile=fit.profile, title=fit.title, bits=fit.bits)
    )
    for reason in fit.reasons:
        click.echo(f"  {reason}")
    rows = [
        (
            f"    {each.name}",
            f"{each.table} {each.address:04X}H",
            "–" if each.raw is None else f"{each.raw:X}H",
            "–" if each.value is None else f"{each.value:g} {each.unit}".strip(),
            text(f"identify.verdict-{each.verdict.value.replace('_', '-')}"),
        )
        for each in fit.readings
    ]
    if rows:
        click.echo(columns(rows))
