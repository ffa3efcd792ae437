"""Why a rule is at its level, for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.core.model import Level, PointId
from edge.engine.conditions.build import Builder
from edge.engine.conditions.rulings import Ruling
from edge.engine.conditions.tree import (
    Compare,
    Condition,
    Expression,
    Pick,
    Selector,
    Votes,
    Window,
    walk,
)
from edge.engine.conditions.truth import Truth


@dataclass(frozen=True, slots=True)
class LevelState:
    """One level: whether it stands, and what its conditions are now."""

    level: Level
    raised: bool
    raises: Truth
    clears: Truth


@dataclass(frozen=True, slots=True)
class WindowState:
    """One window. ``value`` in the unit of its limits (a TANGENT in degrees); None: unknown.

    ``warming``: it was not observed for its whole length as yet.
    """

    window: Window
    value: float | None
    warming: bool


@dataclass(frozen=True, slots=True)
class VoteState:
    """What decides a vote now: ``needed`` of ``among``; 0 of 0: every sensor is lost."""

    votes: Votes
    needed: int
    among: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule is at its level. ``level`` None: unknown, the last known one stands."""

    level: Level | None
    standing: Level
    levels: tuple[LevelState, ...]
    windows: tuple[WindowState, ...]
    votes: tuple[VoteState, ...]
    lost: tuple[PointId, ...]
    choices: Mapping[str, str]


def explain(ruling: Ruling, built: Builder) -> Explanation:
    """What is known of a rule now."""
    condition = ruling.condition
    picked = tuple(_selectors(condition, built))
    parts = [*_parts(condition)]
    for selector in picked:
        parts += [part for choice in selector.choices for part in walk(choice.when)]
    compares = [part for part in parts if isinstance(part, Compare)]
    sources = dict.fromkeys(part.source for part in compares if isinstance(part.source, Window))
    votes = dict.fromkeys(part for part in _parts(condition) if isinstance(part, Votes))
    return Explanation(
        ruling.told,
        ruling.known,
        tuple(
            LevelState(rung.level, rung.raised, rung.raises.truth, rung.clears.truth)
            for rung in ruling.rungs
        ),
        tuple(
            WindowState(said, built.windows[said].value(), built.windows[said].warming)
            for said in sources
        ),
        tuple(
            VoteState(part, node.wanted, node.among)
            for part in votes
            for node in [built.votes[part, condition.degrade]]
        ),
        tuple(track.of.id for track in ruling.tracks if track.lost),
        {selector.name: built.selectors[selector.name].choice for selector in picked},
    )


def _parts(condition: Condition) -> Iterator[Expression]:
    for level in condition.levels:
        yield from walk(level.raises)
        if level.clears is not None:
            yield from walk(level.clears)


def _selectors(condition: Condition, built: Builder) -> list[Selector]:
    """Those that choose among limits of the rule, and those that choose among theirs."""
    found: dict[str, Selector] = {}
    open_parts = [*_parts(condition)]
    while open_parts:
        part = open_parts.pop()
        if not isinstance(part, Compare) or not isinstance(part.limit, Pick):
            continue
        name = part.limit.selector
        if name not in found:
            said = found[name] = built.selectors[name].said
            open_parts += [each for choice in said.choices for each in walk(choice.when)]
    return list(found.values())
