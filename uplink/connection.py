"""One MQTT connection, used once. The only file that knows aiomqtt and the paho client below it.

aiomqtt 2.x drops the reason code of a PUBACK, so a publish that the broker's access list denied
looks delivered. Here each publish waits for its own code, taken from paho's callback.

Every connection is a new client: paho keeps what a dead connection did not deliver and would send
it again on its own later. What is to be sent again is the journal's to know.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.core.errors import LinkDown, LinkRefused

CONNECT_TIMEOUT_S: Final = 10.0
SESSION_EXPIRY_S: Final = 7 * 24 * 3600
DEADLINE_S: Final = 20.0
"""An acknowledgement that takes longer means a half-open connection; GPRS needs a few seconds."""
CLOSE_TIMEOUT_S: Final = 2.0
MOST_UNASKED: Final = 10_000
"""Messages of QoS 0 that may wait; those of QoS 1 are bounded by the protocol's receive maximum."""

REFUSED: Final = 0x80
NO_SUBSCRIBERS: Final = 0x10
PACKET_TOO_LARGE: Final = 0x95
_HINT: Final = "look at host and port, the certificates, and whether the broker runs"
_PACKET_OVERHEAD: Final = 64
_NO_LIMIT: Final = 1 << 28


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class Tls:
    """The private authority that signed the broker, and who we are. PEM files."""

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A fresh context, so that renewed certificates are used at the next connect.

        TLS 1.3 where the broker has it, never below 1.2; host name checked. Raises LinkDown.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as error:
            raise LinkDown(f"authority certificate {self.ca_file}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _TlsSocket
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file)
            except OSError as error:
                raise LinkDown(f"client certificate {self.cert_file}: {error}") from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker is and how to speak to it."""

    host: str
    port: int
    protocol: Literal["5", "3.1.1"] = "5"
    tls: Tls | None = None
    keepalive_s: int = 30

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the broker answered to a publish: ``code`` is the reason code of MQTT 5, 3.4.2.1.

    MQTT 3.1.1 has none, so there every answer is an acceptance.
    """

    accepted: bool
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something received, to be acknowledged when safe. ``topic`` is empty if it is not UTF-8."""

    topic: str
    payload: bytes
    mid: int
    qos: int


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho left this one untyped


class _Trace(logging.Handler):
    """Keeps the last error paho logged: it knows why TLS failed and tells nobody else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


