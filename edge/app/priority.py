"""Who goes first on the box, as far as the account may say so (root, or LimitNICE)."""

from __future__ import annotations

import contextlib
import os

_FIRST = -15
_LAST = 5


def go_first() -> None:
    """Run before everything else; without permission, like everything else."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)


def go_last() -> None:
    """Give way, also if the parent did not: a child inherits its parent's place."""
    os.setpriority(os.PRIO_PROCESS, 0, _LAST)
