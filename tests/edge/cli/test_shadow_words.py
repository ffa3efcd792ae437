"""What ``tongluo status`` says of shadow rules."""

from __future__ import annotations

import pytest

from edge.cli.shadow_words import shadow_lines
from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import Alarm, Level, RuleId
from edge.engine.shadow import Shadows

ARMED, SHADOW = RuleId("flood"), RuleId("flood-lower")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


def test_agreement_and_disagreement_are_told_apart() -> None:
    """How often, which way, how long, and whether it is so now."""
    shadows = Shadows({SHADOW: ARMED, RuleId("other"): None})
    assert shadow_lines(shadows.body(Instant(0))) == [
        "shadow flood-lower agrees with flood so far",
        "shadow other agrees with silence so far",
    ]
    alarms = {rule: Alarm(rule) for rule in (ARMED, SHADOW, RuleId("other"))}
    alarms[SHADOW] = Alarm(SHADOW, current=Level.RED)
    shadows.step([alarms[SHADOW]], alarms, Instant(0), Utc(0, ClockQuality.SYNCED))
    line = shadow_lines(shadows.body(Instant(90 * NS_PER_S)))[0]
    assert line.startswith(
        "shadow flood-lower against flood: 1 disagreements (1 higher, 0 lower), 1 min 30 s"
    )
    assert line.endswith("now RED instead of normal")
