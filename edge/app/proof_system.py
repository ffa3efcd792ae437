"""What the latency proof must know of a site: exact times of every question that may be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drivers.modbus_action import write_request
from drivers.read_plan import PlannedRead
from edge.analysis.latency.model import (
    Backup,
    Bus,
    Device,
    Exchange,
    Output,
    Read,
    Rule,
    System,
)
from edge.app.checks import checks_of
from edge.app.condition_delay import delay_of
from edge.app.config.line_time import LineTime, serial_line
from edge.app.config.model import BusConfig, DeviceConfig, RuleConfig, Site
from edge.app.config.profile import Action, LineProfile, ModbusProfile
from edge.app.plan_steps import steps_of
from edge.core.instant import NS_PER_MS, NS_PER_S
from edge.core.model import Alarm, Phase, PointId, RuleId
from edge.engine import plan
from edge.engine.conditions.tree import points_of
from edge.engine.plan import Step, with_backups
from protocols.modbus import BROADCAST_UNIT

SOUNDING = ("siren", "amplifier", "relay", "io")
"""Kinds of devices whose rules have a budget unless the site file says otherwise."""

# Unless its profile says otherwise, a text sensor answers within this, or half its period.
_TEXT_TURNAROUND_MS = 500


def system_of(site: Site) -> System:
    """The site as the proof sees it; times in nanoseconds, rounded to the nearest."""
    return _Builder(site).system()


def line_of(bus: BusConfig) -> LineTime:
    """How time passes on a Modbus bus."""
    if bus.kind == "tcp":
        return LineTime()
    lead_s = bus.rs485.delay_before_ms / 1000 if bus.rs485 else 0.0
    return serial_line(bus.baud or 9600, 8, bus.parity or "none", bus.stop_bits or 1, lead_s=lead_s)


def commanded(rule: RuleConfig, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that begin when a rule goes to its highest level at once, in their order."""
    alarm = Alarm(
        RuleId(rule.id),
        phase=Phase.ACTIVE_UNACKNOWLEDGED,
        level=rule.highest,
        highest=rule.highest,
        current=rule.highest,
    )
    due = plan.orders([alarm], {alarm.rule: steps})
    return tuple(order.step for order in plan.begun({}, due))


