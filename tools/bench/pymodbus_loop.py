"""The least that can be done with pymodbus and asyncio; arguments as those of loop.c."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from dataclasses import dataclass

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient

from tools.twins.parent import when_input_ends


@dataclass
class _Poll:
    unit: int
    count: int
    period_s: float
    due: float
    relay: AsyncModbusSerialClient | None
    on: bool = False


async def _watch(
    line: AsyncModbusSerialClient, polls: list[_Poll], relay_unit: int, threshold: int
) -> None:
    """Poll one line for ever."""
    while True:
        poll = min(polls, key=lambda each: each.due)
        await asyncio.sleep(poll.due - time.monotonic())
        try:
            answer = await line.read_holding_registers(0, count=poll.count, device_id=poll.unit)
            if poll.relay is not None and not answer.isError():
                on = answer.registers[0] >= threshold
                if on != poll.on:
                    await poll.relay.write_coil(0, on, device_id=relay_unit)
                    poll.on = on
        except ModbusException as error:
            print(error, file=sys.stderr)
        poll.due += poll.period_s
        while poll.due < time.monotonic():
            poll.due += poll.period_s


async def _main() -> None:
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    clients: dict[str, AsyncModbusSerialClient] = {}

    async def client(path: str, baud: str) -> AsyncModbusSerialClient:
        if path not in clients:
            clients[path] = AsyncModbusSerialClient(
                path, framer=FramerType.RTU, baudrate=int(baud), timeout=0.5
            )
            await clients[path].connect()
        return clients[path]

    threshold, relay_unit, *words = sys.argv[1:]
    begin = time.monotonic()
    lines: dict[str, list[_Poll]] = {}
    for word in words:
        path, baud, unit, count, period_ms, phase_ms, *relay = word.split(",")
        await client(path, baud)
        driven = await client(*relay) if relay else None
        due = begin + float(phase_ms) / 1e3
        poll = _Poll(int(unit), int(count), int(period_ms) / 1e3, due, driven)
        lines.setdefault(path, []).append(poll)
    async with asyncio.TaskGroup() as group:
        for path, polls in lines.items():
            group.create_task(_watch(clients[path], polls, int(relay_unit), int(threshold)))


if __name__ == "__main__":
    when_input_ends(lambda: os._exit(0))
    asyncio.run(_main())
