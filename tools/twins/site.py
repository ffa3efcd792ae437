"""All lines of a simulated site, from a TOML file.

::

    [world]                      # start values of signals; new names make new signals
    river.level = 1.2

    [[line]]
    id = "line-a"
    kind = "rtu"                 # or "tcp", "ascii"
    path = "run/line-a"          # rtu, ascii: symbolic link to make, relative to this file
    baud = 9600                  # default 9600
    frame = "8N1"                # default 8N1
    bytewise = false             # hand answers over byte by byte
    turnaround_ms = 10.0         # default; a device may have its own

    [[line.device]]
    model = "radar-sen0676"      # see village.MODELS; on an ascii line there is no model
    unit = 1
    install_height_cm = 600      # options of the model

    [[line]]
    id = "plant"
    kind = "tcp"
    port = 0                     # 0 takes a free one

"""

from __future__ import annotations

import contextlib
import math
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.modbus_slave import RtuSlave, Table, TcpSlave, Unit
from tools.twins.pacing import OnFrame
from tools.twins.pty_line import PtyLine
from tools.twins.tcp_line import HOST, TcpLine
from tools.twins.village import MODELS
from tools.twins.world import World

_PTY_KEYS = {"path", "baud", "frame", "bytewise"}
_TURNAROUND_MS = 10.0


class SiteError(ValueError):
    """The description of the site is wrong; the message names the line."""


@dataclass(frozen=True, slots=True)
class SiteLine:
    """One running line and the devices on it."""

    kind: str
    runner: PtyLine | TcpLine
    slave: RtuSlave | TcpSlave | AsciiGauge

    def address(self) -> dict[str, object]:
        """Where a client finds it."""
        if isinstance(self.runner, TcpLine):
            return {"kind": self.kind, "host": HOST, "port": self.runner.port}
        return {"kind": self.kind, "path": self.runner.path}

    def devices(self) -> dict[int, Unit]:
        """Modbus devices by address."""
        return {} if isinstance(self.slave, AsciiGauge) else self.slave.units

    def state(self) -> dict[str, object]:
        """Counters and devices, as JSON values."""
        devices: list[dict[str, object]] = [
            {"unit": unit, "model": device.model, **device.state()}
            for unit, device in self.devices().items()
        ]
        if isinstance(self.slave, AsciiGauge):
            devices.append({"model": self.slave.model, **self.slave.state()})
        return {
            **self.address(),
            "plugged": self.runner.plugged,
            "line": dict(self.runner.counters),
            "slave": dict(self.slave.counters),
            "devices": devices,
        }


@dataclass
class Site:
    """A world and the lines that measure it. ``start`` all, ``close`` all."""

    world: World
    lines: dict[str, SiteLine] = field(default_factory=dict)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        """Start every line; if one fails, none runs. Raises OSError."""
        with contextlib.ExitStack() as stack:
            for line in self.lines.values():
                stack.enter_context(line.runner)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Stop every line and remove its link; harmless twice."""
        self._open.close()

    def addresses(self) -> dict[str, dict[str, object]]:
        """Where each line is."""
        return {name: line.address() for name, line in self.lines.items()}


def load_site(path: Path, on_frame: OnFrame | None = None) -> Site:
    """Read a file. Raises OSError, SiteError; tomllib's error is a ValueError too."""
    with path.open("rb") as file:
        return build_site(tomllib.load(file), path.parent, on_frame)


def build_site(
    description: Mapping[str, object],
    folder: Path,
    on_frame: OnFrame | None = None,
    now: Callable[[], int] = time.monotonic_ns,
) -> Site:
    """A site from what such a file holds; links are relative to ``folder``. Raises SiteError."""
    rest = dict(description)
    world = World(now, flat(_table(rest.pop("world", {}), "world")))
    site = Site(world)
    for entry in _tables(rest.pop("line", []), "line"):
        name = str(entry.pop("id", ""))
        if not name or name in site.lines:
            raise SiteError(f"line {name!r}: every line needs an id of its own")
        try:
            site.lines[name] = _line(name, entry, world, folder, on_frame)
        except (KeyError, TypeError, ValueError) as error:
            raise SiteError(f"line {name!r}: {error}") from error
    if rest:
        raise SiteError(f"unknown: {', '.join(rest)}")
    return site


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, float]:
    """Signal values from nested tables or dotted names; null is NaN. Raises SiteError."""
    values: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        elif value is None:
            values[prefix + key] = math.nan
        elif isinstance(value, int | float):
            values[prefix + key] = float(value)
        else:
            raise SiteError(f"signal {prefix + key!r} cannot be {value!r}")
    return values


