"""The whole agent against the simulated village in virtual time.

No process, no terminal, no waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.app.compose import Agent, compose
from edge.app.config import load_site
from edge.app.config.model import BusConfig, Site
from edge.core.instant import Instant, Timer, Utc
from edge.core.model import Alarm, Notice, Record, RecordKind, RuleId, Sample
from edge.engine.bodies import alarm_from
from edge.engine.conformance import Limit
from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.modbus_slave import RtuSlave, TcpSlave
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.village import (
    DigitalInputs,
    GasDetector,
    Sen0676Radar,
    Sl651Gauge,
    Tracer,
)
from tools.twins.virtual_port import VirtualLine
from tools.twins.world import World
from tools.virtual_clock import VirtualClock

_DEMO_SITE = Path(__file__).parent / "demo" / "site.toml"


class MemoryJournal:
    """Satisfies Journal; keeps everything that was offered."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.samples: list[Sample] = []

    def offer(self, record: Record) -> None:
        """Keep a record."""
        self.records.append(record)

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Keep readings."""
        self.samples.extend(samples)

    def bodies(self, kind: RecordKind) -> list[dict[str, object]]:
        """The bodies of all records of a kind, oldest first."""
        return [record.body for record in self.records if record.kind is kind]

    def alarms(self) -> list[Alarm]:
        """The newest state of each rule's alarm, as a restart would find it."""
        newest = {str(body["rule"]): body for body in self.bodies(RecordKind.ALARM)}
        return [alarm_from(body) for body in newest.values()]

    def lost(self) -> set[tuple[str, int]]:
        """The lines and addresses that were silent at last, as a restart would find them."""
        newest = {(body["bus"], body["address"]): body for body in self.bodies(RecordKind.DEVICE)}
        return {
            (str(bus), address)
            for (bus, address), body in newest.items()
            if body["event"] == Notice.LOST.value and isinstance(address, int)
        }


class _Life:
    """The clock of one agent process: when it is killed, what it had scheduled never happens."""

    def __init__(self, clock: VirtualClock) -> None:
        self.alive = True
        self._clock = clock

    def now(self) -> Instant:
        """As Clock."""
        return self._clock.now()

    def utc(self) -> Utc:
        """As Clock."""
        return self._clock.utc()

    def call_at(self, at: Instant, callback: Callable[[], None], *, exact: bool = False) -> Timer:
        """As Clock, while alive."""
        return self._clock.call_at(at, lambda: callback() if self.alive else None)


class VirtualVillage:
    """The demonstration's site with its twins on virtual lines.

    The agent can be killed and restarted.
    """

    def __init__(
        self, folder: Path, *, slower: int = 1, limits: Mapping[RuleId, Limit] | None = None
    ) -> None:
        self._limits = limits or {}
        self.clock = VirtualClock()
        self.world = World(self.clock.now)
        self.relay = RelayBoard(self.world)
        self.horn = Amplifier(self.world)
        field = RtuSlave(
            {
                5: Sen0676Radar(self.world),
                1: Sl651Gauge(self.world),
                7: GasDetector(self.world, gas="h2s"),
                9: DigitalInputs(self.world),
            },
            turnaround_ms=10.0,
        )
        horns = RtuSlave({3: self.relay}, turnaround_ms=10.0)
        speaker = RtuSlave({4: self.horn}, turnaround_ms=10.0)
        power = TcpSlave({1: Tracer(self.world)}).connection()
        self.slaves = {"field": field, "horns": horns, "speaker": speaker}
        self.lines = {
            "field": VirtualLine(field, self.clock, 9600),
            "horns": VirtualLine(horns, self.clock, 19200),
            "speaker": VirtualLine(speaker, self.clock, 19200),
            "power": VirtualLine(power, self.clock, None),
            "rain-text": VirtualLine(AsciiGauge(self.world), self.clock, 9600),
        }
        self.journal = MemoryJournal()
        self.site = _load(folder, slower)
        self._ports: list[Port] = []
        self.start()

    def start(self) -> None:
        """A new agent process on the same wires, with the alarms the journal kept."""
        self._life = _Life(self.clock)
        self.agent: Agent = compose(
            self.site, self._life, self.journal, run="test", opener_of=self._opener_of,
            limits=self._limits, lost=self.journal.lost(),
        )  # fmt: skip
        self.agent.start(self.journal.alarms())

    def kill(self) -> None:
        """The agent's process is gone: its ports close, its timers never fire again."""
        self._life.alive = False
        for port in self._ports:
            port.close()
        self._ports.clear()

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.clock.run_for(seconds)

    def alarm(self, rule: str) -> Alarm:
        """The present state of one rule's alarm."""
        return next(a for name, a in self.agent.pipeline.alarms.items() if name == rule)

    def _opener_of(self, bus: BusConfig) -> Opener:
        line = self.lines[bus.id]

        def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
            port = line.opener(on_bytes, on_lost)
            self._ports.append(port)
            return port

        return open_port


def _load(folder: Path, slower: int) -> Site:
    """The demonstration's site; ``slower`` multiplies every period."""
    text = _DEMO_SITE.read_text("utf-8")
    text = re.sub(r"period_ms = (\d+)", lambda m: f"period_ms = {int(m[1]) * slower}", text)
    for name in ("field", "horns", "speaker", "rain-text"):
        text = text.replace(f"@{name}@", f"/dev/{name}")
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return load_site(path)
