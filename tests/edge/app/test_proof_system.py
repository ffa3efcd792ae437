"""What the latency proof is told of a site: frame times reckoned by hand, and what drives what."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge.analysis.latency.model import Bus, Device, Exchange, Output, System
from edge.app.config import Site, load_site
from edge.app.plan_steps import steps_of
from edge.app.proof_system import commanded, system_of
from edge.core.model import Level

VILLAGE = Path(__file__).parent / "sites" / "village.toml"
MS = 1_000_000

HEAD = """
[site]
id = "a"
name = "A"
time_zone = "UTC"
"""
SERIAL = """
[[bus]]
id = "{id}"
kind = "{kind}"
port = "/dev/ttyS{number}"
baud = {baud}
data_bits = {data_bits}
parity = "{parity}"
stop_bits = {stop_bits}
"""
DEVICE_HEAD = """
[device]
name = "d"
maker = "m"
model = "x"
kind = "{kind}"
protocol = "{protocol}"
verified = false
source = "made up"
"""


def village() -> Site:
    return load_site(VILLAGE)


def bus(system: System, name: str) -> Bus:
    return next(each for each in system.buses if each.name == name)


def device(system: System, name: str) -> Device:
    return next(each for line in system.buses for each in line.devices if each.name == name)


def output(system: System, name: str) -> Output:
    return next(each for line in system.buses for each in line.outputs if each.name == name)


# -- frames -----------------------------------------------------------------------------------


def test_a_read_at_9600_8n1_takes_its_characters_of_ten_bits() -> None:
    """Eight characters ask for a coil, six answer, 3.5 of silence; 1041.667 us each."""
    confirm = output(system_of(village()), "siren:off:channel=1").confirm
    assert confirm == Exchange(
        gap_ns=3_645_833,
        question_ns=8_333_333,
        turnaround_ns=20 * MS,
        answer_ns=6_250_000,
        # 200 ms, and what the adapter may hold back of six characters
        timeout_ns=200 * MS + 6_250_000,
    )


def test_a_write_of_two_registers_takes_thirteen_characters_and_eight_back() -> None:
    """Address, function, start, count, byte count, four bytes of data, checksum."""
    (write,) = output(system_of(village()), "horn:stop:").writes
    assert (write.question_ns, write.answer_ns) == (13_541_667, 8_333_333)
    assert (write.gap_ns, write.turnaround_ns) == (3_645_833, 20 * MS)


def test_above_19200_baud_the_silence_no_longer_shrinks() -> None:
    """1.75 ms at 115200, although 3.5 characters were 0.3 ms; two reads of one register each."""
    river = device(system_of(village()), "river")
    assert [read.exchange.gap_ns for read in river.reads] == [1_750_000, 1_750_000]
    # 8 and 7 characters of 86.806 us
    assert river.reads[0].exchange.question_ns == 694_444
    assert river.reads[0].exchange.answer_ns == 607_639


@pytest.mark.parametrize(
    ("parity", "stop_bits", "bits"), [("none", 1, 10), ("even", 1, 11), ("odd", 2, 12)]
)
def test_parity_and_stop_bits_lengthen_every_character(
    tmp_path: Path, parity: str, stop_bits: int, bits: int
) -> None:
    text = HEAD + SERIAL.format(
        id="b", kind="rtu", number=1, baud=19200, data_bits=8, parity=parity, stop_bits=stop_bits
    )
    text += '[[device]]\nid = "d"\nbus = "b"\nprofile = "xy-md02"\naddress = 1\nperiod_ms = 500\n'
    (tmp_path / "site.toml").write_text(text, "utf-8")
    exchange = device(system_of(load_site(tmp_path / "site.toml")), "d").reads[0].exchange
    assert exchange.question_ns == round(8 * bits * 1e9 / 19200)
    assert exchange.answer_ns == round(9 * bits * 1e9 / 19200)
    assert exchange.gap_ns == round(3.5 * bits * 1e9 / 19200)


def test_a_device_that_wants_a_longer_gap_gets_it(tmp_path: Path) -> None:
    """The silence before a question is the longer of the line's and the device's."""
    text = HEAD + SERIAL.format(
        id="b", kind="rtu", number=1, baud=9600, data_bits=8, parity="none", stop_bits=1
    )
    text += '[[device]]\nid = "d"\nbus = "b"\nprofile = "renogy-rover"\naddress = 1\n'
    (tmp_path / "site.toml").write_text(text + "period_ms = 5000\n", "utf-8")
    reads = device(system_of(load_site(tmp_path / "site.toml")), "d").reads
    assert {read.exchange.gap_ns for read in reads} == {15 * MS}


def test_on_tcp_every_device_has_a_line_where_bytes_take_no_time() -> None:
    pit = bus(system_of(village()), "pump-house/pit")
    assert pit.baud is None
    (only,) = pit.devices
    assert (only.name, only.late_ns, only.attempts) == ("pit", 0, 2)
    exchange = only.reads[0].exchange
    assert (exchange.gap_ns, exchange.question_ns, exchange.answer_ns) == (0, 0, 0)
    assert (exchange.turnaround_ns, exchange.timeout_ns) == (50 * MS, 300 * MS)


def test_a_broadcast_is_given_its_delay_and_answered_by_nobody(tmp_path: Path) -> None:
    """100 ms after the question; the read-back asks the device itself."""
    shipped = Path(__file__).parents[3] / "drivers" / "profiles" / "relay-8ch.toml"
    profile = shipped.read_text("utf-8").replace("[action.on]", "[action.on]\nbroadcast = true")
    (tmp_path / "mine.toml").write_text(profile, "utf-8")
    text = VILLAGE.read_text("utf-8").replace('"relay-8ch"', '"mine.toml"')
    text = text.replace('stop = "off"\nstop_arguments = { channel = 1 }\n', "")
    (tmp_path / "site.toml").write_text(text, "utf-8")
    siren = output(system_of(load_site(tmp_path / "site.toml")), "siren:on:channel=1")
    assert siren.writes == (
        Exchange(3_645_833, 8_333_333, turnaround_ns=100 * MS, answer_ns=0, timeout_ns=100 * MS),
    )
    assert siren.confirm is not None
    assert siren.confirm.answer_ns == 6_250_000


# -- devices ----------------------------------------------------------------------------------


def test_a_device_is_asked_its_watched_reads_first_and_again_as_its_profile_allows() -> None:
    """The radar's level feeds rules, its distance does not; 200 + 400 ms leave no second try."""
    river = device(system_of(village()), "river")
    assert [(read.watch, read.label) for read in river.reads] == [
        (True, "river.level"), (False, "river.distance"),
    ]  # fmt: skip
    assert (river.period_ns, river.late_ns, river.attempts) == (250 * MS, 400 * MS, 1)


