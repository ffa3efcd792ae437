"""The owner of a line, in virtual time against paced twins.

Whose answer this is, order, and recovery.
"""

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus.dialect import Dialect, Rtu, Tcp
from drivers.bus.line import Line
from drivers.bus.port import OnBytes, OnLost, Port
from drivers.bus.transaction import DeviceTiming, Transaction
from edge.core.errors import Absent, Garbled, NoAnswer, Refused
from edge.core.instant import Instant, after, ms_between
from edge.core.ports import Class
from protocols.modbus import read_registers, write_coil, write_register
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave, TcpSlave
from tools.twins.modbus_unit import Unit
from tools.twins.virtual_port import VirtualLine
from tools.virtual_clock import VirtualClock

BAUD = 9600
TIMING = DeviceTiming(timeout_s=0.1, late_s=1.0)


class Bench:
    """A line, its twin with two units whose registers tell address and unit, and what came back."""

    def __init__(self, *, tcp=False):
        self.clock = VirtualClock()
        self.faults = Faults()
        units = {
            unit: Unit(holding={a: unit * 1000 + a for a in range(100)}, coils={0: 0})
            for unit in (1, 2)
        }
        dialect: Dialect
        if tcp:
            slave = TcpSlave(units, self.faults).connection()
            self.twin = VirtualLine(slave, self.clock, None)
            dialect = Tcp()
        else:
            self.twin = VirtualLine(
                RtuSlave(units, self.faults, turnaround_ms=5.0), self.clock, BAUD
            )
            dialect = Rtu(BAUD, 10)
        self.line = Line("line-a", self.twin.opener, dialect, self.clock)
        self.line.start()
        self.clock.run_for(0.01)
        self.results = []

    def ask(
        self, request, *, priority=Class.WATCH, timing=TIMING, within_s=5.0, then=None, expires=True
    ):
        def done(result):
            self.results.append((request, result))
            if then is not None:
                then(result)

        deadline = after(self.clock.now(), seconds=within_s)
        self.line.submit(
            Transaction(request, priority, deadline, timing, done, deadline if expires else None)
        )

    def read(self, unit, address, count=1, **options):
        self.ask(read_registers(unit, 3, address, count), **options)

    def outcome(self, index=-1):
        result = self.results[index][1]
        return result.error if result.answer is None else result.answer.registers()


def check_no_wrong_value(bench):
    """Whatever was accepted is what the asked unit holds at the asked address."""
    for request, result in bench.results:
        if result.answer is not None and request.function == 3:
            address = int.from_bytes(request.pdu[1:3], "big")
            expected = tuple(
                request.unit * 1000 + address + i for i in range(len(result.answer.registers()))
            )
            assert result.answer.registers() == expected


def test_a_read_returns_the_registers_and_the_arrival_of_the_last_byte():
    bench = Bench()
    began = bench.clock.now()
    bench.read(1, 7, 2)
    bench.clock.run_for(1.0)
    assert bench.outcome() == (1007, 1008)
    line_ms = (8 + 9) * 10 / BAUD * 1000 + 5.0
    assert ms_between(began, bench.results[0][1].at) == pytest.approx(line_ms, abs=0.2)


@pytest.mark.parametrize("late_ms", [110.0, 150.0, 400.0, 950.0])
def test_a_late_answer_is_never_taken_for_the_next_one(late_ms):
    bench = Bench()
    bench.faults.late_ms, bench.faults.next_n = late_ms, 1
    bench.read(1, 10)
    bench.read(1, 20)
    bench.clock.run_for(3.0)
    assert isinstance(bench.outcome(0), NoAnswer)
    assert bench.outcome(1) == (1020,)
    check_no_wrong_value(bench)


def test_every_answer_late_yields_no_value_at_all_rather_than_shifted_ones():
    bench = Bench()
    bench.faults.late_ms = 150.0
    for address in range(10, 20):
        bench.read(1, address, within_s=60.0)
    bench.clock.run_for(60.0)
    assert len(bench.results) == 10
    assert not [r for _, r in bench.results if r.answer]


def test_a_late_answer_frees_its_device_as_soon_as_it_has_come():
    bench = Bench()
    bench.faults.late_ms, bench.faults.next_n = 150.0, 1
    bench.read(1, 10)
    began = bench.clock.now()
    bench.read(1, 20)
    bench.clock.run_for(3.0)
    assert ms_between(began, bench.results[1][1].at) < 300
    assert bench.line.units[1].late == 1


