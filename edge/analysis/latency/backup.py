"""From the change to the sound of a back-up, with what it stands in for dead. Pure.

See docs/proof.md, §7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge.analysis.latency.actuation import Actuation
from edge.analysis.latency.bounds import Case, Prover, waiting
from edge.analysis.latency.line import exchanges
from edge.analysis.latency.model import UNBOUNDED_NS, Backup, Bound, Rule, Switch, System, Term


def bounds_of(prover: Prover, rule: Rule) -> list[Bound]:
    """The bounds of a rule, by output; those of its back-ups last."""
    cases = prover.cases(rule)
    return [*(case.bound for case in cases), *bound_backups(prover, rule, cases)]


def bound_backups(prover: Prover, rule: Rule, cases: Iterable[Case]) -> list[Bound]:
    """The bound of every back-up of a rule; ``cases`` are those of its outputs."""
    primaries = {case.output.name: case for case in cases}
    return [
        _bound(prover, rule, backup, primaries[backup.primary])
        for backup in rule.backups
        if backup.primary in primaries
    ]


def _bound(prover: Prover, rule: Rule, backup: Backup, primary: Case) -> Bound:
    if primary.output_line.bus.dead == 0:
        # the primary is dead, whatever else is assumed of its line
        prover = Prover(_with_a_dead_one(prover.system, primary.output_line.bus.name))
    output, line = prover.output(backup.output)
    beside = tuple(
        each.output for each in rule.backups if prover.output(each.output)[1] is line
    )  # those of one rule may all be commanded at once
    reading = prover.reading(rule)
    if reading is None or primary.done is None:
        return _unbounded(rule, backup, primary)
    terms, label = reading
    actuation = Actuation(line, output, tuple(dict.fromkeys(beside)), frozenset())
    wait = actuation.elsewhere()
    done = actuation.done(wait)
    written = max(
        done.written_ns, wait.total_ns(line.bus.dead) + line.rest_ns(exchanges(output)[0])
    )
    decided = sum(term.ns for term in terms)
    rest = prover.system.compute_ns + written + output.warm_up_ns
    left = None if rule.budget_ns is None else rule.budget_ns - decided - rest
    switch = _switch(prover, backup, primary, left)
    terms.append(Term("backup", switch.latest_ns + prover.system.compute_ns, backup.primary))
    terms += waiting(wait, line.bus.dead)
    command = sum(term.ns for term in terms)
    switched = decided + switch.latest_ns + prover.system.compute_ns
    return Bound(
        rule=rule.name,
        output=backup.output,
        input=label,
        command_ns=command,
        sound_ns=switched + written + output.warm_up_ns,
        confirmed_ns=switched + max(done.confirmed_ns, written),
        terms=tuple(term for term in terms if term.ns),
        budget_ns=rule.budget_ns,
        decision_ns=2 * prover.system.compute_ns + switch.latest_ns + wait.total_ns(line.bus.dead),
        switch=switch,
    )


def _switch(prover: Prover, backup: Backup, primary: Case, left_ns: int | None) -> Switch:
    """Its latest moment: what the site file says, or what the budget leaves if that is less.

    A healthy primary is never taken for a dead one for the budget's sake.
    """
    done = primary.done
    confirmed = done.confirmed_ns if done is not None else UNBOUNDED_NS
    audible = 0
    if backup.hearing is not None:
        written = done.written_ns if done is not None else UNBOUNDED_NS
        audible = written + primary.output.warm_up_ns + prover.seen_ns(*backup.hearing)

    def within(written_ns: int, healthy_ns: int) -> int:
        return written_ns if left_ns is None else min(written_ns, max(left_ns, healthy_ns))

    return Switch(
        primary=backup.primary,
        confirm_ns=within(backup.confirm_ns, confirmed),
        confirmed_ns=confirmed,
        heard_ns=within(backup.heard_ns, audible) if backup.hearing is not None else 0,
        audible_ns=audible,
    )


def _unbounded(rule: Rule, backup: Backup, primary: Case) -> Bound:
    never = UNBOUNDED_NS
    return Bound(
        rule.name, backup.output, primary.bound.input, never, never, never,
        primary.bound.terms, rule.budget_ns,
        switch=Switch(
            backup.primary, backup.confirm_ns, never, backup.heard_ns,
            never if backup.hearing else 0,
        ),
    )  # fmt: skip


def _with_a_dead_one(system: System, name: str) -> System:
    buses = (
        replace(bus, dead=max(1, bus.dead)) if bus.name == name else bus for bus in system.buses
    )
    return replace(system, buses=tuple(buses))
