"""The nouns of call and answer: who is asked, by what, what became of it, and what he said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.core.model import Level

VOICE: Final = "voice"
SMS: Final = "sms"
BEIDOU: Final = "beidou"
MQTT: Final = "mqtt"
CHANNELS: Final = (VOICE, SMS, BEIDOU, MQTT)
"""By what people are asked; all but voice hand over a text and wait for a reply."""

COMMAND_LINE: Final = "command line"
"""By what a person at the box itself answers, beside push-buttons."""


class Result(StrEnum):
    """What became of a request. TALKING alone is not the end of it."""

    TALKING = "talking"
    """Somebody has picked up; what he says comes yet."""
    ANSWERED = "picked up"
    """A call that was picked up is over, whatever key was pressed."""
    SENT = "sent"
    """A text was handed to the network."""
    NO_ANSWER = "no answer"
    BUSY = "busy"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    """The telephone is off or out of coverage."""
    FAILED = "failed"
    NO_CHANNEL = "no channel"
    """Nobody attends this channel, or it has no network."""
    UNKNOWN = "unknown"
    """Nothing was heard of it while it could still have been answered."""
    WITHDRAWN = "withdrawn"
    """Nobody waits for it any more."""
    DISPLACED = "displaced"
    """A more urgent request needed the line; it is asked again."""


@dataclass(frozen=True, slots=True)
class Request:
    """Ask one person once. The same ``id`` again is the same request, never a second one.

    ``address`` is a number in digits, a terminal or a name, as the channel needs it. It stands in
    no log and no status in full. ``ring_s``: how long it may ring.
    """

    id: str
    channel: str
    address: str
    contact: str
    name: str
    language: str
    text: str
    keys: tuple[str, ...]
    level: Level
    ring_s: float
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that a person sent back.

    ``id`` tells a repeated report of it from a second answer. ``request`` is empty if it answers no
    particular one; then ``sender``, an address of the channel, says whose it is. ``key`` is the
    digits pressed, or the words sent. ``alarm``, of the command line alone: which one is meant.
    """

    id: str
    channel: str
    key: str
    request: str = ""
    sender: str = ""
    alarm: str = ""


def mask(address: str) -> str:
    """An address of which only the last four characters can be read."""
    shown = address[-4:] if len(address) > 4 else ""
    return "*" * min(len(address) - len(shown), 8) + shown
