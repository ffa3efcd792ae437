"""A year of noisy sensors in virtual time: does it cry wolf, does it miss an event?

The whole walk runs (checks, rules, alarms, plans, dispatch) on readings made here; what it commands
is held against a script of events that it does not know. ``--no-debounce`` shows that the noise is
noise: without holding, spikes must sound.

Usage: python -m tools.bench.false_alarms [--json] [--days 365] [--no-debounce]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drivers.bus.port import OnBytes, OnLost, Port
from edge.app.compose import Agent, compose
from edge.app.config import load_site
from edge.core.instant import NS_PER_S, Instant, seconds_between
from edge.core.model import (
    ActuatorId,
    Command,
    Outcome,
    PointId,
    Quality,
    Record,
    Sample,
    Status,
)
from edge.core.units import Unit
from edge.engine.dispatch import Dispatcher
from tools.virtual_clock import VirtualClock

SENSORS = 32
PERIOD_S = 60
_PER_DAY = 86_400 // PERIOD_S
_EVENTS_PER_DAY = 1
# What the debounce is made for: bursts of one or two readings, never three.
_SPIKES = 1 / 2000
_QUIET_AFTER_SPIKE = 5
_DROPOUTS = 1 / 1000
_LONGEST_DROPOUT = 10
_READINGS = 3
BUDGET_S = PERIOD_S * (_READINGS + _LONGEST_DROPOUT + 1)
_NOISE_M = 0.03
_NOISE_TABLE = 8191

_HEAD = """\
[site]
id = "noise"
name = "noise"
time_zone = "Asia/Shanghai"
"""
_BUS = """
[[bus]]
id = "b{n}"
kind = "rtu"
port = "/dev/ttyUSB{n}"
baud = 115200
data_bits = 8
parity = "none"
stop_bits = 1
"""
_DEVICE = """
[[device]]
id = "{id}"
bus = "b{bus}"
profile = "{profile}"
address = {address}
period_ms = {period_ms}
"""
_RULE = """
[[rule]]
id = "high-{n}"
red = "s{n}.level >= 3.20 m{hold} clear when s{n}.level < 3.00 m"
lost = "hold"
latch = "none"
plan = "sound-{n}"

[[plan]]
id = "sound-{n}"

[[plan.step]]
level = "red"
actuator = "r{board}"
action = "on"
arguments = {{ channel = {channel} }}
stop = "off"
stop_arguments = {{ channel = {channel} }}
until = "returned"
"""


def site_text(*, debounce: bool) -> str:
    """Sensors on four lines, a relay channel for each on four others."""
    parts = [_HEAD]
    parts += [_BUS.format(n=n) for n in range(8)]
    for n in range(SENSORS):
        parts.append(
            _DEVICE.format(
                id=f"s{n}", bus=n // 8, profile="dfrobot-sen0676", address=n % 8 + 1,
                period_ms=PERIOD_S * 1000,
            )
        )  # fmt: skip
    for board in range(4):
        parts.append(
            _DEVICE.format(
                id=f"r{board}", bus=4 + board, profile="relay-8ch", address=1, period_ms=60_000
            )
        )
    hold = f" for {_READINGS} readings" if debounce else ""
    parts += [_RULE.format(n=n, hold=hold, board=n // 8, channel=n % 8 + 1) for n in range(SENSORS)]
    return "".join(parts)


@dataclass(slots=True)
class Event:
    """The water is high at a sensor for so many readings from a reading on."""

    sensor: int
    begin: int
    length: int
    level_m: float
    latency_s: float | None = None


@dataclass(slots=True)
class Tally:
    """What was commanded, held against the script."""

    events: list[Event] = field(default_factory=list)
    false_actuations: int = 0
    actuations: int = 0
    readings: int = 0
    spikes: int = 0
    lost_readings: int = 0


class _Deaf(Port):
    """A line on which nothing is ever heard."""

    def write(self, data: bytes) -> None:
        """Taken, never answered."""

    def close(self) -> None:
        """Nothing to close."""


class _NoJournal:
    """Satisfies Journal; a year of records is not what is measured here."""

    def offer(self, record: Record) -> None:
        """Forget it."""

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Forget them."""


class _Relay:
    """Satisfies Actuator: does everything at once and tells who asks."""

    def __init__(
        self, board: int, told: Callable[[int, Command], None], clock: VirtualClock
    ) -> None:
        self.id = ActuatorId(f"r{board}")
        self.actions = ("on", "off")
        self._board = board
        self._told = told
        self._clock = clock

    def apply(self, command: Command, done: Callable[[Outcome], None]) -> None:
        """Switch."""
        channel = dict(command.arguments)["channel"]
        if command.action == "on" and not command.ensure:
            self._told(self._board * 8 + channel - 1, command)
        now = self._clock.now()
        done(Outcome(command.id, self.id, Status.DONE, now, now, "read-back"))


