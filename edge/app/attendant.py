"""Whoever rings, at the other end of the local socket: see docs/plans.md for the frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from edge.app.calling import Calling
from edge.app.complaint import Complaint
from edge.app.local_socket import Peer
from edge.app.local_socket import Request as Frame
from edge.core.calls import CHANNELS, Answer, Request, Result

# A peer that floods us gets so much of the loop and no more.
_BETWEEN_FRAMES_S: Final = 0.005
_MOST_CHARS: Final = 300
_MOST_LINES: Final = 100

_Ended = Callable[[str, Result, str], None]
_Heard = Callable[[Answer], None]


class RemoteChannel:
    """Satisfies Channel: hands requests to a peer and takes its word for what became of them."""

    def __init__(self, name: str, lines: int, peer: Peer) -> None:
        self._name = name
        self._lines = lines
        self._peer = peer
        self._ended: _Ended | None = None
        self._heard: _Heard | None = None

    @property
    def name(self) -> str:
        """See Channel."""
        return self._name

    @property
    def lines(self) -> int:
        """See Channel."""
        return self._lines

    def begin(self, request: Request) -> bool:
        """See Channel; False if the peer does not keep up."""
        body = asdict(request)
        body["level"], body["keys"] = request.level.name.lower(), list(request.keys)
        return self._peer.post({"request": body})

    def withdraw(self, request: str) -> None:
        """See Channel."""
        self._peer.post({"withdraw": {"request": request, "channel": self._name}})

    def report(self, ended: _Ended, heard: _Heard) -> None:
        """See Channel."""
        self._ended, self._heard = ended, heard

    def outcome(self, request: str, result: Result, detail: str) -> None:
        """The peer says what became of a request."""
        if self._ended is not None:
            self._ended(request, result, detail)

    def answer(self, answer: Answer) -> None:
        """The peer has heard an answer."""
        if self._heard is not None:
            self._heard(answer)


async def attend(calling: Calling, request: Frame, peer: Peer) -> None:
    """Let a peer ring until it goes. Raises Complaint for what it may not say."""
    channels = {name: RemoteChannel(name, lines, peer) for name, lines in _lines(request).items()}
    await peer.send({"attending": sorted(channels)})
    for channel in channels.values():
        calling.attend(channel)
    try:
        while (frame := await peer.receive()) is not None:
            _take(frame, channels)
            await asyncio.sleep(_BETWEEN_FRAMES_S)
    finally:
        for channel in channels.values():
            calling.leave(channel)


def _lines(request: Frame) -> dict[str, int]:
    """The channels a peer attends, and how many requests each takes at a time."""
    written = request.get("channels")
    if not isinstance(written, dict) or not written:
        raise Complaint("bad-attendance", found=repr(written)[:80], allowed=", ".join(CHANNELS))
    for name, lines in written.items():
        whole = isinstance(lines, int) and not isinstance(lines, bool)
        if name not in CHANNELS or not whole or not 1 <= lines <= _MOST_LINES:
            found = f"{name}: {lines}"[:80]
            raise Complaint("bad-attendance", found=found, allowed=", ".join(CHANNELS))
    return {str(name): int(lines) for name, lines in written.items()}


def _take(frame: Frame, channels: Mapping[str, RemoteChannel]) -> None:
    """One frame of the peer: an outcome, or an answer."""
    outcome, answer = frame.get("outcome"), frame.get("answer")
    if isinstance(outcome, dict):
        channel = _channel(outcome, channels)
        try:
            result = Result(_text(outcome, "result"))
        except ValueError:
            raise Complaint("bad-report", found=_text(outcome, "result")) from None
        channel.outcome(_text(outcome, "request"), result, _text(outcome, "detail"))
    elif isinstance(answer, dict):
        channel = _channel(answer, channels)
        channel.answer(
            Answer(
                _text(answer, "id"), channel.name, _text(answer, "key"),
                _text(answer, "request"), _text(answer, "sender"),
            )
        )  # fmt: skip
    else:
        raise Complaint("bad-report", found=", ".join(map(str, frame))[:80])


def _channel(body: Mapping[str, object], channels: Mapping[str, RemoteChannel]) -> RemoteChannel:
    channel = channels.get(_text(body, "channel"))
    if channel is None:
        raise Complaint("bad-report", found=_text(body, "channel"))
    return channel


def _text(body: Mapping[str, object], key: str) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > _MOST_CHARS:
        raise Complaint("bad-report", found=key)
    return value
