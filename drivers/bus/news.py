"""What a line has to tell: said once when it begins and once when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from drivers.bus.quarantine import Lost
from drivers.bus.strays import Strays
from edge.core.instant import Instant, seconds_between
from edge.core.model import Notice

_log = logging.getLogger("tongluo.bus")

_ECHOES_TOLD = 8

OnNotice = Callable[[int | None, Notice, str], None]
"""Told of an address (None: the whole line, or nobody knows whose), what became of it, details."""


class News:
    """The voice of one line."""

    def __init__(self, line: str, on_notice: OnNotice | None) -> None:
        self._line = line
        self._on_notice = on_notice or (lambda *_: None)
        self._down = False

    def take_over(self, old: News) -> None:
        """Go on telling where another one stopped."""
        self._down = old._down

    def lost(self, unit: int, seen: str) -> None:
        """A device has not answered for so long that it is only probed."""
        self._tell(unit, Notice.LOST, seen)

    def back(self, unit: int, lost: Lost, now: Instant) -> None:
        """It has answered."""
        silent_s = seconds_between(lost.since, now)
        self._tell(unit, Notice.BACK, f"after {silent_s:.1f} s, {lost.probes} probes")

    def babbling(self, strays: Strays) -> None:
        """Somebody speaks unasked."""
        self._tell(strays.unit, Notice.BABBLING, f"{strays.bytes} bytes that nobody asked")

    def quiet(self, strays: Strays) -> None:
        """Nobody does any more."""
        self._tell(strays.unit, Notice.QUIET, "")

    def echoes(self, unit: int, count: int) -> None:
        """A device's questions come back."""
        if count == _ECHOES_TOLD:
            self._tell(unit, Notice.ECHOING, f"{count} questions came back")

    def down(self, reason: str) -> None:
        """The port is gone. Said once until a device has answered again."""
        if not self._down:
            self._down = True
            self._on_notice(None, Notice.DOWN, reason)

    def up(self) -> None:
        """A device has answered."""
        if self._down:
            self._down = False
            self._on_notice(None, Notice.UP, "")

    def _tell(self, unit: int | None, notice: Notice, detail: str) -> None:
        _log.warning("bus=%s unit=%s event=%s detail=%s", self._line, unit, notice.value, detail)
        self._on_notice(unit, notice, detail)
