"""One run of the real agent in virtual time: a scenario in, latencies on the wire out.

The agent is composed from the site file as in production; lines, devices and time are simulated.
The quantity at the sensor changes a nanosecond after the device took its value; from there the
first byte of the command, the end of its last write and its confirmation are timed.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from drivers.bus.port import OnBytes, OnLost, Opener, Port
from edge.app.compose import Agent, compose
from edge.app.config.model import BusConfig, DeviceConfig, RuleConfig, Site, StepConfig
from edge.app.config.profile import Action, ModbusPoint, ModbusProfile
from edge.core.instant import NS_PER_MS, NS_PER_S, Instant, after
from edge.core.model import PointId, Quality, Record, RecordKind, Sample
from edge.engine.poll import Poller
from tools.bench.proof_line import Attempt, FastLine, Twin, Wiring
from tools.bench.proof_sites import ABOVE, BELOW, MESSAGE_ADDRESS, REST, STATUS_ADDRESS
from tools.twins.line_time import LineTime
from tools.twins.modbus_unit import Table, Unit
from tools.virtual_clock import VirtualClock

_LETTER = {"none": "N", "even": "E", "odd": "O"}
_TABLE_OF = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_CHANNELS = 100
_STEPS = 40
# Longer than any period.
_LEAD_NS = 11_000_000_000
# So long the sensor has been polled before: what feeds no alarm has learned to wait for it.
_SETTLED_NS = 1_100_000_000

Fire = int | str
"""When another rule's quantity changes: ``with`` ours, or so many ns after our first poll. Of a
rule whose sensor is on a line that is not simulated, it is the reading that arrives then."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is timed: a rule, and which step of its plan."""

    rule: str
    step: int


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

    ``change`` and ``decision`` count from ``origin``, the sensor's first poll.
    """

    origin: int = 0
    change: int | None = None
    decision: int | None = None
    command: int | None = None
    sound: int | None = None
    confirmed: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class Ground:
    """A site prepared for one target: who is who, and what it looks like on the wire."""

    def __init__(
        self, site: Site, target: Target, devices: Mapping[str, DeviceConfig] | None = None
    ) -> None:
        self.site = site
        self.target = target
        self.rule = next(rule for rule in site.rules if rule.id == target.rule)
        self.devices = devices or {device.id: device for device in site.devices}
        self.buses = {bus.id: bus for bus in site.buses}
        plans = {plan.id: plan for plan in site.plans}
        self.plans = {rule.id: plans[rule.plan].steps for rule in site.rules if rule.plan}
        self.step = self.plans[target.rule][target.step]
        self.sensor = self.devices[str(self.rule.point).partition(".")[0]]
        self.actuator = self.devices[self.step.actuator]
        self.period_ns = (self.sensor.period_ms or 0) * NS_PER_MS
        self.output = output_of(self.step)
        self.cell = self.point_of(self.rule)
        self.write_unit = 0 if self.action.broadcast else self.actuator.address or 0

    @property
    def action(self) -> Action:
        """What the output is told to do."""
        return self.profile(self.actuator).actions[self.step.action]

    def reduced(self) -> Ground:
        """The same with only what can matter: the two lines, all outputs, what rules read."""
        names = {step.actuator for steps in self.plans.values() for step in steps}
        devices = tuple(
            device
            for device in self.site.devices
            if device.id in names or self.line_of(device) in self.simulated
        )
        kept = {device.id for device in devices}
        read = {rule.point for rule in self.site.rules}
        points = tuple(
            point for point in self.site.points if point.device in kept or point.id in read
        )
        site = replace(self.site, devices=devices, points=points)
        return Ground(site, self.target, self.devices)

    @cached_property
    def simulated(self) -> frozenset[str]:
        """The lines on which something is polled: the sensor's and the output's."""
        return frozenset({self.line_of(self.sensor), self.line_of(self.actuator)})

    @cached_property
    def polled(self) -> tuple[DeviceConfig, ...]:
        """The other devices that are polled on those lines."""
        return tuple(
            device
            for device in self.site.devices
            if self.line_of(device) in self.simulated
            and device is not self.sensor
            and self.profile(device).points
            and device.period_ms
        )

    @cached_property
    def others(self) -> tuple[RuleConfig, ...]:
        """Rules on other quantities, which may fire beside ours."""
        return tuple(
            rule
            for rule in self.site.rules
            if rule.point != self.rule.point and rule.id in self.plans
        )

    @cached_property
    def alike(self) -> frozenset[str]:
        """Rules on the same quantity: which of them tells the output does not matter."""
        return frozenset(rule.id for rule in self.site.rules if rule.point == self.rule.point)

    def shares(self, rule: RuleConfig) -> bool:
        """Whether a rule drives our output, too."""
        return any(output_of(step) == self.output for step in self.plans[rule.id])

    def ends(self, rule: RuleConfig) -> bool:
        """Whether our output is told to stop when what made this rule fire is over."""
        steps = [step for step in self.plans[rule.id] if output_of(step) == self.output]
        return all(step.until == "returned" for step in steps)

    def is_remote(self, rule: RuleConfig) -> bool:
        """Whether a rule's sensor is on a line that is not simulated."""
        device = self.devices[str(rule.point).partition(".")[0]]
        return self.line_of(device) not in self.simulated

    def line_of(self, device: DeviceConfig) -> str:
        """The line a device is on; over TCP each has its own."""
        tcp = self.buses[device.bus].kind == "tcp"
        return f"{device.bus}/{device.id}" if tcp else device.bus

    def profile(self, device: DeviceConfig) -> ModbusProfile:
        """A device's profile; the campaign has Modbus only."""
        profile = self.site.profile(device)
        if not isinstance(profile, ModbusProfile):
            raise TypeError(f"{device.id} is no Modbus device")
        return profile

    def point_of(self, rule: RuleConfig) -> ModbusPoint:
        """Where a rule's quantity lies."""
        device, _, name = str(rule.point).partition(".")
        return self.profile(self.devices[device]).points[name]

    def line_time(self, bus: BusConfig) -> LineTime:
        """Characters of a bus."""
        if bus.kind == "tcp":
            return LineTime(None)
        frame = f"{bus.data_bits}{_LETTER[bus.parity or 'none']}{bus.stop_bits}"
        return LineTime(bus.baud, frame)


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
        self._writes: list[bytes] = []
        self._written = 0
        for device in ground.site.devices:
            self._units[device.id] = self._unit(device)
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
        return self.finding

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
            near = self._ground.line_of(device) == self._ground.line_of(self._ground.sensor)
            at, period = self._scenario.polls[device.id], poller.period_ms * NS_PER_MS
            begin = self._scenario.begin
            if device.id in self._scenario.back:
                begin = max(begin, at)
            elif near:
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

    def _unit(self, device: DeviceConfig) -> Unit:
        profile = self._ground.profile(device)
        cells: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
        for point in profile.points.values():
            cells[point.table][point.address] = REST
        _bridge(cells)
        turnaround_ms = float(profile.timing.turnaround_ms)
        if not profile.actions:
            return Unit(
                coils=cells["coil"], discretes=cells["discrete"],
                holding=cells["holding"], inputs=cells["input"], turnaround_ms=turnaround_ms,
            )  # fmt: skip
        within_ms = [a.confirm.within_ms for a in profile.actions.values() if a.confirm is not None]
        settle_ns = round(self._scenario.settle * min(within_ms, default=0) * NS_PER_MS)
        for action in profile.actions.values():
            for write in action.write:
                span = range(write.address, write.address + len(write.values) + 8)
                cells[write.table] |= dict.fromkeys(span, 0)
        return _Output(cells, turnaround_ms, self._clock, settle_ns)

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
        self._units[device].table(table)[point.address] = _value(rule, fires=fires)

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
        value = float(_value(rule, fires=fires))
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
        if finding.change is None:
            return
        if record.kind is RecordKind.COMMAND and not self._command:
            ours = str(body["alarm"]).partition("/")[0] in ground.alike
            told = body["output"] == ground.output and body["action"] == ground.step.action
            if ours and told:
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

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """Nothing depends on them."""


