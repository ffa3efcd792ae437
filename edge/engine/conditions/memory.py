"""The bound on the memory of a rule set, which the site file alone decides. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.engine.conditions.build import Builder
from edge.engine.conditions.rulings import Ruling

# Objects with all that hangs on them, on CPython 3.11 to 3.13, rounded up; tests hold them against
# what is measured.
_SET_BYTES = 6_000
_TRACK_BYTES = 1_800
_NODE_BYTES = 900
_RULING_BYTES = 900
_RUNG_BYTES = 300
_REFERENCE_BYTES = 9


def memory_bytes(built: Builder, rulings: Sequence[Ruling]) -> int:
    """The most that the state of all rules ever takes: every window full, no bin empty."""
    windows = sum(window.bytes_most() + _NODE_BYTES for window in built.windows.values())
    tracks = built.tracks.values()
    references = sum(len(each.nodes) + 3 * len(each.windows) for each in tracks)
    references += sum(len(ruling.tracks) * (len(ruling.rungs) + 1) for ruling in rulings)
    rungs = sum(len(ruling.rungs) for ruling in rulings)
    return (
        _SET_BYTES
        + windows
        + _TRACK_BYTES * len(built.tracks)
        + _NODE_BYTES * len(built.order)
        + _RULING_BYTES * len(rulings)
        + _RUNG_BYTES * rungs
        + _REFERENCE_BYTES * references
    )
