"""The alarm lifecycle: every state and event, latching, and re-alarm."""

from dataclasses import replace

import pytest

from edge.core.instant import Instant, Utc
from edge.core.model import Alarm, Level, Phase, RuleId, Verdict
from edge.engine.alarms import TABLE, AlarmPolicy, Event, acknowledge, step

RULE = RuleId("river-flood")
LATCH_RED = AlarmPolicy(Level.RED)
NO_LATCH = AlarmPolicy(None)


def run(levels, policy=LATCH_RED, alarm=None):
    """Feed levels; 'ack' acknowledges."""
    alarm = alarm or Alarm(RULE)
    for index, level in enumerate(levels):
        if level == "ack":
            alarm = acknowledge(alarm, "wang")
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
    assert acknowledge(alarm, "wang").phase is Phase.NORMAL


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
    assert acknowledge(normal, "wang") is normal
    assert acknowledge(answered, "li") is answered


@pytest.mark.parametrize("phase", list(Phase))
def test_from_every_state_a_rise_ends_in_an_unanswered_alarm(phase):
    assert TABLE[(phase, Event.RAISED)] is Phase.ACTIVE_UNACKNOWLEDGED


@pytest.mark.parametrize("phase", [Phase.RETURNED_UNACKNOWLEDGED, Phase.LATCHED])
def test_returned_alarms_end_by_an_answer_only(phase):
    alarm = replace(run([Level.RED, Level.NORMAL]), phase=phase)
    assert run([Level.NORMAL, None], alarm=alarm) is alarm
