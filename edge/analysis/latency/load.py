"""How much of each line's time the classes take. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from edge.analysis.latency.line import Line
from edge.analysis.latency.model import Load, Read


def load(line: Line, ensure_ns: int) -> Load:
    """With every device answering, and every output sounding: asked once per re-assertion."""
    bus = line.bus
    asked = [output.confirm or output.writes[0] for output in bus.outputs if output.writes]
    return Load(
        bus=bus.name,
        act=sum(map(line.cost_ns, asked)) / max(1, ensure_ns),
        watch=sum(_share(line, d.period_ns, (r for r in d.reads if r.watch)) for d in bus.devices),
        log=sum(
            _share(line, d.period_ns, (r for r in d.reads if not r.watch)) for d in bus.devices
        ),
    )


def _share(line: Line, period_ns: int, reads: Iterable[Read]) -> float:
    return sum(line.cost_ns(read.exchange) for read in reads) / period_ns
