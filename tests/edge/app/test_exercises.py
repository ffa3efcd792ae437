"""Drills and walk-tests in the whole agent in virtual time: apart from what is real, below it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.app.complaint import Complaint
from edge.app.exercises import Exercises
from edge.core.model import Level, Phase, RecordKind
from tools.virtual_village import VirtualVillage

HORN_STEP = 'arguments = { message = 3, volume = 25 }\nstop = "stop"\n'
SIREN_STEP = (
    'arguments = { channel = 1 }\nstop = "off"\nstop_arguments = { channel = 1 }\n'
    'until = "acknowledged"\n'
)
HORN_KEYS = (
    'heard = { point = "horn.line_current", comparison = ">=", value = "0.4 A", within_s = 3 }\n'
    'drill = { action = "play", arguments = { message = 90, volume = 20 } }\n'
)
SIREN_KEYS = 'drill = { action = "on", arguments = { channel = 1 } }\n'
HAZARD_MESSAGE, DRILL_MESSAGE = 3, 90


def rewrite(text: str) -> str:
    for step, keys in ((HORN_STEP, HORN_KEYS), (SIREN_STEP, SIREN_KEYS)):
        assert step in text
        text = text.replace(step, step + keys)
    return text


@pytest.fixture
def village(tmp_path: Path) -> VirtualVillage:
    made = VirtualVillage(tmp_path, rewrite=rewrite)
    made.run(5.0)
    return made


def drill(village: VirtualVillage, do: str = "start", **keys: object) -> dict[str, Any]:
    request: dict[str, Any] = {"do": do, "by": "wang", **keys}
    if do == "start":
        request = {"rule": "river-flood", "mode": "announced", "reason": "drill day", **request}
    return Exercises(village.agent).drill(request)


def walk(village: VirtualVillage, do: str = "start", **keys: object) -> dict[str, Any]:
    request: dict[str, Any] = {"do": do, "by": "li", **keys}
    if do == "start" and "zone" not in keys:
        request = {"rule": "river-flood", **request}
    return Exercises(village.agent).walk_test(request)


def events(village: VirtualVillage, kind: RecordKind) -> list[object]:
    return [body["event"] for body in village.journal.bodies(kind)]


def contacts(village: VirtualVillage) -> list[int]:
    return [channel for channel, on in village.relay.coils.items() if on]


# -- drills ----------------------------------------------------------------------------------------


def test_a_drill_sounds_only_its_own_messages_and_every_record_says_so(
    village: VirtualVillage,
) -> None:
    """Channel 2 has no ``drill``: it stays silent."""
    before = len(village.journal.records)
    drill(village)
    village.run(5.0)
    assert village.horn.message == DRILL_MESSAGE
    assert contacts(village) == [0]
    drill(village, "stop")
    village.run(3.0)
    assert (village.horn.message, contacts(village)) == (0, [])
    told = [
        record.body
        for record in village.journal.records[before:]
        if record.kind in (RecordKind.ALARM, RecordKind.COMMAND, RecordKind.OUTCOME)
    ]
    told += village.journal.bodies(RecordKind.SOUND)
    assert len(told) > 8
    assert {str(body["drill"]).startswith("drill-") for body in told} == {True}
    assert events(village, RecordKind.DRILL) == ["started", "ended"]
    assert village.journal.bodies(RecordKind.DRILL)[0]["left_out"] == ["siren:off:channel=2"]


def test_a_drill_enters_no_alarm_and_no_statistic(village: VirtualVillage) -> None:
    rules = {name: (a.phase, a.revision) for name, a in village.agent.pipeline.alarms.items()}
    drill(village)
    village.run(5.0)
    drill(village, "stop")
    village.run(5.0)
    pipeline = village.agent.pipeline
    assert {name: (a.phase, a.revision) for name, a in pipeline.alarms.items()} == rules
    assert village.agent.health.body()["outcomes"] == dict.fromkeys(
        ("done", "refused", "no answer", "too late"), 0
    )
    stages = village.agent.conformance.rules.values()
    assert [stage.decision.body()["count"] for stage in stages] == [0, 0]


def test_a_silent_drill_sounds_nothing(village: VirtualVillage) -> None:
    drill(village, mode="silent")
    village.run(20.0)
    assert (village.horn.message, contacts(village)) == (0, [])
    assert village.journal.bodies(RecordKind.COMMAND) == []
    (alarm,) = village.journal.bodies(RecordKind.ALARM)
    assert alarm["phase"] == "active, unacknowledged"


def test_a_drill_is_answered_like_an_alarm(village: VirtualVillage) -> None:
    """By the button in the duty room; what sounds until somebody answers then ends."""
    drill(village)
    village.run(3.0)
    village.world.set("button.pressed", 1.0)
    village.run(3.0)
    assert drill(village, "status")["answered_by"] == "值班室按钮"
    assert contacts(village) == []
    assert village.horn.message == DRILL_MESSAGE


def test_a_drill_ends_by_itself(village: VirtualVillage) -> None:
    drill(village, minutes=1)
    village.run(59.0)
    assert village.horn.message == DRILL_MESSAGE
    village.run(3.0)
    assert village.horn.message == 0
    assert village.journal.bodies(RecordKind.DRILL)[-1]["why"] == "time is up"


def test_a_drill_reports_a_horn_that_is_not_heard_and_raises_no_alarm(
    village: VirtualVillage,
) -> None:
    village.world.set("amplifier.line", 0.0)
    drill(village)
    village.run(10.0)
    sound = {each["output"]: each["sounding"] for each in drill(village, "status")["sound"]}
    assert sound == {"siren:off:channel=1": "heard", "horn:stop:": "unheard"}
    assert all(a.phase is Phase.NORMAL for a in village.agent.pipeline.alarms.values())


def test_a_real_alarm_ends_the_drill_at_once_and_sounds_in_its_place(
    village: VirtualVillage,
) -> None:
    drill(village)
    village.run(10.0)
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert village.horn.message == HAZARD_MESSAGE
    assert contacts(village) == [0, 1]
    ended = village.journal.bodies(RecordKind.DRILL)[-1]
    assert (ended["event"], ended["why"]) == ("ended", "pre-empted")
    assert str(ended["ended_by"]).startswith("river-flood/")
    assert drill(village, "status")["running"] is None


def test_what_only_the_drill_sounds_is_silent_when_something_else_is_real(
    village: VirtualVillage,
) -> None:
    """Gas at yellow sounds nothing: what the flood's drill has sounded ends all the same."""
    drill(village)
    village.run(10.0)
    village.world.set("gas.h2s", 9.0)
    village.run(3.0)
    assert village.alarm("h2s-leak").level is Level.YELLOW
    assert (village.horn.message, contacts(village)) == (0, [])


