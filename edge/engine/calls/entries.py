"""What call and answer records: one entry per thing that happened. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.core.model import Level, RuleId


class What(StrEnum):
    """What an entry tells."""

    BEGAN = "began"
    """A ladder begins. This and AGAIN make what was before it needless for a restart."""
    AGAIN = "again"
    """A ladder begins from its first rung again."""
    REQUEST = "request"
    OUTCOME = "outcome"
    ANSWER = "answer"
    PAUSED = "paused"
    """Nobody has answered; it begins again after ``wait_s``."""
    ENDED = "ended"


class Judgement(StrEnum):
    """What an answer counts for."""

    ACCEPTED = "accepted"
    LATER = "later"
    """Right, but somebody has answered before, or the alarm was over."""
    WRONG_KEY = "wrong key"
    WRONG_PERSON = "wrong person"
    STALE = "to an earlier call"
    """An answer to a call before the level rose: the new one has not been heard."""


class End(StrEnum):
    """Why a ladder is not climbed further."""

    ANSWERED = "answered"
    ACKNOWLEDGED = "acknowledged"
    OVER = "alarm over"
    RISEN = "level risen"
    """Begun anew with the higher level."""
    EXHAUSTED = "nobody answered"
    """The last rung, and it is not to begin again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened on a ladder. Fields that do not apply are empty, or None.

    ``revision`` is the alarm's when the ladder began, and with it names the run; ``number`` shows
    the last four digits; ``attempt`` counts tries, ``offer`` how often this very request was
    offered. ``texts`` is what people are told, by form.
    """

    what: What
    rule: RuleId
    alarm: str
    plan: str
    ladder: str
    level: Level
    revision: int
    round: int
    utc_ms: int
    drill: str = ""
    persons: tuple[str, ...] = ()
    limit_s: float | None = None
    texts: tuple[tuple[str, str], ...] = ()
    rung: int = 0
    contact: str = ""
    name: str = ""
    role: str = ""
    channel: str = ""
    number: str = ""
    attempt: int = 0
    request: str = ""
    ring_s: float | None = None
    offer: int = 0
    result: str = ""
    detail: str = ""
    answer: str = ""
    key: str = ""
    judgement: str = ""
    acknowledges: bool = False
    wait_s: float | None = None
    at_revision: int = 0
    """Of an end: the alarm's revision at that moment."""
