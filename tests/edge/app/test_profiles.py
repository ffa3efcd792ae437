"""Device profiles: the shipped ones follow the data sheets, and every mistake is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from drivers.bus.dialect import Rtu
from drivers.bus.line import Line
from drivers.bus.port import Opener
from drivers.bus.transaction import Transaction
from drivers.modbus_device import ModbusDevice
from drivers.read_plan import LineCost
from edge.app.config import (
    Action,
    LineProfile,
    ModbusPoint,
    ModbusProfile,
    Problem,
    Write,
    load_site,
    read_sheet,
    shipped_profiles,
)
from edge.app.config.line_time import serial_line
from edge.core.instant import Clock, Instant
from edge.core.model import DeviceId, Point, PointId
from edge.core.ports import Class
from edge.core.units import Unit
from tools.virtual_clock import VirtualClock

SHIPPED = shipped_profiles()

SENSOR = """\
[device]
name = "test sensor"
maker = "maker"
model = "model"
kind = "level"
protocol = "modbus"
verified = false
source = "a data sheet"

[timing]
turnaround_ms = 30
timeout_ms = 200
late_ms = 1000

[point.level]
table = "holding"
address = 3
type = "u16"
scale = 0.001
decimals = 3
unit = "m"
range = [0.0, 30.0]

[action.play]
parameters = { message = [1, 99] }
write = [{ table = "holding", address = 16, values = ["$message"] }]
confirm = { table = "input", address = 0, values = [1], within_ms = 1000, every_ms = 50 }
"""

TEXT_SENSOR = """\
[device]
name = "text sensor"
maker = "maker"
model = "model"
kind = "rain"
protocol = "line"
verified = false
source = "a data sheet"

[framing]
terminator = "\\r\\n"
max_length = 80
pattern = 'R=(?P<rain>[0-9.]+)'
poll = "?\\n"
period_ms = 1000
silence_s = 5.0

[point.rain]
unit = "mm"
decimals = 1
range = [0, 1000]
"""

Read = Callable[[str], list[Problem]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a profile and gives what is wrong with it."""

    def read_text(text: str) -> list[Problem]:
        file = tmp_path / "sensor.toml"
        file.write_text(text, encoding="utf-8")
        sheet = read_sheet(file)
        assert (sheet.profile is None) == bool(sheet.problems)
        return sheet.problems

    return read_text


def modbus(name: str) -> ModbusProfile:
    """A shipped Modbus profile."""
    profile = read_sheet(SHIPPED[name]).profile
    assert isinstance(profile, ModbusProfile)
    return profile


# -- the shipped profiles ---------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_is_right_and_names_its_source(name: str) -> None:
    """No problem, a source, both languages for everything, and nothing claims to be verified."""
    sheet = read_sheet(SHIPPED[name])
    assert sheet.problems == []
    assert sheet.profile is not None
    assert sheet.profile.device.source
    assert not sheet.profile.device.verified
    actions = sheet.profile.actions if isinstance(sheet.profile, ModbusProfile) else {}
    for described in [*sheet.profile.points.values(), *actions.values()]:
        assert described.description.en
        assert described.description.zh


