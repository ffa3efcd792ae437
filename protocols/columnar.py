"""Payload 1 of a telemetry block, before compression.

Per group of columns one time axis, per column scaled integers as differences. docs/block.md is the
specification. Writing is deterministic; reading takes time and memory in
proportion to the bytes, whatever they say.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise, repeat

from protocols import varint
from protocols.malformed import Malformed
from protocols.telemetry import Group, Profile, Reading

MAX_READINGS = 1_000_000
MAX_QUALITY = 15

# Group header: the number of rows above three flags. A header below 8 skips groups instead.
_COMPLETE, _REGULAR, _GOOD = 1, 2, 4
_ROWS_SHIFT = 3
_SKIP_MOST = 8

# Tokens: two with a meaning of their own, then zigzagged differences.
_NO_NUMBER, _DOUBLE = 0, 1

# Up to here every integer is a double, so that dividing it by 10^decimals rounds just once.
_EXACT = 1 << 53
_INT64_LOW, _INT64_HIGH = -(1 << 63), (1 << 63) - 1


def write(profile: Profile, readings: Sequence[Reading]) -> bytes:
    """The body of a payload. Raises ValueError for NaN and for anything out of range."""
    _check(profile, readings)
    by_column: list[list[Reading]] = [[] for _ in profile.columns]
    for reading in readings:
        by_column[reading.column].append(reading)
    headers, further = bytearray(), bytearray()
    firsts: list[int] = []
    doubles: list[float] = []
    skipped = previous_ms = 0
    for group in profile.groups:
        members = [by_column[column] for column in group.columns]
        if not any(members):
            skipped += 1
            continue
        _skip(headers, skipped)
        skipped = 0
        previous_ms = _write_group(headers, group, members, previous_ms)
        for column, member in zip(group.columns, members, strict=True):
            tokens = _tokens([r.value for r in member], profile.columns[column].decimals, doubles)
            firsts += tokens[:1]
            varint.extend(further, tokens[1:])
    _skip(headers, skipped)
    body = bytearray()
    varint.append(body, len(doubles))
    body += headers
    varint.extend(body, firsts)
    return bytes(body + further) + struct.pack(f"<{len(doubles)}d", *doubles)


def _check(profile: Profile, readings: Sequence[Reading]) -> None:
    if len(readings) > MAX_READINGS:
        raise ValueError(f"{len(readings)} readings, allowed: {MAX_READINGS}")
    for what, numbers, low, high in (
        ("column", [r.column for r in readings], 0, len(profile.columns) - 1),
        ("quality", [r.quality for r in readings], 0, MAX_QUALITY),
        ("time", [r.at_ms for r in readings], _INT64_LOW, _INT64_HIGH),
    ):
        if numbers and (min(numbers) < low or max(numbers) > high):
            raise ValueError(f"{what} out of range, allowed: {low} to {high}")


def _skip(headers: bytearray, groups: int) -> None:
    while groups:
        count = min(groups, _SKIP_MOST)
        headers.append(count - 1)
        groups -= count


def _write_group(
    headers: bytearray, group: Group, members: list[list[Reading]], previous_ms: int
) -> int:
    """Write a group's header, times, members and qualities; the time of its first row."""
    tick_ms = group.tick_ms
    for member in members:
        member.sort(key=lambda reading: reading.at_ms // tick_ms)
    ticks = [[reading.at_ms // tick_ms for reading in member] for member in members]
    complete = all(column == ticks[0] for column in ticks)
    rows = ticks[0] if complete else _rows(ticks)
    first_ms = rows[0] * tick_ms
    if first_ms < _INT64_LOW:
        raise ValueError("time out of range, allowed: its tick begins within signed 64 bits")
    steps = [later - earlier for earlier, later in pairwise(rows)]
    regular = len(steps) > 1 and steps.count(steps[0]) == len(steps)
    good = not any(reading.quality for reading in chain.from_iterable(members))
    flags = _COMPLETE * complete | _REGULAR * regular | _GOOD * good
    varint.append(headers, len(rows) << _ROWS_SHIFT | flags)
    varint.append(headers, varint.zigzag(rows[0] - previous_ms // tick_ms))
    step = 0
    for following in steps[:1] if regular else steps:
        varint.append(headers, varint.zigzag(following - step))
        step = following
    cells = _cells(ticks, rows) if not (complete and good) else []
    if not complete:
        _write_runs(headers, sorted(cells))
    if not good:
        _write_qualities(headers, cells, members)
    return first_ms


def _rows(ticks: list[list[int]]) -> list[int]:
    """The ticks of all rows; a tick has as many rows as its busiest column has readings in it."""
    most: Counter[int] = Counter()
    for column in ticks:
        most |= Counter(column)
    return sorted(most.elements())


def _cells(ticks: list[list[int]], rows: list[int]) -> list[int]:
    """Where each reading stands, column after column: row * width + position in the group."""
    first_row = {tick: row for row, tick in reversed(list(enumerate(rows)))}
    width = len(ticks)
    cells = []
    for position, column in enumerate(ticks):
        row, previous = 0, None
        for tick in column:
            row = row + 1 if tick == previous else first_row[tick]
            previous = tick
            cells.append(row * width + position)
    return cells


def _write_runs(headers: bytearray, cells: list[int]) -> None:
    """Cells that hold a reading, as pairs of a gap and the length of the run after it, less one."""
    numbers = []
    end = start = cells[0]
    numbers.append(start)
    for cell in cells:
        if cell != end:
            numbers += (end - start - 1, cell - end)
            start = cell
        end = cell + 1
    numbers.append(end - start - 1)
    varint.append(headers, len(numbers) // 2)
    varint.extend(headers, numbers)


def _write_qualities(headers: bytearray, cells: list[int], members: list[list[Reading]]) -> None:
    """Qualities in the order of the cells, as runs: length and quality in one number."""
    qualities = (reading.quality for reading in chain.from_iterable(members))
    in_order = sorted(zip(cells, qualities, strict=True))
    for quality, run in groupby(quality for _, quality in in_order):
        varint.append(headers, sum(1 for _ in run) << 4 | quality)


def _tokens(values: list[float | None], decimals: int, doubles: list[float]) -> list[int]:
    """One token per value; what is not a decimal of the column goes to ``doubles``."""
    scale = 10.0**decimals
    tokens = []
    scaled = 0
    for value in values:
        if value is None:
            tokens.append(_NO_NUMBER)
            continue
        product = value * scale
        if -_EXACT <= product <= _EXACT:
            nearest = round(product)
            if nearest / scale == value and (nearest or math.copysign(1.0, value) > 0):
                difference = nearest - scaled
                tokens.append(2 * difference + 2 if difference >= 0 else 1 - 2 * difference)
                scaled = nearest
                continue
        tokens.append(_DOUBLE)
        doubles.append(_double(value))
    return tokens


def _double(value: float) -> float:
    if float(value) != value:
        raise ValueError(f"value {value!r:.40}, allowed: any number that a double holds exactly")
    return float(value)


@dataclass(frozen=True, slots=True)
class _Axis:
    """What the header of a group says: its rows in ms, and each reading's cell and quality."""

    columns: tuple[int, ...]
    rows_ms: list[int]
    cells: Sequence[int]
    qualities: Iterable[int]
    counts: list[int]


def read(profile: Profile, body: bytes) -> list[Reading]:
    """The readings of a body, by group, time and column. Raises Malformed, and nothing else."""
    reader = varint.Reader(body)
    escapes = reader.one()
    doubles = iter(struct.unpack(f"<{escapes}d", reader.reserve(8 * escapes)))
    axes = _read_axes(profile, reader)
    used = [
        (axis, position) for axis in axes for position, count in enumerate(axis.counts) if count
    ]
    firsts = reader.many(len(used))
    values: dict[int, Iterator[float | None]] = {}
    for first, (axis, position) in zip(firsts, used, strict=True):
        column = axis.columns[position]
        tokens = [first, *reader.many(axis.counts[position] - 1)]
        values[column] = iter(_values(tokens, profile.columns[column].decimals, doubles))
    if reader.left:
        raise Malformed(f"{reader.left} bytes after the last token", "none")
    if next(doubles, None) is not None:
        raise Malformed("more doubles than tokens that call for one", "as many")
    return list(chain.from_iterable(_readings(axis, values) for axis in axes))


def _read_axes(profile: Profile, reader: varint.Reader) -> list[_Axis]:
    axes = []
    group = readings = previous_ms = 0
    while group < len(profile.groups):
        header = reader.one()
        if header < 1 << _ROWS_SHIFT:
            group += header + 1
            continue
        room = MAX_READINGS - readings
        axis = _read_axis(profile.groups[group], header, reader, previous_ms, room)
        axes.append(axis)
        previous_ms = axis.rows_ms[0]
        readings += len(axis.cells)
        group += 1
    if group > len(profile.groups):
        raise Malformed(f"{group} groups skipped and used", f"{len(profile.groups)} in the profile")
    return axes


def _read_axis(
    group: Group, header: int, reader: varint.Reader, previous_ms: int, room: int
) -> _Axis:
    """The axis of a group with at most ``room`` readings."""
    rows = header >> _ROWS_SHIFT
    # A row has a reading, and a reading has a token of at least a byte further on: whatever is
    # announced beyond that is refused before anything is done for it.
    _check_room("rows", rows, room, reader)
    tick = varint.wrap(previous_ms // group.tick_ms + varint.unzigzag(reader.one()))
    rows_ms = _read_times(tick, rows, header & _REGULAR, group.tick_ms, reader)
    width = len(group.columns)
    if header & _COMPLETE:
        _check_room("readings", rows * width, room, reader)
        cells: Sequence[int] = range(rows * width)
        counts = [rows] * width
    else:
        cells = _read_runs(rows * width, room, reader)
        counts = [0] * width
        for cell in cells:
            counts[cell % width] += 1
    if len(cells) < rows:
        raise Malformed(f"{len(cells)} readings in {rows} rows", "one in each at least")
    qualities = repeat(0) if header & _GOOD else _read_qualities(len(cells), reader)
    return _Axis(group.columns, rows_ms, cells, qualities, counts)


def _check_room(what: str, number: int, room: int, reader: varint.Reader) -> None:
    if number > min(room, reader.left):
        raise Malformed(
            f"{number} {what} announced", f"{room} readings more, one per byte of {reader.left}"
        )


def _read_times(
    tick: int, rows: int, regular: int, tick_ms: int, reader: varint.Reader
) -> list[int]:
    """The rows' times in ms; ``tick`` is the first row's."""
    step = 0
    ticks = [tick]
    for row in range(1, rows):
        if row == 1 or not regular:
            step = varint.wrap(step + varint.unzigzag(reader.one()))
        following = varint.wrap(tick + step)
        if following < tick:
            raise Malformed(f"row {row} earlier than the row before it", "rows in order of time")
        tick = following
        ticks.append(tick)
    if ticks[0] * tick_ms < _INT64_LOW or tick * tick_ms > _INT64_HIGH:
        raise Malformed("time beyond 64 bits", "ms in signed 64 bits")
    return [tick * tick_ms for tick in ticks]


def _read_runs(size: int, room: int, reader: varint.Reader) -> list[int]:
    """The cells that hold a reading, of ``size`` cells."""
    cells: list[int] = []
    end = 0
    for _ in range(reader.one()):
        start = end + reader.one()
        end = start + reader.one() + 1
        if end > size:
            raise Malformed(f"a reading in cell {end - 1}", f"0 to {size - 1}")
        _check_room("readings", len(cells) + end - start, room, reader)
        cells.extend(range(start, end))
    return cells


def _read_qualities(count: int, reader: varint.Reader) -> list[int]:
    qualities: list[int] = []
    while len(qualities) < count:
        run = reader.one()
        length = run >> 4
        if not 1 <= length <= count - len(qualities):
            raise Malformed(f"a quality for {length} readings", f"1 to {count - len(qualities)}")
        qualities.extend(repeat(run & 0xF, length))
    return qualities


def _values(tokens: Sequence[int], decimals: int, doubles: Iterator[float]) -> list[float | None]:
    scale = 10.0**decimals
    values: list[float | None] = []
    scaled = 0
    for token in tokens:
        if token > _DOUBLE:
            scaled += -(token >> 1) if token & 1 else (token >> 1) - 1
            if not -_EXACT <= scaled <= _EXACT:
                raise Malformed("scaled integer too large", "2^53 either way")
            values.append(scaled / scale)
        elif token == _NO_NUMBER:
            values.append(None)
        else:
            double = next(doubles, math.nan)
            if math.isnan(double):
                raise Malformed("a double that is missing or not a number", "numbers")
            values.append(double)
    return values


def _readings(axis: _Axis, values: Mapping[int, Iterator[float | None]]) -> list[Reading]:
    width = len(axis.columns)
    readings = []
    for cell, quality in zip(axis.cells, axis.qualities, strict=False):
        row, position = divmod(cell, width)
        column = axis.columns[position]
        readings.append(Reading(column, axis.rows_ms[row], next(values[column]), quality))
    if len(set(axis.rows_ms)) < len(axis.rows_ms):  # rows of one tick belong together
        readings.sort(key=lambda reading: (reading.at_ms, reading.column))
    return readings
