"""One random site against its proof: every rule is attacked, what was found held to the bound."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge.analysis.latency import phases, prove
from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Proof, System
from edge.app.config import load_site
from edge.app.config.model import Site
from edge.app.proof import system_of
from tools.bench.proof_ground import Ground, Target, output_of
from tools.bench.proof_line import TwinLine
from tools.bench.proof_search import KINDS, Search
from tools.bench.proof_sites import write_site
from tools.bench.proof_trial import Finding, Scenario, Trial

# Times on the wire are rounded to nanoseconds one by one, the bound's all at once.
TOLERANCE_NS = 1_000
ENOUGH = 0.995
"""A search that has come this near to the bound ends."""
_MARGIN_NS = 1_000_000_000
_MOST_LIMIT_NS = 600_000_000_000
MOST_TARGETS = 6


@dataclass(slots=True)
class Attack:
    """What was found of one rule and one of its outputs; times in ns.

    ``ratio`` is bound / found of the command, ``confirmed_ratio`` of the confirmation; None without
    a bound or where it was never seen.
    """

    rule: str
    output: str
    bound: dict[str, int]
    found: dict[str, int]
    ratio: float | None
    confirmed_ratio: float | None
    trials: int
    broken: str
    terms: dict[str, int]
    scenario: dict[str, Any]


@dataclass(slots=True)
class SiteResult:
    """What came of one seed. ``overloaded``: bounds that say that there is none."""

    seed: int
    attacks: list[Attack]
    overloaded: int
    prove_s: float
    took_s: float

    @property
    def violations(self) -> list[Attack]:
        """Where the proof did not hold."""
        return [attack for attack in self.attacks if attack.broken]

    @property
    def slowest(self) -> float | None:
        """The ratio of the rule that is proven slowest."""
        attacks = [attack for attack in self.attacks if attack.ratio is not None]
        return max(attacks, key=lambda each: each.bound["command"]).ratio if attacks else None

    @property
    def loosest(self) -> float | None:
        """The ratio of the rule that is proven least tightly."""
        ratios = [attack.ratio for attack in self.attacks if attack.ratio is not None]
        return max(ratios, default=None)


def attack_site(
    seed: int, trials: int, kept: Path | None = None, *, most: int = MOST_TARGETS
) -> SiteResult:
    """Generate, prove and attack one site: ``most`` of its bounds, with so many runs each.

    A site that breaks its proof is left in ``kept``.
    """
    logging.getLogger("tongluo").setLevel(logging.CRITICAL)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        site = load_site(write_site(seed, folder))
        proved = time.perf_counter()
        system = system_of(site)
        proof = prove(system)
        prove_s = time.perf_counter() - proved
        attacks = [
            _attack(site, system, bound, seed, trials) for bound in _chosen(site, proof, most)
        ]
        overloaded = sum(map(_is_overload, proof.bounds))
        result = SiteResult(seed, attacks, overloaded, prove_s, time.perf_counter() - begin)
        if result.violations and kept is not None:
            keep(folder, kept / f"site-{seed}", result.violations)
    return result


def keep(folder: Path, kept: Path, violations: list[Attack]) -> None:
    """Copy a site's files, and what breaks its proof beside them."""
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
    found = [asdict(attack) for attack in violations]
    (kept / "violations.json").write_text(json.dumps(found, indent=1), "utf-8")


def replay(folder: Path) -> Iterator[tuple[Attack, Finding]]:
    """Run the scenarios of a kept site again on the full twins."""
    logging.getLogger("tongluo").setLevel(logging.CRITICAL)
    site = load_site(folder / "site.toml")
    for each in json.loads((folder / "violations.json").read_text("utf-8")):
        attack = Attack(**each)
        for scenario in attack.scenario.values():
            yield attack, run_again(site, attack, scenario)


def run_again(site: Site, attack: Attack, scenario: Mapping[str, Any]) -> Finding:
    """One scenario on the full twins."""
    ground = Ground(site, target_of(site, attack.rule, attack.output))
    limit_ns = min(max(attack.bound.values()) * 2 + _MARGIN_NS, _MOST_LIMIT_NS)
    return Trial(ground, scenario_from(scenario), TwinLine).run(limit_ns)


def scenario_from(fields: Mapping[str, Any]) -> Scenario:
    """A scenario from its JSON form."""
    return Scenario(**{**fields, "back": frozenset(fields["back"])})


def target_of(site: Site, rule: str, output: str) -> Target:
    """The step of a rule's plan that drives an output."""
    plan = next(each.plan for each in site.rules if each.id == rule)
    steps = next(each.steps for each in site.plans if each.id == plan)
    return Target(rule, [output_of(step) for step in steps].index(output))


