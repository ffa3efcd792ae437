"""The whole agent against the simulated village in virtual time.

No process, no terminal, no waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.app.black_box import keeper_of
from edge.app.compose import Agent, compose
from edge.app.config import load_site
from edge.app.config.model import BusConfig, Site
from edge.app.proof import armed
from edge.core.instant import Instant, Timer, Utc, after
from edge.core.model import Alarm, Notice, Record, RecordKind, RuleId, Sample
from edge.engine.bodies import alarm_from
from edge.engine.box_keeper import BoxKeeper
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
        real = (body for body in self.bodies(RecordKind.ALARM) if not body.get("drill"))
        newest = {str(body["rule"]): body for body in real}
        return [alarm_from(body) for body in newest.values()]

    def exercises(self) -> dict[str, dict[str, object]]:
        """The newest beginning or end of a drill and of a walk-test, as a restart finds them."""
        kinds = (RecordKind.DRILL, RecordKind.WALK_TEST)
        return {
            kind.value: body
            for kind in kinds
            for body in self.bodies(kind)
            if body["event"] in ("started", "ended")
        }

    def newest(self) -> Utc | None:
        """The latest wall time of the newest few records, as a restart would find it."""
        return max((each.utc for each in self.records[-64:]), key=lambda u: u.ms, default=None)

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
        self,
        folder: Path,
        *,
        slower: int = 1,
        limits: Mapping[RuleId, Limit] | None = None,
        rewrite: Callable[[str], str] | None = None,
        boxed: bool = False,
    ) -> None:
        """``rewrite`` changes the text of the site file, which is then proven as it would be run;
        ``boxed``: with a black box, in the folder."""
        self._boxes = folder / "black-box" if boxed else None
        self.box: BoxKeeper | None = None
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
        self.site, self._limits = _load(folder, slower, rewrite), limits or {}
        if rewrite is not None and limits is None:
            self.site, self._limits = armed(self.site)
        self._ports: list[Port] = []
        self.start()

    def start(self) -> None:
        """A new agent process on the same wires, with the alarms the journal kept."""
        self._life = _Life(self.clock)
        if self._boxes is not None:
            self.box = keeper_of(self.site, self._boxes, self._life, self.journal)
            self._look()
        self.agent: Agent = compose(
            self.site, self._life, self.journal, run="test", opener_of=self._opener_of,
            limits=self._limits, lost=self.journal.lost(), box=self.box,
        )  # fmt: skip
        self.agent.start(
            self.journal.alarms(), self.journal.exercises(), self.journal.newest(),
            self.journal.bodies(RecordKind.CALL),
        )  # fmt: skip

    def _look(self) -> None:
        """What the thread of the black box does, in virtual time."""
        if self.box is not None:
            self.box.look()
            self._life.call_at(after(self._life.now(), seconds=0.5), self._look)

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


def _load(folder: Path, slower: int, rewrite: Callable[[str], str] | None) -> Site:
    """The demonstration's site; ``slower`` multiplies every period."""
    text = _DEMO_SITE.read_text("utf-8")
    text = re.sub(r"period_ms = (\d+)", lambda m: f"period_ms = {int(m[1]) * slower}", text)
    for name in ("field", "horns", "speaker", "rain-text"):
        text = text.replace(f"@{name}@", f"/dev/{name}")
    text = rewrite(text) if rewrite is not None else text
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return load_site(path)
