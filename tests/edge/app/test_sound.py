"""What is commanded but not heard, in the whole agent in virtual time: alarm, back-up, recovery."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.app.proof import judge
from edge.core.instant import Instant, ms_between
from edge.core.model import Level, Phase, PointId, Quality, RecordKind
from edge.engine.sound import UNHEARD
from tools.virtual_village import VirtualVillage

HORN_STEP = 'arguments = { message = 3, volume = 25 }\nstop = "stop"\n'
RIVER = 'hysteresis = "0.10 m"\nlost = "hold"\n'
BY_CURRENT = (
    'heard = { point = "horn.line_current", comparison = ">=", value = "0.4 A", within_s = 3 }\n'
)
BY_EAR = 'heard = { point = "panel.di3", comparison = ">=", value = "1 state", within_s = 3 }\n'
BACKUP = (
    'backup = { actuator = "siren", action = "on", arguments = { channel = 5 },'
    ' stop = "off", stop_arguments = { channel = 5 } }\n'
)
HORN, STAND_IN = f"{UNHEARD}horn", f"{UNHEARD}siren:channel=5"


def site(*keys: str, budget_s: float = 9.0) -> Callable[[str], str]:
    def rewrite(text: str) -> str:
        assert HORN_STEP in text
        assert RIVER in text
        text = text.replace(HORN_STEP, HORN_STEP + "".join(keys))
        return text.replace(RIVER, f"{RIVER}budget_s = {budget_s}\n")

    return rewrite


def made(folder: Path, *keys: str, budget_s: float = 9.0) -> VirtualVillage:
    village = VirtualVillage(folder, rewrite=site(*keys, budget_s=budget_s))
    village.run(5.0)
    return village


@pytest.fixture
def village(tmp_path: Path) -> VirtualVillage:
    return made(tmp_path, BY_CURRENT, BACKUP)


def bound_ms(village: VirtualVillage) -> float:
    """From the change to the back-up's sound."""
    bounds = judge(village.site).proof.bounds
    return next(b.sound_ns for b in bounds if b.switch is not None) / 1e6


def edge_ms(village: VirtualVillage, began: Instant, value: int = 1) -> float | None:
    """When the back-up's contact moved, after that."""
    moved = [at for at, name, now in village.relay.changes if (name, now) == ("coil.4", value)]
    late = [at for at in moved if at > began]
    return ms_between(began, Instant(late[0])) if late else None


def soundings(village: VirtualVillage, output: str) -> list[object]:
    bodies = village.journal.bodies(RecordKind.SOUND)
    return [body["sounding"] for body in bodies if body["output"] == output]


def unheard(village: VirtualVillage) -> set[str]:
    alarms = village.agent.pipeline.alarms.values()
    return {a.rule for a in alarms if a.rule.startswith(UNHEARD) and a.current is Level.RED}


def flood(village: VirtualVillage, seconds: float = 10.0) -> Instant:
    began = village.clock.now()
    village.world.set("river.level", 3.3)
    village.run(seconds)
    return began


def test_a_horn_that_is_confirmed_and_heard_needs_no_back_up(tmp_path: Path) -> None:
    """At any phase of the polls: patience covers what a healthy horn may take."""
    chance = random.Random(4)
    for run in range(12):
        folder = tmp_path / str(run)
        folder.mkdir()
        village = made(folder, BY_CURRENT, BACKUP)
        village.run(chance.uniform(0.0, 1.0))
        flood(village)
        assert soundings(village, "horn:stop:") == ["heard"]
        assert unheard(village) == set()
        assert village.relay.coils[4] == 0


def test_a_dead_amplifier_is_unheard_and_the_back_up_sounds_within_its_bound(
    village: VirtualVillage,
) -> None:
    village.slaves["speaker"].faults.silent_units = {4}
    began = flood(village)
    late = edge_ms(village, began)
    assert late is not None
    assert late <= bound_ms(village)
    assert unheard(village) == {HORN}
    alarm = village.alarm(HORN)
    assert (alarm.level, alarm.phase) == (Level.RED, Phase.ACTIVE_UNACKNOWLEDGED)
    outcomes = [b for b in village.journal.bodies(RecordKind.OUTCOME) if b["actuator"] == "horn"]
    assert {b["status"] for b in outcomes} == {"no answer"}


def test_an_amplifier_that_confirms_and_gives_no_current_is_unheard(
    village: VirtualVillage,
) -> None:
    village.world.set("amplifier.line", 0.0)
    began = flood(village)
    late = edge_ms(village, began)
    assert late is not None
    assert late <= bound_ms(village)
    assert unheard(village) == {HORN}
    (evidence,) = village.alarm(HORN).evidence
    assert (evidence.point, evidence.value) == ("horn.line_current", 0.0)
    done = [b for b in village.journal.bodies(RecordKind.OUTCOME) if b["actuator"] == "horn"]
    assert done[0]["status"] == "done"


