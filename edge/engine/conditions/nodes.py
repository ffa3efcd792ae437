"""Expressions that are judged from their parts: logic, votes, holding times, repetitions. Pure.

After Kleene: unknown is neither true nor false, and stays so unless the known parts decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.engine.conditions.sources import Comparison, Number, Source
from edge.engine.conditions.tree import Degrade
from edge.engine.conditions.tree import Selector as Said
from edge.engine.conditions.truth import FALSE, LOST, TRUE, UNKNOWN, Node


class AllNode(Node):
    """And."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        super().__init__()
        self.parts = tuple(parts)

    def judge(self, at: int) -> None:
        """See Node.judge."""
        truths = [part.truth for part in self.parts]
        self.settle(FALSE if FALSE in truths else max(truths))


class AnyNode(Node):
    """Or."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        super().__init__()
        self.parts = tuple(parts)

    def judge(self, at: int) -> None:
        """See Node.judge."""
        truths = [part.truth for part in self.parts]
        self.settle(TRUE if TRUE in truths else max(truths))


class NotNode(Node):
    """The opposite."""

    __slots__ = ("part",)

    def __init__(self, part: Node) -> None:
        super().__init__()
        self.part = part

    def judge(self, at: int) -> None:
        """See Node.judge."""
        truth = self.part.truth
        if truth is TRUE:
            self.settle(FALSE)
        else:
            self.settle(TRUE if truth is FALSE else truth)


class VotesNode(Node):
    """So many of the parts, with what the policy makes of those whose sensors are lost.

    ``wanted`` of ``among``: what decides now; 0 of 0: nothing does.
    """

    __slots__ = ("among", "degrade", "needed", "parts", "wanted")

    def __init__(self, needed: int, parts: Sequence[Node], degrade: Degrade) -> None:
        super().__init__()
        self.parts = tuple(parts)
        self.needed = self.wanted = needed
        self.among = len(self.parts)
        self.degrade = degrade

    def judge(self, at: int) -> None:
        """See Node.judge."""
        truths = [part.truth for part in self.parts]
        lost = truths.count(LOST)
        self.wanted, self.among = degraded(self.needed, len(truths), lost, self.degrade)
        trues, falses = truths.count(TRUE), truths.count(FALSE)
        if self.among == 0:
            self.settle(LOST)
        elif trues >= self.wanted:
            self.settle(TRUE)
        elif falses > self.among - self.wanted:
            self.settle(FALSE)
        else:
            self.settle(LOST if lost and self.degrade is Degrade.NO else UNKNOWN)

    def go_on(self, old: Node) -> None:
        """See Node.go_on."""
        super().go_on(old)
        if isinstance(old, VotesNode):
            self.wanted, self.among = old.wanted, old.among


def degraded(needed: int, parts: int, lost: int, degrade: Degrade) -> tuple[int, int]:
    """How many votes are needed of how many, with so many sensors lost; 0 of 0: none can decide.

    2 of 3 becomes 1 of 2 for safety or 2 of 2 for availability, then 1 of 1.
    """
    if degrade is Degrade.NO or not lost:
        return needed, parts
    rest = parts - lost
    if rest == 0:
        return 0, 0
    if degrade is Degrade.SAFETY:
        return max(1, needed - lost), rest
    return min(needed, rest), rest


class Waiting(Protocol):
    """A point of which every reading has to be looked at while somebody waits."""

    busy: int


class HeldNode(Node):
    """Held: driven by readings alone. ``since``: the reading since which the part was true.

    ``pending``: the next reading may fulfil it; also before the first one, which begins it.
    """

    __slots__ = ("hold_ns", "part", "pending", "since", "tracks", "waiting")

    def __init__(self, part: Node, hold_ns: int) -> None:
        super().__init__()
        self.part = part
        self.hold_ns = hold_ns
        self.since: int | None = None
        self.stale = False
        self.pending = True
        self.waiting = False
        self.tracks: tuple[Waiting, ...] = ()

    def judge(self, at: int) -> None:
        """See Node.judge. While the part is unknown the time already held is kept."""
        truth = self.part.truth
        pending = False
        if truth is TRUE:
            if self.since is None:
                self.since = at
            if at - self.since < self.hold_ns:
                truth, pending = FALSE, True
        elif truth is FALSE:
            self.since = None
        self._wait(pending=pending)
        self.settle(truth)

    def _wait(self, *, pending: bool) -> None:
        self.pending = pending
        if pending is not self.waiting:
            self.waiting = pending
            for track in self.tracks:
                track.busy += 1 if pending else -1

    def go_on(self, old: Node) -> None:
        """See Node.go_on."""
        super().go_on(old)
        if isinstance(old, HeldNode):
            self.since = old.since
            self._wait(pending=old.pending)


class RepeatedNode(Node):
    """Repeated: a bit for each of the last readings at which the part was known.

    Readings of before the first one are unknown, not false.
    """

    __slots__ = ("enters", "known", "needed", "of", "part", "settled", "track", "trues")

    def __init__(self, part: Node, needed: int, of: int, track: Waiting) -> None:
        super().__init__()
        self.part = part
        self.needed = needed
        self.of = of
        self.trues = 0
        self.known = 0
        self.enters = False
        # Whether another reading like the last would change nothing.
        self.settled = False
        self.track = track
        track.busy += 1

    def judge(self, at: int) -> None:
        """See Node.judge."""
        truth = self.part.truth
        if truth is not TRUE and truth is not FALSE:
            self._wait(settled=False)
            self.settle(truth)
        else:
            if self.enters:
                self.trues = (self.trues << 1 | truth) & ((1 << self.of) - 1)
                self.known = min(self.known + 1, self.of)
            trues = self.trues.bit_count()
            alike = trues == self.of if truth is TRUE else trues == 0
            self._wait(settled=alike and self.known == self.of)
            if trues >= self.needed:
                self.settle(TRUE)
            else:
                falses = self.known - trues
                self.settle(FALSE if falses > self.of - self.needed else UNKNOWN)
        self.enters = False

    def _wait(self, *, settled: bool) -> None:
        if settled is not self.settled:
            self.settled = settled
            self.track.busy += -1 if settled else 1

    def go_on(self, old: Node) -> None:
        """See Node.go_on."""
        super().go_on(old)
        if isinstance(old, RepeatedNode):
            self.trues, self.known = old.trues, old.known
            self._wait(settled=old.settled)


class SelectorNode(Node):
    """The choice of a selector: the first that is true, unless one before it is unknown."""

    __slots__ = ("choice", "said", "whens")

    def __init__(self, said: Said, whens: Sequence[Node]) -> None:
        super().__init__()
        self.said = said
        self.whens = tuple(whens)
        self.choice = said.unknown

    def judge(self, at: int) -> None:
        """See Node.judge."""
        choice = self.said.otherwise
        for each, when in zip(self.said.choices, self.whens, strict=True):
            if when.truth is TRUE:
                choice = each.name
                break
            if when.truth is not FALSE:
                choice = self.said.unknown
                break
        if choice != self.choice:
            self.choice = choice
            for parent in self.parents:
                parent.stale = True

    def go_on(self, old: Node) -> None:
        """See Node.go_on."""
        if isinstance(old, SelectorNode):
            self.choice = old.choice


class Picked(Comparison):
    """A comparison whose limit a selector chooses."""

    __slots__ = ("cuts", "selector", "source")
    passive = False

    def __init__(
        self, source: Source, selector: SelectorNode, cuts: dict[str, Number], *, rising: bool
    ) -> None:
        super().__init__(cuts[selector.choice], rising=rising)
        self.source = source
        self.selector = selector
        self.cuts = cuts

    def judge(self, at: int) -> None:
        """Take the limit that is chosen now; the source has its number already."""
        cut = self.cuts[self.selector.choice]
        if cut != self.cut:
            self.cut = cut
            self.source.settle()
