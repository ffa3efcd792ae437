"""The whole agent against the simulated village, in virtual time."""

import pytest

from edge.core.instant import Instant, ms_between
from edge.core.model import Level, Phase, PointId, Quality, RecordKind
from tools.twins.faults import Faults
from tools.virtual_village import VirtualVillage


@pytest.fixture
def village(tmp_path):
    made = VirtualVillage(tmp_path)
    made.run(5.0)
    return made


def changes(device, name, value=None):
    return [at for at, what, now in device.changes if what == name and value in (None, now)]


def test_every_point_of_every_device_is_read(village):
    values = village.agent.pipeline.values
    assert set(values) == {point.id for point in village.site.points}
    assert all(sample.quality is Quality.GOOD for sample in values.values())
    assert values[PointId("river.level")].value == 0.8
    assert values[PointId("gauge.level")].value == 0.8


def test_the_siren_contact_closes_within_a_second_of_the_river_s_change(village):
    for offset in range(20):
        village.run(0.013 * offset)
        began = village.clock.now()
        village.world.set("river.level", 3.3)
        village.run(1.0)
        edge = changes(village.relay, "coil.0", 1)[-1]
        assert ms_between(began, Instant(edge)) < 1000
        village.world.set("river.level", 0.8)
        village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "test")
        village.run(5.0)
        assert village.relay.coils == dict.fromkeys(range(8), 0)


