"""The year of noisy sensors, cut to days: quiet with its debounce, and not without it."""

from tools.bench import false_alarms

DAYS = 3


def test_spikes_and_drop_outs_sound_nothing_and_every_event_sounds_once():
    found = false_alarms.figures(false_alarms.run(DAYS, debounce=True), DAYS)
    assert found["spikes"] > 30
    assert found["lost_readings"] > 300
    assert found["false_actuations"] == 0
    assert found["missed_events"] == 0
    assert found["events_in_budget"] == found["actuations"] == found["events"] == DAYS


def test_without_a_debounce_the_same_noise_sounds():
    found = false_alarms.figures(false_alarms.run(DAYS, debounce=False), DAYS)
    assert found["false_actuations"] > 10


def test_the_same_seed_is_the_same_year():
    one, other = (false_alarms.script(DAYS, seed=7) for _ in range(2))
    assert one == other
    assert one != false_alarms.script(DAYS, seed=8)
