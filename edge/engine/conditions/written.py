"""A condition as it is written, before anybody knows what its points measure. Pure.

Every part knows where it stands, so that a mistake can be shown under the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spot:
    """From one character of the text, counted from 0, up to another that no longer belongs."""

    at: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """A point, a number, a name, a date or a time, as written."""

    text: str
    spot: Spot


@dataclass(frozen=True, slots=True)
class Amount:
    """A number and its unit; ``unit`` is None if none is written."""

    number: Word
    unit: Word | None

    @property
    def spot(self) -> Spot:
        """Both together."""
        return Spot(self.number.spot.at, (self.unit or self.number).spot.end)


@dataclass(frozen=True, slots=True)
class Picked:
    """``pick(selector, choice amount, …)``."""

    selector: Word
    choices: tuple[tuple[Word, Amount], ...]

    @property
    def spot(self) -> Spot:
        """From the selector to the last amount."""
        return Spot(self.selector.spot.at, self.choices[-1][1].spot.end)


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest reading of a point."""

    point: Word


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a window; ``arguments`` are what follows the point."""

    function: Word
    point: Word
    arguments: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``source comparison limit``."""

    source: Reading | Call
    comparison: str
    limit: Amount | Picked


@dataclass(frozen=True, slots=True)
class AllOf:
    """Parts with ``and`` between them."""

    parts: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Parts with ``or`` between them."""

    parts: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """``not part``."""

    part: Written


@dataclass(frozen=True, slots=True)
class Ballot:
    """``needed of (part, …)``."""

    needed: Word
    parts: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """``part for duration``."""

    part: Written
    duration: Amount


@dataclass(frozen=True, slots=True)
class Repetition:
    """``part for needed of number readings``; ``of`` is None if all of them are needed."""

    part: Written
    needed: Word
    of: Word | None


@dataclass(frozen=True, slots=True)
class Gone:
    """``lost(point)``."""

    point: Word


@dataclass(frozen=True, slots=True)
class Judged:
    """``quality(point) is quality``."""

    point: Word
    quality: Word


@dataclass(frozen=True, slots=True)
class Sighting:
    """``seen(point comparison limit, age)``."""

    point: Word
    comparison: str
    limit: Amount
    age: Amount


@dataclass(frozen=True, slots=True)
class Dates:
    """``during(begin, end)``: months and days."""

    begin: Word
    end: Word


@dataclass(frozen=True, slots=True)
class Hours:
    """``between(begin, end)``: hours and minutes."""

    begin: Word
    end: Word


Written = (
    Comparison
    | AllOf
    | AnyOf
    | Negation
    | Ballot
    | Holding
    | Repetition
    | Gone
    | Judged
    | Sighting
    | Dates
    | Hours
)


@dataclass(frozen=True, slots=True)
class WrittenLevel:
    """``raises clear when clears``; ``clears`` is None if it is not written."""

    text: str
    raises: Written
    clears: Written | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a condition, and where.

    ``code`` names the text for people. ``allowed`` are words and numbers to be written as they are;
    ``kinds`` are kinds of things that may stand here instead: condition, point, number, unit,
    comparison, limit, name, date, time, end. ``arguments`` fill the text.
    """

    code: str
    spot: Spot
    found: str = ""
    allowed: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)


class Mistaken(ValueError):
    """A text is no condition, or says what cannot be. ``mistakes`` holds all, in their order."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(
            ", ".join(f"{each.spot.at}: {each.code} {each.found}" for each in mistakes)
        )
        self.mistakes = mistakes
