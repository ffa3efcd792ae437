"""States as plain values: what refers to what survives, and nothing else is ever made."""

from collections import deque
from dataclasses import dataclass

import pytest

from edge.core.instant import ClockQuality, Instant, Utc
from edge.core.model import Level, RuleId, Silencing
from edge.engine.alarm_metrics import Tally
from edge.engine.chatter import Chatter
from edge.engine.silence import Asked
from edge.engine.snapshot import Unplain, capture, revive
from protocols.malformed import Malformed


def there_and_back(item, named=None):
    return revive(capture(item, named or {}), named or {})


def test_plain_things_come_back_as_they_were():
    item = [
        None, True, 0, -5, 1 << 200, -(1 << 70), 1.5, float("inf"), "水", b"\0", Level.RED,
        Silencing.SHELVED, (1, (2.0, "x")), {"a": [1], 3: {4}}, frozenset({1, 2}), Utc(5),
    ]  # fmt: skip
    assert there_and_back(item) == item
    assert isinstance(there_and_back(item)[10], Level)


def test_a_bounded_deque_stays_bounded():
    back = there_and_back(deque([1, 2, 3], maxlen=3))
    back.append(4)
    assert list(back) == [2, 3, 4]
    assert there_and_back(deque([1])).maxlen is None


def test_what_is_shared_stays_shared_and_circles_stay_closed():
    inner = [1]
    circle: dict[str, object] = {"inner": inner, "again": inner}
    circle["self"] = circle
    back = there_and_back(circle)
    assert back["inner"] is back["again"]
    assert back["self"] is back
    assert back is not circle


def test_objects_with_slots_and_their_methods_come_back():
    tally = Tally(60, 10)
    tally.add(Instant(5))
    chatter = Chatter(Level.YELLOW)
    back, add, other = there_and_back([tally, tally.add, chatter])
    add(6)
    assert back.total(7) == 2
    assert tally.total(Instant(7)) == 1
    assert other._level is Level.YELLOW


def test_frozen_things_are_whole_before_they_are_keys():
    asked = Asked("王", "works", 5.0)
    back = there_and_back({asked: [asked], (asked, 1): RuleId("r")})
    assert back[asked] == [asked]
    assert back[asked, 1] == "r"


def test_what_is_named_is_given_again_and_not_kept():
    calendar = object()
    nodes = capture([calendar, calendar], {"calendar": calendar})
    other = object()
    back = revive(nodes, {"calendar": other})
    assert back == [other, other]
    with pytest.raises(Malformed):
        revive(nodes, {})


@dataclass
class Foreign:
    """Of no module that may be kept."""

    x: int = 1


@pytest.mark.parametrize("item", [Foreign(), lambda: 1, print, object(), open])
def test_what_is_not_of_the_pure_modules_is_not_kept(item):
    with pytest.raises(Unplain):
        capture([item], {})


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [["object", "os:system", [], []]],
        [["object", "subprocess:Popen", ["args"], ["x"]]],
        [["class", "builtins:object"]],
        [["function", "os", "system"]],
        [["function", "edge.core.model", "dataclass"]],
        [["function", "edge.engine.alarms", "replace"]],
        [["class", "edge.engine.alarms:RuleId"]],
        [["object", "edge.engine.journal:JournalWriter", [], []]],
        [["object", "edge.core.model:Alarm", ["rule"], ["x"]]],
        [["object", "edge.engine.alarm_metrics:Tally", ["__class__"], [["class"]]]],
        [["object", "edge.engine.alarm_metrics:Tally", ["stranger"], [1]]],
        [["method", [1], "__init__"], ["list", []]],
        [["method", [1], "nothing"], ["object", "edge.engine.alarm_metrics:Tally", [], []]],
        [["tuple", [[0]]]],
        [["list", [[7]]]],
        [["list", [[-1]]]],
        [["list", [["enum", "edge.core.model:Level", "PURPLE"]]]],
        [["list", [["int", "zz"]]]],
        [["dict", [[1]], [1]], ["list", []]],
        ["x"],
        [5],
        [["unknown", 1]],
    ],
)
def test_anything_else_is_refused_and_runs_nothing(nodes):
    with pytest.raises(Malformed):
        revive(nodes, {})


def test_the_clock_s_quality_is_the_member_itself():
    assert there_and_back([ClockQuality.SYNCED])[0] is ClockQuality.SYNCED