def test_the_bound_of_the_back_up_holds_at_every_phase_and_is_nearly_reached(
    tmp_path: Path,
) -> None:
    chance = random.Random(11)
    village = made(tmp_path, BY_CURRENT, BACKUP)
    bound, latest = bound_ms(village), 0.0
    village.slaves["speaker"].faults.silent_units = {4}
    for _ in range(7):
        village.run(20.0 + chance.uniform(0.0, 2.0))
        began = flood(village, 12.0)
        latest = max(latest, edge_ms(village, began) or 1e9)
        village.world.set("river.level", 0.8)
        for _ in range(2):
            village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
            village.run(60.0)
    assert 0.8 * bound <= latest <= bound
    stages = village.agent.conformance.rules["river-flood"]  # type: ignore[index]  # a RuleId is a str
    counted = stages.backup.body()["count"]
    assert isinstance(counted, int)
    assert counted >= 1
    breaches = village.journal.bodies(RecordKind.BREACH)
    assert [breach for breach in breaches if breach["stage"] == "backup"] == []


def test_a_back_up_that_comes_later_than_proven_is_a_breach(tmp_path: Path) -> None:
    village = VirtualVillage(tmp_path, rewrite=site(BY_CURRENT, BACKUP))
    limits = village._limits
    rule = next(each for each in limits if each == "river-flood")
    village.kill()
    village._limits = {**limits, rule: replace(limits[rule], backup_ns=2_000_000_000)}
    village.start()
    village.run(5.0)
    village.slaves["speaker"].faults.silent_units = {4}
    flood(village)
    (breach,) = village.journal.bodies(RecordKind.BREACH)
    assert (breach["rule"], breach["stage"]) == ("river-flood", "backup")


def test_the_horn_goes_on_being_tried_and_when_it_is_heard_the_alarm_waits_for_an_answer(
    village: VirtualVillage,
) -> None:
    village.slaves["speaker"].faults.silent_units = {4}
    flood(village)
    village.slaves["speaker"].faults.silent_units = set()
    village.run(30.0)
    assert village.horn.message == 3
    assert soundings(village, "horn:stop:") == ["unheard", "heard"]
    assert village.alarm(HORN).phase is Phase.LATCHED
    # whoever reads the alarm must find the back-up still sounding
    assert village.relay.coils[4] == 1
    village.agent.pipeline.acknowledge([village.alarm(HORN).rule], "wang")
    village.run(2.0)
    assert village.relay.coils[4] == 0
    assert village.horn.message == 3


def test_a_back_up_that_is_dead_too_is_unheard_and_both_are_tried_until_they_answer(
    village: VirtualVillage,
) -> None:
    village.slaves["speaker"].faults.silent_units = {4}
    village.slaves["horns"].faults.silent_units = {3}
    flood(village, 60.0)
    assert {HORN, STAND_IN} <= unheard(village)
    village.slaves["speaker"].faults.silent_units = set()
    village.slaves["horns"].faults.silent_units = set()
    village.run(15.0)
    assert village.horn.message == 3
    assert village.relay.coils[4] == 1
    assert unheard(village) == set()


def test_a_lost_ear_is_trouble_and_no_silence(tmp_path: Path) -> None:
    """Confirmed by read-back, but the loop-back input does not answer: unknown is not unheard."""
    village = made(tmp_path, BY_EAR, BACKUP)
    village.slaves["field"].faults.silent_units = {9}
    village.run(10.0)
    assert village.agent.pipeline.values[PointId("panel.di3")].quality is Quality.LOST
    flood(village, 30.0)
    assert soundings(village, "horn:stop:") == ["unknown"]
    assert unheard(village) == set()
    assert village.relay.coils[4] == 0
    # it is back, and hears nothing: now it is known
    village.slaves["field"].faults.silent_units = set()
    village.run(30.0)
    assert unheard(village) == {HORN}
    village.world.set("door.open", 1.0)
    village.run(5.0)
    assert soundings(village, "horn:stop:") == ["unknown", "unheard", "heard"]


def test_an_ear_that_is_lost_later_does_not_take_back_what_was_unheard(tmp_path: Path) -> None:
    village = made(tmp_path, BY_EAR, BACKUP)
    flood(village)
    assert unheard(village) == {HORN}
    village.slaves["field"].faults.silent_units = {9}
    village.run(30.0)
    assert unheard(village) == {HORN}
    assert village.relay.coils[4] == 1


