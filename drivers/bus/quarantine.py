"""Which devices of a line are silent for good, and when they may be asked again. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge.core.instant import NS_PER_S, Instant, after

GIVE_UP = 3
"""Silent attempts in a row after which a device is lost."""
# Something comes, but never an answer: noise and double addresses may pass.
_GIVE_UP_GARBLED = 10
PROBE_SHARE = 0.05
"""Of the line's time, for the probes of all lost devices together."""
PROBE_LEAST_S = 1.0
"""Between two probes at least."""


@dataclass(slots=True)
class Lost:
    """A device that is only probed: since when, and how often that was in vain."""

    since: Instant
    probes: int = 0


class Quarantine:
    """Counts silence by address, names what is lost, and gives out probes round robin."""

    def __init__(self) -> None:
        self.lost: dict[int, Lost] = {}
        self._silent: dict[int, int] = {}
        self._garbled: dict[int, int] = {}
        self._next = Instant(0)

    def take_over(self, old: Quarantine, units: Collection[int]) -> None:
        """Go on with what another one knew of these units."""
        self.lost = {unit: lost for unit, lost in old.lost.items() if unit in units}
        self._silent = {unit: count for unit, count in old._silent.items() if unit in units}
        self._garbled = {unit: count for unit, count in old._garbled.items() if unit in units}
        self._next = old._next

    def silence(self, unit: int) -> int:
        """Silent attempts in a row."""
        return self._silent.get(unit, 0)

    def unheard(self, unit: int, now: Instant, *, silent: bool) -> bool:
        """An attempt was in vain. True if the device is lost by this."""
        counts, most = (self._silent, GIVE_UP) if silent else (self._garbled, _GIVE_UP_GARBLED)
        counts[unit] = counts.get(unit, 0) + 1
        if unit in self.lost or counts[unit] < most:
            return False
        self.condemn(unit, now)
        return True

    def heard(self, unit: int) -> bool:
        """The device has answered, whatever it said. True if it was lost until now."""
        if self._silent:
            self._silent.pop(unit, None)
        if self._garbled:
            self._garbled.pop(unit, None)
        return bool(self.lost) and self.lost.pop(unit, None) is not None

    def condemn(self, unit: int, now: Instant) -> None:
        """Take a device for lost."""
        if not self.lost:
            self._next = after(now, seconds=PROBE_LEAST_S)
        self.lost.setdefault(unit, Lost(now))

    def due(self) -> Instant | None:
        """When the next probe may begin; None if nothing is lost."""
        return self._next if self.lost else None

    def probe(self, now: Instant, slices_ns: dict[int, int]) -> int | None:
        """Whom to probe now: who was probed least. ``slices_ns``: what a vain probe costs, by unit.

        The next one is due when this one's share of the line has passed.
        """
        candidates = [unit for unit in self.lost if unit in slices_ns]
        if not candidates:
            self._next = after(now, seconds=PROBE_LEAST_S)
            return None
        unit = min(candidates, key=lambda each: self.lost[each].probes)
        self.lost[unit].probes += 1
        pause = max(round(slices_ns[unit] / PROBE_SHARE), round(PROBE_LEAST_S * NS_PER_S))
        self._next = Instant(now + pause)
        return unit
