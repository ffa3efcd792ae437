"""The narrow seam under a line: bytes out, bytes in, lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

OnBytes = Callable[[bytes], None]
OnLost = Callable[[Exception | None], None]


class Port(Protocol):
    """An open way to the wire. Implementations: serial, TCP, and in memory for virtual time."""

    def write(self, data: bytes) -> None:
        """Send now, whole. Raises OSError if the way is gone; never waits."""
        ...

    def close(self) -> None:
        """Stop calling back and release the device; harmless twice."""
        ...


Opener = Callable[[OnBytes, OnLost], Port]
"""Opens a port.

Raises OSError if it is not there. ``on_lost`` is called at most once, never after close.
"""
