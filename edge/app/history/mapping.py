"""Which series of a file is which point of a site, and in which unit it was logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edge.app.config.fields import Label, PointReference, WrittenQuantity, WrittenUnit, real
from edge.app.config.items import Table, read_item, report_unknown_key
from edge.app.config.problems import SiteProblems, listed, suggest
from edge.app.config.source import read_source
from edge.core.errors import ConfigError
from edge.core.model import Point, PointId, Quality
from edge.core.units import Quantity, Unit, UnitMismatch, convert, dimension, parse_unit
from edge.locale import text

_WRITTEN = re.compile(r"(?P<name>.+?)=(?P<point>[^=:]+)(?::(?P<unit>[^:]+))?")


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a file. Its number times ``scale`` is in ``unit`` (None: the point's); to that
    ``offset`` is added. ``missing``: numbers that stand for no reading. ``silence_ms``: after so
    long without a row its sensor counts as lost."""

    name: str
    point: PointId
    unit: Unit | None = None
    scale: float = 1.0
    offset: Quantity | None = None
    missing: Mapping[str, Quality] = field(default_factory=dict)
    silence_ms: int | None = None


class SeriesEntry(Table):
    """``[[series]]`` of a mapping file."""

    name: Label
    point: PointReference
    unit: WrittenUnit | None = None
    scale: Annotated[float, real(-1e12, 1e12)] = 1.0
    offset: WrittenQuantity | None = None
    missing: list[str] = []  # noqa: RUF012 - a model's default, copied for each
    silence_s: Annotated[float, real(0.1, 1e9)] | None = None


def parse_map(written: str) -> Series:
    """``n00_dist=river.level`` or ``n00_dist=river.level:cm``. Raises ConfigError."""
    match = _WRITTEN.fullmatch(written.strip())
    if match is None:
        raise ConfigError(text("history.bad-map", found=written), hint=text("history.map-form"))
    unit: Unit | None = None
    if match["unit"] is not None:
        try:
            unit = parse_unit(match["unit"].strip())
        except ValueError:
            units = [each.value for each in Unit if each.value]
            raise ConfigError(
                text("history.bad-map-unit", found=match["unit"], allowed=listed(units)),
                hint=suggest(match["unit"], units),
            ) from None
    return Series(match["name"].strip(), PointId(match["point"].strip()), unit)


def read_map_file(path: Path) -> list[Series]:
    """The ``[[series]]`` of a mapping file. Raises SiteProblems with all that is wrong."""
    source = read_source(path)
    findings, found = source.findings, list[Series]()
    document = source.document or {}
    for key in document:
        if key != "series":
            report_unknown_key(findings, (key,), ["series"])
    entries = document.get("series", [])
    for number, raw in enumerate(entries if isinstance(entries, list) else [entries]):
        item = read_item(SeriesEntry, raw, ("series", number), findings)
        if item is None or item.value is None:
            continue
        entry = item.value
        silence_ms = None if entry.silence_s is None else round(entry.silence_s * 1000)
        found.append(
            Series(
                entry.name, PointId(entry.point), entry.unit, entry.scale, entry.offset,
                dict(map(parse_missing, entry.missing)), silence_ms,
            )
        )  # fmt: skip
    if findings.problems:
        raise SiteProblems(tuple(findings.problems))
    return found


def parse_missing(written: str) -> tuple[str, Quality]:
    """``-9999`` or ``-9999=stale``: what stands for no reading, and its quality.

    Raises ConfigError if there is no such quality, or it says that the reading is good.
    """
    value, _, name = written.partition("=")
    if not name:
        return value.strip(), Quality.ERROR_WORD
    allowed = [quality.value for quality in Quality if quality is not Quality.GOOD]
    if name.strip() not in allowed:
        raise ConfigError(text("history.bad-quality", found=name, allowed=", ".join(allowed)))
    return value.strip(), Quality(name.strip())


@dataclass(slots=True)
class Catalogue:
    """The series that are read, by number. ``series[n]`` is the mapping of number n.

    A name may have several numbers: a journal brings the unit of its own time.
    """

    mapped: Mapping[str, Series]
    series: list[Series] = field(default_factory=list)
    numbers: dict[tuple[str, Unit | None], int] = field(default_factory=dict)

    def number(self, name: str, unit: Unit | None = None) -> int | None:
        """The number of a series of this name and logged unit; None if nobody needs it."""
        given = self.mapped.get(name)
        if given is None:
            return None
        unit = given.unit or unit
        key = (name, unit)
        if key not in self.numbers:
            self.numbers[key] = len(self.series)
            self.series.append(
                Series(name, given.point, unit, given.scale, given.offset, given.missing,
                       given.silence_ms)
            )  # fmt: skip
        return self.numbers[key]


def catalogue(given: Sequence[Series], points: Iterable[PointId]) -> Catalogue:
    """What is written for some series, and for all others that a point's name is its series.

    Raises ConfigError for a series that is given twice or a point that no site has.
    """
    known = sorted(set(points))
    mapped: dict[str, Series] = {}
    for series in given:
        if series.name in mapped:
            raise ConfigError(text("history.mapped-twice", found=series.name))
        if series.point not in known:
            raise ConfigError(
                text("history.no-point", found=series.point, allowed=listed(known)),
                hint=suggest(series.point, known),
            )
        mapped[series.name] = series
    taken = {series.point for series in given}
    for point in known:
        # a point that is fed by another series is not also fed by one of its own name
        if point not in taken:
            mapped.setdefault(point, Series(point, point))
    return Catalogue(mapped)


def transform(series: Series, point: Point) -> Callable[[float], float] | None:
    """From a number of the file to the point's stored unit; None if it is that already.

    Raises ConfigError if the units measure different things. 320 cm are exactly 3.2 m.
    """
    unit = series.unit or point.unit
    try:
        factor = convert(1.0, unit, point.unit)
        offset = series.offset.to(point.unit) if series.offset is not None else 0.0
    except UnitMismatch as error:
        raise ConfigError(
            text(
                "history.unit-mismatch", series=series.name, found=error.found.value,
                point=point.id, wanted=point.unit.value, dimension=dimension(point.unit),
            )
        ) from None  # fmt: skip
    scale = series.scale
    if scale == 1.0 and offset == 0.0:
        if factor == 1.0:
            return None
        divisor = round(1 / factor) if factor < 1 else 0
        if divisor and abs(1 / divisor - factor) < 1e-15:
            return lambda value: value / divisor
    return lambda value: float(f"{value * scale * factor + offset:.12g}")
