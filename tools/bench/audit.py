"""``python -m tools.bench.audit [--json]``: what the audit chain costs, and whether it finds all.

What is measured and how is told in docs/bench.md. Exit status: 0, 1 if a change was not found.
"""

# ruff: noqa: S608 - it forges files of its own making

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.core.instant import Instant, Utc
from edge.core.model import PointId, Quality, Record, RecordKind, Sample, Urgency
from edge.core.units import Unit
from edge.engine import audit
from edge.engine.audit import Content, Source, Stamp
from edge.engine.audit_file import verify
from edge.engine.audit_head import head_path
from edge.engine.box_keeper import BoxKeeper, Limits
from edge.engine.store import Store
from protocols.envelope import encode_body
from tools.virtual_clock import VirtualClock

_SLICES = 7
_ROUNDS = 20_000
_SEGMENT = 1000
_ALTERED = (
    ("record", "kind", "'command'"),
    ("record", "urgency", "urgency + 1"),
    ("record", "utc_ms", "utc_ms + 1"),
    ("record", "quality", "'synced'"),
    ("record", "body", "CAST(body || x'00' AS BLOB)"),
    ("audit", "n", "n + 100000"),
    ("audit", "run", "'ffffff'"),
    ("audit", "config", "'00'"),
    ("audit", "mono_ms", "mono_ms + 1"),
    ("audit", "digest", "zeroblob(32)"),
    ("audit", "head", "zeroblob(32)"),
)
_COLUMNS = {
    "record": "kind, urgency, utc_ms, quality, body",
    "audit": "n, run, config, mono_ms, digest, head",
}


def alarm(number: int) -> Record:
    """A record as large as an alarm with two readings as evidence."""
    reading = {"point": "river.level", "value": 3.217, "unit": "m", "quality": "good", "utc_ms": 1}
    body: dict[str, object] = {
        "rule": "river-flood", "id": f"river-flood/{number}", "current": "red", "level": "red",
        "highest": "red", "phase": "active, unacknowledged", "revision": number, "since_ms": number,
        "since_clock": "synced", "acknowledged_by": "", "evidence": [reading, reading],
        "change": "raised",
    }  # fmt: skip
    return Record(RecordKind.ALARM, Urgency.ALARM, Utc(1_718_158_500_000 + number), body)


def write_segment(path: Path, records: int) -> None:
    """A journal of so many links."""
    store = Store(path, "bench", 1 << 40)
    store.open(0)
    for first in range(0, records, 500):
        batch = [alarm(number) for number in range(first, min(records, first + 500))]
        store.append([(r, encode_body(r.body), Stamp("run", "c" * 64, 1)) for r in batch])
    store.finish()
    store.close()


