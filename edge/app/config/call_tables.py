"""Who is called, and what a plan tells people: tables as written. See docs/plans.md."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

from edge.app.config.fields import Identifier, Label, WrittenLevel, real, refuse, sequence, whole
from edge.app.config.items import Table
from edge.locale import text

Role = Literal["duty", "leader", "township", "village", "site", "rescue", "helper", "other"]
CallChannel = Literal["voice", "sms", "beidou", "mqtt"]
Tongue = Literal["zh", "en"]
Measure = Literal["cut", "forbid", "stop", "withdraw", "divert"]
"""断、禁、停、撤、疏: what a step does besides sounding."""

PLACEHOLDERS: Final = (
    "place", "level", "value", "order", "plan", "when", "who", "where", "route", "leader", "keep",
    "persons", "answer",
)  # fmt: skip
"""What a message may refer to in braces."""

_PHONE = re.compile(r"\+?[0-9](?:[ -]?[0-9]){2,18}")
_TERMINAL = re.compile(r"[0-9]{1,10}")
_KEY = re.compile(r"[0-9*]{1,4}")
_MESSAGE_CHARS = 500


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise refuse("wrong-type", value, allowed=text("type.text"))
    return value


def _read_phone(value: object) -> str:
    written = _text(value)
    if not _PHONE.fullmatch(written):
        raise refuse("bad-phone", value, allowed=text("type.phone"))
    return written.replace(" ", "").replace("-", "")


def _read_terminal(value: object) -> str:
    if not _TERMINAL.fullmatch(_text(value)):
        raise refuse("bad-phone", value, allowed=text("type.terminal"))
    return str(value)


def _read_key(value: object) -> str:
    if not _KEY.fullmatch(_text(value)):
        raise refuse("bad-phone", value, allowed=text("type.key"))
    return str(value)


def _read_message(value: object) -> str:
    message = _text(value)
    if not message.strip() or len(message) > _MESSAGE_CHARS or not message.isprintable():
        raise refuse("bad-text", value, allowed=text("type.label", most=_MESSAGE_CHARS))
    return message


Phone = Annotated[str, BeforeValidator(_read_phone)]
Terminal = Annotated[str, BeforeValidator(_read_terminal)]
Key = Annotated[str, BeforeValidator(_read_key)]
Message = Annotated[str, BeforeValidator(_read_message)]


class ContactConfig(Table):
    """``[[contact]]``: a person who can be called.

    ``texts``: the telephone takes short messages. ``beidou``: number of his terminal. ``mqtt``: his
    name there. ``acknowledges`` None: as his role says, which only ``duty`` does.
    """

    id: Identifier
    name: Label
    role: Role
    phone: Phone | None = None
    texts: bool = True
    beidou: Terminal | None = None
    mqtt: Identifier | None = None
    language: Tongue = "zh"
    acknowledges: bool | None = None

    @property
    def may_acknowledge(self) -> bool:
        """Whether his answer acknowledges the alarm."""
        return self.role == "duty" if self.acknowledges is None else self.acknowledges

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """What each channel needs to reach him."""
        ways = (
            ("voice", self.phone),
            ("sms", self.phone if self.texts else None),
            ("beidou", self.beidou),
            ("mqtt", self.mqtt),
        )
        return tuple((channel, address) for channel, address in ways if address is not None)


class GroupConfig(Table):
    """``[[group]]``: people who are called one after another, or together."""

    id: Identifier
    name: Label
    contacts: Annotated[tuple[Label, ...], sequence(1, 100)]


class PlanTextConfig(Table):
    """``[plan.zh]`` and ``[plan.en]``: what the village has on paper, in one language.

    When to move, whom, who leads, where to, by which way, and how they are kept there. ``message``
    is what people on duty are told, ``helper_message`` helpers, ``short_message`` both over the
    satellite; without them one is made of the others.
    """

    name: Label | None = None
    when: Label | None = None
    who: Label | None = None
    leader: Label | None = None
    where: Label | None = None
    route: Label | None = None
    keep: Label | None = None
    message: Message | None = None
    short_message: Message | None = None
    helper_message: Message | None = None


_RingS = Annotated[float, real(10, 120)]
_Tries = Annotated[int, whole(1, 10)]
_EveryS = Annotated[float, real(0, 3600)]
_AnswerS = Annotated[float, real(10, 86400)]
_Channels = Annotated[tuple[CallChannel, ...], sequence(1, 4)]
BOTH: Final[tuple[CallChannel, ...]] = ("voice", "sms")


class CallConfig(Table):
    """``[[plan.call]]``: one rung of the ladder. What is not written follows the alarm's level."""

    level: WrittenLevel
    groups: Annotated[tuple[Label, ...], sequence(1, 20)] = ()
    contacts: Annotated[tuple[Label, ...], sequence(1, 100)] = ()
    channels: _Channels = BOTH
    together: bool = False
    then: Literal["channel", "contact"] = "channel"
    ring_s: _RingS | None = None
    tries: _Tries | None = None
    every_s: _EveryS | None = None


class HelperConfig(Table):
    """``[[plan.helper]]``: who goes to these persons; the second contact if the first is silent."""

    level: WrittenLevel
    persons: Annotated[tuple[Label, ...], sequence(1, 50)]
    contacts: Annotated[tuple[Label, ...], sequence(1, 20)]
    channels: _Channels = BOTH
    ring_s: _RingS | None = None
    tries: _Tries | None = None
    every_s: _EveryS | None = None
    answer_s: _AnswerS | None = None


class PlanEntry(Table):
    """``[[plan]]`` without its steps and calls, which are read one by one.

    ``keys`` and ``words``: what counts as an answer. ``repeat_s``: how long after its last rung the
    ladder begins again; 0: never. ``answer_s``: an answer after it is late.
    """

    id: Identifier
    zh: PlanTextConfig | None = None
    en: PlanTextConfig | None = None
    keys: Annotated[tuple[Key, ...], sequence(1, 5)] = ("1",)
    words: Annotated[tuple[Label, ...], sequence(1, 20)] = ("收到", "1", "OK")
    repeat_s: Annotated[float, real(0, 86400)] = 300.0
    answer_s: _AnswerS | None = None
