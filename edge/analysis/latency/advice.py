"""What would meet a missed budget: changes tried by proving the changed system. Pure.

Ordered by what they cost in the field: a number in the site file first, a screwdriver last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edge.analysis.latency.backup import bounds_of
from edge.analysis.latency.bounds import Case, Prover
from edge.analysis.latency.model import (
    UNBOUNDED_NS,
    Advice,
    Bus,
    Device,
    Exchange,
    Output,
    System,
)

ADVICE_CODES = (
    "shorten_period",
    "shorten_timeout",
    "shorten_hold",
    "raise_baud",
    "move_sensor",
    "move_actuator",
    "split_bus",
)
"""Codes of advice, the cheapest first.

Values: ``device``, ``bus`` or ``rule`` concerned; ``now`` and ``then`` in ms or baud, as text.
"""

_MS = 1_000_000
_PERIODS_MS = (
    50, 100, 150, 200, 250, 300, 400, 500, 600, 750, 800, 1000, 1200, 1500, 2000, 2500, 3000, 4000,
    5000, 6000, 8000, 10_000, 15_000, 20_000, 30_000, 60_000,
)  # fmt: skip
_TIMEOUTS_MS = (500, 400, 300, 250, 200, 150, 100, 75, 50)
_BAUDS = (19_200, 38_400, 57_600, 115_200)
# Above this speed the silence between frames no longer shrinks (V1.02, 2.5.1.1).
_LEAST_SILENCE_NS = 1_750_000
# Each takes a proof of one rule; a site with many late rules must still be checked in a second.
_MOST_TRIALS = 80
_MOST_TRIALS_EACH = 12


@dataclass(frozen=True, slots=True)
class _Change:
    """A changed system, and how to call the change."""

    values: dict[str, str]
    system: System


def advise(prover: Prover, cases: Sequence[Case]) -> tuple[Advice, ...]:
    """For each late rule every kind of change that alone would do, the least of it.

    None for a rule that no single change helps, and for those beyond the number of trials.
    """
    found: list[Advice] = []
    left = _MOST_TRIALS
    late: dict[str, Case] = {}
    for case in cases:
        if not case.bound.met:
            worst = late.get(case.rule.name)
            if worst is None or case.bound.sound_ns > worst.bound.sound_ns:
                late[case.rule.name] = case
    for case in late.values():
        trial = _Trial(case, min(left, _MOST_TRIALS_EACH))
        found += trial.advice(prover.system)
        left -= trial.spent
    return tuple(found)


class _Trial:
    """Changes tried for one rule."""

    def __init__(self, case: Case, most: int) -> None:
        self.spent = 0
        self._case = case
        self._most = most

    def advice(self, system: System) -> Iterator[Advice]:
        case = self._case
        kinds: tuple[tuple[str, Callable[[System, Case], list[_Change]]], ...] = (
            ("shorten_period", _periods),
            ("shorten_timeout", _timeouts),
            ("shorten_hold", _holds),
            ("raise_baud", _bauds),
            ("move_sensor", _moved_sensor),
            ("move_actuator", _moved_actuator),
            ("split_bus", _split),
        )
        for code, changes in kinds:
            tried = changes(system, case)
            met = self._first(tried) if code == "shorten_period" else self._least(tried)
            if met is not None:
                change, sound = met
                yield Advice(case.rule.name, code, change.values, sound)

    def _first(self, changes: Sequence[_Change]) -> tuple[_Change, int] | None:
        """The first that does: more of it need not be better."""
        for change in changes[:3]:
            sound = self._sound(change)
            if sound is not None:
                return change, sound
        return None

    def _least(self, changes: Sequence[_Change]) -> tuple[_Change, int] | None:
        """The least that does, if the most does."""
        if not changes:
            return None
        low, high = 0, len(changes) - 1
        sound = self._sound(changes[high])
        if sound is None:
            return None
        while low < high:
            middle = (low + high) // 2
            better = self._sound(changes[middle])
            if better is None:
                low = middle + 1
            else:
                high, sound = middle, better
        return changes[high], sound

    def _sound(self, change: _Change) -> int | None:
        """When the rule would sound; None if that is too late still, or not to be tried."""
        if self.spent >= self._most:
            return None
        self.spent += 1
        rule = next(each for each in change.system.rules if each.name == self._case.rule.name)
        bounds = bounds_of(Prover(change.system), rule)
        if not all(bound.met for bound in bounds):
            return None
        return max(bound.sound_ns for bound in bounds)


# -- numbers -------------------------------------------------------------------------------------


def _periods(system: System, case: Case) -> list[_Change]:
    """Longest first, from what the excess asks for."""
    now = case.sensor.period_ns
    excess = case.bound.sound_ns - (case.bound.budget_ns or 0)
    most = now - excess if case.bound.sound_ns < UNBOUNDED_NS else now
    return [
        _Change(
            _values(device=case.sensor.name, now=now // _MS, then=ms),
            _with_device(system, replace(case.sensor, period_ns=ms * _MS)),
        )
        for ms in reversed(_PERIODS_MS)
        if ms * _MS < now and ms * _MS <= most
    ]


def _timeouts(system: System, case: Case) -> list[_Change]:
    """Of the silent device that costs most; never so short that its answers would be missed."""
    name = _silent(case)
    if name is None:
        return []
    parts = list(_exchanges_of(system, name))
    now = max(each.timeout_ns for each in parts)
    least = 2 * max(each.turnaround_ns for each in parts) + 20 * _MS
    return [
        _Change(
            _values(device=name, now=now // _MS, then=ms),
            _mapped(system, partial(_impatient, most_ns=ms * _MS), name),
        )
        for ms in _TIMEOUTS_MS
        if least <= ms * _MS < now
    ]


def _impatient(exchange: Exchange, most_ns: int) -> Exchange:
    return replace(exchange, timeout_ns=min(exchange.timeout_ns, most_ns))


def _holds(system: System, case: Case) -> list[_Change]:
    hold, period = case.rule.hold_ns, case.sensor.period_ns
    periods = range(1, -(-hold // period) + 1)
    shorter = [max(0, hold - period * count) for count in periods]
    return [
        _Change(
            _values(rule=case.rule.name, now=hold // _MS, then=each // _MS),
            replace(
                system,
                rules=tuple(
                    replace(rule, hold_ns=each) if rule.name == case.rule.name else rule
                    for rule in system.rules
                ),
            ),
        )
        for each in shorter
    ]


def _bauds(system: System, case: Case) -> list[_Change]:
    """Of the line of the sensor, then of that of the output."""
    buses = dict.fromkeys((case.sensor_line.bus.name, case.output_line.bus.name))
    changes = []
    for name in buses:
        bus = next(each for each in system.buses if each.name == name)
        changes += [
            _Change(
                _values(bus=name, now=bus.baud, then=baud), _with_bus(system, _faster(bus, baud))
            )
            for baud in _BAUDS
            if bus.baud is not None and baud > bus.baud
        ]
        if changes:
            break
    return changes


def _faster(bus: Bus, baud: int) -> Bus:
    """The same bus at another speed: characters scale, and the silence that is made of them."""
    was = bus.baud or baud
    silence = min((each.gap_ns for each in _all_exchanges(bus)), default=0)
    shorter = max(_LEAST_SILENCE_NS, silence * was // baud)

    def scaled(each: Exchange) -> Exchange:
        return replace(
            each,
            gap_ns=min(each.gap_ns, shorter) if each.gap_ns == silence else each.gap_ns,
            question_ns=-(-each.question_ns * was // baud),
            answer_ns=-(-each.answer_ns * was // baud),
        )

    return replace(_bus_mapped(bus, scaled), baud=baud)


# -- wires ---------------------------------------------------------------------------------------


def _moved_sensor(system: System, case: Case) -> list[_Change]:
    bus = case.sensor_line.bus
    if len(bus.devices) + len(bus.outputs) < 2:
        return []
    name = case.sensor.name
    return [_Change(_values(device=name, bus=bus.name), _moved(system, bus.name, {name}))]


def _moved_actuator(system: System, case: Case) -> list[_Change]:
    bus = case.output_line.bus
    name = case.output.device
    others = any(each.name != name for each in bus.devices)
    if not others and all(each.device == name for each in bus.outputs):
        return []
    return [_Change(_values(device=name, bus=bus.name), _moved(system, bus.name, {name}))]


def _split(system: System, case: Case) -> list[_Change]:
    """Every other device goes to another line; sensor and actuator stay."""
    bus = case.sensor_line.bus
    stay = {case.sensor.name, case.output.device}
    names = [each.name for each in bus.devices] + [each.device for each in bus.outputs]
    others = [name for name in dict.fromkeys(names) if name not in stay]
    if len(others) < 2:
        return []
    return [_Change(_values(bus=bus.name), _moved(system, bus.name, set(others[::2])))]


def _moved(system: System, name: str, devices: set[str]) -> System:
    """Those devices, with their outputs, on a line of their own."""
    buses = []
    for bus in system.buses:
        if bus.name != name:
            buses.append(bus)
            continue
        for suffix, there in (("", False), ("+", True)):
            part = replace(
                bus,
                name=bus.name + suffix,
                devices=tuple(d for d in bus.devices if (d.name in devices) is there),
                outputs=tuple(o for o in bus.outputs if (o.device in devices) is there),
            )
            buses.append(part)
    return replace(system, buses=tuple(buses))


# -- changing a system ---------------------------------------------------------------------------


def _values(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _silent(case: Case) -> str | None:
    """The silent device that costs most, on either line."""
    if case.response is None:
        return next((each.device for each in case.output_line.bus.outputs), None)
    stop = case.response.worst.stop
    names = [*stop.dead, *([stop.blocker] if stop.silent else [])]
    names += [case.wait.silent] if case.wait.silent else []
    return names[0] if names else None


def _with_device(system: System, device: Device) -> System:
    return replace(
        system,
        buses=tuple(
            replace(bus, devices=tuple(device if d.name == device.name else d for d in bus.devices))
            for bus in system.buses
        ),
    )


def _with_bus(system: System, bus: Bus) -> System:
    return replace(system, buses=tuple(bus if b.name == bus.name else b for b in system.buses))


def _all_exchanges(bus: Bus) -> Iterator[Exchange]:
    for device in bus.devices:
        yield from (read.exchange for read in device.reads)
    for output in bus.outputs:
        yield from output.writes
        if output.confirm is not None:
            yield output.confirm


def _exchanges_of(system: System, name: str) -> Iterator[Exchange]:
    for bus in system.buses:
        devices = tuple(each for each in bus.devices if each.name == name)
        outputs = tuple(each for each in bus.outputs if each.device == name)
        yield from _all_exchanges(replace(bus, devices=devices, outputs=outputs))


def _mapped(system: System, change: Callable[[Exchange], Exchange], device: str) -> System:
    return replace(system, buses=tuple(_bus_mapped(bus, change, device) for bus in system.buses))


def _bus_mapped(bus: Bus, change: Callable[[Exchange], Exchange], only: str | None = None) -> Bus:
    def of_device(device: Device) -> Device:
        if only is not None and device.name != only:
            return device
        reads = tuple(replace(read, exchange=change(read.exchange)) for read in device.reads)
        return replace(device, reads=reads)

    def of_output(output: Output) -> Output:
        if only is not None and output.device != only:
            return output
        confirm = None if output.confirm is None else change(output.confirm)
        return replace(output, writes=tuple(map(change, output.writes)), confirm=confirm)

    return replace(
        bus,
        devices=tuple(map(of_device, bus.devices)),
        outputs=tuple(map(of_output, bus.outputs)),
    )
