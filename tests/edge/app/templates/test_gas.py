"""Gas where people work: well site, tank farm, cold store, confined space, valve well."""

from __future__ import annotations

import pytest

from edge.core.model import Level
from tools.twins.phones import Person

TANKS = {"tank.t1": 25.0}
SPACE = {"o2.gas": 20.9, "panel.di2": 1.0}
WELL = {"solar.battery_voltage": 12.9}
NIGHT_MS = 1_718_208_000_000
"""00:00 local time."""


def both(scene, points, value):
    """Two detectors see it at once; when that was."""
    return [scene.change(point, value) for point in points][-1]


# -- H2S well site --------------------------------------------------------------------------------


def test_h2s_at_12_25_and_110_ppm_warns_musters_and_evacuates(play):
    scene = play("h2s-well-site", people=[Person("000000001", after_s=2.0)])
    pair = ["h2s-a.h2s", "h2s-b.h2s"]
    since = both(scene, pair, 12)
    scene.run(15)
    assert scene.level("h2s") is Level.YELLOW
    assert scene.in_time("h2s", since, 3)
    assert scene.closed("relay") == {3}
    assert scene.message("horn") == 0
    since = both(scene, pair, 25)
    scene.run(15)
    assert scene.level("h2s") is Level.ORANGE
    assert scene.in_time("h2s", since, 4, 6, message=1)
    since = both(scene, pair, 110)
    scene.run(60)
    assert scene.level("h2s") is Level.RED
    assert scene.in_time("h2s", since, 1, 5, message=2)
    assert {"driller", "carer"} <= set(scene.called())


def test_far_more_gas_than_is_feared_is_still_gas(play):
    """What a detector can report is never out of range."""
    scene = play("h2s-well-site")
    since = both(scene, ["h2s-a.h2s", "h2s-c.h2s"], 900)
    scene.run(15)
    assert scene.level("h2s") is Level.RED
    assert scene.in_time("h2s", since, 1, 5, message=2)


def test_what_was_cut_stays_cut_when_all_is_over(play):
    scene = play("h2s-well-site")
    both(scene, ["h2s-a.h2s", "h2s-b.h2s"], 110)
    scene.run(15)
    both(scene, ["h2s-a.h2s", "h2s-b.h2s"], 0)
    scene.run(15)
    scene.press("panel.di1")
    scene.run(10)
    assert scene.level("h2s") is Level.NORMAL
    assert scene.closed("relay") == {5}
    assert scene.message("horn") == 0


def test_one_detector_warns_and_moves_nobody(play):
    scene = play("h2s-well-site")
    scene.change("h2s-c.h2s", 45)
    scene.run(20)
    assert scene.level("h2s") is Level.YELLOW
    assert scene.closed("relay") == {3}
    assert scene.message("horn") == 0


def test_with_a_detector_lost_one_of_the_others_is_enough(play):
    scene = play("h2s-well-site")
    scene.lose("h2s-a")
    scene.run(20)
    assert scene.level("detector-lost") is Level.YELLOW
    assert scene.silent()
    assert scene.called() == ["driller"]
    since = scene.change("h2s-b.h2s", 25)
    scene.run(15)
    assert scene.level("h2s") is Level.ORANGE
    assert scene.in_time("h2s", since, 4, 6, message=1)


def test_single_wrong_readings_of_h2s_do_nothing(play):
    scene = play("h2s-well-site")
    for readings in (1, 2):
        scene.spike("h2s-a.h2s", 180, readings=readings)
        scene.run(10)
        scene.spike("h2s-b.h2s", 40, readings=readings)
        scene.run(10)
    # a motor starts beside the cable: two at once
    scene.change("h2s-a.h2s", 150)
    scene.spike("h2s-b.h2s", 150)
    scene.change("h2s-a.h2s", 0)
    scene.run(10)
    assert scene.calm()


