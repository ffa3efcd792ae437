"""Three sites on real pseudo-terminals in real time: what is measured, beside the bound.

Each line is a process of its own (see rig.py); the agent is the whole program. A sensor's register
changes directly after every read, so each second poll is a crossing that came at the worst moment;
periods have no common measure, so that phases drift past each other, and devices die and come back.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.analysis.latency import prove
from edge.app.config import load_site
from edge.app.proof import system_of
from tools.bench.pairing import Frame
from tools.bench.proof_texts import PROFILE
from tools.bench.report import Numbers
from tools.bench.wiring import THRESHOLD
from tools.demo.stage import Stage, StageError, tongluo

_SECONDS = 20.0
_SETTLE_S = 3.0
_DEATH_S = 5.0
_NS_PER_S = 1_000_000_000
_TURNAROUND_MS = 10
_RELAY_UNIT = 9
_READ_HOLDING, _WRITE_COIL = 3, 5

_SITE = """\
[site]
id = "real"
name = "real"
time_zone = "Asia/Shanghai"

[proof]
dead_devices = {dead}
budget_s = 60
"""
_BUS = """
[[bus]]
id = "{name}"
kind = "rtu"
port = "{path}"
baud = {baud}
data_bits = 8
parity = "none"
stop_bits = 1
"""
_DEVICE = """
[[device]]
id = "{name}"
bus = "{bus}"
profile = "{profile}.toml"
address = {unit}
"""
_RULE = """
[[rule]]
id = "{name}"
point = "{name}.r0"
comparison = ">="
red = "{threshold} mm"
lost = "hold"
latch = "none"
plan = "{name}"

[[plan]]
id = "{name}"

[[plan.step]]
level = "red"
actuator = "relay"
action = "on"
arguments = {{ channel = {channel} }}
stop = "off"
stop_arguments = {{ channel = {channel} }}
until = "returned"
"""
# A rule that never fires makes a device's points such that feed alarms.
_WATCHED = """
[[rule]]
id = "{name}"
point = "{name}.r0"
comparison = ">="
red = "1999 mm"
lost = "hold"
"""
_POINTS = """
[point.r{address}]
table = "holding"
address = {address}
type = "u16"
decimals = 0
unit = "mm"
range = [0, 2000]
"""
_ACTION = """
[action.{name}]
parameters = {{ channel = [1, 8] }}
write = [{{ table = "coil", address = 0, address_step = "$channel", values = [{value}] }}]
confirm = {{ table = "coil", address = 0, address_step = "$channel", values = [{value}],\
 within_ms = 500, every_ms = 50 }}
"""


@dataclass(frozen=True, slots=True)
class Polled:
    """A device with so many registers. ``drives``: its rule switches the relay."""

    unit: int
    period_ms: int
    registers: int
    drives: bool = False

    @property
    def name(self) -> str:
        """In the site file."""
        return f"d{self.unit}"

    @property
    def word(self) -> str:
        """For the rig."""
        return f"toggle:{self.unit}" if self.drives else f"plain:{self.unit}:{self.registers}"


@dataclass(frozen=True, slots=True)
class Wire:
    """A line. ``mortal``: these die together and come back."""

    name: str
    baud: int
    devices: tuple[Polled, ...]
    relay: bool = False
    mortal: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One of the three."""

    name: str
    wires: tuple[Wire, ...]

    @property
    def dead(self) -> int:
        """Devices per line that may be silent at once."""
        return max(len(wire.mortal) for wire in self.wires)


SETTINGS = (
    Setting(
        "one_line",
        (
            Wire(
                "shared", 9600,
                (Polled(1, 487, 1, drives=True), Polled(11, 1009, 4), Polled(12, 1511, 12)),
                relay=True,
            ),
        ),
    ),
    Setting(
        "two_lines",
        (
            Wire(
                "sensors", 19_200,
                (Polled(1, 307, 1, drives=True), Polled(11, 701, 8), Polled(12, 1103, 2)),
                mortal=(12,),
            ),
            Wire("outputs", 9600, (Polled(21, 503, 10),), relay=True),
        ),
    ),
    Setting(
        "fast",
        (
            Wire(
                "shared", 115_200,
                (
                    Polled(1, 211, 1, drives=True), Polled(2, 307, 1, drives=True),
                    Polled(11, 401, 20), Polled(12, 503, 4), Polled(13, 997, 4),
                ),
                relay=True, mortal=(12, 13),
            ),
        ),
    ),
)  # fmt: skip


