"""The commands of drills and walk-tests, on the whole agent in virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import edge.cli.drill
import edge.cli.status
import edge.cli.walk_test
from edge.app.complaint import complaint_from
from edge.app.exercises import Exercises
from edge.app.local_socket import Request
from edge.cli.main import main
from edge.core.model import RecordKind
from edge.engine.store import Store
from protocols.envelope import decode_body, encode_body
from tools.virtual_village import VirtualVillage

HORN_STEP = 'arguments = { message = 3, volume = 25 }\nstop = "stop"\n'
HORN_KEYS = (
    'heard = { point = "horn.line_current", comparison = ">=", value = "0.4 A", within_s = 3 }\n'
    'drill = { action = "play", arguments = { message = 90, volume = 20 } }\n'
)
DRILL = ["drill", "start", "--rule", "river-flood", "--mode", "announced", "--by", "wang"]


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualVillage:
    """The commands ask this agent; what they say goes through the socket's encoding."""
    monkeypatch.setenv("TONGLUO_LANG", "en")
    made = VirtualVillage(tmp_path, rewrite=lambda t: t.replace(HORN_STEP, HORN_STEP + HORN_KEYS))
    made.run(5.0)

    async def ask(_: Path, request: Request) -> dict[str, Any]:
        exercises = Exercises(made.agent)
        asked = decode_body(encode_body(request))
        answer = exercises.drill if asked["op"] == "drill" else exercises.walk_test
        try:
            return decode_body(encode_body(answer(asked)))
        except Exception as error:  # whatever it is, the agent would say it to its peer
            body = getattr(error, "body", None)
            raise complaint_from(body()) if body is not None else error from None

    for module in (edge.cli.drill, edge.cli.walk_test):
        monkeypatch.setattr(module, "ask", ask)
    return made


def kept(village: VirtualVillage, state: Path) -> list[str]:
    """The village's records in a journal of its own; returns how to name it."""
    store = Store(state / "journal.db", "shuanghe", 1 << 26)
    store.open(1)
    store.append([(r, encode_body(r.body)) for r in village.journal.records])
    store.close()
    return ["--state", str(state)]


def test_a_drill_from_start_to_stop(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*DRILL, "--reason", "monthly"]) == 0
    village.run(5.0)
    printed = capsys.readouterr().out
    assert "river-flood at RED, announced, by wang (monthly), until 2024-06-12" in printed
    assert "silent in this drill: siren channel=1, siren channel=2" in printed
    assert main(["drill", "status"]) == 0
    assert "horn: heard" in capsys.readouterr().out
    assert main(["drill", "stop", "--by", "wang"]) == 0
    assert "is over: ended by hand, by wang; answered by: none" in capsys.readouterr().out
    assert main(["drill", "status", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["running"], answer["last"]["why"]) == (None, "stopped")


def test_a_drill_needs_a_reason_a_mode_and_one_of_rule_and_plan(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(DRILL) == 2
    assert main([*DRILL, "--reason", "x", "--plan", "evacuate"]) == 2
    assert main(["drill", "start", "--mode", "loud", "--rule", "x", "--reason", "x"]) == 2
    assert main(["drill", "start", "--mode", "silent", "--rule", "x", "--reason", "x"]) == 3
    printed = capsys.readouterr().err
    assert 'there is no rule "x" with a plan' in printed
    assert "hint: the rules with a plan are: river-flood, h2s-leak" in printed
    assert village.journal.bodies(RecordKind.DRILL) == []


def test_nothing_was_drilled_yet(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", "status"]) == 0
    assert "no drill was held" in capsys.readouterr().out
    assert main(["walk-test", "status"]) == 0
    assert "no walk-test is running" in capsys.readouterr().out
    assert main(["walk-test", "stop"]) == 3
    assert village.journal.bodies(RecordKind.WALK_TEST) == []


def walk(village: VirtualVillage) -> None:
    arguments = ["walk-test", "start", "--rule", "river-flood", "--by", "li", "--no-follow"]
    assert main([*arguments, "--sound", "3"]) == 0
    village.world.set("river.level", 3.3)
    village.run(6.0)
    village.world.set("river.level", 0.8)
    village.run(2.0)


def test_a_walk_test_and_its_report(
    village: VirtualVillage, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(village)
    assert "UNDER TEST, not protecting: river-flood; by li" in capsys.readouterr().out
    assert main(["walk-test", "stop", "--by", "li"]) == 0
    stopped = capsys.readouterr().out
    rows = [line.split()[:3] for line in stopped.splitlines()]
    assert ["✓", "river.level", "0.8"] in rows
    assert ["✓", "horn", "heard"] in rows
    assert "missing: siren channel=1, siren channel=2" in stopped
    assert main(["walk-test", "report", *kept(village, state_dir)]) == 0
    assert capsys.readouterr().out == stopped


def test_the_report_of_a_test_that_a_restart_has_cut_short_has_all_that_was_ticked_off(
    village: VirtualVillage, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(village)
    village.kill()
    village.start()
    village.run(2.0)
    assert main(["walk-test", "report", "--json", *kept(village, state_dir)]) == 0
    body = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (body["why"], body["sensors"][0]["value"]) == ("restart", 3.3)
    assert "horn:stop:" not in body["missing"]
    assert "river.level" not in body["missing"]
    assert main(["walk-test", "report", "walk-1", "--state", str(state_dir)]) == 1


def test_a_drill_s_alarm_is_never_taken_up_as_a_real_one(
    village: VirtualVillage, state_dir: Path
) -> None:
    """The journal keeps the newest state of each rule: of what was real."""
    main([*DRILL, "--reason", "monthly"])
    village.run(2.0)
    kept(village, state_dir)
    store = Store(state_dir / "journal.db", "shuanghe", 1 << 26)
    store.open(1)
    assert store.alarms() == []
    assert store.exercises()["drill"]["event"] == "started"
    store.close()


def test_the_status_has_a_permanent_sign_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    drill = {
        "drill": "drill-1", "rule": "river-flood", "level": "red", "mode": "silent", "by": "王",
        "reason": "月度", "until_ms": 0,
    }  # fmt: skip
    test = {"rules": ["h2s-leak"], "by": "李", "reason": "年检", "until_ms": 0}
    lines = edge.cli.status.unusual({"drill": drill, "walk_test": test})
    assert lines[0].startswith("演练 drill-1：river-flood")
    assert lines[1].startswith("测试中，不起保护作用：h2s-leak")
