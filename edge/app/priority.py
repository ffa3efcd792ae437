"""Who goes first on the box, as far as the account may say so (root, or LimitNICE)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FIRST = -15
_LAST = 5
# The kernel may let a timer wait this long to wake for several at once; its default of 50 us is
# 1 % of the silence between two frames.
_TIMER_SLACK_NS = b"1000"


def go_first() -> None:
    """Run before everything else; without permission, like everything else."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_bytes(_TIMER_SLACK_NS)


def go_last() -> None:
    """Give way, also if the parent did not: a child inherits its parent's place."""
    os.setpriority(os.PRIO_PROCESS, 0, _LAST)
