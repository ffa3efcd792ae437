"""The link against a real mosquitto: reason codes, states, half-open connections, broker deaths."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from edge.core.errors import LinkDown, LinkRefused
from uplink.connection import NO_SUBSCRIBERS, PACKET_TOO_LARGE, Broker, Connection, Message
from uplink.mqtt import FIRST_BOUND_S, LAST_BOUND_S, MqttLink, backoff_bound_s
from uplink.topics import Topics

if TYPE_CHECKING:
    from tests.uplink.conftest import Mosquitto

Protocol = Literal["5", "3.1.1"]
TOPICS = Topics("tongluo", "shuanghe")
both = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def broker_of(mosquitto: Mosquitto, protocol: Protocol = "5", keepalive_s: int = 30) -> Broker:
    return Broker(host="127.0.0.1", port=mosquitto.port, protocol=protocol, keepalive_s=keepalive_s)


def link_to(mosquitto: Mosquitto, protocol: Protocol = "5") -> MqttLink:
    return MqttLink(broker_of(mosquitto, protocol), TOPICS, jitter=lambda: 0.05)


async def until(condition: Callable[[], bool], within_s: float = 8.0) -> None:
    """Wait for something that comes soon."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def subscriber(
    mosquitto: Mosquitto, protocol: Protocol = "5", name: str = "district"
) -> AsyncIterator[Connection]:
    connection = Connection(broker_of(mosquitto, protocol), name, keep_session=False)
    await connection.open()
    await connection.listen("tongluo/#")
    yield connection
    await connection.close()


