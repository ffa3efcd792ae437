"""The alarm lifecycle: every state and event, latching, silences, and what time alone does."""

from dataclasses import replace

import pytest

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import Alarm, Change, Level, Phase, RuleId, Silence, Silencing, Verdict
from edge.engine.alarms import (
    SILENT,
    TABLE,
    AlarmPolicy,
    Event,
    acknowledge,
    advance,
    due,
    lift,
    mark,
    reset,
    restamp,
    resume,
    silence,
    step,
)

RULE = RuleId("river-flood")
LATCH_RED = AlarmPolicy(Level.RED)
NO_LATCH = AlarmPolicy(None)


T0 = 1_700_000_000_000


def at(seconds):
    return Instant(round(seconds * NS_PER_S))


def utc(seconds):
    return Utc(T0 + round(seconds * 1000))


def answer(alarm, policy=LATCH_RED, seconds=0.0, by="wang"):
    return acknowledge(alarm, by, at(seconds), utc(seconds), policy)


def run(levels, policy=LATCH_RED, alarm=None):
    """Feed levels; 'ack' acknowledges."""
    alarm = alarm or Alarm(RULE)
    for index, level in enumerate(levels):
        if level == "ack":
            alarm = answer(alarm, policy)
        else:
            alarm = step(alarm, Verdict(RULE, level, (), Instant(index)), Utc(1000 + index), policy)
    return alarm


def test_a_rise_makes_an_unacknowledged_alarm_with_a_name_of_its_own():
    alarm = run([Level.YELLOW])
    assert alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert alarm.level is Level.YELLOW
    assert alarm.id.startswith("river-flood/1000/")


def test_unknown_and_unchanged_levels_change_nothing_at_all():
    alarm = run([Level.YELLOW])
    assert run([None, Level.YELLOW, None], alarm=alarm) is alarm


def test_acknowledge_then_return_is_over():
    alarm = run([Level.RED, "ack", Level.NORMAL])
    assert alarm.phase is Phase.NORMAL
    assert alarm.level is Level.NORMAL


def test_an_alarm_that_nobody_answered_stays_after_its_cause_has_gone():
    alarm = run([Level.YELLOW, Level.NORMAL])
    assert alarm.phase is Phase.RETURNED_UNACKNOWLEDGED
    assert answer(alarm).phase is Phase.NORMAL


def test_red_is_latched_until_somebody_answers():
    alarm = run([Level.RED, Level.YELLOW])
    assert (alarm.level, alarm.current) == (Level.RED, Level.YELLOW)
    alarm = run([Level.NORMAL], alarm=alarm)
    assert (alarm.phase, alarm.level) == (Phase.LATCHED, Level.RED)
    assert run(["ack"], alarm=alarm).phase is Phase.NORMAL


def test_without_a_latch_red_sinks_with_its_cause():
    alarm = run([Level.RED, Level.YELLOW], NO_LATCH)
    assert alarm.level is Level.YELLOW
    assert run([Level.NORMAL], NO_LATCH, alarm).phase is Phase.RETURNED_UNACKNOWLEDGED


def test_an_acknowledged_latch_follows_the_measured_level_again():
    alarm = run([Level.RED, Level.YELLOW, "ack"])
    assert (alarm.phase, alarm.level) == (Phase.ACTIVE_ACKNOWLEDGED, Level.YELLOW)


def test_getting_worse_after_an_answer_asks_for_a_new_answer():
    alarm = run([Level.YELLOW, "ack", Level.RED])
    assert alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert alarm.acknowledged_by == ""


def test_rising_again_before_an_answer_is_the_same_alarm():
    first = run([Level.RED, Level.NORMAL])
    again = run([Level.RED], alarm=first)
    assert (again.phase, again.id) == (Phase.ACTIVE_UNACKNOWLEDGED, first.id)


def test_rising_after_the_end_is_a_new_alarm():
    first = run([Level.RED, "ack", Level.NORMAL])
    assert run([Level.RED], alarm=first).id != first.id


def test_every_change_is_a_new_revision():
    revisions = []
    alarm = Alarm(RULE)
    for event in [Level.BLUE, Level.RED, "ack", Level.BLUE, Level.NORMAL]:
        alarm = run([event], alarm=alarm)
        revisions.append(alarm.revision)
    assert revisions == [1, 2, 3, 4, 5]


def test_nothing_to_answer_changes_nothing():
    normal, answered = Alarm(RULE), run([Level.RED, "ack"])
    assert answer(normal) is normal
    assert answer(answered, by="li") is answered


# -- every phase and every event --------------------------------------------------------------

A, B = Level.YELLOW, Level.RED
HOUR_S = 3600.0


