"""Modbus over TCP: the MBAP header (Messaging on TCP/IP Implementation Guide V1.0b, §3.1.3)."""

from __future__ import annotations

import struct

from protocols.modbus import Answer, Declined, Request, Seen, judge

_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length, unit
_LENGTH_END = 6  # the length field counts what follows it: unit and PDU
_SHORTEST, _LONGEST = 2, 254


def tcp_frame(request: Request, transaction: int) -> bytes:
    """The bytes to send. ``transaction`` is 0..FFFFh, else ValueError; a new one each time."""
    if not 0 <= transaction <= 0xFFFF:
        raise ValueError(f"transaction: found {transaction}, allowed 0..65535")
    return _HEADER.pack(transaction, 0, 1 + len(request.pdu), request.unit) + request.pdu


class TcpReader:
    """Finds answers in the bytes of one connection, split and joined anywhere. Never raises.

    Several questions may be open at once. ``stray`` counts frames that answer none of them.
    ``broken`` says what was wrong with a header; from then on frame limits are unknown, nothing
    more is read, and the connection must be closed. At most one frame stays buffered beyond what
    was fed last.
    """

    def __init__(self) -> None:
        self.stray = 0
        self.broken = ""
        self._buffer = bytearray()
        self._open: dict[int, Request] = {}
        self._found: dict[int, Seen] = {}

    def seen(self, transaction: int) -> Seen:
        """What came for this open question instead of its answer.

        Any but NOTHING and PARTIAL: the device has replied to this transaction, and wrongly.
        """
        found = self._found.get(transaction, Seen.NOTHING)
        return Seen.PARTIAL if found is Seen.NOTHING and self._buffer else found

    def expect(self, request: Request, transaction: int) -> None:
        """Look for the answer to this question too, from now on."""
        self._open[transaction] = request

    def forget(self, transaction: int) -> None:
        """This question was given up: its answer is a stray from now on."""
        self._open.pop(transaction, None)
        self._found.pop(transaction, None)

    def feed(self, data: bytes) -> tuple[int, Answer | Declined] | None:
        """Take what arrived; an answer and its transaction as soon as its last byte is here.

        What follows an answer stays buffered until the next call, which may be with no bytes.
        """
        if self.broken:
            return None
        self._buffer += data
        while (frame := self._take_frame()) is not None:
            transaction, unit, pdu = frame
            request = self._open.get(transaction)
            if request is None:
                self.stray += 1
                continue
            result = judge(request, unit, pdu)
            if isinstance(result, Seen):
                self._found[transaction] = result
                continue
            self.forget(transaction)
            return transaction, result
        return None

    def _take_frame(self) -> tuple[int, int, bytes] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        transaction, protocol, length, unit = _HEADER.unpack_from(self._buffer)
        if protocol != 0:
            self._give_up(f"protocol identifier: found {protocol}, allowed 0")
            return None
        if not _SHORTEST <= length <= _LONGEST:
            self._give_up(f"length: found {length}, allowed {_SHORTEST}..{_LONGEST}")
            return None
        end = _LENGTH_END + length
        if len(self._buffer) < end:
            return None
        pdu = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return transaction, unit, pdu

    def _give_up(self, reason: str) -> None:
        self.broken = reason
        self._buffer.clear()
