"""Two things where there may be only one: ids, addresses on a bus, ports, brokers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from edge.app.config.draft import Draft
from edge.app.config.items import Item
from edge.app.config.problems import plain


def check_duplicates(draft: Draft) -> None:
    """Note every second use of an id, an address on a bus, a port, or a broker."""
    for items in (draft.buses, draft.devices, draft.points, draft.selectors, draft.rules,
                  draft.links, draft.contacts, draft.groups):  # fmt: skip
        _check_ids(items, "id")
    _check_ids([plan.item for plan in draft.plans], "id")
    _check_ids(draft.acknowledges, "point")
    _check_ids(draft.overrides, "rule")
    _check_addresses(draft)
    _check_ports(draft)
    _check_brokers(draft)


def _check_ids(items: Sequence[Item[BaseModel]], key: str) -> None:
    first: dict[str, Item[BaseModel]] = {}
    for item in items:
        name = item.raw.get(key)
        if not isinstance(name, str):
            continue
        if name in first:
            item.report(key, "duplicate-id", first=_line(first[name], key))
        first.setdefault(name, item)


def _check_addresses(draft: Draft) -> None:
    first: dict[tuple[str, int], Item[BaseModel]] = {}
    for device in draft.devices:
        bus, address = device.get("bus", str), device.get("address", int)
        if bus is None or address is None:
            continue
        other = first.setdefault((bus, address), device)
        if other is not device:
            device.report(
                "address",
                "duplicate-address",
                bus=bus,
                other=plain(str(other.raw.get("id"))),
                first=_line(other, "address"),
            )


def _check_ports(draft: Draft) -> None:
    first: dict[object, Item[BaseModel]] = {}
    for bus in draft.buses:
        port, host, tcp_port = bus.get("port", str), bus.get("host", str), bus.get("tcp_port", int)
        ends: Iterable[tuple[str, object]] = ()
        if bus.get("kind", str) == "tcp":
            if host is not None and tcp_port is not None:
                ends = [("host", (host.lower(), tcp_port))]
        elif port is not None:
            # two names in /dev may be links to one adapter
            ends = [("port", os.path.realpath(port))]
        for key, end in ends:
            other = first.setdefault(end, bus)
            if other is not bus:
                name, line = plain(str(other.raw.get("id"))), _line(other, key)
                found = f"{host}:{tcp_port}" if key == "host" else ""
                bus.report(key, "duplicate-port", found=found, other=name, first=line)


def _check_brokers(draft: Draft) -> None:
    """A broker knows a site by one client id: a second link would throw the first one out."""
    first: dict[tuple[str, int], Item[BaseModel]] = {}
    for link in draft.links:
        host, port = link.get("host", str), link.get("port", int)
        if host is None or port is None:
            continue
        other = first.setdefault((host.lower(), port), link)
        if other is not link:
            name, line = plain(str(other.raw.get("id"))), _line(other, "host")
            link.report("host", "duplicate-broker", found=f"{host}:{port}", other=name, first=line)


def _line(item: Item[BaseModel], key: str) -> int:
    return item.findings.lines.line((*item.path, key))