def shelving(up_to=Level.ORANGE, since_s=0.0, for_s=HOUR_S):
    return Silence(
        Silencing.SHELVED, "wang", "sensor is cleaned", up_to, utc(since_s), "",
        utc(since_s + for_s), at(since_s + for_s),
    )  # fmt: skip


def out(up_to=Level.RED):
    return Silence(Silencing.OUT_OF_SERVICE, "wang", "waits for a spare", up_to, utc(0))


def inhibit(up_to=Level.RED, for_s=HOUR_S):
    return Silence(
        Silencing.INHIBITED, "li", "horn is replaced", up_to, utc(0), "village", utc(for_s),
        at(for_s),
    )  # fmt: skip


def add(alarm, added, policy=LATCH_RED):
    return silence(alarm, added, Change.SHELVED, utc(0), policy)


# Each phase at a level from which it can rise and fall; its silence, where it has one, reaches up
# to red, so that a rise does not break through.
STATES = {
    Phase.NORMAL: run([A, "ack", Level.NORMAL]),
    Phase.ACTIVE_UNACKNOWLEDGED: run([A], NO_LATCH),
    Phase.ACTIVE_ACKNOWLEDGED: run([A, "ack"]),
    Phase.RETURNED_UNACKNOWLEDGED: run([A, Level.NORMAL]),
    Phase.LATCHED: run([B, Level.NORMAL]),
    Phase.SHELVED: add(run([A]), shelving(Level.RED)),
    Phase.SUPPRESSED: add(run([A]), inhibit()),
    Phase.OUT_OF_SERVICE: add(run([A]), out()),
}


def measure(alarm, level, policy=LATCH_RED):
    return step(alarm, Verdict(RULE, level, (), at(5)), utc(5), policy)


def release(alarm):
    for kind in Silencing:
        alarm = lift(alarm, kind, Change.UNSHELVED, utc(5), LATCH_RED, "wang")
    return alarm


def release_at_normal(alarm):
    """The release itself, from a level that has returned before."""
    returned = measure(alarm, Level.NORMAL) if alarm.phase in SILENT else alarm
    released = release(returned)
    return alarm if released is returned else released


POLICY = AlarmPolicy(Level.RED, re_alarm_s=60.0)
HAPPENS = {
    Event.RAISED: lambda a: measure(a, Level.RED),
    Event.LOWERED: lambda a: measure(a, Level.BLUE) if a.current > Level.BLUE else a,
    Event.RETURNED: lambda a: measure(a, Level.NORMAL, NO_LATCH),
    Event.RETURNED_LATCHED: lambda a: measure(a, Level.NORMAL, AlarmPolicy(Level.BLUE)),
    Event.ACKNOWLEDGED: answer,
    Event.RESET: lambda a: reset(a, "wang", utc(5), LATCH_RED),
    Event.RE_ALARMED: lambda a: advance(a, at(1e6), utc(1e6), POLICY),
    Event.SHELVED: lambda a: add(release(a), shelving(Level.RED)),
    Event.SUPPRESSED: lambda a: add(release(a), inhibit()),
    Event.TAKEN_OUT: lambda a: add(release(a), out()),
    Event.RELEASED: release_at_normal,
    Event.RELEASED_ACTIVE: release,
}
TIMED = {Phase.SHELVED, Phase.SUPPRESSED}


def test_each_state_of_the_table_test_is_what_it_says():
    for phase, alarm in STATES.items():
        assert alarm.phase is phase
    assert set(STATES) == set(Phase)
    assert set(HAPPENS) == set(Event)


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_and_event_is_in_the_table_or_changes_nothing(phase, event):
    before = STATES[phase]
    if phase is Phase.ACTIVE_ACKNOWLEDGED and event is Event.RE_ALARMED:
        before = replace(before, re_alarms=at(60))
    after = HAPPENS[event](before)
    if event is Event.RE_ALARMED and phase in TIMED:
        # this much time ends a limited silence as well
        assert after.phase is Phase.ACTIVE_UNACKNOWLEDGED
        return
    if event is Event.RETURNED_LATCHED and phase in SILENT:
        # nothing was announced, so it returns as one that does not latch
        assert (after.phase, after.current) == (phase, Level.NORMAL)
        return
    expected = TABLE.get((phase, event))
    if expected is None:
        assert after is before
    else:
        assert after.phase is expected
        assert after.revision > before.revision
        assert after.change is not None


def test_the_table_has_no_row_that_nothing_tests():
    assert {event for _, event in TABLE} == set(Event)
    assert all(phase in SILENT for phase, event in TABLE if event.name.startswith("RELEASED"))


