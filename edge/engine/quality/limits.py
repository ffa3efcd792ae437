"""The physical range: what a sensor can report at all. Pure."""

from __future__ import annotations

import sys
from dataclasses import replace

from edge.core.model import Point, Quality, Sample
from edge.engine.quality.point_checks import PointChecks

_HIGHEST = sys.float_info.max
_LOWEST = -_HIGHEST
_SATURATION = 0.05
"""Part of the range above its upper end that a saturating sensor may report: an alarm for gas must
not end where its range does (domain.md 2.5; margin as in trust.md 4.3, "range")."""


def limits(point: Point, checks: PointChecks) -> tuple[float, float]:
    """The lowest and the highest valid value, both finite; each is itself valid.

    The bands of a current loop say more than a range that is as wide as 4 to 20 mA: it does not
    limit then, because the measuring range of NE 43 is wider.
    """
    low = _LOWEST if point.low is None else point.low
    high = _HIGHEST if point.high is None else point.high
    loop = checks.current
    if loop is not None:
        bottom, top = sorted((loop.at_4_ma, loop.at_20_ma))
        low = _LOWEST if low <= bottom else low
        high = _HIGHEST if high >= top else high
    elif checks.saturates and point.low is not None and point.high is not None:
        high += _SATURATION * (point.high - point.low)
    return low, high


def judge(sample: Sample, point: Point) -> Sample:
    """The sample with its final quality: a value outside the physically valid range is no reading.

    Both ends of the range are valid: a sensor that saturates at its end still alarms.
    """
    if sample.quality is not Quality.GOOD:
        return sample
    value = sample.value
    if value is None:
        return replace(sample, quality=Quality.GARBLED)
    if (point.low is not None and value < point.low) or (
        point.high is not None and value > point.high
    ):
        return replace(sample, quality=Quality.OUT_OF_RANGE)
    return sample
