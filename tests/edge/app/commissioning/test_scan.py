"""The scan: finds every twin, writes nothing, disturbs nobody, and says beforehand how long."""

from __future__ import annotations

import itertools

import pytest

from edge.app.commissioning.place import SerialPlace, TcpPlace
from edge.app.commissioning.scan import LineBusy, Plan, Survey, question, scan
from edge.app.commissioning.talk import Ask, Heard
from edge.core.errors import Absent, NoAnswer
from protocols.modbus import Answer
from protocols.modbus_rtu import rtu_frame
from tools.twins.faults import Faults
from tools.twins.line_time import LineTime
from tools.twins.mistuned import hear
from tools.twins.modbus_slave import RtuSlave, TcpSlave, crc16
from tools.twins.modbus_unit import Unit
from tools.twins.tuned_line import DoubledSlave
from tools.twins.virtual_port import VirtualLine
from tools.virtual_talk import run_script

BAUDS, PARITIES = (9600, 4800, 19200), ("none", "even")
PLACES = tuple(SerialPlace("line", baud, parity) for parity in PARITIES for baud in BAUDS)
ADDRESSES = tuple(range(1, 33))


def no_progress(done: float) -> None:
    """Nobody looks."""


def plan(places=PLACES, addresses=ADDRESSES, **options) -> Plan:
    return Plan(places, addresses, **options)


def found(survey: Survey) -> set[tuple[str, int]]:
    return {(str(each.place), each.address) for each in survey.found}


def test_every_twin_is_found_and_what_sounds_goes_on_sounding(rig_of, outputs) -> None:
    """3 bauds x 2 parities x 32 addresses, twins at six settings; nothing is ever written."""
    rig = rig_of(
        {
            "9600 8N1": RtuSlave(
                {3: outputs.relay, 17: outputs.amplifier, 5: Unit(holding=[1])}, turnaround_ms=20
            ),
            "4800 8N1": RtuSlave({7: Unit(inputs=[1])}, turnaround_ms=60),
            "19200 8N1": RtuSlave({1: Unit(), 32: Unit(holding=[0])}, turnaround_ms=10),
            "9600 8E1": RtuSlave({1: Unit(holding=[1])}, turnaround_ms=100),
            "4800 8E1": RtuSlave({32: Unit(holding=[1])}, turnaround_ms=30),
            "19200 8E1": RtuSlave({30: Unit(holding=[1]), 31: Unit()}, turnaround_ms=5),
        }
    )
    before = outputs.changes()
    survey = Survey()
    steps: list[float] = []
    rig.run(scan(plan(), survey, steps.append))
    wanted = {
        (str(time.baud) + " " + time.frame, address)
        for time, slave in rig.line.slaves.groups.items()
        for address in slave.units
    }
    assert found(survey) == wanted
    assert survey.finished
    assert survey.garbled == []
    assert plan().estimate_s == pytest.approx(rig.seconds, rel=0.2)
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(plan().estimate_s)
    assert len(rig.line.slaves.asked) > 6 * 32
    assert {frame[1] for frame in rig.line.slaves.asked} == {3, 4}
    assert rig.writes() == []
    assert outputs.changes() == before
    assert outputs.relay.coils[2] == 1
    assert outputs.amplifier.message == 3
    assert rig.line.counters["short_gaps"] == 0
    assert rig.line.counters["overlaps"] == 0
    assert not rig.line.is_open


def test_the_estimate_is_exact_where_nobody_answers(rig_of) -> None:
    rig = rig_of({})
    survey = Survey()
    wanted = plan(places=PLACES[:2], addresses=(1, 2, 3))
    rig.run(scan(wanted, survey, no_progress))
    assert survey.found == []
    assert wanted.estimate_s == pytest.approx(rig.seconds, abs=1e-3)
    # 1.5 s of listening; per setting 0.1 s of silence; per question 8 characters, 150 ms, and the
    # 7 characters that an adapter may hold back
    by_hand = 1.5 + 2 * 0.1 + 3 * 2 * (15 * 10 / 9600 + 15 * 10 / 4800 + 2 * 0.15)
    assert wanted.estimate_s == pytest.approx(by_hand)


def test_a_slow_device_is_found_all_the_same(rig_of) -> None:
    """It answers into the next question; that one is asked again."""
    slow = Unit(holding=[1], turnaround_ms=230)
    rig = rig_of({"9600 8N1": RtuSlave({4: slow, 5: Unit(holding=[1]), 32: slow})})
    survey = Survey()
    rig.run(scan(plan(places=PLACES[:1]), survey, no_progress))
    assert {each.address: each.late for each in survey.found} == {4: True, 5: False, 32: True}
    assert survey.garbled == []


