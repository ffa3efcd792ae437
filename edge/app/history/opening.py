"""From paths on a command line to the sources behind them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.app.history.csv_file import CsvFile
from edge.app.history.journal_file import JournalFile
from edge.app.history.mapping import Catalogue
from edge.app.history.parquet_file import ParquetFile
from edge.app.history.source import Absent, Source
from edge.app.history.wrong import unreadable, wrong

JOURNAL = "journal.db"
_PARQUET = (".parquet", ".pq")
_TABLES = (".csv", *_PARQUET)


def open_sources(
    paths: Iterable[Path], catalogue: Catalogue, absent: Absent, zone: ZoneInfo | None
) -> list[Source]:
    """A source per file; a folder stands for its journal, or for the tables in it.

    Raises ConfigError for what is not there or of no known kind, StoreError for a journal.
    """
    found: list[Source] = []
    for path in paths:
        for file in _files(path):
            if file.name.endswith(".db"):
                found.append(JournalFile(file, catalogue))
            elif file.suffix.lower() in _PARQUET:
                found.append(ParquetFile(file, catalogue, absent, zone))
            else:
                found.append(CsvFile(file, catalogue, absent, zone))
    return found


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            if (path / JOURNAL).exists():
                return [path / JOURNAL]
            tables = sorted(each for each in path.iterdir() if each.suffix.lower() in _TABLES)
            if not tables:
                raise wrong(path, None, "empty-folder", allowed=", ".join((JOURNAL, *_TABLES)))
            return tables
        path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    if path.suffix.lower() not in (*_TABLES, ".db"):
        raise wrong(path, None, "unknown-kind", allowed=", ".join((*_TABLES, ".db")))
    return [path]