def _line(
    name: str, entry: dict[str, object], world: World, folder: Path, on_frame: OnFrame | None
) -> SiteLine:
    kind = entry.pop("kind", None)
    devices = _tables(entry.pop("device", []), "device")
    if kind == "tcp":
        tcp = TcpSlave(_units(devices, world), turnaround_ms=_turnaround_ms(entry))
        port = entry.pop("port", 0)
        _refuse_rest(entry)
        if not isinstance(port, int):
            raise SiteError(f"port {port!r} is no number")
        return SiteLine("tcp", TcpLine(tcp, port, name=name, on_frame=on_frame), tcp)
    settings = {key: entry.pop(key) for key in _PTY_KEYS & entry.keys()}
    if "path" not in settings:
        raise SiteError("a line on a terminal needs a path")
    link = folder / str(settings.pop("path"))
    slave: RtuSlave | AsciiGauge
    if kind == "rtu":
        slave = RtuSlave(_units(devices, world), turnaround_ms=_turnaround_ms(entry))
        _refuse_rest(entry)
    elif kind == "ascii" and len(devices) <= 1:
        slave = _ascii(world, entry | (devices[0] if devices else {}))
    else:
        raise SiteError(f"kind {kind!r} with {len(devices)} devices is none of rtu, tcp, ascii")
    runner = _pty(slave, link, settings, name, on_frame)
    return SiteLine(str(kind), runner, slave)


def _pty(
    slave: RtuSlave | AsciiGauge,
    link: Path,
    settings: dict[str, object],
    name: str,
    on_frame: OnFrame | None,
) -> PtyLine:
    match settings.get("baud", 9600), settings.get("frame", "8N1"), settings.get("bytewise", False):
        case int() as baud, str() as frame, bool() as bytewise:
            return PtyLine(
                slave, link, baud, frame, bytewise=bytewise, name=name, on_frame=on_frame
            )
    raise SiteError(f"one of {settings} has the wrong type")


def _ascii(world: World, options: dict[str, object]) -> AsciiGauge:
    model = options.pop("model", AsciiGauge.model)
    if model != AsciiGauge.model:
        raise SiteError(f"{model!r} does not speak text; known: {AsciiGauge.model}")
    make: Callable[..., AsciiGauge] = AsciiGauge
    return make(world, **options)


def _units(devices: list[dict[str, object]], world: World) -> dict[int, Unit]:
    units: dict[int, Unit] = {}
    for entry in devices:
        options = dict(entry)
        model, unit = str(options.pop("model", "")), options.pop("unit", None)
        if model not in MODELS:
            raise SiteError(f"no model {model!r}; known: {', '.join(sorted(MODELS))}")
        if not isinstance(unit, int) or unit in units or not 1 <= unit <= 247:
            raise SiteError(f"{model}: unit {unit!r} is no address of its own in 1-247")
        device = MODELS[model](world, **options)
        if device.on_read is not None:
            # a signal that is not there is found here, not by the first master that asks
            device.on_read(Table.HOLDING, 0, 1)
        units[unit] = device
    return units


def _turnaround_ms(entry: dict[str, object]) -> float:
    value = entry.pop("turnaround_ms", _TURNAROUND_MS)
    if not isinstance(value, int | float):
        raise SiteError(f"turnaround_ms {value!r} is no number")
    return float(value)


def _refuse_rest(entry: dict[str, object]) -> None:
    if entry:
        raise SiteError(f"unknown: {', '.join(entry)}")


def _table(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SiteError(f"[{what}] is no table")
    return dict(value)


def _tables(value: object, what: str) -> list[dict[str, object]]:
    if not isinstance(value, list):
        raise SiteError(f"[[{what}]] is no array of tables")
    return [_table(each, what) for each in value]
