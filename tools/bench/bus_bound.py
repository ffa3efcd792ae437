"""The proven bound of a command's wait for its line, from the site file the agent is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge.analysis.latency import prove
from edge.analysis.latency.model import Bus, Device, Exchange, Read, Rule
from edge.app.config import load_site
from edge.app.proof import system_of

_NS_PER_MS = 1_000_000
_PERIOD_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WriteBound:
    """From an order to its first byte, in ms: waiting for the line, and the compute allowance."""

    line_ms: float
    compute_ms: float

    @property
    def ms(self) -> float:
        """Both."""
        return self.line_ms + self.compute_ms


def write_bound(site_file: Path) -> WriteBound:
    """The bound of the only output of a site, ordered at any instant.

    That is what the proof says of a rule whose sensor is on another line: here one that takes no
    time to read.
    """
    system = system_of(load_site(site_file))
    (output,) = (output for bus in system.buses for output in bus.outputs)
    sensor = Device("order", _PERIOD_NS, (Read(Exchange(0, 0, 0, 0, 0), watch=True),))
    rule = Rule("order", (("order", 0),), (output.name,))
    source = Bus("orders", (sensor,), (), dead=0)
    proof = prove(replace(system, buses=(*system.buses, source), rules=(rule,)))
    terms = {term.kind: term.ns for term in proof.bounds[0].terms}
    line_ns = sum(ns for kind, ns in terms.items() if kind.startswith("actuator_"))
    return WriteBound(line_ns / _NS_PER_MS, terms.get("compute", 0) / _NS_PER_MS)
