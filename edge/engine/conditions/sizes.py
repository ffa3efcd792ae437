"""What Python's objects take, for the bound on memory that is stated. Pure."""

from __future__ import annotations

import sys

# collections.deque keeps its entries in blocks of 64, of which two may be nearly empty.
_BLOCK = 64
_BLOCK_BYTES = 8 * (_BLOCK + 2)
_DEQUE_BYTES = 760


def deque_bytes(entries: int, record: tuple[object, ...]) -> int:
    """A deque of so many tuples like this one, with all that is in them."""
    each = sys.getsizeof(record) + sum(map(sys.getsizeof, record))
    return _DEQUE_BYTES + entries * each + (entries // _BLOCK + 2) * _BLOCK_BYTES


def list_bytes(entries: int, record: object) -> int:
    """A list that has grown to so many objects like this one."""
    return 120 + entries * (sys.getsizeof(record) + 9)
