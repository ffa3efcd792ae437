"""A paced line in memory on an injected clock: the twin of a serial port in virtual time."""

from __future__ import annotations

import errno

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.core.instant import Clock, Instant, Timer
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import Slave, TcpConnection
from tools.twins.pacing import OnFrame, PacedLine


class VirtualLine:
    """One line with a slave on it. ``opener`` is what a bus opens; one opening at a time.

    ``baud`` None: no line time, as over TCP (give it a TcpSlave's connection). ``on_frame`` is
    told of every frame in both directions.
    """

    def __init__(
        self,
        slave: Slave,
        clock: Clock,
        baud: int | None = 9600,
        frame: str = "8N1",
        *,
        bytewise: bool = False,
        name: str = "",
        on_frame: OnFrame | None = None,
    ) -> None:
        self.slave = slave
        self.line_time = LineTime(baud, frame)
        self._clock = clock
        self._paced = PacedLine(
            slave, self.line_time, bytewise=bytewise, name=name, on_frame=on_frame
        )
        self.counters = self._paced.counters
        self._plugged = True
        self._port: _VirtualPort | None = None
        self._timer: Timer | None = None

    @property
    def opener(self) -> Opener:
        """Opens the line. Raises OSError while unplugged, or while it is open already."""
        return self._open

    @property
    def is_open(self) -> bool:
        """Whether somebody holds the line open."""
        return self._port is not None

    def poke(self) -> None:
        """Look again whether a device speaks unasked; call it after setting ``babble``."""
        self._paced.poke(self._clock.now())
        self._arm()

    def unplug(self) -> None:
        """The adapter is pulled: bytes on the line are lost, the owner gets OSError(EIO)."""
        self._plugged = False
        self._lose(OSError(errno.EIO, "unplugged"))

    def replug(self) -> None:
        """The adapter is back; the owner has to open it again."""
        self._plugged = True

    def write(self, port: _VirtualPort, data: bytes) -> None:
        """Bytes from the master's port. Raises OSError if it is no longer the open one."""
        if port is not self._port:
            raise OSError(errno.EIO, "the port is gone")
        self._paced.arrive(data, self._clock.now())
        self._arm()

    def release(self, port: _VirtualPort) -> None:
        """The master closes; what the devices still say is heard by nobody."""
        if port is self._port:
            self._port = None

    def _open(self, on_bytes: OnBytes, on_lost: OnLost) -> Port:
        if not self._plugged:
            raise OSError(errno.ENOENT, "unplugged")
        if self._port is not None:
            raise OSError(errno.EBUSY, "already open")
        self._port = _VirtualPort(self, on_bytes, on_lost)
        if self.line_time.baud is None:
            self.slave.reset()
        self.poke()
        return self._port

    def _lose(self, error: OSError | None) -> None:
        self._paced.reset()
        self._arm()
        port, self._port = self._port, None
        if port is not None:
            port.on_lost(error)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_ns = self._paced.wake_ns()
        if wake_ns is not None and self._plugged:
            self._timer = self._clock.call_at(Instant(wake_ns), self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._clock.now()
        for emission in self._paced.due(now):
            self._paced.sent(emission, now)
            if self._port is not None:
                self._port.on_bytes(emission.piece)
        self._arm()
        if isinstance(self.slave, TcpConnection) and self.slave.broken:
            self._lose(None)


class _VirtualPort:
    """The master's end; satisfies Port."""

    def __init__(self, line: VirtualLine, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self._line = line
        self.on_bytes = on_bytes
        self.on_lost = on_lost

    def write(self, data: bytes) -> None:
        """As Port."""
        self._line.write(self, data)

    def close(self) -> None:
        """As Port."""
        self._line.release(self)
