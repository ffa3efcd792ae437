"""Whoever rings, over the real local socket: another program's telephones, and nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import replace

import pytest

from edge.app.attendant import attend
from edge.app.calling import Calling
from edge.app.clock import RealClock
from edge.app.complaint import Complaint
from edge.app.local_socket import Peer, connect, serve
from edge.core.instant import Utc
from edge.core.model import Alarm, Level, Phase, RuleId
from edge.engine.calls.ladder import CallPlan, Contact, Ladder, Rung
from tools.virtual_village import MemoryJournal

WANG = Contact("wang", "王秀英", "duty", (("voice", "13800000001"),), acknowledges=True)
RUNG = Rung(Level.RED, (WANG,), ("voice",), every_s=1.0)
PLAN = CallPlan("plan", (Ladder("duty", (RUNG,), 30.0),), ("1",), ("收到",))
RULE = RuleId("flood")
ALARM = Alarm(
    RULE, "flood/1/1", Level.RED, Level.RED, Level.RED, Phase.ACTIVE_UNACKNOWLEDGED, 1, Utc(1)
)


class Alarms:
    """One alarm, as the agent holds it."""

    def __init__(self) -> None:
        self.alarm = ALARM
        self.calling: Calling | None = None

    def tell(self) -> None:
        assert self.calling is not None
        self.calling.on_alarms([self.alarm])

    def acknowledge(self, rule: RuleId, alarm: str, by: str) -> None:
        assert (rule, alarm) == (self.alarm.rule, self.alarm.id)
        self.alarm = replace(
            self.alarm, phase=Phase.ACTIVE_ACKNOWLEDGED, acknowledged_by=by, revision=2
        )
        self.tell()


@pytest.fixture
async def box(tmp_path):
    """An agent's calls behind a real socket."""
    alarms = Alarms()
    calling = alarms.calling = Calling(
        {RULE: PLAN}, lambda *_: "红色预警", alarms.acknowledge, MemoryJournal(), RealClock()
    )

    async def answer(request, peer):
        try:
            await attend(calling, request, peer)
        except Complaint as error:
            await peer.send(error.body())

    server = await serve(tmp_path, answer)
    yield alarms, calling, tmp_path
    calling.close()
    server.close()
    await server.wait_closed()


async def until(what, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def asked(peer: Peer) -> dict[str, object]:
    """The next request that the agent sends."""
    body = (await peer.receive() or {})["request"]
    assert isinstance(body, dict)
    return body


async def test_telephones_of_another_program_are_rung_and_answer(box):
    alarms, calling, state = box
    (state / "people.toml").write_text('[[person]]\nnumber = "13800000001"\nfrom_call = 1\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.twins.phones", str(state), str(state / "people.toml"),
        "--speed", "40", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(lambda: calling.body()["channels"] == {"voice": 1, "sms": 4})
        alarms.tell()
        await until(lambda: alarms.alarm.acknowledged_by == "王秀英")
    finally:
        process.terminate()
        rung, _ = await process.communicate()
    assert "13800000001" not in rung.decode()
    assert "0001 红色预警" in rung.decode()
    await until(lambda: calling.body()["channels"] == {})


async def test_frames_are_as_documented(box):
    """Only names, numbers and texts cross the socket; the answer acknowledges."""
    alarms, _, state = box
    async with connect(state) as peer:
        await peer.send({"op": "attend", "channels": {"voice": 1}})
        assert await peer.receive() == {"attending": ["voice"]}
        alarms.tell()
        request = await asked(peer)
        assert request == {
            "id": "flood/1/1|1|duty|1|0|wang|voice|1|0",
            "channel": "voice",
            "address": "13800000001",
            "contact": "wang",
            "name": "王秀英",
            "language": "zh",
            "text": "红色预警",
            "keys": ["1"],
            "level": "red",
            "ring_s": 30.0,
            "drill": False,
        }
        answer = {"channel": "voice", "id": "k1", "key": "1", "request": request["id"]}
        await peer.send({"answer": answer})
        await until(lambda: alarms.alarm.acknowledged_by == "王秀英")


@pytest.mark.parametrize(
    "frame",
    [
        {"nonsense": 1},
        {"outcome": {"channel": "sms", "request": "x", "result": "busy"}},
        {"outcome": {"channel": "voice", "request": "x", "result": "married"}},
        {"outcome": {"channel": "voice", "request": 7, "result": "busy"}},
        {"answer": {"channel": "voice", "id": "x" * 1000}},
    ],
)
async def test_nonsense_ends_the_attendance_with_a_complaint(box, frame):
    _, calling, state = box
    async with connect(state) as peer:
        await peer.send({"op": "attend", "channels": {"voice": 1}})
        await peer.receive()
        await peer.send(frame)
        assert (await peer.receive() or {})["error"] == "bad-report"
        await until(lambda: calling.body()["channels"] == {})


@pytest.mark.parametrize("channels", [None, {}, {"pigeon": 1}, {"voice": 0}, {"voice": True}])
async def test_only_known_channels_can_be_attended(box, channels):
    async with connect(box[2]) as peer:
        await peer.send({"op": "attend", "channels": channels})
        assert (await peer.receive() or {})["error"] == "bad-attendance"


async def test_one_who_goes_in_the_middle_of_a_call_is_asked_again_by_its_name(box):
    """The second one is offered the very same request, not a new one."""
    alarms, calling, state = box
    seen: list[str] = []
    for _ in range(2):
        with contextlib.suppress(ConnectionError):
            async with connect(state) as peer:
                await peer.send({"op": "attend", "channels": {"voice": 1}})
                await peer.receive()
                if not seen:
                    alarms.tell()
                seen.append(str((await asked(peer))["id"]))
        await until(lambda: calling.body()["channels"] == {})
    assert len(set(seen)) == 1
