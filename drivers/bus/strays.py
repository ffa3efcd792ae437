"""Bytes that nobody asked for: how many, and whose, as far as that can be read from them."""

from __future__ import annotations

from collections import deque

from edge.core.instant import Instant, after
from protocols.crc import crc16_modbus

# Unit, function, exception code and checksum; a question, or the answer to a write; an answer with
# a byte count, which is the third byte. Modbus over serial line V1.02, 2.5.
_SHORTEST, _FIXED, _OVERHEAD, _LONGEST = 5, 8, 5, 256
_COUNTED = frozenset((1, 2, 3, 4, 17, 23))
_LOOKS = 32
_NEW_FRAME_S = 0.02
# A late answer is a frame or two; a device that speaks unasked comes again and again.
_WINDOW_S = 10.0
_FRAMES = 5
_FRAMES_KEPT = 32
_BYTES = 200
_QUIET_S = 30.0


class Strays:
    """Recognises a device that speaks unasked. ``unit`` is its address, if its frames show one."""

    def __init__(self) -> None:
        self.bytes = 0
        self.babbling = False
        self.unit: int | None = None
        self._last: Instant | None = None
        self._window_since = Instant(0)
        self._in_window = 0
        self._frames: deque[tuple[Instant, int]] = deque(maxlen=_FRAMES_KEPT)
        self._buffer = bytearray()

    def feed(self, data: bytes, at: Instant) -> bool:
        """Take what came unasked. True if this makes it babbling."""
        self.bytes += len(data)
        if self._last is None or at > after(self._last, seconds=_NEW_FRAME_S):
            self._buffer.clear()
        self._last = at
        self._count(len(data), at)
        self._buffer += data[-_LONGEST:]
        self._read_frames(at)
        del self._buffer[:-_LONGEST]
        while self._frames and self._frames[0][0] < after(at, seconds=-_WINDOW_S):
            self._frames.popleft()
        if self.babbling or (self._in_window < _BYTES and len(self._frames) < _FRAMES):
            return False
        self.babbling = True
        units = [unit for _, unit in self._frames]
        self.unit = max(set(units), key=units.count) if units else None
        return True

    def quiet(self, now: Instant) -> bool:
        """Whether it has ended: nothing for half a minute. True once."""
        if not self.babbling or self._last is None or now < after(self._last, seconds=_QUIET_S):
            return False
        self.babbling = False
        return True

    def _count(self, size: int, at: Instant) -> None:
        if at > after(self._window_since, seconds=_WINDOW_S):
            self._window_since, self._in_window = at, 0
        self._in_window += size

    def _read_frames(self, at: Instant) -> None:
        """A stretch of a frame's length with a good checksum is a frame; it begins with an address.

        Looks at a bounded number of places: a babbler must not take the processor's time.
        """
        buffer = self._buffer
        for _ in range(_LOOKS):
            if len(buffer) < _SHORTEST:
                return
            length = _frame_length(buffer)
            if length:
                self._frames.append((at, buffer[0]))
            elif len(buffer) < _LONGEST and buffer[1] in _COUNTED and _announced(buffer):
                return
            del buffer[: length or 1]


def _announced(buffer: bytearray) -> bool:
    """Whether a longer frame may still be on its way."""
    return len(buffer) < _OVERHEAD + buffer[2]


def _frame_length(buffer: bytearray) -> int:
    """Length of the frame at the beginning; 0 if none is there."""
    function = buffer[1]
    if function & 0x80:
        lengths = [_SHORTEST]
    else:
        lengths = [_FIXED, _OVERHEAD + buffer[2]] if function in _COUNTED else [_FIXED]
    for length in lengths:
        if length <= len(buffer) and crc16_modbus(bytes(buffer[:length])) == 0:
            return length
    return 0
