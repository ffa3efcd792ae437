"""Numbers out of 16-bit registers, and from raw numbers to engineering values.

Modbus fixes neither the order of the words of a 32-bit number nor, in practice, that of the bytes
in a word: each device's documentation says, and its profile repeats it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

_WIDTH = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2}
_WORD_ORDERS = ("high_first", "low_first")
_BYTE_ORDERS = ("big", "little")

# Room for every digit of the product of any two doubles, so that only the last step rounds.
_EXACT = Context(prec=2000, rounding=ROUND_HALF_EVEN)


def width(kind: str) -> int:
    """How many registers a number takes: ``u16 i16 u32 i32 f32``. ValueError for another kind."""
    try:
        return _WIDTH[kind]
    except KeyError:
        raise ValueError(f"kind: found {kind!r}, allowed {', '.join(_WIDTH)}") from None


def decode(
    words: Sequence[int], kind: str, *, word_order: str = "high_first", byte_order: str = "big"
) -> tuple[int | float, int]:
    """The number before scaling, and its bits as an unsigned integer (to compare with error words).

    ``words`` are exactly ``width(kind)`` registers as read; ``word_order`` is ``high_first`` or
    ``low_first``, ``byte_order`` (within each word) ``big`` or ``little``. An f32 that is no finite
    number comes back as nan. ValueError for arguments outside this.
    """
    _check_arguments(words, kind, word_order, byte_order)
    if byte_order == "little":
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    raw = 0
    for word in words if word_order == "high_first" else reversed(words):
        raw = raw << 16 | word
    if kind == "f32":
        value: float = struct.unpack(">f", raw.to_bytes(4, "big"))[0]
        return (value if math.isfinite(value) else math.nan), raw
    bits = 16 * len(words)
    if kind[0] == "i" and raw >> (bits - 1):
        return raw - (1 << bits), raw
    return raw, raw


def engineering(raw: int | float, scale: float, offset: float, decimals: int) -> float:
    """``raw * scale + offset``, rounded half-even to so many decimals.

    Computed on the numbers as they are written in decimal: 325 at scale 0.01 is the float 3.25, and
    ``round(value * 10**decimals)`` is a whole number again. nan if the result is no finite number.
    """
    if not math.isfinite(raw):
        return math.nan
    scaled = _EXACT.multiply(_decimal(raw), _constant(scale))
    exact = _EXACT.add(scaled, _constant(offset))
    value = float(_EXACT.quantize(exact, _quantum(decimals)))
    return value + 0.0 if math.isfinite(value) else math.nan  # + 0.0: there is no minus zero


def _decimal(number: int | float) -> Decimal:
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


# A profile has few scales, offsets and decimals; they are converted once.
_constant = lru_cache(maxsize=1024)(_decimal)


@lru_cache(maxsize=64)
def _quantum(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def _check_arguments(words: Sequence[int], kind: str, word_order: str, byte_order: str) -> None:
    if len(words) != width(kind):
        raise ValueError(f"{kind}: found {len(words)} registers, allowed {width(kind)}")
    if word_order not in _WORD_ORDERS:
        raise ValueError(f"word_order: found {word_order!r}, allowed {', '.join(_WORD_ORDERS)}")
    if byte_order not in _BYTE_ORDERS:
        raise ValueError(f"byte_order: found {byte_order!r}, allowed {', '.join(_BYTE_ORDERS)}")
    for word in words:
        if not 0 <= word <= 0xFFFF:
            raise ValueError(f"register: found {word}, allowed 0..65535")
