"""Judges a reading before any rule sees it. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge.core.model import Point, Quality, Sample


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
