"""Deterministic CBOR (RFC 8949, 4.2.1), the part of it that records use.

Integers of 64 bits, floats, text, byte strings, arrays, maps with text keys, false, true, null.
No tags, no indefinite lengths. Decoding accepts exactly the bytes that encoding would write.

Decoding is done here, not by cbor2: that library evaluates tags (regular expressions, decimals,
cycles) before anyone can look at them, ignores what follows the item, and its limits differ
between the versions that boards have. Encoding checks the depth first, because cbor2 6.3 crashes
the interpreter on lists nested about 20 000 deep.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TypeAlias

import cbor2

from protocols.malformed import Malformed

Item: TypeAlias = bool | int | float | str | bytes | list["Item"] | dict[str, "Item"] | None

MAX_DEPTH = 16
"""Arrays and maps inside one another, the outermost included."""
MAX_ITEMS = 65_536
"""Items in one decoding, nested ones and map keys included."""

_INT_LOW, _INT_HIGH = -(1 << 64), (1 << 64) - 1
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES: dict[int, bool | None] = {20: False, 21: True, 22: None}
_FLOAT_FORMATS = {25: ">e", 26: ">f", 27: ">d"}


def encode(value: object, *, byte_strings: bool = True) -> bytes:
    """Deterministic CBOR of a tree of plain values.

    Tuples become lists, members of integer and text enumerations their values. Raises TypeError
    for a type, ValueError for a number, text, depth or count that decoding refuses.
    """
    return cbor2.dumps(_Plain(byte_strings).item(value, MAX_DEPTH), canonical=True)


class _Plain:
    """Copies a tree into exact plain types, within the limits of decoding."""

    __slots__ = ("_byte_strings", "_items")

    def __init__(self, byte_strings: bool) -> None:
        self._byte_strings = byte_strings
        self._items = MAX_ITEMS

    def item(self, value: object, depth: int) -> Item:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            if not _INT_LOW <= value <= _INT_HIGH:
                raise ValueError("integer beyond 64 bits")
            return int(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, bytes) and self._byte_strings:
            return value
        if not isinstance(value, list | tuple | Mapping):
            raise TypeError(f"{type(value).__name__} is not a record value")
        if depth == 0:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, Mapping):
            self._count(2 * len(value))
            return {_key(key): self.item(item, depth - 1) for key, item in value.items()}
        self._count(len(value))
        return [self.item(item, depth - 1) for item in value]

    def _count(self, items: int) -> None:
        self._items -= items
        if self._items < 0:
            raise ValueError(f"more than {MAX_ITEMS} items")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"map key of type {type(key).__name__}, allowed: text")
    return str.__str__(key)


def decode(data: bytes, *, max_bytes: int, byte_strings: bool = True) -> Item:
    """The one item that the bytes are. Raises Malformed, and nothing else."""
    if len(data) > max_bytes:
        raise Malformed(f"{len(data)} bytes", f"at most {max_bytes}")
    reader = _Reader(bytes(data), byte_strings)
    item = reader.item(MAX_DEPTH)
    if reader.at != len(data):
        raise Malformed(f"{len(data) - reader.at} bytes after the item", "none")
    # Shortest heads and floats, sorted and unique keys, in one comparison.
    if cbor2.dumps(item, canonical=True) != data:
        raise Malformed("CBOR in another than the deterministic form", "RFC 8949, 4.2.1")
    return item


class _Reader:
    """Reads items off the front of the bytes; no deeper and no more of them than the limits say."""

    __slots__ = ("_byte_strings", "_data", "_items", "at")

    def __init__(self, data: bytes, byte_strings: bool) -> None:
        self._data = data
        self._byte_strings = byte_strings
        self._items = MAX_ITEMS
        self.at = 0

    def item(self, depth: int) -> Item:
        start = self.at
        initial = self._take(1)[0]
        major, low = initial >> 5, initial & 0x1F
        if major == _SIMPLE:
            return self._simple(low, start)
        argument = self._argument(low, start)
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _TEXT:
            return self._text(argument, start)
        if major == _BYTES and self._byte_strings:
            return self._take(argument)
        if major == _ARRAY:
            self._enter(argument, depth, start)
            return [self.item(depth - 1) for _ in range(argument)]
        if major == _MAP:
            self._enter(2 * argument, depth, start)
            return {self._map_key(): self.item(depth - 1) for _ in range(argument)}
        raise Malformed(
            f"CBOR major type {major} at byte {start}",
            "integers, text, arrays, maps" + (", byte strings" if self._byte_strings else ""),
        )

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise Malformed(
                f"{count} bytes announced at byte {self.at}",
                f"the {len(self._data) - self.at} left",
            )
        chunk = self._data[self.at : end]
        self.at = end
        return chunk

    def _argument(self, low: int, start: int) -> int:
        if low < 24:
            return low
        if low > 27:
            raise Malformed(f"CBOR length form {low} at byte {start}", "definite lengths")
        return int.from_bytes(self._take(1 << (low - 24)), "big")

    def _simple(self, low: int, start: int) -> bool | float | None:
        if low in _FLOAT_FORMATS:
            number: float = struct.unpack(_FLOAT_FORMATS[low], self._take(1 << (low - 24)))[0]
            return number
        if low not in _SIMPLE_VALUES:
            raise Malformed(f"CBOR simple value {low} at byte {start}", "false, true, null, floats")
        return _SIMPLE_VALUES[low]

    def _text(self, size: int, start: int) -> str:
        try:
            return self._take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed(f"text at byte {start} is not UTF-8", "UTF-8") from None

    def _map_key(self) -> str:
        start = self.at
        key = self.item(0)
        if not isinstance(key, str):
            raise Malformed(f"map key at byte {start} is not text", "text keys")
        return key

    def _enter(self, items: int, depth: int, start: int) -> None:
        if depth == 0:
            raise Malformed(f"CBOR nested deeper at byte {start}", f"{MAX_DEPTH} levels")
        self._items -= items
        if self._items < 0:
            raise Malformed(f"{items} items announced at byte {start}", f"{MAX_ITEMS} in all")
