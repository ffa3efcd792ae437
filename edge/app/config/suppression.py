"""Suppression by design: the rules that are named exist, are announced, and form no circle."""

from __future__ import annotations

from collections.abc import Mapping

from edge.app.config.draft import Draft, written_ids
from edge.app.config.items import Item
from edge.app.config.references import report_dangling
from edge.app.config.rule_tables import RuleEntry
from edge.locale import text


def check_suppression(draft: Draft) -> None:
    """Check ``suppressed_by`` and ``suppressed_up_to`` of every rule."""
    # a shadow rule announces nothing, so it has nothing to suppress others with
    announced = written_ids(rule for rule in draft.rules if not rule.raw.get("shadow"))
    by: dict[str, tuple[str, ...]] = {}
    for item in draft.rules:
        names = item.get("suppressed_by", tuple) or ()
        if item.given("suppressed_up_to") and not item.given("suppressed_by"):
            item.report("suppressed_up_to", "not-applicable", reason=text("reason.no-suppressor"))
        for name in names:
            if name not in announced:
                report_dangling(item, "suppressed_by", name, "rule", announced)
        for rule in written_ids([item]):
            by[rule] = names
    for item in draft.rules:
        _check_circle(item, by)


def _check_circle(item: Item[RuleEntry], by: Mapping[str, tuple[str, ...]]) -> None:
    """A rule that suppresses itself, if only by way of others, would come and go for ever."""
    for rule in written_ids([item]):
        above, seen = list(by[rule]), set()
        while above:
            name = above.pop()
            if name == rule:
                item.report("suppressed_by", "suppresses-itself", found=f'"{rule}"')
                return
            if name not in seen:
                seen.add(name)
                above += by.get(name, ())