def _chosen(site: Site, proof: Proof, most: int) -> list[Bound]:
    """The bounds to attack: all that there are, or of very many an even choice with the slowest."""
    bounds = [each for each in proof.bounds if not _is_overload(each) and not _eclipsed(site, each)]
    step = -(-len(bounds) // most) or 1
    chosen = bounds[::step]
    slowest = max(bounds, key=lambda each: each.command_ns, default=None)
    if slowest is not None and slowest not in chosen:
        chosen[-1] = slowest
    return chosen


def _is_overload(bound: Bound) -> bool:
    return bound.command_ns >= UNBOUNDED_NS


def _eclipsed(site: Site, bound: Bound) -> bool:
    """Whether another rule on the same quantity always drives the output earlier."""
    rule = next(each for each in site.rules if each.id == bound.rule)
    outputs = {plan.id: {output_of(step) for step in plan.steps} for plan in site.plans}
    return any(
        other.point == rule.point
        and other.comparison == rule.comparison
        and other.hold_s < rule.hold_s
        and bound.output in outputs.get(other.plan or "", ())
        for other in site.rules
    )


def _attack(site: Site, system: System, bound: Bound, seed: int, trials: int) -> Attack:
    ground = Ground(site, target_of(site, bound.rule, bound.output))
    bounds = {kind: getattr(bound, f"{kind}_ns") for kind in KINDS}
    limit_ns = min(max(bounds.values()) + ground.period_ns + _MARGIN_NS, _MOST_LIMIT_NS)
    dead, witness = site.proof.dead_devices, phases(system, bound)
    search = Search(ground.reduced(), dead, seed, limit_ns, witness)
    # without a bound, to see it once is enough
    enough = {k: round(ns * ENOUGH) if ns < UNBOUNDED_NS else 0 for k, ns in bounds.items()}
    search.run([], trials, enough)
    found, broken = _confirmed(ground, search, bounds, limit_ns)
    return Attack(
        bound.rule,
        bound.output,
        bounds,
        found,
        _ratio(bounds["command"], found["command"]),
        _ratio(bounds["confirmed"], found["confirmed"]),
        search.trials,
        broken,
        {f"{term.kind} {term.detail}".strip(): term.ns for term in bound.terms},
        {kind: _as_json(worst.scenario) for kind, worst in search.worst.items()},
    )


def _confirmed(
    ground: Ground, search: Search, bounds: Mapping[str, int], limit_ns: int
) -> tuple[dict[str, int], str]:
    """The worst runs once more on the full twins, as found and whole; and what they break."""
    found = dict.fromkeys(KINDS, 0)
    broken = [f"fault: {fault}" for fault in sorted(search.faults)]
    scenarios: list[Scenario] = []
    for worst in search.worst.values():
        for scenario in (worst.scenario, replace(worst.scenario, begin=0)):
            if worst.ns >= 0 and scenario not in scenarios:
                scenarios.append(scenario)
    before: dict[str, str] = {}
    for scenario in scenarios:
        finding = Trial(ground, scenario, TwinLine).run(limit_ns)
        for kind in KINDS:
            value = getattr(finding, kind) or 0
            if value > found[kind]:
                found[kind] = value
                before[kind] = " (output commanded before)" if _drives(ground, scenario) else ""
    for kind in KINDS:
        if found[kind] > bounds[kind] + TOLERANCE_NS:
            over_ms = (found[kind] - bounds[kind]) / 1e6
            broken.append(f"{kind} {over_ms:.3f} ms over the bound{before[kind]}")
        if not found[kind] and bounds[kind] < UNBOUNDED_NS:
            broken.append(f"{kind} never seen")
    return found, "; ".join(broken)


def _drives(ground: Ground, scenario: Scenario) -> bool:
    """Whether something else has commanded our output, or ours has been commanded before."""
    sharing = {rule.id for rule in ground.others if ground.shares(rule)}
    return bool({ground.rule.id, *sharing} & scenario.fire.keys())


def _ratio(bound: int, found: int) -> float | None:
    return bound / found if found and bound < UNBOUNDED_NS else None


def _as_json(scenario: Scenario) -> dict[str, Any]:
    return {
        "polls": dict(scenario.polls),
        "back": sorted(scenario.back),
        "dead": dict(scenario.dead),
        "fire": dict(scenario.fire),
        "calm": dict(scenario.calm),
        "settle": scenario.settle,
        "begin": scenario.begin,
    }
