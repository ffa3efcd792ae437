"""Identification: names where a device gives them, and an honest ranking of profiles."""

from __future__ import annotations

import math

import pytest

from drivers.read_plan import PlannedRead
from edge.app.commissioning.identify import identify
from edge.app.commissioning.place import SerialPlace
from edge.app.commissioning.reading import Reader, Verdict, fitting_bits, profiles_of
from edge.app.commissioning.talk import Ask, Heard, Tune
from edge.app.config import ModbusPoint, read_sheet, shipped_profiles
from edge.core.errors import Garbled, NoAnswer
from edge.core.units import Unit as Measure
from protocols.modbus import Answer, read_registers
from tools.twins.faults import Faults
from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import Unit
from tools.twins.village import MODELS
from tools.twins.world import World

PROFILES = profiles_of(
    {name: read_sheet(file).profile for name, file in shipped_profiles().items()}
)
PLACE = SerialPlace("line", 9600)
SIGNALS = {
    "river.level": 1.2,
    "rain.intensity": 30,
    "weather.wind_speed": 3,
    "weather.wind_direction": 90,
    "weather.humidity": 70,
    "weather.temperature": 21,
    "weather.pressure": 95,
    "gas.h2s": 2,
    "tilt.roll": 1,
    "tilt.pitch": -2,
    "tilt.yaw": 100,
    "power.mains": 1,
    "power.pv_voltage": 18,
    "power.pv_current": 2,
    "power.battery_voltage": 12.8,
    "power.battery_soc": 80,
    "power.load_current": 1,
}
OF_MODEL = {
    "gauge-sl651": "sl651-sensor",
    "rain-sen0575": "dfrobot-sen0575",
    "radar-sen0676": "dfrobot-sen0676",
    "weather-rs-fsxcs": "rs-fsxcs",
    "gas-pt495": "pemtech-pt495",
    "tilt-hwt": "witmotion-hwt",
    "di16-wp8026": "wp8026adam",
    "solar-tracer": "epever-tracer",
    "relay-8": "relay-8ch",
    "amplifier": "amplifier-generic",
}
# Two or three small numbers in the first registers: only the label tells these kinds apart.
AMBIGUOUS = {"gauge-sl651", "gas-pt495"}


def asking(address, place=PLACE):
    yield Tune(place)
    return (yield from identify(place, address, PROFILES, 0.3))


@pytest.fixture
def ask(rig_of):
    def ask(device, address=1, faults=None):
        rig = rig_of({"9600 8N1": RtuSlave({address: device}, faults, turnaround_ms=10)})
        identity = rig.run(asking(address))
        assert rig.writes() == []
        return identity

    return ask


@pytest.mark.parametrize("model", OF_MODEL)
def test_each_shipped_kind_is_recognised_or_said_to_be_ambiguous(model, ask, clock) -> None:
    device = MODELS[model](World(clock.now, SIGNALS))
    clock.run_for(3000)
    identity = ask(device)
    names = [fit.profile for fit in identity.candidates]
    assert OF_MODEL[model] in names
    assert (len(names) == 1) is (model not in AMBIGUOUS)
    best = next(fit for fit in identity.fits if fit.profile == OF_MODEL[model])
    assert {each.verdict for each in best.readings} <= {Verdict.FITS, Verdict.ZERO}


def test_raw_and_scaled_values_are_shown(ask, clock) -> None:
    radar = MODELS["radar-sen0676"](World(clock.now, SIGNALS))
    [fit] = ask(radar).candidates
    level = next(each for each in fit.readings if each.name == "level")
    assert (level.raw, level.value, level.unit, level.address) == (1200, 1.2, "m", 3)
    assert any("factory address" in reason for reason in fit.reasons)


def test_a_wrong_constant_contradicts(ask, clock) -> None:
    rain = MODELS["rain-sen0575"](World(clock.now, SIGNALS))
    rain.inputs[1] = 0x1234
    fit = next(each for each in ask(rain).fits if each.profile == "dfrobot-sen0575")
    assert fit.contradicted
    assert any("1234H" in reason and "7343H" in reason for reason in fit.reasons)


