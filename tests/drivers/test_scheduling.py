"""How a line is shared, in virtual time: order, silence, quarantine, probes, pipelining."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from drivers.bus.dialect import Rtu, Tcp
from drivers.bus.line import Line
from drivers.bus.pace import Pace
from drivers.bus.prober import Prober
from drivers.bus.quarantine import Quarantine
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from edge.core.errors import NoAnswer
from edge.core.instant import Instant, after, ms_between, seconds_between
from edge.core.model import Notice
from edge.core.ports import Class
from protocols.crc import crc16_modbus
from protocols.modbus import Request, read_registers, write_coil
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave, TcpSlave
from tools.twins.modbus_unit import Unit
from tools.twins.virtual_port import VirtualLine
from tools.virtual_clock import VirtualClock

BAUD = 9600
CHARACTER_MS = 10 / BAUD * 1000
TURNAROUND_MS = 5.0
TIMING = DeviceTiming(timeout_s=0.2, late_s=0.4)
UNITS = (1, 2, 3)


class Bench:
    """Three devices on a paced line; what was said of them, and when each question began."""

    def __init__(self, *, tcp: bool = False, pipeline: int = 1) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        units = {
            unit: Unit(holding={a: unit * 1000 + a for a in range(100)}, coils={0: 0})
            for unit in UNITS
        }
        if tcp:
            slave = TcpSlave(units, self.faults).connection()
            self.twin = VirtualLine(slave, self.clock, None)
        else:
            rtu = RtuSlave(units, self.faults, turnaround_ms=TURNAROUND_MS)
            self.twin = VirtualLine(rtu, self.clock, BAUD)
        self.notices: list[tuple[int | None, Notice, Instant]] = []
        dialect = Tcp(pipeline) if tcp else Rtu(BAUD, 10)
        self.line = Line("a", self.twin.opener, dialect, self.clock, self.note)
        self.line.start()
        for unit in UNITS:
            self.line.introduce(read_registers(unit, 3, 0, 1), TIMING)
        self.clock.run_for(0.01)
        self.results: list[tuple[Request, Result]] = []

    def note(self, unit: int | None, notice: Notice, detail: str) -> None:
        self.notices.append((unit, notice, self.clock.now()))

    def ask(
        self,
        request: Request,
        priority: Class = Class.WATCH,
        within_s: float = 1.0,
        then: Callable[[Result], None] | None = None,
    ) -> None:
        def done(result: Result) -> None:
            self.results.append((request, result))
            if then is not None:
                then(result)

        deadline = after(self.clock.now(), seconds=within_s)
        self.line.submit(Transaction(request, priority, deadline, TIMING, done))

    def poll_for_ever(self, unit: int, period_s: float, priority: Class = Class.WATCH) -> None:
        """One question at a time, skipped while the last one is open."""
        open_ = [False]

        def ended(_: Result) -> None:
            open_[0] = False

        def poll() -> None:
            self.clock.call_at(after(self.clock.now(), seconds=period_s), poll)
            if not open_[0] and not self.line.lost(unit):
                open_[0] = True
                self.ask(read_registers(unit, 3, 0, 1), priority, period_s, ended)

        poll()

    def arrivals(self, unit: int) -> list[Instant]:
        return [r.at for request, r in self.results if request.unit == unit and r.answer]


def test_watching_goes_before_logging_whatever_the_deadlines() -> None:
    bench = Bench()
    bench.ask(read_registers(1, 3, 0, 1), Class.LOG, 0.01)
    bench.ask(read_registers(2, 3, 0, 1), Class.LOG, 0.01)
    bench.ask(read_registers(3, 3, 0, 1), Class.WATCH, 9.0)
    bench.clock.run_for(1.0)
    assert [request.unit for request, _ in bench.results] == [1, 3, 2]


def test_equal_deadlines_go_in_the_order_of_asking_also_after_waiting_for_silence() -> None:
    bench = Bench()
    for unit in (3, 1, 2):
        bench.ask(read_registers(unit, 3, 0, 1), within_s=1.0)
    bench.clock.run_for(1.0)
    assert [request.unit for request, _ in bench.results] == [3, 1, 2]


def test_a_question_without_expiry_waits_for_its_turn_however_late() -> None:
    bench = Bench()
    bench.ask(read_registers(1, 3, 0, 60))
    bench.ask(read_registers(2, 3, 0, 1), within_s=0.001)
    bench.clock.run_for(1.0)
    assert all(result.answer is not None for _, result in bench.results)


def test_silence_is_given_up_after_the_timeout_and_not_after_the_longest_answer() -> None:
    bench = Bench()
    bench.faults.silent = True
    began = bench.clock.now()
    bench.ask(read_registers(1, 3, 0, 100))
    bench.clock.run_for(1.0)
    hidden_ms = 16 * CHARACTER_MS
    expected = 8 * CHARACTER_MS + 200 + hidden_ms
    assert ms_between(began, bench.results[0][1].at) == pytest.approx(expected, abs=0.1)


def test_an_answer_that_has_begun_is_given_the_time_of_the_longest_one() -> None:
    """Byte by byte, 200 registers' worth of line time beyond the timeout."""
    clock = VirtualClock()
    slave = RtuSlave({1: Unit(holding=dict.fromkeys(range(125), 7))}, turnaround_ms=190.0)
    twin = VirtualLine(slave, clock, BAUD, bytewise=True)
    line = Line("a", twin.opener, Rtu(BAUD, 10), clock)
    line.start()
    results: list[Result] = []
    deadline = after(clock.now(), seconds=1)
    line.submit(
        Transaction(read_registers(1, 3, 0, 125), Class.WATCH, deadline, TIMING, results.append)
    )
    clock.run_for(1.0)
    assert results[0].answer is not None


