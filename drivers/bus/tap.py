"""An ear on a port: every frame that goes either way, after it has done its work."""

from __future__ import annotations

from collections.abc import Callable

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.core.instant import Clock, Instant

Tap = Callable[[Instant, bool, bytes], None]
"""When, whether this box sent it, and the bytes. Must not wait."""


def tapped(opener: Opener, clock: Clock, tap: Tap) -> Opener:
    """The opener, with an ear on its port.

    What an answer causes has left before it is told of, so tapping delays no alarm; the order in
    which frames are told may therefore differ from that of their instants.
    """

    def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        def heard(data: bytes) -> None:
            at = clock.now()
            on_bytes(data)
            tap(at, False, data)

        return _TappedPort(opener(heard, on_lost), clock, tap)

    return open_port


class _TappedPort:
    """Satisfies Port."""

    __slots__ = ("_clock", "_port", "_tap")

    def __init__(self, port: Port, clock: Clock, tap: Tap) -> None:
        self._port = port
        self._clock = clock
        self._tap = tap

    def write(self, data: bytes) -> None:
        """See Port.write. What could not be written was not sent."""
        self._port.write(data)
        self._tap(self._clock.now(), True, data)

    def close(self) -> None:
        """See Port.close."""
        self._port.close()
