"""One paced line of twins as a process of its own: ``python -m tools.bench.rig LINK BAUD UNIT...``

UNIT is ``toggle:ADDRESS`` (register 0 alternates at every read), ``plain:ADDRESS:COUNT`` or
``relay:ADDRESS``. One process and one thread per line, so that no line waits for another one's
interpreter lock; time stamps are CLOCK_MONOTONIC, which all processes share. A reading is stamped
directly before its bytes are handed over, a command directly after its first bytes were read; both
before any book-keeping. Unlike PtyLine nothing spins: that would take a core from the client.
Where it may, the process takes real-time priority: a busy machine delays the client, not its judge.

Says ``ready 1`` with that priority, else ``ready 0``; on a line ``take`` prints all frames since
the last one as one JSON object; ends when standard input does.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
import tty
from pathlib import Path

from tools.bench.wiring import HIGH, TURNAROUND_MS
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave, Table, Unit
from tools.twins.pacing import FrameStamp, PacedLine

_READ_BYTES = 4096
_COILS = 8


class ToggleSensor(Unit):
    """Register 0 crosses the threshold at every read."""

    def __init__(self) -> None:
        super().__init__(holding=[HIGH], on_read=self._cross)

    def _cross(self, table: Table, address: int, count: int) -> None:
        self.holding[0] = HIGH - self.holding[0]


class Rig:
    """Carries one line. ``frames`` are the stamps since the last ``take``."""

    def __init__(
        self,
        baud: int,
        units: dict[int, Unit],
        *,
        turnaround_ms: float = TURNAROUND_MS,
        bytewise: bool = False,
    ) -> None:
        self.frames: list[FrameStamp] = []
        self.slave = RtuSlave(units, turnaround_ms=turnaround_ms)
        self._line = PacedLine(
            self.slave, LineTime(baud), bytewise=bytewise, on_frame=self.frames.append
        )
        self._master, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        os.set_blocking(self._master, False)

    @property
    def terminal(self) -> str:
        """What a client opens."""
        return os.ttyname(self._terminal)

    def take(self) -> str:
        """All frames and counters since the last time, as JSON."""
        frames = [[f.kind, f.first_ns, f.last_ns, f.frame.hex()] for f in self.frames]
        counters = dict(self._line.counters)
        self.frames.clear()
        self._line.counters.clear()
        return json.dumps({"frames": frames, "counters": counters})

    def run(self) -> None:
        """Until standard input ends."""
        orders = sys.stdin.fileno()
        while True:
            self._send_due()
            wake_ns = self._line.wake_ns()
            wait_s = None if wake_ns is None else max(0, wake_ns - time.monotonic_ns()) / 1e9
            readable, _, _ = select.select([self._master, orders], [], [], wait_s)
            if self._master in readable:
                data = os.read(self._master, _READ_BYTES)
                self._line.arrive(data, time.monotonic_ns())
            if orders in readable:
                order = os.read(orders, _READ_BYTES)
                if not order:
                    return
                print(self.obey(order.decode()), flush=True)

    def obey(self, order: str) -> str:
        """Carry out one order; returns the line that answers it."""
        return self.take()

    def _send_due(self) -> None:
        for emission in self._line.due(time.monotonic_ns()):
            at_ns = time.monotonic_ns()
            os.write(self._master, emission.piece)
            self._line.sent(emission, at_ns)


def hurry() -> bool:
    """Take real-time priority; False if this user may not."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


def make_unit(word: str) -> tuple[int, Unit]:
    """Address and device of one UNIT argument. Raises ValueError."""
    kind, address, *rest = word.split(":")
    if kind == "toggle":
        return int(address), ToggleSensor()
    if kind == "relay":
        return int(address), Unit(coils=[0] * _COILS)
    if kind == "plain":
        return int(address), Unit(holding=[0] * int(rest[0]))
    raise ValueError(f"unit {word!r}")


def main() -> None:
    """Run one line."""
    # the terminal's Ctrl-C is for the bench, which ends this by closing its input
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link, baud, *words = sys.argv[1:]
    rig = Rig(int(baud), dict(map(make_unit, words)))
    Path(link).symlink_to(rig.terminal)
    gc.collect()
    gc.disable()
    print("ready", int(hurry()), flush=True)
    rig.run()


if __name__ == "__main__":
    main()
