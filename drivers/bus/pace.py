"""How long a device is waited for: less than its profile allows once it has shown its speed."""

from __future__ import annotations

from collections import deque

# A device is known after this many answers, and judged by the slowest of so many.
_KNOWN_AFTER = 8
_REMEMBERED = 64
# Beyond what the slowest answer took: scheduling on both sides, a busy measurement.
_FACTOR = 4.0
_MARGIN_S = 0.02


class Pace:
    """Turnarounds of one device. The timeout in use is never above the profile's.

    Each silence in a row doubles it, so a device that has become slower is soon met again.
    """

    def __init__(self) -> None:
        self._turnarounds: deque[float] = deque(maxlen=_REMEMBERED)
        self._slowest_s = 0.0

    @property
    def slowest_s(self) -> float | None:
        """The slowest of the last turnarounds; None if the device is not known yet."""
        return self._slowest_s if len(self._turnarounds) >= _KNOWN_AFTER else None

    def answered(self, turnaround_s: float) -> None:
        """Count an answer."""
        turnarounds = self._turnarounds
        full = len(turnarounds) == _REMEMBERED
        leaving = turnarounds[0] if full else 0.0
        turnarounds.append(turnaround_s)
        if turnaround_s >= self._slowest_s:
            self._slowest_s = turnaround_s
        elif full and leaving >= self._slowest_s:
            self._slowest_s = max(turnarounds)

    def timeout_s(self, most_s: float, silences: int) -> float:
        """How long to wait for the first byte, at most ``most_s``."""
        if len(self._turnarounds) < _KNOWN_AFTER:
            return most_s
        return min(most_s, float((_FACTOR * self._slowest_s + _MARGIN_S) * 2**silences))
