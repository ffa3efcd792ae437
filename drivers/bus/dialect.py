"""What differs between Modbus on a serial line and on TCP.

Framing, line time, how much may be under way, and what may be owed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.core.instant import NS_PER_S
from protocols.modbus import Answer, Declined, Request, Seen
from protocols.modbus_rtu import RtuReader, rtu_frame, rtu_reply_bytes, silence_s
from protocols.modbus_tcp import TcpReader, tcp_frame

Reply = Answer | Declined

# UARTs and USB adapters hold back this much before they tell of it (16550 and PL011: 16 bytes).
FIFO_CHARACTERS = 16

_TCP_TRANSACTIONS = 1 << 16
# So many questions in a row that came back before their answer, and the line is taken to echo.
_ECHOES_LEARNED = 8


class Dialect(Protocol):
    """Turns questions into bytes and bytes into answers. A tag names an open question."""

    character_s: float
    """What one byte takes on the line."""
    silence_ns: int
    """Silence that must lie between any two frames on the line."""
    patience: int | None
    """Unanswered questions in a row after which the port is opened anew; None: never."""
    most_open: int
    """Questions that may be under way at once."""

    def restart(self) -> None:
        """The port was lost or opened: nothing of the old stream counts."""
        ...

    def frame(self, request: Request) -> tuple[int, bytes]:
        """The tag and the bytes of the next question."""
        ...

    def expect(self, request: Request, tag: int) -> None:
        """The question is on its way; from now on its answer counts."""
        ...

    def feed(self, data: bytes) -> tuple[int, Reply] | None:
        """Bytes that arrived while a question is open. An answer may wait behind the one given."""
        ...

    def give_up(self, tag: int) -> Callable[[bytes], bool] | None:
        """This question is over. What goes on listening for its answer: True when it came.

        None if it is not owed any more, or could not be mistaken.
        """
        ...

    def seen(self, tag: int) -> Seen:
        """What came instead of an answer."""
        ...

    def echoed(self) -> bool:
        """Whether the last question came back before its answer."""
        ...

    def broken(self) -> str:
        """Why the byte stream can no longer be trusted; empty while it can."""
        ...

    def line_s(self, request: Request) -> tuple[float, float]:
        """Seconds that the question and its longest answer take on the line."""
        ...

    def hidden_s(self, request: Request) -> float:
        """How long an answer may be arriving before the adapter tells of it."""
        ...


class Rtu:
    """Modbus RTU (Modbus over serial line V1.02)."""

    # silence on a shared line says something of its devices, nothing of the port
    patience: int | None = None
    most_open = 1

    def __init__(self, baud: int, character_bits: int, lead_s: float = 0.0) -> None:
        """``lead_s``: the driver waits so long before a question, to switch the direction."""
        self._lead_s = lead_s
        self.character_s = character_bits / baud
        self.silence_ns = round(silence_s(baud, self.character_s) * NS_PER_S)
        self._reader: RtuReader | None = None
        self._echoes = 0
        self._writing = False

    def restart(self) -> None:
        self._reader = None
        self._echoes = 0

    def frame(self, request: Request) -> tuple[int, bytes]:
        return 0, rtu_frame(request)

    def expect(self, request: Request, tag: int) -> None:
        self._writing = request.self_identifying
        learned = self._echoes >= _ECHOES_LEARNED
        self._reader = RtuReader(request, echoes=True if learned else None)

    def feed(self, data: bytes) -> tuple[int, Reply] | None:
        reader = self._reader
        reply = reader.feed(data) if reader is not None else None
        if reply is None:
            return None
        self._note_echo()
        return 0, reply

    def give_up(self, tag: int) -> Callable[[bytes], bool] | None:
        reader, self._reader = self._reader, None
        if reader is None or reader.consumed_answer:
            return None
        return lambda data: reader.feed(data) is not None

    def seen(self, tag: int) -> Seen:
        if self._reader is None:
            return Seen.NOTHING
        self._note_echo()
        return self._reader.seen

    def echoed(self) -> bool:
        return self._reader is not None and self._reader.echoed

    def broken(self) -> str:
        return ""

    def line_s(self, request: Request) -> tuple[float, float]:
        question = self._lead_s + (len(request.pdu) + 3) * self.character_s
        return question, rtu_reply_bytes(request) * self.character_s

    def hidden_s(self, request: Request) -> float:
        return min(rtu_reply_bytes(request), FIFO_CHARACTERS) * self.character_s

    def _note_echo(self) -> None:
        """An adapter that hears itself does so every time; one read without it unlearns it.

        Writes say nothing: until it is learned their echo looks like their answer.
        """
        if not self._writing:
            self._echoes = self._echoes + 1 if self.echoed() else 0


class Tcp:
    """Modbus TCP.

    The transaction number ties an answer to its question, so none can be mistaken.
    """

    character_s = 0.0
    silence_ns = 0
    # a peer that is half gone keeps the connection and answers nothing
    patience: int | None = 3

    def __init__(self, pipeline: int = 1) -> None:
        self.most_open = pipeline
        self._transaction = 0
        self._reader = TcpReader()

    def restart(self) -> None:
        self._reader = TcpReader()

    def frame(self, request: Request) -> tuple[int, bytes]:
        self._transaction = (self._transaction + 1) % _TCP_TRANSACTIONS
        return self._transaction, tcp_frame(request, self._transaction)

    def expect(self, request: Request, tag: int) -> None:
        self._reader.expect(request, tag)

    def feed(self, data: bytes) -> tuple[int, Reply] | None:
        return self._reader.feed(data)

    def give_up(self, tag: int) -> Callable[[bytes], bool] | None:
        self._reader.forget(tag)
        return None

    def seen(self, tag: int) -> Seen:
        return self._reader.seen(tag)

    def echoed(self) -> bool:
        return False

    def broken(self) -> str:
        return self._reader.broken

    def line_s(self, request: Request) -> tuple[float, float]:
        return 0.0, 0.0

    def hidden_s(self, request: Request) -> float:
        return 0.0
