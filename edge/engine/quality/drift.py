"""Drift: a sensor that has been far from what its peers say for long. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.core.instant import NS_PER_S, Instant


def median(values: Sequence[float]) -> float | None:
    """The middle one, or the mean of the middle two; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else ordered[half - 1] / 2 + ordered[half] / 2


def reference(value: float, peers: Sequence[float]) -> float | None:
    """What a value is compared with: the median of it and its peers; a single peer itself.

    Its own value is part of the median so that one of three that drifts takes no other along. None
    without peers.
    """
    if len(peers) < 2:
        return peers[0] if peers else None
    return median((value, *peers))


class DriftCheck:
    """Says since when a point has been farther than ``drift`` from its peers, if for ``drift_s``.

    It ends with the first reading that is no farther. Without a good peer nothing changes.
    """

    __slots__ = ("_drift", "_drift_ns", "_since", "drifting")

    def __init__(self, drift: float, drift_s: float) -> None:
        self._drift = drift
        self._drift_ns = round(drift_s * NS_PER_S)
        self._since: Instant | None = None
        self.drifting = False

    def step(self, value: float, at: Instant, peers: Sequence[float]) -> bool:
        """Whether the point drifts. ``peers``: the last values of those that are good."""
        middle = reference(value, peers)
        if middle is None:
            return self.drifting
        if abs(value - middle) <= self._drift:
            self._since, self.drifting = None, False
        else:
            if self._since is None:
                self._since = at
            self.drifting = self.drifting or at - self._since >= self._drift_ns
        return self.drifting
