"""The black box: what was on the lines, what was read, and what was decided just now. Pure.

A ring of bounded length and bytes. Beside it stands a *witness*: a second decider that has taken
exactly the inputs that have left the ring. So the witness is the state in which the ring begins,
at any moment, and nobody has to copy the state of the working one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from edge.core.errors import AgentError
from edge.core.instant import Instant, Utc
from edge.core.model import Alarm, Record, RecordKind, RuleId, Sample
from edge.engine.decider import Decider

_ITEM_BYTES: Final = 200
"""What an item of the ring takes beside its bytes, about; a sample of an input as much again."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes on a line. ``sent``: by this box."""

    at: Instant
    line: str
    sent: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Input:
    """Something the decider was told: a method of it, and its arguments."""

    at: Instant
    method: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A record as it was offered to the journal."""

    at: Instant
    record: Record


Item: TypeAlias = Frame | Input | Noted

SAMPLES: Final = "samples"
BEGIN: Final = "begin"
"""A decider begins that has not seen anything: the argument is one like it."""
TAKE_OVER: Final = "take_over"
"""One begins that goes on where the last one stopped: one like it, and when."""
METHODS: Final[Mapping[str, frozenset[str]]] = {
    "decider": frozenset({"restore", "advance"}),
    "annunciator": frozenset(
        {
            "step", "acknowledge", "reset", "shelve", "unshelve", "take_out", "put_back",
            "begin_test", "end_test", "inhibit", "uninhibit", "check_clock",
        }
    ),
    "checks": frozenset({"maintain", "end_maintenance"}),
}  # fmt: skip
"""The methods that change a decider's state, beside its taking of samples."""


def tell(decider: Decider | None, told: Input) -> tuple[Decider, list[Alarm]]:
    """Have a decider take an input, as the pipeline does; the decider from then on, what changed.

    Raises ValueError for what is no input of a decider, or begins none where there is none.
    """
    changed: list[Alarm] = []
    if told.method == BEGIN:
        decider = _fresh(told.arguments[0])
    elif decider is None:
        raise ValueError(f"{told.method!r} is told before any decider begins")
    elif told.method == SAMPLES:
        changed = _take(decider, told.arguments)
    elif told.method == TAKE_OVER:
        fresh, now, utc = told.arguments
        if not isinstance(now, int) or not isinstance(utc, Utc):
            raise ValueError("a change of the configuration without its time")
        old, decider = decider, _fresh(fresh)
        changed = decider.take_over(old, Instant(now), utc)
    else:
        changed = _call(decider, told)
    decider.take_shadowed()
    decider.annunciator.notices()
    return decider, changed


def _fresh(given: object) -> Decider:
    if not isinstance(given, Decider):
        raise ValueError("a decider that is none")
    return given


def _call(decider: Decider, told: Input) -> list[Alarm]:
    part, _, method = told.method.partition(".")
    if method not in METHODS.get(part, ()):
        raise ValueError(f"{told.method!r} is no input of a decider")
    target: Any = decider if part == "decider" else getattr(decider, part)
    try:
        found = getattr(target, method)(*told.arguments)
    except (AgentError, LookupError):
        # what was refused then, or asked of a rule that there is not, changes nothing now either
        return []
    return [each for each in found or () if isinstance(each, Alarm)]


def _take(decider: Decider, samples: tuple[object, ...]) -> list[Alarm]:
    """Readings that came together: those that rules look at go first."""
    changed: list[Alarm] = []
    looked_at, known = decider.rules.points, decider.checks.points
    for watched in (True, False):
        for sample in samples:
            if not isinstance(sample, Sample):
                raise ValueError("an input of samples that are none")
            if (sample.point in looked_at) is watched and sample.point in known:
                value, quality = decider.checks.judge(
                    sample.point, sample.value, sample.quality, sample.at
                )
                if watched:
                    changed += decider.feed(sample.point, value, quality, sample.at, sample.utc)
    return changed


@dataclass(slots=True)
class Ring:
    """The last moments, and whatever is held. Bounded: ``before_ns`` long, at most ``most_bytes``.

    ``released`` gets every item that leaves, oldest first. While ``hold`` is on nothing leaves, and
    ``full`` says when that must end.
    """

    before_ns: int
    most_bytes: int
    released: Callable[[Item], None]
    items: deque[Item] = field(default_factory=deque)
    bytes: int = 0
    hold: bool = False

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self.bytes > self.most_bytes

    def add(self, item: Item) -> None:
        """Take the next item; old ones leave."""
        self.items.append(item)
        self.bytes += size_of(item)
        if not self.hold:
            self.expire(item.at)

    def expire(self, now: Instant) -> None:
        """Let leave what is too old or too much."""
        items = self.items
        while items and (items[0].at < now - self.before_ns or self.bytes > self.most_bytes):
            item = items.popleft()
            self.bytes -= size_of(item)
            self.released(item)


def size_of(item: Item) -> int:
    """About what an item takes in memory."""
    match item:
        case Frame():
            return _ITEM_BYTES + len(item.data)
        case Input():
            return _ITEM_BYTES * (1 + len(item.arguments))
        case Noted():
            return _ITEM_BYTES * (2 + len(item.record.body))


@dataclass(frozen=True, slots=True)
class Cause:
    """The alarm a box is kept for."""

    rule: RuleId
    id: str
    at: Instant
    utc_ms: int
    level: str


def cause_of(item: Item) -> Cause | None:
    """The alarm that an item says was raised; a drill is none."""
    if not isinstance(item, Noted) or item.record.kind is not RecordKind.ALARM:
        return None
    body = item.record.body
    if body.get("change") not in ("raised", "re-alarmed") or body.get("drill"):
        return None
    return Cause(
        RuleId(str(body["rule"])), str(body["id"]), item.at, item.record.utc.ms, str(body["level"])
    )