def script(days: int, seed: int) -> list[Event]:
    """An event every day, at any time, at any sensor; two of one sensor are hours apart."""
    chance = random.Random(seed)
    events = []
    for number in range(days * _EVENTS_PER_DAY):
        begin = number * _PER_DAY + chance.randrange(_PER_DAY // 8, _PER_DAY * 3 // 4)
        events.append(
            Event(
                chance.randrange(SENSORS), begin, chance.randrange(20, 90), chance.uniform(3.4, 6)
            )
        )
    return events


def _levels(sensor: int, events: list[Event], seed: int, tally: Tally) -> Iterator[float | None]:
    """One reading after the other; None is no answer."""
    chance = random.Random(seed * 1000 + sensor)
    noise = [chance.gauss(0, _NOISE_M) for _ in range(_NOISE_TABLE)]
    mine = iter([each for each in events if each.sensor == sensor])
    event = next(mine, None)
    spike = quiet = lost = 0
    number = 0
    while True:
        base = 1.5
        if event is not None and number >= event.begin:
            if number < event.begin + event.length:
                base = event.level_m
            else:
                event = next(mine, None)
        if lost:
            lost -= 1
        elif chance.random() < _DROPOUTS:
            lost = chance.randint(1, _LONGEST_DROPOUT)
        if quiet:
            quiet -= 1
        elif chance.random() < _SPIKES:
            spike = chance.choice((1, 1, 1, 2))
            quiet = spike + _QUIET_AFTER_SPIKE
            tally.spikes += 1
        if lost:
            tally.lost_readings += 1
            yield None
        elif spike:
            yield chance.uniform(3.5, 12)
        else:
            yield base + noise[number % _NOISE_TABLE]
        spike -= spike > 0
        number += 1


def run(days: int, *, debounce: bool, seed: int = 1, progress: bool = False) -> Tally:
    """So many days; returns what happened."""
    tally = Tally(script(days, seed))
    clock = VirtualClock()
    agent = _agent(clock, tally, debounce=debounce)
    sources = [iter(_levels(n, tally.events, seed, tally)) for n in range(SENSORS)]
    points = [PointId(f"s{n}.level") for n in range(SENSORS)]
    walk = agent.pipeline.on_samples
    good, bad = Quality.GOOD, Quality.NO_ANSWER
    began, gap_ns = time.monotonic(), PERIOD_S * NS_PER_S // SENSORS
    for number in range(days * _PER_DAY):
        at = Instant(NS_PER_S + (number + 1) * PERIOD_S * NS_PER_S)
        clock.run_for(seconds_between(clock.now(), at))
        utc = clock.utc()
        for n in range(SENSORS):
            level = next(sources[n])
            value = None if level is None else round(level, 3)
            now = Instant(at + n * gap_ns - PERIOD_S * NS_PER_S)
            walk((Sample(points[n], value, Unit.METRE, bad if level is None else good, now, utc),))
        if progress and number % (_PER_DAY * 10) == 0:
            rate = (number + 1) * SENSORS / max(1e-9, time.monotonic() - began)
            print(f"day {number // _PER_DAY} of {days}, {rate:.0f} readings/s", file=sys.stderr)
    tally.readings = days * _PER_DAY * SENSORS
    return tally


def _agent(clock: VirtualClock, tally: Tally, *, debounce: bool) -> Agent:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(site_text(debounce=debounce), "utf-8")
        site = load_site(path)
    by_sensor = [[e for e in tally.events if e.sensor == n] for n in range(SENSORS)]

    def told(sensor: int, command: Command) -> None:
        tally.actuations += 1
        number = (command.cause - NS_PER_S) // (PERIOD_S * NS_PER_S)
        # a level that has just fallen may still be high in the readings of the debounce
        event = next(
            (e for e in by_sensor[sensor] if e.begin <= number <= e.begin + e.length + 1), None
        )
        if event is None:
            tally.false_actuations += 1
        elif event.latency_s is None:
            begin = Instant(NS_PER_S + event.begin * PERIOD_S * NS_PER_S)
            event.latency_s = seconds_between(begin, command.cause)

    def opener(_bytes: OnBytes, _lost: OnLost) -> Port:
        return _Deaf()

    agent = compose(site, clock, _NoJournal(), run="bench", opener_of=lambda _: opener)
    relays = {ActuatorId(f"r{board}"): _Relay(board, told, clock) for board in range(4)}
    agent.dispatcher = Dispatcher(relays, clock, "bench", agent.pipeline.on_outcome)
    agent.pipeline.connect(agent.dispatcher)
    return agent


def figures(tally: Tally, days: int) -> dict[str, float]:
    """Flat numbers."""
    latencies = sorted(e.latency_s for e in tally.events if e.latency_s is not None)
    found: dict[str, float] = {
        "days": days,
        "sensors": SENSORS,
        "readings": tally.readings,
        "spikes": tally.spikes,
        "lost_readings": tally.lost_readings,
        "events": len(tally.events),
        "actuations": tally.actuations,
        "false_actuations": tally.false_actuations,
        "missed_events": sum(e.latency_s is None for e in tally.events),
        "events_in_budget": sum(
            e.latency_s is not None and e.latency_s <= BUDGET_S for e in tally.events
        ),
    }
    if latencies:
        found["latency_s_p50"] = latencies[len(latencies) // 2]
        found["latency_s_max"] = latencies[-1]
    return found


def main() -> int:
    """Print a table, or with ``--json`` one line of JSON; 1 if it cried wolf or was late."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.false_alarms", description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-debounce", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tally = run(options.days, debounce=not options.no_debounce, seed=options.seed, progress=True)
    found = figures(tally, options.days)
    for name, value in found.items():
        print(f"{name:20}{value:>14g}", file=sys.stderr if options.json else sys.stdout)
    if options.json:
        settings = {
            "seed": options.seed, "period_s": PERIOD_S, "budget_s": BUDGET_S,
            "readings_to_raise": 1 if options.no_debounce else _READINGS,
        }  # fmt: skip
        result = {"bench": "false_alarms", "settings": settings, "figures": found, "ratios": {}}
        print(json.dumps(result))
    good = not found["false_actuations"] and found["events_in_budget"] == found["events"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