def test_the_button_evacuates_without_any_detector(play):
    scene = play("h2s-well-site")
    since = scene.change("panel.di2", 1)
    scene.run(5)
    assert scene.in_time("button", since, 1, 5, message=2)


# -- tank farm ------------------------------------------------------------------------------------


def test_gas_at_the_bund_warns_and_two_detectors_shut_down(play):
    scene = play("chemical-tank-farm", TANKS)
    scene.change("lel-a.gas", 28)
    scene.run(15)
    assert scene.level("gas") is Level.YELLOW
    assert scene.silent()
    assert scene.called()[0] == "control"
    since = both(scene, ["lel-a.gas", "lel-b.gas"], 55)
    scene.run(15)
    assert scene.level("gas") is Level.RED
    assert scene.in_time("gas", since, 1, 3, 4, 5, 6, message=2)


def test_the_upper_switch_stops_the_filling_and_sounds_nothing(play):
    scene = play("chemical-tank-farm", TANKS)
    scene.change("panel.di2", 1)
    scene.run(40)
    assert scene.level("overfill") is Level.YELLOW
    assert scene.silent()
    since = scene.change("panel.di3", 1)
    scene.run(10)
    assert scene.in_time("overfill", since, 3, 4)
    assert scene.closed("relay") == {3, 4}
    scene.change("panel.di3", 0)
    scene.change("panel.di2", 0)
    scene.press("panel.di1")
    scene.run(10)
    assert scene.level("overfill") is Level.NORMAL
    assert scene.closed("relay") == {3, 4}


def test_a_tank_that_warms_ever_faster_is_red_before_it_is_hot(play):
    scene = play("chemical-tank-farm", TANKS, settle_s=120)
    scene.ramp("tank.t1", 45.0, 480)
    scene.run(480)
    assert scene.world.value("tank.t1") < 50
    assert scene.level("temperature") is Level.RED
    assert 1 in scene.closed("relay")


def test_a_lost_detector_and_a_spike_shut_nothing_down(play):
    scene = play("chemical-tank-farm", TANKS)
    scene.spike("lel-b.gas", 90)
    scene.spike("panel.di3", 1)
    scene.spike("tank.t1", 150, readings=2)
    scene.run(20)
    assert scene.calm()
    scene.lose("lel-c")
    scene.run(20)
    assert scene.level("detector-lost") is Level.YELLOW
    assert scene.silent()


# -- ammonia --------------------------------------------------------------------------------------


def test_ammonia_in_the_machine_room_starts_the_fans_and_then_stops_the_compressors(play):
    scene = play("ammonia-cold-store")
    scene.change("nh3-a.gas", 30)
    scene.run(15)
    assert scene.level("machine-room") is Level.YELLOW
    assert scene.silent()
    since = scene.change("nh3-a.gas", 60)
    scene.run(15)
    assert scene.in_time("machine-room", since, 3, 6, message=1)
    assert scene.closed("relay") == {3, 6}
    since = scene.change("nh3-a.gas", 110)
    scene.run(60)
    assert scene.in_time("machine-room", since, 1, 4, 5, message=2)
    assert {"engineer", "manager"} <= set(scene.called())


def test_where_people_work_half_as_much_clears_the_hall(play):
    scene = play("ammonia-cold-store")
    since = scene.change("nh3-c.gas", 55)
    scene.run(15)
    assert scene.level("halls") is Level.RED
    assert scene.level("machine-room") is Level.NORMAL
    assert scene.in_time("halls", since, 1, 3, 4, 5, 6, message=2)


def test_a_lost_detector_calls_and_a_spike_does_nothing(play):
    scene = play("ammonia-cold-store")
    scene.spike("nh3-b.gas", 800, readings=2)
    scene.spike("nh3-a.gas", 60)
    scene.run(15)
    assert scene.calm()
    scene.lose("nh3-b")
    scene.run(20)
    assert scene.level("halls") is Level.YELLOW
    assert scene.called()[0] == "engineer"
    assert scene.silent()


