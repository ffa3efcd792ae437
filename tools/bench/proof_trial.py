"""One run of the real agent in virtual time: a scenario in, latencies on the wire out.

The agent is composed from the site file as in production; lines, devices and time are simulated.
The quantity at the sensor changes a nanosecond after the device took its value; from there the
first byte of the command, the end of its last write and its confirmation are timed.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.analysis.latency.model import System
from edge.app.compose import Agent, compose
from edge.app.config.model import BusConfig, RuleConfig
from edge.core.instant import NS_PER_MS, NS_PER_S, Instant, after
from edge.core.model import PointId, Quality, Record, RecordKind, Sample
from edge.engine.poll import Poller
from tools.bench.proof_field import reading, unit_of, write_pdus
from tools.bench.proof_ground import Ground
from tools.bench.proof_line import Attempt, FastLine, Twin, Wiring
from tools.twins.modbus_unit import Table, Unit
from tools.virtual_clock import VirtualClock

_TABLE_OF = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_STEPS = 40
# The proof assumes that beside the bounded decision nobody commands an output more often.
ENSURE_NS = System((), ()).ensure_ns
# Longer than any period.
_LEAD_NS = 11_000_000_000
# So long the sensor has been polled before: what feeds no alarm has learned to wait for it.
_SETTLED_NS = 1_100_000_000

Fire = int | str
"""When another rule's quantity changes: ``with`` ours, or so many ns after our first poll. Of a
rule whose sensor is on a line that is not simulated, it is the reading that arrives then."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What may be chosen against the agent. Instants are in ns after the sensor's first poll.

    ``polls``: one of the instants at which a device is polled, of every device on the lines
    concerned; it is polled before and after as its period says, but those in ``back`` not before:
    they were in quarantine. ``dead``: devices that are silent from an instant on. ``fire``: when
    rules fire; ours may have fired before. ``calm``: when what made them fire is over. ``settle``:
    share of its time that the output takes until its read-back shows it. ``begin``: between our
    first reading and this instant other polls are left out, to save time.
    """

    polls: Mapping[str, int] = field(default_factory=dict)
    back: frozenset[str] = frozenset()
    dead: Mapping[str, int] = field(default_factory=dict)
    fire: Mapping[str, Fire] = field(default_factory=dict)
    calm: Mapping[str, int] = field(default_factory=dict)
    settle: float = 0.0
    begin: int = 0


@dataclass(slots=True)
class Finding:
    """What came of it; times in ns. ``command`` to ``confirmed`` count from the change.

    ``change`` and ``decision`` count from ``origin``, the sensor's first poll. ``beyond``: an
    output was commanded more often than the proof assumes, or ours was held by another alarm, so
    that nothing of this counts.
    """

    origin: int = 0
    change: int | None = None
    decision: int | None = None
    command: int | None = None
    sound: int | None = None
    confirmed: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    beyond: bool = False


class Trial:
    """One run. ``run`` it once."""

    def __init__(self, ground: Ground, scenario: Scenario, twin: Twin = FastLine) -> None:
        self.finding = Finding()
        self._ground = ground
        self._scenario = scenario
        self._twin = twin
        self._clock = VirtualClock()
        self._origin = Instant(self._clock.now() + _LEAD_NS)
        self.finding.origin = self._origin
        self._units: dict[str, Unit] = {}
        self._paused: list[tuple[Poller, int]] = []
        self._sampled_yet = False
        self._dead: dict[str, set[int]] = {bus.id: set() for bus in ground.site.buses}
        self._command = ""
        self._commands: list[tuple[int, str]] = []
        self._raised: dict[str, Instant] = {}
        self._writes: list[bytes] = []
        self._written = 0
        for device in ground.site.devices:
            self._units[device.id] = unit_of(ground.profile(device), self._clock, scenario.settle)
        self.agent: Agent = compose(
            ground.site, self._clock, self, run="campaign", opener_of=self._opener_of
        )

    def run(self, limit_ns: int) -> Finding:
        """Until the command is confirmed, or for so long after the sensor's first poll."""
        for line in self.agent.lines.values():
            line.start()
        for poller in self.agent.pollers:
            self._start(poller)
        for name, at in self._scenario.dead.items():
            device = self._ground.devices[name]
            dies = partial(self._dead[device.bus].add, device.address or 0)
            self._clock.call_at(Instant(self._origin + at), dies)
        for rule in (self._ground.rule, *self._ground.others):
            self._schedule(rule, self._scenario.fire.get(rule.id), fires=True)
            self._schedule(rule, self._scenario.calm.get(rule.id), fires=False)
        self._clock.run_for(_LEAD_NS / NS_PER_S)
        for _ in range(_STEPS):
            self._clock.run_for(limit_ns / _STEPS / NS_PER_S)
            if self.finding.confirmed is not None:
                break
        if self.finding.beyond or self._too_often():
            finding = self.finding
            finding.command = finding.sound = finding.confirmed = None
            finding.beyond = True
        return self.finding

    def _too_often(self) -> bool:
        """Whether an output was commanded twice within the time of one re-assertion.

        The decision that is bounded does not count, nor what was over long before it.
        """
        last: dict[str, int] = {}
        for at, output in self._commands:
            if at - last.get(output, -ENSURE_NS) < ENSURE_NS:
                return True
            last[output] = at
        return False

    def _schedule(self, rule: RuleConfig, at: Fire | None, *, fires: bool) -> None:
        if isinstance(at, int):
            happen = self._inject if self._ground.is_remote(rule) else self._change
            self._clock.call_at(Instant(self._origin + at), partial(happen, rule, fires=fires))

    def _start(self, poller: Poller) -> None:
        device = self._ground.devices[poller.sensor.id]
        if device is self._ground.sensor:
            period = poller.period_ms * NS_PER_MS
            poller.start(Instant(self._origin - -(-_SETTLED_NS // period) * period))
        elif self._ground.line_of(device) in self._ground.simulated:
            at, period = self._scenario.polls[device.id], poller.period_ms * NS_PER_MS
            begin = self._scenario.begin
            if device.id in self._scenario.back:
                begin = max(begin, at)
            else:
                first = at if -_LEAD_NS < at < 0 else at % period - period
                poller.start(Instant(self._origin + first))
                self._paused.append((poller, at))
                return
            poller.start(Instant(self._origin + aligned(at, period, begin)))

    def _pause(self) -> None:
        """Leave out what comes between our first reading and the window that matters."""
        now = self._clock.now() - self._origin
        for poller, at in self._paused:
            period = poller.period_ms * NS_PER_MS
            next_ns = aligned(at, period, now + 1)
            begin = aligned(at, period, max(self._scenario.begin, now + 1))
            if begin > next_ns:
                poller.stop()
                poller.start(Instant(self._origin + begin))
        self._paused.clear()

    # -- the field ---------------------------------------------------------------------------

    def _opener_of(self, bus: BusConfig) -> Opener:
        ground = self._ground
        devices = [device for device in ground.site.devices if device.bus == bus.id]
        wiring = Wiring(
            bus.id,
            ground.line_time(bus),
            {device.address or 0: self._units[device.id] for device in devices},
            self._dead[bus.id],
            {d.address or 0: ground.profile(d).timing.gap_ms * NS_PER_MS for d in devices},
            self._asked,
            self._answered,
        )

        def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
            line = self._twin(wiring, self._clock, self.finding.faults)
            return line.open(on_bytes, on_lost)

        return open_port

    def _change(self, rule: RuleConfig, *, fires: bool = True) -> None:
        device = str(rule.point).partition(".")[0]
        point = self._ground.point_of(rule)
        table = Table.HOLDING if point.table == "holding" else Table.INPUTS
        self._units[device].table(table)[point.address] = reading(rule, fires=fires)

    def _change_now(self) -> None:
        """The event: our quantity, and those that change with it."""
        self.finding.change = self._clock.now() - self._origin
        self._change(self._ground.rule)
        for rule in self._ground.others:
            if self._scenario.fire.get(rule.id) == "with":
                self._change(rule)
        self._pause()

    def _inject(self, rule: RuleConfig, *, fires: bool) -> None:
        """A reading arrives over a line that is not simulated; with a hold, its second one."""
        now, utc = self._clock.now(), self._clock.utc()
        value = float(reading(rule, fires=fires))
        point = next(each for each in self._ground.site.points if each.id == rule.point)
        for at in (after(now, seconds=-rule.hold_s), now):
            sample = Sample(PointId(rule.point), value, point.unit, Quality.GOOD, at, utc)
            self.agent.pipeline.on_samples((sample,))

    # -- what is seen on the wire ------------------------------------------------------------

    def _asked(self, attempt: Attempt) -> None:
        self.finding.attempts.append(attempt)
        ground = self._ground
        if attempt.line == ground.sensor.bus and attempt.unit == ground.sensor.address:
            self._sampled(attempt.pdu)
        elif attempt.line == ground.actuator.bus and attempt.unit == ground.write_unit:
            self._commanded(attempt)

    def _sampled(self, pdu: bytes) -> None:
        table = _TABLE_OF.get(pdu[0])
        start, count = struct.unpack(">HH", pdu[1:5])
        cell = self._ground.cell
        if table != cell.table or not start <= cell.address < start + count:
            return
        if not self._sampled_yet and self._clock.now() >= self._origin:
            self._sampled_yet = True
            self._clock.call_at(Instant(self._clock.now() + 1), self._change_now)

    def _commanded(self, attempt: Attempt) -> None:
        finding = self.finding
        if self._written < len(self._writes) and attempt.pdu == self._writes[self._written]:
            if self._written == 0:
                finding.command = self._since_change(attempt.begin_ns)
            self._written += 1
            if self._written == len(self._writes) and attempt.unit == 0:
                self._sounds(attempt.asked_ns)

    def _answered(self, attempt: Attempt) -> None:
        finding, ground = self.finding, self._ground
        ours = attempt.line == ground.actuator.bus and attempt.unit == ground.actuator.address
        if ours and finding.sound is None and 0 < self._written == len(self._writes):
            self._sounds(self._clock.now())

    def _sounds(self, at_ns: int) -> None:
        warm_up_ns = self._ground.action.warm_up_ms * NS_PER_MS
        self.finding.sound = self._since_change(at_ns) + warm_up_ns

    def _since_change(self, at_ns: int) -> int:
        return at_ns - self._origin - (self.finding.change or 0)

    # -- as Journal --------------------------------------------------------------------------

    def offer(self, record: Record) -> None:
        """Take note of our output's first command since the change, and of its end."""
        body, finding, ground = record.body, self.finding, self._ground
        if record.kind is RecordKind.COMMAND:
            self._note_command(body)
        if finding.change is None:
            return
        if record.kind is RecordKind.ALARM and body["rule"] in ground.alike:
            self._raised.setdefault(str(body["rule"]), self._clock.now())
        if record.kind is RecordKind.COMMAND and not self._command:
            rule = str(body["alarm"]).partition("/")[0]
            ours = rule in ground.alike
            told = body["output"] == ground.output and body["action"] == ground.step.action
            if ours and told:
                # until now another alarm held the output, which was sounding
                finding.beyond = self._raised.get(rule) not in (None, self._clock.now())
                self._command = str(body["id"])
                arguments: Any = body["arguments"]
                self._writes = write_pdus(ground.action, arguments)
                finding.decision = self._clock.now() - self._origin
        elif (
            record.kind is RecordKind.OUTCOME
            and body["command"] == self._command
            and body["status"] == "done"
        ):
            finding.confirmed = self._since_change(self._clock.now())

    def _note_command(self, body: dict[str, object]) -> None:
        """What is commanded beside our decision."""
        now, decided = self._clock.now() - self._origin, self.finding.change is not None
        ours = str(body["alarm"]).partition("/")[0] == self._ground.rule.id
        if not (decided and ours) and now > -ENSURE_NS:
            self._commands.append((now, str(body["output"])))

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Nothing depends on them."""


def aligned(at: int, period: int, least: int) -> int:
    """The first of the instants ``at`` + n periods that is not before ``least``."""
    return least + (at - least) % period
