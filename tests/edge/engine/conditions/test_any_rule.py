"""Any rule at all, against an evaluation of its definition over all history."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, Quality, RuleId
from edge.engine.conditions.tree import (
    All,
    AnyOf,
    Choice,
    Compare,
    Condition,
    Degrade,
    Expression,
    Held,
    LevelCondition,
    Lost,
    Not,
    Pick,
    Repeated,
    Selector,
    Value,
    Votes,
    parts_of,
    points_of,
    walk,
)
from edge.engine.conditions.truth import Truth

NAMES = "abcd"
T, F, U, L = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN, Truth.LOST
SOIL = Selector(
    "soil",
    (
        Choice("wet", Compare(Value(PointId("c")), ">=", 3.0)),
        Choice("dry", Compare(Value(PointId("c")), "<", 2.0)),
    ),
    "normal",
    "wet",
)
LIMITS = Pick("soil", (("wet", 1.0), ("normal", 2.0), ("dry", 3.0)))


NAME = st.sampled_from([PointId(name) for name in NAMES])
VALUE = NAME.map(Value)
COMPARE = st.builds(
    Compare, VALUE, st.sampled_from([">=", ">", "<", "<="]), st.integers(1, 3).map(float)
)
PICKED = st.builds(Compare, VALUE, st.sampled_from([">=", "<"]), st.just(LIMITS))


@st.composite
def repeated(draw: Any) -> Repeated:
    of = draw(st.integers(1, 4))
    return Repeated(draw(COMPARE), draw(st.integers(1, of)), of)


@st.composite
def votes(draw: Any, below: Any) -> Votes:
    parts = tuple(draw(st.lists(below, min_size=1, max_size=4)))
    return Votes(draw(st.integers(1, len(parts))), parts)


LEAF = st.one_of(COMPARE, COMPARE, PICKED, repeated(), st.builds(Lost, NAME))


def expressions(depth: int = 3) -> st.SearchStrategy[Expression]:
    """Trees up to this deep."""
    if depth == 0:
        return LEAF
    below = expressions(depth - 1)
    parts = st.lists(below, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        LEAF,
        st.builds(Not, below),
        st.builds(Held, below, st.integers(0, 3).map(lambda s: s * NS_PER_S)),
        st.builds(All, parts),
        st.builds(AnyOf, parts),
        votes(below),
    )


Step = tuple[str, float | Quality]


class History:
    """What a tree is after each step, by nothing but its definition; one step a second."""

    def __init__(self, steps: list[Step], degrade: Degrade) -> None:
        self.steps = steps
        self.degrade = degrade
        self.memo: dict[tuple[Expression, int], Truth] = {}

    def truth(self, node: Expression, i: int) -> Truth:
        if (node, i) not in self.memo:
            parts = [self.truth(part, i) for part in parts_of(node)]
            self.memo[node, i] = self._leaf(node, i) if not parts else self._over(node, parts, i)
        return self.memo[node, i]

    def points(self, node: Expression) -> frozenset[PointId]:
        picks = [p for p in walk(node) if isinstance(p, Compare) and isinstance(p.limit, Pick)]
        return points_of(node) | ({PointId("c")} if picks else set())

    def since_good(self, name: PointId, i: int) -> list[float | Quality] | None:
        """The bad readings after the last good one; None before the first of all."""
        readings = [value for on, value in self.steps[: i + 1] if on == name]
        goods = [k for k, value in enumerate(readings) if isinstance(value, float)]
        return readings[goods[-1] + 1 if goods else 0 :] if readings else None

    def lost(self, name: PointId, i: int) -> bool:
        bad = self.since_good(name, i) or []
        return len(bad) >= 3 or Quality.LOST in bad

    def choice(self, i: int) -> str:
        for each in SOIL.choices:
            truth = self.truth(each.when, i)
            if truth is T:
                return each.name
            if truth is not F:
                return SOIL.unknown
        return SOIL.otherwise

    def _leaf(self, node: Expression, i: int) -> Truth:
        if isinstance(node, Lost):
            return T if self.lost(node.point, i) else F
        assert isinstance(node, Compare)
        point, limit = node.source.point, node.limit
        if self.lost(point, i):
            return L
        if self.since_good(point, i) != []:
            return U
        if isinstance(limit, Pick):
            limit = dict(limit.choices)[self.choice(i)]
        value = next(v for on, v in reversed(self.steps[: i + 1]) if on == point)
        assert isinstance(value, float)
        true = {
            ">=": value >= limit,
            ">": value > limit,
            "<": value < limit,
            "<=": value <= limit,
        }[node.comparison]
        return T if true else F

    def _over(self, node: Expression, parts: list[Truth], i: int) -> Truth:
        match node:
            case Not():
                return {T: F, F: T}.get(parts[0], parts[0])
            case All():
                return F if F in parts else next((v for v in (L, U) if v in parts), T)
            case AnyOf():
                return T if T in parts else next((v for v in (L, U) if v in parts), F)
            case Votes(needed):
                return self._votes(needed, parts)
            case Held(part, hold_ns):
                return self._held(part, hold_ns, i)
            case Repeated():
                return self._repeated(node, i)
        raise AssertionError(node)

    def _votes(self, needed: int, parts: list[Truth]) -> Truth:
        lost, among = parts.count(L), len(parts)
        if self.degrade is not Degrade.NO and lost:
            among -= lost
            if among == 0:
                return L
            safe = self.degrade is Degrade.SAFETY
            needed = max(1, needed - lost) if safe else min(needed, among)
        if parts.count(T) >= needed:
            return T
        if parts.count(F) > among - needed:
            return F
        return L if self.degrade is Degrade.NO and lost else U

    def _held(self, part: Expression, hold_ns: int, i: int) -> Truth:
        mine = self.points(part)
        readings = [j for j in range(i + 1) if self.steps[j][0] in mine]
        if not readings:
            return U
        since = None
        for j in readings:
            truth = self.truth(part, j)
            if truth is F:
                since = None
            elif truth is T and since is None:
                since = j
        now = self.truth(part, readings[-1])
        if now is not T:
            return now
        assert since is not None
        return T if (readings[-1] - since) * NS_PER_S >= hold_ns else F

    def _repeated(self, node: Repeated, i: int) -> Truth:
        now = self.truth(node.part, i)
        if now not in (T, F):
            return now
        mine = [j for j in range(i + 1) if self.steps[j][0] == node.part.source.point]
        known = [v for v in (self.truth(node.part, j) for j in mine) if v in (T, F)][-node.of :]
        if known.count(T) >= node.needed:
            return T
        return F if known.count(T) + node.of - len(known) < node.needed else U


def without_waiting(node: Expression) -> Expression:
    match node:
        case Held(part) | Repeated(part):
            return without_waiting(part)
        case Not(part):
            return Not(without_waiting(part))
        case All(parts):
            return All(tuple(map(without_waiting, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(without_waiting, parts)))
        case Votes(needed, parts):
            return Votes(needed, tuple(map(without_waiting, parts)))
    return node


_VALUES = st.integers(0, 4).map(float)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.one_of(_VALUES, _VALUES, _VALUES, st.sampled_from([Quality.GARBLED, Quality.LOST])),
    ),
    min_size=1,
    max_size=40,
)
_LEVELS = (Level.BLUE, Level.ORANGE, Level.RED)


@given(
    st.lists(st.tuples(expressions(), st.none() | expressions(2)), min_size=1, max_size=3),
    STEPS,
    st.sampled_from(list(Degrade)),
    st.sampled_from([None, Level.YELLOW]),
)
@settings(max_examples=300)
def test_any_rule_is_what_its_definition_says(desk, trees, steps, degrade, lost):
    """Logic, levels, holding times, repetitions, votes, choices and losses, step by step."""
    levels = tuple(
        LevelCondition(level, raises, clears)
        for level, (raises, clears) in zip(_LEVELS, trees, strict=False)
    )
    table = desk([Condition(RuleId("r"), levels, lost, degrade)], selectors=(SOIL,))
    history = History(steps, degrade)
    raised: dict[Level, bool] = {}
    for i, (name, value) in enumerate(steps):
        good = isinstance(value, float)
        table.feed(value if good else None, i, Quality.GOOD if good else value, on=name)
        if name not in table.set.points:
            continue
        standing, is_lost = Level.NORMAL, False
        for each, shown in zip(levels, table.explain().levels, strict=True):
            clears = Not(without_waiting(each.raises)) if each.clears is None else each.clears
            now, end = history.truth(each.raises, i), history.truth(clears, i)
            assert (shown.raises, shown.clears) == (now, end)
            raised[each.level] = now is T or (raised.get(each.level, False) and end is not T)
            if raised[each.level]:
                standing = each.level
            is_lost = is_lost or now is L
        if is_lost and lost is not None:
            standing = max(standing, lost)
        assert table.explain().standing is standing
