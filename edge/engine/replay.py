"""Re-executes a black box: the same inputs to the same state, and what is decided. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.core.instant import Instant
from edge.core.model import Record, RecordKind
from edge.engine.black_box import Input, Item, Noted, tell
from edge.engine.bodies import alarm_body
from edge.engine.box_file import Box
from edge.engine.decider import Decider
from edge.engine.snapshot import revive
from protocols.envelope import encode_body
from protocols.malformed import Malformed


@dataclass(frozen=True, slots=True)
class Decision:
    """A revision of an alarm. ``at``: of the input that led to it."""

    at: Instant
    body: Mapping[str, object]

    @property
    def name(self) -> tuple[str, str, object]:
        """Which one it is."""
        return str(self.body["rule"]), str(self.body["id"]), self.body["revision"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay parts from what was recorded; one of both is None if it is missing there."""

    at: Instant
    recorded: Mapping[str, object] | None
    replayed: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of it. ``same``: every decision is byte for byte the recorded one."""

    recorded: tuple[Decision, ...]
    replayed: tuple[Decision, ...]
    difference: Difference | None

    @property
    def same(self) -> bool:
        """Whether the decisions are the recorded ones."""
        return self.difference is None


def decider_in(box: Box, named: Mapping[str, object]) -> Decider | None:
    """The decider as it was when the box begins; None if there was none yet. Raises Malformed."""
    found = revive(box.state, named) if box.state else None
    if found is not None and not isinstance(found, Decider):
        raise Malformed("a state of something else than a decider")
    return found


def replay(decider: Decider | None, items: Iterable[Item]) -> Replay:
    """Tell a decider everything, and compare. Raises ValueError for an input that is none."""
    recorded: list[Decision] = []
    replayed: list[Decision] = []
    for item in items:
        if isinstance(item, Input):
            decider, changed = tell(decider, item)
            replayed += [Decision(item.at, alarm_body(alarm)) for alarm in changed]
        elif isinstance(item, Noted) and _is_decision(item.record):
            recorded.append(Decision(item.at, item.record.body))
    return Replay(tuple(recorded), tuple(replayed), _compare(recorded, replayed))


def _is_decision(record: Record) -> bool:
    return record.kind is RecordKind.ALARM and not record.body.get("drill")


def _compare(recorded: list[Decision], replayed: list[Decision]) -> Difference | None:
    """The first difference in time.

    By name and not by place: an answer is recorded before the readings of the same moment.
    """
    known = {each.name: each for each in recorded}
    found = {each.name: each for each in replayed}
    differences = [
        Difference(
            (one or other).at,  # type: ignore[union-attr] # one of them is there
            one.body if one else None,
            other.body if other else None,
        )
        for name in [*known, *(name for name in found if name not in known)]
        for one, other in [(known.get(name), found.get(name))]
        if one is None or other is None or encode_body(one.body) != encode_body(other.body)
    ]
    return min(differences, key=lambda each: each.at, default=None)
