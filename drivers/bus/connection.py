"""Keeps a port open: reopens a lost one with back-off, and says so once each way."""

from __future__ import annotations

import logging
from collections.abc import Callable

from drivers.bus.port import OnBytes, Opener, Port
from edge.core.instant import Clock, Timer, after

_log = logging.getLogger("tongluo.bus")

# A pulled adapter is back within seconds of being plugged in again; trying is one failed open.
_FIRST_RETRY_S = 0.2
_MOST_RETRY_S = 2.0


class Connection:
    """One port under one owner. ``start`` opens it, ``stop`` closes it for good."""

    def __init__(
        self,
        name: str,
        opener: Opener,
        clock: Clock,
        on_bytes: OnBytes,
        on_change: Callable[[bool], None],
    ) -> None:
        self.name = name
        self.up = False
        self.losses = 0
        self.reason = "not opened yet"
        self._opener = opener
        self._clock = clock
        self._on_bytes = on_bytes
        self._on_change = on_change
        self._port: Port | None = None
        self._timer: Timer | None = None
        self._delay_s = _FIRST_RETRY_S
        self._said_reason = ""

    def start(self) -> None:
        """Open now; if that fails, keep trying."""
        self._open()

    def stop(self) -> None:
        """Close and stay closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        port, self._port = self._port, None
        self.up = False
        if port is not None:
            port.close()

    def write(self, data: bytes) -> None:
        """Send now.

        Raises OSError if there is no port; a port that fails is given up and reopened.
        """
        if self._port is None:
            raise OSError(self.reason)
        try:
            self._port.write(data)
        except OSError as error:
            self._drop(error)
            raise

    def restart(self, reason: str) -> None:
        """Give the port up and open it anew: its stream can no longer be trusted."""
        if self._port is not None:
            self._drop(OSError(reason))

    def _open(self) -> None:
        self._timer = None
        try:
            self._port = self._opener(self._on_bytes, self._drop)
        except OSError as error:
            self.reason = str(error)
            self._retry()
            return
        self.up = True
        self.reason = ""
        self._on_change(True)

    def confirm(self) -> None:
        """The far end has answered: the next loss starts with a short back-off again."""
        self._delay_s = _FIRST_RETRY_S
        if self._said_reason:
            self._said_reason = ""
            _log.warning("bus=%s state=up losses=%d", self.name, self.losses)

    def _drop(self, error: Exception | None) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        port.close()
        self.up = False
        self.losses += 1
        self.reason = str(error) if error else "the other end hung up"
        self._retry()
        self._on_change(False)

    def _retry(self) -> None:
        if self.reason != self._said_reason:
            self._said_reason = self.reason
            _log.error("bus=%s state=down reason=%s", self.name, self.reason)
        self._timer = self._clock.call_at(
            after(self._clock.now(), seconds=self._delay_s), self._open
        )
        self._delay_s = min(self._delay_s * 2, _MOST_RETRY_S)