def test_silent_device_is_quarantined_and_the_line_belongs_to_the_others() -> None:
    bench = Bench()
    bench.faults.silent_units = {1}
    for unit in UNITS:
        bench.poll_for_ever(unit, 0.1)
    bench.clock.run_for(600.0)
    count = bench.line.units[1]
    assert bench.notices[0][:2] == (1, Notice.LOST)
    assert count.questions - count.probes == 3
    slice_s = (8 + 7) * CHARACTER_MS / 1000 + 0.2
    assert count.probes * slice_s <= 0.05 * 600 * 1.02
    assert count.probes * slice_s >= 0.05 * 600 * 0.8
    for unit in (2, 3):
        gaps = [seconds_between(a, b) for a, b in pairwise(bench.arrivals(unit))]
        late = sum(gap > 0.11 for gap in gaps)
        assert late <= 2 * count.questions
    assert bench.line.waiting <= len(UNITS)


def test_three_silent_devices_share_what_one_would_have() -> None:
    bench = Bench()
    bench.faults.silent_units = {1, 2, 3}
    for unit in UNITS:
        bench.poll_for_ever(unit, 0.5)
    bench.clock.run_for(600.0)
    probes = [bench.line.units[unit].probes for unit in UNITS]
    assert max(probes) - min(probes) <= 1
    slice_s = (8 + 7) * CHARACTER_MS / 1000 + 0.2
    assert sum(probes) * slice_s <= 0.05 * 600 * 1.02


def test_the_first_answer_of_any_kind_brings_a_device_back() -> None:
    bench = Bench()
    bench.faults.silent_units = {1}
    bench.poll_for_ever(1, 0.1)
    bench.clock.run_for(30.0)
    assert bench.line.lost(1)
    bench.faults.silent_units = set()
    bench.faults.exception = 4
    bench.clock.run_for(10.0)
    assert not bench.line.lost(1)
    assert [notice for _, notice, _ in bench.notices] == [Notice.LOST, Notice.BACK]
    bench.faults.exception = None
    before = len(bench.arrivals(1))
    bench.clock.run_for(1.0)
    assert len(bench.arrivals(1)) - before >= 8


