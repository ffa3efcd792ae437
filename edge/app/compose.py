"""From a site to running objects; the only file that knows drivers and engine at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from drivers.bus.dialect import Dialect, Rtu, Tcp
from drivers.bus.direction import Rs485
from drivers.bus.line import Line
from drivers.bus.port import Opener
from drivers.bus.serial_port import SerialSettings, serial_opener
from drivers.bus.tcp_port import tcp_opener
from drivers.line_sensor import LineSensor
from drivers.modbus_device import ModbusDevice
from edge.app.black_box import BoxedJournal, calendars, head_of, overheard
from edge.app.calling import Calling, calling_of
from edge.app.clock import LifeClock
from edge.app.config.model import BusConfig, DeviceConfig, Site
from edge.app.config.profile import LineProfile, ModbusProfile
from edge.app.deciding import decider_of
from edge.app.plan_steps import plans_of, steps_of
from edge.app.port_warnings import expectation
from edge.app.proof_system import line_of
from edge.core.instant import Clock, Utc, after, ms_between
from edge.core.model import (
    ActuatorId,
    Alarm,
    DeviceId,
    DeviceNotice,
    Notice,
    PointId,
    Record,
    RecordKind,
    RuleId,
    Urgency,
)
from edge.core.ports import Actuator, Class, Journal, Sensor
from edge.engine.bodies import breach_body
from edge.engine.box_keeper import BoxKeeper
from edge.engine.conformance import Breach, Conformance, Limit
from edge.engine.dispatch import Dispatcher
from edge.engine.health import Health
from edge.engine.pipeline import Button, Pipeline
from edge.engine.plan import with_backups
from edge.engine.poll import Poller
from protocols.block import Column, Profile

# Periods are whole milliseconds, so polls that are apart by this stay apart.
_APART_MS = 0.001

OpenerOf = Callable[[BusConfig], Opener]


@dataclass(slots=True)
class Agent:
    """Everything that runs in the alarm process, but its mains."""

    site: Site
    clock: LifeClock
    health: Health
    conformance: Conformance
    pipeline: Pipeline
    dispatcher: Dispatcher = field(init=False)
    calling: Calling = field(init=False)
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[DeviceId, ModbusDevice] = field(default_factory=dict)
    triggers: dict[DeviceId, LineSensor] = field(default_factory=dict)
    pollers: list[Poller] = field(default_factory=list)
    box: BoxKeeper | None = None
    begins: Callable[[], None] = lambda: None
    """Called when it begins to protect."""
    cut_off: frozenset[DeviceId] = frozenset()
    """Whose polls were under way when it was stopped: they have got no answer."""

    def start(
        self,
        kept: Iterable[Alarm],
        exercises: Mapping[str, Mapping[str, object]] | None = None,
        last: Utc | None = None,
        calls: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Open the lines, re-assert what was sounding, then begin to poll.

        ``exercises``: the newest records of a drill and of a walk-test. ``last``: the wall time of
        the newest record. ``calls``: what every call ladder had done.
        """
        self.begins()
        for line in self.lines.values():
            line.start()
        self.pipeline.restore(kept, last, exercises=exercises)
        self.calling.restore(calls, self.pipeline.alarms.values())
        self._listen()

    def take_over(self, old: Agent) -> None:
        """Go on where the agent of another site file stopped, with all that it knew.

        The old one has been stopped: its ports are closed.
        """
        self.begins()
        for name, line in self.lines.items():
            if name in old.lines and self._bus_of(name) == old._bus_of(name):
                line.take_over(old.lines[name])
            line.start()
        for name, trigger in self.triggers.items():
            if name in old.triggers:
                trigger.take_over(old.triggers[name])
        self.pipeline.take_over(old.pipeline)
        self.calling.take_over(old.calling, self.pipeline.alarms.values())
        self._listen(old)

    def _listen(self, old: Agent | None = None) -> None:
        now = self.clock.now()
        before = {each.sensor.id: each for each in old.pollers} if old is not None else {}
        for index, poller in enumerate(self.pollers):
            # spread over the period, so that devices of one line do not ask at once; and never two
            # at the very same instant, which would leave their order to chance
            offset_ms = index * poller.period_ms // len(self.pollers)
            first = after(now, ms=offset_ms + index * _APART_MS)
            if (earlier := before.get(poller.sensor.id)) is not None:
                first = poller.go_on(earlier, first)
            if old is not None and poller.sensor.id in old.cut_off:
                first = after(now, ms=index * _APART_MS)
            poller.start(first)
        for trigger in self.triggers.values():
            trigger.listen(self.pipeline.on_samples)

    def _bus_of(self, line: str) -> BusConfig:
        return next(each for each in self.site.buses if each.id == line.split("/", 1)[0])

    def line_of(self, device: DeviceConfig) -> Line | None:
        """The line a device is on; None for a text sensor, which has a port of its own."""
        bus = next(each for each in self.site.buses if each.id == device.bus)
        return self.lines.get(line_name(bus, device))

    def pause(self) -> None:
        """Ask for nothing more; what is under way goes on, and so do commands."""
        for poller in self.pollers:
            poller.stop()

    def resume(self) -> None:
        """Go on asking after a pause, in the same rhythm."""
        for poller in self.pollers:
            poller.resume()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way on any line."""
        return all(line.at_rest for line in self.lines.values())

    @property
    def between_polls(self) -> bool:
        """Whether nothing is under way, waits to be asked, or has been heard only in part."""
        return (
            self.at_rest
            and not any(device.busy for device in self.devices.values())
            and all(trigger.at_rest for trigger in self.triggers.values())
        )

    def stop(self) -> None:
        """Sensors first, outputs last; outputs stay as they are."""
        self.cut_off = frozenset(name for name, each in self.devices.items() if each.asking)
        for poller in self.pollers:
            poller.stop()
        for trigger in self.triggers.values():
            trigger.stop()
        self.calling.close()
        # what is cut off now tells nobody anything
        self.pipeline.close()
        self.dispatcher.close()
        for line in self.lines.values():
            line.stop()
        self.clock.end()


def compose(
    site: Site,
    clock: Clock,
    journal: Journal,
    *,
    run: str,
    opener_of: OpenerOf | None = None,
    limits: Mapping[RuleId, Limit] | None = None,
    lost: Collection[tuple[str, int]] = (),
    box: BoxKeeper | None = None,
) -> Agent:
    """Build the agent; nothing is opened and nothing runs until ``start``.

    ``limits``: what the proof allows each rule. ``lost``: lines and addresses that were silent when
    the agent last ran. ``box`` hears everything.
    """
    opener_of, clock = opener_of or real_opener, LifeClock(clock)
    if box is not None:
        journal = BoxedJournal(journal, box)
        opener_of = overheard(opener_of, box, clock)
    health = Health()
    lines: dict[str, Line] = {}
    conformance = Conformance(
        [RuleId(rule.id) for rule in site.rules],
        limits or {},
        lambda breach: _note_breach(breach, lines, journal, clock),
    )
    pipeline = Pipeline(
        decider_of(site),
        plans_of(site),
        _inputs(site),
        [Button(PointId(each.point), each.by) for each in site.acknowledges],
        journal,
        health,
        conformance,
        clock,
        shadows=_shadows(site),
        tell=box.tell if box is not None else None,
        spare=decider_of(site) if box is not None else None,
    )
    agent = Agent(site, clock, health, conformance, pipeline, lines=lines, box=box)
    if box is not None:
        agent.begins = lambda: box.use(head_of(site, run), calendars(site))
    for device in site.devices:
        _add_device(agent, device, opener_of, lost)
    agent.dispatcher = Dispatcher(_actuators(agent), clock, run, pipeline.on_outcome)
    pipeline.connect(agent.dispatcher)
    agent.calling = calling_of(site, pipeline, journal, clock)
    agent.pollers = _pollers(site, agent.devices, pipeline, clock)
    return agent


def _add_device(
    agent: Agent, device: DeviceConfig, opener_of: OpenerOf, lost: Collection[tuple[str, int]]
) -> None:
    """Make a device's driver, and its line if it is the first there."""
    site, clock = agent.site, agent.clock
    bus = next(each for each in site.buses if each.id == device.bus)
    profile = site.profile(device)
    if not isinstance(profile, ModbusProfile):
        agent.triggers[DeviceId(device.id)] = _line_sensor(
            site, device, profile, opener_of(bus), clock
        )
        return
    name = line_name(bus, device)
    if name not in agent.lines:
        notice = partial(_note_device, site, name, agent.pipeline)
        agent.lines[name] = Line(name, opener_of(bus), _dialect(bus, profile), clock, notice)
    agent.devices[DeviceId(device.id)] = ModbusDevice(
        device.id, device.address or 0, profile, site.points_of(device), agent.lines[name], clock,
        urgent=site.watched(), line_cost=line_of(bus).cost, lost=(name, device.address) in lost,
    )  # fmt: skip


