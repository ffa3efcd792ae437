"""The running agent on recorded samples, in virtual time: what a back-test has to agree with.

The agent is composed as on site; only its sensor is a fake one, that says each sample when it was
recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from drivers.bus.port import Opener, Port
from edge.app.compose import compose
from edge.app.config import BusConfig, Site
from edge.core.instant import NS_PER_MS, Instant
from edge.core.model import PointId, Quality, RecordKind, Sample
from edge.core.units import Unit
from tools.virtual_clock import VirtualClock
from tools.virtual_village import MemoryJournal

_REST_MS = 60_000


class Recorded(NamedTuple):
    """A sample as it was recorded."""

    at_ms: int
    point: PointId
    value: float | None
    quality: Quality = Quality.GOOD


def live_log(
    site: Site, recorded: Sequence[Recorded], *, since_boot_ns: int | None = None
) -> list[str]:
    """What the agent's journal has of its decisions, a line each.

    ``recorded`` is in order; what is of one moment is one answer of one device. Monotonic time
    begins at ``since_boot_ns``, or is wall time.
    """
    begin_ms = recorded[0].at_ms - _REST_MS
    journal = MemoryJournal()
    booted_ns = begin_ms * NS_PER_MS if since_boot_ns is None else since_boot_ns
    clock = VirtualClock(utc_ms=begin_ms, now=Instant(booted_ns))
    agent = compose(site, clock, journal, run="recorded", opener_of=_no_port)
    units = {point.id: point.unit for point in site.points}
    moments = [(at_ms, list(rows)) for at_ms, rows in groupby(recorded, key=lambda row: row.at_ms)]
    _say_next(iter(moments), clock, agent.pipeline.on_samples, units)
    clock.run_for((recorded[-1].at_ms - begin_ms + _REST_MS) / 1000)
    return [
        decision_of(record.utc.ms, record.body)
        for record in journal.records
        if record.kind is RecordKind.ALARM
    ]


def decision_of(utc_ms: int, body: Mapping[str, object]) -> str:
    """The line of a journal record, independent of how a back-test writes its own."""
    whole = {"utc_ms": utc_ms, **body}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _say_next(
    moments: Iterable[tuple[int, list[Recorded]]],
    clock: VirtualClock,
    on_samples: Callable[[tuple[Sample, ...]], None],
    units: Mapping[PointId, Unit],
) -> None:
    """Schedule the next moment; it schedules the one after it, so that the calls stay few."""
    coming = iter(moments)
    following = next(coming, None)
    if following is None:
        return
    at_ms, rows = following
    at = Instant(clock.now() + (at_ms - clock.utc().ms) * NS_PER_MS)

    def speak() -> None:
        now, utc = clock.now(), clock.utc()
        on_samples(
            tuple(
                Sample(row.point, row.value, units[row.point], row.quality, now, utc)
                for row in rows
            )
        )
        _say_next(coming, clock, on_samples, units)

    clock.call_at(at, speak)


def _no_port(bus: BusConfig) -> Opener:
    def open_port(*_: object) -> Port:
        raise AssertionError(f"nobody opens {bus.id}")

    return open_port
