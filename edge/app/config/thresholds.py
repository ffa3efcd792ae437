"""Rules; in the short form: thresholds in the point's unit, in order, within what the sensor can
measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from edge.app.config.draft import Draft, written_ids
from edge.app.config.fields import LEVELS
from edge.app.config.items import Item
from edge.app.config.model import RuleConfig
from edge.app.config.references import (
    KnownPoint,
    convert_to,
    find_point,
    narrow_units,
    report_dangling,
)
from edge.app.config.rule_tables import RuleEntry, ThresholdRuleEntry, rule_form
from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, RuleId
from edge.core.units import Quantity, UnitMismatch
from edge.engine.conditions import tree
from edge.locale import text

Threshold = tuple[str, float]
"""Level as written, and value."""

# the comparison that ends what one has begun, and on which side of the threshold its own one lies
_OPPOSITE = {">=": ("<", -1), ">": ("<=", -1), "<=": (">", 1), "<": (">=", 1)}


def check_rules(draft: Draft, selectors: Sequence[tree.Selector] = ()) -> list[RuleConfig]:
    """Check every rule; returns the resolved ones (all of them, if nothing was noted).

    ``selectors`` are the resolved selectors.
    """
    resolved = (_check_rule(draft, item, selectors) for item in draft.rules)
    return [rule for rule in resolved if rule is not None]


def check_selectors(draft: Draft) -> list[tree.Selector]:
    """Check every selector; returns the resolved ones (all of them, if nothing was noted)."""
    if not draft.selectors:
        return []
    from edge.app.config import conditions  # noqa: PLC0415  # as for conditions of rules

    return conditions.check_selectors(draft)


def warn_of_idle_selectors(
    draft: Draft, selectors: Sequence[tree.Selector], rules: Sequence[RuleConfig]
) -> None:
    """Warn of a selector by which no rule picks."""
    if selectors:
        from edge.app.config import conditions  # noqa: PLC0415  # as for conditions of rules

        conditions.warn_of_idle_selectors(draft, selectors, [rule.condition for rule in rules])


def check_overrides(draft: Draft) -> None:
    """Every exception names a rule."""
    rules = written_ids(draft.rules)
    for item in draft.overrides:
        rule = item.get("rule", str)
        if rule is not None and rule not in rules:
            report_dangling(item, "rule", rule, "rule", rules)


def _check_rule(
    draft: Draft, item: Item[RuleEntry], selectors: Sequence[tree.Selector]
) -> RuleConfig | None:
    _check_common(draft, item)
    if rule_form(item.raw) is ThresholdRuleEntry:
        return _check_thresholds(draft, item)
    # a site without conditions needs no parser
    from edge.app.config.conditions import check_conditions  # noqa: PLC0415  # see above

    found = check_conditions(draft, item, selectors)
    if item.value is None or found is None:
        return None
    return _resolve(item.value, *found)


def _check_common(draft: Draft, item: Item[RuleEntry]) -> None:
    """What rules of both forms have."""
    plan = item.get("plan", str)
    plans = written_ids(each.item for each in draft.plans)
    if plan is not None and plan not in plans:
        report_dangling(item, "plan", plan, "plan", plans)
    if item.given("budget_s") and not item.given("plan"):
        item.report("budget_s", "not-applicable", reason=text("reason.no-plan"))
    if not any(item.given(level) for level in LEVELS):
        item.findings.add(item.path, "no-levels", allowed=", ".join(LEVELS))
    if item.get("lost", str) == "degrade" and not item.given("degrade"):
        item.report("degrade", "missing-key", hint=text("hint.degrade"))
    if item.given("degrade") and item.get("lost", str) not in ("degrade", None):
        item.report("degrade", "not-applicable", reason=text("reason.not-degrade"))
    shadowed = item.get("shadow", str)
    armed = [name for each in draft.rules if not each.raw.get("shadow")
             for name in written_ids([each])]  # fmt: skip
    if shadowed is not None and shadowed not in armed:
        report_dangling(item, "shadow", shadowed, "rule", armed)


def _check_thresholds(draft: Draft, item: Item[RuleEntry]) -> RuleConfig | None:
    if item.get("lost", str) == "degrade":
        item.report("lost", "not-applicable", reason=text("reason.no-votes"))
    point = find_point(draft, item, "point")
    if point is not None:
        narrow_units(point, item, *LEVELS, "hysteresis")
    thresholds = _thresholds(item, point)
    comparison = item.get("comparison", str)
    hysteresis = _hysteresis(item, point)
    if comparison is not None:
        rising = comparison in (">=", ">")
        _check_order(item, thresholds, comparison, rising=rising)
        if point is not None:
            _check_reach(item, thresholds, comparison, point)
        if hysteresis is not None and point is not None:
            _check_hysteresis(item, thresholds, comparison, hysteresis, point)
    entry = item.value
    if not isinstance(entry, ThresholdRuleEntry) or point is None or hysteresis is None:
        return None
    condition = tree.Condition(
        RuleId(entry.id),
        tuple(_level(entry, LEVELS[name], value, hysteresis) for name, value in thresholds),
        LEVELS.get(entry.lost),
    )
    return replace(
        _resolve(entry, condition, frozenset([PointId(point.id)])),
        point=PointId(point.id),
        comparison=entry.comparison,
        thresholds={LEVELS[level]: value for level, value in thresholds},
        hysteresis=hysteresis,
        hold_s=entry.hold_s,
    )


def _level(
    entry: ThresholdRuleEntry, level: Level, threshold: float, hysteresis: float
) -> tree.LevelCondition:
    """A threshold as a condition; without hysteresis it clears as soon as it is not true."""
    source = tree.Value(PointId(entry.point))
    raises: tree.Expression = tree.Compare(source, entry.comparison, threshold)
    if entry.hold_s:
        raises = tree.Held(raises, round(entry.hold_s * NS_PER_S))
    if not hysteresis:
        return tree.LevelCondition(level, raises)
    opposite, sign = _OPPOSITE[entry.comparison]
    release = _exact(threshold + sign * hysteresis)
    return tree.LevelCondition(level, raises, tree.Compare(source, opposite, release))


def _resolve(entry: RuleEntry, condition: tree.Condition, points: frozenset[PointId]) -> RuleConfig:
    return RuleConfig(
        id=entry.id,
        condition=condition,
        points=points,
        latch=LEVELS.get(entry.latch),
        plan=entry.plan,
        budget_s=entry.budget_s,
        zone=entry.zone,
        shadow=entry.shadow is not False,
        shadow_of=entry.shadow if isinstance(entry.shadow, str) else None,
        re_alarm_s=entry.re_alarm_s,
        suppressed_by=entry.suppressed_by,
        suppressed_up_to=LEVELS[entry.suppressed_up_to],
    )


def _thresholds(item: Item[RuleEntry], point: KnownPoint | None) -> list[Threshold]:
    """The right thresholds, lowest level first, in the point's unit or else the first one's."""
    found: list[Threshold] = []
    first: Quantity | None = None
    for level in LEVELS:
        quantity = item.get(level, Quantity)
        if quantity is None:
            continue
        first = first or quantity
        if point is not None:
            value = convert_to(point, quantity, item, level)
        else:
            value = _convert_like(quantity, first)
        if value is not None:
            found.append((level, value))
    return found


def _convert_like(quantity: Quantity, first: Quantity) -> float | None:
    try:
        return quantity.to(first.unit)
    except UnitMismatch:
        return None


def _hysteresis(item: Item[RuleEntry], point: KnownPoint | None) -> float | None:
    """In the point's unit; None if it is wrong or cannot be told."""
    if not item.given("hysteresis"):
        return 0.0
    quantity = item.get("hysteresis", Quantity)
    if quantity is None:
        return None
    if quantity.value < 0:
        item.report("hysteresis", "hysteresis-negative", allowed="≥ 0")
        return None
    return convert_to(point, quantity, item, "hysteresis") if point is not None else None


