"""Records on the wire: golden bytes, round trips, strictness; CBOR judged by another library."""

from __future__ import annotations

import json
import math
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols import cbor, envelope
from protocols.envelope import Envelope, Malformed, decode, decode_body, encode, encode_body

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/envelope.json").read_text("utf-8"))
ENVELOPES = [bytes.fromhex(vector["envelope"]) for vector in VECTORS["envelopes"]]
BODIES = [bytes.fromhex(vector["cbor"]) for vector in VECTORS["bodies"]]


def named(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[section], ids=lambda v: v.get("name", ""))


def record(vector: Any) -> Envelope:
    fields = {k: v for k, v in vector.items() if k not in {"name", "body", "envelope"}}
    return Envelope(**fields, body=bytes.fromhex(vector["body"]))


@named("envelopes")
def test_envelope_has_its_golden_bytes(vector: Any) -> None:
    data = bytes.fromhex(vector["envelope"])
    assert encode(record(vector)) == data
    assert decode(data) == record(vector)


@named("bodies")
def test_body_has_its_golden_bytes(vector: Any) -> None:
    data = bytes.fromhex(vector["cbor"])
    assert encode_body(vector["body"]) == data
    assert repr(decode_body(data)) == repr(dict(sorted(vector["body"].items(), key=by_key)))


def by_key(item: tuple[str, object]) -> tuple[int, bytes]:
    encoded = item[0].encode()
    return len(encoded), encoded


@named("malformed_envelopes")
def test_damaged_envelope_is_refused_for_its_damage(vector: Any) -> None:
    with pytest.raises(Malformed) as caught:
        decode(bytes.fromhex(vector["envelope"]))
    assert vector["reason"] in str(caught.value)


@named("malformed_bodies")
def test_damaged_body_is_refused_for_its_damage(vector: Any) -> None:
    with pytest.raises(Malformed) as caught:
        decode_body(bytes.fromhex(vector["cbor"]))
    assert vector["reason"] in str(caught.value)


WORDS = st.from_regex(r"[a-z0-9][a-z0-9 ._-]{0,31}", fullmatch=True)
RECORDS = st.builds(
    Envelope,
    epoch=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    seq=st.integers(0, (1 << 63) - 1),
    kind=st.one_of(st.sampled_from(envelope.KINDS), WORDS),
    urgency=st.integers(0, 15),
    utc_ms=st.integers(-(1 << 63), (1 << 63) - 1),
    quality=st.one_of(st.sampled_from(envelope.QUALITIES), WORDS),
    body=st.binary(max_size=300),
)


@given(RECORDS)
def test_every_record_comes_back(item: Envelope) -> None:
    data = encode(item)
    assert decode(data) == item
    assert cbor2.loads(data)[7] == item.body


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.floats(),
    st.text(max_size=20),
)
MAPS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=5)
        ),
        max_leaves=25,
    ),
    max_size=6,
)


