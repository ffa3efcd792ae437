"""``tongluo ports``: the serial adapters of this machine, and how a site file names them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from drivers.bus.adapter import ROOTS, Adapter, Roots, has_own_serial, list_adapters, stable_name
from drivers.bus.direction import offers_direction
from drivers.bus.holders import list_holders
from edge.cli.options import columns, json_option, print_json
from edge.cli.words import yes_no
from edge.locale import text

_COLUMNS = ("port", "usb", "serial", "model", "driver", "use")


@dataclass(frozen=True, slots=True)
class PortView:
    """A port for people. ``name`` is what a site file should say; ``rs485`` None: not asked."""

    adapter: Adapter
    name: str
    own_serial: bool
    holders: list[str]
    rs485: bool | None

    def json(self) -> dict[str, object]:
        """All of it, flat."""
        return {
            **asdict(self.adapter),
            "name": self.name,
            "own_serial": self.own_serial,
            "in_use_by": self.holders,
            "rs485": self.rs485,
        }


@click.command()
@click.option(
    "--rs485",
    is_flag=True,
    help="Also ask the driver of each free port whether it can switch an RS-485 line."
    " This opens the port, which moves DTR and RTS.",
)
@json_option
def ports(rs485: bool, as_json: bool) -> None:
    """List the serial ports of this machine and the lines to write for them into a site file."""
    views = look(ROOTS, rs485=rs485)
    if as_json:
        print_json({"ports": [view.json() for view in views]})
    else:
        click.echo("\n".join(lines(views)))


def look(roots: Roots, *, rs485: bool) -> list[PortView]:
    """Every port with who uses it. Opens none, unless ``rs485`` is asked for: then the free."""
    adapters = list_adapters(roots)
    views = []
    for adapter in adapters:
        holders = list_holders(adapter.port)
        if adapter.console:
            holders.append(text("ports.kernel"))
        views.append(
            PortView(
                adapter,
                stable_name(adapter, adapters) or adapter.port,
                has_own_serial(adapter, adapters),
                holders,
                offers_direction(adapter.port) if rs485 and not holders else None,
            )
        )
    return views


def lines(views: Sequence[PortView]) -> list[str]:
    """One row per port, then for each what to write into the site file and what to mind."""
    if not views:
        return [text("ports.none")]
    asked = any(view.rs485 is not None for view in views)
    head = [*_COLUMNS, "rs485"] if asked else [*_COLUMNS]
    rows = [tuple(text(f"ports.{column}") for column in head)]
    rows += [_row(view)[: len(head)] for view in views]
    shown = columns(rows).splitlines()
    for view in views:
        shown += ["", f"# {view.adapter.port}", *_site_lines(view), *_remarks(view.adapter)]
    return shown


def _row(view: PortView) -> tuple[str, ...]:
    adapter = view.adapter
    return (
        adapter.port,
        f"{adapter.vendor}:{adapter.product}" if adapter.usb else "-",
        adapter.serial or "-",
        f"{adapter.maker} {adapter.model}".strip() or "-",
        adapter.driver or "-",
        ", ".join(view.holders) or "-",
        "-" if view.rs485 is None else yes_no(view.rs485),
    )


def _site_lines(view: PortView) -> list[str]:
    """TOML. An adapter without a serial number of its own is known by the socket it is in."""
    adapter = view.adapter
    written = [f"port = {_quoted(view.name)}"]
    if adapter.usb:
        keys = {"vendor": adapter.vendor, "product": adapter.product}
        keys |= {"serial": adapter.serial} if view.own_serial else {"path": adapter.path}
        inside = ", ".join(f"{key} = {_quoted(value)}" for key, value in keys.items())
        written.append(f"adapter = {{ {inside} }}")
    return written


def _remarks(adapter: Adapter) -> list[str]:
    remarks = []
    if adapter.latency_ms is not None and adapter.latency_ms > 1:
        remarks.append(text("ports.latency", ms=adapter.latency_ms))
    if adapter.console:
        remarks.append(text("ports.console"))
    return [f"# {remark}" for remark in remarks]


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
