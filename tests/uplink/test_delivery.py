"""From a journal file through a real mosquitto to the district, while everything dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from uplink.archive import Archive
from uplink.connection import Broker
from uplink.cursor import Cursor
from uplink.intake import Intake, listen
from uplink.mqtt import MqttLink
from uplink.reader import JournalReader
from uplink.receiver import Item, Receiver
from uplink.sender import Sender
from uplink.topics import Topics

if TYPE_CHECKING:
    from tests.uplink.conftest import JournalFile, Mosquitto

TOPICS = Topics("tongluo", "shuanghe")


def broker_at(port: int, protocol: Literal["5", "3.1.1"] = "5") -> Broker:
    return Broker(host="127.0.0.1", port=port, protocol=protocol)


def number(value: object) -> int:
    assert isinstance(value, int)
    return value


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


class District:
    """A receiver that runs, and what it printed."""

    def __init__(self, archive: Archive) -> None:
        self.items: list[Item] = []
        self.receiver = Receiver(archive, "tongluo", complain=self._complain)
        self.talk: list[str] = []

    def _complain(self, line: str) -> None:
        raise AssertionError(line)

    @property
    def complete(self) -> Item:
        return next(iter(self.receiver.completeness()), {"complete_to": 0, "missing": []})

    def has(self, seq: int) -> bool:
        return number(self.complete["complete_to"]) >= seq

    def seqs(self, kind: str) -> list[Any]:
        return [item["seq"] for item in self.items if item["type"] == kind]


@asynccontextmanager
async def district_at(
    port: int, path: Path | None = None, protocol: Literal["5", "3.1.1"] = "5"
) -> AsyncIterator[District]:
    intake = Intake(broker=broker_at(port, protocol), topic="tongluo", keep_session=bool(path))
    stop = asyncio.Event()
    with Archive(path) as archive:
        district = District(archive)
        listening = asyncio.create_task(
            listen(
                intake,
                archive,
                district.receiver,
                district.items.extend,
                district.talk.append,
                stop,
            )
        )
        try:
            yield district
        finally:
            stop.set()
            await listening


@asynccontextmanager
async def station_at(
    port: int, state_dir: Path, protocol: Literal["5", "3.1.1"] = "5", window: int = 20
) -> AsyncIterator[Sender]:
    """The link process of a site."""
    broker = broker_at(port, protocol)
    async with MqttLink(broker, TOPICS, window=window, jitter=lambda: 0.05) as link:
        sender = Sender(
            JournalReader(state_dir / "journal.db"),
            Cursor(state_dir / "link-district.db"),
            link,
            TOPICS,
        )
        running = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_journal_arrives(
    mosquitto: Mosquitto,
    journal: JournalFile,
    state_dir: Path,
    protocol: Literal["5", "3.1.1"],
) -> None:
    """All of it once, decoded; the district can say that it is complete; alarms came first."""
    journal.birth()
    for level in range(100):
        journal.block(level / 10)
    journal.evict(50, 51)
    journal.add("loss", 1, {"cause": "journal full", "ranges": [[50, 51]]})
    journal.alarm()
    async with (
        district_at(mosquitto.port, protocol=protocol) as district,
        station_at(mosquitto.port, state_dir, protocol) as sender,
    ):
        await until(lambda: district.complete["complete_to"] == 103)
        await until(lambda: sender.status()["pending"] == 0)
    assert district.complete["missing"] == []
    assert (district.complete["received"], district.complete["duplicates"]) == (101, 0)
    records = [item["type"] for item in district.items if item["type"] not in ("link", "reading")]
    assert records[:3] == ["alarm", "birth", "loss"]
    levels = [i["value"] for i in district.items if i.get("point") == "river.level"]
    assert sorted(map(str, levels), key=float) == [
        str(n / 10) for n in range(100) if n not in (48, 49)
    ]


async def test_a_receiver_that_comes_late_can_decode(
    mosquitto: Mosquitto, journal: JournalFile, state_dir: Path
) -> None:
    """By the birth that the broker kept."""
    journal.birth()
    async with district_at(mosquitto.port) as early, station_at(mosquitto.port, state_dir):
        await until(lambda: early.seqs("birth") == [1])
        async with district_at(mosquitto.port) as late:
            await until(lambda: bool(late.items))
            journal.block(3.3)
            await until(lambda: len(late.seqs("reading")) == 2)
    assert late.complete["missing"] == [[1, 1]]


async def test_a_broker_that_is_killed_loses_nothing(
    new_mosquitto: Callable[[], Mosquitto], journal: JournalFile, state_dir: Path
) -> None:
    """Two kills while a backlog drains; after de-duplication every record is there once.

    Mosquitto acknowledges before it saves, and a killed process resets its connections, so that
    what it had acknowledged is partly gone: the sender doubts it, and sends it again.
    """
    mosquitto = new_mosquitto()
    mosquitto.lines += ["autosave_on_changes true", "autosave_interval 1"]
    mosquitto.start()
    journal.birth()
    journal.fill(600)
    async with (
        district_at(mosquitto.port, state_dir / "receive.db") as district,
        station_at(mosquitto.port, state_dir) as sender,
    ):
        for step in (100, 250):
            await until(partial(district.has, step))
            await until(lambda: sender.status()["state"] == "up")
            mosquitto.kill()
            await asyncio.sleep(0.02)
            mosquitto.start()
        await until(lambda: district.complete["complete_to"] == 601, within_s=20.0)
        await until(lambda: sender.status()["pending"] == 0)
        assert sender.status()["reconnects"] == 2
    assert district.complete["missing"] == []
    assert district.complete["received"] == 601
    assert len(district.seqs("reading")) == 600


async def test_what_is_denied_stays_undelivered(
    new_mosquitto: Callable[[], Mosquitto],
    journal: JournalFile,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alarms pass a denied telemetry topic; when the access list is mended, telemetry follows."""
    monkeypatch.setattr("uplink.outbox.FIRST_RETRY_S", 0.02)
    mosquitto = new_mosquitto()
    mosquitto.allow(TOPICS.link, TOPICS.record("alarm"))
    mosquitto.start()
    journal.fill(100)
    alarm = journal.alarm()
    async with (
        district_at(mosquitto.port) as district,
        station_at(mosquitto.port, state_dir) as sender,
    ):
        await until(lambda: sender.status()["closed"] == ["block"])
        await until(lambda: district.seqs("alarm") == [alarm])
        status = sender.status()
        assert status["pending"] == 100
        assert "Not authorized (0x87)" in str(status["last_error"])
        assert (state_dir / "link-district.db").exists()
        mosquitto.lines.pop()
        mosquitto.allow("#")
        mosquitto.reload()
        await until(lambda: district.complete["complete_to"] == 101)
        await until(lambda: sender.status()["last_error"] == "")