def test_a_cable_that_is_cut_while_it_sounds_is_noticed(village: VirtualVillage) -> None:
    flood(village, 60.0)
    began = village.clock.now()
    village.world.set("amplifier.line", 0.0)
    village.run(10.0)
    late = edge_ms(village, began)
    assert late is not None
    assert late < 6_000
    assert soundings(village, "horn:stop:") == ["heard", "unheard"]


def test_when_the_hazard_is_over_both_are_stopped_and_the_failure_stands(
    village: VirtualVillage,
) -> None:
    village.world.set("amplifier.line", 0.0)
    flood(village)
    village.agent.pipeline.acknowledge([village.alarm("river-flood").rule], "wang")
    village.world.set("river.level", 0.8)
    village.run(5.0)
    assert (village.horn.message, village.relay.coils[4]) == (0, 0)
    assert village.alarm(HORN).current is Level.NORMAL
    assert village.alarm(HORN).phase is Phase.LATCHED


def test_an_unanswered_failure_has_the_back_up_sound_with_the_next_alarm_at_once(
    village: VirtualVillage,
) -> None:
    village.world.set("amplifier.line", 0.0)
    flood(village)
    village.agent.pipeline.acknowledge([village.alarm("river-flood").rule], "wang")
    village.world.set("river.level", 0.8)
    village.run(120.0)
    began = flood(village, 2.0)
    late = edge_ms(village, began)
    assert late is not None
    assert late < 1_000


def test_a_restart_re_asserts_the_back_up_and_raises_nothing_anew(village: VirtualVillage) -> None:
    village.world.set("amplifier.line", 0.0)
    flood(village)
    before = village.alarm(HORN)
    village.kill()
    village.relay.coils[4] = village.relay._contacts[4] = 0
    village.run(5.0)
    village.start()
    village.run(1.5)
    assert village.relay.coils[4] == 1
    assert village.alarm(HORN).id == before.id
    village.agent.pipeline.acknowledge(list(village.agent.pipeline.alarms), "wang")
    village.world.set("river.level", 0.8)
    village.run(5.0)
    assert (village.horn.message, village.relay.coils[4]) == (0, 0)


def test_a_refusal_switches_at_once(village: VirtualVillage) -> None:
    """An amplifier that reports a fault refuses: nothing is gained by waiting."""
    village.world.set("amplifier.fault", 1.0)
    began = flood(village)
    late = edge_ms(village, began)
    assert late is not None
    assert late < 1_500
    assert "refused" in str(village.journal.bodies(RecordKind.SOUND)[-2]["why"]) or unheard(village)


def test_the_first_commands_leave_as_early_as_without_any_of_this(tmp_path: Path) -> None:
    """Same polls, same instants: what watches comes after what sounds."""
    latencies = []
    for name, keys in (("plain", ()), ("backed", (BACKUP,))):
        (tmp_path / name).mkdir()
        village = made(tmp_path / name, *keys)
        flood(village)
        bodies = village.journal.bodies(RecordKind.OUTCOME)
        latencies.append([(b["actuator"], b["decision_ms"]) for b in bodies])
    assert latencies[0] == latencies[1]


def test_a_dead_siren_without_a_back_up_is_an_alarm_too(tmp_path: Path) -> None:
    village = made(tmp_path)
    village.slaves["horns"].faults.silent_units = {3}
    flood(village, 20.0)
    assert unheard(village) == {f"{UNHEARD}siren:channel=1", f"{UNHEARD}siren:channel=2"}


def test_the_budget_holds_for_the_back_up_and_says_so(tmp_path: Path) -> None:
    """1 s is enough for the horn, but not to find that it is dead and sound the siren."""
    village = VirtualVillage(tmp_path, rewrite=site(BY_CURRENT, BACKUP, budget_s=1.0))
    (refused,) = village.site.refused
    assert refused.rule == "river-flood"
    assert "siren" in refused.problem.message


def test_the_latest_moment_leaves_the_back_up_its_time_within_the_budget(tmp_path: Path) -> None:
    """timeout_s allows 5 s; a budget of 4.5 s leaves less."""
    village = made(tmp_path, BACKUP, budget_s=4.5)
    (bound,) = [b for b in judge(village.site).proof.bounds if b.switch is not None]
    assert bound.switch is not None
    assert bound.switch.latest_ns < 5_000_000_000
    assert bound.met
    assert bound.sound_ns == 4_500_000_000
    assert sum(term.ns for term in bound.terms) == bound.command_ns
    village.slaves["speaker"].faults.silent_units = {4}
    began = flood(village)
    late = edge_ms(village, began)
    assert late is not None
    assert late <= 4_500