@pytest.mark.parametrize("phase", sorted(set(Phase) - SILENT))
def test_unless_silenced_a_rise_ends_in_an_unanswered_alarm(phase):
    after = measure(STATES[phase], Level.RED)
    assert after.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert after.level is Level.RED


@pytest.mark.parametrize("phase", [Phase.RETURNED_UNACKNOWLEDGED, Phase.LATCHED])
def test_returned_alarms_end_by_an_answer_only(phase):
    alarm = replace(run([Level.RED, Level.NORMAL]), phase=phase)
    assert run([Level.NORMAL, None], alarm=alarm) is alarm


def test_a_reset_never_silences_what_is_active():
    active = run([Level.RED])
    assert reset(active, "wang", utc(1), LATCH_RED) is active
    ended = reset(run([Level.NORMAL], alarm=active), "wang", utc(1), LATCH_RED)
    assert (ended.phase, ended.level, ended.by) == (Phase.NORMAL, Level.NORMAL, "wang")


# -- silences -----------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", sorted(SILENT))
def test_while_silenced_the_level_is_measured_and_nothing_is_announced(phase):
    alarm = STATES[phase]
    for level in [Level.RED, Level.BLUE, Level.NORMAL, Level.ORANGE]:
        before, alarm = alarm, measure(alarm, level)
        assert (alarm.phase, alarm.current) == (phase, level)
        assert (alarm.level, alarm.highest) == (Level.NORMAL, Level.NORMAL)
        assert alarm.revision == before.revision + 1


@pytest.mark.parametrize("phase", sorted(SILENT))
def test_after_a_silence_an_active_cause_is_a_new_unanswered_alarm(phase):
    before = STATES[phase]
    after = release(before)
    assert after.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert (after.level, after.highest) == (A, A)
    assert after.id != before.id
    assert after.since == utc(5)
    assert after.acknowledged_by == ""


@pytest.mark.parametrize("phase", sorted(SILENT))
def test_after_a_silence_without_a_cause_all_is_normal(phase):
    assert release(measure(STATES[phase], Level.NORMAL)).phase is Phase.NORMAL


@pytest.mark.parametrize("added", [shelving(), inhibit(Level.ORANGE), out(Level.ORANGE)])
def test_what_rises_above_a_silence_is_announced_all_the_same(added):
    alarm = measure(add(run([A]), added), Level.RED)
    assert (alarm.phase, alarm.level) == (Phase.ACTIVE_UNACKNOWLEDGED, Level.RED)
    assert alarm.silences == (added,)


def test_an_occurrence_that_was_red_is_not_silenced_again_before_it_is_over():
    alarm = measure(add(run([A]), shelving()), Level.RED)
    alarm = measure(alarm, Level.YELLOW)
    assert (alarm.phase, alarm.level) == (Phase.ACTIVE_UNACKNOWLEDGED, Level.RED)
    alarm = measure(alarm, Level.NORMAL)
    assert alarm.phase is Phase.LATCHED
    assert answer(alarm).phase is Phase.SHELVED


def test_the_strongest_of_several_silences_shows_and_the_next_one_takes_its_place():
    alarm = run([A])
    for added in (inhibit(), shelving(), out()):
        alarm = add(alarm, added)
    shown = [alarm.phase]
    for kind in (Silencing.OUT_OF_SERVICE, Silencing.SHELVED, Silencing.INHIBITED):
        alarm = lift(alarm, kind, Change.UNSHELVED, utc(5), LATCH_RED, "wang")
        shown.append(alarm.phase)
    assert shown == [
        Phase.OUT_OF_SERVICE, Phase.SHELVED, Phase.SUPPRESSED, Phase.ACTIVE_UNACKNOWLEDGED,
    ]  # fmt: skip


def test_an_occurrence_that_begins_in_silence_has_a_name_of_its_own():
    quiet = add(Alarm(RULE), out())
    first = measure(quiet, A)
    second = measure(measure(first, Level.NORMAL), A)
    assert first.id
    assert second.id != first.id


def test_answering_a_silenced_alarm_changes_nothing():
    for phase in SILENT:
        assert answer(STATES[phase]) is STATES[phase]


# -- time -----------------------------------------------------------------------------------------


def test_a_shelving_ends_by_itself():
    alarm = add(run([A]), shelving(for_s=HOUR_S))
    assert due(alarm) == at(HOUR_S)
    assert advance(alarm, at(HOUR_S - 0.001), utc(0), LATCH_RED) is alarm
    ended = advance(alarm, at(HOUR_S), utc(HOUR_S), LATCH_RED)
    assert (ended.phase, ended.silences) == (Phase.ACTIVE_UNACKNOWLEDGED, ())
    assert ended.change is Change.EXPIRED


