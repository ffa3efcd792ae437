"""Points, and a way to take readings through their checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import DeviceId, Point, PointId, Quality
from edge.core.units import Unit
from edge.engine.quality import Checks, PointChecks

Reading = float | None | Quality
"""A value that was read, or the quality of a reading without one."""


class Bench:
    """Checks of some points from 0 to 10 m with three decimals."""

    def __init__(self, checks: dict[str, PointChecks], low: float | None, high: float | None):
        points = [
            Point(PointId(name), DeviceId(name.split(".")[0]), Unit.METRE, 3, low, high)
            for name in checks
        ]
        self.checks = Checks(points, {PointId(name): each for name, each in checks.items()})

    def give(
        self, reading: Reading, at_s: float, point: str = "a.x"
    ) -> tuple[float | None, Quality]:
        """One reading."""
        at = Instant(round(at_s * NS_PER_S))
        if isinstance(reading, Quality):
            return self.checks.judge(PointId(point), None, reading, at)
        return self.checks.judge(PointId(point), reading, Quality.GOOD, at)

    def give_all(
        self, readings: list[Reading], period_s: float = 1.0, point: str = "a.x", from_s: float = 0
    ) -> list[Quality]:
        """Readings one period after another; what became of each."""
        return [
            self.give(each, from_s + index * period_s, point)[1]
            for index, each in enumerate(readings)
        ]


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Makes a bench of a point ``a.x`` with these checks, and of others without any."""

    def make(
        *others: str, low: float | None = 0.0, high: float | None = 10.0, **checks: object
    ) -> Bench:
        return Bench(
            {
                "a.x": PointChecks(**checks),  # type: ignore[arg-type]  # any keys of a test
                **{name: PointChecks() for name in others},
            },
            low,
            high,
        )

    return make
