"""Current bands of a 4-20 mA loop, NAMUR NE 43: measurement, undefined, failure. Pure."""

from __future__ import annotations

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import Quality
from edge.engine.quality.point_checks import CurrentLoop

RANGE_MA = (3.8, 20.5)
"""Both included: what a transmitter gives for a measurement, saturated ones as well."""
FAULT_MA = (3.6, 21.0)
"""Up to the first and from the second on: the transmitter or the loop has failed."""
FAULT_NS = 4 * NS_PER_S
"""A failure current counts once it has lasted this long."""


class LoopBands:
    """Says of each value which band its current is in, and keeps the last measured one.

    ``saturates``: above the measuring range, and below a failure, is a measurement too.
    """

    __slots__ = ("_failed", "_held", "_high", "_loop", "_low", "_saturates", "_since")

    def __init__(self, loop: CurrentLoop, *, saturates: bool) -> None:
        self._loop = loop
        self._low, self._high = sorted((loop.at_4_ma, loop.at_20_ma))
        self._saturates = saturates
        self._held: float | None = None
        self._since: Instant | None = None
        self._failed = False

    def step(self, value: float, at: Instant) -> tuple[float | None, Quality]:
        """The value and GOOD, or the last measured value and UNCERTAIN, or FAULT_CURRENT.

        A failure ends only in the measuring range.
        """
        if self._low <= value <= self._high or self._measures(value):
            self._held, self._since, self._failed = value, None, False
            return value, Quality.GOOD
        if self._fails(value):
            if self._since is None:
                self._since = at
            self._failed = at - self._since >= FAULT_NS
        elif not self._failed:
            self._since = None
        if self._failed:
            return value, Quality.FAULT_CURRENT
        return self._held, Quality.UNCERTAIN

    def _measures(self, value: float) -> bool:
        current_ma = self._loop.current_ma(value)
        if self._saturates and current_ma > RANGE_MA[1]:
            return current_ma < FAULT_MA[1]
        return RANGE_MA[0] <= current_ma <= RANGE_MA[1]

    def _fails(self, value: float) -> bool:
        current_ma = self._loop.current_ma(value)
        return current_ma <= FAULT_MA[0] or current_ma >= FAULT_MA[1]
