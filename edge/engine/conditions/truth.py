"""What a condition can be, and what carries it. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Truth(IntEnum):
    """Three-valued after Kleene; the unknown one knows whether a lost sensor is among its reasons.

    In this order the conjunction of what is not false, and the disjunction of what is not true, is
    the largest.
    """

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2
    """A bad reading, or too little observed as yet."""
    LOST = 3
    """Unknown as well, and a lost sensor is why."""


# A name of a module is found several times faster than a member of an enumeration.
FALSE, TRUE, UNKNOWN, LOST = Truth.FALSE, Truth.TRUE, Truth.UNKNOWN, Truth.LOST


class Dependent:
    """Something that is judged anew once something below it has changed."""

    __slots__ = ("stale",)

    def __init__(self) -> None:
        self.stale = True


class Node(Dependent):
    """One expression and what it is now; equal expressions are one node."""

    __slots__ = ("parents", "truth")

    passive: ClassVar[bool] = False
    """Whether something else settles it, so that there is nothing to judge."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = UNKNOWN
        self.parents: list[Dependent] = []

    def judge(self, at: int) -> None:
        """Find the truth from the parts. ``at`` is when the reading came that leads here."""
        raise NotImplementedError

    def settle(self, truth: Truth) -> None:
        """This is so from now on: whoever depends on it is to be judged."""
        if truth is not self.truth:
            self.truth = truth
            for parent in self.parents:
                parent.stale = True

    def go_on(self, old: Node) -> None:
        """Continue from the same expression's node of before a change of the configuration."""
        self.truth = old.truth
