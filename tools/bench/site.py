"""The site file and profiles that make our agent do what the peers' loops do."""

from __future__ import annotations

from pathlib import Path

from tools.bench.wiring import RELAY_UNIT, THRESHOLD, TURNAROUND_MS, Poll, Wire, Wiring

_SITE = """\
[site]
id = "bench"
name = "bench"
time_zone = "Asia/Shanghai"

[journal]
block_s = {block_s}
"""

_BUS = """
[[bus]]
id = "{wire.name}"
kind = "rtu"
port = "{wire.path}"
baud = {wire.baud}
data_bits = 8
parity = "none"
stop_bits = 1
"""

_DEVICE = """
[[device]]
id = "{id}"
bus = "{bus}"
profile = "{profile}.toml"
address = {unit}
"""

# Without a latch, and only as long as the reading is above: every crossing is a command.
_RULE = """
[[rule]]
id = "crossing-{name}"
point = "{name}.r0"
comparison = ">="
red = "{threshold} mm"
lost = "hold"
latch = "none"
plan = "plan-{name}"

[[plan]]
id = "plan-{name}"

[[plan.step]]
level = "red"
actuator = "{relay}"
action = "on"
arguments = {{ channel = 1 }}
stop = "off"
stop_arguments = {{ channel = 1 }}
until = "returned"
"""

_LINK = """
[[link]]
id = "district"
kind = "mqtt"
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
tls = false
"""

_PROFILE = """\
[device]
name = "bench"
maker = "bench"
model = "bench"
kind = "{kind}"
protocol = "modbus"
verified = false
source = "simulated"

[timing]
turnaround_ms = {turnaround_ms:.0f}
timeout_ms = 200
late_ms = 1000
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
[action.{name}]
parameters = {{ channel = [1, 8] }}
write = [{{ table = "coil", address = 0, address_step = "$channel", values = [{value}] }}]

[action.{name}.confirm]
table = "coil"
address = 0
address_step = "$channel"
values = [{value}]
within_ms = 500
every_ms = 50
"""


def write_site(
    folder: Path, wiring: Wiring, *, block_s: float, broker: tuple[int, str] | None
) -> Path:
    """Write site and profiles; returns the site file. ``broker`` is port and MQTT version."""
    parts = [_SITE.format(block_s=block_s)]
    parts += [_BUS.format(wire=wire) for wire in wiring.wires]
    for poll in wiring.polls:
        profile = f"sensor-{poll.count}"
        (folder / f"{profile}.toml").write_text(_sensor_profile(poll.count), "utf-8")
        parts.append(_device(poll.name, poll.wire, profile, poll.unit))
        parts.append(f"period_ms = {poll.period_ms}\n")
    (folder / "relay.toml").write_text(_relay_profile(), "utf-8")
    for poll in wiring.driving:
        if poll.relay is not None:
            parts.append(_device(_relay_id(poll), poll.relay, "relay", RELAY_UNIT))
            parts.append(_RULE.format(name=poll.name, threshold=THRESHOLD, relay=_relay_id(poll)))
    if broker is not None:
        parts.append(_LINK.format(port=broker[0], protocol=broker[1]))
    site = folder / f"{wiring.name}.toml"
    site.write_text("".join(parts), "utf-8")
    return site


def _relay_id(poll: Poll) -> str:
    return f"{poll.name}-relay"


def _device(name: str, wire: Wire, profile: str, unit: int) -> str:
    return _DEVICE.format(id=name, bus=wire.name, profile=profile, unit=unit)


def _sensor_profile(count: int) -> str:
    head = _PROFILE.format(kind="level", turnaround_ms=TURNAROUND_MS)
    return head + "".join(_POINT.format(address=address) for address in range(count))


def _relay_profile() -> str:
    """Writes and read-back of the shipped relay-8ch; not polled, as the peers do not poll it."""
    actions = [_ACTION.format(name=name, value=value) for name, value in (("on", 1), ("off", 0))]
    return _PROFILE.format(kind="relay", turnaround_ms=TURNAROUND_MS) + "".join(actions)
