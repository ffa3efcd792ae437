"""Text lines out of a byte stream, and the XOR checksum that many serial sentences carry."""

from __future__ import annotations

_HEX_DIGITS = frozenset(b"0123456789ABCDEFabcdef")


class LineFramer:
    """Cuts a byte stream into lines. Never raises on any bytes, never grows beyond its cap.

    A line longer than ``max_length`` bytes (terminator not counted) is dropped up to and including
    its terminator, and reading goes on behind it. ``discarded`` counts the bytes dropped so far,
    terminators not included. The result does not depend on how the stream was split.
    """

    def __init__(self, terminator: bytes, max_length: int) -> None:
        if not terminator:
            raise ValueError("terminator: found none, allowed one byte or more")
        if max_length < 1:
            raise ValueError(f"max_length: found {max_length}, allowed 1 or more")
        self.discarded = 0
        self._terminator = terminator
        self._max_length = max_length
        self._buffer = bytearray()
        self._searched = 0  # no terminator begins before this
        self._dropping = False

    @property
    def waiting(self) -> int:
        """Bytes of a line that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; the lines that are now complete, without their terminators."""
        self._buffer += data
        lines: list[bytes] = []
        begin = 0
        while (end := self._buffer.find(self._terminator, max(begin, self._searched))) >= 0:
            if self._dropping or end - begin > self._max_length:
                self.discarded += end - begin
                self._dropping = False
            else:
                lines.append(bytes(self._buffer[begin:end]))
            begin = end + len(self._terminator)
        del self._buffer[:begin]
        self._cap()
        return lines

    def _cap(self) -> None:
        # The last bytes may be the beginning of a terminator.
        surely_content = max(0, len(self._buffer) - len(self._terminator) + 1)
        if surely_content > self._max_length:
            self._dropping = True
            self.discarded += surely_content
            del self._buffer[:surely_content]
            surely_content = 0
        self._searched = surely_content


def xor_checksum(data: bytes) -> int:
    """All bytes combined by exclusive or, 0..FFh; 0 for none."""
    checksum = 0
    for byte in data:
        checksum ^= byte
    return checksum


def strip_nmea_checksum(line: bytes) -> bytes | None:
    """What stands between ``$`` (or ``!``) and ``*hh``, if the checksum hh over just that is right.

    None if the checksum is wrong or missing, or the line is no sentence. Line ends may be left on.
    Source: NMEA 0183; the BeiDou ASCII dialects use the same form.
    """
    sentence = line.rstrip(b"\r\n")
    if len(sentence) < 4 or sentence[:1] not in (b"$", b"!") or sentence[-3:-2] != b"*":
        return None
    digits = sentence[-2:]
    content = sentence[1:-3]
    if not _HEX_DIGITS.issuperset(digits) or int(digits, 16) != xor_checksum(content):
        return None
    return content
