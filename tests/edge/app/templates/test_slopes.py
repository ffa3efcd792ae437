"""The ground moves: landslide slope and open-cast mine."""

from __future__ import annotations

import pytest

from edge.core.model import Level
from tools.twins.phones import Person

# Windows of an hour know nothing before they are half full.
HALF_AN_HOUR_S = 1860.0
SLOPE = {f"tilt-{x}.pitch": 1.0 for x in "abc"} | {
    "panel.di2": 1.0,
    "solar.battery_voltage": 12.9,
    "soil.moisture": 20.0,
}
MINE = {f"tilt-{x}.pitch": -3.0 for x in "abc"} | {
    "panel.di2": 1.0,
    "panel.di3": 1.0,
    "solar.battery_voltage": 12.9,
}


def turn(scene, devices, degrees, seconds=900.0):
    """So many inclinometers turn, a tenth in the first 40 % of the time, the rest after it."""
    begin = {device: scene.world.value(f"{device}.pitch") for device in devices}
    for share, part in [(0.1, 0.4), (1.0, 0.6)]:
        for device, before in begin.items():
            scene.ramp(f"{device}.pitch", before + degrees * share, seconds * part)
        scene.run(seconds * part)


@pytest.mark.parametrize("sign", [1, -1])
def test_two_inclinometers_that_turn_ever_faster_clear_the_slope(play, sign):
    """0.6 deg within a quarter of an hour, in either direction."""
    people = [Person("000000001"), Person("000000005")]
    scene = play("landslide-slope", SLOPE, people=people, settle_s=HALF_AN_HOUR_S)
    since = scene.clock.now()
    turn(scene, ["tilt-a", "tilt-b"], 0.6 * sign)
    scene.run(100)
    assert scene.level("tilt") is Level.RED
    took = scene.moved_ms("relay", "coil.0", 1, since)
    # 0.5 deg is passed 360 s and 0.44 / 0.54 of 540 s after the beginning
    assert took is not None
    assert 800_000 < took < 800_000 + scene.latest_ms("tilt", ":channel=1")
    assert scene.message("horn") == 2
    assert {"watch", "geologist", "carer"} <= set(scene.called())
    assert scene.alarm("tilt").acknowledged_by


def test_one_inclinometer_alone_moves_nobody(play):
    scene = play("landslide-slope", SLOPE, settle_s=HALF_AN_HOUR_S)
    turn(scene, ["tilt-a"], 3.0)
    scene.run(100)
    assert scene.calm()


def test_with_one_lost_and_one_turning_the_slope_is_cleared(play):
    """To the safe side: of two that are left, one is enough."""
    scene = play("landslide-slope", SLOPE, settle_s=HALF_AN_HOUR_S)
    scene.lose("tilt-c")
    scene.run(200)
    assert scene.level("tilt") is Level.NORMAL
    turn(scene, ["tilt-a"], 0.6)
    scene.run(100)
    assert scene.level("tilt") is Level.RED


def test_a_torn_wire_makes_ready_and_with_a_turning_sensor_clears(play):
    scene = play("landslide-slope", SLOPE, settle_s=HALF_AN_HOUR_S)
    since = scene.change("panel.di2", 0)
    scene.run(60)
    assert scene.level("wire") is Level.ORANGE
    assert scene.in_time("wire", since, 3, message=1)
    turn(scene, ["tilt-b"], 0.2)
    scene.run(60)
    assert scene.level("wire") is Level.RED
    assert 1 in scene.closed("relay")


def test_single_wrong_readings_of_tilt_and_wire_move_nobody(play):
    scene = play("landslide-slope", SLOPE, settle_s=HALF_AN_HOUR_S)
    for device in ("tilt-a", "tilt-b"):
        scene.spike(f"{device}.pitch", 20.0)
    scene.spike("panel.di2", 0)
    scene.run(120)
    assert scene.calm()


def test_a_low_battery_is_told(play):
    scene = play("landslide-slope", SLOPE | {"solar.battery_voltage": 11.5}, settle_s=700)
    assert scene.level("battery") is Level.BLUE
    assert scene.silent()


# -- mine -----------------------------------------------------------------------------------------


def test_one_bench_stops_the_work_and_two_clear_the_pit(play):
    scene = play("mine-slope", MINE, settle_s=HALF_AN_HOUR_S)
    turn(scene, ["tilt-b"], -0.25)
    scene.run(100)
    assert scene.level("benches") is Level.ORANGE
    assert scene.closed("relay") == {3, 4, 5}
    assert scene.message("horn") == 1
    turn(scene, ["tilt-b", "tilt-c"], -0.6)
    since = scene.clock.now()
    scene.run(100)
    assert scene.level("benches") is Level.RED
    assert scene.closed("relay") == {1, 3, 4, 5}
    assert scene.message("horn") == 2
    assert scene.clock.now() > since
    assert {"dispatch", "chief", "rescue"} <= set(scene.called())


def test_one_wire_stops_the_work_and_both_clear_the_pit_in_time(play):
    scene = play("mine-slope", MINE)
    since = scene.change("panel.di2", 0)
    scene.run(30)
    assert scene.level("wires") is Level.ORANGE
    assert scene.in_time("wires", since, 3, 4, 5, message=1)
    since = scene.change("panel.di3", 0)
    scene.run(30)
    assert scene.level("wires") is Level.RED
    assert scene.in_time("wires", since, 1, message=2)


def test_heavy_rain_stops_the_work_and_a_lost_gauge_does_not(play):
    scene = play("mine-slope", MINE)
    scene.lose("gauge")
    scene.run(120)
    assert scene.level("rain") is Level.YELLOW
    assert scene.silent()
    assert scene.called() == ["dispatch"]
    scene.lose()
    scene.run(60)
    scene.ramp("gauge.rain", 21.0, 600)
    scene.run(660)
    assert scene.level("rain") is Level.ORANGE
    assert scene.closed("relay") == {3, 4, 5}


def test_single_wrong_readings_stop_no_work(play):
    scene = play("mine-slope", MINE | {"gauge.rain": 50.0}, settle_s=HALF_AN_HOUR_S)
    scene.spike("tilt-a.pitch", 4.0, readings=2)
    scene.spike("panel.di2", 0, readings=2)
    scene.spike("gauge.rain", 0, readings=2)
    scene.run(120)
    assert scene.calm()
