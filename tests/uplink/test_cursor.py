"""A link knows what it delivered, also after a power cut, and notices when the journal changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.errors import StoreError
from uplink.cursor import Cursor, Mark, Position
from uplink.ranges import Ranges

POSITION = Position("0a1b2c3d", 2, ((1, 40), (44, 44), (50, 61)), Mark(61, "0123456789abcdef"))


def test_a_position_comes_back(state_dir: Path) -> None:
    """All of it, and without one it starts from nothing."""
    path = state_dir / "link-district.db"
    cursor = Cursor(path)
    assert cursor.load() == Position()
    cursor.store(POSITION)
    cursor.close()
    again = Cursor(path)
    assert again.load() == POSITION
    again.close()


spans = st.lists(st.tuples(st.integers(1, 80), st.integers(0, 9)), max_size=8)


@settings(max_examples=25)
@given(steps=st.lists(spans, max_size=5))
def test_any_sequence_of_positions_comes_back(
    steps: list[list[tuple[int, int]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only differences are written; the sum is the newest position, also if it shrank."""
    path = tmp_path_factory.mktemp("cursor") / "link.db"
    cursor = Cursor(path)
    position = Position()
    for number, spans in enumerate(steps):
        settled = tuple(Ranges((first, first + length) for first, length in spans))
        position = Position("0a1b2c3d", number, settled)
        cursor.store(position)
        cursor.close()
    assert cursor.load() == position
    cursor.close()


def test_it_is_on_disk_when_store_returns(state_dir: Path) -> None:
    """A process killed right after has lost nothing (and the file is synchronous=FULL)."""
    path = state_dir / "link-district.db"
    program = (
        "import os, sys; from pathlib import Path; from uplink.cursor import Cursor, Position\n"
        "cursor = Cursor(Path(sys.argv[1])); cursor.store(Position('0a1b2c3d', 0, ((1, 7),)))\n"
        "assert cursor._connection.execute('PRAGMA synchronous').fetchone() == (2,)\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program, str(path)], env=environment, check=False)
    assert done.returncode == -9
    cursor = Cursor(path)
    assert cursor.load() == Position("0a1b2c3d", 0, ((1, 7),))
    cursor.close()


def test_a_damaged_file_is_set_aside(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, all is sent again, and the link goes on with a new file."""
    path = state_dir / "link-district.db"
    path.write_bytes(b"no database" * 1000)
    cursor = Cursor(path)
    assert cursor.load() == Position()
    assert "cursor_unreadable file=link-district.db" in caplog.text
    assert (state_dir / "link-district.db.damaged").exists()
    cursor.store(POSITION)
    assert cursor.load() == POSITION
    cursor.close()


def test_a_failed_store_leaves_the_old_position(state_dir: Path) -> None:
    """A full disk is a StoreError; what was stored before is intact and the next store is whole."""
    path = state_dir / "link-district.db"
    cursor = Cursor(path)
    cursor.store(POSITION)
    other = sqlite3.connect(path, isolation_level=None)
    pages = other.execute("PRAGMA page_count").fetchone()[0]
    other.close()
    cursor._opened().execute(f"PRAGMA max_page_count = {pages}")
    many = tuple((n, n) for n in range(1, 20_000, 2))
    with pytest.raises(StoreError, match="full"):
        cursor.store(Position("0a1b2c3d", 2, many))
    assert cursor.load() == POSITION
    cursor.store(Position("0a1b2c3d", 2, many))
    assert cursor.load().settled == many
    cursor.close()


def test_an_impossible_folder_is_no_crash(state_dir: Path) -> None:
    """Reading starts from nothing; storing is a StoreError, again and again."""
    cursor = Cursor(state_dir / "absent" / "link.db")
    assert cursor.load() == Position()
    for _ in range(2):
        with pytest.raises(StoreError):
            cursor.store(POSITION)


SAME = "0123456789abcdef"


@pytest.mark.parametrize(
    ("epoch", "tail", "mark_now", "expected"),
    [
        ("0a1b2c3d", 61, SAME, POSITION),
        ("0a1b2c3d", 900, "", POSITION),
        ("ffffffff", 900, SAME, Position("ffffffff", 0)),
        ("0a1b2c3d", 60, "", Position("0a1b2c3d", 3)),
        ("0a1b2c3d", 900, "another record!!", Position("0a1b2c3d", 3)),
    ],
    ids=["same", "mark evicted", "another file", "shorter", "other history of enough length"],
)
def test_the_journal_is_followed(epoch: str, tail: int, mark_now: str, expected: Position) -> None:
    """Another epoch or a rolled back file starts from 0; the same history goes on where it was."""
    assert POSITION.follow(epoch, tail, mark_now) == expected


def test_a_rolled_back_journal_gets_an_epoch_of_its_own() -> None:
    """Else the district would take its new records for old ones. It is one the envelope allows."""
    epochs = [Position("0a1b2c3d", generation).wire_epoch for generation in range(4)]
    assert epochs[0] == "0a1b2c3d"
    assert len(set(epochs)) == 4
    assert all(len(bytes.fromhex(epoch)) == 4 for epoch in epochs)
