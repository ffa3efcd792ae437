"""The local socket: frames in any chunks, nonsense answered with an error, nobody kept waiting."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from edge.app.complaint import Complaint
from edge.app.local_socket import SOCKET_NAME, Peer, Request, ask, connect, serve
from edge.core.errors import AgentError
from protocols.envelope import decode_body, encode_body


async def echo(request: Request, peer: Peer) -> None:
    if request.get("op") == "refuse":
        await peer.send(Complaint("no-alarm", found="x", allowed="a, b").body())
    elif request.get("op") == "newer":
        await peer.send({"error": "something only a newer agent says"})
    elif request.get("op") != "silent":
        await peer.send({"got": request})


@pytest.fixture
async def state(tmp_path: Path):
    server = await serve(tmp_path, echo)
    yield tmp_path
    server.close()
    await server.wait_closed()


async def test_a_request_is_answered(state: Path) -> None:
    assert await ask(state, {"op": "hello"}) == {"got": {"op": "hello"}}


async def test_a_refusal_is_an_error_with_its_hint(state: Path) -> None:
    with pytest.raises(AgentError, match="no alarm") as caught:
        await ask(state, {"op": "refuse"})
    assert caught.value.hint == "the rules are: a, b"


async def test_a_refusal_is_told_in_the_reader_s_language(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    with pytest.raises(AgentError, match="没有警报"):
        await ask(state, {"op": "refuse"})


async def test_what_only_a_newer_agent_says_is_passed_on(state: Path) -> None:
    with pytest.raises(AgentError, match="something only a newer agent says"):
        await ask(state, {"op": "newer"})


async def test_only_the_owner_may_use_it(state: Path) -> None:
    assert stat.S_IMODE((state / SOCKET_NAME).stat().st_mode) == 0o600


async def test_an_agent_that_does_not_answer_is_given_up(state: Path) -> None:
    with pytest.raises(AgentError, match="did not answer within"):
        await ask(state, {"op": "silent"}, timeout_s=0.05)


async def test_no_agent_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="no agent answers") as caught:
        await ask(tmp_path, {"op": "hello"})
    assert "tongluo run" in caught.value.hint


async def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        server = await serve(tmp_path, echo)
        assert await ask(tmp_path, {"op": "hello"})
        server.close()
        await server.wait_closed()
        (tmp_path / SOCKET_NAME).touch()


async def test_a_state_directory_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="too long"):
        await serve(tmp_path / ("x" * 90), echo)


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc", b"\x00\x00\x00\x01\xf6", b"\x00\x00\x00\x00"],
    ids=["too long", "no CBOR", "no map", "empty"],
)
async def test_nonsense_gets_an_error_and_harms_nobody_else(state: Path, nonsense: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(state / SOCKET_NAME))
    writer.write(nonsense)
    answer = await asyncio.wait_for(reader.read(65536), 5)
    assert "error" in decode_body(answer[4:])
    writer.close()
    await writer.wait_closed()
    assert await ask(state, {"op": "hello"})


async def test_a_frame_may_come_in_any_chunks(state: Path) -> None:
    body = encode_body({"op": "hello"})
    frame = len(body).to_bytes(4, "big") + body
    reader, writer = await asyncio.open_unix_connection(str(state / SOCKET_NAME))
    for byte in frame:
        writer.write(bytes([byte]))
        await writer.drain()
    assert int.from_bytes(await asyncio.wait_for(reader.readexactly(4), 5), "big") > 0
    writer.close()
    await writer.wait_closed()


async def test_half_a_frame_and_a_hang_up_are_no_error(state: Path) -> None:
    _, writer = await asyncio.open_unix_connection(str(state / SOCKET_NAME))
    writer.write(b"\x00\x00\x01\x00half")
    writer.close()
    await writer.wait_closed()
    assert await ask(state, {"op": "hello"})


async def test_a_peer_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    posted: list[bool] = []

    async def flood(request: Request, peer: Peer) -> None:
        posted.extend(peer.post({"x": "y" * 100_000}) for _ in range(100))

    server = await serve(tmp_path, flood)
    async with connect(tmp_path) as peer:
        await peer.send({"op": "flood"})
        for _ in range(100):
            if posted:
                break
            await asyncio.sleep(0.01)
    assert posted[0]
    assert not posted[-1]
    server.close()
    await server.wait_closed()
