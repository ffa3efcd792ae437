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

    ``stray`` counts frames that answer no open question. ``broken`` says what was wrong with a
    header; from then on frame limits are unknown, nothing more is read, and the connection must be
    closed. At most one frame stays buffered beyond what was fed last.
    """

    def __init__(self) -> None:
        self.stray = 0
        self.broken = ""
        self._buffer = bytearray()
        self._request: Request | None = None
        self._transaction = 0
        self._found = Seen.NOTHING

    @property
    def seen(self) -> Seen:
        """What came since ``expect`` instead of the answer.

        Any but NOTHING and PARTIAL: the device has replied to this transaction, and wrongly.
        """
        if self._found is Seen.NOTHING and self._buffer:
            return Seen.PARTIAL
        return self._found

    def expect(self, request: Request, transaction: int) -> None:
        """Look for the answer to this question from now on; an older one is given up."""
        self._request = request
        self._transaction = transaction
        self._found = Seen.NOTHING

    def feed(self, data: bytes) -> Answer | Declined | None:
        """Take what arrived; the answer as soon as its last byte is here.

        What follows an answer stays buffered until the next call, which may be with no bytes.
        """
        if self.broken:
            return None
        self._buffer += data
        while (frame := self._take_frame()) is not None:
            transaction, unit, pdu = frame
            if self._request is None or transaction != self._transaction:
                self.stray += 1
                continue
            result = judge(self._request, unit, pdu)
            if isinstance(result, Seen):
                self._found = result
                continue
            self._request = None
            return result
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
