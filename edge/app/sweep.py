"""One threshold of a site moved in steps, everything else as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge.analysis.backtest.curve import steps
from edge.app.backtest import Sweep, Variant
from edge.app.config.fields import LEVELS
from edge.app.config.model import RuleConfig, Site
from edge.app.config.problems import listed, suggest
from edge.core.errors import ConfigError
from edge.core.model import Level, PointId, RuleId
from edge.core.units import Unit
from edge.engine.conditions import tree
from edge.engine.conditions.measures import Measure, measure_of, value_in
from edge.engine.conditions.words import show
from edge.engine.conditions.written import Amount, Mistaken, Spot, Word
from edge.locale import text

MOST_STEPS = 100
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*\.\.\s*({_NUMBER})\s*(.*?)\s*")
_HERE = Spot(0, 0)

Kind = tuple[str, str, int, float, float]
"""What comparisons have in common that are moved together: all but their point."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A sweep as written. ``unit`` is empty if none is; ``term`` counts from 1, 0: the only one."""

    rule: str
    level: Level
    begin: float
    end: float
    unit: str
    steps: int
    term: int


def parse_sweep(written: str) -> Asked:
    """``rule=RULE:level=LEVEL:FROM..TO:STEPS[:term=N]``. Raises ConfigError."""
    named: dict[str, str] = {}
    found: re.Match[str] | None = None
    count = ""
    for part in written.split(":"):
        key, equals, value = part.partition("=")
        if equals and key.strip() in ("rule", "level", "term"):
            named[key.strip()] = value.strip()
        elif match := _RANGE.fullmatch(part):
            found = match
        else:
            count = part.strip()
    whole = count.isdecimal() and named.get("term", "0").isdecimal()
    if found is None or "rule" not in named or "level" not in named or not whole:
        raise ConfigError(text("sweep.bad", found=written), hint=text("sweep.form"))
    if named["level"] not in LEVELS:
        raise ConfigError(
            text("sweep.no-level", found=named["level"], allowed=listed(LEVELS)),
            hint=suggest(named["level"], LEVELS),
        )
    begin_unit, unit = found[2], found[4] or found[2]
    if begin_unit not in ("", unit):
        raise ConfigError(text("sweep.two-units", one=begin_unit, other=unit))
    if not 2 <= int(count) <= MOST_STEPS:
        raise ConfigError(text("sweep.steps", found=count, most=MOST_STEPS))
    return Asked(
        named["rule"], LEVELS[named["level"]], float(found[1]), float(found[3]), unit,
        int(count), int(named.get("term", "0")),
    )  # fmt: skip


def sweep_of(sites: Sequence[Site], asked: Asked) -> Sweep:
    """Every site that has the rule, with its threshold at each step and where it is now.

    Raises ConfigError if no site has it, or it is not clear which of its numbers is meant.
    """
    names = sorted({rule.id for site in sites for rule in site.rules})
    if asked.rule not in names:
        raise ConfigError(
            text("sweep.no-rule", found=asked.rule, allowed=listed(names)),
            hint=suggest(asked.rule, names),
        )
    rows = tuple(
        _variants(site, rule, asked) if rule is not None else ()
        for site in sites
        for rule in [next((each for each in site.rules if each.id == asked.rule), None)]
    )
    return Sweep(RuleId(asked.rule), asked.level, rows)


def _variants(site: Site, rule: RuleConfig, asked: Asked) -> tuple[Variant, ...]:
    units = {point.id: point.unit for point in site.points}
    level = next((each for each in rule.condition.levels if each.level is asked.level), None)
    if level is None:
        present = (each.level.name.lower() for each in rule.condition.levels)
        raise ConfigError(
            text("sweep.rule-level", rule=rule.id, found=asked.level.name.lower(),
                 allowed=listed(present))
        )  # fmt: skip
    kind, sample = _meant(level, asked.term, rule.id, units)
    measure = _measure(sample, units)
    one = _stored(1.0, asked.unit, measure, sample, units)
    now = kind[-1] / one
    numbers = steps(asked.begin, asked.end, asked.steps)
    if not any(abs(number - now) <= 1e-9 * max(1.0, abs(now)) for number in numbers):
        numbers = sorted([*numbers, float(f"{now:.12g}")], reverse=asked.begin > asked.end)
    found = []
    for number in numbers:
        limit = _stored(number, asked.unit, measure, sample, units)
        moved = _move(level, kind, limit)
        words = f"{number:g} {asked.unit}".rstrip()
        is_now = abs(number - now) <= 1e-9 * max(1.0, abs(now))
        found.append(Variant(number, words, _replaced(site, rule, level, moved), present=is_now))
    return tuple(found)


