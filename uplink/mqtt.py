"""The link over MQTT: stays connected by itself, and answers for every single publish."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from edge.core.errors import LinkDown, LinkError
from uplink.connection import CLOSE_TIMEOUT_S, DEADLINE_S, Broker, Connection, Receipt
from uplink.topics import Topics

FIRST_BOUND_S: Final = 0.5
LAST_BOUND_S: Final = 60.0
STABLE_S: Final = 10.0
"""A connection that lasted this long starts the back-off anew; a shorter one is a failure."""
HURRY_S: Final = 1.0

_log = logging.getLogger("tongluo.link")


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """``reconnects``: times it came up again; ``error``: why it is down, empty if it is up."""

    up: bool = False
    reconnects: int = 0
    attempts: int = 0
    error: str = ""


def backoff_bound_s(failures: int) -> float:
    """The longest wait after so many failures in a row; the real one is a random part of it.

    Full jitter, so that the sites of a district do not come back in step after a broker restart.
    """
    return float(min(LAST_BOUND_S, FIRST_BOUND_S * 2.0 ** min(failures - 1, 16)))


def state(word: str) -> bytes:
    """The payload of the link topic: ``online``, ``offline`` (a clean stop) or ``lost``."""
    return json.dumps({"state": word}).encode()


class MqttLink:
    """Connected to one broker from entering to leaving, as far as the network allows.

    ``window``: publishes in flight. ``jitter``: a random number from 0 to 1. On leaving, it says
    ``offline`` if it can.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        *,
        window: int = 20,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._window = window
        self._jitter = jitter or random.SystemRandom().random
        self._changed: Callable[[], None] = lambda: None
        self._connection: Connection | None = None
        self._hurry = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None
        self._status = LinkStatus()
        self._ups = 0
        self._up_since_s: float | None = None
        self._down_since_s: float | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._maintain(), name=f"link {self._broker}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        if error is None or isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, trace)
        else:  # the body's own error leaves as it is, not in a group
            await self._group.__aexit__(None, None, None)

    @property
    def up(self) -> bool:
        """Whether a publish has a chance now."""
        return self._connection is not None

    @property
    def window(self) -> int:
        """Publishes that may be in flight on this connection."""
        return self._connection.window if self._connection is not None else self._window

    @property
    def status(self) -> LinkStatus:
        """A snapshot."""
        return self._status

    def listen(self, changed: Callable[[], None]) -> None:
        """Call this whenever the link went up or down; one listener."""
        self._changed = changed

    def hurry(self) -> None:
        """Something urgent waits: try again soon, whatever the back-off says."""
        if not self.up:
            self._hurry.set()

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> Receipt:
        """Publish with QoS 1; the receipt says whether the broker took it, and if not, why.

        Raises LinkDown when not connected, or when the connection broke or gave no answer by the
        deadline: then the broker may or may not have it. The same holds after cancellation. A
        broker that keeps no retained messages gets a plain one.
        """
        connection = self._connection
        if connection is None:
            raise LinkDown(self._status.error or "not connected")
        return await connection.deliver(
            topic,
            payload,
            retain=retain and connection.retain_available,
            expiry_s=expiry_s,
            deadline_s=deadline_s,
        )

    # ---- inside

    async def _maintain(self) -> None:
        failures = 0
        while True:
            self._up_since_s = None
            error = await self._serve()
            failures = 1 if self._was_stable() else failures + 1
            self._note_down(error)
            await self._pause(self._jitter() * backoff_bound_s(failures))

    async def _serve(self) -> LinkError:
        """One connection from its beginning to its end; returns why it ended."""
        try:
            connection = await self._connect()
        except LinkError as error:
            return error
        try:
            announced = await connection.deliver(
                self._topics.link, state("online"), retain=connection.retain_available
            )
            if not announced.accepted:
                _log.warning(
                    "event=state_refused topic=%s reason=%s", self._topics.link, announced.reason
                )
            self._connection = connection
            self._note_up()
            return await connection.ended()
        except LinkError as error:
            return error
        except asyncio.CancelledError:
            await self._farewell(connection)
            raise
        finally:
            self._connection = None
            connection.abort("ended")
            self._changed()

    async def _connect(self) -> Connection:
        tls = self._broker.tls
        connection = Connection(
            self._broker,
            f"tongluo-{self._topics.site}",
            tls_context=None if tls is None else await asyncio.to_thread(tls.context),
            will=(self._topics.link, state("lost")),
            window=self._window,
        )
        await connection.open()
        return connection

    async def _farewell(self, connection: Connection) -> None:
        try:
            await connection.deliver(
                self._topics.link,
                state("offline"),
                retain=connection.retain_available,
                deadline_s=CLOSE_TIMEOUT_S,
            )
        except LinkError as error:
            _log.info("event=no_goodbye broker=%s reason=%s", self._broker, error)
        await connection.close()

    async def _pause(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()
                # Urgent records come in bursts; the broker still gets a moment between attempts.
                await asyncio.sleep(self._jitter() * HURRY_S)
        except TimeoutError:
            pass
        self._hurry.clear()

    def _was_stable(self) -> bool:
        return self._up_since_s is not None and self._now_s() - self._up_since_s >= STABLE_S

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _note_up(self) -> None:
        self._up_since_s = self._now_s()
        if self._down_since_s is None:
            _log.info("event=link_up broker=%s", self._broker)
        else:
            down_s, failed = self._up_since_s - self._down_since_s, self._status.attempts
            _log.warning(
                "event=link_up broker=%s down_s=%.1f attempts=%d", self._broker, down_s, failed
            )
        self._down_since_s = None
        self._ups += 1
        self._status = LinkStatus(up=True, reconnects=self._ups - 1)
        self._changed()

    def _note_down(self, error: LinkError) -> None:
        attempts = self._status.attempts + 1
        if self._down_since_s is None:
            self._down_since_s = self._now_s()
            _log.warning("event=link_down broker=%s reason=%s", self._broker, error)
        self._status = LinkStatus(False, max(self._ups - 1, 0), attempts, str(error))