def measure() -> Numbers:
    """Run all three; figures begin with ``real_``. Raises StageError if nothing happens."""
    numbers: Numbers = {"real_events": 0, "real_missed": 0, "real_violations": 0}
    for setting in SETTINGS:
        for name, value in _measure(setting).items():
            key = f"real_{name}"
            if key in numbers:
                numbers[key] += value
            else:
                numbers[f"real_{setting.name}_{name}"] = value
    return numbers


def _measure(setting: Setting) -> Numbers:
    with tempfile.TemporaryDirectory(prefix="proof-") as name, contextlib.ExitStack() as stack:
        stage = Stage(Path(name))
        stack.callback(stage.close)
        site = _write_site(stage.folder, setting)
        rigs = {wire.name: _start(stage, wire) for wire in setting.wires}
        proof = prove(system_of(load_site(site)))
        stage.start("agent", tongluo("run", str(site), "--state", str(stage.folder / "state")))
        time.sleep(_SETTLE_S)
        begin_ns = time.monotonic_ns()
        _live(rigs, setting)
        end_ns = time.monotonic_ns()
        time.sleep(1.0)
        frames = {wire: _ask(rig, "take")["frames"] for wire, rig in rigs.items()}
        log = stage.log_tail("agent")
    bounds = {bound.rule: bound.command_ns for bound in proof.bounds}
    latencies = {
        polled.name: list(_latencies(frames, setting, polled, channel, (begin_ns, end_ns)))
        for channel, polled in _driving(setting)
    }
    if not any(latencies.values()):
        raise StageError(f"nothing was commanded\n{log}")
    return _figures(latencies, bounds)


def _figures(latencies: dict[str, list[int | None]], bounds: dict[str, int]) -> Numbers:
    found = [
        (ns, bounds[name]) for name, each in latencies.items() for ns in each if ns is not None
    ]
    missed = sum(ns is None for each in latencies.values() for ns in each)
    over = sum(ns > bound for ns, bound in found)
    return {
        "events": len(found),
        "missed": missed,
        "violations": missed + over,
        "ms_max": round(max(ns for ns, _ in found) / 1e6, 3),
        "over_bound_max": round(max(ns / bound for ns, bound in found), 4),
    }


def _driving(setting: Setting) -> Iterator[tuple[int, Polled]]:
    """Each device that drives the relay, and the channel that is its own."""
    devices = itertools.chain.from_iterable(wire.devices for wire in setting.wires)
    return iter(enumerate((each for each in devices if each.drives), start=1))


# -- what happens ----------------------------------------------------------------------------------


def _start(stage: Stage, wire: Wire) -> subprocess.Popen[str]:
    words = [polled.word for polled in wire.devices]
    if wire.relay:
        words.append(f"relay:{_RELAY_UNIT}")
    link = str(stage.folder / f"tty-{wire.name}")
    rig = [sys.executable, "-m", "tools.bench.bus_rig", "rtu", link, str(wire.baud)]
    process = stage.start(f"line-{wire.name}", [*rig, str(_TURNAROUND_MS), *words])
    if process.stdout is None or not process.stdout.readline().startswith("ready"):
        raise StageError(f"line {wire.name} did not start\n{stage.log_tail(f'line-{wire.name}')}")
    return process


def _live(rigs: dict[str, subprocess.Popen[str]], setting: Setting) -> None:
    """Let time pass while the mortal die, are found lost, and come back."""
    until = time.monotonic() + _SECONDS
    for dies in itertools.cycle((True, False)):
        for wire in setting.wires:
            units = " ".join(map(str, wire.mortal)) if dies else ""
            _ask(rigs[wire.name], f"dead {units}")
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _DEATH_S))


