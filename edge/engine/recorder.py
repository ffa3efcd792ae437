"""Tells the black box what the decider is told, method by method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar, cast

from edge.core.instant import Clock, Instant
from edge.engine.black_box import METHODS

T = TypeVar("T")

Tell = Callable[[Instant, str, tuple[object, ...]], None]
"""When, which method (``part.method``, or ``samples``), and its arguments. Must not wait."""


class Recorder(Generic[T]):
    """Stands for a part of the decider: calls of what changes it are told, all else passes."""

    __slots__ = ("_clock", "_methods", "_part", "_target", "_tell")

    def __init__(self, target: T, part: str, tell: Tell, clock: Clock) -> None:
        self._target = target
        self._part = part
        self._methods = METHODS[part]
        self._tell = tell
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return partial(self._call, name, found) if name in self._methods else found

    def _call(self, name: str, method: Callable[..., object], *given: Any, **named: Any) -> object:
        # an iterator would be used up by whoever looks at it first
        bound = inspect.signature(method).bind(*given, **named) if named else None
        arguments = tuple(
            tuple(each) if isinstance(each, Iterator) else each
            for each in (bound.args if bound is not None else given)
        )
        self._tell(self._clock.now(), f"{self._part}.{name}", arguments)
        return method(*arguments)


def recorded(target: T, part: str, tell: Tell | None, clock: Clock) -> T:
    """The target itself, or a stand-in that tells of it. ``part``: decider, annunciator, checks."""
    return target if tell is None else cast("T", Recorder(target, part, tell, clock))
