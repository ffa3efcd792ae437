"""A black box as a file: zstd over frames of CBOR, each with its length before it; see
docs/black-box.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import zstandard

from edge.core.instant import ClockQuality, Instant, Utc
from edge.core.model import PointId, Quality, Record, RecordKind, Sample, Urgency
from edge.core.units import Unit
from edge.engine.black_box import SAMPLES, Cause, Frame, Input, Item, Noted
from edge.engine.snapshot import Plain, capture, revive
from protocols import cbor
from protocols.malformed import Malformed

FORMAT: Final = "tongluo black box 1"
SUFFIX: Final = ".box"
MOST_BYTES: Final = 256 << 20
"""A box that is larger when decompressed is not read."""
_MOST_FRAME: Final = 16 << 20
_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Head:
    """Where a box comes from and what it is of.

    ``named``: what a state needs beside itself, by name. ``texts``: the site file and profiles of
    its own, by name. ``complete``: it goes on to its planned end; ``cut``: there was no room for
    all of it; ``missed``: so many items were lost before they got there.
    """

    program: str
    site: str
    run: str
    config: str
    named: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    complete: bool = True
    cut: bool = False
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """All of a box. ``state`` is the decider's when the first item came; empty: nobody knows."""

    head: Head
    state: Sequence[Plain]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A state ready to be written, more than once."""

    nodes: int = 0
    data: bytes = b""


def pack(state: Sequence[Plain]) -> Packed:
    """The frames of a state."""
    return Packed(len(state), b"".join(map(_frame, state)))


def encode(head: Head, state: Packed, items: Iterable[Item], named: Mapping[str, object]) -> bytes:
    """The file's bytes. ``named``: see snapshot.capture. Raises Unplain."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    parts = [compressor.compress(_frame(_head_frame(head, state.nodes)))]
    parts.append(compressor.compress(state.data))
    # what lies in time before what it caused may have been handed over after it
    ordered = sorted(items, key=_place)
    parts += [compressor.compress(_frame(_packed(item, named))) for item in ordered]
    parts.append(compressor.flush())
    return b"".join(parts)


def _frame(content: object) -> bytes:
    data = cbor.encode(content)
    return len(data).to_bytes(4, "big") + data


def _head_frame(head: Head, nodes: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "program": head.program,
        "site": head.site,
        "run": head.run,
        "config": head.config,
        "named": dict(head.named),
        "texts": dict(head.texts),
        "causes": [[c.rule, c.id, c.at, c.utc_ms, c.level] for c in head.causes],
        "complete": head.complete,
        "cut": head.cut,
        "missed": head.missed,
        "nodes": nodes,
    }


def _place(item: Item) -> tuple[Instant, bool]:
    """Bytes that came stand before what was read from them."""
    return item.at, not (isinstance(item, Frame) and not item.sent)


def _packed(item: Item, named: Mapping[str, object]) -> list[object]:
    match item:
        case Frame():
            return ["frame", item.at, item.line, item.sent, item.data]
        case Noted():
            record = item.record
            return [
                "note", item.at, record.kind.value, int(record.urgency), record.utc.ms,
                record.utc.quality.value, record.body,
            ]  # fmt: skip
        case Input():
            samples = [_sample(each) for each in item.arguments if isinstance(each, Sample)]
            if item.method == SAMPLES and len(samples) == len(item.arguments):
                return [SAMPLES, item.at, *samples]
            return ["input", item.at, item.method, *capture(item.arguments, named)]


def _sample(sample: Sample) -> list[object]:
    return [
        sample.point, sample.value, sample.unit.value, sample.quality.value, sample.at,
        sample.utc.ms, sample.utc.quality.value, sample.seq,
    ]  # fmt: skip


