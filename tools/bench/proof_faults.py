"""Faults put into the proof at run time, to see that the campaign finds them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

from edge.analysis.latency.line import Line


@contextlib.contextmanager
def _without_blocking() -> Iterator[None]:
    """Forget that an attempt which has begun is never broken off."""
    with (
        mock.patch.object(Line, "blockers", ()),
        mock.patch.object(Line, "probes", {}),
    ):
        yield


FAULTS = {"blocking": _without_blocking}


@contextlib.contextmanager
def seeded(fault: str | None) -> Iterator[None]:
    """With this fault in the proof; None: as it is."""
    with contextlib.nullcontext() if fault is None else FAULTS[fault]():
        yield
