"""What every client of the latency bench is given: lines, who is polled when, what that does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

THRESHOLD = 500
"""A reading at or above this switches the relay on; the twin alternates between 0 and HIGH."""
HIGH = 1000
RELAY_UNIT = 9
TURNAROUND_MS = 1.0
BACKGROUND_PERIOD_MS = 250
_FIRST_BACKGROUND_UNIT = 11


@dataclass(frozen=True, slots=True)
class Wire:
    """One serial line, 8N1. ``path`` is what clients open."""

    name: str
    path: Path
    baud: int


@dataclass(frozen=True, slots=True)
class Poll:
    """One device that is asked for registers 0 to ``count`` - 1, and the relay it drives."""

    wire: Wire
    unit: int
    count: int
    period_ms: int
    phase_ms: float
    relay: Wire | None = None

    @property
    def name(self) -> str:
        """The device's id in the site file."""
        return f"d{self.unit}"


@dataclass(frozen=True, slots=True)
class Wiring:
    """A scenario: a relay's line may be the sensors' line."""

    name: str
    wires: tuple[Wire, ...]
    polls: tuple[Poll, ...]

    @property
    def points(self) -> int:
        """How many points are polled."""
        return sum(poll.count for poll in self.polls)

    @property
    def driving(self) -> tuple[Poll, ...]:
        """The sensors whose readings switch a relay."""
        return tuple(poll for poll in self.polls if poll.relay is not None)

    @property
    def relays(self) -> tuple[Wire, ...]:
        """The lines with a relay."""
        return tuple(poll.relay for poll in self.polls if poll.relay is not None)

    @property
    def events_per_s(self) -> float:
        """Every reading of a driving sensor is a crossing."""
        return sum(1000 / poll.period_ms for poll in self.driving)

    def arguments(self) -> list[str]:
        """For the peers: threshold, relay unit, then one word per poll."""
        return [str(THRESHOLD), str(RELAY_UNIT), *map(_word, self.polls)]


def separate_lines(folder: Path) -> Wiring:
    """Two sensors on one line, a relay line for each, background on a fourth: 2 + 30 points.

    A relay line is busy for about 8 of 20 ms, so that no command waits for an earlier one.
    """
    sensors = Wire("sensors", folder / "tty-sensors", 115_200)
    background = Wire("background", folder / "tty-background", 115_200)
    relays = tuple(Wire(f"relay-{n}", folder / f"tty-relay-{n}", 115_200) for n in (1, 2))
    polls = _polls(sensors, relays, 20, background, (5,) * 6)
    return Wiring("separate", (sensors, background, *relays), polls)


def same_line(folder: Path) -> Wiring:
    """One sensor and its relay share 19200 Bd; the background as before: 1 + 31 points."""
    shared = Wire("shared", folder / "tty-shared", 19_200)
    background = Wire("background", folder / "tty-background", 115_200)
    polls = _polls(shared, (shared,), 40, background, (5, 5, 5, 5, 5, 6))
    return Wiring("same_line", (shared, background), polls)


def _word(poll: Poll) -> str:
    wire, relay = poll.wire, poll.relay
    parts = [wire.path, wire.baud, poll.unit, poll.count, poll.period_ms, f"{poll.phase_ms:g}"]
    parts += [] if relay is None else [relay.path, relay.baud]
    return ",".join(map(str, parts))


def _polls(
    sensors: Wire,
    relays: tuple[Wire, ...],
    period_ms: int,
    background: Wire,
    counts: tuple[int, ...],
) -> tuple[Poll, ...]:
    """A driving sensor per relay, evenly among the others; phases as the agent spreads them."""
    total = len(relays) + len(counts)
    spots = {index * total // len(relays): index for index in range(len(relays))}
    others = iter(enumerate(counts, start=_FIRST_BACKGROUND_UNIT))
    polls = []
    for index in range(total):
        share = index / total
        if index in spots:
            which = spots[index]
            phase_ms = share * period_ms
            polls.append(Poll(sensors, which + 1, 1, period_ms, phase_ms, relays[which]))
        else:
            unit, count = next(others)
            phase_ms = share * BACKGROUND_PERIOD_MS
            polls.append(Poll(background, unit, count, BACKGROUND_PERIOD_MS, phase_ms))
    return tuple(polls)
