"""Whether every rule of a site sounds in time: proven before it is armed. See docs/proof.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edge.analysis.latency import prove
from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Proof, Switch
from edge.app.config.model import Refused, Site
from edge.app.config.problems import Findings, Problem, SiteProblems
from edge.app.config.source import show_file
from edge.app.plan_steps import steps_of
from edge.app.proof_system import system_of
from edge.app.proof_words import advice_words, duration, output_words, term_words
from edge.core.model import RuleId
from edge.engine.conformance import Limit
from edge.locale import text

__all__ = ["Judgement", "armed", "judge", "outcome", "system_of"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was proven of a site, and what follows.

    ``refused``: rules that miss their budget and must not be armed. ``overridden``: those that miss
    it and may, by rule with the reason. ``warnings``: the latter, and exceptions nobody needs.
    """

    proof: Proof
    refused: tuple[Refused, ...]
    overridden: dict[str, str]
    warnings: tuple[Problem, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the refused rules are refused."""
        return tuple(each.problem for each in self.refused)


def judge(site: Site) -> Judgement:
    """Prove a site, and hold the bounds against the budgets."""
    return _judge(site, site)


def armed(site: Site) -> tuple[Site, dict[RuleId, Limit]]:
    """The site without the rules that must not be armed, and what the proof allows the others.

    Its ``refused`` are the former, its ``overrides`` those that apply. Raises SiteProblems if no
    rule would be left.
    """
    judged, left = _judge(site, site), site
    found: list[Refused] = []
    while judged.refused:
        found += judged.refused
        names = {each.rule for each in found}
        left = replace(site, rules=tuple(rule for rule in site.rules if rule.id not in names))
        if not left.rules:
            raise SiteProblems(tuple(each.problem for each in found))
        # with fewer rules other questions come first; what is left is proven as it will run
        judged = _judge(left, site)
    overrides = tuple(each for each in site.overrides if each.rule in judged.overridden)
    armed_site = replace(left, overrides=overrides, refused=tuple(found))
    return armed_site, _limits(judged.proof)


def _limits(proof: Proof) -> dict[RuleId, Limit]:
    """What each stage of the rules may take, to be measured against."""
    found: dict[RuleId, Limit] = {}
    for bound in proof.bounds:
        rule = RuleId(bound.rule)
        last = found.get(rule, Limit(0, 0, 0))
        if bound.switch is not None:
            found[rule] = _with_switch(last, bound.switch, bound.decision_ns)
            continue
        found[rule] = Limit(
            max(last.response_ns, bound.response_ns),
            max(last.decision_ns, bound.decision_ns),
            max(last.action_ns, bound.action_ns),
            last.switches,
            last.backup_ns,
        )
    return found


def _with_switch(limit: Limit, switch: Switch, backup_ns: int) -> Limit:
    switches = {**limit.switches, switch.primary: (switch.confirm_ns, switch.heard_ns)}
    return replace(limit, switches=switches, backup_ns=max(limit.backup_ns, backup_ns))


def outcome(site: Site) -> dict[str, object]:
    """What arming a site came to, for its status and its run record: why, by rule."""
    return {
        "refused": {each.rule: each.problem.message for each in site.refused},
        "overridden": {each.rule: each.reason for each in site.overrides},
    }


def _judge(site: Site, written: Site) -> Judgement:
    """``written``: the site as it stands in its file, for the lines of what is wrong."""
    proof = prove(system_of(site))
    late = {rule: _latest(proof, rule) for rule in proof.missed()}
    reasons = {each.rule: each.reason for each in written.overrides}
    return Judgement(
        proof=proof,
        refused=tuple(
            Refused(rule, _problem(written, bound, proof))
            for rule, bound in late.items()
            if rule not in reasons
        ),
        overridden={rule: reasons[rule] for rule in late if rule in reasons},
        warnings=(*_exceptions(written, late), *_hasty(written, proof)),
    )


def _problem(site: Site, late: Bound, proof: Proof) -> Problem:
    findings = Findings(show_file(site.path), site.lines)
    index = next(index for index, rule in enumerate(site.rules) if rule.id == late.rule)
    findings.add(
        ("rule", index, "budget_s"),
        "no-bound" if late.sound_ns >= UNBOUNDED_NS else "budget-missed",
        found=duration(late.sound_ns),
        allowed=_budget(late),
        hint=_remedy(late, proof),
        rule=late.rule,
        output=output_words(late.output),
        term=term_words(late.dominating),
    )
    return findings.problems[0]


def _remedy(late: Bound, proof: Proof) -> str:
    """The cheapest change that helps, as far as one is known."""
    advice = next((each for each in proof.advice if each.rule == late.rule), None)
    if advice is not None:
        return advice_words(advice)
    if late.switch is None or late.sound_ns >= UNBOUNDED_NS:
        return text("hint.override")
    return text("hint.backup", least=duration(late.sound_ns))


def _exceptions(site: Site, late: Mapping[str, Bound]) -> tuple[Problem, ...]:
    """Exceptions that apply, and those that nobody needs."""
    warnings = Findings(show_file(site.path), site.lines)
    for index, override in enumerate(site.overrides):
        path, bound = ("override", index, "rule"), late.get(override.rule)
        if bound is None:
            warnings.add(path, "override-idle", found=override.rule)
        else:
            warnings.add(
                path, "override-used", found=override.rule, allowed=_budget(bound),
                late=duration(bound.sound_ns), reason=override.reason,
            )  # fmt: skip
    return tuple(warnings.problems)


def _hasty(site: Site, proof: Proof) -> tuple[Problem, ...]:
    """Steps whose back-up may be commanded although all is well."""
    warnings = Findings(show_file(site.path), site.lines)
    plans = {rule.id: rule.plan for rule in site.rules}
    told: set[tuple[str | int, ...]] = set()
    for bound in proof.bounds:
        for path, code, point, healthy_ns in _too_soon(site, plans[bound.rule], bound.switch):
            if path not in told:
                told.add(path)
                words = output_words(bound.switch.primary) if bound.switch is not None else ""
                warnings.add(path, code, output=words, point=point, allowed=duration(healthy_ns))
    return tuple(warnings.problems)


def _too_soon(
    site: Site, plan: str | None, switch: Switch | None
) -> Iterator[tuple[tuple[str | int, ...], str, str, int]]:
    """Where, as what, what hears, and how long a healthy output may take."""
    for number, each in enumerate(site.plans):
        for index, step in enumerate(steps_of(each) if each.id == plan else ()):
            if switch is None or step.output != switch.primary or step.backup is None:
                continue
            path = ("plan", number, "step", index)
            if switch.confirm_ns < switch.confirmed_ns:
                yield (*path, "timeout_s"), "confirm-too-soon", "", switch.confirmed_ns
            if step.heard is not None and switch.heard_ns < switch.audible_ns:
                point, within = step.heard.point, (*path, "heard", "within_s")
                yield within, "heard-too-soon", point, switch.audible_ns


def _latest(proof: Proof, rule: str) -> Bound:
    bounds = [bound for bound in proof.bounds if bound.rule == rule]
    return max(bounds, key=lambda bound: bound.sound_ns)


def _budget(bound: Bound) -> str:
    return duration(bound.budget_ns) if bound.budget_ns is not None else text("proof.any")
