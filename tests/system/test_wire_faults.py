"""Faults of a slave on a real paced line.

Whatever it sends, the journal never holds a wrong value.
"""

import pytest

from tools.demo.stage import wait_for

pytestmark = pytest.mark.timeout(120)

FAULTS: dict[str, dict[str, object]] = {
    "answers 150 ms after its timeout": {"late_ms": 350.0},
    "answers for another unit": {"wrong_unit": 7},
    "sends half a frame": {"half_frame": True},
    "noise before each frame": {"noise_before": "00ff7e05"},
    "answers another function": {"wrong_function": True},
    "answers more than asked": {"wrong_length": True},
    "damages the checksum": {"bad_crc": True},
    "hears its own question": {"echo": True},
}

# What the village's devices measure while nothing happens; anything else in the journal is wrong.
TRUE_VALUES = {
    "river.level": 0.8,
    "river.distance": 5.2,
    "gauge.level": 0.8,
    "gauge.rain": 0.0,
    "gas.gas": 0.0,
}


def test_no_fault_of_a_slave_puts_a_wrong_value_into_the_journal(rig):
    rig.start_agent("--no-link")
    for unit in (5, 7):
        for knobs in FAULTS.values():
            rig.village.order({"faults": {"line": "field", "unit": unit, "clear": True, **knobs}})
            wait_for("some polls", _polls(rig, 4), 20)
        rig.village.order({"faults": {"line": "field", "unit": unit, "clear": True}})
    wait_for("all sensors", rig.all_good, 20)
    rig.stage.stop("agent")
    readings = rig.readings()
    good = [(point, value) for point, value, quality in readings if quality == 0]
    assert {point for point, _ in good} >= set(TRUE_VALUES)
    wrong = [(p, v) for p, v in good if p in TRUE_VALUES and v != TRUE_VALUES[p]]
    assert wrong == []
    assert any(quality for point, _, quality in readings if point == "river.level")


def _polls(rig, count):
    """True once the river sensor has been asked this many times more."""
    asked = _river(rig) + count
    return lambda: _river(rig) >= asked


def _river(rig):
    device = next(d for d in rig.status()["devices"] if d["id"] == "river")
    return device["polls"] + device["skipped"]
