"""A descriptor as a port: what serial lines and TCP connections have in common."""

from __future__ import annotations

import asyncio
import contextlib
import os

from drivers.bus.port import OnBytes, OnLost

_READ_BYTES = 4096


class StreamPort:
    """Owns an open, non-blocking descriptor on the event loop, read without threads.

    Not reopened by itself: a lost port stays lost. Nothing is read before ``_listen``.
    """

    def __init__(self, fd: int, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self._fd = fd
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        """Send now. Raises OSError if the way is gone or cannot take a whole frame."""
        if self._fd < 0:
            raise OSError("port is closed")
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes were taken")

    def close(self) -> None:
        """Stop calling back and release the device; harmless twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        with contextlib.suppress(OSError):
            os.close(fd)

    def _listen(self) -> None:
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._on_bytes(data)
        else:
            # readable without bytes: the adapter was pulled, or the peer closed
            self._lost(None)

    def _lost(self, error: Exception | None) -> None:
        self.close()
        self._on_lost(error)
