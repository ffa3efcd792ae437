"""What is checked of a point's readings: the nouns of the configuration, resolved. Pure.

Values are in the stored unit of the point.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.core.model import PointId

JUMP_READINGS = 2
"""So many readings in a row an implausible change is held back; the next one that bears it out is
taken for true. Fewer than LOST_AFTER, so that a real change is never taken for a lost sensor."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A running total: only its increments mean anything. A decrease is a reset, or a roll-over.

    ``rollover``: where it begins at 0 again; None: it never does. A cumulative field N(6,1) of
    SL 651-2014 holds at most 99 999.9 and so rolls over at 100 000.
    """

    rollover: float | None = None


@dataclass(frozen=True, slots=True)
class CurrentLoop:
    """A 4-20 mA loop: the point's values at 4 mA and at 20 mA; 4 and 20 if it is in mA itself."""

    at_4_ma: float
    at_20_ma: float

    def current_ma(self, value: float) -> float:
        """The current behind a value, to a nanoampere."""
        return round(4 + 16 * (value - self.at_4_ma) / (self.at_20_ma - self.at_4_ma), 6)

    def value(self, current_ma: float) -> float:
        """The value that a current means."""
        return self.at_4_ma + (current_ma - 4) / 16 * (self.at_20_ma - self.at_4_ma)


@dataclass(frozen=True, slots=True)
class PointChecks:
    """The checks of one point, beside its range; a check whose key is None is not made.

    ``rate_per_s``: the fastest change that is possible. ``stuck_s``: so long without a change is no
    measurement; with ``peers`` only while these change. ``noise_floor``: changes no larger are
    none. ``drift``, ``drift_s``: the farthest that it may be from the median of itself and its
    ``peers``, and for how long; ``drift_excludes``: its readings are then not compared any more.
    ``saturates``: a reading somewhat above the range still counts. ``stale_s``: without any
    reading for so long it is stale.
    """

    rate_per_s: float | None = None
    stuck_s: float | None = None
    noise_floor: float = 0.0
    peers: tuple[PointId, ...] = ()
    drift: float | None = None
    drift_s: float = 3600.0
    drift_excludes: bool = False
    current: CurrentLoop | None = None
    counter: Counter | None = None
    saturates: bool = False
    stale_s: float | None = None

    @property
    def held_readings(self) -> int:
        """By how many readings a real change may be seen late; see docs/proof.md."""
        held = self.rate_per_s is not None or self.counter is not None
        return JUMP_READINGS if held else 0
