"""From trees to nodes that share what is equal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edge.core.model import Point, PointId
from edge.engine.conditions.increments import Increments
from edge.engine.conditions.nodes import (
    AllNode,
    AnyNode,
    HeldNode,
    NotNode,
    Picked,
    RepeatedNode,
    SelectorNode,
    VotesNode,
)
from edge.engine.conditions.presence import (
    CalendarNode,
    DatesNode,
    LostNode,
    Presence,
    QualityNode,
    SeenNode,
)
from edge.engine.conditions.rulings import Ruling, Rung
from edge.engine.conditions.sources import Comparison, Source
from edge.engine.conditions.tracks import Track
from edge.engine.conditions.tree import (
    All,
    AnyOf,
    Compare,
    Condition,
    Degrade,
    DuringDates,
    DuringHours,
    Expression,
    Function,
    HasQuality,
    Held,
    Lost,
    Not,
    Pick,
    Repeated,
    Seen,
    Selector,
    Value,
    Votes,
    walk,
)
from edge.engine.conditions.tree import Window as Said
from edge.engine.conditions.trends import (
    ChangeWindow,
    MeanWindow,
    RateWindow,
    RobustRateWindow,
    TangentWindow,
)
from edge.engine.conditions.truth import Node
from edge.engine.conditions.windows import (
    CountWindow,
    DaySum,
    MaxWindow,
    MinWindow,
    SumWindow,
    Window,
)
from edge.engine.quality import Counter

_KINDS: dict[Function, type[Window]] = {
    Function.SUM: SumWindow,
    Function.MIN: MinWindow,
    Function.MAX: MaxWindow,
    Function.MEAN: MeanWindow,
    Function.COUNT: CountWindow,
    Function.RATE: RateWindow,
    Function.CHANGE: ChangeWindow,
    Function.ROBUST_RATE: RobustRateWindow,
    Function.DAY_SUM: DaySum,
    Function.TANGENT: TangentWindow,
}
Key = tuple[Expression, Degrade]


class Builder:
    """Makes the nodes of a rule set, each after those that it depends on."""

    def __init__(
        self,
        points: Iterable[Point],
        selectors: Iterable[Selector],
        counters: Mapping[PointId, Counter],
    ) -> None:
        self.nodes: dict[Key, Node] = {}
        self.order: list[Node] = []
        self.selectors: dict[str, SelectorNode] = {}
        self.tracks: dict[PointId, Track] = {}
        self.windows: dict[Said, Window] = {}
        self.votes: dict[Key, VotesNode] = {}
        self._needs: dict[Node, frozenset[PointId]] = {}
        self._points = {point.id: point for point in points}
        self._said = {selector.name: selector for selector in selectors}
        self._being_made: set[str] = set()
        self.counters = counters

    def rule(self, condition: Condition) -> Ruling:
        """A rule with all that it needs. Raises ValueError if something it names is not there."""
        rungs = []
        for each in sorted(condition.levels, key=lambda level: level.level):
            clears = each.clears if each.clears is not None else Not(without_waiting(each.raises))
            nodes = [self.node(part, condition.degrade) for part in (each.raises, clears)]
            needs = self._needs[nodes[0]] | self._needs[nodes[1]]
            tracks = tuple(track for name, track in self.tracks.items() if name in needs)
            rungs.append(Rung(each.level, nodes[0], nodes[1], tracks))
        ruling = Ruling(condition, rungs)
        for rung in rungs:
            rung.raises.parents.append(ruling)
            rung.clears.parents.append(ruling)
        return ruling

    def finish(self) -> None:
        """Tell every point what depends on it, in the order in which it is to be judged."""
        for name, track in self.tracks.items():
            mine = [node for node in self.order if name in self._needs[node]]
            track.nodes = tuple(node for node in mine if not node.passive)
            track.held = tuple(node for node in mine if isinstance(node, HeldNode))
            track.repeated = tuple(node for node in mine if isinstance(node, RepeatedNode))
            track.look(window for said, window in self.windows.items() if said.point == name)
        for node in self.order:
            if isinstance(node, HeldNode):
                node.tracks = tuple(self.tracks[name] for name in sorted(self._needs[node]))
            elif not node.passive and not isinstance(node, RepeatedNode):
                node.judge(0)  # what is known without a reading: that nothing is lost

    def node(self, expression: Expression, degrade: Degrade) -> Node:
        """The node of an expression; the one there is, if an equal expression has it."""
        votes = any(isinstance(each, Votes) for each in walk(expression))
        key = (expression, degrade if votes else Degrade.NO)
        node = self.nodes.get(key)
        if node is None:
            node = self._make(expression, degrade)
            self.nodes[key] = node
            self.order.append(node)
        return node

    def _make(self, expression: Expression, degrade: Degrade) -> Node:
        match expression:
            case Compare():
                return self._compare(expression)
            case All() | AnyOf() | Votes():
                return self._of_many(expression, degrade)
            case Not() | Held() | Repeated():
                return self._of_one(expression, degrade)
            case DuringDates(begin, end):
                return self._over(DatesNode(begin, end), [])
            case DuringHours(begin_min, end_min):
                return self._over(CalendarNode(begin_min, end_min), [])
            case _:
                return self._presence(expression)

    def _of_many(self, expression: All | AnyOf | Votes, degrade: Degrade) -> Node:
        nodes = [self.node(part, degrade) for part in expression.parts]
        match expression:
            case All():
                return self._over(AllNode(nodes), nodes)
            case AnyOf():
                return self._over(AnyNode(nodes), nodes)
            case Votes(needed):
                votes = self.votes[expression, degrade] = VotesNode(needed, nodes, degrade)
                return self._over(votes, nodes)

    def _of_one(self, expression: Not | Held | Repeated, degrade: Degrade) -> Node:
        node = self.node(expression.part, degrade)
        match expression:
            case Not():
                return self._over(NotNode(node), [node])
            case Held(_, hold_ns):
                return self._over(HeldNode(node, hold_ns), [node])
            case Repeated(part, needed, of):
                track = self._track(part.source.point)
                return self._over(RepeatedNode(node, needed, of, track), [node])

    def _presence(self, expression: Lost | HasQuality | Seen) -> Node:
        track = self._track(expression.point)
        presence: Presence
        match expression:
            case Lost():
                presence = LostNode()
            case HasQuality(_, quality):
                presence = QualityNode(quality)
            case Seen(_, comparison, limit, age_ns):
                cut, rising = track.cut(comparison, limit)
                presence = SeenNode(cut, age_ns, rising=rising)
                track.seen = (*track.seen, presence)
                track.busy += 1  # a look at the bands does not show that an event came
        track.presences = (*track.presences, presence)
        self._needs[presence] = frozenset({expression.point})
        return presence

    def _compare(self, compare: Compare) -> Node:
        point = compare.source.point
        source = self._source(compare.source)
        leaf: Comparison
        if isinstance(compare.limit, Pick):
            selector = self._selector(compare.limit.selector)
            limits = dict(compare.limit.choices)
            said = selector.said
            wanted = {said.otherwise, said.unknown, *(each.name for each in said.choices)}
            if wanted - limits.keys():
                raise ValueError(f"no limit for {sorted(wanted - limits.keys())} of {said.name!r}")
            cuts = {name: source.cut(compare.comparison, limits[name]) for name in limits}
            _, rising = cuts[said.unknown]
            leaf = Picked(
                source, selector, {name: cut for name, (cut, _) in cuts.items()}, rising=rising
            )
            selector.parents.append(leaf)
            self._needs[leaf] = self._needs[selector] | {point}
        else:
            cut, rising = source.cut(compare.comparison, compare.limit)
            leaf = Comparison(cut, rising=rising)
            self._needs[leaf] = frozenset({point})
        source.leaves.append(leaf)
        return leaf

    def _source(self, said: Value | Said) -> Source:
        track = self._track(said.point)
        if isinstance(said, Value):
            return track
        window = self.windows.get(said)
        if window is None:
            kind = _KINDS[said.function]
            counter = self.counters.get(said.point)
            if counter is not None:
                if track.increments is None:
                    track.increments = Increments(counter, track.scale, track.of.decimals)
                kind = SumWindow if kind is ChangeWindow else kind
            window = self.windows[said] = kind(said, track.scale)
        return window

    def _track(self, name: PointId) -> Track:
        track = self.tracks.get(name)
        if track is None:
            if name not in self._points:
                raise ValueError(f"no point {name!r}")
            track = self.tracks[name] = Track(self._points[name])
        return track

    def _selector(self, name: str) -> SelectorNode:
        node = self.selectors.get(name)
        if node is None:
            if name not in self._said or name in self._being_made:
                raise ValueError(f"no selector {name!r}, or one that needs itself")
            self._being_made.add(name)
            said = self._said[name]
            whens = [self.node(choice.when, Degrade.NO) for choice in said.choices]
            node = self.selectors[name] = SelectorNode(said, whens)
            self._over(node, whens)
            self.order.append(node)
            self._being_made.discard(name)
        return node

    def _over(self, node: Node, parts: Sequence[Node]) -> Node:
        """Connect a node with its parts."""
        for part in parts:
            part.parents.append(node)
        self._needs[node] = frozenset().union(*(self._needs[part] for part in parts))
        return node


def without_waiting(expression: Expression) -> Expression:
    """An expression with its holding times and repetitions taken as their parts."""
    match expression:
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
        case _:
            return expression