class _Builder:
    """Holds what several parts need to look up."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._buses = {bus.id: bus for bus in site.buses}
        self._devices = {device.id: device for device in site.devices}
        self._lines = {bus.id: line_of(bus) for bus in site.buses if bus.kind != "ascii"}
        self._watched = site.watched()
        self._checks = checks_of(site)
        self._reads: dict[str, tuple[PlannedRead, ...]] = {}
        self._planned: dict[tuple[str, str, frozenset[str]], tuple[PlannedRead, ...]] = {}
        plans = {each.id: steps_of(each) for each in site.plans}
        self._steps = {rule.id: plans[rule.plan] for rule in site.rules if rule.plan}

    def system(self) -> System:
        """All of it."""
        site = self._site
        buses = tuple(bus for config in site.buses for bus in self._lines_of(config))
        rules = (self._rule(rule) for rule in site.rules if rule.id in self._steps)
        return System(
            buses=buses,
            rules=tuple(rule for rule in rules if rule.outputs),
            compute_ns=round(site.proof.compute_ms * NS_PER_MS),
        )

    # -- buses and devices --------------------------------------------------------------------

    def _lines_of(self, config: BusConfig) -> Iterable[Bus]:
        """A serial bus is one line; on TCP every device has a connection of its own."""
        devices = [device for device in self._site.devices if device.bus == config.id]
        if config.kind != "tcp":
            yield self._bus(config.id, config, devices)
            return
        for device in devices:
            yield self._bus(f"{config.id}/{device.id}", config, [device])

    def _bus(self, name: str, config: BusConfig, devices: Sequence[DeviceConfig]) -> Bus:
        return Bus(
            name=name,
            devices=tuple(
                polled for device in devices if (polled := self._device(device, config)).reads
            ),
            outputs=tuple(self._outputs({device.id for device in devices})),
            dead=self._site.proof.dead_devices,
            overhead_ns=self._site.proof.exchange_us * 1000,
            baud=config.baud,
        )

    def _device(self, device: DeviceConfig, bus: BusConfig) -> Device:
        profile = self._site.profile(device)
        if isinstance(profile, LineProfile):
            return self._text_sensor(device, bus, profile)
        line, timing = self._lines[bus.id], profile.timing
        planned = self._plan(device, profile, line)
        self._reads[device.id] = planned
        reads = tuple(
            Read(line.exchange(each.request(1), timing), each.watch, _label(device.id, each.names))
            for each in planned
        )
        period_ms = device.period_ms or 0
        return Device(
            name=device.id,
            period_ns=period_ms * NS_PER_MS,
            reads=reads,
            attempts=line.attempts(period_ms, timing, reads[0].exchange) if reads else 1,
            late_ns=timing.late_ms * NS_PER_MS if line.slips else 0,
        )

    def _plan(
        self, device: DeviceConfig, profile: ModbusProfile, line: LineTime
    ) -> tuple[PlannedRead, ...]:
        """Devices of one kind on one bus, with the same points watched, are read alike."""
        watched = frozenset(
            name for name in profile.points if f"{device.id}.{name}" in self._watched
        )
        key = (device.bus, device.profile, watched)
        if key not in self._planned:
            self._planned[key] = line.plan(profile.points, profile.limits, profile.timing, watched)
        return self._planned[key]

    def _text_sensor(self, device: DeviceConfig, bus: BusConfig, profile: LineProfile) -> Device:
        """A line of text of the greatest length; unasked it may take as long as is not stale."""
        framing = profile.framing
        characters = serial_line(
            bus.baud or 9600, bus.data_bits or 8, bus.parity or "none", bus.stop_bits or 1
        )
        poll = (framing.poll or "").encode(framing.encoding)
        points = self._site.points_of(device)
        limits = [self._site.stale_s[p.id] for p in points if p.id in self._site.stale_s]
        silence_s = min(limits, default=framing.silence_s)
        turnaround_ms = 0
        if device.period_ms:
            usual_ms = min(_TEXT_TURNAROUND_MS, device.period_ms // 2)
            turnaround_ms = usual_ms if framing.turnaround_ms is None else framing.turnaround_ms
        exchange = Exchange(
            gap_ns=0,
            question_ns=characters.frame_ns(len(poll)),
            turnaround_ns=turnaround_ms * NS_PER_MS,
            answer_ns=characters.frame_ns(framing.max_length),
            timeout_ns=turnaround_ms * NS_PER_MS,
        )
        period_ns = (
            device.period_ms * NS_PER_MS if device.period_ms else round(silence_s * NS_PER_S)
        )
        watch = any(point.id in self._watched for point in points)
        names = tuple(profile.points)
        self._reads[device.id] = (PlannedRead("", 0, 0, names, watch),)
        return Device(device.id, period_ns, (Read(exchange, watch, _label(device.id, names)),))

    # -- outputs and rules ----------------------------------------------------------------------

    def _outputs(self, devices: set[str]) -> Iterable[Output]:
        """What the rules can drive on these devices."""
        driven: dict[str, list[Step]] = {}
        for rule in self._site.rules:
            for step in with_backups(self._steps.get(rule.id, ())):
                if step.level <= rule.highest and step.actuator in devices:
                    driven.setdefault(step.output, []).append(step)
        for name, steps in driven.items():
            yield self._output(name, steps)

    def _output(self, name: str, steps: Sequence[Step]) -> Output:
        """As slow in every part as the slowest of the commands that may drive it."""
        device = self._devices[steps[0].actuator]
        profile = self._site.profile(device)
        if not isinstance(profile, ModbusProfile):
            raise AssertionError("a checked step drives a device that has actions")
        commands = []
        for step in steps:
            commands.append((profile.actions[step.action], dict(step.arguments)))
            if step.stop is not None:
                commands.append((profile.actions[step.stop], dict(step.stop_arguments)))
            if step.drill is not None:
                commands.append((profile.actions[step.drill.action], dict(step.drill.arguments)))
        line, confirms = self._lines[device.bus], []
        writes: list[tuple[Exchange, ...]] = []
        for action, arguments in commands:
            writes.append(_writes(action, arguments, line, profile))
            if action.confirm is not None:
                confirms.append(action.confirm)
        slowest = max(confirms, key=lambda each: (each.within_ms, -each.every_ms), default=None)
        return Output(
            name=name,
            device=device.id,
            writes=_slowest_of_each(writes),
            confirm=_slowest(
                [
                    line.exchange(
                        PlannedRead(each.table, 0, len(each.values), ()).request(1), profile.timing
                    )
                    for each in confirms
                ]
            )
            if confirms
            else None,
            within_ns=slowest.within_ms * NS_PER_MS if slowest else 0,
            every_ns=slowest.every_ms * NS_PER_MS if slowest else 0,
            warm_up_ns=max(profile.actions[step.action].warm_up_ms for step in steps) * NS_PER_MS,
        )

    def _rule(self, rule: RuleConfig) -> Rule:
        steps = commanded(rule, self._steps[rule.id])
        delay = delay_of(rule.condition)
        # a selector's points decide which threshold holds, not when it is crossed
        points = frozenset().union(*(points_of(each.raises) for each in rule.condition.levels))
        return Rule(
            name=rule.id,
            inputs=tuple(dict.fromkeys(self._read_of(point) for point in sorted(points))),
            outputs=tuple(step.output for step in steps),
            hold_ns=delay.hold_ns,
            repeats=delay.repeats + self._held(points),
            budget_ns=self._budget_ns(rule, steps),
            backups=tuple(
                self._backup(step, step.backup) for step in steps if step.backup is not None
            ),
        )

    def _held(self, points: Iterable[PointId]) -> int:
        """So many readings the checks may hold back before they believe a real jump."""
        return max((self._checks[point].held_readings for point in points), default=0)

    def _read_of(self, reference: str) -> tuple[str, int]:
        """The device of a point, and which of its reads brings it."""
        device, _, point = reference.partition(".")
        index = next(i for i, read in enumerate(self._reads[device]) if point in read.names)
        return device, index

    def _backup(self, step: Step, backup: Step) -> Backup:
        heard = step.heard
        return Backup(
            primary=step.output,
            output=backup.output,
            confirm_ns=round(step.timeout_s * NS_PER_S),
            heard_ns=round(heard.within_s * NS_PER_S) if heard is not None else 0,
            hearing=self._read_of(heard.point) if heard is not None else None,
        )

    def _budget_ns(self, rule: RuleConfig, steps: Iterable[Step]) -> int | None:
        if rule.budget_s is not None:
            return round(rule.budget_s * NS_PER_S)
        kinds = {self._site.profile(self._devices[step.actuator]).device.kind for step in steps}
        return round(self._site.proof.budget_s * NS_PER_S) if kinds & set(SOUNDING) else None


def _label(device: str, names: Sequence[str]) -> str:
    more = f"+{len(names) - 1}" if len(names) > 1 else ""
    return f"{device}.{names[0]}{more}"


def _writes(
    action: Action, arguments: Mapping[str, int], line: LineTime, profile: ModbusProfile
) -> tuple[Exchange, ...]:
    unit = BROADCAST_UNIT if action.broadcast else 1
    return tuple(
        line.exchange(write_request(write, unit, arguments), profile.timing)
        for write in action.write
    )


def _slowest_of_each(commands: Sequence[Sequence[Exchange]]) -> tuple[Exchange, ...]:
    """The first writes of all commands in one, the second ones, and so on."""
    longest = max(map(len, commands))
    return tuple(
        _slowest([writes[i] for writes in commands if i < len(writes)]) for i in range(longest)
    )


def _slowest(exchanges: Sequence[Exchange]) -> Exchange:
    """At least as slow as each of them in every part."""
    return Exchange(
        gap_ns=max(each.gap_ns for each in exchanges),
        question_ns=max(each.question_ns for each in exchanges),
        turnaround_ns=max(each.turnaround_ns for each in exchanges),
        answer_ns=max(each.answer_ns for each in exchanges),
        timeout_ns=max(each.timeout_ns for each in exchanges),
    )
