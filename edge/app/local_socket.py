"""The local socket between the alarm process, the link process and the commands: length-prefixed
CBOR.

A frame is a 4-byte big-endian length and that many bytes of CBOR, a map with text keys. The socket
file is readable by its owner alone; nothing listens on a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from edge.app.complaint import Complaint, complaint_from
from edge.core.errors import AgentError
from protocols.envelope import Malformed, decode_body, encode_body

_MOST_BYTES = 1 << 20
_LENGTH_BYTES = 4
SOCKET_NAME = "agent.sock"

Request = dict[str, object]
Answers = Callable[[Request, "Peer"], Awaitable[None]]


class Peer:
    """One connection, from either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def gone(self) -> bool:
        """Whether the other side has closed, and nothing of it is left to be received."""
        return self._reader.at_eof()

    async def send(self, message: Mapping[str, object]) -> None:
        """Send one frame. Raises ConnectionError if the other side is gone."""
        self.post(message)
        await self._writer.drain()

    def post(self, message: Mapping[str, object]) -> bool:
        """Send one frame without waiting.

        False, and nothing sent, if the other side does not keep up.
        """
        if self._writer.transport.get_write_buffer_size() > _MOST_BYTES:
            return False
        body = encode_body(message)
        self._writer.write(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
        return True

    async def receive(self) -> Request | None:
        """The next frame; None at the end. Raises AgentError for what is no frame."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if length > _MOST_BYTES:
                raise Complaint("frame-too-long", found=length, allowed=_MOST_BYTES)
            return decode_body(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except Malformed as error:
            raise Complaint("no-frame", reason=str(error)) from error

    async def close(self) -> None:
        """Close; a peer that is already gone is no error."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def serve(state: Path, answer: Answers) -> asyncio.Server:
    """Listen in the state directory. A socket file left by a crash is replaced."""
    path = state / SOCKET_NAME
    if len(os.fsencode(path)) > 100:
        raise Complaint("path-too-long", path=str(path))
    with contextlib.suppress(FileNotFoundError):
        path.unlink()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        try:
            while (request := await peer.receive()) is not None:
                await answer(request, peer)
        except (AgentError, ConnectionError) as error:
            body = error.body() if isinstance(error, Complaint) else {"error": str(error)}
            with contextlib.suppress(ConnectionError):
                await peer.send(body)
        finally:
            await peer.close()

    server = await asyncio.start_unix_server(connected, path=str(path))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return server


@contextlib.asynccontextmanager
async def connect(state: Path) -> AsyncIterator[Peer]:
    """Reach the agent of this state directory. Raises AgentError if none runs."""
    path = state / SOCKET_NAME
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except PermissionError as error:
        raise Complaint("not-allowed", path=str(path)) from error
    except OSError as error:
        raise Complaint("no-agent", path=str(path)) from error
    peer = Peer(reader, writer)
    try:
        yield peer
    finally:
        await peer.close()


async def ask_ticking(
    state: Path,
    request: Mapping[str, object],
    timeout_s: float,
    tick: Callable[[], None],
    tick_s: float,
) -> Request:
    """As ``ask``, with a call every so often until the answer comes."""
    waiting = asyncio.ensure_future(ask(state, request, timeout_s))
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=tick_s)
            tick()
        return await waiting
    finally:
        waiting.cancel()


async def ask(state: Path, request: Mapping[str, object], timeout_s: float = 5.0) -> Request:
    """One question, one answer. Raises AgentError, also with what the agent objects to."""
    try:
        async with asyncio.timeout(timeout_s), connect(state) as peer:
            await peer.send(request)
            reply = await peer.receive()
    except TimeoutError as error:
        raise Complaint("no-answer", seconds=timeout_s) from error
    except ConnectionError as error:
        raise Complaint("hung-up") from error
    if reply is None:
        raise Complaint("hung-up")
    if "error" in reply:
        raise complaint_from(reply)
    return reply
