"""The latency proof: every rule's worst case, from the configuration alone. See docs/proof.md."""

from __future__ import annotations

from dataclasses import replace

from edge.analysis.latency.advice import ADVICE_CODES as ADVICE_CODES
from edge.analysis.latency.advice import advise
from edge.analysis.latency.backup import bound_backups
from edge.analysis.latency.bounds import TERM_KINDS as TERM_KINDS
from edge.analysis.latency.bounds import Case, Prover
from edge.analysis.latency.load import load
from edge.analysis.latency.model import Bound, Proof, System
from edge.analysis.latency.witness import Phases as Phases
from edge.analysis.latency.witness import phases as phases
from edge.analysis.latency.witness import schedule

__all__ = ["ADVICE_CODES", "TERM_KINDS", "Phases", "phases", "prove"]


def prove(system: System) -> Proof:
    """Bound every rule of a system, by rule and output, with the schedule of each worst case.

    Back-ups follow the outputs of their rule; they have no schedule.

    Advice for late rules is ordered by rule, then by cost.

    Raises ValueError if a rule's input is not watched.
    """
    prover = Prover(system)
    cases: list[Case] = []
    bounds: list[Bound] = []
    for rule in system.rules:
        found = prover.cases(rule)
        cases += found
        bounds += (replace(case.bound, schedule=schedule(case)) for case in found)
        bounds += bound_backups(prover, rule, found)
    loads = tuple(load(line, system.ensure_ns) for line in prover.lines.values())
    return Proof(tuple(bounds), loads, advise(prover, cases))
