"""The site file and profiles that make our agent do what the peers of the bus bench do."""

from __future__ import annotations

from pathlib import Path

from tools.bench.bus_plan import (
    LATE_MS,
    PROFILE_TURNAROUND_MS,
    RELAY_UNIT,
    TIMEOUT_MS,
    Plan,
)

_SITE = """\
[site]
id = "bench"
name = "bench"
time_zone = "Asia/Shanghai"

[proof]
dead_devices = {dead}
"""

_RTU = """
[[bus]]
id = "line"
kind = "rtu"
port = "{path}"
baud = {baud}
data_bits = 8
parity = "none"
stop_bits = 1
"""

_TCP = """
[[bus]]
id = "tcp-{unit}"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {port}
"""

_DEVICE = """
[[device]]
id = "{id}"
bus = "{bus}"
profile = "{profile}.toml"
address = {unit}
"""

# A rule makes the device's points such that feed alarms; the twins' zeros never reach it.
_RULE = """
[[rule]]
id = "high-{id}"
point = "{id}.r0"
comparison = ">="
red = "500 mm"
lost = "hold"
"""

# The relay is an output of the site, as the proof knows it; the bench commands it itself.
_PLAN = """\
plan = "relay"
budget_s = 60

[[plan]]
id = "relay"

[[plan.step]]
level = "red"
actuator = "relay"
action = "set"
arguments = { code = 0 }
"""

_PROFILE = f"""\
[device]
name = "bench"
maker = "bench"
model = "bench"
kind = "{{kind}}"
protocol = "modbus"
verified = false
source = "simulated"

[timing]
turnaround_ms = {PROFILE_TURNAROUND_MS}
timeout_ms = {TIMEOUT_MS}
late_ms = {LATE_MS}
"""

_POINT = """
[point.r{address}]
table = "holding"
address = {address}
type = "u16"
decimals = 0
unit = "mm"
range = [0, 2000]
"""

_ACTION = """
[action.set]
parameters = { code = [0, 65535] }
write = [{ table = "holding", address = 0, values = ["$code"] }]

[action.set.confirm]
table = "holding"
address = 0
values = ["$code"]
within_ms = 500
every_ms = 50
"""

# A saturated line is driven by the bench; the site file needs a period all the same.
_ANY_PERIOD_MS = 60_000


def write_site(folder: Path, plan: Plan, dead: int = 0) -> Path:
    """Write site and profiles; returns the site file. ``dead``: devices that may be silent."""
    points = "".join(_POINT.format(address=address) for address in range(plan.registers))
    sensor = f"sensor-{plan.registers}"
    (folder / f"{sensor}.toml").write_text(_PROFILE.format(kind="level") + points, "utf-8")
    (folder / "relay.toml").write_text(_PROFILE.format(kind="relay") + _ACTION, "utf-8")
    parts = [_SITE.format(dead=dead)]
    if plan.wire.path is None:
        parts += [_TCP.format(unit=u, port=plan.wire.ports[u - 1]) for u in plan.units]
    else:
        parts.append(_RTU.format(path=plan.wire.path, baud=plan.wire.baud))
    for unit in plan.units:
        bus = "line" if plan.wire.path is not None else f"tcp-{unit}"
        parts.append(_DEVICE.format(id=f"d{unit}", bus=bus, profile=sensor, unit=unit))
        parts.append(f"period_ms = {plan.period_ms or _ANY_PERIOD_MS}\n")
        parts.append(_RULE.format(id=f"d{unit}"))
        if unit == 1 and plan.wire.path is not None:
            parts.append(_PLAN)
    if plan.wire.path is not None:
        parts.append(_DEVICE.format(id="relay", bus="line", profile="relay", unit=RELAY_UNIT))
    site = folder / f"{plan.name}.toml"
    site.write_text("".join(parts), "utf-8")
    return site
