"""Ending with the process that started this one, so that no simulated device outlives its test."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_LOOK_EVERY_S = 0.2


def when_input_ends(then: Callable[[], object]) -> None:
    """Call once, from a thread, when standard input is closed at its other end."""

    def read_to_end() -> None:
        while os.read(0, 4096):
            pass
        then()

    threading.Thread(target=read_to_end, name="parent", daemon=True).start()


def exit_with_parent() -> None:
    """End this process, whatever it is doing, soon after its parent has gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
