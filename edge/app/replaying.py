"""A black box taken from its file and executed once more, also under another site file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from edge.app.black_box import named_of
from edge.app.config.model import Site
from edge.app.deciding import decider_of
from edge.core.errors import StoreError
from edge.core.instant import ClockQuality, Utc
from edge.core.model import RuleId, Sample
from edge.engine.black_box import BEGIN, SAMPLES, TAKE_OVER, Input, Item
from edge.engine.box_file import Box, Head, decode
from edge.engine.decider import Decider
from edge.engine.replay import Replay, decider_in, replay
from edge.locale import text
from protocols.malformed import Malformed

_OF_TIME = ("decider.advance", "annunciator.check_clock")
_ANSWER = "annunciator.acknowledge"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A box, and what came of it. ``other``: it was told to another site's decider."""

    box: Box
    replay: Replay
    other: bool


def replay_file(path: Path, site: Site | None = None) -> Replayed:
    """Read a box and execute it. Raises StoreError."""
    box = read_box(path)
    named = named_of(box.head.named)
    try:
        decider = decider_in(box, named)
        if decider is None and not _begins(box.items):
            raise Malformed(text("replay.no-state"))
        if site is None:
            return Replayed(box, replay(decider, box.items), other=False)
        return Replayed(box, replay(*_under(site, decider, box)), other=True)
    except (Malformed, ValueError) as error:
        raise StoreError(f"{path}: {error}", hint=_hint(box.head)) from error


def read_box(path: Path) -> Box:
    """Only read it. Raises StoreError."""
    try:
        return decode(path.read_bytes(), lambda head: named_of(head.named))
    except (OSError, Malformed) as error:
        raise StoreError(f"{path}: {error}", hint=text("replay.hint")) from error


def _hint(head: Head) -> str:
    mine = version("tongluo")
    if head.program == mine:
        return ""
    return text("replay.other-program", theirs=head.program, mine=mine)


def _begins(items: Iterable[Item]) -> bool:
    first = next((item for item in items if isinstance(item, Input)), None)
    return first is None or first.method == BEGIN


def _under(site: Site, old: Decider | None, box: Box) -> tuple[Decider, list[Item]]:
    """Another site's decider that goes on where the box begins, and what it can be told."""
    decider = decider_of(site)
    samples = [
        each
        for item in box.items
        if isinstance(item, Input) and item.method == SAMPLES
        for each in item.arguments
        if isinstance(each, Sample)
    ]
    if old is not None and box.items:
        utc = samples[0].utc if samples else Utc(0, ClockQuality.UNKNOWN)
        decider.take_over(old, box.items[0].at, utc)
    rules = frozenset(decider.annunciator.alarms)
    found = (_told(item, rules) if isinstance(item, Input) else item for item in box.items)
    return decider, [item for item in found if item is not None]


def _told(told: Input, rules: frozenset[RuleId]) -> Input | None:
    """What of an input another site's decider understands: readings, time and answers."""
    if told.method == SAMPLES or told.method in _OF_TIME:
        return told
    if told.method in (BEGIN, TAKE_OVER) or told.method != _ANSWER:
        return None
    asked, *rest = told.arguments
    known = tuple(each for each in asked if each in rules) if isinstance(asked, Iterable) else ()
    return replace(told, arguments=(known, *rest))