def test_a_flood_from_first_drop_to_all_clear(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert village.alarm("river-flood").phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert village.alarm("river-flood").level is Level.RED
    assert village.horn.message == 3
    assert [village.relay.coils[i] for i in (0, 1)] == [1, 1]
    village.world.set("button.pressed", 1.0)
    village.run(2.0)
    assert village.alarm("river-flood").acknowledged_by == "值班室按钮"
    assert village.relay.coils[0] == 0
    assert village.horn.message == 3
    village.world.set("river.level", 1.0)
    village.run(2.0)
    assert village.alarm("river-flood").phase is Phase.NORMAL
    assert village.horn.message == 0
    assert village.relay.coils == dict.fromkeys(range(8), 0)
    phases = [b["phase"] for b in village.journal.bodies(RecordKind.ALARM)]
    assert phases == ["active, unacknowledged", "active, acknowledged", "normal"]


def test_outcomes_are_confirmed_by_read_back_and_carry_both_latencies(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    outcomes = village.journal.bodies(RecordKind.OUTCOME)
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert outcome["status"] == "done"
        assert outcome["confirmed_by"] == "read-back"
        assert 0 <= outcome["decision_ms"] <= outcome["action_ms"] < 1000


def test_a_button_held_down_answers_once(village):
    village.world.set("button.pressed", 1.0)
    village.run(2.0)
    village.world.set("river.level", 3.3)
    village.run(5.0)
    assert village.alarm("river-flood").phase is Phase.ACTIVE_UNACKNOWLEDGED


def test_a_dead_siren_is_tried_until_it_answers_and_fills_no_journal(village):
    village.slaves["horns"].faults.silent_units = {3}
    village.world.set("river.level", 3.3)
    village.run(600.0)
    outcomes = [b for b in village.journal.bodies(RecordKind.OUTCOME) if b["actuator"] == "siren"]
    assert {b["status"] for b in outcomes} == {"no answer"}
    assert len(outcomes) <= 4
    village.slaves["horns"].faults.silent_units = set()
    village.run(15.0)
    assert village.relay.coils[0] == 1


def test_an_amplifier_that_loses_its_message_is_told_again(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    village.horn.answer(bytes.fromhex("0600100000"))
    assert village.horn.message == 0
    village.run(12.0)
    assert village.horn.message == 3


def test_a_stuck_relay_is_never_reported_as_done(village):
    village.relay.stuck = {0}
    village.world.set("river.level", 3.3)
    village.run(20.0)
    outcomes = [
        b
        for b in village.journal.bodies(RecordKind.OUTCOME)
        if b["actuator"] == "siren" and b["action"] == "on"
    ]
    stuck = [b for b in outcomes if b["status"] != "done"]
    assert stuck
    assert "read back" in stuck[0]["detail"]


def test_two_hazards_share_the_horn_without_silencing_each_other(village):
    village.world.set("river.level", 3.3)
    village.run(2.0)
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    assert village.horn.message == 7
    village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
    village.world.set("gas.h2s", 0.0)
    village.run(2.0)
    assert village.horn.message == 3
    village.world.set("river.level", 0.8)
    village.run(2.0)
    assert village.horn.message == 0


def test_after_a_kill_a_sounding_siren_is_re_asserted_and_nothing_is_raised_anew(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    before = village.alarm("river-flood")
    village.kill()
    for channel in range(8):
        village.relay.coils[channel] = village.relay._contacts[channel] = 0
    village.run(5.0)
    village.start()
    village.run(2.0)
    assert village.relay.coils[0] == 1
    assert village.alarm("river-flood").id == before.id
    assert len(village.journal.bodies(RecordKind.ALARM)) == 1


def test_a_siren_that_still_sounds_after_a_restart_is_not_started_twice(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    started = len(changes(village.horn, "message"))
    village.kill()
    village.run(5.0)
    village.start()
    village.run(12.0)
    assert village.horn.message == 3
    assert len(changes(village.horn, "message")) == started


def test_an_alarm_that_ended_while_the_agent_was_dead_is_stopped_after_the_restart(village):
    village.world.set("river.level", 3.3)
    village.run(3.0)
    village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
    village.run(1.0)
    village.kill()
    village.world.set("river.level", 0.8)
    village.run(5.0)
    village.start()
    village.run(3.0)
    assert village.horn.message == 0
    assert village.alarm("river-flood").phase is Phase.NORMAL


def test_a_pulled_cable_makes_bad_samples_and_comes_back_by_itself(village):
    village.lines["field"].unplug()
    village.run(3.0)
    assert village.agent.pipeline.values[PointId("river.level")].quality is Quality.ABSENT
    assert village.alarm("h2s-leak").level is Level.YELLOW
    village.lines["field"].replug()
    village.run(5.0)
    assert village.agent.pipeline.values[PointId("river.level")].quality is Quality.GOOD


def test_a_silent_text_sensor_becomes_stale(village):
    village.lines["rain-text"].slave.faults.silent = True
    village.run(40.0)
    assert village.agent.pipeline.values[PointId("raintext.total")].quality is Quality.STALE


def test_a_jumping_wall_clock_moves_no_alarm(village):
    village.clock.step_utc(-40 * 365 * 86_400_000)
    village.world.set("river.level", 3.3)
    village.run(1.0)
    assert village.relay.coils[0] == 1
    village.clock.step_utc(80 * 365 * 86_400_000)
    village.run(10.0)
    assert village.alarm("river-flood").level is Level.RED


def test_an_hour_keeps_every_phase_and_piles_nothing_up(tmp_path):
    village = VirtualVillage(tmp_path, slower=10)
    village.run(3600.0)
    for poller in village.agent.pollers:
        expected = 3_600_000 / poller.period_ms
        assert poller.skipped == 0
        assert poller.polls == pytest.approx(expected, abs=1.5)
    assert all(line.waiting <= 6 for line in village.agent.lines.values())


def test_one_lost_answer_is_one_bad_sample_and_no_lost_sensor(village):
    for unit, point in ((9, "panel.di1"), (5, "river.level")):
        faults = village.slaves["field"].unit_faults.setdefault(unit, Faults())
        faults.silent, faults.next_n = True, 1
        village.run(5.0)
        bad = [s for s in village.journal.samples if s.quality is not Quality.GOOD]
        assert [s.point for s in bad].count(point) == 1
    assert village.agent.pipeline.values[PointId("river.level")].quality is Quality.GOOD
    assert village.journal.bodies(RecordKind.ALARM) == []


def test_a_lost_answer_costs_less_than_the_budget(village):
    for offset in range(8):
        village.run(0.031 * offset)
        village.slaves["field"].unit_faults.setdefault(5, Faults())
        village.slaves["field"].unit_faults[5].silent = True
        village.slaves["field"].unit_faults[5].next_n = 1
        began = village.clock.now()
        village.world.set("river.level", 3.3)
        village.run(2.0)
        edge = next(at for at in changes(village.relay, "coil.0", 1) if at > began)
        assert ms_between(began, Instant(edge)) < 1400
        village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "test")
        village.world.set("river.level", 0.8)
        village.run(5.0)