# -- confined space -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ("o2.gas", 19.4),
        ("o2.gas", 23.6),
        ("h2s.gas", 7.0),
        ("h2s.gas", 900.0),
        ("co.gas", 17.0),
        ("lel.gas", 10.0),
    ],
)
def test_bad_air_of_any_kind_calls_everybody_out(play, point, value):
    scene = play("confined-space", SPACE)
    since = scene.change(point, value)
    scene.run(15)
    assert scene.level("air") is Level.RED
    assert scene.in_time("air", since, 1, 3, 4, 5, message=1)
    assert "guard" in scene.called()


def test_without_ventilation_everybody_comes_out_after_half_a_minute(play):
    scene = play("confined-space", SPACE)
    since = scene.change("panel.di2", 0)
    scene.run(29)
    assert scene.calm()
    scene.run(15)
    assert scene.in_time("ventilation", since, 1, 3, 4, message=1)


@pytest.mark.parametrize("device", ["o2", "lel", "h2s", "co", "panel"])
def test_a_lost_detector_is_no_clean_air(play, device):
    scene = play("confined-space", SPACE)
    scene.lose(device)
    scene.run(20)
    rule = "ventilation" if device == "panel" else "air"
    assert scene.level(rule) is Level.RED
    assert scene.closed("relay") >= {1, 3, 4}


def test_a_single_wrong_reading_is_not_taken_for_bad_air(play):
    scene = play("confined-space", SPACE)
    for point, wrong in [("o2.gas", 5.0), ("h2s.gas", 90.0), ("co.gas", 400.0), ("lel.gas", 60.0)]:
        scene.spike(point, wrong, readings=2)
        scene.run(10)
    assert scene.calm()


def test_air_that_gets_worse_has_more_ventilation_first(play):
    scene = play("confined-space", SPACE)
    since = scene.change("h2s.gas", 4.0)
    scene.run(15)
    assert scene.level("air-worse") is Level.YELLOW
    assert scene.closed("relay") == {5}
    assert scene.in_time("air-worse", since, 5)


# -- valve well -----------------------------------------------------------------------------------


def test_methane_warns_keeps_people_away_and_closes_the_valve(play):
    scene = play("gas-valve-well", WELL)
    scene.change("lel-a.gas", 30)
    scene.run(15)
    assert scene.level("methane") is Level.YELLOW
    assert scene.silent()
    since = scene.change("lel-a.gas", 55)
    scene.run(30)
    assert scene.level("methane") is Level.ORANGE
    assert scene.in_time("methane", since, 4, message=1)
    assert scene.closed("relay") == {4}
    scene.run(60)
    assert scene.level("methane") is Level.RED
    assert scene.in_time("methane", since, 1, 3, message=2)


def test_two_detectors_or_the_only_one_left_close_it_at_once(play):
    for lost in (False, True):
        scene = play("gas-valve-well", WELL)
        if lost:
            scene.lose("lel-a")
            scene.run(30)
            assert scene.level("detector-lost") is Level.YELLOW
            assert scene.silent()
        both(scene, ["lel-a.gas", "lel-b.gas"], 55)
        scene.run(20)
        assert scene.level("methane") is Level.RED
        assert 3 in scene.closed("relay")


@pytest.mark.parametrize(("utc_ms", "level"), [(NIGHT_MS, "YELLOW"), (None, "NORMAL")])
def test_an_open_cover_is_told_at_once_by_night(play, utc_ms, level):
    scene = play("gas-valve-well", WELL, utc_ms=utc_ms)
    scene.change("panel.di2", 1)
    scene.run(30)
    assert scene.level("cover").name == level
    assert scene.silent()


def test_water_is_told_and_a_spike_of_gas_does_nothing(play):
    scene = play("gas-valve-well", WELL)
    scene.spike("lel-a.gas", 80)
    scene.run(10)
    assert scene.calm()
    scene.ramp("water.level", 0.5, 60)
    scene.run(700)
    assert scene.level("water") is Level.BLUE
    assert scene.silent()