def test_an_address_whose_question_was_spoken_into_is_asked_again() -> None:
    """The late answer of one may have spoilt the question to the next."""
    survey = Survey()
    script = scan(plan(places=PLACES[:1], tables=("holding",)), survey, no_progress)
    next(script)
    script.send(Heard())
    assert script.send(Heard()) == Ask(question(1, "holding"), 0.15)
    silence = NoAnswer("silence")
    assert script.send(Heard(error=silence)) == Ask(question(2, "holding"), 0.15)
    late = Answer(1, 3, b"\x02\x00\x07")
    again = script.send(Heard(error=silence, late=(late,)))
    assert again == Ask(question(2, "holding"), 0.15)
    assert [(each.address, each.late) for each in survey.found] == [(1, True)]


def test_two_devices_at_one_address_are_named_as_such(rig_of) -> None:
    one = RtuSlave({9: Unit(holding=[0x1234]), 8: Unit(holding=[1])}, turnaround_ms=10)
    two = RtuSlave({9: Unit(holding=[0xFEDC])}, turnaround_ms=10)
    rig = rig_of({"9600 8N1": DoubledSlave(one, two)})
    survey = Survey()
    rig.run(scan(plan(places=PLACES[:1]), survey, no_progress))
    assert found(survey) == {("9600 8N1", 8)}
    assert [(each.address, each.seen) for each in survey.double_addresses()] == [(9, "bad_crc")]


def test_one_clean_answer_among_garbled_ones_is_enough(rig_of) -> None:
    faults = Faults(bad_crc=True, next_n=1)
    rig = rig_of({"9600 8N1": RtuSlave({9: Unit(holding=[1])}, faults, turnaround_ms=10)})
    survey = Survey()
    rig.run(scan(plan(places=PLACES[:1]), survey, no_progress))
    assert [(each.address, each.attempts) for each in survey.found] == [(9, 2)]
    assert survey.garbled == []


def test_garbled_at_one_parity_and_clean_at_the_other_is_no_double_address() -> None:
    from edge.app.commissioning.scan import Disturbed, Found

    survey = Survey()
    survey.garbled = [Disturbed(PLACES[0], 5, "bad_crc"), Disturbed(PLACES[0], 6, "bad_crc")]
    survey.found = [Found(SerialPlace("line", 9600, "even"), 5, "holding", None, 20.0)]
    assert [each.address for each in survey.double_addresses()] == [6]


def test_a_line_on_which_somebody_speaks_is_left_alone(rig_of) -> None:
    """Another master polls there: not a single question is asked, unless told to."""
    faults = Faults(babble=b"\x01\x03\x00\x00\x00\x01\x84\x0a")
    rig = rig_of({"9600 8N1": RtuSlave({1: Unit(holding=[1])}, faults)})
    with pytest.raises(LineBusy):
        rig.run(scan(plan(places=PLACES[:1]), Survey(), no_progress))
    assert rig.line.counters["bytes_in"] == 0
    assert not rig.line.is_open


def test_a_disturbed_setting_is_given_up_early(rig_of) -> None:
    faults = Faults(noise_before=b"\x55", bad_crc=True)
    units = {address: Unit(holding=[1]) for address in ADDRESSES}
    rig = rig_of({"9600 8N1": RtuSlave(units, faults, turnaround_ms=5)})
    survey = Survey()
    rig.run(scan(plan(places=PLACES[:1]), survey, no_progress))
    assert survey.noisy == [PLACES[0]]
    assert survey.garbled == []
    assert rig.seconds < 10


def test_an_echoing_adapter_is_named_and_hides_nobody(rig_of) -> None:
    faults = Faults(echo=True)
    rig = rig_of({"9600 8N1": RtuSlave({2: Unit(holding=[1])}, faults, turnaround_ms=10)})
    survey = Survey()
    rig.run(scan(plan(places=PLACES[:1], addresses=(1, 2)), survey, no_progress))
    assert found(survey) == {("9600 8N1", 2)}


def test_stopped_at_any_moment_it_keeps_what_it_has_and_lets_go_of_the_line(rig_of) -> None:
    rig = rig_of({"9600 8N1": RtuSlave({1: Unit(holding=[1])}, turnaround_ms=10)})
    for most_s in (0.1, 1.5, 1.7, 3.0):
        survey = Survey()
        with pytest.raises(TimeoutError):
            rig.run(scan(plan(), survey, no_progress), most_s)
        assert not survey.finished
        assert bool(survey.found) is (most_s > 1.58)
        assert not rig.line.is_open
        asked = rig.line.counters["bytes_in"]
        rig.clock.run_for(5.0)
        assert rig.line.counters["bytes_in"] == asked


