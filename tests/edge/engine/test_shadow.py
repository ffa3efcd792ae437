"""Shadow rules: where they disagree with what is armed is counted, recorded, and bounded."""

from __future__ import annotations

import pytest

from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import Alarm, Level, RuleId
from edge.engine.shadow import Disagreement, Shadows

ARMED, SHADOW = RuleId("flood"), RuleId("flood-lower")


class Scene:
    """Alarms that change as a test says, and the shadows that are compared after each walk."""

    def __init__(self, armed: RuleId | None = ARMED) -> None:
        self.shadows = Shadows({SHADOW: armed})
        self.alarms = {rule: Alarm(rule) for rule in (ARMED, SHADOW)}
        self.now_s = 0.0

    def walk(self, *, after_s: float = 1.0, **levels: Level) -> list[Disagreement]:
        """One walk in which these rules change."""
        self.now_s += after_s
        changed = [
            Alarm({"armed": ARMED, "shadow": SHADOW}[name], current=level)
            for name, level in levels.items()
        ]
        self.alarms.update({alarm.rule: alarm for alarm in changed})
        return self.shadows.step(changed, self.alarms, self.at, self.utc)

    @property
    def at(self) -> Instant:
        return Instant(round(self.now_s * NS_PER_S))

    @property
    def utc(self) -> Utc:
        return Utc(round(self.now_s * 1000), ClockQuality.SYNCED)

    def body(self) -> dict[str, object]:
        """What status says of the shadow."""
        found = self.shadows.body(self.at)[SHADOW]
        assert isinstance(found, dict)
        return found


def test_a_disagreement_has_a_begin_and_an_end() -> None:
    """Both are records; the end says how long it lasted."""
    scene = Scene()
    [begun] = scene.walk(shadow=Level.RED)
    assert begun == Disagreement(
        SHADOW, ARMED, 1, Level.RED, Level.NORMAL, Utc(1000, ClockQuality.SYNCED)
    )
    assert begun.body()["event"] == "disagreement begins"
    [ended] = scene.walk(after_s=60, armed=Level.RED)
    assert (ended.number, ended.lasted_s) == (1, 60.0)
    assert ended.body()["event"] == "disagreement ends"


def test_rules_that_change_in_the_same_walk_agree() -> None:
    """They saw the same reading; no disagreement of no length."""
    scene = Scene()
    assert scene.walk(armed=Level.RED, shadow=Level.RED) == []
    assert scene.walk(shadow=Level.NORMAL, armed=Level.NORMAL) == []
    assert scene.body()["disagreements"] == 0


def test_the_widest_difference_is_what_the_end_tells() -> None:
    """Levels may go on changing while the two differ."""
    scene = Scene()
    scene.walk(shadow=Level.YELLOW)
    assert scene.walk(shadow=Level.RED) == []
    assert scene.walk(armed=Level.YELLOW) == []
    [ended] = scene.walk(armed=Level.RED)
    assert (ended.shadow_level, ended.armed_level) == (Level.RED, Level.NORMAL)


def test_more_and_less_are_told_apart_and_time_adds_up() -> None:
    """A shadow that would be silent when the armed rule warns is another matter."""
    scene = Scene()
    scene.walk(shadow=Level.RED)
    scene.walk(after_s=10, armed=Level.RED)
    scene.walk(shadow=Level.NORMAL)
    scene.now_s += 5
    body = scene.body()
    assert (body["more"], body["less"], body["disagreed_s"]) == (1, 1, 15.0)
    assert body["agrees"] is False
    assert isinstance(body["open"], dict)


def test_a_shadow_of_nothing_disagrees_while_it_would_have_alarmed() -> None:
    """It is held against silence; other rules do not matter."""
    scene = Scene(armed=None)
    assert scene.walk(armed=Level.RED) == []
    [begun] = scene.walk(shadow=Level.BLUE)
    assert (begun.armed, begun.armed_level) == (None, Level.NORMAL)
    [ended] = scene.walk(shadow=Level.NORMAL)
    assert ended.lasted_s == 1.0


def test_chatter_is_counted_but_does_not_fill_the_journal() -> None:
    """So many records at once, then one so often; what has a begin has its end."""
    scene = Scene()
    records = []
    for _ in range(1000):
        records += scene.walk(shadow=Level.RED)
        records += scene.walk(shadow=Level.NORMAL)
    begun = [each for each in records if each.lasted_s is None]
    assert len(begun) == 21
    assert [each.number for each in records if each.lasted_s is not None] == [
        each.number for each in begun
    ]
    body = scene.body()
    assert body["disagreements"] == 1000
    assert isinstance(body["last"], list)
    assert len(body["last"]) == 8
    [later] = scene.walk(after_s=7200, shadow=Level.RED)
    assert sum(each.unrecorded for each in (*begun, later)) + len(begun) == 1000


@pytest.mark.parametrize("armed", [ARMED, None])
def test_the_rules_that_must_stay_silent_are_named(armed: RuleId | None) -> None:
    """Whoever announces alarms leaves these out."""
    assert Scene(armed).shadows.rules == {SHADOW}
