"""The link process: everything that speaks to the outside.

It drives no actuator and can forge no command.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from edge.app.config.model import LinkConfig, Site
from edge.app.local_socket import Peer, connect
from edge.app.lock import hold
from edge.app.priority import go_last
from edge.core.errors import AgentError
from uplink.connection import Broker, Tls
from uplink.cursor import Cursor
from uplink.mqtt import MqttLink
from uplink.reader import JournalReader
from uplink.sender import Sender
from uplink.topics import Topics

_log = logging.getLogger("tongluo.link")

_RECONNECT_S = 1.0
_REPORT_S = 1.0


async def run(site: Site, state: Path, *, child: bool) -> None:
    """Deliver the journal until SIGTERM or SIGINT; a child also ends with its parent."""
    go_last()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with hold(state, "link"):
        senders: dict[str, Sender] = {}
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_deliver(site, config, state, senders), name=config.id)
                for config in site.links
            ]
            tasks.append(group.create_task(_follow(state, senders), name="local socket"))
            if child:
                tasks.append(group.create_task(_outlive(os.getppid(), stop), name="parent"))
            await stop.wait()
            for task in tasks:
                task.cancel()


async def _deliver(site: Site, config: LinkConfig, state: Path, senders: dict[str, Sender]) -> None:
    """One link from its beginning to cancellation."""
    topics = Topics(config.topic, site.site.id)
    reader = JournalReader(state / "journal.db")
    cursor = Cursor(state / f"link-{config.id}.db")
    try:
        async with MqttLink(_broker(config), topics, window=config.window) as link:
            sender = Sender(reader, cursor, link, topics)
            senders[config.id] = sender
            await sender.run()
    finally:
        cursor.close()
        reader.close()


def _broker(config: LinkConfig) -> Broker:
    tls = None
    if config.tls and config.ca_file is not None:
        tls = Tls(config.ca_file, config.cert_file, config.key_file)
    return Broker(
        host=config.host,
        port=config.port,
        protocol=config.protocol,
        tls=tls,
        keepalive_s=config.keepalive_s,
    )


async def _follow(state: Path, senders: dict[str, Sender]) -> None:
    """Hear of commits from the alarm process, and tell it how the links are.

    Without it, go on alone.
    """
    while True:
        with contextlib.suppress(AgentError, ConnectionError):
            async with connect(state) as peer, asyncio.TaskGroup() as group:
                await peer.send({"op": "follow"})
                report = group.create_task(_report(peer, senders))
                while (message := await peer.receive()) is not None:
                    if message.get("urgent"):
                        for sender in senders.values():
                            sender.nudge()
                report.cancel()
        await asyncio.sleep(_RECONNECT_S)


async def _report(peer: Peer, senders: dict[str, Sender]) -> None:
    while True:
        peer.post({"links": {name: sender.status() for name, sender in senders.items()}})
        await asyncio.sleep(_REPORT_S)


async def _outlive(parent: int, stop: asyncio.Event) -> None:
    """A killed parent must not leave a link behind that holds the broker's session."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of a parent's end but looking
        await asyncio.sleep(_RECONNECT_S / 4)
    _log.error("event=parent_gone")
    stop.set()
