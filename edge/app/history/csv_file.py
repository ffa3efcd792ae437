"""Readings in CSV: ``time,series,value`` or ``time,device,point,value``, with a header."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.mapping import Catalogue
from edge.app.history.source import BATCH_ROWS, Absent, Columns, Names
from edge.app.history.times import NoTime, parse_time
from edge.app.history.wrong import unreadable, wrong
from edge.core.errors import ConfigError
from edge.core.model import Quality

_QUALITIES = {quality.value: quality for quality in Quality}
_DELIMITERS = ",;\t"
_LONGEST_HEADER: Final = 1 << 16


class Reader(Protocol):
    """What csv.reader gives."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Rows."""
        ...

    def __next__(self) -> list[str]:
        """The next row."""
        ...


class CsvFile:
    """One CSV file, read once from begin to end; satisfies Source."""

    def __init__(
        self, path: Path, catalogue: Catalogue, absent: Absent, zone: ZoneInfo | None
    ) -> None:
        self.name = path.name
        self._path = path
        self._catalogue = catalogue
        self._absent = absent
        self._zone = zone
        self._read = 0
        try:
            self.weight = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from None

    @property
    def progress(self) -> float:
        """How far the file was read, 0 to 1."""
        return self._read / self.weight if self.weight else 1.0

    def batches(self, intake: Intake) -> Iterator[list[Row]]:
        """See Source."""
        try:
            with self._path.open("rb") as raw:
                first = raw.readline(_LONGEST_HEADER).decode("utf-8-sig")
                raw.seek(0)
                delimiter = max(_DELIMITERS, key=first.count)
                with io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines:
                    reader = csv.reader(lines, delimiter=delimiter, strict=True)
                    for batch in self._parsed(reader, intake):
                        self._read = raw.tell()
                        yield batch
        except OSError as error:
            raise unreadable(self._path, error) from None
        except UnicodeDecodeError:
            raise wrong(self._path, None, "not-text") from None
        self._read = self.weight

    def _parsed(self, reader: Reader, intake: Intake) -> Iterator[list[Row]]:
        try:
            header = next(reader, [])
            if not header:
                raise wrong(self._path, None, "empty")
            parser = _Parser(self._path, self._zone, Columns(self._path, header), self._absent)
            names = Names(self._path, self._catalogue, intake)
            line = 0
            while reader.line_num > line:
                line = reader.line_num
                yield parser.read(reader, names, intake)
        except csv.Error as error:
            raise wrong(self._path, reader.line_num, "not-csv", reason=str(error)) from None


class _Parser:
    """What is the same for all rows of a file, and where it stands in time."""

    def __init__(self, path: Path, zone: ZoneInfo | None, columns: Columns, absent: Absent) -> None:
        self._path = path
        self._zone = zone
        self._columns = columns
        self._absent = absent
        self._missing: dict[int, Mapping[float, Quality]] = {}
        self._newest_ms = 0

    def read(self, reader: Reader, names: Names, intake: Intake) -> list[Row]:
        """The next rows, at most BATCH_ROWS of the file."""
        columns, sentinels = self._columns, self._absent.all_numbers
        pick, joined = itemgetter(*columns.picked), columns.joined
        straight = columns.picked == (0, 1, 2) and not joined
        at_value = columns.roles.index("value")
        plain = not columns.has_quality
        known, good = names.known, Quality.GOOD
        batch: list[Row] = []
        append = batch.append
        time_text, at_ms, ignored = "", 0, 0
        for row in islice(reader, BATCH_ROWS):
            try:
                fields = row if straight else pick(row)
                value_text = fields[at_value]
            except IndexError:
                if not row:
                    continue
                raise self._short(reader.line_num, row) from None
            if fields[0] != time_text:
                time_text = fields[0]
                at_ms = self._time(time_text, reader.line_num, intake)
            name = f"{fields[1]}.{fields[2]}" if joined else fields[1]
            number = known[name] if name in known else names.number(name)
            if number is None:
                names.ignore(name)
                ignored += 1
                continue
            try:
                value = float(value_text)
            except ValueError:
                append((at_ms, number, None, self._word(number, value_text, reader)))
                intake.missing += 1
                continue
            # of nan and inf the difference to itself is nan
            if plain and value - value == 0.0 and value not in sentinels:
                append((at_ms, number, value, good))
            else:
                append(self._odd(at_ms, number, value, fields, reader, intake))
        intake.rows += len(batch) + ignored
        return batch

    def _time(self, written: str, line: int, intake: Intake) -> int:
        try:
            at_ms = parse_time(written, per_second=self._columns.per_second, zone=self._zone)
        except NoTime as error:
            raise wrong(self._path, line, error.code, found=written) from None
        if at_ms < self._newest_ms:
            intake.disordered += 1
            intake.first_disorder = intake.first_disorder or f"{self._path.name}:{line}"
        else:
            self._newest_ms = at_ms
        return at_ms

    def _word(self, number: int, written: str, reader: Reader) -> Quality:
        """What a text in place of a number stands for."""
        quality = self._absent.word(number, written)
        if quality is None:
            raise wrong(self._path, reader.line_num, "not-a-number", found=written)
        return quality

    def _odd(
        self, at_ms: int, number: int, value: float, fields: Sequence[str], reader: Reader,
        intake: Intake,
    ) -> Row:  # fmt: skip
        """A row that is not simply a good number."""
        if number not in self._missing:
            self._missing[number] = self._absent.numbers(number)
        quality = self._missing[number].get(value)
        if quality is None and not math.isfinite(value):
            quality = Quality.NO_ANSWER if math.isnan(value) else Quality.GARBLED
        if quality is not None:
            intake.missing += 1
            return at_ms, number, None, quality
        written = fields[-1].strip().lower() or Quality.GOOD.value
        if self._columns.has_quality and written not in _QUALITIES:
            raise wrong(
                self._path, reader.line_num, "no-quality", found=written,
                allowed=", ".join(_QUALITIES),
            )  # fmt: skip
        quality = _QUALITIES[written] if self._columns.has_quality else Quality.GOOD
        intake.bad += quality is not Quality.GOOD
        return at_ms, number, value, quality

    def _short(self, line: int, row: list[str]) -> ConfigError:
        return wrong(
            self._path, line, "short-row", found=len(row), allowed=max(self._columns.picked) + 1
        )
