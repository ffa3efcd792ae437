"""From a site to running objects; the only file that knows drivers and engine at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drivers.bus.dialect import Dialect, Rtu, Tcp
from drivers.bus.line import Line
from drivers.bus.port import Opener
from drivers.bus.serial_port import SerialSettings, serial_opener
from drivers.bus.tcp_port import tcp_opener
from drivers.line_sensor import LineSensor
from drivers.modbus_device import ModbusDevice
from edge.app.config.model import BusConfig, DeviceConfig, PlanConfig, RuleConfig, Site
from edge.app.config.profile import LineProfile, ModbusProfile
from edge.core.instant import Clock, after
from edge.core.model import ActuatorId, Alarm, DeviceId, PointId, RuleId
from edge.core.ports import Actuator, Class, Journal, Sensor
from edge.engine.alarms import AlarmPolicy
from edge.engine.conditions import Condition
from edge.engine.dispatch import Dispatcher
from edge.engine.health import Health
from edge.engine.pipeline import Button, Pipeline, Rule
from edge.engine.plan import Step, Until
from edge.engine.poll import Poller
from protocols.block import Column, Profile

OpenerOf = Callable[[BusConfig], Opener]


@dataclass(slots=True)
class Agent:
    """Everything that runs in the alarm process, but its mains."""

    site: Site
    clock: Clock
    health: Health
    pipeline: Pipeline
    dispatcher: Dispatcher
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[DeviceId, ModbusDevice] = field(default_factory=dict)
    triggers: dict[DeviceId, LineSensor] = field(default_factory=dict)
    pollers: list[Poller] = field(default_factory=list)

    def start(self, kept: list[Alarm]) -> None:
        """Open the lines, re-assert what was sounding, then begin to poll."""
        for line in self.lines.values():
            line.start()
        self.pipeline.restore(kept)
        now = self.clock.now()
        for index, poller in enumerate(self.pollers):
            # spread over the period, so that devices of one line do not ask at once
            share = index / len(self.pollers)
            poller.start(after(now, ms=share * poller.period_ms))
        for trigger in self.triggers.values():
            trigger.listen(self.pipeline.on_samples)

    def stop(self) -> None:
        """Sensors first, outputs last; outputs stay as they are."""
        for poller in self.pollers:
            poller.stop()
        for trigger in self.triggers.values():
            trigger.stop()
        self.dispatcher.close()
        for line in self.lines.values():
            line.stop()


def compose(
    site: Site, clock: Clock, journal: Journal, *, run: str, opener_of: OpenerOf | None = None
) -> Agent:
    """Build the agent; nothing is opened and nothing runs until ``start``."""
    opener_of = opener_of or real_opener
    health = Health()
    plans = {plan.id: plan for plan in site.plans}
    pipeline = Pipeline(
        site.points,
        [_rule(rule, plans) for rule in site.rules],
        [Button(PointId(each.point), each.by) for each in site.acknowledges],
        journal,
        health,
        clock,
    )
    lines = {
        bus.id: Line(bus.id, opener_of(bus), _dialect(bus), clock)
        for bus in site.buses
        if bus.kind != "ascii"
    }
    devices: dict[DeviceId, ModbusDevice] = {}
    triggers: dict[DeviceId, LineSensor] = {}
    buses = {bus.id: bus for bus in site.buses}
    for device in site.devices:
        profile, points = site.profile(device), site.points_of(device)
        if isinstance(profile, ModbusProfile):
            devices[DeviceId(device.id)] = ModbusDevice(
                device.id, device.address or 0, profile, points, lines[device.bus], clock,
                urgent=_watched(site),
            )  # fmt: skip
        else:
            triggers[DeviceId(device.id)] = _line_sensor(
                site, device, profile, opener_of(buses[device.bus]), clock
            )
    actuators: dict[ActuatorId, Actuator] = {
        ActuatorId(name): device for name, device in devices.items() if device.actions
    }
    dispatcher = Dispatcher(actuators, clock, run, pipeline.on_outcome)
    pipeline.connect(dispatcher)
    agent = Agent(site, clock, health, pipeline, dispatcher, lines, devices, triggers)
    agent.pollers = _pollers(site, devices, pipeline, clock)
    return agent


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
    )


def _dialect(bus: BusConfig) -> Dialect:
    if bus.kind == "tcp":
        return Tcp()
    settings = _settings(bus)
    return Rtu(settings.baud, settings.character_bits)


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


def _rule(rule: RuleConfig, plans: Mapping[str, PlanConfig]) -> Rule:
    condition = Condition(
        RuleId(rule.id),
        rule.point,
        rule.comparison,
        tuple(sorted(rule.thresholds.items())),
        rule.hysteresis,
        rule.hold_s,
        rule.lost,
    )
    steps = _steps(plans[rule.plan]) if rule.plan else ()
    return Rule(condition, AlarmPolicy(rule.latch), steps)


def _steps(plan: PlanConfig) -> tuple[Step, ...]:
    return tuple(
        Step(
            level=step.level,
            actuator=ActuatorId(step.actuator),
            action=step.action,
            arguments=tuple(sorted(step.arguments.items())),
            stop=step.stop,
            stop_arguments=tuple(sorted(step.stop_arguments.items())),
            until=Until(step.until),
            timeout_s=step.timeout_s,
        )
        for step in plan.steps
    )


def _watched(site: Site) -> frozenset[PointId]:
    """The points that feed alarms: those of rules and push-buttons."""
    buttons = {PointId(each.point) for each in site.acknowledges}
    return frozenset(buttons | {rule.point for rule in site.rules})


def _pollers(
    site: Site, devices: Mapping[DeviceId, ModbusDevice], pipeline: Pipeline, clock: Clock
) -> list[Poller]:
    watched = _watched(site)
    pollers = []
    for device in site.devices:
        sensor: Sensor | None = devices.get(DeviceId(device.id))
        if sensor is None or not sensor.points or not device.period_ms:
            continue
        watching = any(point.id in watched for point in sensor.points)
        priority = Class.WATCH if watching else Class.LOG
        pollers.append(Poller(sensor, device.period_ms, priority, clock, pipeline.on_samples))
    return pollers
