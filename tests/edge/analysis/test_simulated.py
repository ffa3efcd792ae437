"""The proof against a line simulated attempt by attempt: never exceeded, and reached."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.analysis.latency import prove
from edge.analysis.latency.model import Bus, Device, Exchange, Output, Read, Rule, System

FAR = 1 << 30


def exchange(question=2, turnaround=1, answer=3, timeout=10, gap=1) -> Exchange:
    return Exchange(gap, question, turnaround, answer, timeout)


def device(name, period, *reads, attempts=1, late=0, log=()) -> Device:
    watched = tuple(Read(each, True) for each in reads or (exchange(),))
    return Device(name, period, watched + tuple(Read(each, False) for each in log), attempts, late)


def system(bus, subject="a", index=0, outputs=(), hold=0, **more) -> System:
    return System((bus,), (Rule("rule", ((subject, index),), outputs, hold),), **more)


def siren(name="siren", own="siren") -> Output:
    return Output(name, own, (exchange(),))


def latencies(attempts, name, index, after):
    """From just after a question to the end of the next answer; all have been polled before."""
    own = [each for each in attempts if (each.who, each.index) == (name, index) and each.answered]
    own = [each for each in own if each.release >= after]
    return [later.end - before.asked for before, later in itertools.pairwise(own)]


def phasings(bus, step=1):
    """Of all others against the first."""
    first, *others = bus.devices
    for starts in itertools.product(*(range(0, each.period_ns, step) for each in others)):
        yield {first.name: 0, **{each.name: at for each, at in zip(others, starts, strict=True)}}


def worst(bench: Any, bus: Bus, name="a", index=0, step=1, **more) -> int:
    """Over all phases on a grid: from the change to the end of the reading that shows it."""
    found = 0
    longest = max(each.period_ns for each in bus.devices)
    for phases in phasings(bus, step):
        attempts = bench(bus, phases, **more).run(12 * longest)
        found = max([found, *latencies(attempts, name, index, 2 * longest)])
    return found


def reading(bus: Bus, name="a", index=0) -> int:
    """What is proven of the same: the command goes out on another line, after its last one."""
    out = siren()
    far = Bus("far", (), (out,), 0)
    rule = Rule("rule", ((name, index),), (out.name,))
    (bound,) = prove(System((bus, far), (rule,))).bounds
    return bound.command_ns - out.writes[0].answered_ns


# --- by hand: exchanges of 1 + 2 + 1 + 3, so that an answered attempt takes 7, begun 6


def test_a_sensor_alone_is_as_late_as_its_period_and_an_answer(bench):
    """The change just after the question, a period, turnaround and answer.

    The silence of 1 before the question is counted although the line has long been quiet.
    """
    bus = Bus("bus", (device("a", 20),), (), 0)
    assert reading(bus) == 20 + 1 + 3 + 1
    assert worst(bench, bus) == 20 + 1 + 3


def test_a_question_of_lower_class_blocks_once(bench):
    """An attempt that began a moment before is waited for, then the silence before ours."""
    logger = Device("z", 31, (Read(exchange(turnaround=4), False),))
    bus = Bus("bus", (device("a", 20), logger), (), 0)
    assert reading(bus) == 20 + (2 + 4 + 3) + 1 + (1 + 3)
    assert reading(bus) - 1 <= worst(bench, bus) <= reading(bus)


def test_a_shorter_period_goes_first_as_often_as_its_deadline_is_earlier(bench):
    """Twice within the window here, and nothing of a longer period is there to block."""
    short = device("b", 20, exchange(answer=7)), device("c", 47, exchange(answer=6))
    bus = Bus("bus", (device("a", 70), *short), (), 0)
    # the question would begin at 11 + 10 + 1, when b has been due again: 11 + 10 + 11 + 1
    assert reading(bus) == 70 + (11 + 10 + 11 + 1) + (1 + 3)
    # in the poll before, half a period of b earlier, b may take 1 of it; the line was quiet
    assert reading(bus) - 3 <= worst(bench, bus) <= reading(bus)


def test_polls_of_the_same_period_delay_every_poll_alike(bench):
    """Only how fast they answer differs; what equal polls cost does not come on top."""
    bus = Bus("bus", (device("a", 40), device("b", 40), device("c", 40)), (), 0)
    assert reading(bus) == 40 + (1 + 3) + 2 * 1 + 1
    steady = worst(bench, bus, step=2)
    assert steady <= reading(bus)
    varying = worst(bench, bus, step=2, quick=lambda _who, at: at < 130)
    assert reading(bus) - 1 <= varying <= reading(bus)


def test_own_earlier_reads_come_first(bench):
    """Slow this time, quick the time before."""
    first, second = exchange(turnaround=6), exchange()
    bus = Bus("bus", (device("a", 40, first, second),), (), 0)
    # second question: slow 1+2+6+3 and 1, against quick 2+3 and 1; then 1 + 3
    assert reading(bus, index=1) == 40 + (1 + 2 + 6 + 3 + 1) - (2 + 3 + 1) + (1 + 3)
    found = worst(bench, bus, index=1, quick=lambda _who, at: at < 130)
    assert reading(bus, index=1) - 1 <= found <= reading(bus, index=1)


def test_a_dead_device_takes_its_attempts_and_spares_its_answer(bench):
    """Silent 1+2+10 in place of 1+2+1+3; a retry only after the time of a late answer."""
    other = device("b", 60, attempts=2, late=200)
    bus = Bus("bus", (device("a", 60), other), (), 1)
    # same period, but it may not have been asked in the poll before: an answer was still owed
    assert reading(bus) == 60 + (1 + 2 + 10) + 1 + (1 + 3)
    found = max(worst(bench, bus, dead={"b": at}) for at in range(170, 250))
    # silence is gap enough for the next question, and its own comes after a quiet line
    assert reading(bus) - 3 <= found <= reading(bus)


def test_a_short_silence_makes_a_long_one_worthless(bench):
    """a waits for 9 of silence; b comes when 8 of it are over, wants 1 only, and a waits anew."""
    logger = Device("z", 53, (Read(exchange(), False),))
    bus = Bus("bus", (device("a", 70, exchange(gap=9)), device("b", 37), logger), (), 0)
    # z has begun: 6; b: 6 after a silence of up to 9; then 9
    assert reading(bus) == 70 + 6 + (9 + 6) + 9 + (1 + 3)
    found = worst(bench, bus)
    assert reading(bus) - 2 <= found <= reading(bus)


# --- whatever the phases


periods = st.sampled_from([20, 25, 30, 40, 50, 60, 80])
exchanges = st.builds(
    Exchange,
    gap_ns=st.integers(0, 3),
    question_ns=st.integers(1, 3),
    turnaround_ns=st.integers(0, 4),
    answer_ns=st.integers(1, 5),
    timeout_ns=st.integers(6, 15),
)
reads = st.lists(st.builds(Read, exchanges, st.booleans()), min_size=1, max_size=2)


@st.composite
def buses(draw, most=4):
    devices = []
    for name in "abcd"[: draw(st.integers(1, most))]:
        own = draw(reads)
        if name == "a":
            own[0] = Read(own[0].exchange, True)
        own.sort(key=lambda each: not each.watch)
        devices.append(
            Device(
                name, draw(periods), tuple(own),
                attempts=draw(st.integers(1, 3)), late_ns=draw(st.sampled_from([0, 0, 10, 40])),
            )
        )  # fmt: skip
    outputs = [
        Output(name, name, tuple(draw(st.lists(exchanges, min_size=1, max_size=2))),
               draw(st.none() | exchanges), 30, 15)
        for name in ("siren", "x", "y")[: draw(st.integers(1, 3))]
    ]  # fmt: skip
    return Bus("bus", tuple(devices), tuple(outputs), draw(st.integers(0, 2)))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), bus=buses())
def test_no_phase_no_silence_and_no_command_exceeds_the_bound(bench, data, bus):
    """Change to first byte of the command, on one line with everything that may disturb it."""
    phases = {each.name: data.draw(st.integers(0, each.period_ns - 1)) for each in bus.devices}
    others = [each.name for each in bus.devices[1:]] + [each.name for each in bus.outputs[1:]]
    dead = (
        data.draw(st.lists(st.sampled_from(others), max_size=bus.dead, unique=True))
        if others
        else []
    )
    at = data.draw(st.integers(200, 400))
    around = st.integers(at - 40, at + 200)
    slow_from = data.draw(st.integers(200, 400))
    run = bench(
        bus,
        phases,
        dead={name: data.draw(around) for name in dead},
        commands={each.name: data.draw(around) for each in bus.outputs[1:]},
        quick=lambda _who, now: now < slow_from,
        watched=("a", 0),
        reaction=bus.outputs[0],
    )
    attempts = run.run(3000, react_after=at)
    own = [each for each in attempts if (each.who, each.index) == ("a", 0) and each.answered]
    before = [each.asked for each in own if each.asked <= at]
    command = next((each.question for each in attempts if each.who == "siren"), None)
    # retries of a silent output come at 500 ms at the earliest: here, never
    (bound,) = prove(system(bus, outputs=("siren",), ensure_ns=FAR, retry_ns=FAR)).bounds
    if command is not None and before:
        assert command - max(before) <= bound.command_ns


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bus=buses(3), more=st.integers(1, 20))
def test_more_silence_longer_timeouts_and_longer_blocking_are_never_better(bus, more):
    def command(changed: Bus) -> int:
        (bound,) = prove(system(changed, outputs=("siren",), ensure_ns=FAR, retry_ns=FAR)).bounds
        return bound.command_ns

    def slower(read: Read) -> Read:
        parts = read.exchange
        timeout = Exchange(
            parts.gap_ns, parts.question_ns, parts.turnaround_ns, parts.answer_ns,
            parts.timeout_ns + more,
        )  # fmt: skip
        return Read(timeout, read.watch)

    now = command(bus)
    assert now <= command(Bus("bus", bus.devices, bus.outputs, bus.dead + 1))
    patient = tuple(
        Device(d.name, d.period_ns, tuple(map(slower, d.reads)), d.attempts, d.late_ns)
        for d in bus.devices
    )
    assert now <= command(Bus("bus", patient, bus.outputs, bus.dead))
    logger = Device("z", 1000, (Read(exchange(turnaround=more), False),))
    slow_logger = Device("z", 1000, (Read(exchange(turnaround=2 * more), False),))
    quiet = command(Bus("bus", (*bus.devices, logger), bus.outputs, bus.dead))
    assert quiet <= command(Bus("bus", (*bus.devices, slow_logger), bus.outputs, bus.dead))


@pytest.mark.parametrize("step", [3])
def test_the_bound_is_nearly_reached_on_mixed_periods(bench, step):
    """Exhaustively: three sensors and a logger; what is found is near the bound."""
    bus = Bus(
        "bus",
        (
            device("a", 60),
            device("b", 30, exchange(answer=5)),
            Device("z", 45, (Read(exchange(turnaround=4), False),)),
        ),
        (),
        0,
    )
    found = worst(bench, bus, step=step)
    assert found <= reading(bus) <= 1.1 * found