def _check_order(
    item: Item[RuleEntry], thresholds: list[Threshold], comparison: str, *, rising: bool
) -> None:
    for (lower, below), (higher, above) in pairwise(thresholds):
        if (above <= below) if rising else (above >= below):
            order = text("order.above" if rising else "order.below")
            item.report(
                higher, "level-order", lower=lower, other=_written(item, lower), order=order,
                comparison=comparison,
            )  # fmt: skip


def _check_reach(
    item: Item[RuleEntry], thresholds: list[Threshold], comparison: str, point: KnownPoint
) -> None:
    """A threshold that no valid reading can reach is a rule that sleeps."""
    for level, value in thresholds:
        reachable = {
            ">=": point.low <= value <= point.high,
            ">": point.low <= value < point.high,
            "<=": point.low <= value <= point.high,
            "<": point.low < value <= point.high,
        }[comparison]
        if not reachable:
            item.report(level, "never-reached", comparison=comparison, allowed=_range(point))


def _check_hysteresis(
    item: Item[RuleEntry],
    thresholds: list[Threshold],
    comparison: str,
    hysteresis: float,
    point: KnownPoint,
) -> None:
    gaps = [abs(_exact(above - below)) for (_, below), (_, above) in pairwise(thresholds)]
    gap = min(gaps, default=None)
    if gap and hysteresis >= gap:
        allowed = f"< {gap:g} {point.unit.value}".rstrip()
        item.report("hysteresis", "hysteresis-gap", allowed=allowed)
        return
    for level, value in thresholds:
        if not point.low <= value <= point.high:
            continue
        stays = {
            ">=": _exact(value - hysteresis) <= point.low,
            ">": _exact(value - hysteresis) < point.low,
            "<=": _exact(value + hysteresis) >= point.high,
            "<": _exact(value + hysteresis) > point.high,
        }[comparison]
        if stays:
            item.report(level, "never-returns", comparison=comparison, allowed=_range(point))


def _exact(value: float) -> float:
    """As people reckon: 3.2 - 2.6 is 0.6; the same 12 digits as in unit conversion."""
    return float(f"{value:.12g}")


def _range(point: KnownPoint) -> str:
    return f"{point.low:g} … {point.high:g} {point.unit.value}".rstrip()


def _written(item: Item[RuleEntry], key: str) -> str:
    return str(item.raw.get(key))
