"""Numbers out of 16-bit registers, and from raw numbers to engineering values.

Modbus fixes neither the order of the words of a 32-bit number nor, in practice, that of the bytes
in a word: each device's documentation says, and its profile repeats it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

_WIDTH = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2}
_WORD_ORDERS = ("high_first", "low_first")
_BYTE_ORDERS = ("big", "little")

# Room for every digit of the product of any two doubles, so that only the last step rounds.
_EXACT = Context(prec=2000, rounding=ROUND_HALF_EVEN)


_LARGEST_RAW = 1 << 32
# Below this the error of three roundings stays under a quarter of the last decimal.
_SAFE_STEPS = 2.0**49


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


def scaling(scale: float, offset: float, decimals: int) -> Callable[[int | float], float]:
    """``engineering`` with these constants, in a fraction of the time for whole raw numbers.

    Where scale and offset have no more decimals than the result, the true result is a decimal that
    a float approximates to within 2^-51; if that is far below half of the last decimal, rounding
    the float gives the very float that stands for the decimal.
    """
    steps = 10.0**decimals
    largest = _LARGEST_RAW * abs(scale) + abs(offset)
    whole = max(_decimals_of(scale), _decimals_of(offset)) <= decimals
    if not whole or largest * steps >= _SAFE_STEPS:
        return lambda raw: engineering(raw, scale, offset, decimals)

    def scaled(raw: int | float) -> float:
        if type(raw) is int and -_LARGEST_RAW <= raw <= _LARGEST_RAW:
            return round(raw * scale + offset, decimals) + 0.0
        return engineering(raw, scale, offset, decimals)

    return scaled


def _decimals_of(number: float) -> int:
    exponent = _decimal(number).normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


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