def line_name(bus: BusConfig, device: DeviceConfig) -> str:
    """The line a device is on: that of its bus, but on TCP each has a connection of its own."""
    return f"{bus.id}/{device.id}" if bus.kind == "tcp" else bus.id


def block_profile(site: Site) -> Profile:
    """What the site's telemetry blocks contain: one column per point, grouped by device."""
    return Profile(
        site.site.id,
        tuple(
            Column(point.id, point.unit.value, point.decimals, point.device, point.tick_ms)
            for point in site.points
        ),
    )


def real_opener(bus: BusConfig) -> Opener:
    """The opener of a configured bus on this machine."""
    if bus.kind == "tcp":
        return tcp_opener(str(bus.host), bus.tcp_port or 0)
    return serial_opener(_settings(bus))


def _settings(bus: BusConfig) -> SerialSettings:
    return SerialSettings(
        str(bus.port),
        bus.baud or 9600,
        bus.data_bits or 8,
        bus.parity or "none",
        bus.stop_bits or 1,
        expectation(bus.adapter) if bus.adapter else None,
        Rs485(**bus.rs485.model_dump()) if bus.rs485 else None,
    )


def _dialect(bus: BusConfig, profile: ModbusProfile) -> Dialect:
    if bus.kind == "tcp":
        return Tcp(profile.limits.pipeline)
    settings = _settings(bus)
    return Rtu(settings.baud, settings.character_bits, line_of(bus).lead_s)


