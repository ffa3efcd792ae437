"""The worst schedule behind a bound, slot by slot, and how to bring it about. Pure.

A window's begin is when the line comes under the work that goes before the deciding reading: all
others are released then, and what blocks has begun just before.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge.analysis.latency.bounds import Case, Prover
from edge.analysis.latency.line import Commanded, Line, exchanges
from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Output, Slot, System
from edge.analysis.latency.response import Response, Window

# What a window holds beyond this many attempts is left out of the picture.
_MOST_JOBS = 2000


@dataclass(frozen=True, slots=True)
class Phases:
    """How to bring a worst case about; instants are relative to the change at the sensor.

    ``releases``: an instant at which each device of the sensor's line is polled, before and after
    that as its period says. ``dead``: from when on devices are silent. ``commands``: when outputs
    of both lines are commanded otherwise. Every device answers at once up to the change, and as
    late as it may from then on.
    """

    releases: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Job:
    """An attempt that goes before: ``rank`` is its class and deadline, ``first`` when it may."""

    rank: tuple[int, int, int]
    first: int
    cost_ns: int
    gap_ns: int
    label: str
    what: str = "exchange"


def witness(system: System, bound: Bound) -> Bound:
    """The same bound with its schedule."""
    case = _case(Prover(system), bound)
    return bound if case is None else replace(bound, schedule=schedule(case))


def phases(system: System, bound: Bound) -> Phases:
    """How to bring the worst case of a bound about, as far as phases do."""
    case = _case(Prover(system), bound)
    if case is None or case.response is None:
        return Phases()
    begin = _begin(case)
    window = case.response.worst
    releases = {each.name: begin for each in window.ahead}
    releases[case.sensor.name] = begin + window.release_ns
    stop = window.stop
    if stop.blocker in case.sensor_line.devices and stop.blocker != case.sensor.name:
        releases.setdefault(stop.blocker, begin - 1)
    dead = dict.fromkeys(stop.dead, begin)
    if stop.silent:
        dead[stop.blocker] = begin - 1
    here, there = case.sensor_line, case.output_line
    commands = {each.name: begin for each in here.bus.outputs}
    if not case.same:
        decision = _reading_end(case)
        queued = {name for name, _ in case.wait.queue}
        commands |= {o.name: decision - 1 for o in there.bus.outputs if o.name in queued}
        dead |= {name: decision - 1 for name, _ in case.wait.dead(there.bus.dead)}
        if case.wait.silent:
            dead[case.wait.silent] = decision - 1
    return Phases(releases, dead, commands)


def _case(prover: Prover, bound: Bound) -> Case | None:
    rule = next(each for each in prover.system.rules if each.name == bound.rule)
    cases = (case for case in prover.cases(rule) if case.bound.output == bound.output)
    return next((case for case in cases if case.bound.command_ns < UNBOUNDED_NS), None)


def schedule(case: Case) -> tuple[Slot, ...]:
    """Every slot of the worst case, in order; empty if there is none."""
    if case.response is None:
        return ()
    slots = [*_reading(case, case.response), *_command(case)]
    return tuple(sorted(slots, key=lambda slot: (slot.begin_ns, slot.end_ns)))


# -- when ----------------------------------------------------------------------------------------


def _reading_end(case: Case) -> int:
    """The last byte of the deciding reading."""
    after = ("actuator_blocking", "actuator_queue", "actuator_dead", "actuator_gap", "compute")
    end = case.bound.command_ns
    end -= sum(term.ns for term in case.bound.terms if term.kind in after)
    if case.response is not None and not case.response.overrun:
        end -= case.response.worst.stop.after_ns
    return end


def _question(case: Case) -> int:
    read = case.sensor.reads[case.index].exchange
    return _reading_end(case) - read.question_ns - read.turnaround_ns - read.answer_ns


def _begin(case: Case) -> int:
    """The window's begin."""
    window = case.response.worst if case.response else None
    if window is None:
        return 0
    after = 0 if case.response and case.response.overrun else window.stop.after_ns
    return _question(case) - (window.total_ns - after)


# -- up to the reading ---------------------------------------------------------------------------


def _reading(case: Case, response: Response) -> Iterator[Slot]:
    line, sensor, window = case.sensor_line, case.sensor, response.worst
    bus = line.bus.name
    read = sensor.reads[case.index]
    label = read.label or sensor.name
    question, begin, end = _question(case), _begin(case), _reading_end(case)
    exchange = read.exchange
    tail = exchange.turnaround_ns + exchange.answer_ns if response.overrun else 0
    yield Slot(bus, -exchange.question_ns, tail, label, "watch", "exchange")
    yield Slot(bus, 0, 0, sensor.name, "watch", "change")
    for poll in range(case.polls, 0, -1):
        before = poll * sensor.period_ns
        yield Slot(bus, question - before, end - before, label, "watch", "exchange")
    release = begin + window.release_ns
    yield Slot(bus, release, release, sensor.name, "watch", "release")
    for each in window.ahead:
        yield Slot(bus, begin, begin, each.name, "watch", "release")
    yield from _line_up(case, window, begin, question)
    yield Slot(bus, question, end, label, "watch", "exchange")
    yield Slot(bus, end, end + case.compute_ns, case.rule.name, "act", "decision")


