"""The same delivery over amqtt, a broker of other make (MQTT 3.1.1 only)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

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
    from tests.uplink.conftest import JournalFile

TOPICS = Topics("tongluo", "shuanghe")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("amqtt") is None, reason="amqtt is not installed"
)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """amqtt in a process of its own, on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "amqtt.yaml"
    config.write_text(
        f"listeners: {{default: {{type: tcp, bind: '127.0.0.1:{port}'}}}}\n"
        "plugins: {amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}}\n"
    )
    program = Path(sys.executable).with_name("amqtt")
    process = await asyncio.create_subprocess_exec(
        *(str(program), "-c", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(15.0):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.02)
        yield Broker(host="127.0.0.1", port=port, protocol="3.1.1")
    finally:
        process.kill()
        await process.wait()


async def test_a_journal_arrives_over_amqtt(
    broker: Broker, journal: JournalFile, state_dir: Path
) -> None:
    """Complete, decoded, alarm first."""
    journal.birth()
    journal.fill(50)
    journal.alarm()
    heard: list[Item] = []
    stop = asyncio.Event()
    with Archive() as archive:
        receiver = Receiver(archive, "tongluo", complain=pytest.fail)
        intake = Intake(broker=broker, topic="tongluo")
        listening = asyncio.create_task(
            listen(intake, archive, receiver, heard.extend, lambda line: None, stop)
        )
        await asyncio.sleep(0.2)
        async with MqttLink(broker, TOPICS) as link:
            reader = JournalReader(journal.path)
            sender = Sender(reader, Cursor(state_dir / "link.db"), link, TOPICS)
            running = asyncio.create_task(sender.run())
            async with asyncio.timeout(10.0):
                while heard[-1:] == [] or heard[-1].get("seq") != 51:
                    await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
        stop.set()
        await listening
    kinds = [item["type"] for item in heard if item["type"] != "link"]
    assert kinds == ["alarm", "birth", *["reading"] * 50, "completeness"]
    assert (heard[-1]["complete_to"], heard[-1]["missing"]) == (52, [])
