"""Carbon monoxide where people sleep, fire where nobody watches."""

from __future__ import annotations

import pytest

from edge.core.model import Level
from tools.twins.phones import Person

MARCH_MS = 1_710_471_600_000
FOREST = {
    "weather.humidity": 55.0,
    "weather.temperature": 20.0,
    "weather.wind_speed": 2.0,
    "solar.battery_voltage": 12.9,
}
DRY = {"weather.humidity": 20.0, "weather.temperature": 28.0, "weather.wind_speed": 9.0}


def co(scene, room, ppm, minutes):
    scene.ramp(f"co-{room}.gas", ppm, 30)
    scene.run(30 + minutes * 60)
    return scene.level(f"co-{room}")


# -- care home ------------------------------------------------------------------------------------


def test_300_ppm_of_co_wakes_the_house_within_two_minutes(play):
    scene = play("care-home-co", people=[Person("000000001", after_s=2.0)])
    scene.ramp("co-boiler.gas", 320, 30)
    scene.run(28)
    since = scene.clock.now()
    scene.run(100)
    assert scene.level("co-high-boiler") is Level.RED
    assert scene.in_time("co-high-boiler", since, 1, 3, 4, 5, message=2)
    scene.run(60)
    assert {"night", "nurse-1", "nurse-2"} <= set(scene.called())
    told = next(request.text for request in scene.phones.rung if request.contact == "night")
    assert "锅炉房" in told


@pytest.mark.parametrize(("ppm", "before_min", "more_min"), [(110, 9, 2), (60, 58, 4)])
def test_less_co_is_red_by_concentration_and_time(play, ppm, before_min, more_min):
    scene = play("care-home-co")
    assert co(scene, "ward", ppm, before_min) is Level.NORMAL
    assert scene.calm()
    scene.run(more_min * 60)
    assert scene.level("co-ward") is Level.RED
    assert scene.closed("relay") == {1, 3, 4, 5}


def test_a_cigarette_wakes_nobody(play):
    """Two wrong readings, then four minutes of 150 ppm."""
    scene = play("care-home-co")
    scene.spike("co-kitchen.gas", 900, readings=2)
    scene.run(30)
    co(scene, "kitchen", 150, 4)
    scene.ramp("co-kitchen.gas", 5, 30)
    scene.run(600)
    assert scene.calm()


def test_gas_in_the_kitchen_closes_the_valve(play):
    scene = play("care-home-co")
    since = scene.change("lel.gas", 30)
    scene.run(40)
    assert scene.level("kitchen-gas") is Level.ORANGE
    assert scene.in_time("kitchen-gas", since, 3, 4, message=1)
    scene.change("lel.gas", 0)
    scene.run(40)
    scene.press("panel.di1")
    assert scene.closed("relay") == {3}


def test_a_lost_detector_calls_the_night_shift_only(play):
    scene = play("care-home-co")
    scene.lose("co-ward")
    scene.run(90)
    assert scene.level("co-ward") is Level.YELLOW
    assert scene.called() == ["night"]
    assert scene.silent()


# -- forest ---------------------------------------------------------------------------------------


def test_one_camera_calls_two_clear_the_forest_and_a_person_starts_the_siren(play):
    scene = play("forest-fire-station", FOREST)
    scene.change("panel.di2", 1)
    scene.run(60)
    assert scene.level("forest-fire") is Level.YELLOW
    assert scene.silent()
    assert scene.called() == ["tower"]
    since = scene.change("panel.di3", 1)
    scene.run(60)
    assert scene.level("forest-fire") is Level.ORANGE
    assert scene.in_time("forest-fire", since, 3, message=1)
    assert 1 not in scene.closed("relay")
    since = scene.change("panel.di4", 1)
    scene.run(60)
    assert scene.level("forest-fire") is Level.RED
    assert scene.in_time("forest-fire", since, 1, message=2)


def test_in_dry_air_one_camera_is_enough(play):
    scene = play("forest-fire-station", FOREST | {"weather.humidity": 20.0}, settle_s=1000)
    since = scene.change("panel.di3", 1)
    scene.run(60)
    assert scene.level("forest-fire") is Level.ORANGE
    assert scene.in_time("forest-fire", since, 3, message=1)


@pytest.mark.parametrize(("utc_ms", "level"), [(MARCH_MS, "YELLOW"), (None, "NORMAL")])
def test_fire_weather_bans_fire_in_its_season(play, utc_ms, level):
    scene = play("forest-fire-station", FOREST | DRY, utc_ms=utc_ms, settle_s=120)
    assert scene.level("fire-weather").name == level
    assert scene.message("horn") == (3 if level == "YELLOW" else 0)


def test_a_flicker_and_a_lost_contact_box_sound_nothing(play):
    scene = play("forest-fire-station", FOREST)
    scene.spike("panel.di2", 1)
    scene.run(30)
    assert scene.calm()
    scene.lose("panel")
    scene.run(60)
    assert scene.level("forest-fire") is Level.YELLOW
    assert scene.called() == ["tower"]
    assert scene.silent()