class _Output(Unit):
    """A relay board or an amplifier that takes its time: until then, it reads as it was.

    A status register follows each channel.
    """

    def __init__(
        self,
        cells: dict[str, dict[int, int]],
        turnaround_ms: float,
        clock: VirtualClock,
        settle_ns: int,
    ) -> None:
        cells["input"] |= dict.fromkeys(range(STATUS_ADDRESS, STATUS_ADDRESS + _CHANNELS), 0)
        super().__init__(
            coils=cells["coil"], discretes=cells["discrete"],
            holding=cells["holding"], inputs=cells["input"],
            turnaround_ms=turnaround_ms, on_read=self._show, on_write=self._note_write,
        )  # fmt: skip
        self._shown = {table: dict(self.table(table)) for table in (Table.COILS, Table.HOLDING)}
        self._coming: dict[tuple[Table, int], tuple[int, int]] = {}
        self._clock = clock
        self._settle_ns = settle_ns

    def _note_write(self, table: Table, address: int, values: list[int]) -> None:
        at = self._clock.now() + self._settle_ns
        for each, value in enumerate(values, start=address):
            same = self._coming.get((table, each), (0, self._shown[table][each]))[1] == value
            if not same:
                self._coming[table, each] = at, value
            self.table(table)[each] = self._shown[table][each]

    def _show(self, table: Table, address: int, count: int) -> None:
        now = self._clock.now()
        for (of, each), (at, value) in list(self._coming.items()):
            if at > now:
                continue
            del self._coming[of, each]
            self._shown[of][each] = self.table(of)[each] = value
            if of is Table.COILS:
                self.inputs[STATUS_ADDRESS + each] = value
            elif each == MESSAGE_ADDRESS + 1:
                self.inputs[STATUS_ADDRESS] = value


