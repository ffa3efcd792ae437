"""Orders as a function of the alarms: shared outputs, ends of steps, one-shot steps."""

import pytest

from edge.core.instant import Utc
from edge.core.model import ActuatorId, Alarm, Level, Phase, RuleId
from edge.engine.plan import Step, Until, begun, ended, engaged, orders

A, B = RuleId("a"), RuleId("b")
HORN = ActuatorId("horn")


def play(level, message, until=Until.NORMAL):
    return Step(level, HORN, "play", (("message", message),), "stop", (), until)


def alarm(rule, level, phase=Phase.ACTIVE_UNACKNOWLEDGED, highest=None):
    return Alarm(rule, "id", level, level, highest or level, phase)


@pytest.mark.parametrize(
    ("until", "phase", "current", "expected"),
    [
        (Until.NORMAL, Phase.ACTIVE_UNACKNOWLEDGED, Level.RED, True),
        (Until.NORMAL, Phase.ACTIVE_ACKNOWLEDGED, Level.RED, True),
        (Until.NORMAL, Phase.LATCHED, Level.NORMAL, True),
        (Until.NORMAL, Phase.NORMAL, Level.NORMAL, False),
        (Until.ACKNOWLEDGED, Phase.ACTIVE_UNACKNOWLEDGED, Level.RED, True),
        (Until.ACKNOWLEDGED, Phase.ACTIVE_ACKNOWLEDGED, Level.RED, False),
        (Until.ACKNOWLEDGED, Phase.LATCHED, Level.NORMAL, True),
        (Until.RETURNED, Phase.ACTIVE_UNACKNOWLEDGED, Level.RED, True),
        (Until.RETURNED, Phase.ACTIVE_UNACKNOWLEDGED, Level.YELLOW, False),
        (Until.RETURNED, Phase.LATCHED, Level.NORMAL, False),
        (Until.NORMAL, Phase.SHELVED, Level.RED, False),
        (Until.ACKNOWLEDGED, Phase.SUPPRESSED, Level.RED, False),
        (Until.RETURNED, Phase.OUT_OF_SERVICE, Level.RED, False),
    ],
)
def test_when_a_red_step_is_wanted(until, phase, current, expected):
    state = Alarm(A, "id", current, Level.RED, Level.RED, phase)
    assert engaged(play(Level.RED, 1, until), state) is expected


def test_a_step_below_the_level_is_wanted_too_and_one_above_is_not():
    plans = {A: (play(Level.YELLOW, 1), Step(Level.RED, ActuatorId("siren"), "on", (), "off"))}
    due = orders([alarm(A, Level.ORANGE)], plans)
    assert [order.step.actuator for order in due.values()] == [HORN]


def test_one_horn_wanted_by_two_rules_plays_the_higher_level():
    plans = {A: (play(Level.YELLOW, 1),), B: (play(Level.RED, 9),)}
    due = orders([alarm(A, Level.YELLOW), alarm(B, Level.RED)], plans)
    assert [dict(order.step.arguments) for order in due.values()] == [{"message": 9}]


def test_of_two_hazards_of_one_level_the_newer_is_told():
    plans = {A: (play(Level.RED, 1),), B: (play(Level.RED, 9),)}
    old = Alarm(A, "id", Level.RED, Level.RED, Level.RED, Phase.ACTIVE_UNACKNOWLEDGED, 1, Utc(1000))
    new = Alarm(B, "id", Level.RED, Level.RED, Level.RED, Phase.ACTIVE_UNACKNOWLEDGED, 1, Utc(2000))
    for alarms in ([old, new], [new, old]):
        due = orders(alarms, plans)
        assert [dict(order.step.arguments) for order in due.values()] == [{"message": 9}]


def test_when_one_of_two_rules_ends_the_horn_goes_on_for_the_other():
    plans = {A: (play(Level.YELLOW, 1),), B: (play(Level.RED, 9),)}
    before = orders([alarm(A, Level.YELLOW), alarm(B, Level.RED)], plans)
    now = orders([alarm(A, Level.YELLOW), Alarm(B)], plans)
    assert ended(before, now) == []
    assert [dict(order.step.arguments) for order in begun(before, now)] == [{"message": 1}]


def test_when_the_last_rule_ends_the_horn_is_stopped():
    plans = {A: (play(Level.YELLOW, 1),)}
    before = orders([alarm(A, Level.YELLOW)], plans)
    assert [order.step.stop for order in ended(before, orders([Alarm(A)], plans))] == ["stop"]


def test_two_channels_of_one_relay_are_two_outputs():
    def relay(channel):
        arguments = (("channel", channel),)
        return Step(Level.RED, ActuatorId("relay"), "on", arguments, "off", arguments)

    plans = {A: (relay(1), relay(2))}
    assert len(orders([alarm(A, Level.RED)], plans)) == 2


def test_a_step_without_a_stop_is_begun_and_simply_ends():
    plans = {A: (Step(Level.RED, HORN, "chime"),)}
    before = orders([alarm(A, Level.RED)], plans)
    assert len(begun({}, before)) == 1
    assert ended(before, {}) == []


def test_an_unchanged_order_is_not_begun_again_by_a_new_revision():
    plans = {A: (play(Level.YELLOW, 1),)}
    before = orders([alarm(A, Level.YELLOW)], plans)
    assert begun(before, orders([alarm(A, Level.ORANGE)], plans)) == []


def test_the_highest_level_is_begun_first():
    plans = {A: (Step(Level.BLUE, ActuatorId("led"), "show"), play(Level.RED, 1))}
    fresh = begun({}, orders([alarm(A, Level.RED)], plans))
    assert [order.step.level for order in fresh] == [Level.RED, Level.BLUE]
