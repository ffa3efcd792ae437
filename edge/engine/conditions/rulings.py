"""A rule's levels: when each is raised, how long it stays, and what the rule says. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.core.instant import Instant
from edge.core.model import Level, Sample, Verdict
from edge.engine.conditions.tracks import Track
from edge.engine.conditions.tree import Condition
from edge.engine.conditions.truth import LOST, TRUE, UNKNOWN, Dependent, Node


class Rung:
    """One level of a rule: raised by the one node, until the other is true."""

    __slots__ = ("clears", "level", "raised", "raises", "tracks")

    def __init__(self, level: Level, raises: Node, clears: Node, tracks: tuple[Track, ...]) -> None:
        self.level = level
        self.raises = raises
        self.clears = clears
        self.tracks = tracks
        self.raised = False


class Ruling(Dependent):
    """What is known of one rule.

    ``known``: the level of its last verdict that had one; ``told``: of its last verdict; ``open``:
    what is unknown leaves open whether the level is another. ``kept``: a level that was restored
    and that no condition has; it stands until all is known.
    """

    __slots__ = ("condition", "kept", "known", "open", "rungs", "told", "tracks")

    def __init__(self, condition: Condition, rungs: Sequence[Rung]) -> None:
        super().__init__()
        self.condition = condition
        self.rungs = tuple(rungs)
        self.tracks = tuple(dict.fromkeys(track for rung in rungs for track in rung.tracks))
        self.known = Level.NORMAL
        self.told: Level | None = None
        self.open = True
        self.kept = Level.NORMAL

    def judge(self, at: Instant, cause: Track | None) -> Verdict | None:
        """The verdict, if it is another one than before."""
        level, is_open = self._level()
        if level is not self.known:
            evidence = self._evidence(max(level, self.known), cause)
            self.known = self.told = level
            self.open = is_open
            return Verdict(self.condition.rule, level, evidence, at)
        if is_open is self.open:
            return None
        self.open = is_open
        told = None if is_open else level
        if told is self.told:
            return None
        self.told = told
        return Verdict(self.condition.rule, told, _samples(self.tracks, cause), at)

    def restore(self, level: Level) -> None:
        """It was at this level: what was raised stays so until its condition clears."""
        self.known = level
        self.told = level
        for rung in self.rungs:
            rung.raised = rung.level <= level
        if level not in {rung.level for rung in self.rungs}:
            self.kept = level

    def go_on(self, old: Ruling) -> None:
        """Continue where the rule stood under another configuration."""
        if old.condition != self.condition:
            self.restore(old.known)
            return
        self.known, self.told, self.open, self.kept = old.known, old.told, old.open, old.kept
        for rung, before in zip(self.rungs, old.rungs, strict=True):
            rung.raised = before.raised

    def _level(self) -> tuple[Level, bool]:
        level, is_open, lost = Level.NORMAL, False, False
        for rung in self.rungs:
            raises = rung.raises.truth
            if raises is TRUE:
                rung.raised = True
            elif rung.raised and rung.clears.truth is TRUE:
                rung.raised = False
            if rung.raised:
                level = rung.level
                is_open = raises is not TRUE and rung.clears.truth >= UNKNOWN
            elif raises >= UNKNOWN:
                is_open = True
            lost = lost or raises is LOST
        if lost and self.condition.lost is not None:
            level, is_open = max(level, self.condition.lost), False
        if self.kept:
            if is_open or lost:
                level = max(level, self.kept)
            else:
                self.kept = Level.NORMAL
        return level, is_open

    def _evidence(self, level: Level, cause: Track | None) -> tuple[Sample, ...]:
        for rung in self.rungs:
            if rung.level is level:
                return _samples(rung.tracks, cause)
        return _samples(self.tracks, cause)


def _samples(tracks: Sequence[Track], cause: Track | None) -> tuple[Sample, ...]:
    """The newest reading of every point, that of the cause first."""
    ordered = tracks if cause is None else (cause, *(each for each in tracks if each is not cause))
    found = (track.sample() for track in ordered)
    return tuple(sample for sample in found if sample is not None)
