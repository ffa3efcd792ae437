"""Where rows come from: the seam, and what all tables of readings have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from edge.analysis.backtest.model import Intake, Row
from edge.app.history.mapping import Catalogue
from edge.app.history.wrong import wrong
from edge.core.model import Quality

BATCH_ROWS: Final = 20_000
"""Rows that are worked on at once: some megabytes of memory."""
MOST_NAMES: Final = 10_000
"""Different series in one file; with more, the wrong column was taken for the series."""

MISSING_WORDS: Final = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "--"})
"""What stands for no reading without being told; letters may be large."""


class Source(Protocol):
    """Rows of one file or journal. ``name`` is for people."""

    name: str

    @property
    def progress(self) -> float:
        """How far it was read, 0 to 1."""
        ...

    @property
    def weight(self) -> int:
        """Its size in bytes, to weigh the progress of several."""
        ...

    def batches(self, intake: Intake) -> Iterator[list[Row]]:
        """All rows, some ten thousand at a time, as they stand. Raises ConfigError."""
        ...


class Columns:
    """Which columns of a table are what. ``picked``: their places, in the order of ``roles``."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        """Raises ConfigError if there is no time, no series or no value."""
        names = [name.strip().lower() for name in header]
        times = [name for name in ("time", "time_ms") if name in names]
        series = ("series",) if "series" in names else ("device", "point")
        roles = [*times[:1], *series, "value"]
        if not times or not set(roles) <= set(names) or len(set(names)) < len(names):
            raise wrong(path, 1, "columns", found=",".join(names))
        self.per_second = 1000 if times[0] == "time_ms" else 1
        self.joined = len(series) == 2
        self.has_quality = "quality" in names
        roles += ["quality"] if self.has_quality else []
        self.roles = tuple(roles)
        self.picked = tuple(names.index(role) for role in roles)


class Names:
    """From the names in a file to numbers of series; what nobody needs is counted by name."""

    def __init__(self, path: Path, catalogue: Catalogue, intake: Intake) -> None:
        self._path = path
        self._catalogue = catalogue
        self._intake = intake
        self.known: dict[str, int | None] = {}

    def number(self, name: str) -> int | None:
        """The number of a series, None if nobody needs it. Raises ConfigError for too many."""
        if name not in self.known:
            if len(self.known) >= MOST_NAMES:
                raise wrong(self._path, None, "too-many-series", allowed=MOST_NAMES)
            self.known[name] = self._catalogue.number(name.strip())
        return self.known[name]

    def ignore(self, name: str) -> None:
        """Count a row that nobody needs."""
        self._intake.ignored[name] += 1


class Absent:
    """Numbers that stand for no reading, by series."""

    def __init__(self, catalogue: Catalogue, everywhere: Mapping[str, Quality]) -> None:
        self._catalogue = catalogue
        self._everywhere = everywhere
        self.words = {word.lower(): quality for word, quality in everywhere.items()}

    @cached_property
    def all_numbers(self) -> frozenset[float]:
        """Those of any series."""
        given = [each.missing for each in self._catalogue.mapped.values()]
        return frozenset(
            number
            for table in (self._everywhere, *given)
            for written in table
            if (number := _number(written)) is not None
        )

    def numbers(self, series: int) -> Mapping[float, Quality]:
        """Of one series, with what holds for all."""
        found: dict[float, Quality] = {}
        given = self._catalogue.series[series].missing
        for written, quality in [*self._everywhere.items(), *given.items()]:
            number = _number(written)
            if number is not None:
                found[number] = quality
        return found

    def word(self, series: int, written: str) -> Quality | None:
        """The quality that a text stands for; None if it should have been a number."""
        word = written.strip().lower()
        given = self._catalogue.series[series].missing
        by_series = {each.lower(): quality for each, quality in given.items()}
        found = by_series.get(word, self.words.get(word))
        return Quality.NO_ANSWER if found is None and word in MISSING_WORDS else found


def _number(written: str) -> float | None:
    try:
        return float(written)
    except ValueError:
        return None
