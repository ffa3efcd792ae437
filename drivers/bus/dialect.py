"""What differs between Modbus on a serial line and on TCP.

Framing, line time, and what may be owed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.core.instant import NS_PER_S
from protocols.modbus import Answer, Declined, Request
from protocols.modbus_rtu import RtuReader, rtu_frame, rtu_reply_bytes, silence_s
from protocols.modbus_tcp import TcpReader, tcp_frame

Reply = Answer | Declined

_TCP_TRANSACTIONS = 1 << 16


class Dialect(Protocol):
    """Turns questions into bytes and bytes into the answer to the question being asked."""

    silence_ns: int
    """Silence that must lie between any two frames on the line."""
    can_slip: bool
    """Whether a late answer could be taken for the answer to a later, similar question."""
    patience: int | None
    """Unanswered questions in a row after which the port is opened anew; None: never."""

    def restart(self) -> None:
        """The port was lost or opened: nothing of the old stream counts."""
        ...

    def frame(self, request: Request) -> bytes:
        """The bytes of the next question."""
        ...

    def expect(self, request: Request) -> None:
        """The question is on its way; from now on only its answer counts."""
        ...

    def feed(self, data: bytes) -> Reply | None:
        """Bytes that arrived while this question is open."""
        ...

    def listener(self) -> Callable[[bytes], bool]:
        """Goes on listening for the open question's answer after it was given up.

        True when it came.
        """
        ...

    def seen(self) -> tuple[str, bool]:
        """What came instead of an answer, and whether that used it up (damaged, but whole)."""
        ...

    def broken(self) -> str:
        """Why the byte stream can no longer be trusted; empty while it can."""
        ...

    def line_s(self, request: Request) -> tuple[float, float]:
        """Seconds that the question and its longest answer take on the line."""
        ...


class Rtu:
    """Modbus RTU (Modbus over serial line V1.02)."""

    can_slip = True
    # silence on a shared line says something of its devices, nothing of the port
    patience: int | None = None

    def __init__(self, baud: int, character_bits: int) -> None:
        self._character_s = character_bits / baud
        self.silence_ns = round(silence_s(baud, self._character_s) * NS_PER_S)
        self._reader: RtuReader | None = None

    def restart(self) -> None:
        self._reader = None

    def frame(self, request: Request) -> bytes:
        return rtu_frame(request)

    def expect(self, request: Request) -> None:
        self._reader = RtuReader(request)

    def feed(self, data: bytes) -> Reply | None:
        return self._reader.feed(data) if self._reader else None

    def listener(self) -> Callable[[bytes], bool]:
        reader = self._reader

        def heard(data: bytes) -> bool:
            return reader is not None and reader.feed(data) is not None

        return heard

    def seen(self) -> tuple[str, bool]:
        if self._reader is None:
            return "nothing", False
        return self._reader.seen.value, self._reader.consumed_answer

    def broken(self) -> str:
        return ""

    def line_s(self, request: Request) -> tuple[float, float]:
        question = (len(request.pdu) + 3) * self._character_s
        return question, rtu_reply_bytes(request) * self._character_s


class Tcp:
    """Modbus TCP.

    The transaction number ties an answer to its question, so none can be mistaken.
    """

    can_slip = False
    silence_ns = 0
    # a peer that is half gone keeps the connection and answers nothing
    patience: int | None = 3

    def __init__(self) -> None:
        self._transaction = 0
        self._reader = TcpReader()

    def restart(self) -> None:
        self._reader = TcpReader()

    def frame(self, request: Request) -> bytes:
        self._transaction = (self._transaction + 1) % _TCP_TRANSACTIONS
        return tcp_frame(request, self._transaction)

    def expect(self, request: Request) -> None:
        self._reader.expect(request, self._transaction)

    def feed(self, data: bytes) -> Reply | None:
        return self._reader.feed(data)

    def listener(self) -> Callable[[bytes], bool]:
        return lambda _: True

    def seen(self) -> tuple[str, bool]:
        return ("stray frames" if self._reader.stray else "nothing"), False

    def broken(self) -> str:
        return self._reader.broken

    def line_s(self, request: Request) -> tuple[float, float]:
        return 0.0, 0.0