def test_out_of_service_never_ends_by_itself():
    assert due(STATES[Phase.OUT_OF_SERVICE]) is None


def test_an_old_answer_does_not_count_any_more():
    alarm = answer(run([Level.RED]), POLICY, 10.0)
    assert due(alarm) == at(70)
    alarm = run([Level.YELLOW], POLICY, alarm)
    assert (alarm.phase, due(alarm)) == (Phase.ACTIVE_ACKNOWLEDGED, at(70))
    again = advance(alarm, at(70), utc(70), POLICY)
    assert (again.phase, again.level, again.id) == (
        Phase.ACTIVE_UNACKNOWLEDGED, Level.YELLOW, alarm.id,
    )  # fmt: skip
    assert (again.acknowledged_by, due(again)) == ("", None)
    assert due(answer(again, POLICY, 80.0)) == at(140)


@pytest.mark.parametrize("after_answer", [Level.NORMAL, Level.RED])
def test_an_alarm_that_ends_or_grows_is_not_alarmed_again_by_time(after_answer):
    alarm = run([after_answer], POLICY, answer(run([Level.YELLOW]), POLICY))
    assert due(alarm) is None


def test_setting_the_clock_moves_the_written_end_and_not_the_real_one():
    alarm = add(run([A]), shelving(for_s=8 * HOUR_S))
    back = Utc(T0 - 5 * 3_600_000)
    moved = restamp(alarm, at(3600), back)
    (shown,) = moved.silences
    assert shown.until == Utc(back.ms + 7 * 3_600_000)
    assert shown.since == Utc(back.ms - 3_600_000)
    assert due(moved) == due(alarm)
    assert (moved.change, moved.phase) == (Change.CLOCK, alarm.phase)
    assert restamp(moved, at(3600), back) is moved
    assert restamp(alarm, at(3600), Utc(utc(3600).ms + 1500)) is alarm


def stored(alarm):
    """As it comes back from a record: without monotonic times."""
    silences = tuple(replace(each, ends=None) for each in alarm.silences)
    return replace(alarm, silences=silences, re_alarms=None, evidence=())


def test_after_a_restart_a_shelving_has_what_was_left_of_it():
    kept = stored(add(run([A]), shelving(for_s=HOUR_S)))
    alarm = resume(kept, at(7), utc(1000), utc(990), LATCH_RED)
    assert due(alarm) == at(7 + 2600)


@pytest.mark.parametrize(
    ("now_s", "last_s", "why"),
    [
        (2 * HOUR_S, 10.0, "its time is over"),
        (-100.0, -200.0, "the clock is before its begin"),
        (-100.0, 1000.0, "the clock is before its begin and the newest record"),
        (500.0, 1000.0, "the clock is before the newest record: nobody knows how long it was off"),
    ],
)
def test_a_restart_ends_a_shelving_when_its_end_cannot_be_told(now_s, last_s, why):
    kept = stored(add(run([A]), shelving(for_s=HOUR_S)))
    alarm = resume(kept, at(7), utc(now_s), utc(last_s), LATCH_RED)
    assert due(alarm) == at(7), why


def test_no_restart_makes_a_shelving_longer_than_it_was_granted():
    kept = stored(add(run([A]), shelving(for_s=HOUR_S)))
    for now_s in (*range(-7200, 7200, 300), -4, -1, 1, 4):
        for last_s in (None, -7200, 0, now_s, 7200):
            last = None if last_s is None else utc(last_s)
            alarm = resume(kept, at(0), utc(now_s), last, LATCH_RED)
            left = due(alarm)
            assert left is not None
            assert left <= at(max(0, HOUR_S - max(now_s, 0)))


@pytest.mark.parametrize(
    ("now_s", "expected_s"), [(10.0, 60.0), (40.0, 30.0), (500.0, 0.0), (-500.0, 0.0)]
)
def test_after_a_restart_an_answer_counts_as_long_as_it_would_have(now_s, expected_s):
    kept = stored(answer(run([A]), POLICY, 10.0))
    alarm = resume(kept, at(0), utc(now_s), None, POLICY)
    assert due(alarm) == at(expected_s)


def test_an_answer_of_an_old_record_counts_from_the_restart():
    kept = replace(stored(answer(run([A]), POLICY)), acknowledged=None)
    assert due(resume(kept, at(0), utc(1e6), None, POLICY)) == at(60)


def test_chatter_is_marked_once():
    marked = mark(run([A]), chattering=True)
    assert (marked.chattering, marked.change) == (True, Change.CHATTERING)
    assert mark(marked, chattering=True) is marked
