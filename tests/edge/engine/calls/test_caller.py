"""What a ladder does: timing, fallback, who may answer, and when it stops."""

from __future__ import annotations

import pytest

from edge.core.calls import COMMAND_LINE, Answer, Result
from edge.core.model import Level, Phase
from edge.engine.calls.answers import plain_number, plain_words
from edge.engine.calls.entries import End


def nobody(request, count):
    """It rings, and nobody takes it."""
    return [(request.ring_s, Result.NO_ANSWER, None)]


def answering(*names, key="1", after_s=10.0):
    """These press a key; the others let it ring."""

    def react(request, count):
        if request.contact not in names:
            return nobody(request, count)
        return [(after_s, Result.TALKING, None), (5.0, Result.ANSWERED, key)]

    return react


@pytest.fixture
def make(village):
    """A world with one ladder of these rungs, started."""

    def build(*rungs, react=nobody, repeat_s=0.0, level=Level.RED, lines=None, helpers=(), **more):
        ladders = [village.Ladder("duty", rungs, repeat_s, **more)]
        for number, helper in enumerate(helpers, 1):
            rung = village.Rung(Level.ORANGE, (helper,), ("voice",))
            ladders.append(village.Ladder(f"helper-{number}", (rung,), 60.0, persons=("granny",)))
        plan = village.CallPlan("plan", tuple(ladders), ("1",), ("收到", "OK"))
        world = village.World(plan, react, level=level, lines=lines)
        world.start()
        return world

    return build


@pytest.fixture
def people(village):
    wang = village.contact("wang", duty=True, channels=("voice", "sms"))
    li = village.contact("li", channels=("voice", "sms"))
    return wang, li


def dials(world):
    return [(round(at), r.contact, r.channel) for at, r in world.dialler.dials]


def test_red_is_tried_three_times_a_minute_apart_then_the_next_person(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.run(600)
    assert dials(world) == [
        (0, "wang", "voice"), (60, "wang", "voice"), (120, "wang", "voice"),
        (150, "li", "voice"), (210, "li", "voice"), (270, "li", "voice"),
    ]  # fmt: skip
    assert world.entries("ended")[-1].result == End.EXHAUSTED


def test_below_red_the_tries_are_three_minutes_apart(village, make, people):
    world = make(village.Rung(Level.ORANGE, people[:1], ("voice",)), level=Level.ORANGE)
    world.run(600)
    assert dials(world) == [(0, "wang", "voice"), (180, "wang", "voice"), (360, "wang", "voice")]


def test_the_next_channel_of_the_same_person_comes_before_the_next_person(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice", "sms"), tries=1, every_s=20.0))
    world.run(300)
    ways = [(who, by) for _, who, by in dials(world)]
    assert ways == [("wang", "voice"), ("wang", "sms"), ("li", "voice"), ("li", "sms")]


def test_or_everybody_by_the_first_channel_first(village, make, people):
    rung = village.Rung(
        Level.RED, people, ("voice", "sms"), contacts_first=True, tries=1, every_s=20.0
    )
    world = make(rung)
    world.run(300)
    ways = [(who, by) for _, who, by in dials(world)]
    assert ways == [("wang", "voice"), ("li", "voice"), ("wang", "sms"), ("li", "sms")]


def test_all_of_a_rung_at_once_as_far_as_there_are_lines(village, make, people):
    rung = village.Rung(Level.RED, people, ("voice",), together=True, tries=1)
    assert dials(make(rung)) == [(0, "wang", "voice"), (0, "li", "voice")]
    one = make(rung, lines={"voice": 1})
    one.run(100)
    assert dials(one) == [(0, "wang", "voice"), (30, "li", "voice")]


def test_a_person_s_last_text_is_waited_for_before_the_next_is_asked(village, make, people):
    def sent(request, count):
        return [(2.0, Result.SENT, None)]

    world = make(village.Rung(Level.RED, people, ("sms",)), react=sent)
    world.run(200)
    assert dials(world) == [(0, "wang", "sms"), (60, "li", "sms")]


def test_an_answer_ends_the_ladder_and_acknowledges_if_the_person_may(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)), react=answering("wang"))
    world.run(600)
    assert world.alarm.acknowledged_by == "Wang"
    assert len(world.dialler.dials) == 1
    other = make(village.Rung(Level.RED, people[1:], ("voice",)), react=answering("li"))
    other.run(600)
    assert other.alarm.acknowledged_by == ""
    assert [e.result for e in other.entries("ended")] == [End.ANSWERED]


