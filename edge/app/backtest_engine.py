"""The machine that decides on site, as a back-test runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edge.app.backtest import Judged
from edge.app.config.model import RuleConfig, Site
from edge.app.deciding import decider_of
from edge.core.instant import Instant, Utc
from edge.core.model import Alarm, Level, PointId, Quality, RuleId
from edge.engine.conditions.truth import Truth
from edge.engine.decider import Decider


def engine_of(site: Site) -> Judged:
    """A site's decider that has not seen anything yet, and what it needs."""
    decider = decider_of(site)
    rules = {RuleId(rule.id): rule for rule in site.rules}
    shadows = frozenset(name for name, rule in rules.items() if rule.shadow)
    engine = _Shadowed(decider) if shadows else _Engine(decider)
    return Judged(
        engine=engine,
        judge=decider.checks.judge,
        points=_needed(site, decider),
        levels={name: _levels(rule) for name, rule in rules.items()},
        looks_at={name: rule.points for name, rule in rules.items()},
        doubts=_Doubts(decider),
        shadows=shadows,
    )


class _Engine:
    """A decider; its calls are passed on as they are, for they come by the million."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self.feed = decider.feed
        self.advance = decider.advance

    @property
    def due(self) -> Instant | None:
        """See Decider."""
        return self._decider.due

    def acknowledge(
        self, rules: Iterable[RuleId] | None, by: str, now: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        """Answer for rules that are there; a journal may know others."""
        known = self._decider.annunciator.alarms
        named = list(known) if rules is None else [rule for rule in rules if rule in known]
        return self._decider.annunciator.acknowledge(named, by, now, utc)


class _Shadowed(_Engine):
    """What shadow rules change is told, too: here they are to be heard."""

    def __init__(self, decider: Decider) -> None:
        super().__init__(decider)
        self.feed = self._feed
        self.advance = self._advance

    def _feed(
        self, point: PointId, value: float | None, quality: Quality, at: Instant, utc: Utc
    ) -> Sequence[Alarm]:
        changed = self._decider.feed(point, value, quality, at, utc)
        return (*changed, *self._decider.take_shadowed())

    def _advance(self, now: Instant, utc: Utc) -> Sequence[Alarm]:
        changed = self._decider.advance(now, utc)
        return (*changed, *self._decider.take_shadowed())


def _needed(site: Site, decider: Decider) -> frozenset[PointId]:
    """What the rules look at, and the peers by which those points are checked."""
    peers = {
        PointId(peer)
        for refined in site.refinements
        if refined.id in decider.rules.points
        for peer in refined.peers
    }
    buttons = {PointId(each.point) for each in site.acknowledges}
    return decider.rules.points | peers | buttons


def _levels(rule: RuleConfig) -> tuple[Level, ...]:
    """Those it has conditions for, and the one that a lost sensor raises."""
    found = {each.level for each in rule.condition.levels}
    if rule.condition.lost is not None:
        found.add(rule.condition.lost)
    return tuple(sorted(found))


class _Doubts:
    """Why rules cannot be judged; found out when a doubt begins, for that takes long."""

    def __init__(self, decider: Decider) -> None:
        self._rules = decider.rules
        self._known: dict[RuleId, tuple[Truth, str]] = {}

    def __call__(self) -> Mapping[RuleId, str]:
        """By rule: ``lost``, ``warming`` or ``unknown``."""
        known = self._known
        self._known = {
            rule: known[rule]
            if rule in known and known[rule][0] is truth
            else (truth, self._why(rule, truth))
            for rule, truth in self._rules.doubted().items()
        }
        return {rule: why for rule, (_, why) in self._known.items()}

    def _why(self, rule: RuleId, truth: Truth) -> str:
        if truth is Truth.LOST:
            return "lost"
        windows = self._rules.explain(rule).windows
        return "warming" if any(each.warming for each in windows) else "unknown"
