"""docs/block.md is enough: a reader made from its text agrees with ours, its examples are real."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import cbor2
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocols.block import Column, Profile, Reading, decode_block, encode_block

ROOT = Path(__file__).parents[2]


def test_examples_in_the_specification_are_golden_vectors() -> None:
    """Every fence that holds bytes shows those of a vector; text after # is comment."""
    golden = {
        vector[key]
        for name, section, key in (
            ("block", "profiles", "birth"),
            ("block", "blocks", "block"),
            ("envelope", "envelopes", "envelope"),
        )
        for vector in json.loads((ROOT / f"tests/vectors/{name}.json").read_text("utf-8"))[section]
    }
    fences = (ROOT / "docs/block.md").read_text("utf-8").split("```")[1::2]
    shown = [
        "".join(line.split("#")[0] for line in fence.splitlines()).replace(" ", "")
        for fence in fences
        if "#" in fence
    ]
    assert len(shown) == 4
    assert set(shown) <= golden


class SecondReader:
    """Reads a well-formed block the way the text says, with nothing of ours."""

    def __init__(self, profile: Profile, data: bytes) -> None:
        self.profile = profile
        self.id, self.version, payload = cbor2.loads(data)
        if payload[0] == 0:
            self.body = payload[1:]
        else:
            self.body = zstandard.decompress(bytes.fromhex("28b52ffd") + payload)
        self.at = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte: int = self.body[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self) -> int:
        return self.unzigzag(self.number())

    def unzigzag(self, z: int) -> int:
        return z // 2 if z % 2 == 0 else -(z + 1) // 2

    def readings(self) -> list[Reading]:
        doubles_at = len(self.body) - 8 * self.number()
        names = list(dict.fromkeys(column.group for column in self.profile.columns))
        tables: list[list[tuple[int, int, int]]] = []
        while names:
            header = self.number()
            if header < 8:
                names = names[header + 1 :]
            else:
                previous_ms = tables[-1][0][0] if tables else 0
                tables.append(self.table(names.pop(0), header, previous_ms))
        used = [column for table in tables for column in sorted({c for _, c, _ in table})]
        tokens = {column: [self.number()] for column in used}
        for column in used:
            count = sum(c == column for table in tables for _, c, _ in table)
            tokens[column] += [self.number() for _ in range(count - 1)]
        assert self.at == doubles_at
        values = {column: self.values(column, tokens[column]) for column in used}
        assert self.at == len(self.body)
        found: list[Reading] = []
        for table in tables:
            rows = [Reading(c, at, values[c].pop(0), quality) for at, c, quality in table]
            found += sorted(rows, key=lambda r: (r.at_ms, r.column))
        return found

    def table(self, name: str, header: int, previous_ms: int) -> list[tuple[int, int, int]]:
        """(time, column, quality) of each reading, in order of cells."""
        columns = [i for i, c in enumerate(self.profile.columns) if c.group == name]
        tick_ms = self.profile.columns[columns[0]].tick_ms
        ticks, step = [previous_ms // tick_ms + self.signed()], 0
        for row in range(1, header >> 3):
            step += self.signed() if row == 1 or not header & 2 else 0
            ticks.append(ticks[-1] + step)
        times = [((tick + 2**63) % 2**64 - 2**63) * tick_ms for tick in ticks]
        cells = self.cells() if not header & 1 else list(range(len(times) * len(columns)))
        qualities: list[int] = []
        while not header & 4 and len(qualities) < len(cells):
            run = self.number()
            qualities += [run % 16] * (run // 16)
        return [
            (times[cell // len(columns)], columns[cell % len(columns)], quality)
            for cell, quality in zip(cells, qualities or [0] * len(cells), strict=True)
        ]

    def cells(self) -> list[int]:
        cells: list[int] = []
        end = 0
        for _ in range(self.number()):
            start = end + self.number()
            end = start + self.number() + 1
            cells += range(start, end)
        return cells

    def values(self, column: int, tokens: list[int]) -> list[float | None]:
        m = 0
        values: list[float | None] = []
        for token in tokens:
            if token == 0:
                values.append(None)
            elif token == 1:
                values += struct.unpack_from("<d", self.body, self.at)
                self.at += 8
            else:
                m += self.unzigzag(token - 2)
                values.append(float(m) / float(10 ** self.profile.columns[column].decimals))
        return values


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


def exact(readings: Any) -> list[tuple[int, int, bytes | None, int]]:
    return [
        (r.column, r.at_ms, None if r.value is None else struct.pack(">d", r.value), r.quality)
        for r in readings
    ]


@given(telemetry())
def test_a_reader_written_from_the_specification_agrees(
    case: tuple[Profile, list[Reading]],
) -> None:
    profile, readings = case
    data = encode_block(profile, readings)
    second = SecondReader(profile, data)
    assert (second.id, second.version) == (profile.id, 1)
    assert exact(second.readings()) == exact(decode_block(data, {profile.id: profile}))


def test_the_second_reader_reads_the_golden_blocks() -> None:
    vectors = json.loads((ROOT / "tests/vectors/block.json").read_text("utf-8"))
    profiles = {
        v["name"]: Profile(v["site"], tuple(Column(*c) for c in v["columns"]))
        for v in vectors["profiles"]
    }
    for vector in vectors["blocks"]:
        rows = vector.get("decoded", vector["readings"])
        expected = [Reading(c, at, None if v is None else float(v), q) for c, at, v, q in rows]
        second = SecondReader(profiles[vector["profile"]], bytes.fromhex(vector["block"]))
        assert exact(second.readings()) == exact(expected), vector["name"]
