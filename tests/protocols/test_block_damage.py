"""Damaged and hostile blocks and births: Malformed or a valid result, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols import block, cbor, columnar, varint
from protocols.block import Column, Malformed, Profile, decode_birth, decode_block

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/block.json").read_text("utf-8"))
PROFILES = {
    v["name"]: Profile(v["site"], tuple(Column(*c) for c in v["columns"]))
    for v in VECTORS["profiles"]
}
BY_ID = {profile.id: profile for profile in PROFILES.values()}
BLOCKS = [bytes.fromhex(vector["block"]) for vector in VECTORS["blocks"]]
BIRTHS = [bytes.fromhex(vector["birth"]) for vector in VECTORS["profiles"]]
VALLEY = PROFILES["valley"]
BODIES = [
    columnar.write(
        VALLEY,
        [
            block.Reading(c, at, None if v is None else float(v), q)
            for c, at, v, q in vector["readings"]
        ],
    )
    for vector in VECTORS["blocks"]
    if vector["profile"] == "valley"
]
MEBIBYTE = 1 << 20


def tolerate(decode: Callable[[bytes], object], data: bytes) -> object | None:
    """The result, or None if the bytes were refused as they should be."""
    try:
        return decode(data)
    except Malformed as error:
        text = str(error)
    assert 0 < len(text) <= 240
    assert text.isprintable()
    return None


def read_block(data: bytes) -> object:
    return decode_block(data, BY_ID)


def read_body(body: bytes) -> object:
    """A body that is read must be one that can be written again, and read alike."""
    readings = columnar.read(VALLEY, body)
    again = columnar.read(VALLEY, columnar.write(VALLEY, readings))
    assert repr(again) == repr(readings)
    return readings


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Bit flips, cuts, insertions, and pieces of one after another."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0 if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at:]
            case 2:
                data[at:at] = draw(st.one_of(st.binary(max_size=10), st.just(b"\xff" * 9)))
            case _:
                data[at:] = draw(st.sampled_from(originals))
    return bytes(data)


@given(st.one_of(st.binary(max_size=200), damaged(BLOCKS)))
def test_any_bytes_as_a_block(data: bytes) -> None:
    tolerate(read_block, data)


@given(st.one_of(st.binary(max_size=200), damaged(BODIES)))
@example(b"\x00\x09\x00\x00\x00\x01\x00")
def test_any_bytes_as_a_body(data: bytes) -> None:
    """Behind CBOR and zstd, where random damage seldom reaches."""
    tolerate(read_body, data)


@given(st.one_of(st.binary(max_size=200), damaged(BIRTHS)))
def test_any_bytes_as_a_birth(data: bytes) -> None:
    profile = tolerate(decode_birth, data)
    if isinstance(profile, Profile):
        assert block.encode_birth(profile) == data


@pytest.mark.parametrize("original", BLOCKS, ids=[v["name"] for v in VECTORS["blocks"]])
def test_a_cut_block_is_always_refused(original: bytes) -> None:
    for end in range(len(original)):
        assert tolerate(read_block, original[:end]) is None
    assert tolerate(read_block, original + b"\0") is None
    assert tolerate(read_block, original + original) is None


@pytest.mark.parametrize("original", BODIES, ids=lambda body: body.hex()[:24] or "empty")
def test_a_cut_body_is_always_refused(original: bytes) -> None:
    for end in range(len(original)):
        assert tolerate(read_body, original[:end]) is None


@pytest.mark.parametrize("original", [*BLOCKS, *BIRTHS], ids=lambda data: data.hex()[:24])
def test_every_single_bit_flip_is_survived(original: bytes) -> None:
    """A block has no checksum of its own; the record's tag and the transport have."""
    for bit in range(8 * len(original)):
        flipped = bytearray(original)
        flipped[bit // 8] ^= 1 << bit % 8
        tolerate(read_block, bytes(flipped))
        tolerate(decode_birth, bytes(flipped))


@contextmanager
def memory_below(limit_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit_bytes
    finally:
        tracemalloc.stop()


def in_block(payload: bytes) -> bytes:
    return cbor.encode([VALLEY.id, 1, payload])


def zeros(announced: int, blocks: int) -> bytes:
    """A frame of this announced size, made of run-length blocks of 128 KiB of zeros each."""
    block_header = (128 * 1024 << 3 | 1 << 1).to_bytes(3, "little")
    last = (1 | 1 << 1).to_bytes(3, "little")
    return (
        b"\xa0" + announced.to_bytes(4, "little") + (block_header + b"\0") * blocks + last + b"\0"
    )


def test_the_hand_made_frame_is_a_frame() -> None:
    """At the limit it is unpacked and its body read, so beyond it is refused for its size."""
    with pytest.raises(Malformed, match="8388605 bytes after the last token"):
        read_block(in_block(zeros(8 << 20, 64)))


@pytest.mark.parametrize(
    "payload",
    [
        zeros((8 << 20) + 1, 64),
        zeros(1 << 30, 8192),
        zeros(0xFFFFFFFF, 32768),
        zeros(1000, 8192),
        b"\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\0\0",
        b"\x00\x58" + b"\0" * 20,
    ],
    ids=["over the limit", "1 GiB", "4 GiB", "lies about 1 GiB", "8-byte size", "window of 2 MiB"],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(payload: bytes) -> None:
    data = in_block(payload)
    with memory_below(MEBIBYTE), pytest.raises(Malformed):
        read_block(data)


def numbers(*values: int) -> bytes:
    out = bytearray()
    varint.extend(out, values)
    return bytes(out)


@pytest.mark.parametrize(
    "body",
    [
        numbers(1 << 61),
        numbers(0, 1 << 40, 0),
        numbers(0, 1_000_000 << 3 | 7, 0, 2),
        numbers(0, 1_000_001 << 3 | 6, 0, 0) + b"\2" * 1_000_010,
        numbers(0, 3 << 3 | 4, 0, 0, 0, 1, 0, 1 << 62),
        numbers(0, 3 << 3 | 4, 0, 0, 0, 1 << 62, 0, 0),
        numbers(0, 1 << 3 | 0, 0, 1, 0, 1, 1 << 62),
        b"\0" + b"\x80" * 100_000,
        b"\0" + b"\xff" * 9 + b"\x02",
        b"\0" * 100_000,
    ],
    ids=[
        "doubles",
        "rows",
        "readings of regular rows",
        "a row too many",
        "a long run",
        "many runs",
        "a long run of qualities",
        "an endless number",
        "a number of 65 bits",
        "bytes after the end",
    ],
)
def test_what_is_announced_must_fit_into_the_bytes(body: bytes) -> None:
    with memory_below(5 * MEBIBYTE), pytest.raises(Malformed):
        columnar.read(VALLEY, body)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off"),
        (b"\xff", "cut off"),
        (b"\x80" * 100_000, "goes on"),
        (b"\xff" * 9 + b"\x02", "up to byte 10"),
        (b"\x81\x00", "up to byte 2"),
    ],
)
def test_a_number_has_64_bits_and_one_form(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        varint.Reader(data).one()
    assert varint.Reader(b"\xff" * 9 + b"\x01").one() == (1 << 64) - 1
    assert varint.Reader(b"\0").one() == 0


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_zigzag_turns_back(number: int) -> None:
    assert 0 <= varint.zigzag(number) < 1 << 64
    assert varint.unzigzag(varint.zigzag(number)) == number


def test_a_birth_that_would_outgrow_the_limit_in_its_own_form_is_malformed() -> None:
    """The crowded group has number 0 here; in its own form it is 300, in three bytes a column."""
    columns: list[list[Any]] = [[g, f"{g:0128}", "u" * 20, 0] for g in (*range(1, 301), 0)]
    columns += [[0, f"{n:0128}", "u" * 128, 0] for n in range(301, 4096)]
    groups = [[f"g{g}", 1] for g in range(301)]
    data = cbor.encode([1, "s", groups, columns])
    assert MEBIBYTE - 7000 < len(data) <= MEBIBYTE
    with pytest.raises(Malformed, match="its own encoding"):
        decode_birth(data)


def test_groups_share_the_room_for_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many groups cannot each announce what only one of them could hold."""
    monkeypatch.setattr(columnar, "MAX_READINGS", 1000)
    wide = Profile("s", tuple(Column(f"p{i}", "", 0, f"g{i}", 1) for i in range(4096)))
    group = numbers(400 << 3 | 7, 0, 2)
    with pytest.raises(Malformed, match="400 rows announced; allowed: 200"):
        columnar.read(wide, b"\0" + group * 4096 + b"\2" * 5000)
    without_members = numbers(400 << 3 | 6, 0, 2, 0)
    with pytest.raises(Malformed, match="0 readings in 400 rows"):
        columnar.read(wide, b"\0" + without_members * 4096)


def test_a_block_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(Malformed, match="at most"):
        read_block(b"\0" * (block.MAX_BLOCK_BYTES + 1))