def _real_latencies(
    folder: Path, phase_s: float, before: Callable[[VirtualVillage], object]
) -> tuple[dict[tuple[object, object], Any], VirtualVillage]:
    folder.mkdir()
    village = VirtualVillage(folder, rewrite=rewrite)
    village.run(5.0)
    before(village)
    village.run(30.0 + phase_s)
    village.world.set("river.level", 3.3)
    village.run(5.0)
    outcomes = [
        body
        for body in village.journal.bodies(RecordKind.OUTCOME)
        if not body.get("drill") and not body["ensure"]
    ]
    return {(b["actuator"], b["action"]): b["decision_ms"] for b in outcomes}, village


def test_a_real_alarm_is_no_later_for_a_drill(tmp_path: Path) -> None:
    """The same hazard at the same phase, with a drill and without."""
    chance = random.Random(7)
    for run in range(4):
        phase_s = chance.uniform(0.0, 2.0)
        plain, _ = _real_latencies(tmp_path / f"plain{run}", phase_s, lambda _: None)
        drilled, village = _real_latencies(tmp_path / f"drill{run}", phase_s, drill)
        assert village.journal.bodies(RecordKind.DRILL)[-1]["why"] == "pre-empted"
        for command, ms in plain.items():
            assert drilled[command] <= ms


def test_a_real_alarm_in_the_midst_of_a_drill_s_commands_keeps_its_bound(tmp_path: Path) -> None:
    """Whatever the drill has on the lines just then: no breach of what was proven."""
    for run in range(8):
        (tmp_path / str(run)).mkdir()
        village = VirtualVillage(tmp_path / str(run), rewrite=rewrite)
        village.run(15.0)
        village.world.set("river.level", 3.3)
        village.run(0.02 * run)
        if village.alarm("river-flood").phase is Phase.NORMAL:
            drill(village)
        village.run(3.0)
        assert village.horn.message == HAZARD_MESSAGE
        assert village.journal.bodies(RecordKind.BREACH) == []