async def test_an_alarm_overtakes_a_real_backlog(
    mosquitto: Mosquitto, journal: JournalFile, state_dir: Path
) -> None:
    """Between commit and arrival no more telemetry comes in than was already in flight."""
    journal.fill(3000)
    window = 10
    async with (
        district_at(mosquitto.port) as district,
        station_at(mosquitto.port, state_dir, window=window) as sender,
    ):
        await until(lambda: number(sender.status()["delivered"]) >= 200)
        alarm = journal.alarm()
        delivered = number(sender.status()["delivered"])
        sender.nudge()
        await until(lambda: district.seqs("alarm") == [alarm])
    kinds = [item["type"] for item in district.items if item["type"] != "link"]
    assert kinds.index("alarm") <= delivered + 2 * window
    assert delivered < 2500, "the backlog was still draining"


AGAIN = 200
"""Sent twice after a kill at most: what was in flight, unstored, or accepted during a commit."""

SENDER = """
import asyncio, sys
from pathlib import Path
from uplink.connection import Broker
from uplink.cursor import Cursor
from uplink.mqtt import MqttLink
from uplink.reader import JournalReader
from uplink.sender import Sender
from uplink.topics import Topics

async def main(port: int, state: Path) -> None:
    topics = Topics("tongluo", "shuanghe")
    async with MqttLink(Broker(host="127.0.0.1", port=port), topics, window=5) as link:
        reader, cursor = JournalReader(state / "journal.db"), Cursor(state / "link-district.db")
        await Sender(reader, cursor, link, topics).run()

asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
"""


@asynccontextmanager
async def sender_process(port: int, state_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SENDER, str(port), str(state_dir)), env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_sender_that_is_killed_skips_nothing(
    mosquitto: Mosquitto, journal: JournalFile, state_dir: Path
) -> None:
    """Killed twice in the middle: all arrives, and little of it twice."""
    journal.birth()
    journal.fill(700)
    alarm = journal.alarm()
    async with district_at(mosquitto.port) as district:
        for step in (100, 400):
            async with sender_process(mosquitto.port, state_dir) as process:
                await until(partial(district.has, step))
                process.send_signal(signal.SIGKILL)
                await process.wait()
        seen = number(district.complete["received"])
        assert 400 <= seen < 702, "it was in the middle"
        async with station_at(mosquitto.port, state_dir) as sender:
            await until(lambda: district.complete["complete_to"] == alarm)
            assert number(sender.status()["delivered"]) <= 702 - seen + AGAIN
    assert district.complete["missing"] == []
    assert district.seqs("alarm") == [alarm]
    assert number(district.complete["duplicates"]) <= 2 * AGAIN


async def test_a_receiver_that_was_away_gets_the_rest(
    mosquitto: Mosquitto, journal: JournalFile, state_dir: Path
) -> None:
    """The broker keeps for it what comes meanwhile; together the account is complete."""
    path = state_dir / "receive.db"
    journal.birth()
    async with station_at(mosquitto.port, state_dir) as sender:
        async with district_at(mosquitto.port, path) as district:
            await until(lambda: district.complete["complete_to"] == 1)
        journal.fill(30)
        await until(lambda: sender.status()["delivered"] == 31)
        async with district_at(mosquitto.port, path) as district:
            await until(lambda: district.complete["complete_to"] == 31)
            assert len(district.seqs("reading")) == 30
            assert district.complete["duplicates"] == 0


async def test_a_receiver_that_could_not_store_gets_it_again(
    mosquitto: Mosquitto,
    journal: JournalFile,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Acknowledged is only what is durable."""
    path = state_dir / "receive.db"
    stored = Archive.commit

    def crash(archive: Archive) -> None:
        if any(book.count for _, _, book in archive.books()):
            raise RuntimeError("crash before the commit")
        stored(archive)

    async with station_at(mosquitto.port, state_dir):
        monkeypatch.setattr(Archive, "commit", crash)
        crashing = district_at(mosquitto.port, path)
        first = await crashing.__aenter__()
        await until(lambda: bool(first.items))
        journal.alarm()
        await until(lambda: first.seqs("alarm") == [1])
        with pytest.raises(RuntimeError, match="crash"):
            await crashing.__aexit__(None, None, None)
        monkeypatch.undo()
        async with district_at(mosquitto.port, path) as second:
            await until(lambda: second.seqs("alarm") == [1])