class Connection(aiomqtt.Client):
    """Open it, use it, close or abort it; then make another.

    ``will``: topic and payload, retained, that the broker publishes if this end is lost.
    ``keep_session``: the broker keeps subscriptions and what it owes us for a week.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        tls_context: ssl.SSLContext | None = None,
        will: tuple[str, bytes] | None = None,
        keep_session: bool = True,
        window: int = 20,
    ) -> None:
        self._trace = _Trace()
        self._encrypted = tls_context is not None
        # outside the tree of loggers, so that it prints nowhere
        logger = logging.Logger("paho", logging.WARNING)  # noqa: LOG001  # see above
        logger.addHandler(self._trace)
        v5 = broker.protocol == "5"
        properties = _properties(PacketTypes.CONNECT) if v5 else None
        if properties is not None and keep_session:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        super().__init__(
            broker.host,
            broker.port,
            logger=logger,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if v5 else not keep_session,
            clean_start=not keep_session if v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
            will=aiomqtt.Will(will[0], will[1], qos=1, retain=True) if will else None,
            tls_context=tls_context,
            keepalive=broker.keepalive_s,
            timeout=CONNECT_TIMEOUT_S,
            max_inflight_messages=window,
            # else Nagle's algorithm holds a publish back until the one before it is acknowledged
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self._client.manual_ack_set(True)
        self._v5 = v5
        self._given_up = False
        self._receipts: dict[int, asyncio.Future[Receipt]] = {}
        self._inbox: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self.window = window
        """Publishes that may be in flight; no more than the broker's receive maximum."""
        self.retain_available = True
        self._max_packet_bytes = _NO_LIMIT

    async def open(self) -> None:
        """Connect. Raises LinkRefused if the broker declined, LinkDown for all else.

        After an error or a cancellation nothing is left open; a thread may still be waiting for
        TCP or TLS for some seconds, and closes what it gets.
        """
        try:
            await self.__aenter__()
        except aiomqtt.exceptions.MqttConnectError as error:
            self.abort(str(error))
            code = error.rc.value if isinstance(error.rc, ReasonCode) else int(error.rc or 0)
            raise LinkRefused(
                f"the broker refused the connection: {error}",
                code=code,
                hint="look at its access list, the client certificate and the client id",
            ) from error
        except (aiomqtt.MqttError, ValueError) as error:
            self.abort(str(error))
            raise LinkDown(str(error), hint=_HINT) from error
        except asyncio.CancelledError:
            self.abort("cancelled")
            raise
        self._disconnected.add_done_callback(self._let_go)

    async def close(self) -> None:
        """Say goodbye, so that the broker drops the will; then be gone in any case."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError):
            self._trace.last = "no goodbye"
        finally:
            self.abort("closed")

    def abort(self, reason: str) -> None:
        """Drop the connection without a word, as a cut cable would. Harmless twice."""
        self._given_up = True
        if not self._disconnected.done():
            self._disconnected.set_exception(aiomqtt.MqttError(reason))
        if not self._disconnected.cancelled():
            self._disconnected.exception()  # asked for, so that asyncio does not complain
        # the one call of paho that closes the socket and takes it off the loop, also when half-open
        self._client._sock_close()  # noqa: SLF001  # has no public form

    async def ended(self) -> LinkDown:
        """Wait until the connection is gone; returns why."""
        await asyncio.wait([self._disconnected])
        return self._reason()

    async def deliver(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> Receipt:
        """Publish with QoS 1 and wait for the answer to this very message.

        Raises LinkDown if none came by the deadline (the connection is then dropped), or the
        connection ended. Whether the broker got the message is then unknown; so too if cancelled.
        """
        if self._disconnected.done():
            raise self._reason()
        if len(topic) + len(payload) + _PACKET_OVERHEAD > self._max_packet_bytes:
            return Receipt(False, PACKET_TOO_LARGE, f"broker takes {self._max_packet_bytes} bytes")
        properties = None
        if expiry_s is not None and self._v5:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry_s
        published = self._client.publish(topic, payload, 1, retain, properties)
        if published.rc != paho.MQTT_ERR_SUCCESS:
            raise LinkDown(paho.error_string(published.rc))
        answer: asyncio.Future[Receipt] = self._loop.create_future()
        self._receipts[published.mid] = answer
        try:
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            self.abort(f"no acknowledgement within {deadline_s:g} s")
            raise self._reason() from None
        finally:
            self._receipts.pop(published.mid, None)

    async def listen(self, topic_filter: str) -> None:
        """Subscribe with QoS 1. Raises LinkRefused, LinkDown."""
        try:
            codes = await self.subscribe(topic_filter, 1)
        except aiomqtt.MqttError as error:
            raise LinkDown(f"subscribe: {error}") from error
        for code in codes:
            value = code.value if isinstance(code, ReasonCode) else code
            if value >= REFUSED:
                raise LinkRefused(f"subscription to {topic_filter} refused: {code}", code=value)

    async def receive(self, limit: int = 256) -> list[Message]:
        """At least one message, at most ``limit``. Raises LinkDown when there will be no more."""
        while not self._inbox:
            if self._disconnected.done():
                raise self._reason()
            self._arrived.clear()
            await self._arrived.wait()
        return [self._inbox.popleft() for _ in range(min(limit, len(self._inbox)))]

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that it may forget the message."""
        self._client.ack(message.mid, message.qos)

    # ---- paho's callbacks

    def _client_connect(self) -> None:
        super()._client_connect()
        if self._given_up:  # cancelled while this thread waited
            self._loop.call_soon_threadsafe(self.abort, "given up")

    def _on_socket_register_write(
        self, client: paho.Client, userdata: Any, sock: socket.socket
    ) -> None:
        """Watch this socket, and no other that got its number.

        aiomqtt schedules the watch by number, for later. If the connection breaks with a publish
        just queued, the number is nobody's then, or another connection's, which would lose its own
        watch to the dead one's and never write again.
        """

        def watch() -> None:
            if client.socket() is sock and sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), self._write)

        self._loop.call_soon_threadsafe(watch)  # paho connects in a thread

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            self.abort(str(error))

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
        self.retain_available = bool(getattr(properties, "RetainAvailable", True))
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", _NO_LIMIT)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            # aiomqtt would wait for its timeout; a TLS 1.3 alert about our certificate comes here
            why = self._trace.last or str(reason_code)
            if self._encrypted and "alert" not in why:
                # the broker's alert is lost where its end of the connection is faster
                why += "; perhaps it does not accept the client certificate"
            self._connected.set_exception(
                aiomqtt.MqttError(f"closed before the broker answered CONNECT: {why}")
            )
        elif reason_code.is_failure and not self._disconnected.done():
            by_broker = flags.is_disconnect_packet_from_server
            why = f"the broker ended it: {reason_code}" if by_broker else "connection lost"
            self._disconnected.set_exception(aiomqtt.MqttError(why))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        answer = self._receipts.pop(mid, None)
        if answer is not None and not answer.done():
            detail = getattr(properties, "ReasonString", "")
            reason = f"{reason_code}: {detail}" if detail else str(reason_code)
            code = int(reason_code.value)
            answer.set_result(Receipt(code < REFUSED, code, reason))

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if message.qos == 0 and len(self._inbox) >= MOST_UNASKED:
            return
        self._inbox.append(Message(topic, bytes(message.payload), message.mid, message.qos))
        self._arrived.set()

    # ---- inside

    def _reason(self) -> LinkDown:
        error = None if self._disconnected.cancelled() else self._disconnected.exception()
        why = f" ({self._trace.last})" if self._trace.last else ""
        return LinkDown(f"{error}{why}" if error else "closed")

    def _let_go(self, disconnected: asyncio.Future[None]) -> None:
        for answer in self._receipts.values():
            if not answer.done():
                answer.set_exception(self._reason())
        self._arrived.set()