FACTS = [
    ("sl651-sensor", "rain", "holding", 0x0000, "u32", "high_first", 0.1, Unit.MILLIMETRE),
    ("sl651-sensor", "level", "holding", 0x0002, "i32", "high_first", 0.001, Unit.METRE),
    ("dfrobot-sen0575", "rain", "input", 8, "u32", "low_first", 0.0001, Unit.MILLIMETRE),
    ("dfrobot-sen0575", "tips", "input", 10, "u32", "low_first", 1, Unit.COUNT),
    ("dfrobot-sen0676", "distance", "holding", 0x0001, "u16", None, 0.001, Unit.METRE),
    ("dfrobot-sen0676", "level", "holding", 0x0003, "u16", None, 0.001, Unit.METRE),
    ("geolux-lx80", "level", "holding", 0x0020, "i16", None, 0.001, Unit.METRE),
    ("geolux-lx80", "temperature", "holding", 0x001A, "i16", None, 1, Unit.CELSIUS),
    ("rs-fsxcs", "wind_speed", "holding", 500, "u16", None, 0.1, Unit.METRE_PER_SECOND),
    ("rs-fsxcs", "temperature", "holding", 505, "i16", None, 0.1, Unit.CELSIUS),
    ("rs-fsxcs", "pressure", "holding", 509, "u16", None, 0.1, Unit.KILOPASCAL),
    ("rs-fsxcs", "rain", "holding", 513, "u16", None, 0.1, Unit.MILLIMETRE),
    ("pemtech-pt495", "gas", "holding", 0, "u16", None, 0.1, Unit.PPM),
    ("pemtech-pt495", "status", "holding", 1, "u16", None, 1, Unit.STATE),
    ("detcon-1000", "h2s", "holding", 2, "u16", None, 0.1, Unit.PPM),
    ("witmotion-hwt", "roll", "holding", 0x3D, "i16", None, 180 / 32768, Unit.DEGREE),
    ("witmotion-hwt", "yaw", "holding", 0x3F, "i16", None, 180 / 32768, Unit.DEGREE),
    ("epever-tracer", "pv_voltage", "input", 0x3100, "u16", None, 0.01, Unit.VOLT),
    ("epever-tracer", "pv_power", "input", 0x3102, "u32", "low_first", 0.01, Unit.WATT),
    ("epever-tracer", "battery_voltage", "input", 0x3104, "u16", None, 0.01, Unit.VOLT),
    ("epever-tracer", "charge", "input", 0x311A, "u16", None, 1, Unit.PERCENT),
    ("epever-tracer", "battery_current", "input", 0x331B, "i32", "low_first", 0.01, Unit.AMPERE),
    ("xy-md02", "temperature", "input", 1, "i16", None, 0.1, Unit.CELSIUS),
    ("xy-md02", "humidity", "input", 2, "u16", None, 0.1, Unit.PERCENT),
    ("dfrobot-sen0600", "temperature", "holding", 1, "i16", None, 0.1, Unit.CELSIUS),
    ("wp3066adam", "t8", "holding", 7, "i16", None, 0.1, Unit.CELSIUS),
    ("wp8026adam", "di1", "discrete", 0, "bit", None, 1, Unit.STATE),
    ("wp8026adam", "di16", "discrete", 15, "bit", None, 1, Unit.STATE),
    ("renogy-rover", "battery_voltage", "holding", 0x0101, "u16", None, 0.1, Unit.VOLT),
    ("pzem-004t", "current", "input", 1, "u32", "low_first", 0.001, Unit.AMPERE),
    ("sdm120", "energy", "input", 0x0156, "f32", "high_first", 1, Unit.KILOWATT_HOUR),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact[0]}.{fact[1]}")
def test_registers_are_those_of_the_data_sheets(
    fact: tuple[str, str, str, int, str, str | None, float, Unit],
) -> None:
    """Table, address, type, word order, scale and unit, per point."""
    name, point, *expected = fact
    spot = modbus(name).points[point]
    found = [spot.table, spot.address, spot.type, spot.word_order, spot.scale, spot.unit]
    assert found == expected


@pytest.mark.parametrize(
    ("name", "baud", "parity", "address"),
    [
        ("dfrobot-sen0575", 9600, "none", 0xC0),
        ("dfrobot-sen0676", 115200, "none", 1),
        ("geolux-lx80", 9600, "even", 1),
        ("rs-fsxcs", 4800, "none", 1),
        ("witmotion-hwt", 9600, "none", 0x50),
        ("epever-tracer", 115200, "none", 1),
    ],
)
def test_factory_settings_are_those_of_the_data_sheets(
    name: str, baud: int, parity: str, address: int
) -> None:
    """The odd ones: other speeds, other parities, other addresses."""
    line = modbus(name).line
    assert line is not None
    assert (line.baud, line.parity, line.address) == (baud, parity, address)


def test_the_error_word_that_also_reads_as_a_temperature_is_declared() -> None:
    """FFFFH of a WP3066ADAM would be -0.1 degC."""
    points = modbus("wp3066adam").points
    assert len(points) == 8
    assert all(point.error_words == (0xFFFF,) for point in points.values())


def test_detcon_counts_from_40000() -> None:
    """The manual's sample answer, six registers from address 0, shows 0.7 ppm."""
    registers = [0x0264, 0x0064, 0x0007, 0x000A, 0x0014, 0x0550]
    points = modbus("detcon-1000").points
    gas = points["h2s"]
    assert registers[gas.address] * gas.scale == pytest.approx(0.7)
    bits = {
        name: registers[p.address] >> (p.bit or 0) & 1
        for name, p in points.items()
        if p.bit is not None
    }
    assert bits == {"fault_relay": 0, "alarm1_relay": 0, "alarm2_relay": 0, "calibrating": 0}


