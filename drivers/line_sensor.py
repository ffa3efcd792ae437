"""A sensor that sends lines of text on its own serial line, described by a profile."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import re
from collections.abc import Callable

from drivers.bus.connection import Connection
from drivers.bus.port import Opener
from drivers.profile import LineProfile
from edge.core.instant import Clock, Instant, Timer, after
from edge.core.model import DeviceId, Point, Quality, Sample
from protocols.framing import LineFramer, strip_nmea_checksum
from protocols.registers import engineering

_log = logging.getLogger("tongluo.line")


class LineSensor:
    """Hears one text sensor.

    Satisfies Trigger; a device that wants to be asked is asked every period.
    """

    def __init__(
        self,
        name: str,
        profile: LineProfile,
        points: tuple[Point, ...],
        opener: Opener,
        clock: Clock,
        *,
        period_s: float | None,
        silence_s: float,
    ) -> None:
        framing = profile.framing
        self.id = DeviceId(name)
        self.points = points
        self.discarded_lines = 0
        self._profile = profile
        self._pattern = re.compile(framing.pattern)
        self._framer = LineFramer(framing.terminator.encode(framing.encoding), framing.max_length)
        self._poll = framing.poll.encode(framing.encoding) if framing.poll else b""
        self._period_s = period_s
        self._silence_s = silence_s
        self._clock = clock
        self._connection = Connection(name, opener, clock, self._on_bytes, self._on_change)
        self._heard: Callable[[tuple[Sample, ...]], None] | None = None
        self._seq = itertools.count(1)
        self._silence: Timer | None = None
        self._next_poll: Timer | None = None
        self._poll_at = Instant(0)
        self._silent_at: Instant | None = None
        self._awaiting = False
        self._cut = False

    def take_over(self, old: LineSensor) -> None:
        """Go on where the same sensor was heard before; call it before ``listen``.

        It is not given more time to be silent than it had.
        """
        self.discarded_lines = old.discarded_lines
        if self._silence_s == old._silence_s:
            self._silent_at = old._silent_at
        if self._period_s == old._period_s and old._poll_at > self._clock.now():
            self._poll_at = old._poll_at
        self._connection.losses = old._connection.losses
        self._cut = old._framer.waiting > 0

    def listen(self, heard: Callable[[tuple[Sample, ...]], None]) -> None:
        """Open the line and report from now on. See Trigger.listen."""
        self._heard = heard
        self._expect(self._silent_at)
        self._connection.start()
        if self._poll and self._period_s:
            self._poll_at = max(self._poll_at, self._clock.now())
            self._next_poll = self._clock.call_at(self._poll_at, self._ask)

    def stop(self) -> None:
        """Close the line; nothing is reported any more."""
        self._heard = None
        for timer in (self._silence, self._next_poll):
            if timer is not None:
                timer.cancel()
        self._connection.stop()

    @property
    def at_rest(self) -> bool:
        """Whether no line of text is awaited, or has come only in part."""
        return self._framer.waiting == 0 and not self._awaiting

    @property
    def up(self) -> bool:
        """Whether the line is open."""
        return self._connection.up

    def _ask(self) -> None:
        with contextlib.suppress(OSError):
            # a lost line is reopened and said by its connection; the silence limit makes samples of
            # it
            self._connection.write(self._poll)
            self._awaiting = True
        self._poll_at = after(self._poll_at, seconds=self._period_s or 0.0)
        self._next_poll = self._clock.call_at(self._poll_at, self._ask)

    def _on_bytes(self, data: bytes) -> None:
        at = self._clock.now()
        self._connection.confirm()
        for line in self._framer.feed(data):
            self._awaiting = False
            if self._cut:
                # the end of a line whose beginning somebody else has heard
                self._cut = False
                self.discarded_lines += 1
                continue
            self._on_line(line, at)

    def _on_line(self, line: bytes, at: Instant) -> None:
        """One whole line; what does not fit the pattern is counted, and silence does the rest."""
        if self._profile.framing.checksum == "xor_hex":
            stripped = strip_nmea_checksum(line)
            if stripped is None:
                self.discarded_lines += 1
                return
            line = stripped
        text = line.decode(self._profile.framing.encoding, errors="replace")
        match = self._pattern.fullmatch(text.strip())
        if match is None:
            self.discarded_lines += 1
            return
        self._expect()
        self._report(tuple(self._reading(point, match.groupdict()) for point in self.points), at)

    def _reading(self, point: Point, found: dict[str, str]) -> tuple[Point, float | None, Quality]:
        name = point.id.split(".", 1)[1]
        spot = self._profile.points[name]
        text = found.get(name)
        try:
            number = float(text) if text is not None else None
        except ValueError:
            number = None
        if number is None or not math.isfinite(number):
            return point, None, Quality.GARBLED
        return point, engineering(number, spot.scale, spot.offset, spot.decimals), Quality.GOOD

    def _report(
        self, readings: tuple[tuple[Point, float | None, Quality], ...], at: Instant
    ) -> None:
        if self._heard is None:
            return
        utc, seq = self._clock.utc(), next(self._seq)
        self._heard(
            tuple(
                Sample(point.id, value, point.unit, quality, at, utc, seq)
                for point, value, quality in readings
            )
        )

    def _expect(self, until: Instant | None = None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silent_at = until or after(self._clock.now(), seconds=self._silence_s)
        self._silence = self._clock.call_at(self._silent_at, self._fell_silent)

    def _fell_silent(self) -> None:
        self._silence = None
        quality = Quality.STALE if self._connection.up else Quality.ABSENT
        at = self._clock.now()
        self._report(tuple((point, None, quality) for point in self.points), at)
        self._expect()

    def _on_change(self, up: bool) -> None:
        self._framer.feed(b"" if up else self._profile.framing.terminator.encode())
