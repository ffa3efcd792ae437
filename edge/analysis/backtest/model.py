"""The nouns of a back-test. Times are wall time in milliseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edge.core.model import Level, Quality, RuleId

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365.25 * DAY_MS

Row = tuple[int, int, float | None, Quality]
"""When (ms), of which series (its number), the number as it stands in the file, its quality."""


class Span(NamedTuple):
    """From ``begin_ms`` to just before ``end_ms``."""

    begin_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it lasts."""
        return self.end_ms - self.begin_ms


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened and should have been warned of.

    ``level``: how bad it was; alarms of higher levels were too much for it. None: bad enough for
    every level. ``rule``: which rule should have told of it; None: each.
    """

    span: Span
    label: str
    level: Level | None = None
    rule: RuleId | None = None

    def concerns(self, rule: RuleId, level: Level) -> bool:
        """Whether an alarm of this rule and level was due."""
        return self.rule in (None, rule) and (self.level is None or level <= self.level)


@dataclass(frozen=True, slots=True)
class Answer:
    """Somebody answered an alarm on site. ``waited_ms`` from when it was raised."""

    rule: RuleId
    at_ms: int
    by: str
    level: Level
    waited_ms: int


class Doubt(NamedTuple):
    """A time in which a rule could not be judged, and why: ``lost``, ``warming`` or ``unknown``."""

    begin_ms: int
    end_ms: int
    why: str


@dataclass(slots=True)
class Track:
    """What one rule did.

    ``changes``: its measured level from each of these times on, NORMAL before the first.
    ``left_out``: changes beyond what is kept of a rule that chatters.
    """

    rule: RuleId
    changes: list[tuple[int, Level]] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    left_out: int = 0

    def spans(self, level: Level, end_ms: int) -> list[Span]:
        """When the measured level was at least this high; what still stands ends at ``end_ms``."""
        found: list[Span] = []
        since: int | None = None
        for at_ms, reached in self.changes:
            if since is None and reached >= level:
                since = at_ms
            elif since is not None and reached < level:
                found.append(Span(since, at_ms))
                since = None
        if since is not None:
            found.append(Span(since, end_ms))
        return found


@dataclass(slots=True)
class Intake:
    """What was read. ``ignored``: rows by the name of a series that no rule needs.

    ``late``: rows that came after much later ones and were left out; ``conflicts``: two values of
    one series at one time, both taken, in the order of the file.
    """

    rows: int = 0
    taken: int = 0
    missing: int = 0
    damaged: int = 0
    bad: int = 0
    disordered: int = 0
    late: int = 0
    duplicates: int = 0
    conflicts: int = 0
    first_disorder: str = ""
    ignored: Counter[str] = field(default_factory=Counter)