def test_a_write_goes_to_a_lost_device_at_once() -> None:
    bench = Bench()
    bench.faults.silent_units = {1}
    bench.poll_for_ever(1, 0.1)
    bench.clock.run_for(30.0)
    bench.faults.silent_units = set()
    began = bench.clock.now()
    bench.ask(write_coil(1, 0, True), Class.ACT)
    bench.clock.run_for(0.5)
    write = next(result for request, result in bench.results if request.function == 5)
    assert write.answer is not None
    assert write.first_byte is not None
    assert ms_between(began, write.first_byte) <= 250
    assert not bench.line.lost(1)


def test_what_was_lost_before_a_restart_is_probed_and_not_polled() -> None:
    bench = Bench()
    bench.faults.silent_units = {2}
    bench.line.introduce(read_registers(2, 3, 0, 1), TIMING, lost=True)
    assert bench.line.lost(2)
    bench.clock.run_for(60.0)
    count = bench.line.units[2]
    assert count.questions == count.probes > 5
    assert bench.notices == []
    bench.faults.silent_units = set()
    bench.clock.run_for(10.0)
    assert not bench.line.lost(2)


def test_a_device_that_only_garbles_is_lost_too_but_later() -> None:
    bench = Bench()
    bench.faults.bad_crc = True
    bench.poll_for_ever(1, 1.0)
    bench.clock.run_for(60.0)
    count = bench.line.units[1]
    assert bench.line.lost(1)
    assert count.questions - count.probes == 10
    assert count.checksum_errors == count.garbled


def test_a_known_device_is_waited_for_less_and_a_slower_one_is_met_again() -> None:
    bench = Bench()
    for _ in range(10):
        bench.ask(read_registers(1, 3, 0, 1))
    bench.clock.run_for(1.0)
    bench.results.clear()
    bench.faults.late_ms = 60.0
    began = bench.clock.now()
    bench.ask(read_registers(1, 3, 0, 1))
    bench.clock.run_for(2.0)
    first = bench.results[0][1]
    assert isinstance(first.error, NoAnswer)
    assert ms_between(began, first.at) < 100
    bench.ask(read_registers(1, 3, 0, 1))
    bench.clock.run_for(2.0)
    assert bench.results[1][1].answer is not None


def test_a_pace_never_exceeds_the_profile_and_doubles_with_silence() -> None:
    pace = Pace()
    assert pace.timeout_s(0.2, 0) == 0.2
    for _ in range(8):
        pace.answered(0.01)
    assert [pace.timeout_s(0.2, n) for n in range(4)] == pytest.approx([0.06, 0.12, 0.2, 0.2])
    pace.answered(0.04)
    assert pace.timeout_s(0.2, 0) == pytest.approx(0.18)
    for _ in range(64):
        pace.answered(0.01)
    assert pace.timeout_s(0.2, 0) == pytest.approx(0.06)


def test_probing_never_delays_a_command_by_more_than_one_slice() -> None:
    bench = Bench()
    bench.faults.silent_units = {1}
    for unit in UNITS:
        bench.poll_for_ever(unit, 0.2)
    bench.clock.run_for(30.0)
    waits = []
    for _ in range(200):
        began = bench.clock.now()
        first = len(bench.results)
        bench.ask(write_coil(2, 0, True), Class.ACT)
        bench.clock.run_for(0.5137)
        write = next(r for q, r in bench.results[first:] if q.function == 5)
        assert write.first_byte is not None
        waits.append(ms_between(began, write.first_byte))
    silence_ms = 3.5 * CHARACTER_MS
    assert max(waits) <= (8 + 7) * CHARACTER_MS + 200 + silence_ms + 0.1


