"""The report of an event says who was called, who answered, by what, and what was late."""

from __future__ import annotations

import pytest

from edge.core.calls import Answer, Result
from edge.core.model import Level
from edge.engine.calls.report import report, unanswered

BEGAN_MS = 1_718_158_500_000


@pytest.fixture
def event(village):
    """An evening: the duty officer hears the second call, one of two helpers answers."""
    wang = village.contact("wang", duty=True)
    li = village.contact("li")
    zhao, sun = village.contact("zhao"), village.contact("sun")
    ladders = (
        village.Ladder("duty", (village.Rung(Level.RED, (wang, li), ("voice",)),), 300.0,
                       answer_s=60.0),
        *(
            village.Ladder(f"helper-{n}", (village.Rung(Level.RED, (who,), ("voice",), tries=1),),
                           3600.0, persons=persons, answer_s=20.0)
            for n, (who, persons) in enumerate([(zhao, ("chen", "deng")), (sun, ("wu",))], 1)
        ),
    )  # fmt: skip

    def react(request, count):
        if request.contact in ("wang", "zhao") and count == (2 if request.contact == "wang" else 1):
            return [(8.0, Result.TALKING, None), (4.0, Result.ANSWERED, "1")]
        return [(30.0, Result.NO_ANSWER, None)]

    world = village.World(village.CallPlan("plan", ladders, ("1",), ("ok",)), react)
    world.lines = {"voice": 3}
    world.start()
    world.run(20)
    world.answer(Answer("x", "sms", "ok", sender="19912345678"))
    world.run(200)
    return world


def rate(world, **more):
    alarm = world.alarm
    body = {"id": alarm.id, "highest": "red", "phase": alarm.phase.value, "since_ms": BEGAN_MS,
            "acknowledged_by": alarm.acknowledged_by}  # fmt: skip
    first = {**body, "phase": "active, unacknowledged", "acknowledged_by": ""}
    answered = next(e for e in world.entries("answer") if e.acknowledges)
    alarms = [(BEGAN_MS, first), (answered.utc_ms, body)]
    return report(
        alarm.id, world.entries(), alarms, more.get("commands", []), more.get("outcomes", [])
    )


def test_who_answered_first_and_how_late(event):
    found = rate(event)
    assert found.level == "red"
    assert found.first_call_ms == BEGAN_MS
    assert (found.answered_by, found.answer_s, found.late) == ("Wang", 72.0, True)
    assert found.acknowledged_by == "Wang"
    assert not unanswered(found)


def test_how_many_were_reached_and_who_in_need_is_covered(event):
    found = rate(event)
    assert (found.called, found.reached) == (3, 2)
    assert found.reached_share == pytest.approx(2 / 3)
    assert (found.needing, found.covered) == (3, 2)
    people = {person.contact: person for person in found.people}
    assert people["wang"].calls == 2
    assert people["wang"].key == "1"
    assert people["wang"].late is True
    assert people["zhao"].late is False
    assert people["sun"].late is True
    assert people["sun"].answered_ms is None


def test_an_answer_of_a_stranger_is_shown_and_not_counted(event):
    (refusal,) = rate(event).refusals
    assert (refusal.judgement, refusal.number) == ("wrong person", "*******5678")


def test_measures_are_shown_with_their_confirmation(event):
    alarm = event.alarm.id
    command = {"id": "c1", "actuator": "valve", "output": "valve:1", "action": "close",
               "alarm": alarm, "ensure": False, "measure": "cut"}  # fmt: skip
    stop = {**command, "id": "c2", "action": "open"}
    outcome = {"command": "c1", "action": "close", "alarm": alarm, "status": "done"}
    found = rate(
        event,
        commands=[(BEGAN_MS, command), (BEGAN_MS + 9000, stop)],
        outcomes=[(BEGAN_MS + 400, outcome), (BEGAN_MS + 9500, {**outcome, "command": "c2"})],
    )
    (act,) = found.acts
    assert (act.output, act.action, act.measure) == ("valve", "close", "cut")
    assert (act.status, act.after_s) == ("done", 0.4)


def test_an_event_without_calls_has_no_shares():
    found = report("flood/1/1", [], [(5, {"id": "flood/1/1", "phase": "normal"})], [], [])
    assert found.reached_share is None
    assert found.covered_share is None
    assert found.rule == "flood"
    assert found.late is None
