"""Setting an address: the one thing that writes, so what it refuses matters most."""

from __future__ import annotations

import pytest

from edge.app.commissioning.place import SerialPlace
from edge.app.commissioning.set_address import Outcome, carry_out, check_move, plan_move
from edge.app.commissioning.talk import Tune
from edge.app.config import ModbusProfile, SetAddress, Write, read_sheet, shipped_profiles
from edge.core.errors import ConfigError, DeviceError, NoAnswer
from tools.twins.addressable import Addressable
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import Unit
from tools.twins.tuned_line import DoubledSlave

PLACE = SerialPlace("line", 9600)
REGISTER = 0x03F4


def shipped(name: str) -> ModbusProfile:
    """One of the shipped profiles."""
    profile = read_sheet(shipped_profiles()[name]).profile
    assert isinstance(profile, ModbusProfile)
    return profile


RADAR = shipped("dfrobot-sen0676")


def radar():
    return Unit(holding={1: 4800, 3: 1200, REGISTER: 1})


def sheet(**options):
    return SetAddress(address=REGISTER, **options)


@pytest.fixture
def move():
    return plan_move("dfrobot-sen0676", RADAR, 1, 9, 0.2)


def checking(move):
    yield Tune(PLACE)
    yield from check_move(move)


def moving(move, wrote=lambda: None):
    yield Tune(PLACE)
    yield from check_move(move)
    return (yield from carry_out(move, wrote))


def with_sheet(move, **options):
    from dataclasses import replace

    return replace(move, sheet=sheet(**options))


def test_the_shipped_radar_is_moved_and_found_where_it_should_be(rig_of, move) -> None:
    slave = RtuSlave({1: radar(), 2: Unit(holding=[5])}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER)
    rig = rig_of({"9600 8N1": slave})
    assert rig.run(moving(move)).outcome is Outcome.MOVED
    assert sorted(slave.units) == [2, 9]
    assert twin.writes == [(REGISTER, [9])]
    assert [frame[0] for frame in rig.writes()] == [1]


def test_what_waits_for_the_power_is_said_to_wait(rig_of, move) -> None:
    slave = RtuSlave({1: radar()}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER, "power_cycle")
    rig = rig_of({"9600 8N1": slave})
    assert rig.run(moving(move)).outcome is Outcome.PENDING
    twin.power_cycle()
    assert sorted(slave.units) == [9]


def test_one_that_should_move_at_once_and_did_not_is_unchanged(rig_of, move) -> None:
    slave = RtuSlave({1: radar()}, turnaround_ms=10)
    Addressable(slave, 1, REGISTER, "never")
    rig = rig_of({"9600 8N1": slave})
    assert rig.run(moving(with_sheet(move, effect="at_once"))).outcome is Outcome.UNCHANGED


def test_a_taken_address_is_refused_before_anything_is_written(rig_of, move) -> None:
    slave = RtuSlave({1: radar(), 9: Unit()}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER)
    rig = rig_of({"9600 8N1": slave})
    with pytest.raises(ConfigError, match="address 9 is not free"):
        rig.run(checking(move))
    assert twin.writes == []


def test_even_a_garbled_voice_at_the_new_address_is_somebody(rig_of, move) -> None:
    slave = RtuSlave({1: radar(), 9: Unit(holding=[1])}, turnaround_ms=10)
    slave.unit_faults[9] = Faults(bad_crc=True)
    with pytest.raises(ConfigError, match="not free"):
        rig_of({"9600 8N1": slave}).run(checking(move))


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (Unit(holding={REGISTER: 7}), "holds 7, not its address"),
        (Unit(holding=[1, 2, 3]), "cannot be read"),
    ],
    ids=["another number", "no such register"],
)
def test_a_device_of_another_kind_is_never_written_to(rig_of, move, device, words) -> None:
    """The register must hold the very address: what else might be written there?"""
    rig = rig_of({"9600 8N1": RtuSlave({1: device}, turnaround_ms=10)})
    with pytest.raises(ConfigError, match=words):
        rig.run(checking(move))
    assert rig.writes() == []


def test_two_devices_at_the_old_address_are_never_written_to(rig_of, move) -> None:
    one = RtuSlave({1: Unit(holding={REGISTER: 1, 0: 0x0F0F})}, turnaround_ms=10)
    two = RtuSlave({1: Unit(holding={REGISTER: 0x8001})}, turnaround_ms=10)
    rig = rig_of({"9600 8N1": DoubledSlave(one, two)})
    with pytest.raises(DeviceError, match="garbled"):
        rig.run(checking(move))
    assert rig.writes() == []


def test_nobody_at_the_old_address_is_said(rig_of, move) -> None:
    with pytest.raises(NoAnswer, match="nobody answers at address 1"):
        rig_of({}).run(checking(move))


def test_a_locked_device_refuses_and_stays_and_unlocked_it_moves(rig_of, move) -> None:
    slave = RtuSlave({1: radar()}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER, unlock=(0x69, 0xB588))
    rig = rig_of({"9600 8N1": slave})
    moved = rig.run(moving(move))
    assert (moved.outcome, moved.detail) == (Outcome.REFUSED, "illegal data address")
    unlock = Write(table="holding", address=0x69, values=(0xB588,))
    assert rig.run(moving(with_sheet(move, unlock=(unlock,)))).outcome is Outcome.MOVED
    assert twin.writes[-2:] == [(0x69, [0xB588]), (REGISTER, [9])]


def test_a_write_whose_answer_is_lost_is_looked_up_not_repeated(rig_of, move) -> None:
    slave = RtuSlave({1: radar()}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER)
    rig = rig_of({"9600 8N1": slave})

    def lose_the_answer() -> None:
        slave.faults.mute, slave.faults.next_n = True, 1

    assert rig.run(moving(move, lose_the_answer)).outcome is Outcome.MOVED
    assert len(twin.writes) == 1
    assert len(rig.writes()) == 1


def test_one_that_vanishes_is_lost_and_one_of_two_that_moved_is_told(rig_of, move) -> None:
    slave = RtuSlave({1: radar()}, turnaround_ms=10)
    twin = Addressable(slave, 1, REGISTER)
    rig = rig_of({"9600 8N1": slave})

    def die() -> None:
        slave.faults.silent = True

    assert rig.run(moving(move, die)).outcome is Outcome.LOST
    slave.faults.silent = False
    assert twin.address == 1

    def another_comes() -> None:
        slave.units[9] = Unit(holding=[1])
        twin._effect = "never"

    assert rig.run(moving(move, another_comes)).outcome is Outcome.BOTH


def test_numbers_that_cannot_be_and_profiles_that_do_not_say_how() -> None:
    for new in (1, 0, 248):
        with pytest.raises(ConfigError, match="cannot be the new address"):
            plan_move("dfrobot-sen0676", RADAR, 1, new, 0.2)
    relay = shipped("relay-8ch")
    with pytest.raises(ConfigError, match="does not say how") as caught:
        plan_move("relay-8ch", relay, 1, 2, 0.2)
    assert "data sheet" in caught.value.hint


def test_every_shipped_way_to_set_an_address_is_from_the_facts() -> None:
    """Only what a data sheet gives: a guess here could rewrite somebody's calibration."""
    profiles = {name: read_sheet(file).profile for name, file in shipped_profiles().items()}
    ways = {
        name: profile.set_address.address
        for name, profile in profiles.items()
        if isinstance(profile, ModbusProfile) and profile.set_address is not None
    }
    assert ways == {"dfrobot-sen0676": 0x03F4, "geolux-lx80": 0x0004}