def test_first_ends_with_the_first_settings_that_are_answered(rig_of) -> None:
    rig = rig_of({"4800 8N1": RtuSlave({1: Unit(holding=[1]), 9: Unit(holding=[1])})})
    survey = Survey()
    rig.run(scan(plan(first=True), survey, no_progress))
    assert found(survey) == {("4800 8N1", 1), ("4800 8N1", 9)}
    assert [place.baud for place in rig.opened] == [9600, 4800]


def test_a_port_that_is_not_there_or_goes_away_ends_the_scan(rig_of) -> None:
    rig = rig_of({})
    rig.line.unplug()
    with pytest.raises(Absent, match="unplugged"):
        rig.run(scan(plan(), Survey(), no_progress))
    rig.line.replug()
    rig.clock.call_at(rig.clock.now() + 3_000_000_000, rig.line.unplug)
    survey = Survey()
    with pytest.raises(Absent):
        rig.run(scan(plan(), survey, no_progress))
    assert not survey.finished


def _server_opener(units, clock):
    slave = TcpSlave(units)
    return lambda place: VirtualLine(slave.connection(), clock, None).opener


def test_behind_a_gateway_only_those_who_are_there_are_found(clock) -> None:
    """Exceptions 10 and 11 are the gateway's own: nobody is there."""
    units = {3: Unit(holding=[1]), 8: Unit()}
    survey = Survey()
    place = TcpPlace("192.0.2.10")
    run_script(
        scan(plan(places=(place,)), survey, no_progress), _server_opener(units, clock), clock
    )
    assert {(each.address, each.refused) for each in survey.found} == {(3, None), (8, 2)}


def test_a_server_that_answers_to_every_address_is_one_device(clock) -> None:
    units = {address: Unit(holding=[1]) for address in ADDRESSES}
    survey = Survey()
    place = TcpPlace("192.0.2.10")
    run_script(
        scan(plan(places=(place,)), survey, no_progress), _server_opener(units, clock), clock
    )
    assert [(each.address, each.every_address) for each in survey.found] == [(1, True)]


def test_a_server_that_is_not_there_is_said_and_the_next_one_asked(clock) -> None:
    def opener_of(place):
        def refuse(on_bytes, on_lost):
            raise OSError("connection refused")

        if place.host == "192.0.2.1":
            return refuse
        return _server_opener({1: Unit(holding=[1])}, clock)(place)

    survey = Survey()
    places = (TcpPlace("192.0.2.1"), TcpPlace("192.0.2.2"))
    run_script(scan(plan(places=places), survey, no_progress), opener_of, clock)
    assert [(str(place), why) for place, why in survey.unreachable] == [
        ("192.0.2.1:502", "connection refused")
    ]
    assert {str(each.place) for each in survey.found} == {"192.0.2.2:502"}


@pytest.mark.parametrize("table", ["holding", "input"])
def test_no_question_is_ever_misheard_as_an_order(table: str) -> None:
    """Whatever the UART of a device at other settings makes of a question is no valid frame at all.

    ``tools.bench.scan`` looks at all settings and addresses.
    """
    devices = [LineTime(baud, f"8{parity}1") for baud in (2400, 9600, 38400) for parity in "NEO"]
    for place, device in itertools.product(PLACES, devices):
        sender = LineTime(place.baud, str(place).split()[1])
        if sender == device:
            continue
        for address in ADDRESSES[::3]:
            heard = hear(rtu_frame(question(address, table)), sender, device)
            for start, end in itertools.combinations(range(len(heard) + 1), 2):
                frame = heard[start:end]
                assert len(frame) < 4 or crc16(frame[:-2]) != frame[-2:]


def test_a_mistuned_twin_hears_something_else(rig_of) -> None:
    """The twins' own check: wrong settings give noise, and the right ones the very bytes."""
    data = bytes.fromhex("0103000000018 40A".replace(" ", ""))
    own = LineTime(9600)
    assert hear(data, own, own) == data
    for other in (LineTime(4800), LineTime(19200), LineTime(9600, "8E1"), LineTime(9600, "8O1")):
        assert hear(data, own, other) != data
        assert hear(data, other, own) != data
    assert hear(b"\xff", LineTime(9600), LineTime(19200)) == b"\xfe"
