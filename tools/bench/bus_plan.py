"""What the bus bench lets its clients do: who is on the line, how often they are asked. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.twins.line_time import LineTime

RELAY_UNIT = 101
"""The actuator's address; register 0 takes the number of the write, so that each is known again."""
TURNAROUND_MS = 5.0
"""What the twins take."""
PROFILE_TURNAROUND_MS = 20
TIMEOUT_MS = 200
LATE_MS = 400
"""The timing of the shipped profile relay-8ch, for every device and every client."""
CHARACTERS = "8N1"
_QUESTION_BYTES = 8
_ANSWER_BYTES = 5
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Wire:
    """Where clients find the devices: a terminal with its baud, or loopback TCP ports."""

    path: Path | None = None
    baud: int = 0
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Devices 1 to ``devices``, each with registers 0 to ``registers`` - 1.

    ``period_ms`` None: saturated, each is asked again as soon as it has answered.
    """

    name: str
    wire: Wire
    devices: int
    registers: int
    period_ms: int | None = None

    @property
    def units(self) -> range:
        """Their addresses."""
        return range(1, self.devices + 1)

    @property
    def line(self) -> LineTime:
        """The line's character times; without baud they are nothing."""
        return LineTime(self.wire.baud or None, CHARACTERS)

    @property
    def question_ns(self) -> int:
        """Line time of a question (reads of registers and single writes are equally long)."""
        return self.line.ns(_QUESTION_BYTES)

    @property
    def answer_ns(self) -> int:
        """Line time of a read's answer."""
        return self.line.ns(_ANSWER_BYTES + 2 * self.registers)

    @property
    def exchange_ns(self) -> int:
        """Question, turnaround and answer of one read, without the silence before it."""
        return self.question_ns + round(TURNAROUND_MS * _NS_PER_MS) + self.answer_ns

    @property
    def load(self) -> float:
        """Share of the line that the polls of all devices take if all answer; 1 if saturated."""
        if self.period_ms is None:
            return 1.0
        per_poll_ns = self.exchange_ns + self.line.silence_ns
        return self.devices * per_poll_ns / (self.period_ms * _NS_PER_MS)

    @property
    def silent_ns(self) -> int:
        """From the first byte of a question to the moment a silent device is given up."""
        return self.question_ns + TIMEOUT_MS * _NS_PER_MS

    def loop_arguments(self, *, silence: bool) -> list[str]:
        """For bus_loop.c."""
        period = "0" if self.period_ms is None else str(self.period_ms)
        words = [str(int(silence)), period, str(self.registers), str(TIMEOUT_MS), str(RELAY_UNIT)]
        if self.wire.path is None:
            return [*words, "tcp", *map(str, self.wire.ports)]
        return [*words, "rtu", str(self.wire.path), str(self.wire.baud), *map(str, self.units)]

    def rig_arguments(self) -> list[str]:
        """For bus_rig.py."""
        if self.wire.path is None:
            return ["tcp", str(self.devices), str(self.registers), f"{TURNAROUND_MS:g}"]
        words = [f"plain:{unit}:{self.registers}" for unit in self.units]
        line = [str(self.wire.path), str(self.wire.baud), f"{TURNAROUND_MS:g}"]
        return ["rtu", *line, *words, f"plain:{RELAY_UNIT}:1"]

    def thingsboard(self) -> dict[str, Any]:
        """The configuration of thingsboard-gateway's Modbus connector that asks the same.

        Kinder than its samples: one request per device instead of one per register, and the
        timeout of the others instead of 35 s; the number of retries is its own default. It cannot
        be saturated: then it is offered half as much again as the line can carry.
        """
        period_ms = self.period_ms
        if period_ms is None:
            all_ns = self.devices * (self.exchange_ns + self.line.silence_ns)
            period_ms = round(all_ns / 1.5 / _NS_PER_MS)
        slaves = [self._slave(unit, period_ms) for unit in self.units]
        if self.wire.path is not None:
            slaves.append(self._relay())
        return {"name": "bench", "logLevel": "ERROR", "master": {"slaves": slaves}}

    def _slave(self, unit: int, period_ms: int) -> dict[str, Any]:
        series = {
            "tag": "r${address}",
            "type": "16uint",
            "functionCode": 3,
            "objectsCount": 1,
            "address": f"0-{self.registers - 1}",
            "maxRegistersPerRequest": self.registers,
        }
        return {
            **self._connection(unit),
            "unitId": unit,
            "deviceName": f"d{unit}",
            "pollPeriod": period_ms,
            "timeseries": [series],
        }

    def _relay(self) -> dict[str, Any]:
        write = {
            "tag": "code", "type": "16uint", "functionCode": 6, "objectsCount": 1, "address": 0,
        }  # fmt: skip
        return {
            **self._connection(RELAY_UNIT),
            "unitId": RELAY_UNIT,
            "deviceName": "relay",
            "pollPeriod": 1000,
            "attributeUpdates": [write],
        }

    def _connection(self, unit: int) -> dict[str, Any]:
        common = {"timeout": TIMEOUT_MS / 1000, "byteOrder": "BIG", "wordOrder": "BIG"}
        if self.wire.path is None:
            port = self.wire.ports[unit - 1]
            return {"type": "tcp", "method": "socket", "host": "127.0.0.1", "port": port, **common}
        return {
            "type": "serial", "method": "rtu", "port": str(self.wire.path),
            "baudrate": self.wire.baud, "stopbits": 1, "bytesize": 8, "parity": "N", **common,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One write: its number, and when (CLOCK_MONOTONIC) it is ordered."""

    code: int
    at_ns: int


def draw_orders(begin_ns: int, end_ns: int, first_code: int, seed: int) -> list[Order]:
    """Writes at random instants, 0.5 to 1 s apart, the same for every client."""
    chance = random.Random(seed)
    orders: list[Order] = []
    at_ns = begin_ns + round(chance.uniform(0, 5e8))
    while at_ns < end_ns:
        orders.append(Order(first_code + len(orders), at_ns))
        at_ns += round(chance.uniform(5e8, 1e9))
    return orders
