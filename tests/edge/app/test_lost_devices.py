"""Devices that fall silent, in the whole agent in virtual time: records, rules, restarts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from edge.core.instant import Instant
from edge.core.model import Level, PointId, Quality, Record, RecordKind, Urgency
from tools.virtual_village import VirtualVillage

GAS = 7
RIVER = 5


@pytest.fixture
def village(tmp_path: Path) -> VirtualVillage:
    made = VirtualVillage(tmp_path)
    made.run(5.0)
    return made


def events(village: VirtualVillage) -> list[tuple[object, object]]:
    return [(b["device"], b["event"]) for b in village.journal.bodies(RecordKind.DEVICE)]


def quality(village: VirtualVillage, point: str) -> Quality:
    return village.agent.pipeline.values[PointId(point)].quality


def silence(village: VirtualVillage, *units: int) -> None:
    village.slaves["field"].faults.silent_units = set(units)


def test_lost_and_back_are_records_of_alarm_urgency_for_what_feeds_an_alarm(
    village: VirtualVillage,
) -> None:
    silence(village, GAS)
    village.run(20.0)
    assert events(village) == [("gas", "lost")]
    assert quality(village, "gas.gas") is Quality.LOST
    record: Record = next(r for r in village.journal.records if r.kind is RecordKind.DEVICE)
    assert record.urgency is Urgency.ALARM
    assert (record.body["bus"], record.body["address"]) == ("field", GAS)
    silence(village)
    village.run(20.0)
    assert events(village) == [("gas", "lost"), ("gas", "back")]
    assert quality(village, "gas.gas") is Quality.GOOD


def test_a_lost_sensor_drives_its_rule_and_its_return_ends_that(village: VirtualVillage) -> None:
    """The gas rule says ``lost = "yellow"``."""
    silence(village, GAS)
    village.run(5.0)
    assert village.alarm("h2s-leak").current is Level.YELLOW
    silence(village)
    village.run(20.0)
    assert village.alarm("h2s-leak").current is Level.NORMAL


def test_a_restart_knows_what_was_lost_and_raises_at_its_first_poll(
    village: VirtualVillage,
) -> None:
    silence(village, GAS)
    village.run(20.0)
    village.kill()
    village.start()
    village.run(0.9)
    assert quality(village, "gas.gas") is Quality.LOST
    assert village.alarm("h2s-leak").current is Level.YELLOW
    count = village.agent.lines["field"].units[GAS]
    village.run(5.0)
    assert count.questions == count.probes > 0
    silence(village)
    village.run(20.0)
    assert quality(village, "gas.gas") is Quality.GOOD
    assert events(village)[-1] == ("gas", "back")


def test_healthy_devices_keep_their_period_beside_a_dead_one(village: VirtualVillage) -> None:
    """No missed cycle but those that a slice of silence can cost."""
    silence(village, GAS)
    village.run(5.0)
    village.journal.samples.clear()
    village.run(120.0)
    arrivals: list[Instant] = [s.at for s in village.journal.samples if s.point == "river.level"]
    period_ms = 250
    assert len(arrivals) >= 120_000 / period_ms * 0.98
    gaps_ms = sorted((b - a) / 1e6 for a, b in pairwise(arrivals))
    assert gaps_ms[int(len(gaps_ms) * 0.98)] <= 1.1 * period_ms
    probes = village.agent.lines["field"].units[GAS].probes
    assert sum(gap > 1.1 * period_ms for gap in gaps_ms) <= 2 * probes


def test_every_device_on_tcp_has_a_line_of_its_own(village: VirtualVillage) -> None:
    assert set(village.agent.lines) == {"field", "horns", "speaker", "power/solar"}


def test_someone_who_babbles_is_a_record(village: VirtualVillage) -> None:
    village.slaves["field"].faults.babble = b"\x55" * 32
    village.lines["field"].poke()
    village.run(30.0)
    assert (None, "babbling") in events(village)
    village.slaves["field"].faults.babble = b""
    village.run(90.0)
    assert (None, "quiet") in events(village)


def test_a_pulled_cable_and_its_return_are_records(village: VirtualVillage) -> None:
    village.lines["field"].unplug()
    village.run(30.0)
    assert events(village) == [(None, "line down")]
    assert quality(village, "river.level") is Quality.ABSENT
    village.lines["field"].replug()
    village.run(5.0)
    assert events(village) == [(None, "line down"), (None, "line up")]
    assert quality(village, "river.level") is Quality.GOOD
