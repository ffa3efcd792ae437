"""A threshold moved in steps: what each choice would have cost, and would have bought. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.analysis.backtest.score import Score


@dataclass(frozen=True, slots=True)
class Choice:
    """One threshold and what came of it. ``words``: with its unit, as people write it."""

    threshold: float
    words: str
    score: Score
    present: bool = False
    """It is what the site file says now."""


@dataclass(frozen=True, slots=True)
class Curve:
    """All choices of one sweep, in the order of their thresholds; ``name``: of the site file."""

    name: str
    choices: tuple[Choice, ...]


def steps(begin: float, end: float, count: int) -> list[float]:
    """So many values from begin to end, both included, as people write them (12 digits)."""
    if count < 2:
        return [begin]
    width = (end - begin) / (count - 1)
    return [float(f"{begin + index * width:.12g}") for index in range(count)]


def best(choices: Sequence[Choice]) -> Choice | None:
    """The choice that missed least.

    Of several the one with the fewest false alarms, of those the one that warned earliest. None if
    none warned of any event.
    """
    judged = [choice for choice in choices if choice.score.hits]
    return min(judged, key=_cost, default=None)


def undominated(choices: Sequence[Choice]) -> list[Choice]:
    """The choices that no other one beats in misses, false alarms and lead time at once.

    One that warns of nothing is no choice.
    """
    judged = [choice for choice in choices if choice.score.hits]
    return [
        choice
        for choice in judged
        if not any(_beats(_cost(other), _cost(choice)) for other in judged)
    ]


def _cost(choice: Choice) -> tuple[int, int, float]:
    score = choice.score
    lead_ms = score.lead_ms
    return len(score.misses), len(score.false), -lead_ms if lead_ms is not None else 0.0


def _beats(one: tuple[int, int, float], other: tuple[int, int, float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
