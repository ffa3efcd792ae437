"""What people ask of alarms, through the whole agent in virtual time: what sounds, how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.app.alarm_requests import REQUESTS, carry_out
from edge.app.complaint import Complaint
from edge.core.model import Level, Phase, RecordKind, RuleId
from tools.virtual_village import VirtualVillage

RIVER = 'lost = "hold"\nplan = "evacuate"\n'
GAS = 'lost = "yellow"\nplan = "gas"\n'


def site(text: str) -> str:
    """The demonstration's site with zones, a re-alarm, and a gas alarm that follows a flood."""
    assert RIVER in text
    assert GAS in text
    text = text.replace(RIVER, f'{RIVER}zone = "village"\nre_alarm_s = 300\n')
    text = text.replace(GAS, f'{GAS}zone = "plant"\nsuppressed_by = ["river-flood"]\n')
    return text + "\n[alarms]\ninhibit_max_h = 2\n"


@pytest.fixture
def village(tmp_path: Path) -> VirtualVillage:
    made = VirtualVillage(tmp_path, rewrite=site)
    made.run(5.0)
    return made


def ask(village: VirtualVillage, op: str, **arguments: object) -> list[dict[str, Any]]:
    request = {"op": op, "by": "王", "reason": "检修", "remote": False, **arguments}
    changed = carry_out(village.agent.pipeline, request)["changed"]
    assert isinstance(changed, list)
    return changed


def flood(village: VirtualVillage, level_m: float = 3.3) -> None:
    village.world.set("river.level", level_m)
    village.run(3.0)


def sounds(village: VirtualVillage) -> tuple[bool, bool]:
    """Siren and loudspeaker, as the twins have it."""
    return village.relay.coils[0] == 1, village.horn.message != 0


def test_a_shelved_red_alarm_is_silent_and_comes_back_with_all_its_sound(
    village: VirtualVillage,
) -> None:
    flood(village)
    before = village.alarm("river-flood")
    assert sounds(village) == (True, True)
    body = ask(village, "shelve", rule="river-flood", for_s=600.0, red=True)[0]
    assert (body["phase"], body["change"], body["by"]) == ("shelved", "shelved", "王")
    village.run(3.0)
    assert sounds(village) == (False, False)
    village.world.set("river.level", 3.5)
    village.run(590.0)
    assert sounds(village) == (False, False)
    assert village.alarm("river-flood").current is Level.RED
    village.run(10.0)
    after = village.alarm("river-flood")
    assert sounds(village) == (True, True)
    assert after.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert after.id != before.id


def test_a_shelved_alarm_sounds_when_it_becomes_red(village: VirtualVillage) -> None:
    ask(village, "shelve", rule="river-flood", for_s=600.0)
    flood(village, 2.7)
    assert village.relay.coils[1] == 0
    flood(village, 3.3)
    assert sounds(village) == (True, True)


def test_out_of_service_stays_over_a_kill_and_an_hour_off(village: VirtualVillage) -> None:
    ask(village, "out-of-service", rule="river-flood")
    village.kill()
    village.clock.run_for(3600.0)
    village.start()
    flood(village)
    assert sounds(village) == (False, False)
    alarm = village.alarm("river-flood")
    assert (alarm.phase, alarm.current) == (Phase.OUT_OF_SERVICE, Level.RED)
    ask(village, "in-service", rule="river-flood")
    village.run(2.0)
    assert sounds(village) == (True, True)


def test_a_shelving_that_ends_while_the_agent_is_down_sounds_at_its_start(
    village: VirtualVillage,
) -> None:
    flood(village)
    ask(village, "shelve", rule="river-flood", for_s=600.0, red=True)
    village.run(60.0)
    village.kill()
    village.clock.run_for(700.0)
    village.start()
    village.run(2.0)
    assert sounds(village) == (True, True)


def test_a_clock_that_lost_its_time_ends_a_shelving_at_the_start(village: VirtualVillage) -> None:
    flood(village)
    ask(village, "shelve", rule="river-flood", for_s=600.0, red=True)
    village.run(30.0)
    village.kill()
    village.clock.step_utc(-86_400_000)
    village.start()
    village.run(2.0)
    assert sounds(village) == (True, True)