def decode(data: bytes, named_of: Callable[[Head], Mapping[str, object]]) -> Box:
    """The box that the bytes are. Raises Malformed."""
    frames = _unpacked(data)
    try:
        first = next(frames)
        if not isinstance(first, dict) or first.get("format") != FORMAT:
            raise Malformed("no black box of this version", FORMAT)
        head = _head(first)
        named = named_of(head)
        state: list[Plain] = [next(frames) for _ in range(int(first["nodes"]))]
        return Box(head, state, tuple(_item(frame, named) for frame in frames))
    except (KeyError, TypeError, ValueError, StopIteration, RuntimeError, AttributeError) as error:
        raise Malformed(f"a black box that cannot be read: {error!r}") from error


def _unpacked(data: bytes) -> Iterator[Any]:
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data)
        total = 0
        while head := _exactly(reader, 4):
            size = int.from_bytes(head, "big")
            total += size
            if size > _MOST_FRAME or total > MOST_BYTES:
                raise Malformed(f"a frame of {size} bytes", f"at most {_MOST_FRAME}")
            frame = _exactly(reader, size)
            yield cbor.decode(frame, max_bytes=_MOST_FRAME)
    except zstandard.ZstdError as error:
        raise Malformed(f"not the compressed form: {error}") from error


def _exactly(reader: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    """So many bytes, or none at the end of the stream. Raises Malformed for fewer."""
    data = b""
    while len(data) < size and (more := reader.read(size - len(data))):
        data += more
    if data and len(data) < size:
        raise Malformed("the file ends within a frame")
    return data


def _head(said: Mapping[str, Any]) -> Head:
    return Head(
        program=str(said["program"]),
        site=str(said["site"]),
        run=str(said["run"]),
        config=str(said["config"]),
        named={str(key): str(value) for key, value in said["named"].items()},
        texts={str(key): str(value) for key, value in said["texts"].items()},
        causes=tuple(Cause(*each) for each in said["causes"]),
        complete=bool(said["complete"]),
        cut=bool(said["cut"]),
        missed=int(said["missed"]),
    )


def _item(frame: Any, named: Mapping[str, object]) -> Item:
    match frame:
        case ["frame", int(at), str(line), bool(sent), bytes(data)]:
            return Frame(Instant(at), line, sent, data)
        case ["note", int(at), str(kind), int(urgency), int(utc_ms), str(quality), dict(body)]:
            utc = Utc(utc_ms, ClockQuality(quality))
            return Noted(Instant(at), Record(RecordKind(kind), Urgency(urgency), utc, body))
        case ["samples", int(at), *samples]:
            return Input(Instant(at), SAMPLES, tuple(_sample_of(*each) for each in samples))
        case ["input", int(at), str(method), *nodes]:
            arguments = revive(nodes, named)
            if not isinstance(arguments, tuple):
                raise ValueError("an input without arguments")
            return Input(Instant(at), method, arguments)
    raise ValueError("an item of no known kind")


def _sample_of(
    point: str, value: float | None, unit: str, quality: str, at: int, utc_ms: int, clock: str,
    seq: int,
) -> Sample:  # fmt: skip
    utc = Utc(utc_ms, ClockQuality(clock))
    return Sample(PointId(point), value, Unit(unit), Quality(quality), Instant(at), utc, seq)


def write(path: Path, data: bytes) -> None:
    """Put a file there durably, whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def make_room(folder: Path, *, most_files: int, most_bytes: int) -> list[str]:
    """Remove the oldest boxes beyond these bounds; their names. Raises OSError."""
    boxes = sorted(folder.glob(f"*{SUFFIX}"))
    sizes = {box: box.stat().st_size for box in boxes}
    total = sum(sizes.values())
    removed: list[str] = []
    for box in boxes[:-1]:
        if len(boxes) - len(removed) <= most_files and total <= most_bytes:
            break
        box.unlink()
        total -= sizes[box]
        removed.append(box.name)
    return removed


def of_causes(causes: Iterable[Cause]) -> str:
    """The name of the file for these alarms: the first one's time, UTC in ms, and its rule."""
    first = next(iter(causes))
    rule = "".join(each if each.isalnum() or each in "-_" else "_" for each in first.rule)
    return f"{max(0, first.utc_ms):013d}-{rule[:64]}{SUFFIX}"
