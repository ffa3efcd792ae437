"""Stuck: a sensor that has noise, or whose peers change, and that says the same again. Pure."""

from __future__ import annotations

from edge.core.instant import NS_PER_S, Instant

# An interval between readings longer than this part of stuck_s is an outage, and does not count.
_OUTAGE_PART = 5


class StuckCheck:
    """Counts the time without a change larger than the noise floor.

    Never stuck: at the upper end of the range, where a saturated sensor rests; and, with a noise
    floor and without peers, at zero (no farther from it than the floor). With peers: only once
    their median has changed by more than ``drift`` meanwhile.
    """

    __slots__ = (
        "_at",
        "_drift",
        "_floor",
        "_peers_high",
        "_peers_low",
        "_quiet_ns",
        "_rest",
        "_stuck_ns",
        "_top",
        "_value",
    )

    def __init__(self, stuck_s: float, floor: float, top: float, drift: float | None) -> None:
        """``top``: the upper end of the range. ``drift`` None: there are no peers."""
        self._stuck_ns = round(stuck_s * NS_PER_S)
        self._floor = floor
        self._top = top
        self._drift = drift
        self._rest = floor if floor > 0 and drift is None else -1.0
        self._value: float | None = None
        self._at = Instant(0)
        self._quiet_ns = 0
        self._peers_low: float | None = None
        self._peers_high: float | None = None

    def step(self, value: float, at: Instant, peers: float | None) -> bool:
        """Whether the sensor is stuck. ``peers``: their median, None if none is good."""
        last = self._value
        if last is None or abs(value - last) > self._floor:
            self._value, self._quiet_ns = value, 0
            self._peers_low = self._peers_high = peers
        else:
            interval_ns = at - self._at
            if interval_ns * _OUTAGE_PART <= self._stuck_ns:
                self._quiet_ns += interval_ns
            self._note_peers(peers)
        self._at = at
        if self._quiet_ns < self._stuck_ns or value >= self._top or abs(value) <= self._rest:
            return False
        return self._drift is None or self._peers_moved(self._drift)

    def _note_peers(self, peers: float | None) -> None:
        low, high = self._peers_low, self._peers_high
        if peers is None:
            return
        self._peers_low = peers if low is None else min(low, peers)
        self._peers_high = peers if high is None else max(high, peers)

    def _peers_moved(self, drift: float) -> bool:
        low, high = self._peers_low, self._peers_high
        return low is not None and high is not None and high - low > drift
