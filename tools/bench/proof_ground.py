"""A site prepared for one target of the campaign: who is who, and how long each takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from edge.app.config.model import BusConfig, DeviceConfig, RuleConfig, Site, StepConfig
from edge.app.config.profile import Action, ModbusPoint, ModbusProfile
from edge.core.instant import NS_PER_MS
from tools.twins.line_time import LineTime

_LETTER = {"none": "N", "even": "E", "odd": "O"}
_QUESTION_CHARACTERS = 8
_ANSWER_CHARACTERS = 5
# What feeds no alarm waits for room between what does for so many of the longest periods, within
# these limits (docs/bus.md).
_ROOM_PERIODS = 2
_ROOM_NS = (1_000_000_000, 5_000_000_000)


@dataclass(frozen=True, slots=True)
class Target:
    """What is timed: a rule, and which step of its plan."""

    rule: str
    step: int


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

    def patience_ns(self, line: str) -> int:
        """So long what feeds no alarm waits on a line for room between what does; 0: not at all."""
        watched = {str(rule.point).partition(".")[0] for rule in self.site.rules}
        periods = [
            period_ns(device)
            for device in self.site.devices
            if device.id in watched and self.line_of(device) == line
        ]
        least, most = _ROOM_NS
        return min(max(_ROOM_PERIODS * max(periods), least), most) if periods else 0

    def silent_ns(self, device: DeviceConfig) -> int:
        """What a device that is silent costs its line, about."""
        timing = self.profile(device).timing
        time = self.line_time(self.buses[device.bus])
        return (timing.gap_ms + timing.timeout_ms) * NS_PER_MS + time.ns(_QUESTION_CHARACTERS)

    def longest_ns(self, device: DeviceConfig) -> int:
        """The longest exchange of a device that answers, about."""
        profile = self.profile(device)
        return self._read_ns(device, min(len(profile.points), profile.limits.max_registers))

    def poll_ns(self, device: DeviceConfig) -> int:
        """A poll at most, if everything is answered."""
        return sum(self._read_ns(device, 1) for _ in self.profile(device).points)

    def _read_ns(self, device: DeviceConfig, count: int) -> int:
        timing = self.profile(device).timing
        time = self.line_time(self.buses[device.bus])
        characters = _QUESTION_CHARACTERS + _ANSWER_CHARACTERS + 2 * count
        waits_ns = (timing.gap_ms + timing.turnaround_ms) * NS_PER_MS
        return waits_ns + time.silence_ns + time.ns(characters)


def period_ns(device: DeviceConfig) -> int:
    """How often it is polled; 0 if never."""
    return (device.period_ms or 0) * NS_PER_MS


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