def test_push_buttons_are_watched_too() -> None:
    panel = device(system_of(village()), "panel")
    assert [read.watch for read in panel.reads] == [True]


def test_a_text_sensor_that_is_asked_brings_its_longest_line_every_period() -> None:
    """R and a line feed, half a second, and 128 characters, every ten seconds."""
    rain = device(system_of(village()), "rain")
    assert (rain.period_ns, rain.attempts, rain.late_ns) == (10_000 * MS, 1, 0)
    (read,) = rain.reads
    assert (read.exchange.question_ns, read.exchange.answer_ns) == (2_083_333, 133_333_333)
    assert (read.exchange.gap_ns, read.exchange.turnaround_ns) == (0, 500 * MS)


def test_a_text_sensor_that_speaks_by_itself_may_take_until_it_is_stale(tmp_path: Path) -> None:
    """No longer interval would go unnoticed; the site's own limit counts if it is given."""
    profile = DEVICE_HEAD.format(kind="rain", protocol="line")
    profile += '[framing]\nterminator = "\\n"\nmax_length = 40\npattern = "(?P<rain>[0-9]+)"\n'
    profile += 'silence_s = 12.5\n[point.rain]\nunit = "mm"\ndecimals = 0\nrange = [0, 9]\n'
    (tmp_path / "mine.toml").write_text(profile, "utf-8")
    text = HEAD + SERIAL.format(
        id="b", kind="ascii", number=1, baud=1200, data_bits=7, parity="even", stop_bits=1
    )
    text += '[[device]]\nid = "d"\nbus = "b"\nprofile = "mine.toml"\n'
    (tmp_path / "site.toml").write_text(text, "utf-8")
    gauge = device(system_of(load_site(tmp_path / "site.toml")), "d")
    assert gauge.period_ns == 12_500 * MS
    (read,) = gauge.reads
    assert (read.exchange.question_ns, read.exchange.turnaround_ns) == (0, 0)
    assert read.exchange.answer_ns == round(40 * 10 * 1e9 / 1200)
    text += '[[point]]\nid = "d.rain"\nstale_s = 3\n'
    (tmp_path / "site.toml").write_text(text, "utf-8")
    assert device(system_of(load_site(tmp_path / "site.toml")), "d").period_ns == 3_000 * MS


