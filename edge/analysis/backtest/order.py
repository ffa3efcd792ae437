"""Rows into one order: within a source, across sources, and each reading once. Pure.

Everything works on lists of some ten thousand rows, so that memory is bounded whatever the size of
the files, and so that sorting is one call on rows that are nearly in order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from edge.analysis.backtest.model import Intake, Row

_time = itemgetter(0)
_number = itemgetter(1)


def in_order(batches: Iterable[list[Row]], intake: Intake) -> Iterator[list[Row]]:
    """The rows of one source by time; those of one time stay as they stood.

    A row is put where it belongs if it is out of place by no more than half a batch; one that comes
    later is left out and counted, for a running agent could not have had it either.
    """
    held: list[Row] = []
    told: int | None = None
    for batch in batches:
        held += batch
        held.sort(key=_time)
        if told is not None and held and held[0][0] < told:
            late = bisect_left(held, told, key=_time)
            intake.late += late
            del held[:late]
        half = len(held) // 2
        if half:
            told = held[half - 1][0]
            yield held[:half]
            held = held[half:]
    if held:
        yield held


def merged(sources: Sequence[Iterator[list[Row]]]) -> Iterator[list[Row]]:
    """The rows of several sources, each in order, by time; of one time, by source."""
    if len(sources) == 1:
        yield from sources[0]
        return
    open_sources = dict(enumerate(sources))
    pending: dict[int, list[Row]] = {number: [] for number in open_sources}
    while open_sources:
        _refill(open_sources, pending)
        # beyond the end of the shortest piece something may still come in between
        horizon = min((pending[number][-1][0] for number in open_sources), default=None)
        together: list[Row] = []
        for number, rows in pending.items():
            cut = len(rows) if horizon is None else bisect_left(rows, horizon, key=_time)
            together += rows[:cut]
            pending[number] = rows[cut:]
        if together:
            together.sort(key=_time)
            yield together


def _refill(open_sources: dict[int, Iterator[list[Row]]], pending: dict[int, list[Row]]) -> None:
    """Give every source that goes on rows of at least two times, so that some can be passed on."""
    for number, source in list(open_sources.items()):
        while not pending[number] or pending[number][0][0] == pending[number][-1][0]:
            more = next(source, None)
            if more is None:
                del open_sources[number]
                break
            pending[number] += more


@dataclass(slots=True)
class Seen:
    """How a series was covered.

    ``gap_ms``: the longest time between two of its rows, which ended at ``gap_end_ms``.
    """

    rows: int = 0
    first_ms: int = 0
    last_ms: int = 0
    gap_ms: int = 0
    gap_end_ms: int = 0


def each_once(
    batches: Iterable[list[Row]], seen: list[Seen], intake: Intake
) -> Iterator[list[Row]]:
    """Without rows that say the same again; ``seen`` gets an entry for every series."""
    last_ms: list[int | None] = []
    widest: list[int] = []
    said: list[float | None] = []
    for batch in batches:
        missing = max(map(_number, batch), default=-1) + 1 - len(last_ms)
        for _ in range(missing):
            last_ms.append(None)
            widest.append(0)
            said.append(None)
            seen.append(Seen())
        kept: list[Row] = []
        keep = kept.append
        for row in batch:
            at_ms, number, value, _ = row
            last = last_ms[number]
            if last == at_ms:
                if said[number] == value:
                    intake.duplicates += 1
                    continue
                intake.conflicts += 1
            elif last is None:
                seen[number].first_ms = at_ms
            elif at_ms - last > widest[number]:
                widest[number] = at_ms - last
                seen[number].gap_end_ms = at_ms
            last_ms[number] = at_ms
            said[number] = value
            keep(row)
        intake.taken += len(kept)
        for number, count in Counter(map(_number, kept)).items():
            seen[number].rows += count
            seen[number].last_ms = last_ms[number] or 0
            seen[number].gap_ms = widest[number]
        if kept:
            yield kept