def test_relay_channels_are_coils_from_zero_and_are_read_back() -> None:
    """Channel n is coil n - 1, written 1 or 0, confirmed from the same coil."""
    profile = modbus("relay-8ch")
    for name, value in (("on", 1), ("off", 0)):
        action = profile.actions[name]
        assert action.parameters == {"channel": (1, 8)}
        assert action.write == (
            Write(table="coil", address=0, values=(value,), address_step="$channel"),
        )
        assert action.confirm is not None
        assert (action.confirm.table, action.confirm.values) == ("coil", (value,))
        assert action.confirm.address_step == "$channel"
    assert [profile.points[f"ch{n}"].address for n in range(1, 9)] == list(range(8))


def test_the_amplifier_is_confirmed_by_what_it_plays() -> None:
    """Play writes slot and volume together and reads state, message and volume back."""
    profile = modbus("amplifier-generic")
    play, stop, volume = (profile.actions[name] for name in ("play", "stop", "volume"))
    assert play.write[0].address == 0x0010
    assert play.write[0].values == ("$message", "$volume")
    assert play.confirm is not None
    assert play.confirm.values == (1, "$message", "$volume")
    assert stop.write[0].values == (0,)
    assert stop.confirm is not None
    assert stop.confirm.values == (0,)
    assert volume.confirm is not None
    assert (volume.confirm.address, volume.confirm.values) == (0x0002, ("$volume",))
    addresses = {name: point.address for name, point in profile.points.items()}
    assert addresses == {"state": 0, "message": 1, "volume": 2, "line_current": 3}


@pytest.mark.parametrize(
    ("line", "total"),
    [
        ("Acc  0.01 mm, EventAcc  2.07 mm, TotalAcc  54.85 mm, RInt  0.23 mmph", "54.85"),
        ("Acc 0.00 mm, EventAcc 0.00 mm, TotalAcc 0.00 mm, RInt 0.00 mmph", "0.00"),
        ("Acc  0.001 in, EventAcc  0.070 in, TotalAcc  1.850 in, RInt  0.023 iph", None),
        ("Acc 0.00 mm, EventAcc 0.00 mm, TotalAcc 0.00 mm, RInt 0.00 mmph, TooCold", None),
        ("LensBad", None),
        ("PwrDays 12", None),
        ("; comment", None),
    ],
)
def test_rain_lines_of_the_rg15(line: str, total: str | None) -> None:
    """Only a whole metric line without a complaint of the gauge counts."""
    profile = read_sheet(SHIPPED["hydreon-rg15"]).profile
    assert isinstance(profile, LineProfile)
    match = re.fullmatch(profile.framing.pattern, line)
    assert (match["total"] if match else None) == total


class Recorder(Line):
    """A line that keeps what it is asked and asks nobody."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("x", cast(Opener, None), Rtu(9600, 10), clock)
        self.questions: list[bytes] = []

    def submit(self, transaction: Transaction) -> None:
        """Keep the question."""
        self.questions.append(transaction.request.pdu)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "hydreon-rg15"])
def test_the_line_is_reckoned_with_the_questions_the_driver_asks(name: str) -> None:
    """The same reads, whoever groups the points: the load of a line is that of its real frames."""
    profile, clock = modbus(name), VirtualClock()
    line, pace = Recorder(clock), serial_line(9600, 8, "none", 1)
    points = tuple(
        Point(PointId(f"d.{key}"), DeviceId("d"), spot.unit, spot.decimals)
        for key, spot in profile.points.items()
    )
    cost = LineCost(pace.character_s, pace.silence_s)
    device = ModbusDevice("d", 1, profile, points, line, clock, line_cost=cost)
    device.poll(Instant(0), lambda samples: None, Class.LOG)
    reads = pace.plan(profile.points, profile.limits, profile.timing)
    reckoned = {read.request(1).pdu for read in reads}
    assert set(line.questions) == reckoned
    assert len(line.questions) == len(reckoned)


# -- one more device is one file --------------------------------------------------------------


def test_a_profile_beside_the_site_file_is_all_a_new_device_needs(tmp_path: Path) -> None:
    """Sensor and actuator from a dropped file: points, ranges, actions; no code."""
    (tmp_path / "mine.toml").write_text(SENSOR, encoding="utf-8")
    site_file = tmp_path / "site.toml"
    site_file.write_text(
        """