def test_after_a_restart_a_drill_does_not_go_on_and_is_silenced(village: VirtualVillage) -> None:
    drill(village)
    village.run(5.0)
    village.kill()
    assert (village.horn.message, contacts(village)) == (DRILL_MESSAGE, [0])
    village.start()
    village.run(3.0)
    assert (village.horn.message, contacts(village)) == (0, [])
    assert drill(village, "status")["running"] is None
    ended = village.journal.bodies(RecordKind.DRILL)[-1]
    assert (ended["event"], ended["why"]) == ("ended", "restart")
    village.kill()
    village.start()
    village.run(3.0)
    assert events(village, RecordKind.DRILL) == ["started", "ended"]


def test_a_restart_into_a_real_alarm_keeps_what_that_sounds(village: VirtualVillage) -> None:
    drill(village)
    village.run(5.0)
    body = village.journal.bodies(RecordKind.DRILL)[0]
    village.world.set("river.level", 3.3)
    village.run(5.0)
    village.kill()
    # as if the drill's end had not reached the disk
    village.journal.records = [
        record
        for record in village.journal.records
        if record.kind is not RecordKind.DRILL or record.body is body
    ]
    moved = len(list(village.horn.changes)), len(list(village.relay.changes))
    village.start()
    village.run(20.0)
    assert village.horn.message == HAZARD_MESSAGE
    assert (len(list(village.horn.changes)), len(list(village.relay.changes))) == moved


def test_a_stop_that_was_never_confirmed_does_not_end_what_a_drill_sounds(
    village: VirtualVillage,
) -> None:
    """A horn that was dead when the last alarm ended is still told to stop; then a drill begins."""
    village.world.set("river.level", 3.3)
    village.run(5.0)
    village.slaves["speaker"].faults.silent_units = {4}
    village.world.set("river.level", 0.8)
    village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
    village.run(10.0)
    village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
    drill(village)
    village.run(0.5)
    village.slaves["speaker"].faults.silent_units = set()
    village.run(20.0)
    assert village.horn.message == DRILL_MESSAGE


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"rule": "nothing"}, "no-drill-rule"),
        ({"rule": None, "plan": "nothing"}, "no-drill-plan"),
        ({"mode": "loud"}, "bad-mode"),
        ({"minutes": 0}, "bad-minutes"),
        ({"minutes": 1e9}, "bad-minutes"),
        ({"minutes": "ten"}, "bad-minutes"),
        ({"by": " "}, "nobody"),
        ({"reason": ""}, "drill-reason"),
    ],
)
def test_a_drill_that_is_asked_for_wrongly_is_not_held(
    village: VirtualVillage, keys: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Complaint) as refused:
        drill(village, **keys)
    assert refused.value.key == complaint
    assert drill(village, "status")["running"] is None


def test_no_drill_beside_a_real_alarm_or_another_drill(village: VirtualVillage) -> None:
    drill(village, plan="evacuate", rule=None)
    with pytest.raises(Complaint) as refused:
        drill(village)
    assert refused.value.key == "drill-runs"
    village.world.set("gas.h2s", 9.0)
    village.run(3.0)
    with pytest.raises(Complaint) as refused:
        drill(village)
    assert refused.value.key == "alarm-stands"


# -- walk-tests ------------------------------------------------------------------------------------


def test_a_sensor_that_is_stimulated_is_ticked_off_and_its_horn_sounds_briefly(
    village: VirtualVillage,
) -> None:
    walk(village, sound_s=3.0)
    village.world.set("river.level", 3.3)
    village.run(2.0)
    assert (village.horn.message, contacts(village)) == (DRILL_MESSAGE, [0])
    assert village.alarm("river-flood").level is Level.NORMAL
    village.run(3.0)
    assert (village.horn.message, contacts(village)) == (0, [])
    village.world.set("river.level", 0.8)
    village.run(2.0)
    body = walk(village, "stop")["last"]
    (sensor,) = body["sensors"]
    assert (sensor["point"], sensor["seen"], sensor["base"]) == (
        "river.level", "raised its rule", 0.8,
    )  # fmt: skip
    heard = {each["output"]: each["sounding"] for each in body["outputs"]}
    assert heard == {
        "siren:off:channel=1": "heard", "horn:stop:": "heard", "siren:off:channel=2": None,
    }  # fmt: skip
    assert body["missing"] == ["siren:off:channel=2"]
    assert events(village, RecordKind.WALK_TEST)[:2] == ["started", "seen"]
    assert events(village, RecordKind.WALK_TEST)[-1] == "ended"
    assert village.journal.bodies(RecordKind.WALK_TEST)[-1]["sensors"] == body["sensors"]