def _ask(rig: subprocess.Popen[str], order: str) -> dict[str, Any]:
    if rig.stdin is None or rig.stdout is None:
        raise StageError("a line takes no orders")
    rig.stdin.write(order + "\n")
    rig.stdin.flush()
    answer: dict[str, Any] = json.loads(rig.stdout.readline() or "{}")
    return answer


# -- what was seen on the wires --------------------------------------------------------------------


def _latencies(
    frames: dict[str, list[list[Any]]],
    setting: Setting,
    polled: Polled,
    channel: int,
    window: tuple[int, int],
) -> Iterator[int | None]:
    """From each change to the first byte of the command; None if there was none."""
    by_wire = {
        name: [Frame(kind, first, last, bytes.fromhex(text)) for kind, first, last, text in each]
        for name, each in frames.items()
    }
    sensor = next(wire.name for wire in setting.wires if polled in wire.devices)
    relay = next(wire.name for wire in setting.wires if wire.relay)
    commands = _commands(by_wire[relay], channel)
    before: int | None = None
    for asked_ns, answered_ns, high in _readings(by_wire[sensor], polled.unit):
        if before is not None and high and window[0] <= before and answered_ns <= window[1]:
            at = bisect.bisect_left(commands, answered_ns)
            soon = at < len(commands) and commands[at] < answered_ns + _NS_PER_S
            yield commands[at] - before if soon else None
        before = asked_ns


def _readings(frames: Sequence[Frame], unit: int) -> Iterator[tuple[int, int, bool]]:
    """When the device took its value, when that had arrived, and whether it is a crossing."""
    asked: int | None = None
    for frame in frames:
        if frame.data[0] != unit or frame.data[1] != _READ_HOLDING:
            continue
        if frame.kind == "request":
            asked = frame.last_ns
        elif asked is not None:
            (value,) = struct.unpack(">H", frame.data[3:5])
            yield asked, frame.last_ns, value >= THRESHOLD
            asked = None


def _commands(frames: Sequence[Frame], channel: int) -> list[int]:
    """First bytes of the commands that switch a channel on."""
    wanted = struct.pack(">BBHH", _RELAY_UNIT, _WRITE_COIL, channel - 1, 0xFF00)
    return [f.first_ns for f in frames if f.kind == "request" and f.data[:6] == wanted]


# -- the site file ---------------------------------------------------------------------------------


def _write_site(folder: Path, setting: Setting) -> Path:
    parts = [_SITE.format(dead=setting.dead)]
    for wire in setting.wires:
        path = folder / f"tty-{wire.name}"
        parts.append(_BUS.format(name=wire.name, path=path, baud=wire.baud))
    for wire in setting.wires:
        for polled in wire.devices:
            profile = f"sensor-{polled.registers}"
            points = "".join(_POINTS.format(address=each) for each in range(polled.registers))
            _write_profile(folder, profile, "level", points)
            parts.append(
                _DEVICE.format(name=polled.name, bus=wire.name, profile=profile, unit=polled.unit)
            )
            parts.append(f"period_ms = {polled.period_ms}\n")
        if wire.relay:
            parts.append(
                _DEVICE.format(name="relay", bus=wire.name, profile="relay", unit=_RELAY_UNIT)
            )
    actions = "".join(
        _ACTION.format(name=name, value=value) for name, value in (("on", 1), ("off", 0))
    )
    _write_profile(folder, "relay", "relay", actions)
    for channel, polled in _driving(setting):
        parts.append(_RULE.format(name=polled.name, channel=channel, threshold=THRESHOLD))
    for wire in setting.wires:
        parts += [_WATCHED.format(name=p.name) for p in wire.devices if not p.drives]
    site = folder / "site.toml"
    site.write_text("".join(parts), "utf-8")
    return site


def _write_profile(folder: Path, name: str, kind: str, rest: str) -> None:
    # two processes and a terminal lie in between: the device is given more than it takes
    head = PROFILE.format(
        name=name, kind=kind, turnaround_ms=_TURNAROUND_MS + 5, timeout_ms=150, late_ms=300,
        gap_ms=0, retries=1, max_registers=125, max_gap=0, pipeline=1,
    )  # fmt: skip
    (folder / f"{name}.toml").write_text(head + rest, "utf-8")
