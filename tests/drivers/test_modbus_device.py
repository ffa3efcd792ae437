"""A polled device: classes of its questions, repetitions, overruns, loss. In virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from drivers.bus.dialect import Rtu
from drivers.bus.line import Line
from drivers.modbus_device import ModbusDevice
from drivers.read_plan import LineCost
from edge.app.config import (
    Action,
    Confirm,
    Limits,
    ModbusPoint,
    ModbusProfile,
    Timing,
    Write,
    read_sheet,
    shipped_profiles,
)
from edge.core.instant import after, ms_between
from edge.core.model import (
    ActuatorId,
    Command,
    DeviceId,
    Outcome,
    Point,
    PointId,
    Quality,
    Sample,
    Status,
)
from edge.core.ports import Class
from edge.core.units import Unit as Measure
from edge.engine.poll import Poller
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import Unit
from tools.twins.virtual_port import VirtualLine
from tools.virtual_clock import VirtualClock

BAUD = 9600
CHARACTER_S = 10 / BAUD
COST = LineCost(CHARACTER_S, 3.5 * CHARACTER_S)
TIMING = Timing(turnaround_ms=10, timeout_ms=100, late_ms=200, retries=1)


def spot(address: int, table: str = "holding") -> ModbusPoint:
    return ModbusPoint.model_validate(
        {"table": table, "address": address, "type": "u16", "unit": "m", "range": [0, 99999]},
        context={},
    )


def made_profile(timing: Timing = TIMING) -> ModbusProfile:
    relay = read_sheet(shipped_profiles()["relay-8ch"]).profile
    assert isinstance(relay, ModbusProfile)
    switch = Action(
        write=(Write(table="coil", address=0, values=(1,)),),
        confirm=Confirm(table="coil", address=0, values=(1,), within_ms=500, every_ms=50),
        broadcast=True,
    )
    points = {"vital": spot(10), "other": spot(60), "third": spot(3, "input")}
    return replace(
        relay, timing=timing, limits=Limits(max_gap=0), points=points, actions={"all_on": switch}
    )


class Rig:
    """One device, ``d``, whose point ``vital`` feeds an alarm, and a second one on the line."""

    def __init__(self, timing: Timing = TIMING, *, urgent: bool = True) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        self.units = {
            unit: Unit(holding={10: 1, 60: 2}, inputs={3: 3}, coils={0: 0}) for unit in (1, 2)
        }
        slave = RtuSlave(self.units, self.faults, turnaround_ms=10.0)
        self.twin = VirtualLine(slave, self.clock, BAUD)
        self.line = Line("a", self.twin.opener, Rtu(BAUD, 10), self.clock)
        self.line.start()
        self.clock.run_for(0.01)
        profile = made_profile(timing)
        points = tuple(
            Point(PointId(f"d.{name}"), DeviceId("d"), Measure.METRE, 0) for name in profile.points
        )
        watched = frozenset({PointId("d.vital")}) if urgent else frozenset()
        self.device = ModbusDevice(
            "d", 1, profile, points, self.line, self.clock, urgent=watched, line_cost=COST
        )
        self.samples: list[Sample] = []

    def poll(self, within_s: float = 1.0) -> bool:
        deadline = after(self.clock.now(), seconds=within_s)
        return self.device.poll(deadline, self.samples.extend, Class.WATCH)

    def names(self) -> list[str]:
        return [sample.point.removeprefix("d.") for sample in self.samples]


def test_only_the_question_that_feeds_an_alarm_is_of_the_poll_s_class() -> None:
    rig = Rig()
    rig.poll()
    rig.clock.run_for(1.0)
    assert rig.names()[0] == "vital"
    classes = [each.priority for each in rig.line.exchanges]
    assert classes == [Class.WATCH, Class.LOG, Class.LOG]


def test_a_question_of_class_log_that_is_starved_does_not_hold_the_vital_one() -> None:
    """One exchange takes 31 ms here: three do not fit into a period of 80 ms."""
    rig = Rig()
    for _ in range(20):
        assert rig.poll(0.08)
        rig.clock.run_for(0.08)
    vital = [sample for sample in rig.samples if sample.point == "d.vital"]
    assert len(vital) == 20


def test_an_overrun_poll_is_skipped_counted_and_keeps_its_phase() -> None:
    rig = Rig()
    poller = Poller(rig.device, 20, Class.WATCH, rig.clock, rig.samples.extend)
    poller.start(rig.clock.now())
    rig.clock.run_for(2.0)
    assert poller.polls + poller.skipped == 101
    assert poller.skipped > 30
    assert rig.line.waiting <= 3


def test_a_lost_frame_is_asked_again_within_the_period() -> None:
    rig = Rig()
    rig.faults.mute, rig.faults.next_n = True, 1
    rig.poll(1.0)
    rig.clock.run_for(1.0)
    assert {sample.quality for sample in rig.samples} == {Quality.GOOD}
    assert rig.line.units[1].timeouts == 1


def test_without_time_for_it_the_reading_is_bad_at_once() -> None:
    rig = Rig()
    rig.faults.mute, rig.faults.next_n = True, 1
    rig.poll(0.25)
    rig.clock.run_for(0.13)
    assert [(s.point, s.quality) for s in rig.samples] == [("d.vital", Quality.NO_ANSWER)]


def test_without_retries_the_next_poll_must_do() -> None:
    rig = Rig(replace_timing(retries=0))
    rig.faults.mute, rig.faults.next_n = True, 1
    rig.poll(5.0)
    rig.clock.run_for(0.13)
    assert rig.samples[0].quality is Quality.NO_ANSWER


def test_a_read_is_repeated_as_often_as_the_profile_says_and_no_more() -> None:
    for retries in (0, 1, 3):
        rig = Rig(replace_timing(retries=retries))
        rig.faults.bad_crc = True
        rig.poll(8.0)
        rig.clock.run_for(8.0)
        vital = [each for each in rig.line.exchanges if each.priority is Class.WATCH]
        assert len(vital) == 1 + retries
        assert rig.names().count("vital") == 1


def test_the_reading_that_makes_a_device_lost_says_so() -> None:
    rig = Rig()
    rig.faults.silent_units = {1}
    rig.poll(5.0)
    rig.clock.run_for(5.0)
    assert rig.line.lost(1)
    assert Quality.LOST in {sample.quality for sample in rig.samples}


def test_the_phase_of_a_poll_is_nominal_also_when_the_loop_is_late() -> None:
    rig = Rig()
    due: list[int] = []
    begun = rig.clock.now()
    poller = Poller(
        rig.device, 1000, Class.WATCH, rig.clock, rig.samples.extend,
        lambda samples, at: due.append(at),
    )  # fmt: skip
    poller.start(after(begun, ms=-1300))
    rig.clock.run_for(1.0)
    assert set(due) == {after(begun, ms=-300), after(begun, ms=700)}
    assert poller.skipped == 1


def replace_timing(**changes: int) -> Timing:
    return TIMING.model_copy(update=changes)


def test_polls_of_a_lost_device_take_no_line_time() -> None:
    rig = Rig()
    rig.faults.silent_units = {1}
    poller = Poller(rig.device, 100, Class.WATCH, rig.clock, rig.samples.extend)
    poller.start(rig.clock.now())
    rig.clock.run_for(5.0)
    assert rig.line.lost(1)
    rig.samples.clear()
    rig.clock.run_for(1.0)
    assert len(rig.samples) == 10 * 3
    assert {(s.quality, s.value) for s in rig.samples} == {(Quality.LOST, None)}
    rig.faults.silent_units = set()
    rig.clock.run_for(5.0)
    rig.samples.clear()
    rig.clock.run_for(1.0)
    assert {s.quality for s in rig.samples} == {Quality.GOOD}


def command(rig: Rig) -> Command:
    now = rig.clock.now()
    return Command(
        "c", ActuatorId("d"), "o", "all_on", (), "a", 1, ensure=False,
        issued=now, not_after=after(now, seconds=3), cause=now,
    )  # fmt: skip


def test_a_newer_command_goes_before_the_question_whether_an_older_one_still_holds() -> None:
    rig = Rig(urgent=False)
    plain = made_profile().actions["all_on"].model_copy(update={"broadcast": False})
    rig.device._profile.actions["all_on"] = plain  # type: ignore[index]  # a dict behind a Mapping
    rig.poll()
    rig.device.apply(replace(command(rig), output="old", ensure=True), lambda _: None)
    rig.device.apply(replace(command(rig), output="new"), lambda _: None)
    rig.clock.run_for(1.0)
    functions = [each.function for each in rig.line.exchanges if each.priority is Class.ACT]
    assert functions[:2] == [5, 1]


def test_a_broadcast_action_reaches_every_device_and_is_read_back_from_its_own() -> None:
    rig = Rig()
    outcomes: list[Outcome] = []
    rig.device.apply(command(rig), outcomes.append)
    rig.clock.run_for(1.0)
    assert [unit.coils[0] for unit in rig.units.values()] == [1, 1]
    assert (outcomes[0].status, outcomes[0].confirmed_by) == (Status.DONE, "read-back")


def test_a_device_has_the_time_to_act_on_a_broadcast_before_it_is_asked() -> None:
    rig = Rig()
    begun = rig.clock.now()
    rig.device.apply(command(rig), lambda _: None)
    rig.clock.run_for(1.0)
    question_ms = 8 * CHARACTER_S * 1000
    assert ms_between(begun, rig.line.exchanges[0].end) == pytest.approx(question_ms + 100, abs=0.1)


def test_a_dead_actuator_is_tried_twice_at_once_and_then_every_half_second() -> None:
    rig = Rig(urgent=False)
    rig.faults.silent_units = {1}
    plain = made_profile().actions["all_on"].model_copy(update={"broadcast": False})
    rig.device._profile.actions["all_on"] = plain  # type: ignore[index]  # a dict behind a Mapping
    outcomes: list[Outcome] = []
    rig.device.apply(command(rig), outcomes.append)
    rig.clock.run_for(5.0)
    begins = [each.begin for each in rig.line.exchanges if each.priority is Class.ACT]
    gaps_ms = [ms_between(a, b) for a, b in pairwise(begins)]
    slice_ms = (8 + 8) * CHARACTER_S * 1000 + 100
    assert gaps_ms[0] <= slice_ms + 4
    assert all(gap >= 500 for gap in gaps_ms[1:])
    assert outcomes[0].status is Status.NO_ANSWER


def test_a_superseded_command_takes_back_what_waits_for_its_turn() -> None:
    rig = Rig(urgent=False)
    rig.poll()
    outcomes: list[Outcome] = []
    rig.device.apply(replace(command(rig), id="old"), outcomes.append)
    rig.device.apply(replace(command(rig), id="new"), outcomes.append)
    assert [(each.command, each.status) for each in outcomes] == [("old", Status.TOO_LATE)]
    rig.clock.run_for(1.0)
    written = [each.unit for each in rig.line.exchanges if each.function == 5]
    assert written == [0]
    assert (outcomes[1].command, outcomes[1].status) == ("new", Status.DONE)


def test_a_superseded_command_does_not_wait_for_its_next_attempt() -> None:
    rig = Rig(urgent=False)
    rig.faults.exception = 6
    outcomes: list[Outcome] = []
    plain = made_profile().actions["all_on"].model_copy(update={"broadcast": False})
    rig.device._profile.actions["all_on"] = plain  # type: ignore[index]  # a dict behind a Mapping
    rig.device.apply(replace(command(rig), id="old"), outcomes.append)
    rig.clock.run_for(0.035)
    rig.faults.exception = None
    rig.device.apply(replace(command(rig), id="new"), outcomes.append)
    assert [each.command for each in outcomes] == ["old"]
    rig.clock.run_for(1.0)
    assert [each.function for each in rig.line.exchanges] == [5, 5, 1]


def test_all_outputs_of_a_dead_device_share_one_attempt_per_pause() -> None:
    rig = Rig(urgent=False)
    rig.faults.silent_units = {1}
    plain = made_profile().actions["all_on"].model_copy(update={"broadcast": False})
    rig.device._profile.actions["all_on"] = plain  # type: ignore[index]  # a dict behind a Mapping
    for output in range(4):
        rig.device.apply(replace(command(rig), output=f"o{output}"), lambda _: None)
    rig.clock.run_for(3.0)
    begins = [each.begin for each in rig.line.exchanges if each.priority is Class.ACT]
    onset = 4 * 120  # each output's first attempt, and a repetition
    late = [each for each in begins if ms_between(begins[0], each) > onset + 120]
    assert len(late) <= 5
    rig.faults.silent_units = set()
    done: list[Outcome] = []
    for output in range(4):
        rig.device.apply(replace(command(rig), output=f"o{output}"), done.append)
    rig.clock.run_for(1.0)
    assert [each.status for each in done] == [Status.DONE] * 4


def test_nothing_piles_up_while_an_actuator_is_dead_for_an_hour() -> None:
    rig = Rig(urgent=False)
    rig.faults.silent_units = {1}
    plain = made_profile().actions["all_on"].model_copy(update={"broadcast": False})
    rig.device._profile.actions["all_on"] = plain  # type: ignore[index]  # a dict behind a Mapping
    for _ in range(900):
        for output in range(4):
            rig.device.apply(replace(command(rig), output=f"o{output}"), lambda _: None)
        rig.clock.run_for(4.0)
    assert len(rig.device._composure._parked) <= 4
    assert rig.line.waiting <= 4
    act_s = rig.line.busy_ns[Class.ACT] / 1e9
    assert act_s <= 3600 * 0.3
