"""The ladder of a plan: who is asked, by what, how often, and who comes next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge.core.calls import BEIDOU, VOICE
from edge.core.model import Level


@dataclass(frozen=True, slots=True)
class Contact:
    """A person who can be asked. ``addresses``: what each channel needs to reach him.

    ``acknowledges``: his answer, as one on duty, also acknowledges the alarm.
    """

    id: str
    name: str
    role: str
    addresses: tuple[tuple[str, str], ...]
    language: str = "zh"
    acknowledges: bool = False

    def address(self, channel: str) -> str | None:
        """What the channel needs to reach him; None if it cannot."""
        return next((address for name, address in self.addresses if name == channel), None)


SHORT: Final = " short"
"""Ends the name of a form for channels that take few characters."""


def form_of(contact: Contact, channel: str) -> str:
    """In which form a person is told by a channel: his language, short over the satellite."""
    return contact.language + SHORT if channel == BEIDOU else contact.language


@dataclass(frozen=True, slots=True)
class Timing:
    """How long it rings, how often it is tried, and how far the tries are apart."""

    ring_s: float
    tries: int
    every_s: float


# No public rule gives the timing of a call-and-answer ladder; these are the usual suggestion: red,
# 30 s and 3 tries at 60 s; below, 3 tries at 3 minutes.
_RED: Final = Timing(30.0, 3, 60.0)
_BELOW: Final = Timing(30.0, 3, 180.0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach one person by one channel; ``number`` counts from 1."""

    contact: Contact
    channel: str
    number: int

    def same_way(self, other: Attempt) -> bool:
        """Whether the other one tries the same person by the same channel."""
        return self.contact.id == other.contact.id and self.channel == other.channel


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder. Its contacts are asked in turn, or all ``together``.

    ``contacts_first``: everybody by the first channel, then everybody by the second; otherwise
    everything for the first person, then for the second. What is None follows the level.
    """

    level: Level
    contacts: tuple[Contact, ...]
    channels: tuple[str, ...]
    together: bool = False
    contacts_first: bool = False
    ring_s: float | None = None
    tries: int | None = None
    every_s: float | None = None

    def timing(self, level: Level, channel: str) -> Timing:
        """How a channel is used at this level. A text is sent once unless ``tries`` says more."""
        usual = _RED if level is Level.RED else _BELOW
        tries = usual.tries if channel == VOICE else 1
        return Timing(
            usual.ring_s if self.ring_s is None else self.ring_s,
            tries if self.tries is None else self.tries,
            usual.every_s if self.every_s is None else self.every_s,
        )

    def tracks(self, level: Level) -> tuple[tuple[Attempt, ...], ...]:
        """What goes on side by side, each a sequence of attempts; people without the channel are
        left out.
        """
        if not self.together:
            return (self._attempts(self.contacts, level),)
        each = (self._attempts((contact,), level) for contact in self.contacts)
        return tuple(track for track in each if track)

    def _attempts(self, contacts: tuple[Contact, ...], level: Level) -> tuple[Attempt, ...]:
        if self.contacts_first:
            pairs = [(contact, channel) for channel in self.channels for contact in contacts]
        else:
            pairs = [(contact, channel) for contact in contacts for channel in self.channels]
        return tuple(
            Attempt(contact, channel, number)
            for contact, channel in pairs
            if contact.address(channel) is not None
            for number in range(1, self.timing(level, channel).tries + 1)
        )


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs one after another until somebody answers, then from the first again.

    ``repeat_s``: how long after the last rung it begins again, as long as the alarm stands; 0:
    never. ``persons``: for whom this helper answers; empty for the people on duty. ``answer_s``:
    within what time an answer is not late; None: nothing was agreed.
    """

    id: str
    rungs: tuple[Rung, ...]
    repeat_s: float
    persons: tuple[str, ...] = ()
    answer_s: float | None = None

    @property
    def lowest(self) -> Level:
        """The level from which on anybody is asked."""
        return min(rung.level for rung in self.rungs)

    def at(self, level: Level) -> tuple[Rung, ...]:
        """The rungs that belong to an alarm of this level."""
        return tuple(rung for rung in self.rungs if rung.level <= level)

    def contact(self, name: str) -> Contact | None:
        """The person of this id, if he stands on the ladder."""
        return next((c for rung in self.rungs for c in rung.contacts if c.id == name), None)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms in which its people are told: each language they speak, perhaps short."""
        return tuple(
            sorted(
                {
                    form_of(contact, channel)
                    for rung in self.rungs
                    for contact in rung.contacts
                    for channel in rung.channels
                    if contact.address(channel) is not None
                }
            )
        )


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Whom a plan calls, and what counts as an answer: digits pressed, or words sent."""

    id: str
    ladders: tuple[Ladder, ...]
    keys: tuple[str, ...] = ("1",)
    words: tuple[str, ...] = ()

    def ladder(self, name: str) -> Ladder | None:
        """The ladder of this id."""
        return next((each for each in self.ladders if each.id == name), None)
