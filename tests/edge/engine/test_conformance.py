"""Stages beside their bounds: what is counted, and what a breach says."""

from __future__ import annotations

from pathlib import Path

from edge.core.instant import NS_PER_MS, Instant
from edge.core.model import RecordKind, RuleId, Urgency
from edge.engine.conformance import Breach, Conformance, Limit
from tools.virtual_village import VirtualVillage

RIVER = RuleId("river-flood")
GAS = RuleId("h2s-leak")
WIDE = Limit(10**10, 10**10, 10**10)


def at(ms: float) -> Instant:
    return Instant(round(ms * NS_PER_MS))


def test_a_breach_is_told_once_a_minute_and_counted_always() -> None:
    breaches: list[Breach] = []
    limit = Limit(response_ns=100 * NS_PER_MS, decision_ns=5 * NS_PER_MS, action_ns=0)
    conformance = Conformance([RIVER], {RIVER: limit}, breaches.append)
    conformance.response(RIVER, at(0), at(100))
    assert breaches == []
    for second in range(120):
        conformance.response(RIVER, at(second * 1000), at(second * 1000 + 101))
    assert [breach.at for breach in breaches] == [at(101), at(60_101)]
    assert (breaches[0].stage, breaches[0].bound_ms) == ("response", 100.0)
    conformance.decision(RIVER, at(0), at(6))
    assert breaches[-1].stage == "decision"
    stages = conformance.rules[RIVER]
    assert stages.breaches == 121
    assert stages.response.count == 121


def test_a_rule_without_a_bound_is_only_counted() -> None:
    breaches: list[Breach] = []
    conformance = Conformance([RIVER], {}, breaches.append)
    conformance.action(RIVER, at(0), at(10**9))
    assert breaches == []
    assert conformance.rules[RIVER].action.count == 1


def test_every_stage_of_a_flood_is_stamped(tmp_path: Path) -> None:
    village = VirtualVillage(tmp_path, limits={RIVER: WIDE, GAS: WIDE})
    village.run(10.0)
    stages = village.agent.conformance.rules[RIVER]
    assert stages.response.count >= 30
    assert 0 < stages.response.most_ms < 250
    assert stages.decision.count == 0
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert stages.decision.count == stages.action.count == 3
    village.world.set("river.level", 0.8)
    village.run(30.0)
    assert stages.decision.count == 3, "silencing and re-asserting are no reactions"
    assert village.journal.bodies(RecordKind.BREACH) == []


def test_a_breach_is_a_record_with_the_schedule_around_it(tmp_path: Path) -> None:
    """The proof allows what the line cannot keep while a device is dead."""
    tight = Limit(response_ns=120 * NS_PER_MS, decision_ns=10**9, action_ns=10**9)
    village = VirtualVillage(tmp_path, limits={RIVER: tight})
    village.run(5.0)
    village.slaves["field"].faults.silent_units = {7, 9}
    village.run(10.0)
    (body, *_) = village.journal.bodies(RecordKind.BREACH)
    record = next(r for r in village.journal.records if r.kind is RecordKind.BREACH)
    assert record.urgency is Urgency.ALARM
    assert (body["rule"], body["stage"]) == (RIVER, "response")
    measured, bound = body["measured_ms"], body["bound_ms"]
    assert isinstance(measured, float)
    assert isinstance(bound, float)
    assert measured > bound == 120
    schedule = body["schedule"]
    assert isinstance(schedule, dict)
    exchanges = schedule["field"]
    assert {each["result"] for each in exchanges} == {"silence", "answer"}
    assert exchanges[-1]["address"] == 5
    assert exchanges[-1]["end_ms"] == measured