def test_what_the_site_says_of_the_proof_is_in_the_system() -> None:
    site = village()
    proof = site.proof.model_copy(
        update={"dead_devices": 3, "compute_ms": 12.5, "exchange_us": 750}
    )
    system = system_of(replace(site, proof=proof))
    assert system.compute_ns == 12_500_000
    assert {(line.dead, line.overhead_ns) for line in system.buses} == {(3, 750_000)}


# -- rules and outputs ------------------------------------------------------------------------


def test_a_rule_commands_the_highest_level_first() -> None:
    """The horn from red on, the siren already from yellow on: as the engine begins them."""
    rules = {rule.name: rule for rule in system_of(village()).rules}
    assert set(rules) == {"river-flood", "pit-gas"}  # river-dry sounds nothing
    assert rules["river-flood"].outputs == ("horn:stop:", "siren:off:channel=1")
    assert rules["river-flood"].inputs == (("river", 0),)
    assert rules["river-flood"].hold_ns == 1_500 * MS
    assert rules["pit-gas"].inputs == (("pit", 0),)


def test_a_rule_drives_only_what_its_levels_reach() -> None:
    """Without red the horn stays silent, and takes no line time either."""
    site = village()
    rules = tuple(
        replace(rule, condition=replace(rule.condition, levels=rule.condition.levels[:2]))
        for rule in site.rules
        if rule.id == "river-flood"
    )
    system = system_of(replace(site, rules=rules))
    assert [rule.outputs for rule in system.rules] == [("siren:off:channel=1",)]
    assert [each.name for line in system.buses for each in line.outputs] == ["siren:off:channel=1"]


def test_a_lost_sensor_counts_as_a_level() -> None:
    site = village()
    condition = site.rules[0].condition
    rule = replace(
        site.rules[0], condition=replace(condition, levels=condition.levels[:2], lost=Level.RED)
    )
    steps = commanded(rule, steps_of(site.plans[0]))
    assert [step.actuator for step in steps] == ["horn", "siren"]


def test_an_output_is_as_slow_as_the_slowest_command_that_may_drive_it() -> None:
    """Play takes thirteen characters, stop eight; both are read back, play with more registers."""
    horn = output(system_of(village()), "horn:stop:")
    assert (horn.device, horn.warm_up_ns) == ("horn", 0)
    assert len(horn.writes) == 1
    assert horn.confirm is not None
    # three registers, not one
    assert horn.confirm.answer_ns == 11_458_333
    assert (horn.within_ns, horn.every_ns) == (1500 * MS, 50 * MS)


def test_the_warm_up_of_an_action_belongs_to_its_output(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "drivers" / "profiles" / "amplifier-generic.toml"
    profile = shipped.read_text("utf-8").replace("[action.play]", "[action.play]\nwarm_up_ms = 700")
    (tmp_path / "mine.toml").write_text(profile, "utf-8")
    text = VILLAGE.read_text("utf-8").replace('"amplifier-generic"', '"mine.toml"')
    (tmp_path / "site.toml").write_text(text, "utf-8")
    assert output(system_of(load_site(tmp_path / "site.toml")), "horn:stop:").warm_up_ns == 700 * MS


@pytest.mark.parametrize(
    ("own_s", "expected"), [(None, 1_000 * MS), (3.5, 3_500 * MS)], ids=["default", "own"]
)
def test_a_rule_that_sounds_something_has_a_budget(own_s: float | None, expected: int) -> None:
    site = village()
    rules = tuple(replace(rule, budget_s=own_s) for rule in site.rules)
    assert {rule.budget_ns for rule in system_of(replace(site, rules=rules)).rules} == {expected}


def test_a_rule_that_only_writes_to_something_else_has_none(tmp_path: Path) -> None:
    """A power meter that is told something is no siren."""
    shipped = Path(__file__).parents[3] / "drivers" / "profiles" / "relay-8ch.toml"
    profile = shipped.read_text("utf-8").replace('kind = "relay"', 'kind = "power"')
    (tmp_path / "mine.toml").write_text(profile, "utf-8")
    text = VILLAGE.read_text("utf-8").replace('"relay-8ch"', '"mine.toml"')
    text = re.sub(r"budget_s = .*\n", "", text)
    start, end = text.index('[[plan.step]]\nlevel = "red"'), text.index("[[acknowledge]]")
    text = text[:start] + text[end:]
    (tmp_path / "site.toml").write_text(text, "utf-8")
    rules = system_of(load_site(tmp_path / "site.toml")).rules
    assert {rule.budget_ns for rule in rules} == {None}
