"""A Modbus TCP server on the loopback address with simulated devices behind it."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

from tools.twins.modbus_slave import TcpConnection, TcpSlave
from tools.twins.pacing import FrameStamp, Kind, OnFrame

HOST = "127.0.0.1"
_READ_BYTES = 4096
_NOTICE_S = 0.02
# A client that takes nothing for this long is dropped.
_STUCK_S = 1.0
# Between two utterances of a device that babbles.
_BABBLE_NS = 1_000_000


class TcpLine:
    """Serves any number of clients from one thread. Nothing happens before ``start``.

    ``port`` 0 takes a free one, kept over ``unplug`` and ``replug``. ``on_frame`` is told of every
    frame, in the line's thread.
    """

    def __init__(
        self, slave: TcpSlave, port: int = 0, *, name: str = "", on_frame: OnFrame | None = None
    ) -> None:
        self.slave = slave
        self.name = name
        self.port = port
        self.counters = slave.counters
        self._on_frame = on_frame
        self._order = itertools.count()
        self._due: list[tuple[int, int, socket.socket, bytes]] = []
        self._clients: dict[socket.socket, TcpConnection] = {}
        self._babble_at = 0
        self._server: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._bell: tuple[int, int] = (-1, -1)
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def path(self) -> str:
        """What a client connects to, ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def plugged(self) -> bool:
        """Whether connections are taken."""
        return self._thread is not None

    def start(self) -> Self:
        """Listen. Raises OSError if the port is taken."""
        if self._thread is not None:
            return self
        self._server = socket.create_server((HOST, self.port))
        self._server.setblocking(False)
        self.port = self._server.getsockname()[1]
        self._bell = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run,
            args=(self._server, self._selector),
            name=f"tcp {self.name}",
            daemon=True,
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Drop all clients and stop listening; harmless twice."""
        if self._thread is None:
            return
        self._stopping = True
        os.write(self._bell[1], b"!")
        self._thread.join()
        self._thread = None
        for client in list(self._clients):
            self._drop(client)
        self._due.clear()
        if self._selector is not None:
            self._selector.close()
        if self._server is not None:
            self._server.close()
        for end in self._bell:
            os.close(end)

    def unplug(self) -> None:
        """The cable is pulled: connections end, new ones are refused."""
        self.close()

    def replug(self) -> None:
        """Listen again on the same port."""
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, server: socket.socket, selector: selectors.BaseSelector) -> None:
        while not self._stopping:
            timeout_s = _NOTICE_S
            if self._due:
                timeout_s = min(timeout_s, (self._due[0][0] - time.monotonic_ns()) / 1e9)
            for key, _ in selector.select(max(timeout_s, 0.0)):
                if key.fileobj is server:
                    self._accept(server, selector)
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            self._babble()
            while self._due and self._due[0][0] <= time.monotonic_ns():
                _, _, client, frame = heapq.heappop(self._due)
                self._send(client, "answer", frame)

    def _accept(self, server: socket.socket, selector: selectors.BaseSelector) -> None:
        try:
            client, _ = server.accept()
        except OSError:
            return  # it went away before it was accepted
        client.settimeout(_STUCK_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients[client] = self.slave.connection()
        selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> None:
        connection = self._clients.get(client)
        if connection is None:
            return  # dropped earlier in this round
        try:
            received = client.recv(_READ_BYTES)
        except OSError:
            received = b""
        seen = time.monotonic_ns()
        connection.on_request = lambda frame: self._log("request", seen, frame)
        for delay_ms, frame in connection.feed(received):
            at = seen + round(delay_ms * 1e6)
            heapq.heappush(self._due, (at, next(self._order), client, frame))
        if not received or connection.broken:
            self._drop(client)

    def _babble(self) -> None:
        now = time.monotonic_ns()
        said = self.slave.speak()
        if said and now >= self._babble_at:
            self._babble_at = now + _BABBLE_NS
            for client in list(self._clients):
                self._send(client, "unasked", said)

    def _send(self, client: socket.socket, kind: Kind, frame: bytes) -> None:
        if client not in self._clients:
            return
        self._log(kind, time.monotonic_ns(), frame)
        try:
            client.sendall(frame)
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if self._clients.pop(client, None) is None:
            return
        if self._selector is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(client)
        client.close()

    def _log(self, kind: Kind, at_ns: int, frame: bytes) -> None:
        if self._on_frame is not None:
            self._on_frame(FrameStamp(self.name, kind, at_ns, at_ns, frame))