def test_while_one_device_owes_an_answer_others_and_writes_go_on():
    bench = Bench()
    bench.faults.mute, bench.faults.next_n = True, 1
    bench.read(1, 10)
    bench.read(1, 20)
    bench.read(2, 30)
    bench.ask(write_coil(1, 0, True))
    bench.clock.run_for(0.4)
    done = [request for request, _ in bench.results]
    assert [(r.unit, r.function) for r in done] == [(1, 3), (2, 3), (1, 5)]
    bench.clock.run_for(2.0)
    assert bench.outcome() == (1020,)


@pytest.mark.parametrize(
    "knobs",
    [
        {"wrong_unit": 2},
        {"wrong_function": True},
        {"wrong_length": True},
        {"half_frame": True},
        {"bad_crc": True},
        {"noise_before": b"\x00\xff\x01\x03\x02"},
        {"noise_before": bytes.fromhex("0103020000b844")},
        {"echo": True},
        {"two_frames": True},
        {"late_ms": 150.0},
        {"late_ms": 150.0, "wrong_unit": 9},
        {"late_ms": 150.0, "wrong_length": True},
        {"half_frame": True, "late_ms": 150.0},
    ],
    ids=str,
)
def test_no_fault_of_a_device_ever_yields_a_wrong_value(knobs):
    bench = Bench()
    for name, value in knobs.items():
        setattr(bench.faults, name, value)
    for address in range(10, 40):
        if knobs.get("noise_before", b"").startswith(bytes.fromhex("0103020000b844")):
            # a forged frame that is valid in every respect cannot be told from the answer
            bench.read(1, address, 2, within_s=120.0)
        else:
            bench.read(1 + address % 2, address, within_s=120.0)
    bench.clock.run_for(120.0)
    assert len(bench.results) == 30
    check_no_wrong_value(bench)


def test_after_every_fault_the_line_works_again():
    bench = Bench()
    for name, value in {
        "half_frame": True,
        "bad_crc": True,
        "wrong_unit": 7,
        "late_ms": 150.0,
    }.items():
        setattr(bench.faults, name, value)
        bench.faults.next_n = 1
        bench.read(1, 11, within_s=10.0)
        bench.clock.run_for(3.0)
        bench.read(1, 12)
        bench.clock.run_for(1.0)
        assert bench.outcome() == (1012,), name


def test_noise_before_the_answer_does_not_hide_it():
    bench = Bench()
    bench.faults.noise_before = b"\x00\xff\x7e"
    bench.read(1, 5)
    bench.clock.run_for(1.0)
    assert bench.outcome() == (1005,)


def test_what_came_instead_of_an_answer_is_told():
    bench = Bench()
    bench.faults.wrong_unit = 2
    bench.read(1, 5)
    bench.clock.run_for(1.0)
    assert isinstance(bench.outcome(), Garbled)
    assert "unit" in bench.outcome().seen


def test_a_refusal_is_told_with_its_code_and_owes_nothing():
    bench = Bench()
    bench.read(1, 500)
    bench.read(1, 5)
    bench.clock.run_for(0.2)
    assert isinstance(bench.outcome(0), Refused)
    assert bench.outcome(0).code == 2
    assert bench.outcome(1) == (1005,)


def test_a_command_goes_before_all_waiting_polls():
    bench = Bench()
    for address in range(20):
        bench.read(2, address)
    bench.ask(write_register(1, 3, 77), priority=Class.ACT)
    bench.clock.run_for(5.0)
    assert [r.function for r, _ in bench.results][:3] == [3, 6, 3]


def test_a_command_waits_at_most_for_the_question_under_way_even_if_that_device_is_dead():
    bench = Bench()
    bench.faults.silent_units = {2}
    for address in range(20):
        bench.read(2, address)
    began = bench.clock.now()
    bench.ask(write_register(1, 3, 77), priority=Class.ACT)
    bench.clock.run_for(5.0)
    write = next(result for request, result in bench.results if request.function == 6)
    frame_ms = 8 * 10 / BAUD * 1000
    assert ms_between(began, write.first_byte) <= frame_ms + 100 + 7 * 10 / BAUD * 1000 + 4


