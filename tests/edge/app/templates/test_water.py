"""The water comes: village, reservoir, underpass."""

from __future__ import annotations

import pytest

from edge.core.model import Level
from edge.engine.sound import UNHEARD
from tools.twins.phones import Person

JANUARY_MS = 1_705_287_600_000
VILLAGE = {"soil.moisture": 22.0, "river.level": 0.8}
DAM = {"dam.level": 24.0, "weir.level": 0.05}


# -- flash-flood village --------------------------------------------------------------------------


def test_a_burst_of_rain_makes_the_village_ready_and_then_moves_it(play):
    """36 mm in 12 min on normal soil: 28 mm is orange, 35 mm is red."""
    scene = play("flash-flood-village", VILLAGE, people=[Person("000000001")])
    scene.ramp("gauge.rain", 36.0, 720)
    scene.run(558)
    assert scene.level("flash-flood-rain") is Level.NORMAL
    since = scene.clock.now()
    scene.run(60)
    assert scene.level("flash-flood-rain") is Level.ORANGE
    assert scene.in_time("flash-flood-rain", since, message=1)
    assert not scene.closed("relay")
    assert {"duty", "carer"} <= set(scene.called())
    scene.run(80)
    since = scene.clock.now()
    scene.run(60)
    assert scene.level("flash-flood-rain") is Level.RED
    assert scene.in_time("flash-flood-rain", since, 1, 3, message=2)
    assert scene.alarm("flash-flood-rain").acknowledged_by


@pytest.mark.parametrize(("moisture", "level"), [(10, "NORMAL"), (25, "ORANGE"), (40, "RED")])
def test_wet_ground_moves_the_village_earlier(play, moisture, level):
    """31 mm: less than 80 % of the index on dry ground, more than all of it on wet."""
    scene = play("flash-flood-village", VILLAGE | {"soil.moisture": moisture})
    scene.ramp("gauge.rain", 31.0, 600)
    scene.run(640)
    assert scene.level("flash-flood-rain").name == level


def test_the_river_rises_through_all_levels(play):
    scene = play("flash-flood-village", VILLAGE)
    scene.ramp("river.level", 3.3, 500)
    seen: dict[str, int] = {}
    for _ in range(56):
        scene.run(10)
        seen.setdefault(scene.level("river-level").name, scene.clock.now())
    assert list(seen) == ["NORMAL", "YELLOW", "ORANGE", "RED"]
    assert scene.closed("relay") == {1, 3}
    assert scene.message("horn") == 2
    assert scene.level("river-rise") is Level.YELLOW
    assert {"duty", "head", "town", "group-1"} <= set(scene.called())


def test_single_wrong_readings_move_nobody(play):
    """A radar echo, a total that jumps, a total of nought: each once or twice in a row."""
    scene = play("flash-flood-village", VILLAGE | {"gauge.rain": 345.6}, settle_s=400)
    for point, wrong in [("river.level", 5.0), ("gauge.rain", 900.0), ("gauge.rain", 0.0)]:
        for readings in (1, 2):
            scene.spike(point, wrong, readings=readings)
            scene.run(60)
    assert scene.calm()


def test_a_lost_rain_gauge_calls_somebody_and_sounds_nothing(play):
    scene = play("flash-flood-village", VILLAGE)
    scene.lose("gauge")
    scene.run(120)
    assert scene.level("flash-flood-rain") is Level.YELLOW
    assert scene.called() == ["duty"]
    assert scene.silent()


# -- reservoir ------------------------------------------------------------------------------------


def test_above_the_flood_limit_people_patrol_in_the_season_only(play):
    for utc_ms, level in [(None, Level.YELLOW), (JANUARY_MS, Level.NORMAL)]:
        scene = play("reservoir-dyke", DAM, utc_ms=utc_ms)
        scene.ramp("dam.level", 24.6, 60)
        scene.run(600)
        assert scene.level("flood-limit") is Level.NORMAL
        scene.run(100)
        assert scene.level("flood-limit") is level
        assert scene.called() == (["keeper"] if level else [])
        assert scene.silent()