def test_the_others_of_a_rung_stop_ringing_when_one_has_answered(village, make, people):
    rung = village.Rung(Level.RED, people, ("voice",), together=True)
    world = make(rung, react=answering("wang"))
    world.run(100)
    assert [name.split("|")[5] for name in world.dialler.withdrawn] == ["li"]


@pytest.mark.parametrize("key", ["2", "", "12", "#"])
def test_a_wrong_key_is_recorded_and_does_not_count(village, make, people, key):
    world = make(
        village.Rung(Level.RED, people[:1], ("voice",), tries=1),
        react=answering("wang", key=key),
    )
    world.run(100)
    assert [e.judgement for e in world.entries("answer")] == ["wrong key"]
    assert world.entries("ended")[-1].result == End.EXHAUSTED


@pytest.mark.parametrize("key", ["1", "11", "1#"])
def test_a_key_pressed_twice_or_with_hash_counts(village, make, people, key):
    world = make(village.Rung(Level.RED, people, ("voice",)), react=answering("wang", key=key))
    world.run(100)
    assert [e.judgement for e in world.entries("answer")] == ["accepted"]


def test_picking_up_without_a_key_is_no_answer(village, make, people):
    """A mailbox picks up, too."""
    world = make(
        village.Rung(Level.RED, people[:1], ("voice",), tries=2),
        react=answering("wang", key=None),
    )
    world.run(200)
    assert len(world.dialler.dials) == 2
    assert world.entries("ended")[-1].result == End.EXHAUSTED


def test_a_text_from_somebody_who_was_not_asked_or_is_not_known_does_not_count(
    village, make, people
):
    wang, li = people
    world = make(village.Rung(Level.RED, people, ("voice", "sms")))
    world.answer(Answer("1", "sms", "收到", sender=li.address("sms")))
    world.answer(Answer("2", "sms", "收到", sender="19900000000"))
    world.answer(Answer("3", "sms", "收到。", sender="+86" + wang.address("sms")))
    judged = [(e.judgement, e.number) for e in world.entries("answer")]
    assert judged == [("wrong person", "*******" + li.address("sms")[-4:]),
                      ("wrong person", "*******0000"), ("accepted", "")]  # fmt: skip


