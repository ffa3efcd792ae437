"""``tongluo scan``: who is on a line, at which settings and addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.line_words import (
    BAUDS,
    PARITIES,
    converse,
    duration,
    known_profiles,
    numbers,
    profiles_option,
    progress_bar,
    server,
    stable_port,
)
from edge.cli.options import columns, json_option, print_json
from edge.core.errors import NoAnswer
from edge.locale import text

if TYPE_CHECKING:
    from edge.app.commissioning.identify import Identity
    from edge.app.commissioning.place import Place
    from edge.app.commissioning.scan import Found, Plan, Survey
    from edge.app.commissioning.talk import Script
    from edge.app.config import ModbusProfile, Site

EXIT_NOTHING = 1
EXIT_INTERRUPTED = 130
_MOST_SERIAL, _MOST_TCP = 247, 255
_USUAL = range(1, 33)


@click.command()
@click.argument("ports", metavar="PORT…", nargs=-1, required=True)
@click.option(
    "--baud", default="9600,4800,19200,115200", show_default=True, help="Baud rates to try."
)
@click.option("--parity", default="none,even", show_default=True, help="Parities to try.")
@click.option(
    "--addresses",
    help="Addresses to ask, as 1-32,80. Without it 1-32, the factory addresses of the profiles,"
    " and those of the site.",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(20, 5000),
    default=150,
    show_default=True,
    help="How long an answer may take to begin; slower ones are heard all the same.",
)
@click.option(
    "--ask",
    default="holding,input",
    show_default=True,
    help="Tables to read one entry of, until one is answered: holding, input, coil, discrete.",
)
@click.option(
    "--site",
    "site_file",
    type=click.Path(path_type=Path),
    help="Say which devices of this site answered; PORT may be one of its buses.",
)
@click.option("--first", is_flag=True, help="End with the first settings that anybody answers at.")
@click.option("--identify", "identified", is_flag=True, help="Ask each device what it is.")
@click.option("--anyway", is_flag=True, help="Even if somebody else speaks on the line.")
@profiles_option
@json_option
def scan(
    ports: tuple[str, ...],
    baud: str,
    parity: str,
    addresses: str | None,
    timeout_ms: int,
    ask: str,
    site_file: Path | None,
    first: bool,
    identified: bool,
    anyway: bool,
    folder: Path | None,
    as_json: bool,
) -> int:
    """Find every device on PORT."""
    from edge.app.commissioning.scan import TABLES, Plan, Survey

    site = _site(site_file)
    profiles = known_profiles(folder)
    bauds = _words(baud, tuple(map(str, BAUDS)), "--baud")
    places = _places(ports, bauds, _words(parity, PARITIES, "--parity"), site)
    on_tcp = all(server(port) for port in ports)
    most = _MOST_TCP if on_tcp else _MOST_SERIAL
    asked = numbers(addresses, 1, most, "--addresses") if addresses else _usual(profiles, site)
    tables = _words(ask, tuple(TABLES), "--ask")
    plan = Plan(places, asked, tables, timeout_ms / 1000, first=first, anyway=anyway)
    click.echo(_announcement(plan), err=True)
    survey = Survey()
    identities: list[Identity] = []
    interrupted = False
    try:
        with progress_bar(plan.estimate_s, text("scan.bar")) as show:
            wanted = profiles if identified else {}
            converse(_script(plan, survey, show, wanted, identities), _port(places[0]))
    except KeyboardInterrupt:
        interrupted = True
        click.echo(text("scan.interrupted"), err=True)
    if as_json:
        print_json(_body(plan, survey, identities))
    else:
        _print(survey, identities, site, asked)
    if interrupted:
        return EXIT_INTERRUPTED
    return 0 if survey.found else EXIT_NOTHING


def _script(
    plan: Plan,
    survey: Survey,
    progress: Callable[[float], None],
    profiles: Mapping[str, ModbusProfile],
    identities: list[Identity],
) -> Script[None]:
    from edge.app.commissioning import scan as scanning
    from edge.app.commissioning.identify import DEFAULT_TIMEOUT_MS, identify
    from edge.app.commissioning.reading import profiles_of
    from edge.app.commissioning.talk import Tune

    yield from scanning.scan(plan, survey, progress)
    for found in survey.found if profiles else ():
        heard = yield Tune(found.place)
        if heard.error is not None:
            raise heard.error
        place = str(found.place)
        click.echo(text("scan.identifying", address=found.address, place=place), err=True)
        known, timeout_s = profiles_of(profiles), DEFAULT_TIMEOUT_MS / 1000
        try:
            identities.append((yield from identify(found.place, found.address, known, timeout_s)))
        except NoAnswer:
            continue  # it did answer the scan, and that is said


def _site(file: Path | None) -> Site | None:
    from edge.app.config import load_site

    return load_site(file) if file is not None else None


def _places(
    ports: tuple[str, ...], bauds: tuple[str, ...], parities: tuple[str, ...], site: Site | None
) -> tuple[Place, ...]:
    """Every server named, or every setting of the one serial port named; of a site's bus, its own
    settings first. Raises click.BadParameter.
    """
    from edge.app.commissioning.place import SerialPlace, TcpPlace

    servers = [found for port in ports if (found := server(port)) is not None]
    if servers and len(servers) == len(ports):
        return tuple(servers)
    if len(ports) > 1:
        raise click.BadParameter(text("scan.one-port"), param_hint="PORT")
    port, own = ports[0], []
    for bus in site.buses if site else ():
        if port in (bus.id, bus.port) and bus.kind == "tcp":
            return (TcpPlace(bus.host or "", bus.tcp_port or 0),)
        if port in (bus.id, bus.port) and bus.port is not None:
            port = bus.port
            own = [SerialPlace(port, bus.baud or 9600, bus.parity or "none", bus.stop_bits or 1)]
    # the usual parity at every speed first, then the others
    usual = [SerialPlace(port, int(baud), parity) for parity in parities for baud in bauds]
    return tuple(dict.fromkeys([*own, *usual]))


def _port(place: Place) -> str:
    from edge.app.commissioning.place import SerialPlace

    return place.port if isinstance(place, SerialPlace) else f"tcp://{place}"


def _words(written: str, allowed: tuple[str, ...], option: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(part.strip() for part in written.split(",")))
    for word in words:
        if word not in allowed:
            raise click.BadParameter(f"{word!r}; {', '.join(allowed)}", param_hint=option)
    return words


def _usual(profiles: Mapping[str, ModbusProfile], site: Site | None) -> tuple[int, ...]:
    factory = {
        profile.line.address
        for profile in profiles.values()
        if profile.line is not None and profile.line.address is not None
    }
    own = {device.address for device in site.devices if device.address} if site else set()
    return tuple(sorted({*_USUAL, *(each for each in factory | own if each <= _MOST_SERIAL)}))


def _announcement(plan: Plan) -> str:
    key = "scan.head" if len(plan.places) > 1 else "scan.head-one"
    return text(
        key,
        places=len(plan.places),
        addresses=len(plan.addresses),
        names=", ".join(map(str, plan.places)),
        time=duration(plan.estimate_s),
    )


def _body(plan: Plan, survey: Survey, identities: list[Identity]) -> dict[str, object]:
    known = {(each.place, each.address): each.body() for each in identities}
    found = []
    for each in survey.found:
        body = each.body() | _stable(each.place)
        if (each.place, each.address) in known:
            body["identity"] = known[each.place, each.address]
        found.append(body)
    return {
        "kind": "scan",
        "finished": survey.finished,
        "estimate_s": round(plan.estimate_s, 1),
        "places": [place.body() | _stable(place) for place in plan.places],
        "addresses": list(plan.addresses),
        "found": found,
        "garbled": [each.body() for each in survey.double_addresses()],
        "noisy": [place.body() for place in survey.noisy],
        "unreachable": [place.body() | {"reason": why} for place, why in survey.unreachable],
        "echo": survey.echo,
    }


def _stable(place: Place) -> dict[str, object]:
    from edge.app.commissioning.place import SerialPlace

    return {"port": stable_port(place.port)} if isinstance(place, SerialPlace) else {}


def _print(
    survey: Survey, identities: list[Identity], site: Site | None, asked: tuple[int, ...]
) -> None:
    known = {(each.place, each.address): each for each in identities}
    rows = [
        tuple(text(f"scan.{key}") for key in ("line", "address", "answer", "turnaround", "who"))
    ]
    for found in survey.found:
        identity = known.get((found.place, found.address))
        who = [] if identity is None else [fit.profile for fit in identity.candidates]
        named = _device_of(found, site)
        rows.append(
            (
                str(found.place),
                text("scan.every") if found.every_address else str(found.address),
                _answer(found),
                f"{found.turnaround_ms:.0f} ms" if not found.late else text("scan.late"),
                " / ".join([*named, *who]) or "–",
            )
        )
    if survey.found:
        click.echo(columns(rows))
    else:
        click.echo(text("scan.nothing"), err=True)
    for each in survey.double_addresses():
        words = text("scan.garbled", place=str(each.place), address=each.address, seen=each.seen)
        click.echo(words)
        click.echo(f"  {text('cli.hint')}: {text('scan.garbled-hint')}")
    for place in survey.noisy:
        click.echo(text("scan.noisy", place=str(place)))
    for place, why in survey.unreachable:
        click.echo(text("scan.unreachable", place=str(place), reason=why))
    if survey.echo:
        click.echo(text("scan.echo"))
    if survey.finished and site is not None:
        _print_missing(survey, site, asked)


def _answer(found: Found) -> str:
    from protocols.modbus import exception_name

    if found.refused is None:
        return text("scan.data", table=found.table)
    return text("scan.exception", name=exception_name(found.refused))


def _device_of(found: Found, site: Site | None) -> list[str]:
    from edge.app.commissioning.place import SerialPlace

    place = found.place
    line = place.port if isinstance(place, SerialPlace) else (place.host, place.tcp_port)
    buses = {
        bus.id
        for bus in (site.buses if site else ())
        if line in (bus.port, (bus.host, bus.tcp_port))
    }
    devices = site.devices if site else ()
    return [each.id for each in devices if each.bus in buses and each.address == found.address]


def _print_missing(survey: Survey, site: Site, asked: tuple[int, ...]) -> None:
    """Devices of the site's buses that were scanned, and did not answer."""
    heard = {name for found in survey.found for name in _device_of(found, site)}
    buses = {device.bus for device in site.devices if device.id in heard}
    for device in site.devices:
        if device.bus in buses and device.address in asked and device.id not in heard:
            click.echo(text("scan.missing", device=device.id, address=device.address))
