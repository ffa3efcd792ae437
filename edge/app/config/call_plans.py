"""From plans as configured to the ladders that the call engine climbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from edge.app.config.call_tables import CallConfig, ContactConfig, HelperConfig
from edge.app.config.model import PlanConfig, Site
from edge.core.model import RuleId
from edge.engine.calls.ladder import CallPlan, Contact, Ladder, Rung

DUTY: Final = "duty"
"""The ladder of the people who must answer for the alarm; each helper has one of his own."""


def call_plans(site: Site) -> dict[RuleId, CallPlan]:
    """The calls of every rule that has any."""
    plans = {plan.id: plan_of(plan, site) for plan in site.plans if plan.calls or plan.helpers}
    return {
        RuleId(rule.id): plans[rule.plan]
        for rule in site.rules
        if rule.plan in plans and not rule.shadow
    }


def plan_of(plan: PlanConfig, site: Site) -> CallPlan:
    """A plan's ladder for people on duty, and one for each helper."""
    entry = plan.entry
    if entry is None:
        raise AssertionError("a plan that was read has an entry")
    contacts = {each.id: _contact(each) for each in site.contacts}
    groups = {each.id: each.contacts for each in site.groups}
    ladders = []
    if plan.calls:
        rungs = tuple(_rung(call, contacts, groups) for call in plan.calls)
        ladders.append(Ladder(DUTY, rungs, entry.repeat_s, answer_s=entry.answer_s))
    for number, helper in enumerate(plan.helpers, 1):
        rung = _helper_rung(helper, contacts)
        ladders.append(
            Ladder(f"helper-{number}", (rung,), entry.repeat_s, helper.persons, helper.answer_s)
        )
    return CallPlan(plan.id, tuple(ladders), entry.keys, entry.words)


def _contact(config: ContactConfig) -> Contact:
    return Contact(
        config.id, config.name, config.role, config.addresses, config.language,
        config.may_acknowledge,
    )  # fmt: skip


def _rung(
    call: CallConfig, contacts: Mapping[str, Contact], groups: Mapping[str, Iterable[str]]
) -> Rung:
    names = [name for group in call.groups for name in groups[group]]
    # who stands in two groups of a rung is called once
    called = dict.fromkeys([*names, *call.contacts])
    return Rung(
        call.level,
        tuple(contacts[name] for name in called),
        tuple(call.channels),
        call.together,
        call.then == "contact",
        call.ring_s,
        call.tries,
        call.every_s,
    )


def _helper_rung(helper: HelperConfig, contacts: Mapping[str, Contact]) -> Rung:
    return Rung(
        helper.level,
        tuple(contacts[name] for name in helper.contacts),
        tuple(helper.channels),
        ring_s=helper.ring_s,
        tries=helper.tries,
        every_s=helper.every_s,
    )
