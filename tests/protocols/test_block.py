"""Telemetry blocks and births: golden bytes, exact round trips, and what encoding refuses."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import columnar
from protocols.block import (
    Column,
    Malformed,
    Profile,
    Reading,
    UnknownProfile,
    decode_birth,
    decode_block,
    encode_birth,
    encode_block,
    profile_of,
)

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/block.json").read_text("utf-8"))
PROFILES = {
    v["name"]: Profile(v["site"], tuple(Column(*c) for c in v["columns"]))
    for v in VECTORS["profiles"]
}
BY_ID = {profile.id: profile for profile in PROFILES.values()}


def named(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[section], ids=lambda vector: vector["name"])


def readings_of(rows: list[list[Any]]) -> list[Reading]:
    return [Reading(c, at, None if v is None else float(v), q) for c, at, v, q in rows]


def exact(readings: Any) -> list[tuple[int, int, bytes | None, int]]:
    """Comparable to the last bit: -0.0 is not 0.0."""
    return [
        (r.column, r.at_ms, None if r.value is None else struct.pack(">d", r.value), r.quality)
        for r in readings
    ]


def as_decoded(profile: Profile, readings: list[Reading]) -> list[Reading]:
    """What must come back: times floored to the tick; by group, time, column; else in order."""
    ticks = [column.tick_ms for column in profile.columns]
    rank = {c: g for g, group in enumerate(profile.groups) for c in group.columns}
    floored = [
        Reading(r.column, r.at_ms // ticks[r.column] * ticks[r.column], r.value, r.quality)
        for r in readings
    ]
    return sorted(floored, key=lambda r: (rank[r.column], r.at_ms, r.column))


@named("profiles")
def test_birth_has_its_golden_bytes_and_id(vector: Any) -> None:
    profile = PROFILES[vector["name"]]
    assert encode_birth(profile).hex() == vector["birth"]
    assert decode_birth(bytes.fromhex(vector["birth"])) == profile
    assert profile.id.hex() == vector["id"]


@named("blocks")
def test_block_has_its_golden_bytes(vector: Any) -> None:
    profile, readings = PROFILES[vector["profile"]], readings_of(vector["readings"])
    if "body" in vector:  # the frame around it may differ between zstd versions
        assert columnar.write(profile, readings).hex() == vector["body"]
    else:
        assert encode_block(profile, readings).hex() == vector["block"]


@named("blocks")
def test_golden_block_decodes_to_its_readings(vector: Any) -> None:
    expected = readings_of(vector.get("decoded", vector["readings"]))
    assert exact(decode_block(bytes.fromhex(vector["block"]), BY_ID)) == exact(expected)


@named("malformed")
def test_damaged_block_is_refused_for_its_damage(vector: Any) -> None:
    with pytest.raises(Malformed) as caught:
        decode_block(bytes.fromhex(vector["block"]), BY_ID)
    assert caught.type is Malformed
    assert vector["reason"] in str(caught.value)


@named("malformed_births")
def test_damaged_birth_is_refused_for_its_damage(vector: Any) -> None:
    with pytest.raises(Malformed) as caught:
        decode_birth(bytes.fromhex(vector["birth"]))
    assert vector["reason"] in str(caught.value)


TICKS = st.sampled_from((1, 7, 250, 1000, 60_000, 3_600_000))
LATEST = 1 << 63


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    ticks = draw(st.lists(TICKS, min_size=1, max_size=12))
    layout = draw(
        st.lists(
            st.tuples(st.integers(0, len(ticks) - 1), st.integers(0, 9)), min_size=1, max_size=16
        )
    )
    return Profile(
        "site", tuple(Column(f"p{i}", "m", d, f"g{g}", ticks[g]) for i, (g, d) in enumerate(layout))
    )


def values() -> st.SearchStrategy[float | None]:
    decimal = st.builds(lambda m, d: m / 10**d, st.integers(-(10**6), 10**6), st.integers(0, 9))
    return st.one_of(decimal, decimal, st.none(), st.floats(allow_nan=False))


@st.composite
def telemetry(draw: st.DrawFn) -> tuple[Profile, list[Reading]]:
    profile = draw(profiles())
    start = draw(st.integers(-LATEST + 3_600_000, LATEST - 1 - 3_600_000))
    times = st.one_of(
        st.integers(start, start + 3_600_000),
        st.integers(0, 20).map(lambda n: start + n * 1000),
        st.integers(-LATEST + 3_600_000, LATEST - 1),
    )
    qualities = st.one_of(st.just(0), st.integers(0, 15))
    one = st.builds(Reading, st.integers(0, len(profile.columns) - 1), times, values(), qualities)
    return profile, draw(st.lists(one, max_size=80))


@given(telemetry())
def test_every_reading_comes_back_exactly(case: tuple[Profile, list[Reading]]) -> None:
    profile, readings = case
    data = encode_block(profile, readings)
    decoded = decode_block(data, {profile.id: profile})
    assert exact(decoded) == exact(as_decoded(profile, readings))
    assert encode_block(profile, decoded) == data


@given(profiles(), st.randoms(use_true_random=False))
def test_complete_polls_come_back_in_any_order(profile: Profile, shuffler: random.Random) -> None:
    """Whole rows at a steady period; the order of arrival does not change the bytes."""
    readings = [
        Reading(column, 1_767_225_600_000 + row * 3_600_000, row / 10, row % 2)
        for row in range(30)
        for column in range(len(profile.columns))
    ]
    data = encode_block(profile, readings)
    shuffler.shuffle(readings)
    assert encode_block(profile, readings) == data
    assert exact(decode_block(data, {profile.id: profile})) == exact(as_decoded(profile, readings))


TWO = Profile("s", (Column("a", "m", 2, "g", 1000), Column("b", "m", 2, "h", 1)))


def test_a_reading_is_small() -> None:
    """A steady column costs next to nothing, a quiet one well below two bytes."""
    steady = [Reading(0, n * 1000, 2.87) for n in range(1000)]
    quiet = [Reading(0, n * 1000, (287 + (n * 7919) % 5) / 100) for n in range(1000)]
    assert len(encode_block(TWO, steady)) < 50
    assert len(encode_block(TWO, quiet)) < 1000


def test_an_unseen_profile_is_named_not_guessed() -> None:
    data = encode_block(TWO, [Reading(0, 0, 2.87)])
    with pytest.raises(UnknownProfile) as caught:
        decode_block(data, BY_ID)
    assert caught.value.profile_id == TWO.id
    assert isinstance(caught.value, Malformed)


def test_the_profile_that_a_block_needs_can_be_asked_for() -> None:
    assert profile_of(encode_block(TWO, [Reading(0, 0, 2.87)])) == TWO.id
    with pytest.raises(Malformed):
        profile_of(encode_birth(TWO))


def test_any_change_of_a_profile_changes_its_id() -> None:
    columns = [
        Column("a", "m", 2, "g", 1000),
        Column("b", "m", 2, "g", 1000),
        Column("a", "cm", 2, "g", 1000),
        Column("a", "m", 3, "g", 1000),
        Column("a", "m", 2, "h", 1000),
        Column("a", "m", 2, "g", 2000),
    ]
    profiles = [Profile("s", (column,)) for column in columns] + [Profile("t", (columns[0],))]
    assert len({profile.id for profile in profiles}) == 7
    assert all(len(profile.id) == 8 for profile in profiles)


def test_the_largest_profile_fits() -> None:
    wide = Profile("s", tuple(Column(f"p{i}", "m", 9, f"g{i}", 1) for i in range(4096)))
    assert decode_birth(encode_birth(wide)) == wide
    last = [Reading(4095, 5, 1.0)]
    assert decode_block(encode_block(wide, last), {wide.id: wide}) == tuple(last)


def test_a_large_block_comes_back() -> None:
    """Large enough for the four-byte size field of a frame."""
    readings = [Reading(1, n, (n * 7919) % 100_003 / 100) for n in range(60_000)]
    data = encode_block(TWO, readings)
    payload = cbor2.loads(data)[2]
    assert payload[0] == 0xA0
    assert decode_block(data, {TWO.id: TWO}) == tuple(readings)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(0, 0, math.nan),
        Reading(2, 0, 1.0),
        Reading(-1, 0, 1.0),
        Reading(0, 0, 1.0, 16),
        Reading(0, 0, 1.0, -1),
        Reading(1, 1 << 63, 1.0),
        Reading(1, -(1 << 63) - 1, 1.0),
        Reading(0, -(1 << 63), 1.0),  # its tick begins before the first time that 64 bits hold
        Reading(0, 0, (1 << 53) + 1),  # an integer that no double is
    ],
    ids=repr,
)
def test_what_cannot_be_kept_exactly_is_refused(reading: Reading) -> None:
    with pytest.raises(ValueError, match="allowed"):
        encode_block(TWO, [Reading(0, 0, 1.0), reading])


@pytest.mark.parametrize(
    "columns",
    [
        [("a", "m", 10, "g", 1000)],
        [("a", "m", -1, "g", 1000)],
        [("a", "m", 2, "g", 0)],
        [("a", "m", 2, "g", 3_600_001)],
        [("", "m", 2, "g", 1000)],
        [("a", "m", 2, "", 1000)],
        [("a" * 129, "m", 2, "g", 1000)],
        [("a\x1b", "m", 2, "g", 1000)],
        [("a", "\u202e", 2, "g", 1000)],
        [("\ud800", "m", 2, "g", 1000)],
        [("a", "m", 2, "g", 1000), ("a", "m", 2, "h", 1000)],
        [("a", "m", 2, "g", 1000), ("b", "m", 2, "g", 1)],
        [(f"a{i}", "m", 2, "g", 1000) for i in range(4097)],
    ],
    ids=lambda columns: ascii(columns[-1])[:40],
)
def test_a_profile_that_makes_no_sense_is_refused(columns: list[Any]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Profile("s", tuple(Column(*column) for column in columns))


def test_a_birth_beyond_its_limit_is_refused() -> None:
    """4096 columns with the longest names are more than the mebibyte that a reader takes."""
    columns = tuple(Column(f"{i:0128}", "m", 0, f"{i:0128}", 1) for i in range(4096))
    with pytest.raises(ValueError, match="1048576"):
        encode_birth(Profile("s", columns))