def _line_up(case: Case, window: Window, begin: int, question: int) -> Iterator[Slot]:
    """Everything that goes before the question, without a pause from the window's begin on."""
    bus = case.sensor_line.bus
    at = begin
    stop = window.stop
    if stop.blocking_ns:
        watch = any(
            read.watch
            and device.name == stop.blocker
            and case.sensor_line.rest_ns(read.exchange) == stop.blocking_ns
            for device in bus.devices
            for read in device.reads
        )
        what = "silent" if stop.silent else "exchange"
        yield Slot(
            bus.name, at, at + stop.blocking_ns, stop.blocker, "watch" if watch else "log", what
        )
        at += stop.blocking_ns
    classes = ("act", "watch", "log")
    for job in _in_order(list(_jobs(case, window)), at - begin):
        took = min(job.cost_ns, question - at)
        if took <= 0:
            break
        silence = min(took, job.gap_ns + bus.overhead_ns)
        yield Slot(bus.name, at + silence, at + took, job.label, classes[job.rank[0]], job.what)
        at += took


def _in_order(jobs: list[_Job], now: int) -> Iterator[_Job]:
    """By class and deadline among those that may go; the line is never idle."""
    coming = sorted(jobs, key=lambda job: job.first)[:_MOST_JOBS]
    ready: list[tuple[tuple[int, int, int], int, _Job]] = []
    at = 0
    while at < len(coming) or ready:
        while at < len(coming) and (coming[at].first <= now or not ready):
            heapq.heappush(ready, (coming[at].rank, at, coming[at]))
            at += 1
        job = heapq.heappop(ready)[2]
        yield job
        now += job.cost_ns


def _jobs(case: Case, window: Window) -> Iterator[_Job]:
    line, t = case.sensor_line, window.start_ns
    horizon = window.release_ns + case.sensor.period_ns
    dead = set(window.stop.dead)
    for each in line.commanded:
        yield from _commands(line, each, t, silent=each.device in dead)
    for device in line.bus.devices:
        reads = [read for read in device.reads if read.watch]
        if device.name == case.sensor.name:
            reads = [read for read in device.reads[: case.index] if read.watch]
            for read in reads:
                yield _Job(
                    (1, horizon, 1), window.release_ns, line.cost_ns(read.exchange),
                    read.exchange.gap_ns, read.label or device.name,
                )  # fmt: skip
            continue
        if device.name in dead and device.name in line.silences:
            silence = line.silences[device.name]
            for count in range(min(silence.most, 1 + t // silence.apart_ns)):
                yield _Job(
                    (1, horizon, 0), count * silence.apart_ns, silence.cost_ns,
                    reads[0].exchange.gap_ns, device.name, "silent",
                )  # fmt: skip
            reads = reads[:-1]
        elif device.name == window.stop.blocker and window.stop.silent:
            continue
        for release in range(0, min(t, horizon - device.period_ns) + 1, device.period_ns):
            for read in reads:
                yield _Job(
                    (1, release + device.period_ns, 0), release, line.cost_ns(read.exchange),
                    read.exchange.gap_ns, read.label or device.name,
                )  # fmt: skip


def _commands(line: Line, each: Commanded, t: int, *, silent: bool) -> Iterator[_Job]:
    """Writes and read-backs; of a silent device, attempts in place of the last of them."""
    output = next(other for other in line.bus.outputs if other.name == each.name)
    jobs = [
        _Job((0, 0, 0), 0, line.cost_ns(part), part.gap_ns, each.name) for part in output.writes
    ]
    if output.confirm is not None:
        back, gap = line.cost_ns(output.confirm), output.confirm.gap_ns
        apart = each.apart_ns + each.turnaround_ns
        times = min(each.most_again, t // apart)
        firsts = [0, 0, *(apart * count for count in range(1, times + 1))]
        jobs += [
            _Job((0, 1, 0), at, back, gap, each.name) for at in firsts[: 2 if silent else None]
        ]
    if silent:
        del jobs[-1]
        jobs += [
            _Job(
                (0, 2, 0), first, each.silent_ns, exchanges(output)[-1].gap_ns, each.name, "silent"
            )
            for first in each.silent_times(t)
        ]
    yield from jobs


# -- the command ---------------------------------------------------------------------------------


def _command(case: Case) -> Iterator[Slot]:
    line, output, wait, bound = case.output_line, case.output, case.wait, case.bound
    bus = line.bus.name
    at = _reading_end(case) + case.compute_ns
    if wait.blocking_ns:
        what = "silent" if wait.silent else "exchange"
        yield Slot(bus, at, at + wait.blocking_ns, wait.blocker, "log", what)
        at += wait.blocking_ns
    extra = _silent(case)
    devices = {each.name: each.device for each in line.bus.outputs}
    for name, cost in wait.queue:
        more = extra.pop(devices[name], 0)
        end = min(at + cost + more, bound.command_ns)
        yield Slot(bus, at, end, name, "act", "silent" if more else "exchange")
        at = end
    yield from _writes(line, output, bound)


def _silent(case: Case) -> dict[str, int]:
    """What each silent device adds to the queue."""
    extra = dict(case.wait.extra)
    if case.same and case.response is not None and not case.response.overrun:
        return {name: extra[name] for name in case.response.worst.stop.dead if name in extra}
    return dict(case.wait.dead(case.output_line.bus.dead))


def _writes(line: Line, output: Output, bound: Bound) -> Iterator[Slot]:
    bus, at = line.bus.name, bound.command_ns
    last = bound.sound_ns - output.warm_up_ns
    parts = output.writes or exchanges(output)[:1]
    for number, part in enumerate(parts, start=1):
        length = part.question_ns + part.turnaround_ns + part.answer_ns
        # between the writes others may go: the last one ends when it may end at worst
        begin = last - length if number == len(parts) and number > 1 else at
        yield Slot(bus, begin, begin + length, output.name, "act", "exchange")
        at = begin + length + part.gap_ns
    if output.confirm is not None and output.writes and bound.confirmed_ns < UNBOUNDED_NS:
        length = output.confirm.answered_ns - output.confirm.gap_ns
        yield Slot(
            bus, bound.confirmed_ns - length, bound.confirmed_ns, output.name, "act", "exchange"
        )