def _value(rule: RuleConfig, *, fires: bool) -> int:
    if not fires:
        return REST
    return ABOVE if rule.comparison in (">=", ">") else BELOW


def write_pdus(action: Action, arguments: Mapping[str, int]) -> list[bytes]:
    """What an action's writes look like on the wire, worked out from its profile alone."""
    pdus = []
    for write in action.write:
        step = arguments[write.address_step[1:]] - 1 if write.address_step else 0
        address = write.address + step
        values = [arguments[v[1:]] if isinstance(v, str) else v for v in write.values]
        several = len(values) > 1 or write.multiple
        if write.table == "coil":
            if several:
                raise ValueError("the campaign writes single coils")
            pdus.append(struct.pack(">BHH", 5, address, 0xFF00 if values[0] else 0))
        elif several:
            head = struct.pack(">BHHB", 16, address, len(values), 2 * len(values))
            pdus.append(head + struct.pack(f">{len(values)}H", *values))
        else:
            pdus.append(struct.pack(">BHH", 6, address, values[0]))
    return pdus


def targets(site: Site) -> list[Target]:
    """Every rule with every step of its plan."""
    steps = {plan.id: plan.steps for plan in site.plans}
    return [
        Target(rule.id, index)
        for rule in site.rules
        if rule.plan
        for index in range(len(steps[rule.plan]))
    ]


def output_of(step: StepConfig) -> str:
    """The name under which a step's output is known."""
    action, arguments = (
        (step.stop, step.stop_arguments) if step.stop else (step.action, step.arguments)
    )
    listed = ",".join(f"{key}={value}" for key, value in sorted(arguments.items()))
    return f"{step.actuator}:{action}:{listed}"


def aligned(at: int, period: int, least: int) -> int:
    """The first of the instants ``at`` + n periods that is not before ``least``."""
    return least + (at - least) % period


def _bridge(cells: dict[str, dict[int, int]]) -> None:
    """Define the registers between points too: a read may go over them."""
    for table in cells.values():
        for address in list(table):
            for each in range(address, address + 20):
                table.setdefault(each, REST)
