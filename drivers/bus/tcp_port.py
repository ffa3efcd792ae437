"""A TCP connection as a port.

Connecting never waits; bytes written meanwhile go out when it is up.
"""

from __future__ import annotations

import errno
import os
import socket

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from drivers.bus.stream_port import StreamPort


class TcpPort(StreamPort):
    """A connection to a numeric address; a name would have to be looked up on the alarm path."""

    def __init__(self, host: str, tcp_port: int, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self._waiting = b""
        self._connected = False
        super().__init__(_connect(host, tcp_port), on_bytes, on_lost)
        self._loop.add_writer(self._fd, self._established)

    def write(self, data: bytes) -> None:
        """Send now, or as soon as connected. Raises OSError if the connection is gone."""
        if self._connected or self._fd < 0:
            super().write(data)
        else:
            self._waiting += data

    def _established(self) -> None:
        """Connected or refused; a refusal is what the first write or read raises."""
        self._loop.remove_writer(self._fd)
        self._connected = True
        self._listen()
        waiting, self._waiting = self._waiting, b""
        if waiting:
            try:
                self.write(waiting)
            except OSError as error:
                self._lost(error)


def _connect(host: str, tcp_port: int) -> int:
    """Begin to connect; the descriptor. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, tcp_port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0]
    with socket.socket(family, kind, protocol) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connection.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        return connection.detach()


def tcp_opener(host: str, tcp_port: int) -> Opener:
    """An opener for this address."""

    def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        return TcpPort(host, tcp_port, on_bytes, on_lost)

    return open_port