def _line_sensor(
    site: Site, device: DeviceConfig, profile: LineProfile, opener: Opener, clock: Clock
) -> LineSensor:
    points = site.points_of(device)
    stale_s = min((site.stale_s[p.id] for p in points if p.id in site.stale_s), default=None)
    return LineSensor(
        device.id, profile, points, opener, clock,
        period_s=device.period_ms / 1000 if device.period_ms else None,
        silence_s=stale_s or profile.framing.silence_s,
    )  # fmt: skip


def _actuators(agent: Agent) -> dict[ActuatorId, Actuator]:
    devices = agent.devices.items()
    return {ActuatorId(name): device for name, device in devices if device.actions}


def _shadows(site: Site) -> dict[RuleId, RuleId | None]:
    """Every shadow rule, with the armed one it may replace."""
    return {
        RuleId(rule.id): RuleId(rule.shadow_of) if rule.shadow_of else None
        for rule in site.rules
        if rule.shadow
    }


def _inputs(site: Site) -> dict[PointId, tuple[RuleId, ...]]:
    """The armed rules that look at each point."""
    found: dict[PointId, tuple[RuleId, ...]] = {}
    for rule in site.rules:
        for point in () if rule.shadow else sorted(rule.points):
            found[point] = (*found.get(point, ()), RuleId(rule.id))
    return found


def _vital(site: Site) -> frozenset[DeviceId]:
    """Devices that people depend on: they feed an alarm, or are what is heard."""
    feeding = {DeviceId(point.split(".", 1)[0]) for point in site.watched()}
    steps = [step for plan in site.plans for step in with_backups(steps_of(plan))]
    return frozenset(feeding | {step.actuator for step in steps})


def _note_device(
    site: Site,
    line: str,
    pipeline: Pipeline,
    address: int | None,
    notice: Notice,
    detail: str,
) -> None:
    """Give what a line says of an address the device's name."""
    buses = {bus.id: bus for bus in site.buses}
    here = [each for each in site.devices if line_name(buses[each.bus], each) == line]
    device = next((DeviceId(each.id) for each in here if each.address == address), None)
    # an unknown speaker disturbs whatever is on its line
    concerned = {device} if device is not None else {DeviceId(each.id) for each in here}
    pipeline.on_notice(
        DeviceNotice(line, address, device, notice, detail), vital=bool(concerned & _vital(site))
    )


def _note_breach(breach: Breach, lines: Mapping[str, Line], journal: Journal, clock: Clock) -> None:
    """Record a stage that took too long with what was on the lines meanwhile."""
    schedule = {
        name: [
            {
                "begin_ms": ms_between(breach.since, each.begin),
                "end_ms": ms_between(breach.since, each.end),
                "address": each.unit,
                "function": each.function,
                "class": each.priority.name.lower(),
                "result": each.result,
            }
            for each in line.exchanges
            if each.end >= breach.since and each.begin <= breach.at
        ]
        for name, line in lines.items()
    }
    body = breach_body(breach, {name: part for name, part in schedule.items() if part})
    journal.offer(Record(RecordKind.BREACH, Urgency.ALARM, clock.utc(), body))


def _pollers(
    site: Site, devices: Mapping[DeviceId, ModbusDevice], pipeline: Pipeline, clock: Clock
) -> list[Poller]:
    watched = site.watched()
    pollers = []
    for device in site.devices:
        sensor: Sensor | None = devices.get(DeviceId(device.id))
        if sensor is None or not sensor.points or not device.period_ms:
            continue
        watching = any(point.id in watched for point in sensor.points)
        priority = Class.WATCH if watching else Class.LOG
        pollers.append(
            Poller(
                sensor, device.period_ms, priority, clock, pipeline.on_samples,
                pipeline.on_response if watching else None,
            )
        )  # fmt: skip
    return pollers
