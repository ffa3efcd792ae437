"""Buses and what hangs on them: addresses, periods, refined points, the load of a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.app.config.draft import Draft, written_ids
from edge.app.config.items import Item
from edge.app.config.model import BusConfig, DeviceConfig, PointConfig
from edge.app.config.problems import plain
from edge.app.config.profile import ModbusPoint
from edge.app.config.quality_checks import check_quality
from edge.app.config.references import convert_to, find_point, narrow_units, report_dangling
from edge.app.config.sheet import Sheet
from edge.core.instant import NS_PER_MS
from edge.locale import text

if TYPE_CHECKING:
    from edge.app.config.line_time import LineTime

_SERIAL_KEYS = ("port", "baud", "data_bits", "parity", "stop_bits")
_SERIAL_OPTIONS = ("adapter", "rs485")
_TCP_KEYS = ("host", "tcp_port")
_KEYS = {"rtu": _SERIAL_KEYS, "ascii": _SERIAL_KEYS, "tcp": _TCP_KEYS}
_BUS_KINDS = {"modbus": ("rtu", "tcp"), "line": ("ascii",)}
_SETTINGS = ("baud", "data_bits", "parity", "stop_bits")
LEAST_POLLS = 10
"""A sensor that says the same for no more readings than this is not stuck yet."""


def check_site(draft: Draft) -> None:
    """A position is both coordinates or none."""
    site = draft.site
    for key, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if site is not None and site.given(key) and not site.given(other):
            site.report(other, "missing-key", hint=text("hint.together", other=key))


def check_buses(draft: Draft) -> None:
    """Each kind of bus has its own keys, all of them required."""
    for bus in draft.buses:
        kind = bus.get("kind", str)
        if kind is None:
            continue
        for key in (*_SERIAL_KEYS, *_TCP_KEYS):
            if key not in _KEYS[kind] and bus.given(key):
                bus.report(key, "not-applicable", reason=text("reason.bus-kind", kind=kind))
            if key in _KEYS[kind] and not bus.given(key):
                bus.report(key, "missing-key")
        for key in _SERIAL_OPTIONS:
            if kind == "tcp" and bus.given(key):
                bus.report(key, "not-applicable", reason=text("reason.bus-kind", kind=kind))
        if bus.raw.get("adapter") == {}:
            bus.report("adapter", "empty")
        if kind == "rtu" and bus.get("data_bits", int) == 7:
            bus.report("data_bits", "not-one-of", allowed="8")


def check_devices(draft: Draft) -> None:
    """Bus and profile exist and speak the same language; address and period fit both."""
    alone: dict[str, Item[DeviceConfig]] = {}
    for device in draft.devices:
        name = device.get("bus", str)
        bus = draft.bus(name) if name is not None else None
        if name is not None and bus is None:
            report_dangling(device, "bus", name, "bus", written_ids(draft.buses))
        kind = bus.get("kind", str) if bus is not None else None
        sheet = draft.sheet(device)
        protocol = sheet.protocol if sheet is not None else None
        if kind is not None and protocol is not None and kind not in _BUS_KINDS[protocol]:
            kinds = ", ".join(_BUS_KINDS[protocol])
            device.report("bus", "protocol-mismatch", bus=name, kind=kind, allowed=kinds,
                          profile=device.get("profile", str))  # fmt: skip
            continue
        _check_address(device, kind, protocol)
        if sheet is not None:
            _check_period(device, sheet)
        if kind == "ascii" and name is not None:
            other = alone.setdefault(name, device)
            if other is not device:
                owner = plain(str(other.raw.get("id")))
                device.report("bus", "second-device", bus=name, other=owner)


def _check_address(device: Item[DeviceConfig], kind: str | None, protocol: str | None) -> None:
    if kind == "ascii" or protocol == "line":
        if device.given("address"):
            device.report("address", "not-applicable", reason=text("reason.text-sensor"))
        return
    if (kind is not None or protocol is not None) and not device.given("address"):
        device.report("address", "missing-key")
    address = device.get("address", int)
    if kind == "rtu" and address is not None and address > 247:
        device.report("address", "out-of-range", allowed="1 … 247")


def _check_period(device: Item[DeviceConfig], sheet: Sheet) -> None:
    if sheet.protocol == "line":
        speaks = sheet.framing is not None and sheet.framing.poll is None
        if speaks and device.given("period_ms"):
            device.report("period_ms", "not-applicable", reason=text("reason.speaks"))
        _check_text_period(device, sheet)
        return
    if sheet.protocol != "modbus" or sheet.point_names is None:
        return
    if sheet.point_names and not device.given("period_ms"):
        device.report("period_ms", "missing-key", hint=text("hint.period"))
    if not sheet.point_names and device.given("period_ms"):
        device.report("period_ms", "not-applicable", reason=text("reason.no-points"))


def _check_text_period(device: Item[DeviceConfig], sheet: Sheet) -> None:
    """A text sensor has answered before it is asked again."""
    framing, own_ms = sheet.framing, device.get("period_ms", int)
    period_ms = framing.period_ms if framing is not None and own_ms is None else own_ms
    turnaround_ms = framing.turnaround_ms if framing is not None else None
    if turnaround_ms is not None and period_ms is not None and period_ms <= turnaround_ms:
        device.report(
            "period_ms", "too-small", other="turnaround_ms", least=turnaround_ms,
            allowed=f"> {turnaround_ms}",
        )  # fmt: skip


def check_points(draft: Draft) -> None:
    """Refined points exist, refined ranges are narrower, stale is longer than a period."""
    for item in draft.points:
        point = find_point(draft, item, "id")
        if point is None:
            continue
        narrow_units(point, item, "range")
        limits = item.get("range", tuple)
        if limits is not None:
            low, high = (convert_to(point, limit, item, "range") for limit in limits)
            if low is not None and high is not None:
                if low >= high:
                    item.report("range", "range-order")
                elif low < point.low or high > point.high:
                    allowed = f"{point.low:g} … {point.high:g} {point.unit.value}"
                    item.report("range", "range-wider", allowed=allowed)
                else:
                    draft.ranges[point.id] = (low, high)
        _check_longer(draft, item, "stale_s", 1)
        _check_longer(draft, item, "stuck_s", LEAST_POLLS)
        check_quality(draft, item, point)


def _check_longer(draft: Draft, item: Item[PointConfig], key: str, polls: int) -> None:
    """A time that says something only after more than so many polls."""
    seconds, reference = item.get(key, float), item.get("id", str)
    device = draft.device(reference.partition(".")[0]) if reference else None
    if device is None or seconds is None:
        return
    period_ms = period_of(draft, device)
    if period_ms is not None and seconds * 1000 <= polls * period_ms:
        least = polls * period_ms / 1000
        item.report(key, "too-small", other="period_ms", least=least, allowed=f"> {least:g}")


def period_of(draft: Draft, device: Item[DeviceConfig]) -> int | None:
    """How often a device is asked: its own setting, else its profile's; None: never."""
    own = device.get("period_ms", int)
    sheet = draft.sheet(device)
    if own is None and sheet is not None and sheet.framing is not None:
        return sheet.framing.period_ms
    return own


