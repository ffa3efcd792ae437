"""The simulated village: signals over time, and the register map of each device."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from edge.core.instant import NS_PER_S
from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.faults import AsciiFaults
from tools.twins.modbus_slave import RtuSlave, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.village import (
    DigitalInputs,
    GasDetector,
    Sen0575Rain,
    Sen0676Radar,
    Sl651Gauge,
    TiltMeter,
    Tracer,
    WeatherStation,
)
from tools.twins.world import World
from tools.virtual_clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(clock.now)


def read(unit: Unit, address: int, count: int, function: int = 3) -> list[int]:
    """Registers by the wire, or the exception code negated."""
    answer = unit.answer(bytes([function]) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))
    if answer[0] & 0x80:
        return [-answer[1]]
    return [int.from_bytes(answer[at : at + 2], "big") for at in range(2, len(answer), 2)]


def write(unit: Unit, address: int, value: int) -> int:
    """Write one register; 0 or the exception code."""
    answer = unit.answer(b"\x06" + address.to_bytes(2, "big") + value.to_bytes(2, "big"))
    return answer[1] if answer[0] & 0x80 else 0


def test_signals_jump_and_move_evenly(world: World, clock: VirtualClock) -> None:
    world.set("river.level", 1.0)
    world.ramp("river.level", 3.0, 10.0)
    clock.run_for(2.5)
    assert world.value("river.level") == pytest.approx(1.5)
    world.ramp("river.level", 0.5, 1.0)
    clock.run_for(0.5)
    assert world.value("river.level") == pytest.approx(1.0)
    clock.run_for(5)
    assert world.value("river.level") == 0.5


def test_the_integral_follows_steps_and_ramps_and_survives_a_broken_element(
    world: World, clock: VirtualClock
) -> None:
    world.set("rain.intensity", 10.0)
    clock.run_for(6)  # 60
    world.ramp("rain.intensity", 20.0, 4.0)
    clock.run_for(6)  # 60 on the ramp, 40 after it
    assert world.area("rain.intensity") == pytest.approx(160)
    assert world.area("rain.intensity", clock.now() - 4 * NS_PER_S) == pytest.approx(85)
    world.set("rain.intensity", math.nan)
    clock.run_for(5)
    assert world.snapshot()["rain.intensity"] is None
    world.ramp("rain.intensity", 5.0, 2.0)
    clock.run_for(2)
    assert world.area("rain.intensity") == pytest.approx(170)


def test_unknown_signals_are_errors(world: World) -> None:
    for use in (lambda: world.set("x", 1), lambda: world.value("x"), lambda: world.area("x")):
        with pytest.raises(KeyError):
            use()


def test_sl651_counts_whole_tips_high_word_first_and_rolls_over(
    world: World, clock: VirtualClock
) -> None:
    gauge = Sl651Gauge(world, tip_mm=0.5, start_mm=99_990.0)
    world.set("rain.intensity", 36.0)  # a tip every 50 s
    world.set("river.level", -0.25)
    clock.run_for(49.9)
    assert read(gauge, 0, 4) == [0x000F, 0x41DC, 0xFFFF, 0xFF06]  # 999900, -250
    clock.run_for(0.1)
    assert read(gauge, 0, 2) == [0x000F, 0x41E1]
    clock.run_for(1000)
    assert read(gauge, 0, 2) == [0, 5]
    gauge.bucket.restart()
    assert gauge.state() == {"tips": 0}
    assert write(gauge, 0, 0) == 2


def test_sen0575_identity_window_and_total_low_word_first(
    world: World, clock: VirtualClock
) -> None:
    gauge = Sen0575Rain(world)
    vid, pid = read(gauge, 1, 1, 4)[0], read(gauge, 0, 1, 4)[0]
    assert (vid & 0x3FFF, (vid >> 14) << 16 | pid) == (0x3343, 0x100C0)
    world.set("rain.intensity", 28.0)
    clock.run_for(3600)
    world.set("rain.intensity", 0.0)
    clock.run_for(1800)
    assert read(gauge, 6, 7, 4) == [140_000 & 0xFFFF, 2, 280_000 & 0xFFFF, 4, 100, 0, 90]
    assert (write(gauge, 6, 24), write(gauge, 6, 25)) == (0, 3)
    assert read(gauge, 6, 2, 4) == read(gauge, 8, 2, 4)


def test_radar_measures_down_from_where_it_hangs(world: World) -> None:
    radar = Sen0676Radar(world, install_height_cm=600)
    world.set("river.level", 3.4)
    assert read(radar, 1, 5) == [2600, 0, 3400, 0, 600]
    world.set("river.level", math.nan)
    assert read(radar, 3, 1) == [0xFFFF]
    assert (write(radar, 5, 500), write(radar, 3, 1)) == (0, 2)


def test_weather_station_block_and_clearing_of_rain(world: World, clock: VirtualClock) -> None:
    station = WeatherStation(world)
    world.set("weather.temperature", -5.2)
    world.set("weather.wind_direction", 225.0)
    world.set("rain.intensity", 3.6)
    clock.run_for(1000)
    block = read(station, 500, 20)
    assert [block[at] for at in (0, 2, 3, 4, 5, 9, 13)] == [12, 5, 225, 650, 0xFFCC, 950, 10]
    assert (write(station, 0x5A, 1), write(station, 504, 1)) == (3, 2)
    assert write(station, 0x5A, 0x5A) == 0
    assert read(station, 513, 1) == [0]


def test_gas_detector_latches_alarms_saturates_and_shows_a_broken_cell(world: World) -> None:
    detector = GasDetector(world, gas="h2s", range_end=50.0)
    assert read(detector, 0, 7) == [0, 0x0100, 100, 0, 200, 0, 0]
    world.set("gas.h2s", 12.3)
    assert read(detector, 0, 2) == [123, 0x0101]
    world.set("gas.h2s", 80.0)
    assert read(detector, 0, 2) == [500, 0x0103]
    world.set("gas.h2s", math.nan)
    assert read(detector, 0, 2) == [0xFFFF, 0x0103]
    world.set("gas.h2s", 0.0)
    assert read(detector, 0, 2) == [0, 0x0103]
    assert write(detector, 6, 1) == 0
    assert read(detector, 0, 2) == [0, 0x0100]
    assert read(GasDetector(world, gas="co"), 1, 1) == [0x0400]
    oxygen = GasDetector(world, gas="o2", alarm_1=19.5, alarm_2=18.0)
    assert read(oxygen, 0, 2) == [209, 0x0500]
    world.set("gas.o2", 19.0)
    assert read(oxygen, 0, 2) == [190, 0x0501]


def test_tilt_meter_scale(world: World) -> None:
    world.set("tilt.roll", 45.0)
    world.set("tilt.pitch", -179.0)
    world.set("tilt.yaw", 180.0)
    assert read(TiltMeter(world), 0x3D, 3) == [0x2000, 0x80B6, 0x7FFF]


def test_digital_inputs_follow_button_and_mains(world: World) -> None:
    box = DigitalInputs(world)
    assert box.answer(bytes.fromhex("0200000010")).hex() == "02020200"
    world.set("button.pressed", 1)
    world.set("power.mains", 0)
    assert box.answer(bytes.fromhex("0200000010")).hex() == "02020100"


def test_tracer_speaks_the_vectors_of_its_manual(world: World) -> None:
    """domain.md §9.1 M5 and M6."""
    line = RtuSlave({1: Tracer(world)})
    world.set("power.battery_voltage", 12.96)
    world.set("power.pv_voltage", 1.97)
    for question, answer in (
        ("01043100 0001 3f36", "01040200c57963"),
        ("01043104 0001 7ef7", "0104020510bbac"),
        ("01033104 0001 cb37", "018302c0f1"),
        ("01039013 0003 d90e", "0103061805 0202 0f07 0ae7"),
    ):
        [(_, got)] = line.feed(bytes.fromhex(question))
        assert got == bytes.fromhex(answer)
    tracer = line.units[1]
    assert len(read(tracer, 0x3100, 0x12, 4)) == 0x12
    assert tracer.answer(bytes.fromhex("02200c0001")).hex() == "020101"
    assert read(tracer, 0x331A, 3, 4) == [1296, 0x10000 - 40, 0xFFFF]
    world.set("power.battery_voltage", 10.9)
    assert read(tracer, 0x3200, 1, 4) == [3]


def test_relays_record_changes_only_and_a_stuck_one_does_not_move(
    world: World, clock: VirtualClock
) -> None:
    board = RelayBoard(world, stuck=[3])
    begin = clock.now()
    line = RtuSlave({1: board})
    on = bytes.fromhex("01050000ff008c3a")  # domain.md §9.1 M12
    assert line.feed(on) == [(0.0, on)]
    clock.run_for(1)
    line.feed(on)
    board.answer(bytes.fromhex("0f0000000801" + "0d"))
    assert board.answer(bytes.fromhex("0100000008")).hex() == "010105"
    assert list(board.changes) == [(begin, "coil.0", 1), (begin + NS_PER_S, "coil.2", 1)]
    assert board.state()["coils"] == [1, 0, 1, 0, 0, 0, 0, 0]


def test_amplifier_plays_warms_up_reports_and_stops(world: World, clock: VirtualClock) -> None:
    siren = Amplifier(world, volume=20, warm_up_ms=300.0, full_current_ma=900.0)
    assert read(siren, 0, 4, 4) == [0, 0, 20, 0]
    begin = clock.now()
    assert write(siren, 0x10, 7) == 0
    assert read(siren, 0, 4, 4) == [1, 7, 20, 0]
    clock.run_for(0.3)
    assert read(siren, 0, 4, 4) == [1, 7, 20, 600]
    assert write(siren, 0x10, 7) == 0  # again: harmless
    assert write(siren, 0x10, 8) == 0  # another message: the power stage stays warm
    assert read(siren, 0, 4, 4) == [1, 8, 20, 600]
    assert siren.answer(bytes.fromhex("1000100002040009001e")).hex() == "1000100002"
    assert read(siren, 0, 4, 4) == [1, 9, 30, 900]
    world.set("amplifier.line", 0)
    assert read(siren, 0, 4, 4) == [1, 9, 30, 0]
    assert siren.answer(bytes.fromhex("0500000000")).hex() == "0500000000"
    assert (read(siren, 0, 4, 4), read(siren, 0x10, 2)) == ([0, 0, 30, 0], [0, 30])
    assert siren.message == 0
    later = begin + 3 * NS_PER_S // 10
    assert list(siren.changes) == [
        (begin, "message", 7),
        (later, "message", 8),
        (later, "volume", 30),
        (later, "message", 9),
        (later, "message", 0),
    ]


def test_amplifier_refuses_what_it_cannot_do(world: World) -> None:
    siren = Amplifier(world)
    assert (write(siren, 0x10, 100), write(siren, 0x11, 31), write(siren, 0x12, 1)) == (3, 3, 2)
    write(siren, 0x10, 1)
    world.set("amplifier.fault", 1)
    assert read(siren, 0, 2, 4) == [2, 0]
    assert write(siren, 0x10, 1) == 4
    assert write(siren, 0x10, 0) == 0
    assert siren.answer(bytes.fromhex("050000ff00")).hex() == "8504"
    world.set("amplifier.fault", 0)
    siren.answer(bytes.fromhex("050000ff00"))
    assert read(siren, 0x10, 1) == [1]


def test_a_message_of_known_length_ends_by_itself(world: World, clock: VirtualClock) -> None:
    siren = Amplifier(world, message_s=6.0)
    write(siren, 0x10, 2)
    clock.run_for(5.9)
    assert siren.message == 2
    clock.run_for(0.1)
    assert siren.message == 0


def say(gauge: AsciiGauge, command: bytes = b"R\n") -> bytes:
    """What the gauge answers to a command."""
    return b"".join(answer for _, answer in gauge.feed(command))


def test_ascii_gauge_reports_since_last_event_and_total(world: World, clock: VirtualClock) -> None:
    gauge = AsciiGauge(world)
    world.set("rain.intensity", 8.4)
    clock.run_for(600)
    assert say(gauge) == b"Acc  1.40 mm, EventAcc  1.40 mm, TotalAcc  1.40 mm, RInt  8.40 mmph\r\n"
    world.set("rain.intensity", 0.0)
    clock.run_for(3600)
    world.set("rain.intensity", 6.0)
    clock.run_for(60)
    [(_, line)] = [reply for byte in b"R\r\n" for reply in gauge.feed(bytes([byte]))]
    assert line == b"Acc  0.10 mm, EventAcc  0.10 mm, TotalAcc  1.50 mm, RInt  6.00 mmph\r\n"
    assert (say(gauge, b"Q\n"), say(gauge, b"K\n")) == (b"", b"PwrDays 1\r\n")
    assert say(gauge).startswith(b"Acc  0.00 mm, EventAcc  0.00 mm, TotalAcc  0.00 mm")


@pytest.mark.parametrize(
    ("faults", "shows"),
    [
        (AsciiFaults(silent=True), lambda line: line == b""),
        (AsciiFaults(garbage=True), lambda line: b"RInt" not in line and line.endswith(b"\r\n")),
        (AsciiFaults(half_line=True), lambda line: line == b"Acc  0.00 mm, EventAcc  0.00 mm, T"),
        (AsciiFaults(long_line=True), lambda line: len(line) > 4000),
        (AsciiFaults(lens_bad=True), lambda line: line.endswith(b", LensBad\r\n")),
    ],
)
def test_ascii_faults_show_for_the_next_line_only(
    world: World, faults: AsciiFaults, shows: Callable[[bytes], bool]
) -> None:
    gauge = AsciiGauge(world, faults=faults)
    faults.next_n = 1
    assert shows(say(gauge))
    assert say(gauge).startswith(b"Acc  0.00 mm, EventAcc")
    assert faults == AsciiFaults()
    assert not shows(say(gauge))
