"""The same rules as stream engines and flow editors evaluate windows: keep the readings, and scan
them again at every one.

An implementation of its own: it shares with the agent's only the definition of a bin.
"""

from __future__ import annotations

from edge.core.instant import NS_PER_S
from edge.core.model import Level, PointId, Quality, RuleId
from edge.engine.conditions.tree import Function, Window
from edge.engine.conditions.windows import bin_ns
from tools.bench.rules_site import (
    GROUP,
    HOLD_S,
    HYSTERESIS,
    RATE_PER_H,
    THRESHOLDS,
    VOTE,
    VOTES_HOLD_S,
    Reading,
    RulesSite,
    sum_limits,
)

_LOST_AFTER = 3
Change = tuple[RuleId, Level | None]


class Rescan:
    """Judges the bench's rules; ``feed`` returns what changed, rule by rule."""

    def __init__(self, site: RulesSite) -> None:
        self.site = site
        self.length_ns = round(site.window_s * NS_PER_S)
        self.width_ns = bin_ns(Window(Function.SUM, site.names[0], self.length_ns))
        self.number = {name: number for number, name in enumerate(site.names)}
        self.kept: dict[PointId, list[tuple[int, float]]] = {name: [] for name in site.names}
        self.value: dict[PointId, float | None] = dict.fromkeys(site.names)
        self.bad = dict.fromkeys(site.names, 0)
        self.first_at: dict[PointId, int] = {}
        self.raised: dict[tuple[RuleId, Level], bool] = {}
        self.since: dict[RuleId, int | None] = {}
        self.told: dict[RuleId, Level | None] = {}
        self.known: dict[RuleId, Level] = {}
        self.vague: dict[RuleId, bool] = {}
        self.limits = sum_limits(site.window_s, site.period_s)

    def feed(self, reading: Reading) -> list[Change]:
        """The next reading, already judged by the checks."""
        name, value, quality, at, _ = reading
        if quality is Quality.GOOD and value is not None:
            self.bad[name] = 0
            self.value[name] = value
            self.first_at.setdefault(name, at)
            self.kept[name].append((at, value))
        else:
            self.bad[name] += 1
            self.value[name] = None
        first = (at - self.length_ns) // self.width_ns * self.width_ns
        self.kept[name] = [each for each in self.kept[name] if each[0] >= first]
        changes = [self._threshold(name, at), self._sum(name, at)]
        group = self.number[name] // GROUP
        changes.append(self._rate(name, at) if group % 2 else self._votes(group, at))
        return [change for change in changes if change is not None]

    def _threshold(self, name: PointId, at: int) -> Change | None:
        rule, value = RuleId(f"level {name}"), self.value[name]
        top, vague = Level.NORMAL, value is None
        if value is not None and value < THRESHOLDS[-1][1]:
            self.since[rule] = None
        for level, limit in THRESHOLDS:
            key = (rule, level)
            if value is not None:
                true = value >= limit
                if true and level is Level.RED:
                    true = self._held(rule, at, HOLD_S)
                if true or value < limit - HYSTERESIS:
                    self.raised[key] = true
            if self.raised.get(key):
                top = level
        if self.bad[name] >= _LOST_AFTER:
            top, vague = max(top, Level.YELLOW), False
        return self._tell(rule, top, vague=vague)

    def _sum(self, name: PointId, at: int) -> Change | None:
        rule, value = RuleId(f"sum {name}"), self.value[name]
        total = sum(each for _, each in self.kept[name])
        warm = name in self.first_at and at - self.first_at[name] >= self.length_ns
        top, vague = Level.NORMAL, False
        for level, limit in self.limits:
            known = value is not None and (warm or total >= limit)
            if known:
                self.raised[rule, level] = total >= limit
            if self.raised.get((rule, level)):
                top, vague = level, not known
            else:
                vague = vague or not known
        return self._tell(rule, top, vague=vague)

    def _rate(self, name: PointId, at: int) -> Change | None:
        rule, value, kept = RuleId(f"rate {name}"), self.value[name], self.kept[name]
        known = value is not None and 2 * (at - kept[0][0]) >= self.length_ns
        if known and value is not None:
            rate = (value - kept[0][1]) * NS_PER_S / (at - kept[0][0])
            self.raised[rule, Level.ORANGE] = rate > RATE_PER_H / self.site.window_s
        top = Level.ORANGE if self.raised.get((rule, Level.ORANGE)) else Level.NORMAL
        return self._tell(rule, top, vague=not known)

    def _votes(self, group: int, at: int) -> Change | None:
        names = self.site.names[group * GROUP : group * GROUP + GROUP]
        rule = RuleId(f"votes {names[0]}")
        values = [self.value[name] for name in names]
        for_it = sum(value is not None and value >= VOTE for value in values)
        against = sum(value is not None and value < VOTE for value in values)
        known = for_it >= 2 or against > len(names) - 2
        if against > len(names) - 2:
            self.since[rule] = None
            self.raised[rule, Level.RED] = False
        elif for_it >= 2 and self._held(rule, at, VOTES_HOLD_S):
            self.raised[rule, Level.RED] = True
        top = Level.RED if self.raised.get((rule, Level.RED)) else Level.NORMAL
        return self._tell(rule, top, vague=not known)

    def _held(self, rule: RuleId, at: int, hold_s: int) -> bool:
        since = self.since.get(rule)
        if since is None:
            since = self.since[rule] = at
        return at - since >= hold_s * NS_PER_S

    def _tell(self, rule: RuleId, level: Level, *, vague: bool) -> Change | None:
        if level is not self.known.get(rule, Level.NORMAL):
            self.known[rule], self.vague[rule] = level, vague
            self.told[rule] = level
            return rule, level
        if vague is self.vague.get(rule, True):
            return None
        self.vague[rule] = vague
        told = None if vague else level
        if told is self.told.get(rule):
            return None
        self.told[rule] = told
        return rule, told
