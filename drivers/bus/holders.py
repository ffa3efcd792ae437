"""Who has a port open, as far as this account may see (proc(5))."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

# "1: FLOCK  ADVISORY  WRITE 812 00:06:93 0 EOF": pid, then device and inode of the locked file
_LOCK = re.compile(r"\d+: FLOCK\s+\S+\s+\S+\s+(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")
PROC = Path("/proc")


def lock_holder(port: str, proc: Path = PROC) -> str:
    """The program that has locked the port, with its pid; empty if that cannot be seen.

    Quick: one small file that every account may read.
    """
    try:
        found = Path(port).stat()
        locks = (proc / "locks").read_text("ascii", errors="replace")
    except OSError:
        return ""
    locked = os.major(found.st_dev), os.minor(found.st_dev), found.st_ino
    for pid, major, minor, inode in _LOCK.findall(locks):
        if (int(major, 16), int(minor, 16), int(inode)) == locked:
            return _program(proc / pid)
    return ""


def list_holders(port: str, proc: Path = PROC) -> list[str]:
    """Every program that has the port open: those that may be looked into, and who locked it.

    Looks through all descriptors of all processes: for a person who waits, not for the agent.
    """
    holders = {lock_holder(port, proc)}
    device = _device(Path(port))
    if device is None:
        return []
    for process in proc.glob("[0-9]*"):
        if _has_open(process, device):
            holders.add(_program(process))
    return sorted(holders - {""})


def _has_open(process: Path, device: int) -> bool:
    try:
        return any(_device(each) == device for each in (process / "fd").iterdir())
    except OSError:
        # another account's process, or one that has ended
        return False


def _device(file: Path) -> int | None:
    """The number of a character device; None for anything else, or if it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_rdev if stat.S_ISCHR(found.st_mode) else None


def _program(process: Path) -> str:
    try:
        name = (process / "comm").read_text("utf-8", errors="replace").strip()
    except OSError:
        name = "?"
    return f"{name} (pid {process.name})"
