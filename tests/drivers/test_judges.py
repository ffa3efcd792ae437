"""Slaves that others wrote, read through our bus over real descriptors: libmodbus, pymodbus."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from drivers.bus.dialect import Dialect, Rtu, Tcp
from drivers.bus.line import Line
from drivers.bus.port import Opener
from drivers.bus.serial_port import SerialSettings, serial_opener
from drivers.bus.tcp_port import tcp_opener
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from edge.app.clock import RealClock
from edge.core.errors import Refused
from edge.core.instant import after
from edge.core.ports import Class
from protocols import modbus
from tools.demo.stage import free_port
from tools.twins.pty_pair import linked_ptys
from tools.twins.reference_map import COILS, DISCRETES, HOLDING, INPUTS

TIMING = DeviceTiming(timeout_s=1.0)
MISSING = 3


@contextmanager
def slave(judge: str, *arguments: str) -> Iterator[None]:
    """The judge as a process; skips if its library is not installed."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tools.twins.{judge}_slave", *arguments],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready and process.wait(10) == MISSING:
            pytest.skip(f"{judge} is not installed")
        assert json.loads(ready)["ready"]
        yield
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def asking(opener: Opener, dialect: Dialect) -> AsyncIterator[Asker]:
    line = Line("judged", opener, dialect, RealClock())
    line.start()
    try:
        yield Asker(line)
    finally:
        line.stop()


class Asker:
    """Asks one question at a time."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def __call__(self, request: modbus.Request) -> Result:
        ended: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        deadline = after(RealClock().now(), seconds=5.0)
        self._line.submit(Transaction(request, Class.WATCH, deadline, TIMING, ended.set_result))
        return await ended


async def check_everything(ask: Asker) -> None:
    """Every function we speak, against the judge's reference map."""

    async def registers(function: int, address: int, count: int) -> tuple[int, ...]:
        result = await ask(modbus.read_registers(1, function, address, count))
        assert result.answer is not None, result.error
        return result.answer.registers()

    async def bits(function: int, address: int, count: int) -> list[int]:
        result = await ask(modbus.read_bits(1, function, address, count))
        assert result.answer is not None, result.error
        return [int(bit) for bit in result.answer.bits(count)]

    async def write(request: modbus.Request) -> None:
        result = await ask(request)
        assert result.answer is not None, result.error

    assert await registers(3, 10, 5) == tuple(HOLDING[10:15])
    assert await registers(4, 90, 10) == tuple(INPUTS[90:100])
    assert await bits(1, 3, 19) == COILS[3:22]
    assert await bits(2, 0, 33) == DISCRETES[:33]
    await write(modbus.write_coil(1, 4, True))
    assert await bits(1, 4, 1) == [1]
    await write(modbus.write_register(1, 20, 0xBEEF))
    assert await registers(3, 20, 1) == (0xBEEF,)
    await write(
        modbus.write_coils(1, 40, [True, False, True, True, False, True, False, True, True])
    )
    assert await bits(1, 40, 9) == [1, 0, 1, 1, 0, 1, 0, 1, 1]
    await write(modbus.write_registers(1, 30, [1, 2, 3]))
    assert await registers(3, 30, 3) == (1, 2, 3)
    await write(modbus.mask_write(1, 30, 0xFFF0, 0x0005))
    assert await registers(3, 30, 1) == (0x0005,)
    result = await ask(modbus.read_write_registers(1, 30, 2, 31, [77]))
    assert result.answer is not None, result.error
    assert result.answer.registers() == (5, 77)
    refused = await ask(modbus.read_registers(1, 3, 5000, 1))
    assert isinstance(refused.error, Refused)
    assert refused.error.code == 2


@pytest.mark.parametrize("judge", ["libmodbus", "pymodbus"])
async def test_an_independent_slave_on_a_serial_line_is_read_and_written_right(judge: str) -> None:
    with linked_ptys() as (ours, theirs), slave(judge, "rtu", str(theirs), "1", "19200"):
        async with asking(serial_opener(SerialSettings(str(ours), 19200)), Rtu(19200, 10)) as ask:
            await check_everything(ask)


@pytest.mark.parametrize("judge", ["libmodbus", "pymodbus"])
async def test_an_independent_slave_over_tcp_is_read_and_written_right(judge: str) -> None:
    port = free_port()
    with slave(judge, "tcp", str(port)):
        async with asking(tcp_opener("127.0.0.1", port), Tcp()) as ask:
            await check_everything(ask)
