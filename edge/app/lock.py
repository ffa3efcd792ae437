"""One process per state directory and role."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge.app.complaint import Complaint


@contextlib.contextmanager
def hold(state: Path, role: str) -> Iterator[None]:
    """Hold the role's lock; the kernel lets go of it whatever ends the process.

    Raises AgentError.
    """
    path = state / f"{role}.lock"
    try:
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Complaint("state-unwritable", path=str(path), reason=error.strerror) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise Complaint("in-use", role=role, pid=owner, state=str(state)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
