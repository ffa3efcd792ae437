"""What was proven, measured: the stages of every rule, and what took longer than it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge.core.histogram import Histogram
from edge.core.instant import NS_PER_MS, Instant, after
from edge.core.model import RuleId

# One record tells it; a line that stays too slow must not fill the journal.
_SAY_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What the proof allows a rule, in nanoseconds.

    ``response_ns``: release of a poll to the last byte of its answer; ``decision_ns``: from there
    to the first byte of a command; ``action_ns``: from there to its confirmed answer.
    ``switches``: by output that has a back-up, how long after the command it may stay unconfirmed,
    and unheard. ``backup_ns``: from a reading to the first byte of a back-up's command.
    """

    response_ns: int
    decision_ns: int
    action_ns: int
    switches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    backup_ns: int = 0


@dataclass(frozen=True, slots=True)
class Breach:
    """A stage of a rule took longer than proven. ``since`` is when the stage began."""

    rule: RuleId
    stage: str
    measured_ms: float
    bound_ms: float
    since: Instant
    at: Instant


@dataclass(slots=True)
class Stages:
    """Latencies of one rule in milliseconds, and how often a stage took too long."""

    response: Histogram = field(default_factory=Histogram)
    decision: Histogram = field(default_factory=Histogram)
    action: Histogram = field(default_factory=Histogram)
    backup: Histogram = field(default_factory=Histogram)
    breaches: int = 0

    def body(self) -> dict[str, object]:
        """For status and health records."""
        return {
            "response": self.response.body(),
            "decision": self.decision.body(),
            "action": self.action.body(),
            "backup": self.backup.body(),
            "breaches": self.breaches,
        }


class Conformance:
    """Keeps the stages of every rule beside their limits. Without a limit it only counts."""

    def __init__(
        self,
        rules: list[RuleId],
        limits: Mapping[RuleId, Limit],
        on_breach: Callable[[Breach], None],
    ) -> None:
        self.rules = {rule: Stages() for rule in rules}
        self.limits = limits
        self._on_breach = on_breach
        self._said: dict[tuple[RuleId, str], Instant] = {}

    def take_over(self, old: Conformance) -> None:
        """Go on with the rules that are held to the same limits as before; others begin anew."""
        for rule in self.rules.keys() & old.rules.keys():
            if self.limits.get(rule) == old.limits.get(rule):
                self.rules[rule] = old.rules[rule]
        self._said.update({key: at for key, at in old._said.items() if key[0] in self.rules})

    def response(self, rule: RuleId, since: Instant, at: Instant) -> None:
        """A poll that was due at ``since`` has brought a reading of this rule."""
        limit = self.limits.get(rule)
        self._add(rule, "response", limit.response_ns if limit else None, since, at)

    def decision(self, rule: RuleId, since: Instant, at: Instant) -> None:
        """A reading of ``since`` has put the first byte of a command on its wire."""
        limit = self.limits.get(rule)
        self._add(rule, "decision", limit.decision_ns if limit else None, since, at)

    def action(self, rule: RuleId, since: Instant, at: Instant) -> None:
        """That command was confirmed."""
        limit = self.limits.get(rule)
        self._add(rule, "action", limit.action_ns if limit else None, since, at)

    def backup(self, rule: RuleId, since: Instant, at: Instant) -> None:
        """A back-up's first byte, for want of what a reading of ``since`` had commanded."""
        limit = self.limits.get(rule)
        bound_ns = limit.backup_ns if limit is not None and limit.switches else None
        self._add(rule, "backup", bound_ns, since, at)

    def body(self) -> dict[str, object]:
        """By rule, for status and health records."""
        return {rule: stages.body() for rule, stages in self.rules.items()}

    def _add(
        self, rule: RuleId, stage: str, bound_ns: int | None, since: Instant, at: Instant
    ) -> None:
        stages = self.rules[rule]
        histogram: Histogram = getattr(stages, stage)
        histogram.add((at - since) / NS_PER_MS)
        if bound_ns is None or at - since <= bound_ns:
            return
        stages.breaches += 1
        said = self._said.get((rule, stage))
        if said is not None and at < after(said, seconds=_SAY_AGAIN_S):
            return
        self._said[rule, stage] = at
        measured_ms, bound_ms = (at - since) / NS_PER_MS, bound_ns / NS_PER_MS
        self._on_breach(Breach(rule, stage, measured_ms, bound_ms, since, at))