def test_an_answer_told_twice_counts_once(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    name = world.dialler.dials[0][1].id
    for _ in range(3):
        world.answer(Answer("same", "voice", "1", name))
    assert len(world.entries("answer")) == 1


def test_a_second_answer_is_recorded_as_later_and_may_still_acknowledge(village, make, people):
    """The village leader was first; the duty officer silences the siren."""
    wang, li = people
    world = make(village.Rung(Level.RED, people, ("sms",), together=True))
    world.answer(Answer("1", "sms", "收到", sender=li.address("sms")))
    assert world.alarm.acknowledged_by == ""
    world.answer(Answer("2", "sms", "收到", sender=wang.address("sms")))
    assert [e.judgement for e in world.entries("answer")] == ["accepted", "later"]
    assert world.alarm.acknowledged_by == "Wang"


def test_an_answer_to_the_lower_level_is_not_one_to_the_higher(village, make, people):
    world = make(village.Rung(Level.ORANGE, people, ("voice",)), level=Level.ORANGE)
    name = world.dialler.dials[0][1].id
    world.change(current=Level.RED, level=Level.RED, highest=Level.RED)
    assert world.dialler.withdrawn == {name}
    world.answer(Answer("1", "voice", "1", name))
    assert [e.judgement for e in world.entries("answer")] == ["to an earlier call"]
    assert [r.level for _, r in world.dialler.dials] == [Level.ORANGE, Level.RED]
    assert world.alarm.acknowledged_by == ""


def test_many_worthless_answers_fill_no_journal(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    for number in range(1000):
        world.answer(Answer(str(number), "sms", "?", sender="19900000000"))
    assert len(world.entries("answer")) == 50
    world.answer(Answer("end", "voice", "1", world.dialler.dials[0][1].id))
    assert world.alarm.acknowledged_by == "Wang"


def test_a_person_at_the_box_need_not_have_been_called(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.answer(Answer("1", COMMAND_LINE, "root", sender="li", alarm="flood"))
    assert [e.judgement for e in world.entries("answer")] == ["accepted"]


def test_the_ladder_begins_again_as_long_as_the_alarm_stands(village, make, people):
    world = make(village.Rung(Level.RED, people[:1], ("voice",), tries=1), repeat_s=100.0)
    world.run(300)
    assert [at for at, *_ in dials(world)] == [0, 130, 260]
    world.change(phase=Phase.NORMAL, current=Level.NORMAL, level=Level.NORMAL)
    world.run(1000)
    assert len(dials(world)) == 3
    assert world.entries("ended")[-1].result == End.OVER


@pytest.mark.parametrize("phase", [Phase.RETURNED_UNACKNOWLEDGED, Phase.LATCHED])
def test_an_alarm_that_returned_unanswered_is_called_on(village, make, people, phase):
    """Its sirens go on, too."""
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.change(phase=phase, current=Level.NORMAL)
    world.run(100)
    assert len(dials(world)) == 2
    assert not world.entries("ended")


@pytest.mark.parametrize("phase", [Phase.SHELVED, Phase.SUPPRESSED, Phase.OUT_OF_SERVICE])
def test_an_alarm_that_is_set_aside_calls_nobody_and_calls_when_it_is_back(
    village, make, people, phase
):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.change(phase=phase)
    world.run(600)
    assert len(dials(world)) == 1
    world.change(phase=Phase.ACTIVE_UNACKNOWLEDGED)
    assert len(dials(world)) == 2


def test_an_alarm_raised_again_after_an_answer_is_called_again(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)), react=answering("wang"))
    world.run(60)
    world.change(phase=Phase.ACTIVE_UNACKNOWLEDGED, acknowledged_by="")
    world.run(60)
    assert len(dials(world)) == 2
    assert world.alarm.acknowledged_by == "Wang"


def test_helpers_are_called_beside_and_beyond_the_acknowledgement(village, make, people):
    """Who answers at the office is not yet with the old lady; a helper acknowledges nothing."""
    helper = village.contact("zhao", duty=True)
    world = make(
        village.Rung(Level.RED, people, ("voice",)),
        react=answering("wang", "zhao", after_s=15.0), helpers=[helper], lines={"voice": 1},
    )  # fmt: skip
    world.run(25)
    assert world.alarm.acknowledged_by == "Wang"
    world.run(100)
    ends = {e.ladder: e.result for e in world.entries("ended")}
    assert ends == {"duty": End.ACKNOWLEDGED, "helper-1": End.ANSWERED}
    alone = make(
        village.Rung(Level.RED, people, ("voice",)), react=answering("zhao"), helpers=[helper]
    )
    alone.run(100)
    assert alone.alarm.acknowledged_by == ""


def test_without_a_channel_the_ladder_goes_on_at_once_and_begins_anew_when_it_comes(
    village, make, people
):
    world = make(village.Rung(Level.RED, people, ("voice",)), lines={}, repeat_s=3600.0)
    world.run(10)
    assert {e.result for e in world.entries("outcome")} == {Result.NO_CHANNEL}
    assert len(world.entries("paused")) == 1
    world.lines = {"voice": 1}
    world.attend()
    assert dials(world) == [(10, "wang", "voice")]


def test_a_channel_that_goes_and_comes_keeps_the_call(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)), react=answering("wang"))
    world.run(3)
    world.leave()
    world.run(2)
    world.attend()
    world.run(30)
    assert len(dials(world)) == 1
    assert world.alarm.acknowledged_by == "Wang"


