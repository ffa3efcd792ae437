"""What telemetry blocks are about: readings, and the profile that says what their columns mean.

A profile is announced once, in a birth, and from then on named by eight bytes. docs/block.md is the
specification.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from protocols import cbor
from protocols.malformed import Malformed

BIRTH_VERSION = 1
PROFILE_ID_BYTES = 8
MAX_COLUMNS = 4096
MAX_BIRTH_BYTES = 1 << 20
MAX_DECIMALS = 9
MAX_TICK_MS = 3_600_000

# The names of a site, a point or a group, and units. Nothing that moves a terminal's cursor or
# turns the direction of writing.
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{1,128}")
_TEXT_RULE = "1 to 128 characters without controls"


@dataclass(frozen=True, slots=True)
class Column:
    """One point of a site, as its readings are packed.

    ``decimals``: how many its values usually have, 0 to 9 (others are kept exactly, at nine bytes
    each); ``group``: the device that is read at once; ``tick_ms``: 1 to 3 600 000, the same for
    all columns of a group. Names are 1 to 128 characters without controls, a unit may be empty.
    Raises ValueError.
    """

    point: str
    unit: str
    decimals: int
    group: str
    tick_ms: int

    def __post_init__(self) -> None:
        _check_text("point", self.point)
        _check_text("group", self.group)
        if self.unit:
            _check_text("unit", self.unit)
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise ValueError(f"{self.decimals} decimals, allowed: 0 to {MAX_DECIMALS}")
        if not 1 <= self.tick_ms <= MAX_TICK_MS:
            raise ValueError(f"tick of {self.tick_ms} ms, allowed: 1 to {MAX_TICK_MS}")


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that share a time axis; ``columns`` are their numbers in the profile, ascending."""

    name: str
    tick_ms: int
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """All columns of a site, 0 to 4096, each point once. A reading names its column by position.

    Raises ValueError.
    """

    site: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        _check_text("site", self.site)
        if len(self.columns) > MAX_COLUMNS:
            raise ValueError(f"{len(self.columns)} columns, allowed: {MAX_COLUMNS}")
        if len({column.point for column in self.columns}) != len(self.columns):
            raise ValueError("a point has two columns, allowed: one")
        ticks: dict[str, int] = {}
        for column in self.columns:
            if ticks.setdefault(column.group, column.tick_ms) != column.tick_ms:
                raise ValueError(f"group {column.group!r} has two ticks, allowed: one")

    @cached_property
    def id(self) -> bytes:
        """The first eight bytes of the SHA-256 of the birth; any change makes another id."""
        return hashlib.sha256(encode_birth(self)).digest()[:PROFILE_ID_BYTES]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups in the order in which the columns first name them."""
        members: dict[str, list[int]] = {}
        for number, column in enumerate(self.columns):
            members.setdefault(column.group, []).append(number)
        return tuple(
            Group(name, self.columns[numbers[0]].tick_ms, tuple(numbers))
            for name, numbers in members.items()
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one column of a profile.

    ``at_ms``: ms since 1970-01-01T00:00:00Z, any signed 64-bit integer, since clocks can be wrong;
    ``value``: in the column's unit, None if no number was read; ``quality``: 0 good, 1 to 15 as
    the two ends agree.
    """

    column: int
    at_ms: int
    value: float | None
    quality: int = 0


def encode_birth(profile: Profile) -> bytes:
    """The announcement of a profile. Raises ValueError if it would exceed MAX_BIRTH_BYTES."""
    data = _encode(profile)
    if len(data) > MAX_BIRTH_BYTES:
        raise ValueError(f"birth of {len(data)} bytes, allowed: {MAX_BIRTH_BYTES}")
    return data


def _encode(profile: Profile) -> bytes:
    place = {group.name: number for number, group in enumerate(profile.groups)}
    return cbor.encode(
        [
            BIRTH_VERSION,
            profile.site,
            [[group.name, group.tick_ms] for group in profile.groups],
            [[place[c.group], c.point, c.unit, c.decimals] for c in profile.columns],
        ]
    )


def decode_birth(data: bytes) -> Profile:
    """The profile that the bytes announce. Raises Malformed, and nothing else."""
    match cbor.decode(data, max_bytes=MAX_BIRTH_BYTES):
        case [int(version), *_] if version != BIRTH_VERSION:
            raise Malformed(f"birth version {version}", str(BIRTH_VERSION))
        case [int(), str(site), list(groups), list(columns)]:
            named = [_group(item) for item in groups]
            try:
                profile = Profile(site, tuple(_column(item, named) for item in columns))
            except ValueError as error:
                raise Malformed(str(error)) from None
        case _:
            raise Malformed("CBOR of another shape", "a birth: [1, site, groups, columns]")
    # Also refuses true and false in place of 1 and 0.
    if _encode(profile) != data:
        raise Malformed(
            "birth unlike its own encoding",
            "groups in the order of their first columns, none unused",
        )
    return profile


def _group(item: cbor.Item) -> tuple[str, int]:
    match item:
        case [str(name), int(tick_ms)]:
            return name, int(tick_ms)
    raise Malformed("group of another shape", "[name, tick in ms]")


def _column(item: cbor.Item, groups: list[tuple[str, int]]) -> Column:
    match item:
        case [int(place), str(point), str(unit), int(decimals)] if 0 <= place < len(groups):
            name, tick_ms = groups[place]
            return Column(point, unit, int(decimals), name, tick_ms)
    raise Malformed("column of another shape", "[number of a group, point, unit, decimals]")


def _check_text(what: str, text: str) -> None:
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{what} {text[:40]!r}, allowed: {_TEXT_RULE}")