def check_lines(draft: Draft) -> None:
    """The polls of an RTU line take no more than all of its time."""
    for bus in draft.buses:
        line, name = _line_time(bus), bus.get("id", str)
        if line is None or name is None:
            continue
        parts = {
            device: part
            for device, part in _line_shares(draft, name, line)
            if part > 0
        }  # fmt: skip
        total = sum(parts.values())
        if total > 1:
            terms = " + ".join(
                f"{device} {part:.1%}"
                for device, part in sorted(parts.items(), key=lambda entry: -entry[1])
            )
            bus.report(
                "baud", "line-overload", found=f"{total:.1%}", allowed="100%", bus=name,
                baud=bus.get("baud", int), terms=terms, hint=text("hint.line-overload"),
            )  # fmt: skip


def _line_time(bus: Item[BusConfig]) -> LineTime | None:
    baud, data_bits = bus.get("baud", int), bus.get("data_bits", int)
    parity, stop_bits = bus.get("parity", str), bus.get("stop_bits", int)
    if bus.get("kind", str) != "rtu" or not (baud and data_bits and parity and stop_bits):
        return None
    # the link process reads site files too, and has nothing to do with drivers until here
    from edge.app.config.line_time import serial_line  # noqa: PLC0415  # see above

    return serial_line(baud, data_bits, parity, stop_bits)


def _line_shares(draft: Draft, bus: str, line: LineTime) -> list[tuple[str, float]]:
    """The share of each device on a bus, from whatever of it is right."""
    shares = []
    for name, device, sheet in draft.sheeted():
        period_ms = device.get("period_ms", int)
        if device.get("bus", str) != bus or period_ms is None or sheet.timing is None:
            continue
        points = {key: spot for key, spot in sheet.points.items() if isinstance(spot, ModbusPoint)}
        reads = line.plan(points, sheet.limits, sheet.timing)
        poll_ns = sum(line.exchange(read.request(1), sheet.timing).answered_ns for read in reads)
        shares.append((name, poll_ns / (period_ms * NS_PER_MS)))
    return shares


def warn_of_defaults(draft: Draft) -> None:
    """Warn where a bus is set otherwise than its device leaves the factory."""
    for _, device, sheet in draft.sheeted():
        bus = draft.bus(device.get("bus", str) or "")
        defaults = sheet.profile.line if sheet.profile is not None else None
        if bus is None or bus.get("kind", str) == "tcp" or defaults is None:
            continue
        different = [
            f"{key} {getattr(defaults, key)}"
            for key in _SETTINGS
            if bus.fields.get(key) != getattr(defaults, key)
        ]
        if different:
            draft.warnings.add(
                (*device.path, "profile"), "factory-settings", found=", ".join(different),
                bus=device.get("bus", str), profile=device.get("profile", str),
            )  # fmt: skip
