"""Conditions in site files: parsed, resolved, and each mistake shown at its place in the text.

Imported only for sites that have conditions: they alone need a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from edge.app.config.draft import Draft
from edge.app.config.fields import LEVELS
from edge.app.config.items import Item
from edge.app.config.mistakes import report
from edge.app.config.problems import listed, show, suggest
from edge.app.config.references import KnownPoint, look_up
from edge.app.config.rule_tables import ConditionRuleEntry, RuleEntry, SelectorEntry
from edge.core.model import PointId, RuleId
from edge.engine.conditions import tree
from edge.engine.conditions.bind import Scope, bind_choice, bind_level, plain
from edge.engine.conditions.parse import parse
from edge.engine.conditions.written import Mistaken
from edge.locale import text

_RISING = (">=", ">")


def check_selectors(draft: Draft) -> list[tree.Selector]:
    """Check every selector; returns the resolved ones (all of them, if nothing was noted)."""
    return [
        selector
        for item in draft.selectors
        if (selector := _check_selector(draft, item)) is not None
    ]


def check_conditions(
    draft: Draft, item: Item[RuleEntry], selectors: Sequence[tree.Selector]
) -> tuple[tree.Condition, frozenset[PointId]] | None:
    """The condition of a rule in its long form, and every point it looks at; None if it is wrong.

    ``selectors`` are the resolved ones.
    """
    scope = Scope(_resolver(draft), _selector_names(draft))
    written = [(key, item.get(key, str)) for key in LEVELS]
    bound = {
        key: level
        for key, words in written
        if words is not None and (level := _bind(draft, item, key, words, scope)) is not None
    }
    _check_order(item, bound)
    _check_degrade(item, bound)
    if not isinstance(item.value, ConditionRuleEntry):
        return None
    if len(bound) < sum(words is not None for _, words in written):
        return None
    entry = item.value
    condition = tree.Condition(
        RuleId(entry.id),
        tuple(bound.values()),
        LEVELS.get(entry.lost),
        tree.Degrade(entry.degrade) if entry.degrade else tree.Degrade.NO,
    )
    _warn_of_unsafe_picks(draft, item, bound, selectors)
    return condition, _points_of(condition, selectors)


def warn_of_idle_selectors(
    draft: Draft, selectors: Sequence[tree.Selector], conditions: Collection[tree.Condition]
) -> None:
    """Warn of a selector by which no rule picks."""
    used = {pick.selector for condition in conditions for _, pick in _picks(condition)}
    for item, selector in zip(draft.selectors, selectors, strict=True):
        if selector.name not in used:
            draft.warnings.add((*item.path, "id"), "idle-selector", found=selector.name)


def _resolver(draft: Draft) -> Callable[[str], KnownPoint | None]:
    def resolve(reference: str) -> KnownPoint | None:
        found = look_up(draft, reference)
        return found if isinstance(found, KnownPoint) else None

    return resolve


# -- selectors --------------------------------------------------------------------------------


def _check_selector(draft: Draft, item: Item[SelectorEntry]) -> tree.Selector | None:
    if item.value is None:
        return None
    entry, scope = item.value, Scope(_resolver(draft), None)
    choices: list[tree.Choice] = []
    names: list[str] = []
    for index, choice in enumerate(entry.choices):
        path = (*item.path, "choices", index)
        if choice.name in names:
            found = show(choice.name)
            item.findings.add((*path, "name"), "choice-twice", found=found)
        names.append(choice.name)
        try:
            when = bind_choice(parse(choice.when), scope)
        except Mistaken as mistaken:
            for mistake in mistaken.mistakes:
                report(draft, (*path, "when"), choice.when, mistake)
        else:
            choices.append(tree.Choice(choice.name, when))
    names.append(entry.otherwise)
    if entry.unknown not in names:
        hint = suggest(entry.unknown, names)
        item.report("unknown", "not-one-of", allowed=listed(names), hint=hint)
    return tree.Selector(entry.id, tuple(choices), entry.otherwise, entry.unknown)


def _selector_names(draft: Draft) -> dict[str, tuple[str, ...]]:
    """The choices of each selector; none of one that is itself wrong."""
    found: dict[str, tuple[str, ...]] = {}
    for item in draft.selectors:
        name, entry = item.raw.get("id"), item.value
        if isinstance(name, str):
            names = [choice.name for choice in entry.choices] if entry else []
            found[name] = (*names, entry.otherwise) if entry else ()
    return found


# -- levels -----------------------------------------------------------------------------------


def _bind(
    draft: Draft, item: Item[RuleEntry], key: str, words: str, scope: Scope
) -> tree.LevelCondition | None:
    try:
        return bind_level(LEVELS[key], parse(words), scope)
    except Mistaken as mistaken:
        for mistake in mistaken.mistakes:
            report(draft, (*item.path, key), words, mistake)
    return None


def _check_order(item: Item[RuleEntry], bound: Mapping[str, tree.LevelCondition]) -> None:
    """Where two levels are the same comparison, the higher one is reached later."""
    for (lower, below), (higher, above) in pairwise(bound.items()):
        one, other = plain(below.raises), plain(above.raises)
        if one is None or other is None or _around(below.raises) != _around(above.raises):
            continue
        if one.source != other.source or one.comparison != other.comparison:
            continue
        if not isinstance(one.limit, float) or not isinstance(other.limit, float):
            continue
        rising = one.comparison in _RISING
        if (other.limit <= one.limit) if rising else (other.limit >= one.limit):
            order = text("order.above" if rising else "order.below")
            item.report(
                higher, "level-order", lower=lower, other=show(item.raw[lower]), order=order,
                comparison=one.comparison,
            )  # fmt: skip


def _around(expression: tree.Expression) -> tuple[object, ...]:
    """For how long and how often a comparison must be true."""
    match expression:
        case tree.Held(part, hold_ns):
            return (hold_ns, *_around(part))
        case tree.Repeated(part, needed, of):
            return (needed, of, *_around(part))
        case _:
            return ()


def _check_degrade(item: Item[RuleEntry], bound: Mapping[str, tree.LevelCondition]) -> None:
    votes = any(
        isinstance(part, tree.Votes) for level in bound.values() for part in tree.walk(level.raises)
    )
    if item.get("lost", str) == "degrade" and bound and not votes:
        item.report("lost", "not-applicable", reason=text("reason.no-votes"))


def _warn_of_unsafe_picks(
    draft: Draft,
    item: Item[RuleEntry],
    bound: Mapping[str, tree.LevelCondition],
    selectors: Sequence[tree.Selector],
) -> None:
    """While a selector is unknown, the choice that warns earliest is the safe one."""
    unknown = {selector.name: selector.unknown for selector in selectors}
    for key, level in bound.items():
        for comparison, pick in _asserted(level.raises):
            limits = dict(pick.choices)
            chosen = limits.get(unknown.get(pick.selector, ""))
            earliest = (min if comparison in _RISING else max)(limits.values())
            if chosen is not None and chosen != earliest:
                safe = next(name for name, limit in pick.choices if limit == earliest)
                draft.warnings.add(
                    (*item.path, key), "unsafe-pick", found=unknown[pick.selector], allowed=safe,
                    selector=pick.selector,
                )  # fmt: skip


def _asserted(part: tree.Expression) -> Iterator[tuple[str, tree.Pick]]:
    """The picks below no ``not``, with their comparisons."""
    if isinstance(part, tree.Compare) and isinstance(part.limit, tree.Pick):
        yield part.comparison, part.limit
    if not isinstance(part, tree.Not):
        for each in tree.parts_of(part):
            yield from _asserted(each)


def _expressions(condition: tree.Condition) -> Iterator[tree.Expression]:
    for level in condition.levels:
        yield from tree.walk(level.raises)
        if level.clears is not None:
            yield from tree.walk(level.clears)


def _picks(condition: tree.Condition) -> Iterator[tuple[str, tree.Pick]]:
    for part in _expressions(condition):
        if isinstance(part, tree.Compare) and isinstance(part.limit, tree.Pick):
            yield part.comparison, part.limit


def _points_of(condition: tree.Condition, selectors: Sequence[tree.Selector]) -> frozenset[PointId]:
    found: set[PointId] = set()
    for part in _expressions(condition):
        found |= tree.points_of(part)
    used = {pick.selector for _, pick in _picks(condition)}
    for selector in selectors:
        if selector.name in used:
            for choice in selector.choices:
                found |= tree.points_of(choice.when)
    return frozenset(found)
