"""What is known of an output that should sound: orders that change hands, answers that cross."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.core.instant import Instant, Utc, after
from edge.core.model import (
    ActuatorId,
    Command,
    Level,
    Outcome,
    PointId,
    Quality,
    RuleId,
    Sample,
    Status,
)
from edge.core.units import Unit
from edge.engine.plan import Heard, Order, Step
from edge.engine.sound import (
    Finding,
    Patience,
    Sound,
    Sounding,
    built_in_rules,
    unheard_rule,
)
from tools.virtual_clock import VirtualClock

EAR = PointId("mic.level")
PLAY = Step(
    Level.RED, ActuatorId("horn"), "play", (("message", 3),), "stop",
    heard=Heard(EAR, ">=", 60.0, 2.0),
)  # fmt: skip
OTHER = replace(PLAY, arguments=(("message", 7),))
ORDER = Order(PLAY, "flood/1/1", 1, 1000)


class Bench:
    """A Sound and what it told."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.clock = VirtualClock()
        self.told: list[Finding] = []
        given = {} if patience is None else {(RuleId("flood"), PLAY.output): patience}
        self.sound = Sound([(PLAY, OTHER)], self.clock, self.told.append, given)

    @property
    def soundings(self) -> list[Sounding]:
        return [finding.sounding for finding in self.told]

    def follow(self, *orders: Order) -> None:
        self.sound.follow({order.step.output: order for order in orders})

    def answer(self, order: Order, status: Status = Status.DONE, *, ends: bool = False) -> None:
        now = self.clock.now()
        step = order.step
        command = Command(
            "c", step.actuator, step.output, step.action, step.arguments, order.alarm,
            order.revision, False, now, after(now, seconds=5), now, ends,
        )  # fmt: skip
        self.sound.on_outcome(command, Outcome("c", step.actuator, status, now))

    def hear(self, value: float | None, quality: Quality = Quality.GOOD) -> None:
        now = self.clock.now()
        self.sound.on_sample(Sample(EAR, value, Unit.NONE, quality, now, Utc(0)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_confirmed_alone_is_not_heard_and_heard_alone_is_not_confirmed(bench: Bench) -> None:
    bench.follow(ORDER)
    bench.clock.run_for(0.5)
    bench.hear(70.0)
    assert bench.soundings == []
    bench.answer(ORDER)
    assert bench.soundings == [Sounding.HEARD]


def test_a_horn_must_be_heard_again_within_its_time(bench: Bench) -> None:
    """A pause between two messages is none; a minute of silence is one."""
    bench.follow(ORDER)
    bench.answer(ORDER)
    for value in (70.0, 10.0, 70.0, 10.0):
        bench.clock.run_for(0.9)
        bench.hear(value)
    assert bench.soundings == [Sounding.HEARD]
    bench.clock.run_for(1.0)
    bench.hear(10.0)
    bench.clock.run_for(0.2)
    assert bench.soundings == [Sounding.HEARD, Sounding.UNHEARD]


def test_a_reading_from_before_the_command_proves_nothing(bench: Bench) -> None:
    bench.hear(70.0)
    bench.follow(ORDER)
    bench.answer(ORDER)
    assert bench.soundings == []


def test_what_is_unheard_stays_so_when_another_rule_takes_the_output_over(bench: Bench) -> None:
    bench.follow(ORDER)
    bench.answer(ORDER, Status.NO_ANSWER)
    bench.follow(Order(OTHER, "gas/2/1", 1, 2000))
    assert bench.soundings == [Sounding.UNHEARD]
    assert bench.sound.unheard(unheard_rule(OTHER))


def test_the_end_of_a_command_that_gave_way_says_nothing_of_the_output(bench: Bench) -> None:
    bench.follow(ORDER)
    other = Order(OTHER, "gas/2/1", 1, 2000)
    bench.follow(other)
    bench.answer(ORDER, Status.TOO_LATE)
    bench.answer(other, ends=True, status=Status.NO_ANSWER)
    assert bench.soundings == []


def test_an_answer_that_comes_before_the_order_is_known_counts(bench: Bench) -> None:
    bench.answer(ORDER, Status.REFUSED)
    bench.follow(ORDER)
    assert bench.soundings == [Sounding.UNHEARD]


def test_nobody_wants_it_any_more_ends_what_was_unheard(bench: Bench) -> None:
    bench.follow(ORDER)
    bench.answer(ORDER, Status.NO_ANSWER)
    bench.follow()
    assert bench.soundings == [Sounding.UNHEARD, Sounding.COMMANDED]
    assert not bench.sound.unheard(unheard_rule(PLAY))
    bench.clock.run_for(60.0)
    assert len(bench.told) == 2


def test_patience_is_what_the_proof_left_and_only_for_the_first_time() -> None:
    """Later silences may last as long as the site file says."""
    bench = Bench(Patience(1_000_000_000, 500_000_000))
    bench.follow(ORDER)
    bench.clock.run_for(0.4)
    bench.hear(10.0)
    bench.clock.run_for(0.2)
    assert bench.soundings == [Sounding.UNHEARD]
    bench.answer(ORDER)
    bench.hear(70.0)
    bench.clock.run_for(1.5)
    bench.hear(10.0)
    assert bench.soundings == [Sounding.UNHEARD, Sounding.HEARD]
    assert bench.clock.now() > Instant(0)


def test_the_proof_s_patience_with_the_confirmation_counts_too() -> None:
    bench = Bench(Patience(1_000_000_000, 5_000_000_000))
    bench.follow(ORDER)
    bench.clock.run_for(0.9)
    assert bench.soundings == []
    bench.clock.run_for(0.2)
    assert bench.soundings == [Sounding.UNHEARD]


def test_every_output_has_a_rule_of_its_own_that_no_site_file_can_name() -> None:
    siren = Step(
        Level.RED, ActuatorId("siren"), "on", (("channel", 5),), "off", (("channel", 5),)
    )  # fmt: skip
    rules = built_in_rules([(replace(PLAY, backup=siren),), (siren, OTHER)])
    assert rules == ("unheard:horn", "unheard:siren:channel=5")
