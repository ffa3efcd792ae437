"""A TCP connection as a port.

Connecting never waits; bytes written meanwhile go out when it is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

from drivers.bus.port import OnBytes, OnLost, Opener, Port

_READ_BYTES = 4096


class TcpPort:
    """A connection to a numeric address; a name would have to be looked up on the alarm path."""

    def __init__(self, host: str, tcp_port: int, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._waiting = b""
        self._connected = False
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, tcp_port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open = True
        code = self._socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(code, os.strerror(code))
        self._loop = asyncio.get_running_loop()
        self._loop.add_writer(self._socket.fileno(), self._established)

    def write(self, data: bytes) -> None:
        """Send now, or as soon as connected. Raises OSError if the connection is gone."""
        if not self._open:
            raise OSError("connection is closed")
        if not self._connected:
            self._waiting += data
            return
        sent = self._socket.send(data)
        if sent != len(data):
            raise OSError(f"the connection took {sent} of {len(data)} bytes")

    def close(self) -> None:
        """Drop the connection."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_writer(self._socket.fileno())
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _established(self) -> None:
        self._loop.remove_writer(self._socket.fileno())
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lost(OSError(code, os.strerror(code)))
            return
        self._connected = True
        self._loop.add_reader(self._socket.fileno(), self._readable)
        waiting, self._waiting = self._waiting, b""
        if waiting:
            try:
                self.write(waiting)
            except OSError as error:
                self._lost(error)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._on_bytes(data)
        else:
            self._lost(None)

    def _lost(self, error: Exception | None) -> None:
        with contextlib.suppress(OSError):
            self.close()
        self._on_lost(error)


def tcp_opener(host: str, tcp_port: int) -> Opener:
    """An opener for this address."""

    def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        return TcpPort(host, tcp_port, on_bytes, on_lost)

    return open_port
