"""What the commissioning commands share: how a line is named, opened, and talked about."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edge.core.errors import Absent, ConfigError
from edge.locale import text

if TYPE_CHECKING:
    from edge.app.commissioning.place import Place, TcpPlace
    from edge.app.commissioning.talk import Script
    from edge.app.config import ModbusProfile

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PARITIES = ("none", "even", "odd")
_TCP = "tcp://"


def line_options(function: F) -> F:
    """``--baud``, ``--parity``, ``--stop-bits`` of one line."""
    for option in (
        click.option("--stop-bits", type=click.Choice(["1", "2"]), default="1", show_default=True,
                     help="Stop bits."),
        click.option("--parity", type=click.Choice(PARITIES), help="Parity."),
        click.option("--baud", type=click.Choice([str(each) for each in BAUDS]), help="Baud rate."),
    ):  # fmt: skip
        function = option(function)
    return function


def profiles_option(function: F) -> F:
    """``--profiles DIR``: a folder of the user's own."""
    return click.option(
        "--profiles", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of device profiles of your own.",
    )(function)  # fmt: skip


def numbers(written: str, low: int, high: int, option: str) -> tuple[int, ...]:
    """``1-32,80``: each once, in the order written. Raises click.BadParameter."""
    found: dict[int, None] = {}
    for part in written.split(","):
        first, _, last = part.strip().partition("-")
        try:
            ends = int(first), int(last or first)
        except ValueError:
            ends = -1, -1
        if not low <= ends[0] <= ends[1] <= high:
            allowed = text("line.numbers", low=low, high=high)
            raise click.BadParameter(f"{part!r}; {allowed}", param_hint=option)
        found |= dict.fromkeys(range(ends[0], ends[1] + 1))
    return tuple(found)


def server(written: str) -> TcpPlace | None:
    """The server of ``tcp://192.0.2.10:502``; None for a serial port. Raises click.BadParameter."""
    from edge.app.commissioning.place import MODBUS_TCP_PORT, TcpPlace

    if not written.startswith(_TCP):
        return None
    rest = written.removeprefix(_TCP).rstrip("/")
    host, colon, port = rest.rpartition(":")
    if not colon or (host.count(":") > 0 and not host.endswith("]")):
        host, port = rest, str(MODBUS_TCP_PORT)
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise click.BadParameter(f"{written!r}; {text('type.address')}") from None
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise click.BadParameter(f"{written!r}; 1 … 65535")
    return TcpPlace(host, int(port))


def place(written: str, baud: str | None, parity: str | None, stop_bits: str) -> Place:
    """One line as the options say; 9600 8N1 unless told otherwise."""
    from edge.app.commissioning.place import SerialPlace

    return server(written) or SerialPlace(
        written, int(baud or 9600), parity or "none", int(stop_bits)
    )


def known_profiles(folder: Path | None) -> dict[str, ModbusProfile]:
    """The shipped profiles of Modbus devices and those of a folder, by name. Raises ConfigError."""
    from edge.app.config import ModbusProfile, read_sheet, shipped_profiles

    files = shipped_profiles()
    own = {str(file): file for file in sorted(folder.glob("*.toml"))} if folder else {}
    found = {}
    for name, file in (files | own).items():
        profile = read_sheet(file).profile
        if isinstance(profile, ModbusProfile):
            found[name] = profile
    if folder is not None and not own.keys() & found.keys():
        raise ConfigError(text("identify.not-a-folder", path=str(folder)))
    return found


def converse(script: Script[T], port: str) -> T:
    """Run a script on the real line; what is wrong with the port is said with what to do."""
    from edge.app.commissioning.scan import LineBusy
    from edge.app.commissioning.talk import run

    # what the line logs is what these commands say in their own words
    logging.getLogger("tongluo").addHandler(logging.NullHandler())
    try:
        return run(script)
    except LineBusy as error:
        said = text("line.busy", port=port, count=error.unasked)
        raise Absent(said, hint=text("line.busy-hint")) from error
    except Absent as error:
        raise Absent(str(error), hint=error.hint or _port_hint(port)) from error


def _port_hint(port: str) -> str:
    from drivers.bus.adapter import list_adapters
    from drivers.bus.holders import list_holders

    if port.startswith(_TCP):
        return text("line.server-hint")
    if not Path(port).exists():
        there = ", ".join(each.by_id or each.port for each in list_adapters())
        return text("line.no-port-hint", ports=there or text("type.nothing"))
    if not os.access(port, os.R_OK | os.W_OK):
        return text("line.denied-hint", port=port)
    if list_holders(port):
        return text("line.held-hint")
    return text("line.failed-hint")


def stable_port(port: str) -> str:
    """The name of the port that stays with its adapter, else the one given."""
    from drivers.bus.adapter import find_adapter, list_adapters, stable_name

    adapter = find_adapter(port)
    return port if adapter is None else stable_name(adapter, list_adapters()) or port


def _show_nothing(done: float) -> None:
    """Into a pipe no bar is drawn."""


@contextmanager
def progress_bar(total: float, label: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr if that is a terminal; gets what is done so far, out of ``total``."""
    if not sys.stderr.isatty():
        yield _show_nothing
        return
    steps = 1000
    with click.progressbar(length=steps, label=label, file=sys.stderr) as bar:

        def show(done: float) -> None:
            bar.update(min(steps, int(steps * done / max(total, 1e-9))) - bar.pos)

        yield show


def duration(seconds: float) -> str:
    """``4 min 20 s``; whole seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return text("line.minutes", minutes=minutes, seconds=rest) if minutes else f"{rest} s"