def test_an_inhibited_zone_is_silent_recorded_and_sounds_again_by_itself(
    village: VirtualVillage,
) -> None:
    ask(village, "inhibit", zone="village", for_s=1200.0)
    flood(village)
    assert sounds(village) == (False, False)
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    assert village.alarm("h2s-leak").phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert village.horn.message == 7
    recorded = [b for b in village.journal.bodies(RecordKind.ALARM) if b["rule"] == "river-flood"]
    assert {b["phase"] for b in recorded} == {"suppressed by design"}
    assert recorded[-1]["current"] == "red"
    village.run(1200.0)
    assert sounds(village) == (True, True)
    begun, ended = village.journal.bodies(RecordKind.INHIBIT)
    assert (begun["event"], begun["by"], ended["event"], ended["by"]) == (
        "begun",
        "王",
        "ended",
        "",
    )
    assert village.agent.pipeline.annunciator.inhibits == {}


def test_a_following_alarm_is_silent_below_red_while_its_cause_is_active(
    village: VirtualVillage,
) -> None:
    flood(village, 2.1)
    village.world.set("gas.h2s", 10.0)
    village.run(2.0)
    assert village.alarm("h2s-leak").phase is Phase.SUPPRESSED
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    assert village.alarm("h2s-leak").phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert village.horn.message == 7


def test_an_answer_that_nothing_followed_sounds_the_siren_again(village: VirtualVillage) -> None:
    flood(village)
    village.agent.pipeline.acknowledge([RuleId("river-flood")], "王")
    village.run(290.0)
    assert sounds(village) == (False, True)
    village.run(12.0)
    assert sounds(village) == (True, True)


def test_a_reset_ends_what_is_over_and_leaves_the_rest_sounding(village: VirtualVillage) -> None:
    flood(village)
    village.world.set("gas.h2s", 40.0)
    village.run(2.0)
    village.world.set("gas.h2s", 0.0)
    village.run(2.0)
    assert village.alarm("h2s-leak").phase is Phase.LATCHED
    (body,) = ask(village, "reset", rule="all")
    assert (body["rule"], body["change"]) == ("h2s-leak", "reset")
    assert village.alarm("river-flood").phase is Phase.ACTIVE_UNACKNOWLEDGED


@pytest.mark.parametrize(
    ("op", "arguments", "key"),
    [
        ("shelve", {"rule": "no-rule", "for_s": 60.0}, "no-alarm"),
        ("shelve", {"rule": "", "for_s": 60.0}, "no-alarm"),
        ("shelve", {"rule": "river-flood"}, "no-time"),
        ("shelve", {"rule": "river-flood", "for_s": True}, "no-time"),
        ("shelve", {"rule": "river-flood", "for_s": 60.0, "by": ""}, "no-name"),
        ("shelve", {"rule": "river-flood", "for_s": 60.0, "reason": ""}, "no-reason"),
        ("shelve", {"rule": "river-flood", "for_s": 8 * 3600.0 + 1}, "too-long"),
        (
            "shelve",
            {"rule": "river-flood", "for_s": 60.0, "red": True, "remote": True},
            "red-remote",
        ),
        ("shelve", {"rule": "river-flood", "for_s": 60.0, "red": True, "remote": 0}, "red-remote"),
        ("unshelve", {"rule": "river-flood"}, "not-shelved"),
        ("in-service", {"rule": "river-flood"}, "not-out"),
        ("inhibit", {"zone": "village", "for_s": 7201.0}, "too-long"),
        ("inhibit", {"zone": "nowhere", "for_s": 60.0}, "no-zone"),
        ("uninhibit", {"zone": "village"}, "not-inhibited"),
        ("reset", {"rule": "all", "by": " "}, "no-name"),
    ],
)
def test_what_is_not_granted_is_said_and_changes_nothing(
    village: VirtualVillage,
    op: str,
    arguments: dict[str, object],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for language in ("en", "zh"):
        monkeypatch.setenv("TONGLUO_LANG", language)
        with pytest.raises(Complaint) as error:
            ask(village, op, **arguments)
        assert error.value.key == key
        assert str(error.value)
    assert village.journal.bodies(RecordKind.ALARM) == []
    assert village.journal.bodies(RecordKind.INHIBIT) == []


def test_what_does_not_say_that_it_is_local_is_remote(village: VirtualVillage) -> None:
    flood(village)
    request: dict[str, object] = {
        "op": "out-of-service", "rule": "river-flood", "by": "区县", "reason": "误报",
    }  # fmt: skip
    with pytest.raises(Complaint, match="afar"):
        carry_out(village.agent.pipeline, request)
    assert sounds(village) == (True, True)


def test_every_request_is_a_command() -> None:
    from edge.cli.main import LazyGroup

    assert set(REQUESTS) <= set(LazyGroup.names)
