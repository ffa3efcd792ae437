"""People with telephones: they answer late, at the second call, with a wrong key, or never.

``Phones`` is the village's people and its network; a ``PhoneLine`` of it rings for one channel,
within a process and virtual time. Run as a program it attends a real agent:

    python -m tools.twins.phones /var/lib/tongluo people.toml --voice 1 --sms 4
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from edge.app.clock import RealClock
from edge.app.local_socket import Peer, connect
from edge.core.calls import VOICE, Answer, Request, Result
from edge.core.errors import AgentError
from edge.core.instant import Clock, after
from edge.core.model import Level

Habit = Literal["answer", "silence", "busy", "off", "reject", "pick up", "no network"]

_DIAL_S: Final = 4.0
_SEND_S: Final = 2.0
_TALK_S: Final = 12.0
_RETRY_S: Final = 0.5


@dataclass(slots=True)
class Person:
    """Somebody behind a number.

    ``habit``: what he does when it rings; ``answer`` presses ``key``, or sends ``word``, so long
    after it rang. Before his ``from_call``-th call he is silent.
    """

    number: str
    habit: Habit = "answer"
    after_s: float = 6.0
    key: str = "1"
    word: str = "收到"
    from_call: int = 1


@dataclass(slots=True)
class _Asked:
    """What became of a request, to be told again."""

    request: Request
    told: list[tuple[Result | None, Answer | None]] = field(default_factory=list)
    withdrawn: bool = False


Tell = Callable[[Request, Result | None, Answer | None], None]


class Phones:
    """Everybody's telephones. ``speed``: so many times faster than life. Remembers what it did."""

    def __init__(self, people: Iterable[Person], clock: Clock, *, speed: float = 1.0) -> None:
        self.people = {person.number: person for person in people}
        self.network = True
        self.rung: list[Request] = []
        self.withdrawn: list[str] = []
        self._clock = clock
        self._speed = speed
        self._asked: dict[str, _Asked] = {}
        self._tells: dict[str, Tell] = {}
        self._calls: dict[str, int] = {}

    def attach(self, channel: str, tell: Tell) -> None:
        """From now on this hears what becomes of the channel's requests, older ones too."""
        self._tells[channel] = tell

    def begin(self, request: Request) -> None:
        """Ring, or say again what became of a request that is known."""
        known = self._asked.get(request.id)
        if known is not None:
            for result, answer in known.told:
                self._tells[request.channel](request, result, answer)
            return
        asked = self._asked[request.id] = _Asked(request)
        self.rung.append(request)
        count = self._calls[request.address] = self._calls.get(request.address, 0) + 1
        due = 0.0
        for wait_s, result, key in self._react(request, count):
            due += wait_s
            self._later(due, asked, result, key)

    def withdraw(self, request: str) -> None:
        """It stops ringing."""
        self.withdrawn.append(request)
        if request in self._asked:
            self._asked[request].withdrawn = True

    def heard(self) -> list[tuple[Request, Answer]]:
        """Every answer so far, to tell them again to whoever has just come."""
        return [
            (asked.request, answer)
            for asked in self._asked.values()
            for _, answer in asked.told
            if answer is not None
        ]

    def _later(self, due_s: float, asked: _Asked, result: Result | None, key: str | None) -> None:
        def happen() -> None:
            if asked.withdrawn and result is not None:
                return
            answer = _answer(asked.request, key) if key is not None else None
            asked.told.append((result, answer))
            self._tells[asked.request.channel](asked.request, result, answer)

        self._clock.call_at(after(self._clock.now(), seconds=due_s / self._speed), happen)

    def _react(self, request: Request, count: int) -> list[tuple[float, Result | None, str | None]]:
        """What happens one after another: seconds, an outcome, digits or words."""
        person = self.people.get(request.address)
        habit: Habit = "silence" if person is None else person.habit
        if not self.network or habit == "no network":
            return [(_SEND_S, Result.NO_CHANNEL, None)]
        if person is not None and count < person.from_call:
            habit = "silence"
        if request.channel != VOICE:
            sent: list[tuple[float, Result | None, str | None]] = [(_SEND_S, Result.SENT, None)]
            replies = habit == "answer" and person is not None
            return [*sent, (person.after_s, None, person.word)] if replies and person else sent
        rings_s = min(person.after_s if person is not None else 0.0, request.ring_s)
        digits = person.key if person is not None else ""
        ends: dict[Habit, list[tuple[float, Result | None, str | None]]] = {
            "silence": [(_DIAL_S + request.ring_s, Result.NO_ANSWER, None)],
            "busy": [(_DIAL_S, Result.BUSY, None)],
            "off": [(_DIAL_S, Result.UNREACHABLE, None)],
            "reject": [(_DIAL_S + rings_s, Result.REJECTED, None)],
            "pick up": [
                (_DIAL_S + rings_s, Result.TALKING, None),
                (_TALK_S, Result.ANSWERED, None),
            ],
            "answer": [
                (_DIAL_S + rings_s, Result.TALKING, None),
                (_TALK_S, Result.ANSWERED, digits),
            ],
        }
        return ends[habit]


