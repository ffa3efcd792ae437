"""Numbers out of registers, and exact scaling."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.registers import decode, engineering, width

WORD = st.integers(0, 0xFFFF)


@pytest.mark.parametrize(
    ("words", "kind", "value", "raw"),
    [
        ((0xFFFF,), "u16", 65535, 0xFFFF),
        ((0xFFFF,), "i16", -1, 0xFFFF),
        ((0x8000,), "i16", -32768, 0x8000),
        ((0x7FFF,), "i16", 32767, 0x7FFF),
        ((0x0000, 0x04D2), "u32", 1234, 0x04D2),
        ((0xFFFF, 0xFFFF), "u32", 4294967295, 0xFFFFFFFF),
        ((0xFFFF, 0xFF38), "i32", -200, 0xFFFFFF38),
        ((0x8000, 0x0000), "i32", -2147483648, 0x80000000),
        ((0x3F80, 0x0000), "f32", 1.0, 0x3F800000),
        ((0xC2C8, 0x0000), "f32", -100.0, 0xC2C80000),
    ],
)
def test_kinds(words: tuple[int, ...], kind: str, value: float, raw: int) -> None:
    assert decode(words, kind) == (value, raw)
    assert type(decode(words, kind)[0]) is type(value)


def test_word_and_byte_order() -> None:
    """ABCD, CDAB, BADC, DCBA: the four layouts devices use for 0x12345678."""
    expected = (0x12345678, 0x12345678)
    assert decode((0x1234, 0x5678), "u32") == expected
    assert decode((0x5678, 0x1234), "u32", word_order="low_first") == expected
    assert decode((0x3412, 0x7856), "u32", byte_order="little") == expected
    little = decode((0x7856, 0x3412), "u32", word_order="low_first", byte_order="little")
    assert little == expected
    assert decode((0x00FF,), "i16", byte_order="little") == (-256, 0xFF00)


@given(WORD, WORD, st.booleans(), st.booleans())
def test_every_kind_equals_struct(high: int, low: int, low_first: bool, swapped: bool) -> None:
    wire = struct.pack(">HH", high, low)
    words = struct.unpack("<HH" if swapped else ">HH", wire)
    orders = {
        "word_order": "low_first" if low_first else "high_first",
        "byte_order": "little" if swapped else "big",
    }
    if low_first:
        words = words[::-1]
    for kind, code in (("u32", ">I"), ("i32", ">i"), ("f32", ">f")):
        value, raw = decode(words, kind, **orders)
        (expected,) = struct.unpack(code, wire)
        assert raw == high << 16 | low
        assert value == expected or (math.isnan(value) and not math.isfinite(expected))


@pytest.mark.parametrize("words", [(0x7F80, 0), (0xFF80, 0), (0x7FC0, 0), (0x7F80, 1)])
def test_float_that_is_no_finite_number_is_nan_with_its_bits(words: tuple[int, int]) -> None:
    value, raw = decode(words, "f32")
    assert math.isnan(value)
    assert raw == words[0] << 16 | words[1]


def test_error_word_is_told_apart_from_minus_a_tenth() -> None:
    """WP3066ADAM: FFFF is its error word, and also -0.1 degrees; the raw word decides."""
    value, raw = decode((0xFFFF,), "i16")
    assert (engineering(value, 0.1, 0, 1), raw) == (-0.1, 0xFFFF)


def test_width() -> None:
    assert [width(kind) for kind in ("u16", "i16", "u32", "i32", "f32")] == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("words", "kind", "orders", "text"),
    [
        ((1,), "u8", {}, "kind: found 'u8', allowed u16, i16, u32, i32, f32"),
        ((1, 2), "u16", {}, "u16: found 2 registers, allowed 1"),
        ((1,), "f32", {}, "f32: found 1 registers, allowed 2"),
        ((65536,), "u16", {}, "register: found 65536, allowed 0..65535"),
        ((-1,), "u16", {}, "register: found -1, allowed 0..65535"),
        ((1,), "u16", {"word_order": "big"}, "word_order: found 'big'"),
        ((1,), "u16", {"byte_order": "high_first"}, "byte_order: found 'high_first'"),
    ],
)
def test_mistakes_of_the_caller_are_refused(
    words: tuple[int, ...], kind: str, orders: dict[str, str], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        decode(words, kind, **orders)


@pytest.mark.parametrize(
    ("raw", "scale", "offset", "decimals", "value"),
    [
        (325, 0.01, 0.0, 2, 3.25),
        (197, 0.01, 0.0, 2, 1.97),
        (1296, 0.01, 0.0, 2, 12.96),
        (3, 0.1, 0.0, 1, 0.3),  # 3 * 0.1 is 0.30000000000000004
        (1005, 0.001, 0.0, 2, 1.0),  # half to even, down
        (1015, 0.001, 0.0, 2, 1.02),  # half to even, up
        (1015, -0.001, 0.0, 2, -1.02),
        (25, 0.1, 0.0, 0, 2.0),
        (35, 0.1, 0.0, 0, 4.0),
        (1234, 1, 0, -2, 1200.0),
        (0, -1.0, 0.0, 0, 0.0),
        (400, 0.1, -40.0, 1, 0.0),
        (-4, 0.01, 0.0, 1, 0.0),
        (23.4, 1.0, 0.0, 1, 23.4),
        (23.399999618530273, 1.0, 0.0, 2, 23.4),
        (4294967295, 0.001, 0.0, 3, 4294967.295),
    ],
)
def test_scaling_is_decimal(
    raw: float, scale: float, offset: float, decimals: int, value: float
) -> None:
    result = engineering(raw, scale, offset, decimals)
    assert result == value
    assert math.copysign(1, result) == math.copysign(1, value)


@given(st.integers(-(2**31), 2**32 - 1), st.integers(0, 6))
def test_round_trip_through_decimals_is_exact(raw: int, decimals: int) -> None:
    value = engineering(raw, float(f"1e-{decimals}"), 0.0, decimals)
    assert value == raw / 10**decimals  # the float nearest to the true quotient
    assert round(value * 10**decimals) == raw


@given(
    st.integers(-(2**31), 2**32 - 1),
    st.integers(-9999, 9999),
    st.integers(0, 4),
    st.integers(-99999, 99999),
    st.integers(0, 4),
)
def test_any_scaling_equals_rational_arithmetic(
    raw: int, scale: int, scale_digits: int, offset: int, decimals: int
) -> None:
    exact = raw * Fraction(scale, 10**scale_digits) + Fraction(offset, 100)
    expected = round(exact * 10**decimals) / 10**decimals  # round() of a Fraction is half to even
    assert engineering(raw, scale / 10**scale_digits, offset / 100, decimals) == expected


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_no_number_stays_no_number(raw: float) -> None:
    assert math.isnan(engineering(raw, 0.1, 0.0, 2))


@given(WORD, WORD, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9))
def test_any_wire_float_at_any_scale_never_raises(
    high: int, low: int, scale: float, decimals: int
) -> None:
    value, _ = decode((high, low), "f32")
    result = engineering(value, scale, 0.0, decimals)
    assert math.isfinite(result) or math.isnan(result)
