"""``[[rule]]`` and ``[[selector]]`` as written: two forms of rules, and what picks thresholds."""

from __future__ import annotations

from typing import Annotated, Literal

from edge.app.config.fields import (
    ConditionText,
    Identifier,
    Label,
    PointReference,
    Shadow,
    WrittenQuantity,
    looks_like_condition,
    looks_like_quantity,
    real,
    sequence,
)
from edge.app.config.items import Table

Comparison = Literal[">=", ">", "<=", "<"]


class RuleEntry(Table):
    """What every ``[[rule]]`` has as written; a Site has RuleConfig."""

    id: Identifier
    lost: Literal["hold", "degrade", "blue", "yellow", "orange", "red"]
    degrade: Literal["safety", "availability"] | None = None
    latch: Literal["none", "blue", "yellow", "orange", "red"] = "red"
    plan: Label | None = None
    budget_s: Annotated[float, real(0.05, 86400)] | None = None
    zone: Identifier | None = None
    shadow: Shadow = False
    re_alarm_s: Annotated[float, real(10, 604_800)] | None = None
    suppressed_by: Annotated[tuple[Label, ...], sequence(1, 8)] = ()
    suppressed_up_to: Literal["blue", "yellow", "orange", "red"] = "orange"


class ThresholdRuleEntry(RuleEntry):
    """``[[rule]]`` in its short form: one point, and a threshold for each level."""

    point: PointReference
    comparison: Comparison
    blue: WrittenQuantity | None = None
    yellow: WrittenQuantity | None = None
    orange: WrittenQuantity | None = None
    red: WrittenQuantity | None = None
    hysteresis: WrittenQuantity | None = None
    hold_s: Annotated[float, real(0, 86400)] = 0.0


class ConditionRuleEntry(RuleEntry):
    """``[[rule]]`` in its long form: a condition for each level."""

    blue: ConditionText | None = None
    yellow: ConditionText | None = None
    orange: ConditionText | None = None
    red: ConditionText | None = None


def rule_form(raw: object) -> type[RuleEntry]:
    """The form a rule is meant to have, as far as can be seen; the short one where it cannot."""
    if not isinstance(raw, dict) or "point" in raw or "comparison" in raw:
        return ThresholdRuleEntry
    levels = [raw[key] for key in ("blue", "yellow", "orange", "red") if key in raw]
    if any(map(looks_like_condition, levels)) or not any(map(looks_like_quantity, levels)):
        return ConditionRuleEntry
    return ThresholdRuleEntry


class ChoiceEntry(Table):
    """One of ``choices`` of a selector: taken if its condition is the first that is true."""

    name: Identifier
    when: ConditionText


class SelectorEntry(Table):
    """``[[selector]]`` as written; a Site has tree.Selector."""

    id: Identifier
    choices: Annotated[tuple[ChoiceEntry, ...], sequence(1, 8)]
    otherwise: Identifier
    unknown: Identifier