def test_high_water_warns_downstream_and_closes_the_crest(play):
    scene = play("reservoir-dyke", DAM)
    scene.ramp("dam.level", 26.6, 180)
    scene.run(165)
    since = scene.clock.now()
    scene.run(60)
    assert scene.level("high-water") is Level.ORANGE
    assert scene.in_time("high-water", since, 3, message=1)
    scene.ramp("dam.level", 28.1, 120)
    scene.run(105)
    since = scene.clock.now()
    scene.run(60)
    assert scene.level("high-water") is Level.RED
    assert scene.in_time("high-water", since, 1, message=2)
    assert "carer" in scene.called()


def test_seepage_that_grows_fast_is_red_although_the_level_stands(play):
    scene = play("reservoir-dyke", DAM, settle_s=1000)
    scene.ramp("weir.level", 0.17, 120)
    scene.run(90)
    since = scene.clock.now()
    scene.run(90)
    assert scene.level("seepage") is Level.RED
    assert scene.in_time("seepage", since, 1, 3, message=2)
    assert scene.level("high-water") is Level.NORMAL


def test_a_lost_dam_radar_and_a_wrong_echo_sound_nothing(play):
    scene = play("reservoir-dyke", DAM)
    scene.spike("dam.level", 31.0, readings=2)
    scene.run(60)
    assert scene.calm()
    scene.lose("dam")
    scene.run(120)
    assert scene.level("high-water") is Level.YELLOW
    assert scene.called() == ["keeper"]
    assert scene.silent()


# -- underpass ------------------------------------------------------------------------------------


def flood(scene, depth_m, seconds=60.0):
    for gauge in "ab":
        scene.ramp(f"gauge-{gauge}.level", depth_m, seconds)
    scene.run(seconds)
    return scene.clock.now()


def test_a_puddle_slows_the_traffic_and_25_cm_close_the_underpass(play):
    scene = play("waterlogged-underpass")
    flood(scene, 0.06, 20)
    scene.run(10)
    assert scene.level("underpass-slow") is Level.YELLOW
    assert scene.closed("relay") == {5, 6}
    flood(scene, 0.245)
    scene.ramp("gauge-a.level", 0.26, 1)
    scene.ramp("gauge-b.level", 0.26, 1)
    since = scene.clock.now()
    scene.run(6)
    scene.change("panel.di3", 1)
    scene.run(15)
    assert scene.level("underpass-close") is Level.RED
    assert scene.in_time("underpass-close", since, 1, 3, 4, message=1)
    assert scene.level(f"{UNHEARD}relay:channel=3") is Level.NORMAL
    assert {"control", "roads"} <= set(scene.called())


def test_a_barrier_that_does_not_fall_is_an_alarm_of_its_own(play):
    scene = play("waterlogged-underpass")
    flood(scene, 0.4, 30)
    scene.run(30)
    assert scene.closed("relay") >= {3, 4}
    assert scene.level(f"{UNHEARD}relay:channel=3") is Level.RED


def test_one_gauge_closes_nothing_but_the_only_one_left_does(play):
    """Two of three; with the other gauge lost, one of two."""
    scene = play("waterlogged-underpass")
    scene.ramp("gauge-a.level", 0.5, 40)
    scene.run(60)
    assert scene.level("underpass-slow") is Level.YELLOW
    assert scene.level("underpass-close") is Level.NORMAL
    scene.lose("gauge-b")
    scene.run(20)
    assert scene.level("gauge-lost") is Level.BLUE
    assert scene.level("underpass-close") is Level.RED


def test_a_leaf_and_a_hanging_float_close_nothing(play):
    scene = play("waterlogged-underpass")
    scene.spike("gauge-a.level", 0.5)
    scene.change("panel.di2", 1)
    scene.run(60)
    assert scene.calm()
