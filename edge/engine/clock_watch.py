"""Notices steps of the wall clock: against monotonic time, which only goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge.core.instant import NS_PER_MS, ClockQuality, Instant, Utc

_STEP_MS: Final = 1000
# As fast as NTP slews a clock (500 ppm, RFC 5905): slower is no step, however long it goes on.
_SLEW: Final = 500e-6


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The wall clock was set, or is believed otherwise. ``step_ms`` is 0 if only the latter."""

    step_ms: int
    before_ms: int
    after: Utc
    was: ClockQuality

    def body(self) -> dict[str, object]:
        """For the record."""
        return {
            "step_ms": self.step_ms,
            "before_ms": self.before_ms,
            "after_ms": self.after.ms,
            "was": self.was.value,
            "quality": self.after.quality.value,
        }


class ClockWatch:
    """Look often: a step is seen at the first look after it."""

    def __init__(self, now: Instant, utc: Utc) -> None:
        self._seen = now
        self._quality = utc.quality
        # wall time at monotonic zero, as the clock is followed
        self._offset_ms = utc.ms - now / NS_PER_MS

    def look(self, now: Instant, utc: Utc) -> ClockChange | None:
        """Compare the clocks; what has changed since the last look, if anything did."""
        passed_ms = (now - self._seen) / NS_PER_MS
        self._seen = now
        offset_ms = utc.ms - now / NS_PER_MS
        apart_ms = offset_ms - self._offset_ms
        was, self._quality = self._quality, utc.quality
        if abs(apart_ms) > _STEP_MS + passed_ms * _SLEW:
            self._offset_ms = offset_ms
            step_ms = round(apart_ms)
            return ClockChange(step_ms, utc.ms - step_ms, utc, was)
        slew_ms = passed_ms * _SLEW
        self._offset_ms += min(max(apart_ms, -slew_ms), slew_ms)
        if was is not utc.quality:
            return ClockChange(0, utc.ms, utc, was)
        return None
