"""How the checks of a point's readings fit the point, and each other. See docs/quality.md."""

from __future__ import annotations

from pydantic import BaseModel

from edge.app.config.draft import Draft
from edge.app.config.items import Item
from edge.app.config.model import PointConfig
from edge.app.config.profile import LinePoint, ModbusPoint
from edge.app.config.profile_checks import CHECK_KEYS, is_bit
from edge.app.config.rates import Rate
from edge.app.config.references import KnownPoint, convert_to, find_point, narrow_units
from edge.core.units import Quantity
from edge.locale import text

_PEER_KEYS = ("drift", "drift_s", "drift_excludes")
_SITE_KEYS = ("rate", *CHECK_KEYS, "peers", *_PEER_KEYS)
_EXCLUDING_PEERS = 2


def check_quality(draft: Draft, item: Item[PointConfig], point: KnownPoint) -> None:
    """The checks that a site asks for: units, sizes, and what only goes together."""
    device_id, _, name = point.id.partition(".")
    device = draft.device(device_id)
    sheet = draft.sheet(device) if device is not None else None
    spot = sheet.points.get(name) if sheet is not None else None
    if spot is None:
        return
    if is_bit(spot):
        for key in _SITE_KEYS:
            if item.given(key):
                item.report(key, "not-applicable", reason=text("reason.bit"))
        return
    narrow_units(point, item, "noise_floor", "drift", "rollover", "span")
    _check_sizes(item, point)
    _check_loop(item, point, spot)
    _check_counter(item, spot)
    _check_peers(draft, item, point)


def _check_sizes(item: Item[PointConfig], point: KnownPoint) -> None:
    rate = item.get("rate", Rate)
    changes = {"rate": rate.change if rate is not None else None}
    for key in ("noise_floor", "drift", "rollover"):
        changes[key] = item.get(key, Quantity)
    for key, change in changes.items():
        value = convert_to(point, change, item, key) if change is not None else None
        if value is None:
            continue
        if value < 0 or (value == 0 and key != "noise_floor"):
            item.report(key, "not-positive", allowed="≥ 0" if key == "noise_floor" else "> 0")
        elif key in ("noise_floor", "drift") and value >= point.high - point.low:
            allowed = f"< {point.high - point.low:g} {point.unit.value}".rstrip()
            item.report(key, "wider-than-range", allowed=allowed)


def _check_loop(item: Item[PointConfig], point: KnownPoint, spot: ModbusPoint | LinePoint) -> None:
    span = item.get("span", tuple)
    values = [convert_to(point, each, item, "span") for each in span or ()]
    if values and None not in values and values[0] == values[1]:
        item.report("span", "span-equal")
    if item.given("span") and not item.given("current") and spot.current is None:
        item.report("span", "not-applicable", reason=text("reason.no-current"))


def _check_counter(item: Item[PointConfig], spot: ModbusPoint | LinePoint) -> None:
    own = item.get("counter", bool)
    counts = spot.counter if own is None else own
    if item.given("rollover") and not counts:
        item.report("rollover", "not-applicable", reason=text("reason.no-counter"))
    for key in ("stuck_s", "current", "peers", *_PEER_KEYS):
        if counts and item.given(key):
            item.report(key, "not-applicable", reason=text("reason.counter"))


def _check_peers(draft: Draft, item: Item[PointConfig], point: KnownPoint) -> None:
    for key in _PEER_KEYS:
        if item.given(key) and not item.given("peers"):
            item.report(key, "not-applicable", reason=text("reason.no-peers"))
    if item.given("peers") and not item.given("drift"):
        item.report("drift", "missing-key", hint=text("hint.drift"))
    peers = item.get("peers", tuple) or ()
    for index, each in enumerate(peers):
        found = find_point(draft, _peer(item, each), "peers")
        where = (*item.path, "peers", index)
        if each == point.id or each in peers[:index]:
            item.findings.add(where, "peer-twice", found=f'"{each}"')
        elif found is not None and found.unit is not point.unit:
            item.findings.add(
                where, "peer-unit", found=f'"{each}"', unit=found.unit.value,
                allowed=point.unit.value, point=point.id,
            )  # fmt: skip
    if item.get("drift_excludes", bool) and len(peers) < _EXCLUDING_PEERS:
        item.report("drift_excludes", "too-few-peers", allowed=f"≥ {_EXCLUDING_PEERS}")


def _peer(item: Item[PointConfig], reference: str) -> Item[BaseModel]:
    """The item as if it had this one peer, so that what is wrong with it is noted there."""
    fields: dict[str, object] = {"peers": reference}
    return Item(item.path, fields, fields, None, item.findings)
