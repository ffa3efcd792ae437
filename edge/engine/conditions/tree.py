"""What a rule's conditions say, resolved: the nouns of the rule language. Pure.

Values are in the stored unit of their point; a length of time is in nanoseconds. Trees are frozen
and compare by what they say, so that equal parts of different rules can share their state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from edge.core.model import Level, PointId, Quality, RuleId


class Function(StrEnum):
    """What a window makes of a point's readings."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    COUNT = "count"
    RATE = "rate"
    """Last minus first reading over the time between them: stored unit per second."""
    CHANGE = "change"
    """Last minus first reading."""
    ROBUST_RATE = "robust_rate"
    """Median of the rates between neighbours: stored unit per second."""
    DAY_SUM = "day_sum"
    """Sum since 08:00 local time, where the hydrological day begins (SL 651-2014, appendix E)."""
    TANGENT = "tangent"
    """Improved tangent angle of a displacement, in degrees: atan of the rate over ``velocity``."""


@dataclass(frozen=True, slots=True)
class Value:
    """The newest reading of a point."""

    point: PointId


@dataclass(frozen=True, slots=True)
class Window:
    """A function of the readings of the last ``length_ns``.

    ``length_ns`` is 0 for DAY_SUM. ``velocity``, of TANGENT alone: the rate of the stage of
    constant deformation, in stored unit per second.
    """

    function: Function
    point: PointId
    length_ns: int
    velocity: float = 0.0


Source = Value | Window


@dataclass(frozen=True, slots=True)
class Pick:
    """A threshold chosen by a selector, by the name of its choice."""

    selector: str
    choices: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """``comparison`` is one of >=, >, <=, <; the limit is in the unit of the source."""

    source: Source
    comparison: str
    limit: float | Pick


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if a part is."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; of unknown it is unknown."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Votes:
    """True if at least ``needed`` of the parts are. Without degradation an unknown part is one."""

    needed: int
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """True once ``part`` has been true at every reading for this long, and at the last one."""

    part: Expression
    hold_ns: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """True if ``part`` was true at ``needed`` of the last ``of`` readings of its one point."""

    part: Compare
    needed: int
    of: int


@dataclass(frozen=True, slots=True)
class Lost:
    """True while the point's sensor is lost; never unknown."""

    point: PointId


@dataclass(frozen=True, slots=True)
class HasQuality:
    """True while the newest reading of the point has this quality; never unknown."""

    point: PointId
    quality: Quality


@dataclass(frozen=True, slots=True)
class Seen:
    """True if an event of the point at least this strong is no older than ``age_ns``.

    An event point has a reading only when something was seen (a camera's class with its
    confidence); its silence is no loss.
    """

    point: PointId
    comparison: str
    limit: float
    age_ns: int


@dataclass(frozen=True, slots=True)
class DuringDates:
    """True from one month and day to another, local time, both included; may pass new year."""

    begin: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class DuringHours:
    """True from one minute of the local day until another; may pass midnight."""

    begin_min: int
    end_min: int


Expression = (
    Compare
    | All
    | AnyOf
    | Not
    | Votes
    | Held
    | Repeated
    | Lost
    | HasQuality
    | Seen
    | DuringDates
    | DuringHours
)


class Degrade(StrEnum):
    """What becomes of votes whose sensors are lost (see docs/rules.md, degradation)."""

    NO = "no"
    """An unknown vote stays unknown."""
    SAFETY = "safety"
    """2 of 3 becomes 1 of 2: rather one alarm too many."""
    AVAILABILITY = "availability"
    """2 of 3 becomes 2 of 2: rather no alarm from one sensor alone."""


@dataclass(frozen=True, slots=True)
class LevelCondition:
    """From when on a level is raised, and from when on it is not any more.

    ``clears`` None: when ``raises``, without its holding times and repetitions, is false.
    """

    level: Level
    raises: Expression
    clears: Expression | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a selector: taken if its condition is the first that is true."""

    name: str
    when: Expression


@dataclass(frozen=True, slots=True)
class Selector:
    """Chooses among threshold sets. ``otherwise``: when no condition is true.

    ``unknown``: the choice while a condition before the first true one is unknown; it should be the
    one with the lowest thresholds.
    """

    name: str
    choices: tuple[Choice, ...]
    otherwise: str
    unknown: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A whole rule, lowest level first.

    ``lost``: the level that is raised while a lost sensor leaves a level's condition unknown; None
    lets the last level stand.
    """

    rule: RuleId
    levels: tuple[LevelCondition, ...]
    lost: Level | None = None
    degrade: Degrade = Degrade.NO


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The expressions right below one."""
    match expression:
        case All(parts) | AnyOf(parts) | Votes(_, parts):
            return parts
        case Not(part) | Held(part) | Repeated(part):
            return (part,)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """An expression and everything below it, from the top."""
    yield expression
    for part in parts_of(expression):
        yield from walk(part)


def points_of(expression: Expression) -> frozenset[PointId]:
    """Every point an expression looks at, without those of its selectors."""
    found = set()
    for each in walk(expression):
        match each:
            case Compare(source):
                found.add(source.point)
            case Lost(point) | HasQuality(point) | Seen(point):
                found.add(point)
            case _:
                pass
    return frozenset(found)