def alike(one: object, other: object) -> bool:
    """Equal in value and type, where NaN equals NaN and -0.0 does not equal 0.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


@given(MAPS)
def test_every_body_comes_back_and_another_library_agrees(body: dict[str, object]) -> None:
    data = encode_body(body)
    assert alike(decode_body(data), body)
    assert alike(cbor2.loads(data), body)
    assert encode_body(decode_body(data)) == data


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0 if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at:]
            case 2:
                data[at:at] = draw(st.binary(max_size=10))
            case _:
                data[at:] = draw(st.sampled_from(originals))
    return bytes(data)


def check_text(error: Malformed) -> None:
    assert 0 < len(str(error)) <= 240
    assert str(error).isprintable()


@given(st.one_of(st.binary(max_size=100), damaged(ENVELOPES)))
def test_any_bytes_as_an_envelope(data: bytes) -> None:
    """Refused, or the only bytes that this record has."""
    try:
        item = decode(data)
    except Malformed as error:
        check_text(error)
    else:
        assert encode(item) == data


@given(st.one_of(st.binary(max_size=100), damaged(BODIES)))
@example(b"\xa1\x61a\xfb" + b"\x7f\xf8" + b"\0" * 6)
def test_any_bytes_as_a_body(data: bytes) -> None:
    """Refused, or the only bytes that this body has, and cbor2 reads the same from them."""
    try:
        body = decode_body(data)
    except Malformed as error:
        check_text(error)
    else:
        assert encode_body(body) == data
        assert alike(cbor2.loads(data), body)


@pytest.mark.parametrize("original", ENVELOPES, ids=[v["name"] for v in VECTORS["envelopes"]])
def test_a_cut_or_doubled_envelope_is_refused(original: bytes) -> None:
    for end in range(len(original)):
        with pytest.raises(Malformed):
            decode(original[:end])
    with pytest.raises(Malformed):
        decode(original + original)


GOOD = Envelope("0a1b2c3d", 1, "alarm", 0, 0, "synced", b"")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", "0A1B2C3D"),
        ("epoch", "0a1b2c"),
        ("epoch", "0a1b2c3d\n"),
        ("seq", -1),
        ("seq", 1 << 63),
        ("kind", ""),
        ("kind", "Alarm"),
        ("kind", "a" * 33),
        ("kind", "警报"),
        ("urgency", -1),
        ("urgency", 16),
        ("utc_ms", 1 << 63),
        ("utc_ms", 1 << 4000),
        ("quality", "synced\n"),
        ("body", b"\0" * (1 << 20)),
    ],
    ids=lambda value: ascii(value)[:20] if isinstance(value, str) else None,
)
def test_a_record_out_of_range_is_refused(field: str, value: Any) -> None:
    fields = {name: getattr(GOOD, name) for name in Envelope.__slots__}
    with pytest.raises(ValueError, match="allowed"):
        encode(Envelope(**fields | {field: value}))


def test_an_envelope_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(Malformed, match="at most 1048576"):
        decode(b"\0" * (envelope.MAX_BYTES + 1))


class Colour(StrEnum):
    RED = "red"


class Rank(IntEnum):
    FIRST = 1


def test_enumerations_and_tuples_become_plain_values() -> None:
    body: dict[str, object] = {Colour.RED: (Colour.RED, Rank.FIRST, True)}
    decoded = decode_body(encode_body(body))
    assert alike(decoded, {"red": ["red", 1, True]})


@pytest.mark.parametrize(
    "value", [b"bytes", object(), {1: 2}, {1, 2}, 1j, [b""]], ids=lambda value: type(value).__name__
)
def test_a_body_of_other_types_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode_body({"key": value})


def test_a_body_is_a_map() -> None:
    not_a_map: Any = [1]
    with pytest.raises(TypeError):
        encode_body(not_a_map)


@pytest.mark.parametrize(
    "value",
    [1 << 64, -(1 << 64) - 1, "\ud800", "x" * (1 << 20), [0] * cbor.MAX_ITEMS],
    ids=["too large", "too small", "surrogate", "too long", "too many"],
)
def test_a_body_that_could_not_be_read_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match=r"allowed|beyond|surrogates|more than"):
        encode_body({"key": value})


def nested(levels: int) -> Any:
    """A map that makes this many levels, itself included."""
    inner: Any = 0
    for _ in range(levels - 1):
        inner = [inner]
    return {"key": inner}


def test_sixteen_levels_pass_and_the_seventeenth_is_refused() -> None:
    """Also a hundred thousand, on which cbor2 itself would crash the interpreter."""
    deepest = encode_body(nested(cbor.MAX_DEPTH))
    assert alike(decode_body(deepest), nested(cbor.MAX_DEPTH))
    for levels in (cbor.MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValueError, match="deeper"):
            encode_body(nested(levels))
        with pytest.raises(Malformed, match="deeper"):
            decode_body(b"\xa1\x63key" + b"\x81" * (levels - 1) + b"\0")


def test_items_are_limited_by_number_too() -> None:
    """A mebibyte of empty lists would otherwise be sixty of them in memory."""
    fits = b"\xa1\x61a\x99" + (60_000).to_bytes(2, "big") + b"\x80" * 60_000
    assert decode_body(fits) == {"a": [[]] * 60_000}
    many = b"\xa1\x61a\x9a" + (70_000).to_bytes(4, "big") + b"\x80" * 70_000
    with pytest.raises(Malformed, match="70000 items"):
        decode_body(many)


def test_malformed_text_is_short_and_printable() -> None:
    text = str(Malformed("\x1b[2J" * 1000, "\n"))
    assert len(text) == 240
    assert text.isprintable()
    assert str(Malformed("found", "this")) == "found; allowed: this"


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.0, 1.5, 65504.0, 65505.0, 0.1])
def test_floats_take_the_fewest_bytes_that_keep_them(value: float) -> None:
    data = encode_body({"v": value})
    assert len(data) == {1.5: 6, 65504.0: 6, 65505.0: 8, 0.1: 12}.get(value, 6)
    assert alike(decode_body(data), {"v": value})
