"""A line of simulated devices on a paced pseudo-terminal.

A thread keeps line time to about 0.1 ms: a request counts as heard once its own line time has
passed since its first byte was seen, and the last byte of an answer arrives when its line time is
over. The twin holds the terminal's other end open, so clients may come and go; bytes that nobody
reads stay in the kernel's buffer until the next client, which should flush on opening.
"""

from __future__ import annotations

import os
import queue
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import Slave
from tools.twins.pacing import Emission, OnFrame, PacedLine

# A waiting thread is woken late by up to this much; the rest is waited for in a loop.
_SPIN_NS = 200_000
# Faults are changed by setting attributes: how soon a device notices that it should babble.
_NOTICE_S = 0.02
_PATIENCE_S = 10.0
_READ_BYTES = 4096


class PtyLine:
    """Puts a slave on a pseudo-terminal. Nothing happens before ``start``; ``close`` ends it.

    ``link`` is a symbolic link to make to the terminal; an older link there is replaced, anything
    else is FileExistsError. ``bytewise`` hands an answer over byte by byte at line speed instead of
    in one piece when its last byte is due. ``on_frame`` is told of every frame, in the line's
    thread.
    """

    def __init__(
        self,
        slave: Slave,
        link: str | Path | None = None,
        baud: int | None = 9600,
        frame: str = "8N1",
        *,
        bytewise: bool = False,
        name: str = "",
        on_frame: OnFrame | None = None,
    ) -> None:
        self.slave = slave
        self.name = name
        self._link = None if link is None else Path(link)
        self._paced = PacedLine(
            slave, LineTime(baud, frame), bytewise=bytewise, name=name, on_frame=on_frame
        )
        self.counters = self._paced.counters
        self._ends: tuple[int, int] | None = None
        self._terminal = ""
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._bell = (-1, -1)

    @property
    def path(self) -> str:
        """What a client opens: the link if there is one, else the terminal itself."""
        return self._terminal if self._link is None else str(self._link)

    @property
    def plugged(self) -> bool:
        """Whether there is something to open."""
        return self._ends is not None

    def start(self) -> Self:
        """Create the terminal and begin to listen. Raises OSError."""
        self._plug()
        self._bell = os.pipe()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"pty {self.name}", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """End the thread, remove the link; harmless twice."""
        if self._thread is None:
            return
        self._order(self._stop)
        self._thread.join()
        self._thread = None
        self._unplug()
        for end in self._bell:
            os.close(end)

    def unplug(self) -> None:
        """Pull the adapter: the link vanishes, whoever has it open gets a hang-up."""
        self._order(self._unplug)

    def replug(self) -> None:
        """A new terminal under the same link; clients have to open it again."""
        self._order(self._plug)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _order(self, what: Callable[[], None]) -> None:
        """Have the line's thread do it, and wait: only that thread may close what it reads from."""
        done = threading.Event()
        failures: list[OSError] = []

        def carry_out() -> None:
            try:
                what()
            except OSError as error:
                failures.append(error)
            done.set()

        self._orders.put(carry_out)
        os.write(self._bell[1], b"!")
        if not done.wait(_PATIENCE_S):
            raise RuntimeError(f"the thread of line {self.name!r} does not react")
        for failure in failures:
            raise failure

    def _stop(self) -> None:
        self._stopping = True

    def _plug(self) -> None:
        if self._ends is not None:
            return
        master, terminal = os.openpty()
        tty.setraw(terminal)
        os.set_blocking(master, False)
        self._ends = master, terminal
        self._terminal = os.ttyname(terminal)
        if self._link is not None:
            try:
                _link(self._link, self._terminal)
            except OSError:
                self._unplug()
                raise

    def _unplug(self) -> None:
        if self._ends is None:
            return
        if self._link is not None and _points_to(self._link, self._terminal):
            self._link.unlink()
        for end in self._ends:
            os.close(end)
        self._ends = None
        self._paced.reset()

    def _run(self) -> None:
        while not self._stopping:
            if self._ends is not None:
                self._work(self._ends[0])
            self._wait()

    def _work(self, master: int) -> None:
        now = time.monotonic_ns()
        self._paced.poke(now)
        for emission in self._paced.due(now):
            self._send(master, emission)

    def _send(self, master: int, emission: Emission) -> None:
        self._paced.sent(emission, time.monotonic_ns())
        try:
            written = os.write(master, emission.piece)
        except BlockingIOError:
            written = 0
        # nobody reads, and the terminal's buffer is full: lost, as in a UART
        self.counters["lost_bytes"] += len(emission.piece) - written

    def _wait(self) -> None:
        """Until something is due, arrives or is ordered."""
        wake_ns = self._paced.wake_ns()
        timeout_s = _NOTICE_S
        if wake_ns is not None:
            left_ns = wake_ns - time.monotonic_ns()
            if left_ns <= _SPIN_NS:
                while time.monotonic_ns() < wake_ns:
                    pass
                return
            timeout_s = min(timeout_s, (left_ns - _SPIN_NS) / 1e9)
        ends = [self._bell[0]]
        if self._ends is not None:
            ends.append(self._ends[0])
        readable, _, _ = select.select(ends, [], [], timeout_s)
        if self._ends is not None and self._ends[0] in readable:
            data = os.read(self._ends[0], _READ_BYTES)
            self._paced.arrive(data, time.monotonic_ns())
        if self._bell[0] in readable:
            os.read(self._bell[0], 1)
            self._orders.get()()


def _link(link: Path, target: str) -> None:
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is there and is no symbolic link")
    # Under its own name first, then moved: whoever looks sees the old link or the new one.
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _points_to(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target