def test_a_device_that_speaks_unasked_is_recognised_and_named() -> None:
    bench = Bench()
    frame = bytes.fromhex("02030403e803e9")
    # a byte of noise before it, as when a driver is switched on
    bench.faults.babble = b"\x00" + frame + crc16_modbus(frame).to_bytes(2, "little")
    bench.twin.poke()
    bench.clock.run_for(5.0)
    assert [(unit, notice) for unit, notice, _ in bench.notices] == [(2, Notice.BABBLING)]
    bench.faults.babble = b""
    bench.poll_for_ever(1, 1.0)
    bench.clock.run_for(60.0)
    assert bench.notices[-1][:2] == (2, Notice.QUIET)


def test_babble_without_frames_is_said_of_nobody() -> None:
    bench = Bench()
    bench.faults.babble = b"\x00\xff\xa5" * 20
    bench.twin.poke()
    bench.clock.run_for(5.0)
    assert [(unit, notice) for unit, notice, _ in bench.notices] == [(None, Notice.BABBLING)]


def test_an_adapter_that_hears_itself_is_counted_and_learned() -> None:
    bench = Bench()
    bench.faults.echo = True
    for _ in range(20):
        bench.ask(read_registers(1, 3, 0, 1))
        bench.ask(write_coil(1, 0, True))
    bench.clock.run_for(10.0)
    assert 20 <= bench.line.units[1].echoes < 40
    assert [(unit, notice) for unit, notice, _ in bench.notices] == [(1, Notice.ECHOING)]
    bench.faults.silent = True
    first = len(bench.results)
    bench.ask(write_coil(1, 0, True))
    bench.clock.run_for(1.0)
    assert bench.results[first][1].answer is None, "an echo is not the confirmation of a write"
    bench.faults.silent = False
    bench.faults.echo = False
    bench.ask(read_registers(1, 3, 0, 1))
    bench.clock.run_for(2.0)
    bench.ask(write_coil(1, 0, True))
    bench.clock.run_for(5.0)
    assert bench.results[-1][1].answer is not None


def test_tcp_keeps_one_question_under_way_unless_the_profile_allows_more() -> None:
    for pipeline, expected in ((1, [100.0, 200.0, 300.0, 400.0]), (4, [100.0] * 4)):
        bench = Bench(tcp=True, pipeline=pipeline)
        bench.faults.late_ms = 100.0
        began = bench.clock.now()
        for address in range(4):
            bench.ask(read_registers(1, 3, address, 1))
        bench.clock.run_for(3.0)
        took = [ms_between(began, result.at) for _, result in bench.results]
        if pipeline == 1:
            assert took == pytest.approx(expected, rel=0.2)
        else:
            assert max(took) < 3 * expected[0] + 50
        answers = [result.answer.registers() for _, result in bench.results if result.answer]
        assert sorted(answers) == [(1000,), (1001,), (1002,), (1003,)]


def test_pipelined_answers_belong_to_their_questions() -> None:
    bench = Bench(tcp=True, pipeline=8)
    for address in range(50):
        bench.ask(read_registers(1 + address % 3, 3, address, 1))
    bench.clock.run_for(5.0)
    assert len(bench.results) == 50
    for request, result in bench.results:
        address = int.from_bytes(request.pdu[1:3], "big")
        assert result.answer is not None
        assert result.answer.registers() == (request.unit * 1000 + address,)


def test_line_time_is_counted_by_class_and_the_last_exchanges_are_kept() -> None:
    bench = Bench()
    bench.faults.silent_units = {3}
    bench.ask(read_registers(1, 3, 0, 1), Class.LOG)
    bench.ask(write_coil(1, 0, True), Class.ACT)
    bench.ask(read_registers(3, 3, 0, 1))
    bench.clock.run_for(1.0)
    assert [(each.unit, each.result) for each in bench.line.exchanges] == [
        (1, "answer"),
        (1, "answer"),
        (3, "silence"),
    ]
    act_ms = 16 * CHARACTER_MS + TURNAROUND_MS
    assert bench.line.busy_ns[Class.ACT] / 1e6 == pytest.approx(act_ms, abs=0.2)
    assert bench.line.waits[Class.ACT].count == 1