def _meant(
    level: tree.LevelCondition, term: int, rule: str, units: dict[PointId, Unit]
) -> tuple[Kind, tree.Compare]:
    """The comparisons to be moved; a vote's parts with one limit are one term."""
    terms: dict[Kind, tree.Compare] = {}
    for part in tree.walk(level.raises):
        kind = _kind(part)
        if kind is not None and isinstance(part, tree.Compare):
            terms.setdefault(kind, part)
    shown = listed(
        f"{number}: {show(each, units.__getitem__)}"
        for number, each in enumerate(terms.values(), start=1)
    )
    if not terms:
        raise ConfigError(text("sweep.no-term", rule=rule))
    if term > len(terms) or (term == 0 and len(terms) > 1):
        raise ConfigError(
            text("sweep.which-term", rule=rule, allowed=shown), hint=text("sweep.term-form")
        )
    return list(terms.items())[max(term, 1) - 1]


def _kind(part: tree.Expression) -> Kind | None:
    if not isinstance(part, tree.Compare) or not isinstance(part.limit, float):
        return None
    if isinstance(part.source, tree.Window):
        window = part.source
        return part.comparison, window.function, window.length_ns, window.velocity, part.limit
    return part.comparison, "", 0, 0.0, part.limit


def _measure(part: tree.Compare, units: dict[PointId, Unit]) -> Measure:
    function = part.source.function if isinstance(part.source, tree.Window) else None
    return measure_of(function, units[part.source.point])


def _stored(
    number: float, unit: str, measure: Measure, part: tree.Compare, units: dict[PointId, Unit]
) -> float:
    """A number in the unit of the sweep, as it is compared."""
    amount = Amount(Word(f"{number:.12g}", _HERE), Word(unit, _HERE) if unit else None)
    try:
        return value_in(amount, measure, part.source.point)
    except Mistaken as mistaken:
        allowed = listed(mistaken.mistakes[0].allowed)
        words = show(part, units.__getitem__)
        raise ConfigError(text("sweep.unit", found=unit, term=words, allowed=allowed)) from None


def _move(level: tree.LevelCondition, kind: Kind, limit: float) -> tree.LevelCondition:
    """The level with another limit; what clears it keeps its distance."""
    moved = {part.source for part in tree.walk(level.raises)
             if isinstance(part, tree.Compare) and _kind(part) == kind}  # fmt: skip
    shift = limit - kind[-1]

    def raise_at(part: tree.Compare) -> tree.Compare:
        return replace(part, limit=limit) if _kind(part) == kind else part

    def clear_at(part: tree.Compare) -> tree.Compare:
        if part.source not in moved or not isinstance(part.limit, float):
            return part
        return replace(part, limit=float(f"{part.limit + shift:.12g}"))

    clears = None if level.clears is None else _mapped(level.clears, clear_at)
    return replace(level, raises=_mapped(level.raises, raise_at), clears=clears)


def _mapped(
    part: tree.Expression, change: Callable[[tree.Compare], tree.Compare]
) -> tree.Expression:
    """The same expression with each comparison changed."""
    match part:
        case tree.Compare():
            return change(part)
        case tree.All(parts) | tree.AnyOf(parts) | tree.Votes(_, parts):
            return replace(part, parts=tuple(_mapped(each, change) for each in parts))
        case tree.Repeated(inner):
            return replace(part, part=change(inner))
        case tree.Not(inner) | tree.Held(inner):
            return replace(part, part=_mapped(inner, change))
        case _:
            return part


def _replaced(
    site: Site, rule: RuleConfig, level: tree.LevelCondition, moved: tree.LevelCondition
) -> Site:
    levels = tuple(moved if each is level else each for each in rule.condition.levels)
    condition = replace(rule.condition, levels=levels)
    changed = replace(rule, condition=condition)
    return replace(site, rules=tuple(changed if each is rule else each for each in site.rules))