def _answer(request: Request, key: str) -> Answer:
    """A reply to a text names its sender alone, as in life; pressed keys belong to their call."""
    if request.channel == VOICE:
        return Answer(f"k-{request.id}", request.channel, key, request=request.id)
    return Answer(f"t-{request.id}", request.channel, key, sender=request.address)


class PhoneLine:
    """Satisfies Channel: one way to reach these telephones, within this process."""

    def __init__(self, phones: Phones, name: str, lines: int) -> None:
        self._phones = phones
        self._name = name
        self._lines = lines
        self._ended: Callable[[str, Result, str], None] | None = None
        self._heard: Callable[[Answer], None] | None = None

    @property
    def name(self) -> str:
        """See Channel."""
        return self._name

    @property
    def lines(self) -> int:
        """See Channel."""
        return self._lines

    def begin(self, request: Request) -> bool:
        """See Channel."""
        self._phones.begin(request)
        return True

    def withdraw(self, request: str) -> None:
        """See Channel."""
        self._phones.withdraw(request)

    def report(
        self, ended: Callable[[str, Result, str], None], heard: Callable[[Answer], None]
    ) -> None:
        """See Channel."""
        self._ended, self._heard = ended, heard
        self._phones.attach(self._name, self._tell)

    def _tell(self, request: Request, result: Result | None, answer: Answer | None) -> None:
        if answer is not None and self._heard is not None:
            self._heard(answer)
        if result is not None and self._ended is not None:
            self._ended(request.id, result, "")


# -- as a program ---------------------------------------------------------------------------------


async def attend(state: Path, phones: Phones, lines: dict[str, int]) -> None:
    """Ring for the agent of a state directory, and come back whenever it does."""
    while True:
        with contextlib.suppress(AgentError, ConnectionError):
            async with connect(state) as peer:
                await _serve(peer, phones, lines)
        await asyncio.sleep(_RETRY_S)


async def _serve(peer: Peer, phones: Phones, lines: dict[str, int]) -> None:
    def tell(request: Request, result: Result | None, answer: Answer | None) -> None:
        if answer is not None:
            peer.post({"answer": _answer_body(request.channel, answer)})
        if result is not None:
            body = {"channel": request.channel, "request": request.id, "result": result.value}
            peer.post({"outcome": body})

    await peer.send({"op": "attend", "channels": dict(lines)})
    if "error" in (await peer.receive() or {"error": "gone"}):
        return
    for channel in lines:
        phones.attach(channel, tell)
    for request, answer in phones.heard():
        if request.channel in lines:
            peer.post({"answer": _answer_body(request.channel, answer)})
    while (frame := await peer.receive()) is not None:
        if isinstance(body := frame.get("request"), dict):
            request = _request(body)
            print(f"rings {request.channel} ...{request.address[-4:]} {request.text}", flush=True)
            phones.begin(request)
        elif isinstance(body := frame.get("withdraw"), dict):
            phones.withdraw(str(body["request"]))


def _answer_body(channel: str, answer: Answer) -> dict[str, object]:
    return {
        "channel": channel,
        "id": answer.id,
        "key": answer.key,
        "request": answer.request,
        "sender": answer.sender,
    }


def _request(body: dict[str, Any]) -> Request:
    fields = {**body, "level": Level[body["level"].upper()], "keys": tuple(body["keys"])}
    return Request(**fields)


def people_of(path: Path) -> list[Person]:
    """The people of a file: ``[[person]]`` tables with the fields of Person."""
    return [Person(**each) for each in tomllib.loads(path.read_text("utf-8"))["person"]]


def main(arguments: list[str]) -> int:
    """Attend until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.twins.phones", description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("people", type=Path)
    parser.add_argument("--voice", type=int, default=1)
    parser.add_argument("--sms", type=int, default=4)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    lines = {"voice": options.voice, "sms": options.sms}

    async def run() -> None:
        phones = Phones(people_of(options.people), RealClock(), speed=options.speed)
        await attend(options.state, phones, {name: n for name, n in lines.items() if n})

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
