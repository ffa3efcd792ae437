"""libmodbus as a slave, an independent judge: ``rtu PATH UNIT [BAUD]`` or ``tcp PORT``.

``python -m tools.twins.libmodbus_slave`` prints ``{"ready": true, …}``, serves reference_map and
ends with its parent. On RTU it hears every frame of its line, so several can share a hub that
repeats all bytes to all ends. Exit status 3 if the library is not installed.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import errno
import json
import os
import select
import socket
import sys

from tools.twins.parent import exit_with_parent
from tools.twins.reference_map import CELLS, COILS, DISCRETES, HOLDING, INPUTS

_LONGEST_FRAME = 260
_MISSING = 3
_GONE = frozenset({errno.EIO, errno.EBADF, errno.ECONNRESET, errno.EPIPE, errno.ENXIO})


class _Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1 (modbus.h)."""

    _fields_ = (
        ("nb_bits", ctypes.c_int),
        ("start_bits", ctypes.c_int),
        ("nb_input_bits", ctypes.c_int),
        ("start_input_bits", ctypes.c_int),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


def library() -> ctypes.CDLL | None:
    """libmodbus with the signatures used here; None if it is not installed."""
    try:
        modbus = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    except OSError:
        return None
    context = ctypes.c_void_p
    modbus.modbus_new_rtu.restype = context
    modbus.modbus_new_rtu.argtypes = (
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char,
        ctypes.c_int,
        ctypes.c_int,
    )
    modbus.modbus_new_tcp.restype = context
    modbus.modbus_new_tcp.argtypes = (ctypes.c_char_p, ctypes.c_int)
    modbus.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
    for name, rest in (
        ("modbus_set_slave", (ctypes.c_int,)),
        ("modbus_connect", ()),
        ("modbus_set_socket", (ctypes.c_int,)),
        ("modbus_receive", (ctypes.c_char_p,)),
        ("modbus_reply", (ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(_Mapping))),
    ):
        getattr(modbus, name).argtypes = (context, *rest)
    return modbus


class LibmodbusSlave:
    """One libmodbus context with the reference map. Raises OSError with the library's errno."""

    def __init__(self, modbus: ctypes.CDLL, context: int | None) -> None:
        if context is None:
            raise OSError(ctypes.get_errno(), "libmodbus takes none of this")
        self._modbus = modbus
        self._context = context
        self._map = modbus.modbus_mapping_new(CELLS, CELLS, CELLS, CELLS)
        cells = self._map.contents
        for address in range(CELLS):
            cells.tab_bits[address] = COILS[address]
            cells.tab_input_bits[address] = DISCRETES[address]
            cells.tab_registers[address] = HOLDING[address]
            cells.tab_input_registers[address] = INPUTS[address]

    @classmethod
    def on_serial(cls, modbus: ctypes.CDLL, path: str, unit: int, baud: int) -> LibmodbusSlave:
        """On a serial device, 8N1."""
        slave = cls(modbus, modbus.modbus_new_rtu(path.encode(), baud, b"N", 8, 1))
        slave._check(modbus.modbus_set_slave(slave._context, unit))
        slave._check(modbus.modbus_connect(slave._context))
        return slave

    @classmethod
    def for_clients(cls, modbus: ctypes.CDLL) -> LibmodbusSlave:
        """For connections accepted elsewhere."""
        return cls(modbus, modbus.modbus_new_tcp(b"127.0.0.1", 0))

    def serve_one(self, client: int | None = None) -> bool:
        """Wait for a request and answer it; False once the other end is gone."""
        if client is not None:
            self._check(self._modbus.modbus_set_socket(self._context, client))
        request = ctypes.create_string_buffer(_LONGEST_FRAME)
        length = self._modbus.modbus_receive(self._context, request)
        if length > 0:
            length = self._modbus.modbus_reply(self._context, request, length, self._map)
        # other errors are garbage on the line, and 0 is a request for another address
        return length >= 0 or ctypes.get_errno() not in _GONE

    def _check(self, result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _serve_tcp(slave: LibmodbusSlave, server: socket.socket) -> None:
    clients: list[socket.socket] = []
    while True:
        readable, _, _ = select.select([server, *clients], [], [])
        for each in readable:
            if each is server:
                clients.append(server.accept()[0])
            elif not slave.serve_one(each.fileno()):
                clients.remove(each)
                each.close()


def main() -> int:
    """Serves until the line or the parent is gone."""
    parser = argparse.ArgumentParser(prog="tools.twins.libmodbus_slave")
    kinds = parser.add_subparsers(dest="kind", required=True)
    rtu = kinds.add_parser("rtu")
    rtu.add_argument("path")
    rtu.add_argument("unit", type=int)
    rtu.add_argument("baud", type=int, nargs="?", default=9600)
    kinds.add_parser("tcp").add_argument("port", type=int)
    options = parser.parse_args()
    modbus = library()
    if modbus is None:
        print("libmodbus.so.5 is not installed", file=sys.stderr)
        return _MISSING
    exit_with_parent()
    if options.kind == "rtu":
        slave = LibmodbusSlave.on_serial(modbus, options.path, options.unit, options.baud)
        print(json.dumps({"ready": True, "path": options.path}), flush=True)
        while slave.serve_one():
            pass
        return 0
    with socket.create_server(("127.0.0.1", options.port)) as server:
        print(json.dumps({"ready": True, "port": server.getsockname()[1]}), flush=True)
        _serve_tcp(LibmodbusSlave.for_clients(modbus), server)
    return 0


if __name__ == "__main__":
    sys.exit(main())
