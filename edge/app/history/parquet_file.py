"""Readings in Parquet: the same columns as in CSV. Needs pyarrow, which only this brings in."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.mapping import Catalogue
from edge.app.history.source import BATCH_ROWS, Absent, Columns, Names
from edge.app.history.wrong import unreadable, wrong
from edge.core.errors import TongluoError
from edge.core.model import Quality
from edge.locale import text

_QUALITIES = {quality.value: quality for quality in Quality}


class ParquetFile:
    """One Parquet file, read by row groups; satisfies Source."""

    def __init__(
        self, path: Path, catalogue: Catalogue, absent: Absent, zone: ZoneInfo | None
    ) -> None:
        """Raises TongluoError with what to install if pyarrow is not there."""
        self.name = path.name
        self._path = path
        self._catalogue = catalogue
        self._absent = absent
        self._zone = zone
        self._arrow: Any = _arrow("pyarrow")
        self._parquet: Any = _arrow("pyarrow.parquet")
        self._rows = self._total = 0
        self._newest_ms = 0
        self._missing: dict[int, Mapping[float, Quality]] = {}
        try:
            self.weight = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from None

    @property
    def progress(self) -> float:
        """How many of its rows were read, 0 to 1."""
        return self._rows / self._total if self._total else 0.0

    def batches(self, intake: Intake) -> Iterator[list[Row]]:
        """See Source."""
        try:
            with self._parquet.ParquetFile(self._path) as file:
                self._total = file.metadata.num_rows
                columns = Columns(self._path, file.schema_arrow.names)
                order = [file.schema_arrow.names[place] for place in columns.picked]
                names = Names(self._path, self._catalogue, intake)
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=order):
                    fields = [batch.column(batch.schema.get_field_index(each)) for each in order]
                    yield self._rows_of(columns, fields, names, intake)
                    self._rows += batch.num_rows
        except self._arrow.ArrowException as error:
            raise wrong(self._path, None, "not-parquet", reason=str(error)) from None
        except OSError as error:
            raise unreadable(self._path, error) from None

    def _rows_of(
        self, columns: Columns, fields: Sequence[Any], names: Names, intake: Intake
    ) -> list[Row]:
        times = self._times(fields[0], columns.per_second)
        series = fields[1].to_pylist()
        if columns.joined:
            series = list(map("{}.{}".format, series, fields[2].to_pylist()))
        values = self._numbers(fields[columns.roles.index("value")])
        given = fields[-1].to_pylist() if columns.has_quality else None
        rows: list[Row] = []
        for place, (at_ms, name, value) in enumerate(zip(times, series, values, strict=True)):
            intake.rows += 1
            if at_ms < self._newest_ms:
                intake.disordered += 1
                intake.first_disorder = intake.first_disorder or self._path.name
            else:
                self._newest_ms = at_ms
            number = names.number(str(name))
            if number is None:
                names.ignore(str(name))
                continue
            quality = self._quality(number, value, given[place] if given else None)
            if quality is Quality.GOOD:
                rows.append((at_ms, number, value, quality))
            else:
                intake.missing += 1
                rows.append((at_ms, number, None, quality))
        return rows

    def _quality(self, number: int, value: float | None, given: object) -> Quality:
        if number not in self._missing:
            self._missing[number] = self._absent.numbers(number)
        if value is None or math.isnan(value):
            return Quality.NO_ANSWER
        if value in self._missing[number]:
            return self._missing[number][value]
        if not math.isfinite(value):
            return Quality.GARBLED
        if given in (None, ""):
            return Quality.GOOD
        if given not in _QUALITIES:
            allowed = ", ".join(_QUALITIES)
            raise wrong(self._path, None, "no-quality", found=str(given), allowed=allowed)
        return _QUALITIES[str(given)]

    def _times(self, column: Any, per_second: int) -> list[int]:
        """Milliseconds since 1970 UTC of timestamps, or of seconds or milliseconds as numbers."""
        arrow, kind = self._arrow, column.type
        compute: Any = _arrow("pyarrow.compute")
        if column.null_count:
            raise wrong(self._path, None, "not-a-time", found="null")
        if arrow.types.is_timestamp(kind):
            if kind.tz is None:
                if self._zone is None:
                    raise wrong(self._path, None, "no-zone", found="time")
                column = compute.assume_timezone(column, self._zone.key)
            whole = compute.cast(column, arrow.timestamp("ms", "UTC"), safe=False)
            return [int(each) for each in compute.cast(whole, arrow.int64()).to_pylist()]
        if arrow.types.is_integer(kind) or arrow.types.is_floating(kind):
            return [round(each * 1000 / per_second) for each in column.to_pylist()]
        raise wrong(self._path, None, "not-a-time", found=str(kind))

    def _numbers(self, column: Any) -> list[float | None]:
        kind = column.type
        if self._arrow.types.is_floating(kind):
            return list(column.to_pylist())
        if self._arrow.types.is_integer(kind) or self._arrow.types.is_decimal(kind):
            return [None if each is None else float(each) for each in column.to_pylist()]
        raise wrong(self._path, None, "not-a-number", found=str(kind))


def _arrow(module: str) -> Any:  # what pyarrow gives has no types
    try:
        return importlib.import_module(module)
    except ImportError:
        raise TongluoError(
            text("history.no-parquet"), hint=text("history.no-parquet-hint")
        ) from None