[site]
id = "a"
name = "A"
time_zone = "UTC"
[[bus]]
id = "b"
kind = "tcp"
host = "127.0.0.1"
tcp_port = 502
[[device]]
id = "d"
bus = "b"
profile = "mine.toml"
address = 1
period_ms = 1000
[[rule]]
id = "r"
point = "d.level"
comparison = ">="
red = "250 cm"
lost = "red"
plan = "p"
[[plan]]
id = "p"
[[plan.step]]
level = "red"
actuator = "d"
action = "play"
arguments = { message = 7 }
""",
        encoding="utf-8",
    )
    site = load_site(site_file)
    assert [(point.id, point.unit, point.high) for point in site.points] == [
        ("d.level", Unit.METRE, 30.0)
    ]
    profile = site.profiles["mine.toml"]
    assert isinstance(profile, ModbusProfile)
    assert isinstance(profile.points["level"], ModbusPoint)
    assert isinstance(profile.actions["play"], Action)
    assert site.plans[0].steps[0].arguments == {"message": 7}


# -- mistakes ---------------------------------------------------------------------------------


def test_the_samples_are_right(read: Read) -> None:
    """What the mistakes below are planted in has none."""
    assert read(SENSOR) == []
    assert read(TEXT_SENSOR) == []


MISTAKES = [
    # old, new, problem code, path
    ('kind = "level"', 'kind = "levle"', "not-one-of", "device.kind"),
    ("verified = false", "", "missing-key", "device.verified"),
    ("verified = false", "verified = 0", "wrong-type", "device.verified"),
    ('maker = "maker"', 'makr = "maker"', "unknown-key", "device.makr"),
    ("[device]", "[devise]", "missing-table", "device"),
    ("[timing]", "[timming]", "unknown-key", "timming"),
    ("timeout_ms = 200", "timeout_ms = 20", "too-small", "timing.timeout_ms"),
    ("late_ms = 1000", "late_ms = 100", "too-small", "timing.late_ms"),
    ("late_ms = 1000", "late_ms = 1000\nretries = 6", "out-of-range", "timing.retries"),
    ("late_ms = 1000", "late_ms = 1000\nretries = true", "wrong-type", "timing.retries"),
    ("[point.level]", "[limits]\npipeline = 0\n[point.level]", "out-of-range", "limits.pipeline"),
    ("[action.play]", "[action.play]\nwarm_up_ms = 60001", "out-of-range",
     "action.play.warm_up_ms"),
    ("[action.play]", "[action.play]\nwarm_up_ms = 0.5", "wrong-type", "action.play.warm_up_ms"),
    ("[action.play]", "[action.play]\nbroadcast = 1", "wrong-type", "action.play.broadcast"),
    ("[point.level]", "[point.Level]", "bad-name", "point.Level"),
    ('type = "u16"', 'type = "u32"', "missing-key", "point.level.word_order"),
    ('type = "u16"', 'type = "u16"\nword_order = "low_first"', "not-applicable",
     "point.level.word_order"),
    ('type = "u16"', 'type = "bit"', "missing-key", "point.level.bit"),
    ('type = "u16"', 'type = "u16"\nbit = 3', "not-applicable", "point.level.bit"),
    ('table = "holding"\naddress = 3', 'table = "coil"\naddress = 3', "bit-table",
     "point.level.type"),
    ("address = 3", "address = 65536", "out-of-range", "point.level.address"),
    ('address = 3\ntype = "u16"', 'address = 65535\ntype = "u32"\nword_order = "high_first"',
     "out-of-range", "point.level.address"),
    ("scale = 0.001", "scale = 0", "zero-scale", "point.level.scale"),
    ("scale = 0.001", "scale = nan", "out-of-range", "point.level.scale"),
    ("decimals = 3", "", "missing-key", "point.level.decimals"),
    ("range = [0.0, 30.0]", "", "missing-key", "point.level.range"),
    ("range = [0.0, 30.0]", "range = [30.0, 0.0]", "range-order", "point.level.range"),
    ("range = [0.0, 30.0]", "range = [0.0]", "wrong-length", "point.level.range"),
    ("range = [0.0, 30.0]", 'range = [0.0, "30"]', "wrong-type", "point.level.range[1]"),
    ('unit = "m"', 'unit = "metre"', "unknown-unit", "point.level.unit"),
    ('unit = "m"', 'unit = "m"\nerror_words = [0x10000]', "out-of-range",
     "point.level.error_words"),
    ("values = [\"$message\"]", "values = [\"$mesage\"]", "no-parameter",
     "action.play.write[0].values[0]"),
    ("values = [\"$message\"]", "values = [1]", "unused-parameter",
     "action.play.parameters.message"),
    ("values = [\"$message\"]", "values = [true]", "wrong-type",
     "action.play.write[0].values[0]"),
    ("values = [\"$message\"]", "values = []", "wrong-length", "action.play.write[0].values"),
    ("message = [1, 99]", "message = [99, 1]", "out-of-range", "action.play.parameters.message"),
    ("message = [1, 99]", "Message = [1, 99]", "bad-name", "action.play.parameters.Message"),
    ('write = [{ table = "holding"', 'write = [{ table = "input"', "not-one-of",
     "action.play.write[0].table"),
    ('write = [{ table = "holding"', 'write = [{ table = "coil"', "parameter-range",
     "action.play.write[0].values[0]"),
    ('write = [{ table = "holding", address = 16', 'write = [{ tabel = "holding", address = 16',
     "unknown-key", "action.play.write[0].tabel"),
    ("every_ms = 50", "every_ms = 2000", "too-small", "action.play.confirm.within_ms"),
    ("every_ms = 50 }", "every_ms = 50, mask = 0 }", "out-of-range", "action.play.confirm.mask"),
    ("[action.play]", "[framing]\n[action.play]", "not-applicable", "framing"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m[2]}-{m[3]}")
def test_a_mistake_in_a_modbus_profile_is_found(
    read: Read, mistake: tuple[str, str, str, str]
) -> None:
    """Each with its code and its path, and the line it stands in (or that of its table)."""
    old, new, code, path = mistake
    assert old in SENSOR
    text = SENSOR.replace(old, new, 1)
    problems = read(text)
    assert (code, path) in [(problem.code, problem.path) for problem in problems]
    problem = next(each for each in problems if (each.code, each.path) == (code, path))
    assert 1 <= problem.line <= text.count("\n")
    assert problem.message


LINE_MISTAKES = [
    ("(?P<rain>[0-9.]+)", "(?P<rain>[0-9.]+", "bad-pattern", "framing.pattern"),
    ("(?P<rain>", "(?P<regen>", "no-group", "point.rain"),
    ("(?P<rain>", "(?P<regen>", "no-point", "framing.pattern"),
    ("period_ms = 1000", "", "missing-key", "framing.period_ms"),
    ('poll = "?\\n"', "", "not-applicable", "framing.period_ms"),
    (
        'poll = "?\\n"\nperiod_ms = 1000',
        "turnaround_ms = 100",
        "not-applicable",
        "framing.turnaround_ms",
    ),
    (
        "period_ms = 1000",
        "period_ms = 1000\nturnaround_ms = -1",
        "out-of-range",
        "framing.turnaround_ms",
    ),
    ("silence_s = 5.0", "silence_s = 1.0", "too-small", "framing.silence_s"),
    ('terminator = "\\r\\n"', 'terminator = ""', "empty", "framing.terminator"),
    ('poll = "?\\n"', 'poll = "？"', "not-encodable", "framing.poll"),
    ("range = [0, 1000]", "", "missing-key", "point.rain.range"),
    ("decimals = 1", "decimals = 1\naddress = 4", "unknown-key", "point.rain.address"),
    ("[point.rain]", "[timing]\n[point.rain]", "not-applicable", "timing"),
]


@pytest.mark.parametrize("mistake", LINE_MISTAKES, ids=lambda m: f"{m[2]}-{m[3]}")
def test_a_mistake_in_a_text_profile_is_found(
    read: Read, mistake: tuple[str, str, str, str]
) -> None:
    """The pattern and the points belong together; polling needs a period; no registers here."""
    old, new, code, path = mistake
    assert old in TEXT_SENSOR
    problems = read(TEXT_SENSOR.replace(old, new, 1))
    assert (code, path) in [(problem.code, problem.path) for problem in problems]


def test_one_wrong_point_does_not_hide_another(read: Read) -> None:
    """Several mistakes in several tables, all at once, each in its line."""
    text = SENSOR.replace('unit = "m"', 'unit = "mm3"').replace("late_ms = 1000", "late_ms = -1")
    text = text.replace("values = [1]", 'values = ["$slot"]').replace('kind = "level"', "kind = 3")
    lines = text.splitlines()
    found = {(problem.code, lines[problem.line - 1].split(" ")[0]) for problem in read(text)}
    assert found == {
        ("not-one-of", "kind"),
        ("out-of-range", "late_ms"),
        ("unknown-unit", "unit"),
        ("no-parameter", "confirm"),
    }


def test_a_profile_without_points_and_actions_is_no_profile(read: Read) -> None:
    """Nothing to read and nothing to do."""
    problems = read(SENSOR[: SENSOR.index("[point.level]")])
    assert [problem.code for problem in problems] == ["empty-profile"]


def test_a_step_must_stay_within_the_address_space(read: Read) -> None:
    """address + n - 1 of the largest n; and n starts at 1."""
    text = SENSOR.replace("address = 16", 'address = 65500, address_step = "$message"')
    assert [problem.code for problem in read(text)] == ["address-end"]
    text = SENSOR.replace("address = 16", 'address = 16, address_step = "$message"')
    text = text.replace("[1, 99]", "[0, 99]")
    assert [problem.code for problem in read(text)] == ["step-from-zero"]