def best_ns(call: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """The median of some slices, nanoseconds of processor time per call."""
    slices = []
    for _ in range(_SLICES):
        began = time.thread_time_ns()
        for _ in range(rounds):
            call()
        slices.append((time.thread_time_ns() - began) / rounds)
    return statistics.median(slices)


def measure_chain() -> dict[str, float]:
    """Per record: the digest, the head, and one that the journal does not chain for comparison."""
    record = alarm(1)
    body = encode_body(record.body)
    content = Content("alarm", 0, record.utc.ms, "unknown", body)
    source, stamp = Source("bench", "00000000"), Stamp("run", "c" * 64, 1)
    digest = audit.digest(source, 1, 1, stamp, content)
    return {
        "digest_ns": best_ns(lambda: audit.digest(source, 1, 1, stamp, content)),
        "head_ns": best_ns(lambda: audit.follow(digest, digest)),
        "encode_body_ns": best_ns(lambda: encode_body(record.body), _ROUNDS // 10),
    }


def measure_box(folder: Path) -> dict[str, float]:
    """What the alarm path gives to the black box, nanoseconds per call."""
    limits = Limits(60.0, 60.0, 8 << 20, 10, 1 << 24)
    box = BoxKeeper(folder, limits, VirtualClock(), lambda _: None)
    at = Instant(1)
    samples = (Sample(PointId("river.level"), 3.2, Unit.METRE, Quality.GOOD, at, Utc(1)),)
    data, record = b"\x05\x03\x02\x03\x20\x48\xac", alarm(1)
    return {
        "box_frame_ns": best_ns(lambda: box.frame("field", at, False, data)),
        "box_tell_ns": best_ns(lambda: box.tell(at, "samples", samples)),
        "box_note_ns": best_ns(lambda: box.note(record)),
    }


def measure_verify(folder: Path, records: int) -> dict[str, float]:
    """A whole walk, microseconds of processor time per link."""
    path = folder / "long.db"
    write_segment(path, records)
    began = time.process_time()
    result = verify(path)
    took = time.process_time() - began
    if result.fault is not None:
        raise AssertionError(result.fault)
    return {"verify_us": took / records * 1e6}


def alter(db: sqlite3.Connection, draw: random.Random) -> str:
    """One change anywhere in a segment; what it was."""
    seq = draw.randint(1, _SEGMENT)
    what = draw.choice(("edit", "delete", "swap", "insert", "truncate"))
    match what:
        case "edit":
            table, column, value = draw.choice(_ALTERED)
            db.execute(f"UPDATE {table} SET {column} = {value} WHERE seq = {seq}")
        case "delete":
            db.execute(f"DELETE FROM record WHERE seq = {seq}")
            if draw.random() < 0.5:
                db.execute(f"DELETE FROM audit WHERE seq = {seq}")
        case "swap":
            table = draw.choice(("record", "audit"))
            pair = (min(seq, _SEGMENT - 1), min(seq, _SEGMENT - 1) + 1)
            swap(db, table, _COLUMNS[table], *pair)
        case "insert":
            columns = _COLUMNS["record"]
            db.execute(
                f"INSERT INTO record ({columns}) SELECT {columns} FROM record WHERE seq = {seq}"
            )
        case "truncate":
            for table in ("record", "audit"):
                db.execute(f"DELETE FROM {table} WHERE seq >= {seq}")
            db.execute(f"UPDATE sqlite_sequence SET seq = {seq - 1} WHERE name = 'record'")
    return what


def swap(db: sqlite3.Connection, table: str, columns: str, one: int, two: int) -> None:
    """Give two rows each other's contents."""
    values = [
        db.execute(f"SELECT {columns} FROM {table} WHERE seq = {seq}").fetchone()
        for seq in (one, two)
    ]
    marks = ", ".join("?" * len(values[0]))
    for seq, row in ((one, values[1]), (two, values[0])):
        db.execute(f"UPDATE {table} SET ({columns}) = ({marks}) WHERE seq = {seq}", row)


def measure_tampering(folder: Path, count: int) -> dict[str, float]:
    """How many of so many random changes to segments of 1 000 records are found."""
    segment, copy = folder / "segment.db", folder / "copy.db"
    write_segment(segment, _SEGMENT)
    shutil.copy(head_path(segment), head_path(copy))
    draw = random.Random(1)
    missed: list[str] = []
    for number in range(count):
        shutil.copy(segment, copy)
        db = sqlite3.connect(copy)
        with db:
            what = alter(db, draw)
        db.close()
        if verify(copy).fault is None:
            missed.append(what)
        if number % 500 == 499:
            print(f"{number + 1} of {count}", file=sys.stderr)
    return {"tampered": count, "found": count - len(missed)}


def main() -> int:
    """Measure, print; 1 if a change was not found."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.audit", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tampered", type=int, default=10_000, help="changes to try")
    parser.add_argument("--records", type=int, default=200_000, help="of the long walk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {
            **measure_chain(),
            **measure_box(folder / "box"),
            **measure_verify(folder, options.records),
            **measure_tampering(folder, options.tampered),
        }
    for key, value in figures.items():
        print(f"{key:20} {value:14.1f}")
    if options.json:
        settings = {"tampered": options.tampered, "records": options.records}
        share = figures["found"] / max(1.0, figures["tampered"])
        result = {
            "bench": "audit", "settings": settings, "figures": figures,
            "ratios": {"found": share},
        }  # fmt: skip
        print(json.dumps(result))
    return 0 if figures["found"] == figures["tampered"] else 1


if __name__ == "__main__":
    sys.exit(main())