def test_nothing_piles_up_in_an_hour_of_overload() -> None:
    """Four times more is wanted than the line can carry, and one device is dead."""
    bench = Bench()
    bench.faults.silent_units = {3}
    for unit in UNITS:
        bench.poll_for_ever(unit, 0.05)
        bench.poll_for_ever(unit, 0.05, Class.LOG)
    most = 0
    for _ in range(60):
        bench.clock.run_for(60.0)
        bench.results.clear()
        most = max(most, bench.line.waiting)
    assert most <= 2 * len(UNITS)
    assert len(bench.line.exchanges) <= 64


def test_only_silences_in_a_row_count() -> None:
    bench = Bench()
    for _ in range(10):
        bench.faults.silent, bench.faults.next_n = True, 2
        for _ in range(3):
            bench.ask(read_registers(1, 3, 0, 1))
            bench.clock.run_for(1.0)
    assert bench.line.units[1].timeouts == 20
    assert bench.notices == []


def test_what_feeds_no_alarm_looks_for_room_but_not_for_ever() -> None:
    """A long question does not fit between polls of 50 ms; it begins after a second at most."""
    bench = Bench()
    bench.poll_for_ever(1, 0.05)
    bench.clock.run_for(1.0)
    for _ in range(10):
        began = bench.clock.now()
        bench.ask(read_registers(2, 3, 0, 20), Class.LOG)
        bench.clock.run_for(1.5)
        log = next(r for q, r in reversed(bench.results) if q.unit == 2)
        assert log.first_byte is not None
        assert 900 <= ms_between(began, log.first_byte) <= 1100


def test_what_feeds_no_alarm_begins_where_it_fits_and_costs_no_rhythm() -> None:
    bench = Bench()
    bench.poll_for_ever(1, 0.2)
    for count in range(120):
        bench.ask(read_registers(2, 3, 0, 20), Class.LOG)
        bench.clock.run_for(0.31)
        if count == 19:
            # both are known by now
            bench.results.clear()
    arrivals = bench.arrivals(1)
    gaps_ms = [ms_between(a, b) for a, b in pairwise(arrivals)]
    assert max(gaps_ms) == pytest.approx(200, abs=4)
    assert len(bench.arrivals(2)) == 100


def test_no_second_probe_is_asked_while_one_waits_for_its_turn() -> None:
    clock, quarantine = VirtualClock(), Quarantine()
    submitted: list[Transaction] = []
    prober = Prober(quarantine, clock, submitted.append, lambda _: None)
    for unit in (1, 2):
        prober.introduce(read_registers(unit, 3, 0, 1), TIMING, 1)
    quarantine.condemn(1, clock.now())
    prober.plan()
    clock.run_for(5.0)
    quarantine.condemn(2, clock.now())
    prober.plan()
    clock.run_for(60.0)
    assert [each.request.unit for each in submitted] == [1]
    submitted[0].done(Result(None, NoAnswer("silent"), None, clock.now()))
    clock.run_for(5.0)
    assert [each.request.unit for each in submitted] == [1, 2]


def test_an_early_time_out_does_not_shorten_the_time_in_which_an_answer_is_owed() -> None:
    """The device is known to be quick, is given up after 50 ms, and answers after 0.4 s."""
    bench = Bench()
    for _ in range(10):
        bench.ask(read_registers(1, 3, 0, 1))
    bench.clock.run_for(1.0)
    bench.results.clear()
    bench.faults.late_ms, bench.faults.next_n = 391.0, 1
    bench.ask(read_registers(1, 3, 10, 1))
    bench.ask(read_registers(1, 3, 20, 1))
    bench.clock.run_for(3.0)
    assert isinstance(bench.results[0][1].error, NoAnswer)
    answer = bench.results[1][1].answer
    assert answer is not None
    assert answer.registers() == (1020,)