def test_out_of_range_error_words_and_refusals_are_told_apart(ask) -> None:
    """Eight temperatures: one impossible, one fault word, six sensible."""
    device = Unit(holding=[9999, 0xFFFF, 200, 201, 202, 203, 204, 205])
    fit = next(each for each in ask(device).fits if each.profile == "wp3066adam")
    verdicts = [each.verdict for each in fit.readings]
    assert verdicts == [Verdict.OUT_OF_RANGE, Verdict.ERROR_WORD, *[Verdict.FITS] * 6]
    assert fit.contradicted
    short = Unit(holding=[200, 201, 202])
    fit = next(each for each in ask(short).fits if each.profile == "wp3066adam")
    verdicts = [each.verdict for each in fit.readings]
    assert verdicts == [*[Verdict.FITS] * 3, *[Verdict.REFUSED] * 5]


def test_a_device_that_answers_anywhere_proves_little(ask) -> None:
    """All of its registers read 0: no profile may win by mere answers."""
    everything = Unit(holding=[0] * 65536, inputs=[0] * 65536)
    identity = ask(everything)
    assert identity.answers_anywhere == ("holding", "input")
    assert len(identity.candidates) != 1


def test_it_names_itself_in_parts_and_by_server_id(ask) -> None:
    device = Unit(holding=[1, 2])
    device.identification = {0: b"DFRobot", 1: b"SEN0600", 2: b"V1", 5: b"soil \xb0C", 0x80: b"x"}
    device.per_answer = 2
    device.server_id = b"\x11\xffgauge"
    identity = ask(device)
    assert identity.names == (
        ("VendorName", "DFRobot"),
        ("ProductCode", "SEN0600"),
        ("MajorMinorRevision", "V1"),
        ("ModelName", "soil <B0>C"),
        ("ServerId", "<11><FF>gauge"),
    )
    assert [fit.profile for fit in identity.candidates] == ["dfrobot-sen0600"]
    assert "it names itself SEN0600" in identity.candidates[0].reasons


def test_lost_and_garbled_answers_do_not_mislead(ask, clock) -> None:
    """A bad answer is asked again; one that stays bad is no evidence of a kind."""
    faults = Faults(bad_crc=True, next_n=1)
    identity = ask(MODELS["relay-8"](World(clock.now, {})), faults=faults)
    assert [fit.profile for fit in identity.candidates] == ["relay-8ch"]


def test_a_garbled_answer_is_asked_for_again_once() -> None:
    script = Reader(1, 0.3).read(PlannedRead("holding", 7, 1, ()))
    asked = Ask(read_registers(1, 3, 7, 1), 0.3)
    assert next(script) == asked
    assert script.send(Heard(error=Garbled("noise", seen="noise"))) == asked
    with pytest.raises(StopIteration) as end:
        script.send(Heard(reply=Answer(1, 3, b"\x02\x00\x05")))
    assert end.value.value == (5,)


def test_nobody_there_is_an_error(rig_of) -> None:
    with pytest.raises(NoAnswer, match="nobody answers at address 7 on 9600 8N1"):
        rig_of({}).run(asking(7))


def test_small_ranges_weigh_more_than_large_ones() -> None:
    def bits(kind, low, high):
        return fitting_bits(
            ModbusPoint(table="holding", address=0, type=kind, unit=Measure.NONE, range=(low, high))
        )

    assert bits("u16", 0, 65535) == pytest.approx(0, abs=0.01)
    assert bits("u16", 400, 700) > bits("u16", 0, 1000) > 0
    assert bits("i16", -100, 100) > bits("i16", -30000, 30000)
    assert all(math.isfinite(bits(kind, 5, 5.5)) for kind in ("u16", "i32", "f32"))
