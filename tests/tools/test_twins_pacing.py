"""Line time: what a wire would have done, in virtual time and to the nanosecond."""

from __future__ import annotations

import pytest

from drivers.bus.port import Port
from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.faults import Faults
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave, TcpSlave, Unit, crc16
from tools.twins.pacing import FrameStamp
from tools.twins.virtual_port import VirtualLine
from tools.twins.world import World
from tools.virtual_clock import VirtualClock

MS = 1_000_000


def framed(hex_text: str) -> bytes:
    """An RTU frame from its text without CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


READ = framed("010300000001")
ANSWER = framed("0103020007")


class Master:
    """Opens a line and notes when which bytes come, in ns since it was made."""

    def __init__(self, line: VirtualLine, clock: VirtualClock) -> None:
        self.clock = clock
        self.start = clock.now()
        self.heard: list[tuple[int, bytes]] = []
        self.lost: list[Exception | None] = []
        self.port: Port = line.opener(self.hear, self.lost.append)

    def hear(self, data: bytes) -> None:
        """Bytes have arrived."""
        self.heard.append((self.clock.now() - self.start, data))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def slave() -> RtuSlave:
    return RtuSlave({1: Unit(holding=[7]), 2: Unit(holding=[7])}, turnaround_ms=5.0)


@pytest.mark.parametrize(
    ("baud", "frame", "character_us", "silence_us"),
    [
        (9600, "8N1", 1041.667, 3645.833),
        (9600, "8E1", 1145.833, 4010.417),  # domain.md §2.6.1: 4.01 ms
        (1200, "8E1", 9166.667, 32083.333),
        (19200, "8E1", 572.917, 2005.208),
        (115200, "8N1", 86.806, 1750.0),
        (4800, "7O2", 2291.667, 8020.833),
        (None, "8N1", 0.0, 0.0),
    ],
)
def test_character_and_silence_times(
    baud: int | None, frame: str, character_us: float, silence_us: float
) -> None:
    line = LineTime(baud, frame)
    assert line.ns(1) / 1000 == pytest.approx(character_us, abs=0.001)
    assert line.silence_ns / 1000 == pytest.approx(silence_us, abs=0.001)


@pytest.mark.parametrize(("baud", "frame"), [(9600, "9N1"), (9600, "8X1"), (0, "8N1")])
def test_impossible_settings_are_refused(baud: int, frame: str) -> None:
    with pytest.raises(ValueError, match=r"8N1|Bd"):
        LineTime(baud, frame)


def test_an_answer_takes_request_turnaround_and_its_own_time(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    stamps: list[FrameStamp] = []
    master = Master(VirtualLine(slave, clock, name="a", on_frame=stamps.append), clock)
    master.port.write(READ)
    clock.run_for(1)
    time = LineTime(9600)
    assert master.heard == [(time.ns(8) + 5 * MS + time.ns(7), ANSWER)]
    begin, sent = master.start, master.start + time.ns(8) + 5 * MS
    assert stamps == [
        FrameStamp("a", "request", begin, begin + time.ns(8), READ),
        FrameStamp("a", "answer", sent, sent + time.ns(7), ANSWER),
    ]
    assert stamps[0].as_json()["hex"] == READ.hex()


def test_bytewise_each_byte_arrives_at_its_own_time(clock: VirtualClock, slave: RtuSlave) -> None:
    master = Master(VirtualLine(slave, clock, bytewise=True), clock)
    master.port.write(READ)
    clock.run_for(1)
    time, begin = LineTime(9600), LineTime(9600).ns(8) + 5 * MS
    assert master.heard == [(begin + time.ns(n + 1), ANSWER[n : n + 1]) for n in range(7)]


def test_bytes_written_in_pieces_pass_one_after_the_other(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    master = Master(VirtualLine(slave, clock), clock)
    for byte in READ:
        master.port.write(bytes([byte]))
    clock.run_for(1)
    time = LineTime(9600)
    assert master.heard == [(8 * time.ns(1) + 5 * MS + time.ns(7), ANSWER)]


def test_a_late_answer_is_overtaken_by_the_next_one(clock: VirtualClock, slave: RtuSlave) -> None:
    """The trap for every master: the answer to the first question comes after the second."""
    line = VirtualLine(slave, clock)
    master = Master(line, clock)
    slave.faults.late_ms, slave.faults.next_n = 150.0, 1
    master.port.write(READ)
    clock.run_for(0.1)
    master.port.write(framed("020300000001"))
    clock.run_for(1)
    assert [data[0] for _, data in master.heard] == [2, 1]
    assert master.heard[1][0] == LineTime(9600).ns(15) + 155 * MS


def test_answers_that_would_collide_follow_each_other(clock: VirtualClock, slave: RtuSlave) -> None:
    master = Master(VirtualLine(slave, clock), clock)
    slave.units[1].turnaround_ms = 5.0 + LineTime(9600).ns(8) / MS - 1.0
    master.port.write(READ + framed("020300000001"))
    clock.run_for(1)
    assert [data[0] for _, data in master.heard] == [1, 2]
    assert master.heard[1][0] - master.heard[0][0] == LineTime(9600).ns(7)


def test_a_master_that_talks_into_an_answer_or_too_soon_is_counted(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    line = VirtualLine(slave, clock)
    master = Master(line, clock)
    master.port.write(READ)
    clock.run_for((LineTime(9600).ns(10) + 5 * MS) / 1e9)
    master.port.write(READ)
    assert (line.counters["overlaps"], line.counters["short_gaps"]) == (1, 0)
    clock.run_for(1)
    master.port.write(READ)
    clock.run_for((LineTime(9600).ns(15) + 5 * MS + LineTime(9600).silence_ns - 1) / 1e9)
    master.port.write(READ)
    assert (line.counters["overlaps"], line.counters["short_gaps"]) == (1, 1)
    clock.run_for((LineTime(9600).ns(15) + 5 * MS + LineTime(9600).silence_ns) / 1e9)
    master.port.write(READ)
    assert (line.counters["overlaps"], line.counters["short_gaps"]) == (1, 1)
    assert (line.counters["request"], line.counters["answer"]) == (4, 4)


def test_babble_fills_the_line_until_it_is_switched_off(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    line = VirtualLine(slave, clock)
    master = Master(line, clock)
    slave.faults.babble = b"\x55" * 10
    line.poke()
    clock.run_for(0.1)
    assert len(master.heard) == 9  # 100 ms of 10.4 ms each
    slave.faults.babble = b""
    clock.run_for(0.1)
    assert len(master.heard) == 10
    master.port.write(READ)
    clock.run_for(0.1)
    assert master.heard[-1][1] == ANSWER


def test_babble_without_line_time_still_lets_time_pass(clock: VirtualClock) -> None:
    slave = RtuSlave({}, Faults(babble=b"\x55"))
    master = Master(VirtualLine(slave, clock, None), clock)
    clock.run_for(0.01)
    assert len(master.heard) == 11


def test_unplugging_loses_what_is_on_the_line_and_the_port(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    line = VirtualLine(slave, clock)
    master = Master(line, clock)
    master.port.write(READ)
    line.unplug()
    [error] = master.lost
    assert isinstance(error, OSError)
    assert error.errno == 5
    with pytest.raises(OSError, match="gone"):
        master.port.write(READ)
    with pytest.raises(OSError, match="unplugged"):
        Master(line, clock)
    line.replug()
    clock.run_for(1)
    again = Master(line, clock)
    again.port.write(READ)
    clock.run_for(1)
    assert (master.heard, [data for _, data in again.heard]) == ([], [ANSWER])
    assert len(master.lost) == 1


def test_unplugging_loses_an_answer_that_is_about_to_come(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    line = VirtualLine(slave, clock)
    for so_far_ns in (LineTime(9600).ns(8) + MS, LineTime(9600).ns(10) + 5 * MS):
        master = Master(line, clock)
        master.port.write(READ)
        clock.run_for(so_far_ns / 1e9)
        line.unplug()
        line.replug()
        again = Master(line, clock)
        clock.run_for(1)
        again.port.close()
        assert (master.heard, again.heard) == ([], [])


def test_a_line_is_opened_once_and_a_closed_port_hears_nothing(
    clock: VirtualClock, slave: RtuSlave
) -> None:
    line = VirtualLine(slave, clock)
    master = Master(line, clock)
    with pytest.raises(OSError, match="already open"):
        Master(line, clock)
    master.port.write(READ)
    master.port.close()
    master.port.close()
    assert not line.is_open
    clock.run_for(1)
    line.unplug()
    assert (master.heard, master.lost) == ([], [])


def test_tcp_in_memory_has_no_line_time_and_ends_what_is_not_modbus(clock: VirtualClock) -> None:
    tcp = TcpSlave({1: Unit(holding=[7])}, turnaround_ms=2.0)
    line = VirtualLine(tcp.connection(), clock, None)
    master = Master(line, clock)
    master.port.write(bytes.fromhex("000100000006010300000001"))
    clock.run_for(1)
    assert master.heard == [(2 * MS, bytes.fromhex("0001000000050103020007"))]
    master.port.write(b"GET / HTTP/1.1\r\n")
    clock.run_for(1)
    assert master.lost == [None]
    again = Master(line, clock)
    again.port.write(bytes.fromhex("000100000006010300000001"))
    clock.run_for(1)
    assert len(again.heard) == 1


def test_a_gauge_that_speaks_by_itself_keeps_its_period(clock: VirtualClock) -> None:
    gauge = AsciiGauge(World(clock.now), period_ms=1000)
    line = VirtualLine(gauge, clock)
    master = Master(line, clock)
    clock.run_for(3.5)
    took = LineTime(9600).ns(len(master.heard[0][1]))
    assert [at for at, _ in master.heard] == [n * 1000 * MS + took for n in (1, 2, 3)]
    master.port.write(b"P\n")
    clock.run_for(3)
    assert len(master.heard) == 3