def test_within_a_class_the_earliest_deadline_goes_first():
    bench = Bench()
    bench.read(1, 1, within_s=9.0)
    bench.read(1, 2, within_s=8.0)
    bench.read(2, 3, within_s=1.0)
    bench.clock.run_for(3.0)
    assert [int.from_bytes(r.pdu[1:3], "big") for r, _ in bench.results] == [1, 3, 2]


def test_a_question_that_could_not_begin_by_its_deadline_is_not_asked():
    bench = Bench()
    bench.read(1, 1)
    bench.read(2, 2, within_s=0.001)
    bench.clock.run_for(1.0)
    assert isinstance(bench.outcome(1), NoAnswer)
    assert bench.line.units[2].questions == 0


def test_frames_keep_the_silence_of_the_line_between_them():
    clock = VirtualClock()
    twin = VirtualLine(RtuSlave({1: Unit(holding={0: 1})}, turnaround_ms=5.0), clock, BAUD)
    asked: list[Instant] = []
    heard: list[Instant] = []

    def opener(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        def hear(data: bytes) -> None:
            heard.append(clock.now())
            on_bytes(data)

        return _Spy(twin.opener(hear, on_lost), asked, clock)

    line = Line("a", opener, Rtu(BAUD, 10), clock)
    line.start()
    for _ in range(3):
        deadline = after(clock.now(), seconds=9)
        question = read_registers(1, 3, 0, 1)
        line.submit(Transaction(question, Class.WATCH, deadline, TIMING, lambda _: None))
    clock.run_for(2.0)
    gaps = [ms_between(end, begin) for end, begin in zip(heard, asked[1:], strict=False)]
    assert len(gaps) == 2
    assert min(gaps) >= 3.5 * 10 / BAUD * 1000 - 0.001


class _Spy:
    def __init__(self, port, stamps, clock):
        self._port, self._stamps, self._clock = port, stamps, clock

    def write(self, data):
        self._stamps.append(self._clock.now())
        self._port.write(data)

    def close(self):
        self._port.close()


def test_unplugging_ends_questions_at_once_and_replugging_needs_no_restart():
    bench = Bench()
    bench.read(1, 1)
    bench.clock.run_for(0.005)
    bench.twin.unplug()
    assert isinstance(bench.outcome(), Absent)
    bench.read(1, 2)
    assert isinstance(bench.outcome(), Absent)
    bench.twin.replug()
    bench.clock.run_for(3.0)
    bench.read(1, 3)
    bench.clock.run_for(1.0)
    assert bench.outcome() == (1003,)
    assert bench.line.losses == 1


def test_a_line_that_is_not_there_at_the_start_is_taken_when_it_comes():
    bench = Bench()
    bench.line.stop()
    bench.twin.unplug()
    line = Line("b", bench.twin.opener, Rtu(BAUD, 10), bench.clock)
    line.start()
    assert not line.up
    bench.twin.replug()
    bench.clock.run_for(3.0)
    assert line.up


def test_a_babbling_line_is_talked_over_for_a_command():
    bench = Bench()
    bench.faults.babble = b"\x55" * 16
    bench.twin.poke()
    bench.clock.run_for(0.5)
    began = bench.clock.now()
    bench.ask(write_coil(1, 0, True), priority=Class.ACT)
    bench.clock.run_for(2.0)
    assert bench.results[0][1].first_byte is not None
    assert ms_between(began, bench.results[0][1].first_byte) < 60


def test_a_broadcast_is_done_without_an_answer():
    bench = Bench()
    bench.ask(write_coil(0, 0, True))
    bench.read(1, 1)
    bench.clock.run_for(1.0)
    assert bench.results[0][1].error is None
    assert bench.results[0][1].answer is None
    assert bench.outcome() == (1001,)


def test_modbus_tcp_drops_late_answers_by_their_transaction_number():
    bench = Bench(tcp=True)
    bench.faults.late_ms, bench.faults.next_n = 150.0, 1
    bench.read(1, 10)
    bench.read(1, 20)
    bench.clock.run_for(3.0)
    assert isinstance(bench.outcome(0), NoAnswer | Garbled)
    assert bench.outcome(1) == (1020,)


def test_modbus_tcp_connects_anew_after_several_silences():
    bench = Bench(tcp=True)
    bench.faults.silent = True
    for address in range(6):
        bench.read(1, address, within_s=30.0)
    bench.clock.run_for(5.0)
    assert bench.line.losses >= 1
    bench.faults.silent = False
    bench.read(1, 42)
    bench.clock.run_for(1.0)
    assert bench.outcome() == (1042,)


def test_stopping_ends_what_waits_exactly_once():
    bench = Bench()
    for address in range(5):
        bench.read(1, address)
    bench.line.stop()
    bench.clock.run_for(5.0)
    assert len(bench.results) == 5
    assert all(isinstance(result.error, Absent) for _, result in bench.results)


FAULT = st.fixed_dictionaries(
    {},
    optional={
        "late_ms": st.sampled_from([90.0, 110.0, 150.0, 300.0, 900.0]),
        "wrong_unit": st.sampled_from([1, 2, 9]),
        "wrong_function": st.booleans(),
        "wrong_length": st.booleans(),
        "half_frame": st.booleans(),
        "bad_crc": st.booleans(),
        "mute": st.booleans(),
        "two_frames": st.booleans(),
        "noise_before": st.binary(max_size=12),
    },
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(FAULT, st.integers(1, 2), st.integers(0, 90), st.integers(1, 3)), max_size=25
    )
)
def test_any_mixture_of_faults_never_yields_a_wrong_value_and_every_question_ends(script):
    bench = Bench()
    for knobs, unit, address, count in script:
        bench.faults.clear()
        for name, value in knobs.items():
            if name == "wrong_unit" and value in (1, 2) and "late_ms" in knobs:
                # late, and under the address that is being asked by then: nothing on the wire tells
                continue
            setattr(bench.faults, name, value)
        bench.read(unit, address, count, within_s=30.0)
        bench.clock.run_for(0.13)
    bench.faults.clear()
    bench.clock.run_for(120.0)
    assert len(bench.results) == len(script)
    check_no_wrong_value(bench)


