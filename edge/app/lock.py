"""One process per state directory and role."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge.core.errors import AgentError


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
        raise AgentError(
            f"{path}: {error.strerror}", hint="choose a writable --state directory"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise AgentError(
                f"another {role} process (pid {owner}) already uses {state}",
                hint="stop it first, or choose another --state directory",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
