"""A line whose devices are set differently, as a scan meets it.

A question is understood only by the devices that are set as the master is at that moment; the
others hear what their UARTs make of it. So does the master if a device speaks at other settings.
"""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.core.instant import Clock
from tools.twins.line_time import LineTime
from tools.twins.mistuned import hear
from tools.twins.modbus_slave import Reply, RtuSlave
from tools.twins.pacing import OnFrame, PacedLine
from tools.twins.pty_line import PtyLine
from tools.twins.virtual_port import VirtualLine

_BAUD_OF = {
    getattr(termios, f"B{baud}"): baud
    for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
}


class DoubledSlave(RtuSlave):
    """Devices of which another one has the same address: both speak at once, and are garbled.

    Where either sends a 0 the line is 0.
    """

    def __init__(self, *slaves: RtuSlave) -> None:
        super().__init__({})
        self._slaves = slaves

    def feed(self, data: bytes) -> list[Reply]:
        """All of them hear it; what they say at the same time lies on top of each other."""
        replies: list[Reply] = []
        for byte in data:
            said = [each for slave in self._slaves for each in slave.feed(bytes([byte]))]
            for delay_ms in sorted({delay_ms for delay_ms, _ in said}):
                frames = [frame for delay, frame in said if delay == delay_ms]
                together = zip_longest(*frames, fillvalue=0xFF)
                replies.append((delay_ms, bytes(_dominant(column) for column in together)))
        return replies


def _dominant(column: Sequence[int]) -> int:
    level = 0xFF
    for each in column:
        level &= each
    return level


class TunedSlaves:
    """Groups of devices by their settings; satisfies Slave.

    ``asked`` is all that the master has sent, whether anybody understood it or not; ``misheard``
    counts the answers of devices that took noise for a question to them.
    """

    def __init__(self, groups: Mapping[LineTime, RtuSlave], master: LineTime) -> None:
        self.groups = dict(groups)
        self.master = master
        self.asked: list[bytes] = []
        self.misheard = 0
        self.on_request: Callable[[bytes], None] | None = None

    @property
    def speaks_every_ms(self) -> float | None:
        """As Slave."""
        return 0.0 if self.speak() else None

    def speak(self) -> bytes:
        """As Slave; what the master makes of it."""
        return b"".join(
            hear(said, time, self.master) for time, slave in self.groups.items()
            if (said := slave.speak())
        )  # fmt: skip

    def reset(self) -> None:
        """As Slave."""
        for slave in self.groups.values():
            slave.reset()

    def feed(self, data: bytes) -> list[Reply]:
        """Bytes at the master's settings: the devices that are set like it."""
        return self.groups[self.master].feed(data) if self.master in self.groups else []

    def overhear(self, data: bytes) -> None:
        """The same bytes, all at once, as all the others hear them."""
        self.asked.append(data)
        for time, slave in self.groups.items():
            if time != self.master:
                noise = hear(data, self.master, time)
                self.misheard += len(slave.feed(noise))
                slave.reset()  # silence follows


class _TunedPacedLine(PacedLine):
    """Line time at the settings the master has now."""

    def __init__(
        self, slaves: TunedSlaves, master: Callable[[], LineTime], on_frame: OnFrame | None
    ) -> None:
        super().__init__(slaves, slaves.master, on_frame=on_frame)
        self._slaves = slaves
        self._master = master

    def arrive(self, data: bytes, now_ns: int) -> None:
        self._slaves.master = self.time = self._master()
        super().arrive(data, now_ns)
        self._slaves.overhear(data)


class TunedVirtualLine(VirtualLine):
    """Such a line in virtual time. ``tuned`` opens it at the settings of the master."""

    def __init__(
        self, groups: Mapping[LineTime, RtuSlave], clock: Clock, on_frame: OnFrame | None = None
    ) -> None:
        self.slaves = TunedSlaves(groups, LineTime(9600))
        super().__init__(self.slaves, clock)
        self._paced = _TunedPacedLine(self.slaves, lambda: self.line_time, on_frame)
        self.counters = self._paced.counters

    def tuned(self, baud: int, frame: str) -> Opener:
        """An opener that sets the line up."""

        def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
            port = self.opener(on_bytes, on_lost)
            self.line_time = LineTime(baud, frame)
            return port

        return open_port


class TunedPtyLine(PtyLine):
    """Such a line on a pseudo-terminal: the speed is read from the terminal as its client set it.

    Linux keeps no parity on pseudo-terminals: ``parity`` has to be told, N, E or O.
    """

    def __init__(
        self,
        groups: Mapping[LineTime, RtuSlave],
        link: str | Path | None = None,
        *,
        name: str = "",
        on_frame: OnFrame | None = None,
    ) -> None:
        self.slaves = TunedSlaves(groups, LineTime(9600))
        super().__init__(self.slaves, link, name=name)
        self.parity = "N"
        self._paced = _TunedPacedLine(self.slaves, self._master, on_frame)
        self.counters = self._paced.counters

    def _master(self) -> LineTime:
        speed = termios.B9600
        if self._ends is not None:
            with contextlib.suppress(termios.error):
                speed = termios.tcgetattr(self._ends[1])[5]
        return LineTime(_BAUD_OF.get(speed, 9600), f"8{self.parity}1")
