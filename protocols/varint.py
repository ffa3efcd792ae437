"""Variable-length integers: seven bits per byte, least significant first (LEB128), and zigzag."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.malformed import Malformed

_SIGN = 1 << 63
_MODULUS = 1 << 64


def append(out: bytearray, value: int) -> None:
    """Write one integer, 0 to 2^64-1, in as few bytes as it takes."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def extend(out: bytearray, values: Sequence[int]) -> None:
    """Write many integers, each 0 to 2^64-1."""
    if not values or max(values) < 0x80:
        out += bytes(values)
        return
    for value in values:
        rest = value
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)


def wrap(value: int) -> int:
    """The signed 64-bit integer that is equal to this one modulo 2^64."""
    return (value + _SIGN) % _MODULUS - _SIGN


def zigzag(value: int) -> int:
    """0, -1, 1, -2, … as 0, 1, 2, 3, …; the argument is taken modulo 2^64."""
    signed = wrap(value)
    return signed << 1 if signed >= 0 else ~(signed << 1)


def unzigzag(value: int) -> int:
    """The inverse of zigzag, -2^63 to 2^63-1."""
    return value >> 1 if not value & 1 else ~(value >> 1)


class Reader:
    """Takes integers off the front of bytes. Raises Malformed, and nothing else."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    def reserve(self, count: int) -> bytes:
        """Set bytes at the end aside, so that they are no longer taken for integers."""
        if count > self.left:
            raise Malformed(f"{count} bytes announced in {self.left}", "no more than there are")
        self._end -= count
        return self._data[self._end :]

    @property
    def left(self) -> int:
        """Bytes not yet taken; no more integers than this can follow."""
        return self._end - self._at

    def one(self) -> int:
        """The next integer, 0 to 2^64-1; a longer form than needed is refused."""
        data, at, end = self._data, self._at, self._end
        value = shift = 0
        while at < end:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= _MODULUS or (not byte and shift):
                    raise Malformed(
                        f"varint up to byte {at}", "at most 2^64-1, in its shortest form"
                    )
                self._at = at
                return value
            shift += 7
            if shift > 63:
                raise Malformed(f"varint up to byte {at} goes on", "at most 10 bytes")
        raise Malformed(f"varint cut off at byte {at}", "whole integers")

    def many(self, count: int) -> Sequence[int]:
        """The next ``count`` integers."""
        if count > self.left:
            raise Malformed(f"{count} integers announced in {self.left} bytes", "one per byte")
        chunk = self._data[self._at : self._at + count]
        if chunk.isascii():  # every integer is below 128 and fills one byte
            self._at += count
            return chunk
        return [self.one() for _ in range(count)]
