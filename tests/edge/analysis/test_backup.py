"""Bounds of back-ups: the reading, the wait for the primary, and the back-up's own line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.analysis.latency import prove
from edge.analysis.latency.model import (
    UNBOUNDED_NS,
    Backup,
    Bound,
    Bus,
    Device,
    Exchange,
    Output,
    Read,
    Rule,
    System,
)

MS = 1_000_000
ASK = Exchange(4 * MS, 8 * MS, 20 * MS, 10 * MS, 200 * MS)
HORN = Output("horn", "horn", (ASK,), confirm=ASK, within_ns=100 * MS, every_ns=50 * MS)
SIREN = Output("siren", "siren", (ASK,), warm_up_ns=70 * MS)
EAR = Device("ear", 300 * MS, (Read(ASK, True),))


def system(budget_ms: int | None = None, dead: int = 1, heard_ms: int = 0) -> System:
    """A sensor, a horn with an ear, and a siren, each on a line of its own."""
    backup = Backup(
        "horn", "siren", 2000 * MS, heard_ms * MS, ("ear", 0) if heard_ms else None
    )  # fmt: skip
    rule = Rule("flood", (("river", 0),), ("horn",), backups=(backup,))
    return System(
        buses=(
            Bus("field", (Device("river", 500 * MS, (Read(ASK, True),)),), (), dead),
            Bus("horns", (EAR,), (HORN,), dead),
            Bus("sirens", (), (SIREN,), dead),
        ),
        rules=(replace(rule, budget_ns=None if budget_ms is None else budget_ms * MS),),
        compute_ns=25 * MS,
    )


def backup(found: System) -> Bound:
    (bound,) = [bound for bound in prove(found).bounds if bound.switch is not None]
    return bound


def primary(found: System, output: str) -> Bound:
    """As if the rule sounded this output itself."""
    (rule,) = found.rules
    alone = replace(found, rules=(replace(rule, outputs=(output,), backups=()),))
    (bound,) = prove(alone).bounds
    return bound


def test_a_back_up_comes_by_the_wait_later_than_if_it_were_sounded_itself() -> None:
    """And computing once more: the wait ends in a call of its own."""
    found = system()
    bound, itself = backup(found), primary(found, "siren")
    assert bound.switch is not None
    assert bound.switch.latest_ns == 2000 * MS
    assert bound.command_ns - itself.command_ns == (2000 + 25) * MS
    assert bound.sound_ns - itself.sound_ns == (2000 + 25) * MS
    assert sum(term.ns for term in bound.terms) == bound.command_ns
    assert {term.kind: term.ns for term in bound.terms}["backup"] == 2025 * MS


def test_a_budget_shortens_the_wait_so_that_it_is_just_met() -> None:
    free = backup(system())
    budget_ms = free.sound_ns // MS - 500
    bound = backup(system(budget_ms))
    assert bound.met
    assert bound.sound_ns == budget_ms * MS


def test_no_budget_makes_a_healthy_horn_a_dead_one() -> None:
    """It may take until it is confirmed; then the budget is missed, and that is said."""
    found = system(budget_ms=100)
    bound = backup(found)
    assert not bound.met
    assert bound.switch is not None
    assert bound.switch.confirm_ns == bound.switch.confirmed_ns > 0
    assert bound.switch.confirmed_ns < primary(found, "horn").confirmed_ns


def test_to_be_heard_takes_the_writes_and_a_round_of_the_ear() -> None:
    """Then the wait is the longer of both."""
    bound = backup(system(heard_ms=3000))
    assert bound.switch is not None
    assert (bound.switch.confirm_ns, bound.switch.heard_ns) == (2000 * MS, 3000 * MS)
    assert bound.switch.latest_ns == 3000 * MS
    # at least the write, and a poll that comes just too early for it
    assert bound.switch.audible_ns > (4 + 8 + 300 + 8) * MS


def test_the_dead_horn_costs_time_on_its_line_even_if_nobody_else_may_be_dead() -> None:
    """Horn and siren share a line: the siren waits for one attempt in vain."""
    apart = system(dead=0)
    field, horns, sirens = apart.buses
    shared = replace(
        apart, buses=(field, replace(horns, outputs=(HORN, SIREN)), replace(sirens, outputs=()))
    )
    assert backup(shared).command_ns - backup(apart).command_ns >= 160 * MS


def test_a_line_that_commands_may_take_wholly_has_no_bound() -> None:
    """Two dead sirens whose attempts leave no time at all, and a sensor on their line."""
    slow = replace(ASK, timeout_ns=5_000 * MS)
    sirens = tuple(Output(f"s{i}", f"s{i}", (slow,)) for i in range(12))
    found = system(dead=12)
    field, horns, last = found.buses
    crowded = replace(found, buses=(replace(field, outputs=sirens), horns, last))
    assert backup(crowded).command_ns == UNBOUNDED_NS
    assert not replace(backup(crowded), budget_ns=1).met


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_rule_without_back_ups_is_proven_as_before(dead: int) -> None:
    found = system(dead=dead)
    (rule,) = found.rules
    plain = replace(found, rules=(replace(rule, backups=()),))
    with_backup = [bound for bound in prove(found).bounds if bound.switch is None]
    assert list(prove(plain).bounds) == with_backup
