"""What the files of a random site are made of."""

from __future__ import annotations

HEAD = """\
[site]
id = "random-{seed}"
name = "random {seed}"
time_zone = "Asia/Shanghai"

[proof]
dead_devices = {dead}
compute_ms = 0
exchange_us = 0
budget_s = 86400
"""
RTU = """
[[bus]]
id = "{name}"
kind = "rtu"
port = "/dev/{name}"
baud = {baud}
data_bits = 8
parity = "{parity}"
stop_bits = {stop_bits}
"""
TCP = """
[[bus]]
id = "{name}"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {port}
"""
DEVICE = """
[[device]]
id = "{name}"
bus = "{bus}"
profile = "{profile}.toml"
address = {address}
"""
RULE = """
[[rule]]
id = "{name}"
point = "{point}"
comparison = "{comparison}"
{thresholds}
hold_s = {hold_s:.3f}
lost = "{lost}"
latch = "none"
plan = "{plan}"
"""
STEP = """
[[plan.step]]
level = "{level}"
actuator = "{actuator}"
action = "{action}"
arguments = {{ {arguments} }}
stop = "{stop}"
stop_arguments = {{ {stop_arguments} }}
until = "{until}"
timeout_s = 120.0
"""
PROFILE = """\
[device]
name = "{name}"
maker = "campaign"
model = "{name}"
kind = "{kind}"
protocol = "modbus"
verified = false
source = "simulated"

[timing]
turnaround_ms = {turnaround_ms}
timeout_ms = {timeout_ms}
late_ms = {late_ms}
gap_ms = {gap_ms}
retries = {retries}

[limits]
max_registers = {max_registers}
max_gap = {max_gap}
pipeline = {pipeline}
"""
POINT = """
[point.{name}]
table = "{table}"
address = {address}
type = "u16"
decimals = 0
unit = "mm"
range = [0, 2000]
"""
ACTION = """
[action.{name}]
parameters = {{ {parameters} }}
warm_up_ms = {warm_up_ms}
broadcast = {broadcast}
write = [
{writes}]
"""
CONFIRM = """confirm = {{ table = "{table}", address = {address}, {step}values = [{value}],\
 within_ms = {within_ms}, every_ms = {every_ms} }}
"""
