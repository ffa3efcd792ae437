"""Pseudo-terminals wired to each other: what one client writes, the others read."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from collections.abc import Iterator

_READ_BYTES = 4096


@contextlib.contextmanager
def linked_ptys(count: int = 2) -> Iterator[tuple[str, ...]]:
    """Paths of ``count`` terminals on one bus: every byte is repeated to all the others, unpaced.

    Two for a master and a slave program; more for a multi-drop line, where slaves hear each other.
    """
    with contextlib.ExitStack() as stack:
        masters: list[int] = []
        paths: list[str] = []
        for _ in range(count):
            master, terminal = os.openpty()
            # The terminal stays open here, so that clients may come and go.
            stack.callback(os.close, terminal)
            stack.callback(os.close, master)
            tty.setraw(terminal)
            os.set_blocking(master, False)
            masters.append(master)
            paths.append(os.ttyname(terminal))
        stop_read, stop_write = os.pipe()
        stack.callback(os.close, stop_read)
        pump = threading.Thread(target=_pump, args=(masters, stop_read), daemon=True)
        pump.start()
        # Closing the writing end ends the pump; run before anything it uses is closed.
        stack.callback(pump.join)
        stack.callback(os.close, stop_write)
        yield tuple(paths)


def _pump(masters: list[int], stop: int) -> None:
    while True:
        readable, _, _ = select.select([*masters, stop], [], [])
        if stop in readable:
            return
        for source in readable:
            data = os.read(source, _READ_BYTES)
            for sink in masters:
                if sink != source:
                    # a terminal that nobody reads is full: lost, as in a UART
                    with contextlib.suppress(BlockingIOError):
                        os.write(sink, data)