def test_a_walk_test_without_sound_sounds_nothing(village: VirtualVillage) -> None:
    walk(village)
    village.world.set("river.level", 3.3)
    village.run(10.0)
    assert (village.horn.message, contacts(village)) == (0, [])


def test_a_change_counts_if_it_was_asked_for(village: VirtualVillage) -> None:
    walk(village, changes=["0.30 m"])
    village.world.set("river.level", 1.0)
    village.run(2.0)
    assert walk(village, "status")["running"]["sensors"][0]["seen"] is None
    village.world.set("river.level", 1.15)
    village.run(2.0)
    assert walk(village, "status")["running"]["sensors"][0]["seen"] == "changed enough"


def test_a_sensor_that_does_not_answer_is_not_ticked_off(village: VirtualVillage) -> None:
    walk(village)
    village.slaves["field"].faults.silent_units = {5}
    village.run(20.0)
    assert walk(village, "stop")["last"]["missing"][0] == "river.level"


def test_other_rules_act_during_a_walk_test_and_end_its_sound(village: VirtualVillage) -> None:
    walk(village, sound_s=20.0)
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert village.horn.message == DRILL_MESSAGE
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    assert village.alarm("h2s-leak").level is Level.RED
    assert village.horn.message == 7
    assert contacts(village) == [2]


def test_a_sensor_that_responds_sounds_nothing_while_something_real_sounds(
    village: VirtualVillage,
) -> None:
    walk(village, sound_s=20.0)
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert walk(village, "status")["running"]["sensors"][0]["seen"] is not None
    assert village.horn.message == 7
    assert contacts(village) == [2]


def test_what_is_still_there_when_the_test_ends_is_an_alarm(village: VirtualVillage) -> None:
    walk(village, minutes=1)
    village.world.set("river.level", 3.3)
    village.run(55.0)
    assert village.alarm("river-flood").level is Level.NORMAL
    assert village.alarm("river-flood").current is Level.RED
    village.run(8.0)
    assert village.journal.bodies(RecordKind.WALK_TEST)[-1]["why"] == "time is up"
    assert village.alarm("river-flood").level is Level.RED
    assert village.horn.message == HAZARD_MESSAGE


def test_what_was_stimulated_before_a_restart_is_not_believed_after_it(
    village: VirtualVillage,
) -> None:
    walk(village, sound_s=3.0)
    village.world.set("river.level", 3.3)
    village.run(2.0)
    village.kill()
    village.world.set("river.level", 0.8)
    village.start()
    village.run(5.0)
    assert village.alarm("river-flood").phase is Phase.NORMAL
    assert (village.horn.message, contacts(village)) == (0, [])
    assert walk(village, "status")["running"] is None
    ended = village.journal.bodies(RecordKind.WALK_TEST)[-1]
    assert (ended["event"], ended["why"]) == ("ended", "restart")
    # and the rule protects again
    village.world.set("river.level", 3.3)
    village.run(2.0)
    assert village.horn.message == HAZARD_MESSAGE


def test_the_test_is_a_sign_in_the_alarm_s_records(village: VirtualVillage) -> None:
    walk(village)
    body = village.journal.bodies(RecordKind.ALARM)[-1]
    assert (body["rule"], body["change"], body["by"]) == ("river-flood", "put under test", "li")
    walk(village, "stop")
    assert village.journal.bodies(RecordKind.ALARM)[-1]["change"] == "test is over"


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"rule": "nothing"}, "no-tested-rule"),
        ({"zone": "nowhere"}, "no-tested-zone"),
        ({"minutes": 1e6}, "bad-minutes"),
        ({"sound_s": 600.0}, "bad-seconds"),
        ({"changes": ["much"]}, "bad-change"),
        ({"changes": ["-1 m"]}, "bad-change"),
    ],
)
def test_a_walk_test_that_is_asked_for_wrongly_does_not_begin(
    village: VirtualVillage, keys: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Complaint) as refused:
        walk(village, **keys)
    assert refused.value.key == complaint
    assert walk(village, "status")["running"] is None


def test_an_active_rule_is_not_put_under_test(village: VirtualVillage) -> None:
    village.world.set("river.level", 3.3)
    village.run(2.0)
    with pytest.raises(Complaint) as refused:
        walk(village)
    assert refused.value.key == "alarm-stands"
