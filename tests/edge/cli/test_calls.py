"""Commands about calls: the report from the journal alone, and what needs an agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli.calls import lines
from edge.cli.main import main
from edge.core.instant import ClockQuality, Utc
from edge.core.model import Level, Record, RecordKind, RuleId, Urgency
from edge.engine.bodies import call_body
from edge.engine.calls.entries import Entry, What
from edge.engine.store import Store
from protocols.envelope import encode_body

ALARM = "river-flood/1718158500000/1"
AT_MS = 1_718_158_500_000


def entry(what: What, after_s: float, **fields: object) -> Entry:
    head = Entry(
        what, RuleId("river-flood"), ALARM, "evacuate", "duty", Level.RED, 1, 1,
        AT_MS + round(after_s * 1000),
    )  # fmt: skip
    for name, value in fields.items():
        object.__setattr__(head, name, value)
    return head


PERSON = {"contact": "wang", "name": "王秀英", "role": "duty", "channel": "voice"}
ENTRIES = [
    entry(What.BEGAN, 0.1, limit_s=120.0, texts=(("zh", "红色预警"),)),
    entry(What.REQUEST, 0.1, **PERSON, number="*******0001", attempt=1, request="r1", offer=1),
    entry(What.OUTCOME, 35, **PERSON, attempt=1, request="r1", result="no answer"),
    entry(What.REQUEST, 60.1, **PERSON, number="*******0001", attempt=2, request="r2", offer=1),
    entry(What.ANSWER, 78, **PERSON, key="7", judgement="wrong key", answer="a0"),
    entry(What.ANSWER, 80, **PERSON, key="1", judgement="accepted", answer="a1", request="r2"),
    entry(What.ENDED, 80, result="answered"),
]


@pytest.fixture
def state(state_dir: Path) -> Path:
    """A state directory whose journal has one event."""
    store = Store(state_dir / "journal.db", "village", 64 << 20)
    store.open(AT_MS)
    head: dict[str, object] = {"id": ALARM, "rule": "river-flood", "highest": "red",
                               "since_ms": AT_MS}  # fmt: skip
    raised = {**head, "phase": "active, unacknowledged", "acknowledged_by": ""}
    command: dict[str, object] = {
        "id": "c", "actuator": "gate", "output": "gate:1", "ensure": False, "action": "close",
        "alarm": ALARM, "measure": "forbid",
    }  # fmt: skip
    bodies = [(RecordKind.ALARM, AT_MS, raised), (RecordKind.COMMAND, AT_MS, command)]
    bodies += [(RecordKind.CALL, each.utc_ms, call_body(each)) for each in ENTRIES]
    records = [
        Record(kind, Urgency.ALARM, Utc(at, ClockQuality.SYNCED), body) for kind, at, body in bodies
    ]
    store.append([(record, encode_body(record.body)) for record in records])
    store.close()
    return state_dir


@pytest.mark.parametrize("event", ["", "river-flood", ALARM])
def test_the_report_is_found_by_rule_by_alarm_or_as_the_newest(
    state: Path, capsys: pytest.CaptureFixture[str], event: str
) -> None:
    assert main(["report", *([event] if event else []), "--state", str(state), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alarm"] == ALARM
    assert found["answer_s"] == 79.9
    assert found["late"] is False
    assert found["reached_share"] == 1.0
    assert found["people"][0]["calls"] == 2
    assert found["acts"][0]["measure"] == "forbid"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["叫应效能报告", "红色", "王秀英", "值班员", "按时（限 120 秒）", "按键错误", "禁",
                "被叫 1 人，应答 1 人（100%）", "1 min 20 s"]),
        ("en", ["Call and answer report", "red", "on duty", "in time (limit 120 s)", "wrong key",
                "forbid", "answered 1 of 1 called (100%)"]),
    ],
)  # fmt: skip
def test_a_duty_officer_can_read_it_in_both_languages(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    words: list[str],
) -> None:
    monkeypatch.setenv("TONGLUO_LANG", language)
    assert main(["report", "--state", str(state)]) == 0
    printed = capsys.readouterr().out
    for each in words:
        assert each in printed, printed


def test_an_event_that_was_not_recorded_is_said_with_those_that_were(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    assert main(["report", "fire", "--state", str(state)]) == 1
    said = capsys.readouterr().err
    assert "no event fire was recorded" in said
    assert ALARM in said


def test_a_restart_needs_only_what_the_ladder_did_since_it_last_began(state: Path) -> None:
    """The rows for a restart do not grow with the age of an alarm."""
    store = Store(state / "journal.db", "village", 64 << 20)
    store.open(AT_MS)
    assert [body["what"] for body in store.calls()] == [e.what.value for e in ENTRIES]
    again = call_body(entry(What.AGAIN, 400))
    exercise = call_body(entry(What.BEGAN, 410, drill="practice"))
    for body in (again, exercise):
        record = Record(RecordKind.CALL, Urgency.ALARM, Utc(AT_MS), body)
        store.append([(record, encode_body(body))])
    assert [body["what"] for body in store.calls()] == ["again", "began"]
    store.close()


@pytest.mark.parametrize("arguments", [["calls"], ["answer", "--as", "wang", "--by", "me"]])
def test_without_an_agent_nobody_is_called(
    arguments: list[str], state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--state", str(state_dir)]) == 3


def test_the_calls_of_now_are_shown_with_who_rings_and_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    attempt = {"contact": "wang", "name": "Wang", "role": "duty", "channel": "voice",
               "number": "*******0001", "attempt": 2, "talking": True}  # fmt: skip
    ladder = {"rule": "r", "alarm": "r/1/1", "plan": "p", "ladder": "duty", "level": "red",
              "drill": "", "persons": [], "round": 1, "rung": 1, "rungs": 2, "end": "",
              "again_s": None, "calling": [attempt]}  # fmt: skip
    waiting = {**ladder, "again_s": 42.4, "calling": []}
    shown = "\n".join(lines({"channels": {"voice": 1}, "ladders": [ladder, waiting]}))
    assert "Wang (on duty) by telephone *******0001, try 2, talking" in shown
    assert "round 1, step 1 of 2" in shown
    assert "again in 42 s" in shown
    assert "nobody can be called" in lines({"channels": {}, "ladders": []})[0]
