"""Listening to a broker for the district; a message is acknowledged when it is safe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from edge.core.errors import LinkError
from uplink.archive import Archive
from uplink.connection import Broker, Connection
from uplink.mqtt import backoff_bound_s
from uplink.receiver import Item, Receiver
from uplink.topics import subscription

Emit = Callable[[list[Item]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """How to listen: ``topic`` is the prefix, ``site`` one site or empty for all.

    ``for_s``: end after so long; ``idle_s``: end after so long without a message; None: never.
    ``keep_session``: the broker
    keeps what comes while nobody listens; only sensible with an archive in a file.
    """

    broker: Broker
    topic: str
    site: str = ""
    keep_session: bool = False
    idle_s: float | None = None
    for_s: float | None = None
    report_every_s: float = 60.0


async def listen(
    intake: Intake,
    archive: Archive,
    receiver: Receiver,
    emit: Emit,
    log: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Receive until ``stop`` is set, or the intake says so; last the completeness is emitted.

    Raises LinkError only if the first connection fails, StoreError if the archive does.
    """
    work = follow(intake, archive, receiver, emit, log)
    following = asyncio.create_task(work, name="receive")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    both = {following, stopping}
    try:
        await asyncio.wait(both, timeout=intake.for_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)
    if not following.cancelled():
        following.result()  # raises what went wrong
    emit(list(receiver.completeness()))


async def follow(
    intake: Intake,
    archive: Archive,
    receiver: Receiver,
    emit: Emit,
    log: Callable[[str], None],
) -> None:
    """Receive until idle or cancelled.

    A message is acknowledged after ``emit`` returned and the archive is durable, so that a crash
    repeats messages and never loses one. ``emit`` and the archive block the loop: nothing else
    runs on it, and the broker is to be kept waiting when they are slow.
    """
    connection = await _connect(intake, archive)
    clock = asyncio.get_running_loop()
    heard_s = reported_s = clock.time()
    try:
        while True:
            report_s = reported_s + intake.report_every_s
            until_s = report_s if intake.idle_s is None else min(report_s, heard_s + intake.idle_s)
            try:
                async with asyncio.timeout_at(until_s):
                    await _take(connection, archive, receiver, emit)
                heard_s = clock.time()
            except LinkError as error:
                connection.abort("replaced")
                log(f"{intake.broker} is down: {error}")
                connection = await _reconnect(intake, archive)
                log(f"{intake.broker} is up again")
            except TimeoutError:
                if intake.idle_s is not None and clock.time() >= heard_s + intake.idle_s:
                    return
                reported_s = clock.time()
                emit(list(receiver.completeness()))
    finally:
        await connection.close()


async def _take(
    connection: Connection,
    archive: Archive,
    receiver: Receiver,
    emit: Emit,
) -> None:
    messages = await connection.receive()
    emit([item for each in messages for item in receiver.take(each.topic, each.payload)])
    archive.commit()
    for message in messages:
        connection.acknowledge(message)


async def _connect(intake: Intake, archive: Archive) -> Connection:
    tls = intake.broker.tls
    connection = Connection(
        intake.broker,
        archive.client_id,
        tls_context=None if tls is None else await asyncio.to_thread(tls.context),
        keep_session=intake.keep_session,
    )
    await connection.open()
    try:
        await connection.listen(subscription(intake.topic, intake.site))
    except LinkError:
        await connection.close()
        raise
    return connection


async def _reconnect(intake: Intake, archive: Archive) -> Connection:
    jitter = random.SystemRandom()
    failures = 1
    while True:
        await asyncio.sleep(jitter.uniform(0.0, backoff_bound_s(failures)))
        try:
            return await _connect(intake, archive)
        except LinkError:
            failures += 1