async def states(connection: Connection, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(8.0):
        while len(found) < count:
            messages = await connection.receive()
            link_states = [each.payload for each in messages if each.topic == TOPICS.link]
            found += [json.loads(payload)["state"] for payload in link_states]
    return found


def test_the_bound_of_the_backoff_doubles_up_to_a_minute() -> None:
    """0.5 s, 1 s, 2 s ... 60 s; never more, however long it lasts."""
    bounds = [backoff_bound_s(failures) for failures in (1, 2, 3, 8, 9, 100_000)]
    assert bounds == [FIRST_BOUND_S, 1.0, 2.0, LAST_BOUND_S, LAST_BOUND_S, LAST_BOUND_S]


@both
async def test_the_link_says_online_and_offline(mosquitto: Mosquitto, protocol: Protocol) -> None:
    """Retained, so that who comes later knows too."""
    async with subscriber(mosquitto, protocol) as early:
        async with link_to(mosquitto, protocol) as link:
            await until(lambda: link.up)
            async with subscriber(mosquitto, protocol, "late") as late:
                assert await states(late, 1) == ["online"]
        assert await states(early, 2) == ["online", "offline"]


@both
async def test_the_broker_says_lost(mosquitto: Mosquitto, protocol: Protocol) -> None:
    """The last will, when the link is cut without a goodbye."""
    async with subscriber(mosquitto, protocol) as district, link_to(mosquitto, protocol) as link:
        await until(lambda: link.up)
        assert link._connection is not None
        link._connection.abort("cut")
        assert await states(district, 3) == ["online", "lost", "online"]
        await until(lambda: link.status.reconnects == 1)


async def test_a_denied_publish_is_a_refusal(new_mosquitto: Callable[[], Mosquitto]) -> None:
    """MQTT 5 reason code 0x87, each publish its own, whatever is in flight beside it."""
    mosquitto = new_mosquitto()
    mosquitto.allow(TOPICS.link, TOPICS.record("alarm"))
    mosquitto.start()
    async with subscriber(mosquitto), link_to(mosquitto) as link:
        await until(lambda: link.up)
        kinds = ["alarm", "block", "alarm", "alarm", "block"] * 10
        receipts = await asyncio.gather(
            *(link.publish(TOPICS.record(kind), b"x") for kind in kinds)
        )
        assert [(r.accepted, r.code) for r in receipts] == [
            (True, 0) if kind == "alarm" else (False, 0x87) for kind in kinds
        ]
        assert "Not authorized" in receipts[1].reason


async def test_nobody_listening_is_told(mosquitto: Mosquitto) -> None:
    """Accepted, with reason code 16."""
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        receipt = await link.publish(TOPICS.record("alarm"), b"x")
        assert (receipt.accepted, receipt.code) == (True, NO_SUBSCRIBERS)


async def test_what_the_broker_cannot_take_is_not_sent(
    new_mosquitto: Callable[[], Mosquitto],
) -> None:
    """It would cut the connection each time; here it is a refusal of that one message."""
    mosquitto = new_mosquitto()
    mosquitto.lines.append("max_packet_size 1000")
    mosquitto.start()
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        receipt = await link.publish(TOPICS.record("block"), bytes(1000))
        assert (receipt.accepted, receipt.code) == (False, PACKET_TOO_LARGE)
        assert (await link.publish(TOPICS.record("block"), bytes(500))).accepted


async def test_the_window_is_no_more_than_the_broker_takes(
    new_mosquitto: Callable[[], Mosquitto],
) -> None:
    """Its receive maximum: more in flight would be a protocol error."""
    mosquitto = new_mosquitto()
    mosquitto.lines.append("max_inflight_messages 3")
    mosquitto.start()
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        assert link.window == 3


@both
async def test_an_expiring_message_is_published(mosquitto: Mosquitto, protocol: Protocol) -> None:
    """With the property on MQTT 5, without on 3.1.1."""
    async with link_to(mosquitto, protocol) as link:
        await until(lambda: link.up)
        assert (await link.publish(TOPICS.record("alarm"), b"x", expiry_s=60)).accepted


async def test_a_half_open_connection_is_dropped_by_the_deadline(mosquitto: Mosquitto) -> None:
    """A broker that is stopped acknowledges nothing.

    All in flight fail, and the link comes back.
    """
    assert mosquitto.process is not None
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        mosquitto.process.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        results = await asyncio.gather(
            link.publish(TOPICS.record("alarm"), b"x", deadline_s=0.3),
            link.publish(TOPICS.record("alarm"), b"x", deadline_s=30.0),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [LinkDown, LinkDown]
        assert time.monotonic() - began_s < 2.0
        assert not link.up
        mosquitto.process.send_signal(signal.SIGCONT)
        await until(lambda: link.up)
        assert (await link.publish(TOPICS.record("alarm"), b"x")).accepted


async def test_down_and_up_are_told_once(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """However many attempts lie between."""
    caplog.set_level(logging.INFO, "tongluo.link")
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        mosquitto.kill()
        await until(lambda: link.status.attempts >= 3)
        with pytest.raises(LinkDown):
            await link.publish(TOPICS.record("alarm"), b"x")
        mosquitto.start()
        await until(lambda: link.up)
    events = [line.split()[0] for line in caplog.messages]
    assert events == ["event=link_up", "event=link_down", "event=link_up"]
    assert "attempts=" in caplog.messages[2]


async def test_urgency_cuts_the_backoff_short(mosquitto: Mosquitto) -> None:
    """An alarm does not wait a minute for the next attempt."""
    mosquitto.kill()
    link = MqttLink(broker_of(mosquitto), TOPICS, jitter=lambda: 0.5)
    async with link:
        await until(lambda: link.status.attempts >= 1)
        link._jitter = lambda: 0.01
        backoff = asyncio.create_task(link._pause(60.0))
        await asyncio.sleep(0)
        link.hurry()
        async with asyncio.timeout(2.0):
            await backoff


async def test_nothing_is_left_of_a_broken_connection(mosquitto: Mosquitto) -> None:
    """No descriptor and no task, however it ended: cut, closed, refused, unreachable."""

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    tasks, files = len(asyncio.all_tasks()), descriptors()
    for end in ("abort", "close", "kill", "refused"):
        if end == "refused":
            mosquitto.kill()
        connection = Connection(broker_of(mosquitto), "shuanghe")
        if end == "refused":
            with pytest.raises(LinkDown, match="refused"):
                await connection.open()
            continue
        await connection.open()
        pending = asyncio.create_task(connection.deliver("a/b", b"x" * 100_000))
        await asyncio.sleep(0)
        if end == "abort":
            connection.abort("cut")
        elif end == "close":
            await connection.close()
        else:
            mosquitto.kill()
            await connection.ended()
            mosquitto.start()
        if end != "close":
            with pytest.raises(LinkDown):
                await pending
        else:
            await asyncio.wait([pending])
            pending.exception()
        connection.abort("end")
        with pytest.raises(LinkDown):
            await connection.deliver("a/b", b"x")
        with pytest.raises(LinkDown):
            await connection.receive()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    await until(lambda: descriptors() == files)


async def test_a_break_touches_no_other_socket(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """A publish was just queued; the number of its socket is given to another one at once."""
    loop = asyncio.get_running_loop()
    connection = Connection(broker_of(mosquitto), "shuanghe")
    await connection.open()
    queued = asyncio.create_task(connection.deliver("a/b", b"x"))
    await asyncio.sleep(0)
    mine = connection._client.socket()
    assert mine is not None
    number = mine.fileno()
    connection.abort("cut")
    with socket.socket() as other:
        assert other.fileno() == number, "the lowest free number"
        for _ in range(3):
            await asyncio.sleep(0)
        assert not loop.remove_writer(number)
        assert not loop.remove_reader(number)
    with pytest.raises(LinkDown, match="cut"):
        await queued
    assert caplog.messages == []


async def test_a_connection_given_up_while_it_opens_is_closed(mosquitto: Mosquitto) -> None:
    """Cancelled at any moment: the thread that connects leaves nothing behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for yields in (1, 2, 3, 5, 10, 50):
        connection = Connection(broker_of(mosquitto), "shuanghe")
        opening = asyncio.create_task(connection.open())
        for _ in range(yields):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        connection.abort("given up")
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before + 1)


async def test_a_broker_that_wants_a_password_says_so(
    new_mosquitto: Callable[[], Mosquitto],
) -> None:
    """A refusal with its reason, not a timeout."""
    mosquitto = new_mosquitto()
    mosquitto.lines = ["allow_anonymous false"]
    mosquitto.start()
    connection = Connection(broker_of(mosquitto), "shuanghe")
    with pytest.raises(LinkRefused, match="Not authorized") as refusal:
        await connection.open()
    assert refusal.value.code == 0x87


async def test_a_publish_that_is_given_up_harms_nobody(mosquitto: Mosquitto) -> None:
    """Cancelled while in flight.

    Its late acknowledgement is nobody's, the next one gets its own.
    """
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        given_up = asyncio.create_task(link.publish(TOPICS.record("alarm"), b"x"))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert (await link.publish(TOPICS.record("alarm"), b"y")).accepted


async def test_what_was_not_acknowledged_comes_again(mosquitto: Mosquitto) -> None:
    """A receiver that dies before it stored a message gets it again.

    One that stored it does not.
    """
    broker = broker_of(mosquitto)
    async with link_to(mosquitto) as link:
        await until(lambda: link.up)
        first = Connection(broker, "district")
        await first.open()
        await first.listen("tongluo/shuanghe/alarm")
        for payload in (b"1", b"2", b"3"):
            await link.publish(TOPICS.record("alarm"), payload)
        got: list[Message] = []
        while len(got) < 3:
            got += await first.receive()
        first.acknowledge(got[0])
        assert (await first.deliver("x", b"")).accepted, "and so the acknowledgement is out"
        first.abort("crash")
        again = Connection(broker, "district")
        await again.open()
        await again.listen("tongluo/shuanghe/alarm")
        got = []
        while len(got) < 2:
            got += await again.receive()
        assert [message.payload for message in got] == [b"2", b"3"]
        await again.close()
