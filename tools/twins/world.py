"""What the simulated devices measure: named signals over monotonic time, constant or on a ramp."""

from __future__ import annotations

import bisect
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

NS_PER_S = 1_000_000_000

# Signal -> value when the world begins; the unit is in the comment.
START: dict[str, float] = {
    "rain.intensity": 0.0,  # mm/h
    "river.level": 0.80,  # m above the station's zero
    "gas.h2s": 0.0,  # ppm
    "gas.co": 0.0,  # ppm
    "gas.lel": 0.0,  # %LEL
    "gas.o2": 20.9,  # %vol
    "tilt.roll": 0.0,  # degrees
    "tilt.pitch": 0.0,  # degrees
    "tilt.yaw": 0.0,  # degrees
    "weather.temperature": 18.0,  # degrees Celsius
    "weather.humidity": 65.0,  # %
    "weather.pressure": 95.0,  # kPa
    "weather.wind_speed": 1.2,  # m/s
    "weather.wind_direction": 90.0,  # degrees, north 0, clockwise
    "power.mains": 1.0,  # 1 on, 0 off
    "power.pv_voltage": 18.0,  # V
    "power.pv_current": 1.5,  # A
    "power.battery_voltage": 12.9,  # V
    "power.battery_soc": 90.0,  # %
    "power.load_current": 0.4,  # A
    "button.pressed": 0.0,  # 1 pressed
    "door.open": 0.0,  # 1 open
    "amplifier.fault": 0.0,  # 1 the amplifier has failed
    "amplifier.line": 1.0,  # 1 loudspeaker line intact, 0 broken
}


@dataclass(frozen=True, slots=True)
class _Segment:
    """From ``start`` a straight line to ``end_value`` at ``end``, constant after that; ns."""

    start: int
    start_value: float
    end: int
    end_value: float
    area: float
    """Integral of the signal from the world's beginning to ``start``, value x seconds."""

    def value(self, at: int) -> float:
        if at >= self.end:
            return self.end_value
        share = (at - self.start) / (self.end - self.start)
        return self.start_value + (self.end_value - self.start_value) * share

    def area_to(self, at: int) -> float:
        turn = min(at, self.end)
        ramp = (self.start_value + self.value(turn)) / 2 * (turn - self.start)
        level = self.end_value * max(0, at - self.end)
        return self.area + (ramp + level) / NS_PER_S


class World:
    """Signals by name. A value of NaN means the sensing element is broken.

    ``now`` gives monotonic ns; with a virtual clock the whole world is virtual. Safe to use from
    several threads.
    """

    def __init__(
        self,
        now: Callable[[], int] = time.monotonic_ns,
        values: Mapping[str, float] | None = None,
    ) -> None:
        self.now = now
        self._lock = threading.Lock()
        start = now()
        begin = START | dict(values or {})
        self._signals = {
            name: [_Segment(start, value, start, value, 0.0)] for name, value in begin.items()
        }

    def set(self, name: str, value: float) -> None:
        """Jump to this value. Raises KeyError if there is no such signal."""
        self.ramp(name, value, 0.0)

    def ramp(self, name: str, to: float, seconds: float) -> None:
        """Move evenly from the present value to this one. Raises KeyError."""
        with self._lock:
            segments = self._signals[name]
            now = self.now()
            last = segments[-1]
            area = last.area_to(now)
            # a broken element leaves the integral where it was
            area = last.area if math.isnan(area) else area
            present = last.value(now)
            begin = to if seconds <= 0 or math.isnan(present) else present
            end = now + round(max(seconds, 0.0) * NS_PER_S)
            segments.append(_Segment(now, begin, end, to, area))

    def value(self, name: str) -> float:
        """The present value. Raises KeyError."""
        return self._signals[name][-1].value(self.now())

    def is_on(self, name: str) -> bool:
        """Whether a two-valued signal is on."""
        return self.value(name) >= 0.5

    def area(self, name: str, at_ns: int | None = None) -> float:
        """Integral from the world's beginning until ``at_ns`` (now), value x seconds.

        Of rain intensity in mm/h this is 3600 times the rain in mm. Raises KeyError.
        """
        at = self.now() if at_ns is None else at_ns
        with self._lock:
            segments = self._signals[name]
            index = bisect.bisect_right(segments, at, key=lambda segment: segment.start)
            area = 0.0 if index == 0 else segments[index - 1].area_to(at)
            return segments[index - 1].area if math.isnan(area) else area

    def snapshot(self) -> dict[str, float | None]:
        """All present values; None for broken elements (JSON has no NaN)."""
        values = {name: self.value(name) for name in sorted(self._signals)}
        return {name: None if math.isnan(value) else value for name, value in values.items()}


class ChangeLog:
    """The last changes of a device's outputs, each with its monotonic time."""

    def __init__(self, now: Callable[[], int], most: int = 1000) -> None:
        self._now = now
        self._changes: deque[tuple[int, str, int]] = deque(maxlen=most)

    def add(self, name: str, value: int) -> None:
        """Something is this value from now on."""
        self._changes.append((self._now(), name, value))

    def __iter__(self) -> Iterator[tuple[int, str, int]]:
        return iter(tuple(self._changes))

    def as_json(self) -> list[dict[str, object]]:
        """Oldest first: ``{"at_ns", "name", "value"}``."""
        return [{"at_ns": at, "name": name, "value": value} for at, name, value in self]
