"""pymodbus as a slave, an independent judge: ``rtu PATH UNIT [BAUD]`` or ``tcp PORT``.

``python -m tools.twins.pymodbus_slave`` prints ``{"ready": true, …}``, serves reference_map and
ends with its parent. On a shared line it answers for addresses that are not its own (3.16): use
libmodbus_slave for multi-drop. Over TCP it is unit 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tools.twins.parent import exit_with_parent
from tools.twins.reference_map import COILS, DISCRETES, HOLDING, INPUTS


def device(unit: int) -> SimDevice:
    """The reference map in four separate tables."""
    return SimDevice(
        id=unit,
        simdata=(
            [SimData(0, values=[bool(bit) for bit in COILS], datatype=DataType.BITS)],
            [SimData(0, values=[bool(bit) for bit in DISCRETES], datatype=DataType.BITS)],
            [SimData(0, values=[*HOLDING], datatype=DataType.REGISTERS)],
            [SimData(0, values=[*INPUTS], datatype=DataType.REGISTERS)],
        ),
    )


def _free_port() -> int:
    # pymodbus does not tell which port it was given for 0
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def _serve(options: argparse.Namespace) -> None:
    server: ModbusTcpServer | ModbusSerialServer
    ready: dict[str, object] = {"ready": True}
    if options.kind == "rtu":
        server = ModbusSerialServer(
            device(options.unit),
            framer=FramerType.RTU,
            port=options.path,
            baudrate=options.baud,
        )
        ready["path"] = options.path
    else:
        port = options.port or _free_port()
        server = ModbusTcpServer(device(1), address=("127.0.0.1", port))
        ready["port"] = port
    await server.serve_forever(background=True)
    print(json.dumps(ready), flush=True)
    await asyncio.get_running_loop().create_future()


def main() -> int:
    """Serves until the parent is gone."""
    parser = argparse.ArgumentParser(prog="tools.twins.pymodbus_slave")
    kinds = parser.add_subparsers(dest="kind", required=True)
    rtu = kinds.add_parser("rtu")
    rtu.add_argument("path")
    rtu.add_argument("unit", type=int)
    rtu.add_argument("baud", type=int, nargs="?", default=9600)
    kinds.add_parser("tcp").add_argument("port", type=int)
    options = parser.parse_args()
    exit_with_parent()
    # it reports every request that it cannot serve with its last twenty frames
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    asyncio.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
