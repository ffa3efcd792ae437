"""A site file from what a scan and identification have found. Pure: text in, text out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.app.commissioning.place import Place, SerialPlace, place_from
from edge.app.config import Action, ModbusProfile
from edge.core.errors import ConfigError
from edge.locale import text

_SENSORS = ("rain", "level", "weather", "gas", "tilt", "crack")
_STOPS = ("off", "stop")


@dataclass(frozen=True, slots=True)
class Station:
    """A device that answered. ``candidates`` are the profiles it fits, the best first."""

    place: Place
    address: int
    candidates: tuple[str, ...] = ()


@dataclass(slots=True)
class DeviceDraft:
    """A device of the file to be; ``profile`` None: nobody knows what it is."""

    id: str
    bus: str
    address: int
    profile: str | None
    period_ms: int
    station: Station


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """``point comparison red``: ``river.level >= "3.20 m"``."""

    point: str
    comparison: str
    red: str


@dataclass(slots=True)
class SiteDraft:
    """Everything that goes into the file. ``elsewhere`` are devices at other line settings."""

    id: str
    name: str
    time_zone: str
    buses: dict[str, Place]
    devices: list[DeviceDraft]
    elsewhere: list[Station] = field(default_factory=list)
    rules: list[RuleDraft] = field(default_factory=list)
    sirens: list[str] = field(default_factory=list)

    def missing(self) -> list[str]:
        """What only people know, and nobody has said."""
        unknown = [
            text("template.no-profile", bus=each.bus, address=each.address)
            for each in self.devices
            if each.profile is None
        ]
        moved = [
            text("template.other-line", address=each.address, line=str(each.place))
            for each in self.elsewhere
        ]
        return unknown + moved


def read_stations(document: str, name: str) -> list[Station]:
    """Devices of the JSON that ``scan`` or ``identify`` printed. Raises ConfigError."""
    try:
        body = json.loads(document)
        match body:
            case {"kind": "scan", "found": list() as found}:
                return [_station(each) for each in found]
            case {"kind": "identify"}:
                return [_station(body)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(text("template.not-a-scan", file=name, reason=str(error))) from error
    raise ConfigError(text("template.not-a-scan", file=name, reason=text("template.other-json")))


def _station(body: Mapping[str, object]) -> Station:
    address = body["address"]
    identity = body.get("identity", body)
    candidates = identity.get("candidates", ()) if isinstance(identity, Mapping) else ()
    if not isinstance(address, int) or not isinstance(candidates, list | tuple):
        raise TypeError(f"address {address!r}")
    return Station(place_from(body), address, tuple(map(str, candidates)))


def merge(parts: Iterable[Station]) -> list[Station]:
    """Each device once; what a later part knows of its kind counts."""
    merged: dict[tuple[Place, int], Station] = {}
    for station in parts:
        key = (station.place, station.address)
        older = merged.get(key)
        if older is None or station.candidates:
            merged[key] = station
    return list(merged.values())


def draft_buses(stations: Iterable[Station]) -> tuple[dict[str, Place], list[Station]]:
    """Buses by id, and the stations that are set otherwise than most of their line."""
    several = list(stations)
    by_line: dict[str, Counter[Place]] = {}
    for station in several:
        place = station.place
        line = place.port if isinstance(place, SerialPlace) else str(place)
        by_line.setdefault(line, Counter())[place] += 1
    buses: dict[str, Place] = {}
    for index, places in enumerate(by_line.values()):
        buses[f"line-{chr(ord('a') + index)}"] = places.most_common(1)[0][0]
    chosen = set(buses.values())
    return buses, [station for station in several if station.place not in chosen]


def name_devices(kinds: Iterable[str]) -> list[str]:
    """An id for each: its kind, numbered from the second on."""
    counts: Counter[str] = Counter()
    ids = []
    for kind in kinds:
        counts[kind] += 1
        ids.append(kind if counts[kind] == 1 else f"{kind}-{counts[kind]}")
    return ids


def main_point(profile: ModbusProfile) -> str | None:
    """The point a rule is most likely about; None if the kind is not one that warns."""
    if profile.device.kind not in _SENSORS or not profile.points:
        return None
    kind = str(profile.device.kind)
    return kind if kind in profile.points else next(iter(profile.points))


def parse_rule(written: str) -> RuleDraft:
    """``river.level >= 3.20 m``. Raises ConfigError."""
    parts = written.split(maxsplit=2)
    if len(parts) != 3 or parts[1] not in (">=", ">", "<=", "<"):
        raise ConfigError(text("template.not-a-rule", found=written))
    return RuleDraft(*parts)


def render(draft: SiteDraft, profiles: Mapping[str, ModbusProfile]) -> str:
    """The file's text, with comments in the reader's language."""
    parts = [_comment("template.head"), _site(draft)]
    parts += [_bus(name, place) for name, place in draft.buses.items()]
    if draft.devices:
        parts.append(_comment("template.devices"))
    parts += [_device(each, profiles) for each in draft.devices]
    for station in draft.elsewhere:
        words = text("template.other-line", address=station.address, line=str(station.place))
        parts.append(f"# {words}\n")
    parts.append(_comment("template.rules"))
    with_plan = bool(draft.rules and draft.sirens)
    parts += [_rule(rule, with_plan=with_plan) for rule in draft.rules]
    if with_plan:
        parts.append(_plan(draft, profiles))
    else:
        parts.append(_comment("template.no-plan"))
    return "\n".join(parts)


def _comment(key: str) -> str:
    return "".join(f"# {line}\n" for line in text(key).splitlines())


def _table(header: str, entries: Mapping[str, object], notes: Mapping[str, str]) -> str:
    lines = [header]
    for key, value in entries.items():
        note = f" # {notes[key]}" if notes.get(key) else ""
        lines.append(f"{key} = {_toml(value)}{note}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    # a JSON string without lone surrogates is a TOML basic string
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _site(draft: SiteDraft) -> str:
    entries = {"id": draft.id, "name": draft.name, "time_zone": draft.time_zone}
    return _table("[site]", entries, {"id": text("template.site-id")})


def _bus(name: str, place: Place) -> str:
    entries: dict[str, object] = {"id": name}
    entries["kind"] = "rtu" if isinstance(place, SerialPlace) else "tcp"
    return _table("[[bus]]", entries | place.body(), {})


def _device(device: DeviceDraft, profiles: Mapping[str, ModbusProfile]) -> str:
    profile = profiles.get(device.profile or "")
    entries: dict[str, object] = {"id": device.id, "bus": device.bus}
    entries |= {"profile": device.profile or "", "address": device.address}
    if profile is None or profile.points:
        entries["period_ms"] = device.period_ms
    others = ", ".join(each for each in device.station.candidates if each != device.profile)
    notes = {
        "profile": text("template.or", profiles=others) if others else "",
        "period_ms": text("template.period"),
    }
    table = _table("[[device]]", entries, notes)
    if device.profile is not None:
        return table
    words = text("template.no-profile", bus=device.bus, address=device.address)
    return f"# {words}\n" + "".join(f"# {line}\n" for line in table.splitlines())


def _rule(rule: RuleDraft, *, with_plan: bool) -> str:
    device, _, point = rule.point.partition(".")
    entries: dict[str, object] = {
        "id": f"{device}-{point}".replace("_", "-")[:32],
        "point": rule.point,
        "comparison": rule.comparison,
        "red": rule.red,
        "lost": "hold",
    }
    if with_plan:
        entries["plan"] = "alarm"
    return _table("[[rule]]", entries, {"lost": text("template.lost")})


def _plan(draft: SiteDraft, profiles: Mapping[str, ModbusProfile]) -> str:
    parts = [_table("[[plan]]", {"id": "alarm"}, {})]
    used = {each.id: each.profile for each in draft.devices}
    for siren in draft.sirens:
        profile = profiles[used[siren] or ""]
        name, action = next(iter(profile.actions.items()))
        entries: dict[str, object] = {"level": "red", "actuator": siren, "action": name}
        if action.parameters:
            entries["arguments"] = _arguments(action)
        stop = next((each for each in _STOPS if each in profile.actions), None)
        if stop is not None:
            entries["stop"] = stop
            if profile.actions[stop].parameters:
                entries["stop_arguments"] = _arguments(profile.actions[stop])
        ranges = ", ".join(f"{key} {a} … {b}" for key, (a, b) in action.parameters.items())
        parts.append(_table("[[plan.step]]", entries, {"arguments": ranges}))
    return "\n".join(parts)


def _arguments(action: Action) -> dict[str, int]:
    """The first channel and message; as loud as it can."""
    return {
        name: high if name == "volume" else low for name, (low, high) in action.parameters.items()
    }