def test_a_call_that_nobody_tells_the_end_of_is_given_up(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",), tries=1), react=lambda *_: [])
    world.run(50)
    assert dials(world) == [(0, "wang", "voice"), (45, "li", "voice")]
    assert world.entries("outcome")[0].result == Result.UNKNOWN


def test_a_more_urgent_call_takes_the_only_line_and_the_other_is_made_up_for(village, people):
    """The real alarm goes before the drill, and the drill's call is not counted as tried."""
    rung = village.Rung(Level.RED, people[:1], ("voice",), tries=1)
    plan = village.CallPlan("plan", (village.Ladder("duty", (rung,), 0.0),), ("1",), ("ok",))
    world = village.World(plan, nobody, lines={"voice": 1})
    drill = village.raised(Level.RED, id="drill/9/1", drill="practice")
    world.attend()
    world._apply(world.caller.on_alarm(drill, world.now, world.utc))
    first = world.dialler.dials[0][1]
    assert first.drill
    world.start()
    assert first.id in world.dialler.withdrawn
    assert not world.dialler.dials[1][1].drill
    world.run(100)
    assert [r.drill for _, r in world.dialler.dials] == [True, False, True]
    assert [e.result for e in world.entries("outcome")] == ["displaced", "no answer", "no answer"]


def test_a_set_clock_neither_stops_nor_hurries_a_ladder(village, make, people):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.run(30)
    world.skew_ms = -86_400_000
    world.run(200)
    assert [at for at, *_ in dials(world)] == [0, 60, 120, 150, 210]


def test_after_a_restart_with_a_set_clock_no_wait_is_longer_than_it_was(village, make, people):
    world = make(village.Rung(Level.RED, people[:1], ("voice",), tries=1), repeat_s=100.0)
    world.run(40)
    world.skew_ms = -86_400_000
    world.crash(power=True, down_s=1.0)
    world.restart()
    world.run(105)
    assert len(dials(world)) == 2


def test_an_answer_whose_acknowledgement_was_lost_acknowledges_after_the_restart(
    village, make, people
):
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.commit()
    kept = world.kept_alarm
    world.answer(Answer("1", "voice", "1", world.dialler.dials[0][1].id))
    world.commit()
    world.kept_alarm = kept
    world.committed = [body for body in world.committed if body.get("result") != "acknowledged"]
    world.crash(power=True, down_s=1.0)
    world.restart()
    world.run(10)
    assert world.alarm.acknowledged_by == "Wang"
    assert len(dials(world)) == 1


def test_a_changed_plan_goes_on_with_what_it_still_has(village, make, people):
    """After a change of the site file the ladder begins from where it can."""
    world = make(village.Rung(Level.RED, people, ("voice",)))
    world.run(10)
    new = village.contact("zhou", channels=("voice",))
    rung = village.Rung(Level.RED, (new,), ("voice",))
    world.plan = village.CallPlan("plan", (village.Ladder("duty", (rung,), 0.0),), ("1",), ("x",))
    world.crash(power=False, down_s=1.0)
    world.restart()
    world.run(10)
    assert dials(world)[-1][1] == "zhou"


def test_another_site_file_goes_on_with_the_ladders_that_are_alike(village, make, people):
    """The helper's ladder has changed and begins anew; the call on duty is not rung twice."""
    world = make(village.Rung(Level.RED, people[:1], ("voice",)), helpers=[village.contact("zhao")])
    world.run(10)
    old, duty = world.caller, world.plan.ladders[0]
    sun = village.Rung(Level.ORANGE, (village.contact("sun"),), ("voice",))
    changed = village.Ladder("helper-1", (sun,), 60.0, persons=("granny",))
    world.plan = village.CallPlan("plan", (duty, changed), ("1",), ("OK",))
    world.caller = world._new()
    world._apply(world.caller.take_over(old.hand_over(), [world.alarm], world.now, world.utc))
    world.run(100)
    assert [who for _, who, _ in dials(world)] == ["wang", "zhao", "sun", "wang", "sun"]
    name = world.dialler.dials[0][1].id
    world.answer(Answer("1", "voice", "1", name))
    assert world.alarm.acknowledged_by == "Wang"


def test_numbers_and_words_are_compared_as_people_write_them():
    assert plain_number("+86 138 0000 0001") == plain_number("13800000001")
    assert plain_number("0086-13800000001") == "13800000001"
    assert plain_number("86110") == "86110"
    assert plain_words(" ＯＫ！") == plain_words("ok")
    assert plain_words("收到。") == "收到"
    assert plain_words("不收到") != plain_words("收到")