def test_a_fault_in_what_an_answer_causes_does_not_stop_the_line():
    bench = Bench()
    bench.read(1, 1, then=lambda result: 1 / 0)
    bench.read(1, 2)
    with pytest.raises(ZeroDivisionError):
        bench.clock.run_for(1.0)
    bench.clock.run_for(1.0)
    assert bench.outcome() == (1002,)


def test_an_answer_that_asks_again_is_served_in_the_same_call():
    bench = Bench()
    bench.read(1, 1, then=partial(lambda b, result: b.read(2, 2), bench))
    bench.clock.run_for(1.0)
    assert bench.outcome() == (2002,)


class _Wire(Port):
    """A port that notes when it was written to, and speaks when told."""

    def __init__(self, on_bytes, clock):
        self.say, self._clock, self.written = on_bytes, clock, []

    def write(self, data):
        self.written.append(self._clock.now())

    def close(self):
        pass


def test_bytes_from_before_a_question_are_never_its_answer():
    """On a line that is talked over, the very bytes that end the patience look like the answer."""
    clock, ports = VirtualClock(), []

    def opener(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        ports.append(_Wire(on_bytes, clock))
        return ports[-1]

    line = Line("a", opener, Rtu(BAUD, 10), clock)
    line.start()
    wire = ports[0]
    results: list[Any] = []
    question = read_registers(1, 3, 0, 1)
    forged = bytes.fromhex("0103020000b844")
    silence_ms = 3.5 * 10 / BAUD * 1000
    begun = clock.now()
    for ms in range(1, 500, 2):
        clock.call_at(after(begun, ms=ms), lambda: wire.say(b"\x55"))
    patience_ms = silence_ms + 500
    clock.call_at(after(begun, ms=patience_ms - 1), lambda: wire.say(b"\x55"))
    clock.call_at(after(begun, ms=patience_ms), lambda: wire.say(forged))
    wire.say(b"\x55")
    deadline = after(begun, seconds=5)
    line.submit(Transaction(question, Class.WATCH, deadline, TIMING, results.append))
    clock.run_for(0.55)
    assert len(wire.written) == 1
    assert results == []
    clock.run_for(1.0)
    assert isinstance(results[0].error, NoAnswer)
