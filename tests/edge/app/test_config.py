"""Site files: what a right one gives, and that every mistake is found, at its line, all at once."""

from __future__ import annotations

import copy
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.app.config import Problem, SiteProblems, inspect_site, load_site
from edge.app.proof import judge
from edge.core.errors import ConfigError
from edge.core.model import Level
from edge.core.units import Unit

SITES = Path(__file__).parent / "sites"

SITE = """\
[site]
id = "shuanghe"
name = "双河村"
time_zone = "Asia/Shanghai"

[[bus]]
id = "line-a"
kind = "rtu"
port = "/dev/ttyS1"
baud = 115200
data_bits = 8
parity = "none"
stop_bits = 1

[[bus]]
id = "line-c"
kind = "ascii"
port = "/dev/ttyS3"
baud = 9600
data_bits = 8
parity = "none"
stop_bits = 1

[[bus]]
id = "plant"
kind = "tcp"
host = "192.168.1.20"
tcp_port = 502

[[device]]
id = "river"
bus = "line-a"
profile = "dfrobot-sen0676"
address = 5
period_ms = 250

[[device]]
id = "horn"
bus = "line-a"
profile = "amplifier-generic"
address = 6
period_ms = 5000

[[device]]
id = "rain"
bus = "line-c"
profile = "hydreon-rg15"

[[device]]
id = "gas"
bus = "plant"
profile = "pemtech-pt495"
address = 255
period_ms = 1000

[[point]]
id = "river.level"
range = ["0 m", "8 m"]
stale_s = 5

[[rule]]
id = "flood"
point = "river.level"
comparison = ">="
yellow = "2.60 m"
red = "3.20 m"
hysteresis = "0.10 m"
lost = "hold"
plan = "evacuate"

[[plan]]
id = "evacuate"

[[plan.step]]
level = "red"
actuator = "horn"
action = "play"
arguments = { message = 3, volume = 25 }
stop = "stop"

[[acknowledge]]
point = "horn.state"
by = "button"

[[link]]
id = "district"
kind = "mqtt"
host = "localhost"
port = 1883
tls = false
"""

PROOF = "[proof]\ndead_devices = 3\ncompute_ms = 40.5\nexchange_us = 900\nbudget_s = 2.5\n\n"
OVERRIDE = '[[override]]\nrule = "{rule}"\nreason = "no faster sensor to be had"\n'

Inspect = Callable[[str], tuple[Problem, ...]]


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Writes a site file and gives what is wrong with it."""

    def inspect_text(text: str) -> tuple[Problem, ...]:
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        site, problems = inspect_site(file)
        assert (site is None) == bool(problems)
        return problems

    return inspect_text


def brief(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    """Code and path of each problem."""
    return [(problem.code, problem.path) for problem in problems]


# -- a right file -----------------------------------------------------------------------------


def test_a_village_is_resolved() -> None:
    """Buses, devices, points, rules, plans and links, with defaults filled in."""
    site = load_site(SITES / "village.toml")
    assert (site.site.id, site.site.name, site.site.time_zone) == (
        "shuanghe", "双河村", "Asia/Shanghai",
    )  # fmt: skip
    assert (site.journal.max_mb, site.journal.block_s) == (512, 5.0)
    assert [bus.kind for bus in site.buses] == ["rtu", "rtu", "ascii", "tcp"]
    assert [(device.id, device.address) for device in site.devices] == [
        ("river", 5), ("horn", 1), ("siren", 2), ("panel", 3), ("rain", None), ("pit", 255),
    ]  # fmt: skip
    assert set(site.profiles) == {
        "dfrobot-sen0676", "amplifier-generic", "relay-8ch", "wp8026adam", "hydreon-rg15",
        "pemtech-pt495",
    }  # fmt: skip
    assert [(step.level, step.action, step.until) for step in site.plans[0].steps] == [
        (Level.YELLOW, "on", "returned"), (Level.RED, "play", "normal"),
    ]  # fmt: skip
    assert site.plans[0].steps[0].stop_arguments == {"channel": 1}
    assert [(each.point, each.by) for each in site.acknowledges] == [("panel.di1", "值班室按钮")]
    link = site.links[0]
    assert (link.tls, link.ca_file, link.protocol, link.topic) == (False, None, "5", "tongluo")
    assert site.warnings == ()
    assert (site.proof.dead_devices, site.proof.compute_ms) == (1, 25.0)
    assert (site.proof.exchange_us, site.proof.budget_s) == (500, 1.0)


def test_what_the_proof_is_told_is_taken_over(inspect: Inspect, tmp_path: Path) -> None:
    """[proof], a rule's own budget, and exceptions with their reason."""
    text = SITE.replace("[[bus]]", PROOF + "[[bus]]", 1)
    text = text.replace('plan = "evacuate"', 'plan = "evacuate"\nbudget_s = 30', 1)
    assert inspect(text + OVERRIDE.format(rule="flood")) == ()
    site = load_site(tmp_path / "site.toml")
    assert (site.proof.dead_devices, site.proof.compute_ms) == (3, 40.5)
    assert (site.proof.exchange_us, site.proof.budget_s) == (900, 2.5)
    assert [rule.budget_s for rule in site.rules] == [30.0]
    assert [(each.rule, each.reason) for each in site.overrides] == [
        ("flood", "no faster sensor to be had")
    ]


def test_thresholds_are_in_the_stored_unit_of_the_point() -> None:
    """m, cm and mm give metres exactly; ppb gives ppm; hysteresis too."""
    rules = {rule.id: rule for rule in load_site(SITES / "village.toml").rules}
    flood, gas, dry = rules["river-flood"], rules["pit-gas"], rules["river-dry"]
    assert flood.thresholds == {
        Level.BLUE: 2.0, Level.YELLOW: 2.6, Level.ORANGE: 2.9, Level.RED: 3.2,
    }  # fmt: skip
    assert (flood.hysteresis, flood.hold_s, flood.lost, flood.latch) == (0.1, 1.5, None, Level.RED)
    assert gas.thresholds == {Level.YELLOW: 6.5, Level.RED: 13.0}
    assert (gas.hysteresis, gas.hold_s, gas.lost, gas.latch) == (0.0, 0.0, Level.YELLOW, None)
    assert (dry.plan, list(dry.thresholds)) == (None, [Level.YELLOW, Level.RED])


def test_points_carry_the_refined_range_and_a_tick_by_period() -> None:
    """The site's range replaces the profile's; slow devices keep coarser times."""
    site = load_site(SITES / "village.toml")
    points = {str(point.id): point for point in site.points}
    assert len(points) == len(site.points) == 36
    level = points["river.level"]
    assert (level.unit, level.decimals, level.low, level.high) == (Unit.METRE, 3, 0.0, 8.0)
    assert points["river.distance"].high == 40.0
    assert site.stale_s == {"river.level": 5.0}
    ticks = {name: points[name].tick_ms for name in ("river.level", "pit.gas", "rain.total")}
    assert ticks == {"river.level": 10, "pit.gas": 100, "rain.total": 1000}
    assert [point.id for point in site.points_of(site.devices[0])] == [
        "river.distance", "river.level",
    ]  # fmt: skip


def test_a_polled_text_sensor_has_the_period_of_its_profile() -> None:
    """Unless the site file says another."""
    devices = {device.id: device for device in load_site(SITES / "village.toml").devices}
    assert devices["rain"].period_ms == 10_000
    assert devices["river"].period_ms == 250


def test_names_are_those_people_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the site file, else from the profile in the current language, else the id."""
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    names = load_site(SITES / "village.toml").names
    assert names["shuanghe"] == "双河村"
    assert names["river"] == "河道雷达水位计"
    assert names["river.level"] == "河道水位"
    assert names["river.distance"] == "河道雷达水位计 空高"
    assert names["horn.state"].startswith("horn ")
    assert names["panel.di1"] == "值班室按钮"


def test_the_digest_changes_with_the_site_and_with_a_profile(tmp_path: Path) -> None:
    """It names exactly what was loaded, wherever it lies."""

    def digest(folder: str, site: str, profile: str) -> str:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(profile, encoding="utf-8")
        (tmp_path / folder / "site.toml").write_text(site, encoding="utf-8")
        return load_site(tmp_path / folder / "site.toml").digest

    shipped = Path(__file__).parents[3] / "drivers" / "profiles" / "dfrobot-sen0676.toml"
    profile = shipped.read_text(encoding="utf-8")
    site = SITE.replace('"dfrobot-sen0676"', '"mine.toml"')
    first = digest("a", site, profile)
    assert len(first) == 64
    assert digest("b", site, profile) == first
    assert digest("c", site + "# x\n", profile) != first
    assert digest("d", site, profile + "# x\n") != first


def test_the_load_of_a_line_is_computed_from_the_frames(inspect: Inspect) -> None:
    """9600 8E1 has 11-bit characters; 2 registers: 8 + 5 + 4 characters, 50 ms, t3.5."""
    text = SITE.replace("baud = 115200", "baud = 9600", 1).replace('"none"', '"even"', 1)
    text = text.replace('"dfrobot-sen0676"', '"xy-md02"').replace(
        "period_ms = 250", "period_ms = 500"
    )
    text = text.replace("river.level", "river.humidity").replace(' m"', ' %"')
    text = text.replace("period_ms = 500\n", "period_ms = 20\n")
    char_s = 11 / 9600
    thermometer = (17 * char_s + 0.050 + 3.5 * char_s) / 0.02
    amplifier = ((13 + 2 * 4) * char_s + 0.020 + 3.5 * char_s) / 5
    (problem,) = inspect(text)
    assert problem.found == f"{thermometer + amplifier:.1%}"


def test_oddities_that_may_be_meant_are_warnings(inspect: Inspect, tmp_path: Path) -> None:
    """Factory settings, a plan nobody starts, a plan above its rule; the site still loads."""
    text = SITE.replace("baud = 115200", "baud = 57600").replace('red = "3.20 m"\n', "")
    text += (
        '[[plan]]\nid = "idle"\n[[plan.step]]\nlevel = "red"\nactuator = "horn"\naction = "stop"\n'
    )
    assert inspect(text) == ()
    warnings = load_site(tmp_path / "site.toml").warnings
    assert brief(warnings) == [
        ("factory-settings", "device[0].profile"),
        ("factory-settings", "device[1].profile"),
        ("plan-too-high", "rule[0].plan"),
        ("idle-plan", "plan[1].id"),
    ]
    assert all(warning.line > 1 and warning.message for warning in warnings)


def test_the_examples_of_the_manual_are_right(tmp_path: Path) -> None:
    """docs/site.md: the pieces of the site file together, and the pieces of the profiles."""
    manual = (Path(__file__).parents[3] / "docs" / "site.md").read_text(encoding="utf-8")
    site_part, _, profile_part = manual.partition("## Device profiles")
    site_text = "".join(re.findall(r"```toml\n(.*?)```", site_part, re.DOTALL))
    sensor, actions, framing = re.findall(r"```toml\n(.*?)```", profile_part, re.DOTALL)
    device = sensor[: sensor.index("[line]")].replace('"modbus"', '"line"')
    (tmp_path / "sensor.toml").write_text(sensor + actions, encoding="utf-8")
    (tmp_path / "text.toml").write_text(device + framing, encoding="utf-8")
    (tmp_path / "certs").mkdir()
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / "certs" / name).write_text("pem", encoding="ascii")
        (tmp_path / "certs" / name).chmod(0o600)
    for address, (name, profile) in enumerate(
        [
            ("horn", "amplifier-generic"), ("siren", "relay-8ch"), ("panel", "wp8026adam"),
            ("mine", "sensor.toml"), ("soil", "dfrobot-sen0600"),
        ],
        start=10,
    ):  # fmt: skip
        site_text += f'[[device]]\nid = "{name}"\nbus = "pump-house"\nprofile = "{profile}"\n'
        site_text += f"address = {address}\nperiod_ms = 1000\n"
    site_text += '[[bus]]\nid = "text"\nkind = "ascii"\nport = "/dev/ttyS9"\nbaud = 9600\n'
    site_text += 'data_bits = 8\nparity = "none"\nstop_bits = 1\n'
    site_text += '[[device]]\nid = "gauge"\nbus = "text"\nprofile = "text.toml"\n'
    (tmp_path / "site.toml").write_text(site_text, encoding="utf-8")
    site, problems = inspect_site(tmp_path / "site.toml")
    assert problems == ()
    assert site is not None
    assert (len(site.rules), len(site.plans), len(site.links)) == (2, 1, 1)
    assert [selector.name for selector in site.selectors] == ["soil"]
    judged = judge(site)
    assert judged.refused == ()
    assert [warning.code for warning in judged.warnings] == ["override-idle"]


# -- all mistakes at once ---------------------------------------------------------------------


def test_ten_mistakes_are_reported_at_once_each_in_its_line() -> None:
    """One wrong device hides nothing, and nothing is said twice."""
    with pytest.raises(SiteProblems) as caught:
        load_site(SITES / "mistakes.toml")
    found = [(problem.line, problem.path, problem.code) for problem in caught.value.problems]
    assert found == [
        (5, "site.time_zone", "bad-zone"),
        (14, "bus[0].stopbits", "unknown-key"),
        (21, "device[0].address", "wrong-type"),
        (26, "device[1].bus", "dangling"),
        (29, "device[1].period_ms", "out-of-range"),
        (40, "rule[0].point", "dangling"),
        (51, "rule[1].orange", "level-order"),
        (52, "rule[1].red", "unknown-unit"),
        (59, "rule[2].red", "wrong-dimension"),
        (69, "plan[0].step[0].arguments.volume", "out-of-range"),
    ]
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value).count("mistakes.toml:") == 10


def test_a_problem_says_what_was_found_what_is_allowed_and_what_was_meant() -> None:
    """Text, JSON and the three parts."""
    problems = {each.path: each for each in inspect_site(SITES / "mistakes.toml")[1]}
    dimension = problems["rule[2].red"]
    assert (dimension.found, dimension.allowed) == ('"3 ppm"', "m, cm, mm")
    assert "volume fraction" in dimension.message
    assert "length" in dimension.message
    assert problems["rule[1].red"].allowed == "m, cm, mm"
    assert "river.level" in problems["rule[0].point"].hint
    assert "stop_bits" in problems["bus[0].stopbits"].hint
    assert "Asia/Shanghai" in problems["site.time_zone"].hint
    assert json.loads(json.dumps(dimension.json())) == {
        "file": str(SITES / "mistakes.toml"), "line": 59, "path": "rule[2].red",
        "code": "wrong-dimension", "message": dimension.message, "found": '"3 ppm"',
        "allowed": "m, cm, mm", "hint": "", "column": None,
    }  # fmt: skip


def test_the_problems_of_a_profile_stand_in_its_own_file(tmp_path: Path) -> None:
    """Site and profile are reported together, sorted by file and line, the profile only once."""
    (tmp_path / "mine.toml").write_text(
        '[device]\nname = "x"\nmaker = "x"\nmodel = "x"\nkind = "level"\nprotocol = "modbus"\n'
        'verified = false\nsource = "x"\n[timing]\nturnaround_ms = 1\ntimeout_ms = 2\nlate_ms = 3\n'
        '[point.level]\ntable = "holding"\naddress = 0\ntype = "u16"\ndecimals = 0\n'
        'unit = "fathom"\nrange = [0, 9]\n',
        encoding="utf-8",
    )
    text = SITE.replace('"dfrobot-sen0676"', '"mine.toml"')
    text = text.replace('"amplifier-generic"', '"mine.toml"').replace('"shuanghe"', '"Shuanghe"')
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    problems = inspect_site(tmp_path / "site.toml")[1]
    assert [(Path(each.file).name, each.line, each.code) for each in problems] == [
        ("mine.toml", 18, "unknown-unit"),
        ("site.toml", 2, "bad-id"),
        ("site.toml", 76, "no-actions"),
        ("site.toml", 82, "dangling"),
    ]


def test_a_reference_to_a_wrong_device_is_not_dangling(inspect: Inspect) -> None:
    """Follow-up errors would hide the one that matters."""
    text = SITE.replace('id = "river"\nbus = "line-a"', 'id = "river"\nbus = "line-x"')
    text = text.replace('profile = "amplifier-generic"', 'profile = "amplifier-generik"')
    assert brief(inspect(text)) == [
        ("dangling", "device[0].bus"),
        ("dangling", "device[1].profile"),
    ]


SECOND_GAUGE = '[[device]]\nid = "rain2"\nbus = "line-c"\nprofile = "hydreon-rg15"\n'

MISTAKES = [
    # old, new, problem code, path
    ("[site]", "[sit]", "missing-table", "site"),
    ("[site]", "[[site]]", "not-a-list", "site"),
    ('name = "双河村"\n', "", "missing-key", "site.name"),
    ('name = "双河村"', 'name = "双\\u001b[31m"', "bad-text", "site.name"),
    ('name = "双河村"', 'name = "双河村"\nlatitude = 29.3', "missing-key", "site.longitude"),
    ('name = "双河村"', 'name = "双河村"\nlatitude = 129.3\nlongitude = 1', "out-of-range",
     "site.latitude"),
    ('"shuanghe"', '"shuang_he"', "bad-id", "site.id"),
    ('"Asia/Shanghai"', '"../etc"', "bad-zone", "site.time_zone"),
    ('"Asia/Shanghai"', '"Asia"', "bad-zone", "site.time_zone"),
    ("[[bus]]\nid = \"line-a\"", "[journal]\nmax_mb = 4\n[[bus]]\nid = \"line-a\"",
     "out-of-range", "journal.max_mb"),
    ('[[bus]]\nid = "line-a"', '[proof]\ndead_devices = 9\n[[bus]]\nid = "line-a"',
     "out-of-range", "proof.dead_devices"),
    ('[[bus]]\nid = "line-a"', '[proof]\ndead_devices = 1.0\n[[bus]]\nid = "line-a"',
     "wrong-type", "proof.dead_devices"),
    ('[[bus]]\nid = "line-a"', '[proof]\ncompute_ms = -1\n[[bus]]\nid = "line-a"',
     "out-of-range", "proof.compute_ms"),
    ('[[bus]]\nid = "line-a"', '[proof]\nexchange_us = 0.5\n[[bus]]\nid = "line-a"',
     "wrong-type", "proof.exchange_us"),
    ('[[bus]]\nid = "line-a"', '[proof]\nbudget_s = "1 s"\n[[bus]]\nid = "line-a"',
     "wrong-type", "proof.budget_s"),
    ('[[bus]]\nid = "line-a"', '[proof]\nbudget_ms = 1000\n[[bus]]\nid = "line-a"',
     "unknown-key", "proof.budget_ms"),
    ('[[bus]]\nid = "line-a"', '[[proof]]\nbudget_s = 1\n[[bus]]\nid = "line-a"',
     "not-a-list", "proof"),
    ("[[link]]", "[link]", "not-a-table", "link"),
    ("[[link]]", "[[lnik]]", "unknown-key", "lnik"),
    # buses
    ('kind = "rtu"', 'kind = "rut"', "not-one-of", "bus[0].kind"),
    ("baud = 115200", "baud = 14400", "not-one-of", "bus[0].baud"),
    ("baud = 115200", 'baud = "115200"', "not-one-of", "bus[0].baud"),
    ("stop_bits = 1", "stop_bits = true", "not-one-of", "bus[0].stop_bits"),
    ("stop_bits = 1", "stop_bits = 1.0", "not-one-of", "bus[0].stop_bits"),
    ("data_bits = 8", "data_bits = 7", "not-one-of", "bus[0].data_bits"),
    ('parity = "none"\n', "", "missing-key", "bus[0].parity"),
    ('"/dev/ttyS1"', '"ttyS1"', "bad-port", "bus[0].port"),
    ('"/dev/ttyS3"', '"/dev/ttyS1"', "duplicate-port", "bus[1].port"),
    ('"/dev/ttyS3"', '"/dev/../dev/ttyS1"', "duplicate-port", "bus[1].port"),
    ('"192.168.1.20"', '"tcp://192.168.1.20"', "bad-host", "bus[2].host"),
    ("tcp_port = 502", "tcp_port = 0", "out-of-range", "bus[2].tcp_port"),
    ("tcp_port = 502", "tcp_port = 502\nbaud = 9600", "not-applicable", "bus[2].baud"),
    ('id = "line-c"', 'id = "line-a"', "duplicate-id", "bus[1].id"),
    # devices
    ("address = 5", "address = 0", "out-of-range", "device[0].address"),
    ("address = 255", "address = 0", "out-of-range", "device[3].address"),
    ("address = 255", "address = 256", "out-of-range", "device[3].address"),
    ("address = 5", "address = 248", "out-of-range", "device[0].address"),
    ("address = 5", "address = true", "wrong-type", "device[0].address"),
    ("address = 5", "address = 5.0", "wrong-type", "device[0].address"),
    ("address = 5\n", "", "missing-key", "device[0].address"),
    ("address = 6", "address = 5", "duplicate-address", "device[1].address"),
    ("period_ms = 250\n", "", "missing-key", "device[0].period_ms"),
    ("period_ms = 250", "period_ms = 3600001", "out-of-range", "device[0].period_ms"),
    ('profile = "hydreon-rg15"', 'profile = "hydreon-rg15"\naddress = 1', "not-applicable",
     "device[2].address"),
    ('profile = "hydreon-rg15"', 'profile = "hydreon-rg-15"', "dangling", "device[2].profile"),
    ('profile = "hydreon-rg15"', 'profile = "../hydreon-rg15"', "bad-profile",
     "device[2].profile"),
    ('profile = "hydreon-rg15"', 'profile = "absent.toml"', "dangling", "device[2].profile"),
    ('bus = "line-c"', 'bus = "line-a"', "protocol-mismatch", "device[2].bus"),
    ('bus = "line-c"', 'bus = "line-d"', "dangling", "device[2].bus"),
    ('id = "horn"', 'id = "river"', "duplicate-id", "device[1].id"),
    ('[[device]]\nid = "gas"', SECOND_GAUGE + '[[device]]\nid = "gas"', "second-device",
     "device[3].bus"),
    # points
    ('range = ["0 m", "8 m"]', 'range = ["8 m", "0 m"]', "range-order", "point[0].range"),
    ('range = ["0 m", "8 m"]', 'range = ["0 m", "80 m"]', "range-wider", "point[0].range"),
    ('range = ["0 m", "8 m"]', 'range = ["0 m", "8 V"]', "wrong-dimension", "point[0].range"),
    ('range = ["0 m", "8 m"]', 'range = ["0 m", "8 mtr"]', "unknown-unit", "point[0].range[1]"),
    ('range = ["0 m", "8 m"]', 'range = ["0 m", 8]', "wrong-type", "point[0].range[1]"),
    ("stale_s = 5", "stale_s = 0.2", "too-small", "point[0].stale_s"),
    ('id = "river.level"', 'id = "river.depth"', "dangling", "point[0].id"),
    # rules
    ('point = "river.level"', 'point = "river"', "bad-point", "rule[0].point"),
    ('point = "river.level"', 'point = "rivre.level"', "dangling", "rule[0].point"),
    ('comparison = ">="', 'comparison = "=>"', "not-one-of", "rule[0].comparison"),
    ('comparison = ">="', 'comparison = "<="', "level-order", "rule[0].red"),
    ('yellow = "2.60 m"', 'yellow = "3.20 m"', "level-order", "rule[0].red"),
    ('yellow = "2.60 m"', "yellow = 2.6", "wrong-type", "rule[0].yellow"),
    ('yellow = "2.60 m"', 'yellow = "2,60 m"', "not-a-quantity", "rule[0].yellow"),
    ('yellow = "2.60 m"', 'yellow = "２.60 m"', "not-a-quantity", "rule[0].yellow"),
    ('yellow = "2.60 m"', 'yellow = "1e400 m"', "not-a-quantity", "rule[0].yellow"),
    ('yellow = "2.60 m"', 'yellow = "2.60"', "wrong-dimension", "rule[0].yellow"),
    ('yellow = "2.60 m"', 'yellow = "2.60 米"', "unknown-unit", "rule[0].yellow"),
    ('red = "3.20 m"', 'red = "9 m"', "never-reached", "rule[0].red"),
    ('red = "3.20 m"', 'red = "3.20 m"\norenge = "3 m"', "unknown-key", "rule[0].orenge"),
    ('yellow = "2.60 m"\nred = "3.20 m"\n', "", "no-levels", "rule[0]"),
    ('yellow = "2.60 m"', 'yellow = "0 m"', "never-returns", "rule[0].yellow"),
    ('"0.10 m"', '"-0.10 m"', "hysteresis-negative", "rule[0].hysteresis"),
    ('"0.10 m"', '"60 cm"', "hysteresis-gap", "rule[0].hysteresis"),
    ('"0.10 m"', '"0.10 %"', "wrong-dimension", "rule[0].hysteresis"),
    ('lost = "hold"\n', "", "missing-key", "rule[0].lost"),
    ('lost = "hold"', 'lost = "purple"', "not-one-of", "rule[0].lost"),
    ('lost = "hold"', 'lost = "hold"\nhold_s = -1', "out-of-range", "rule[0].hold_s"),
    ('lost = "hold"', 'lost = "hold"\nhold_s = inf', "out-of-range", "rule[0].hold_s"),
    ('plan = "evacuate"', 'plan = "evacuat"', "dangling", "rule[0].plan"),
    ('plan = "evacuate"', "budget_s = 2", "not-applicable", "rule[0].budget_s"),
    ('plan = "evacuate"', 'plan = "evacuate"\nbudget_s = 0', "out-of-range", "rule[0].budget_s"),
    ('plan = "evacuate"', 'plan = "evacuate"\nbudget_s = "1"', "wrong-type", "rule[0].budget_s"),
    # overrides
    ("[[plan]]", f'{OVERRIDE.format(rule="flodd")}[[plan]]', "dangling", "override[0].rule"),
    ("[[plan]]", f'{OVERRIDE.format(rule="flood")}{OVERRIDE.format(rule="flood")}[[plan]]',
     "duplicate-id", "override[1].rule"),
    ("[[plan]]", '[[override]]\nrule = "flood"\n[[plan]]', "missing-key", "override[0].reason"),
    ("[[plan]]", '[[override]]\nrule = "flood"\nreason = " "\n[[plan]]', "bad-text",
     "override[0].reason"),
    ("[[plan]]", '[override]\nrule = "flood"\nreason = "x"\n[[plan]]', "not-a-table", "override"),
    # plans
    ('actuator = "horn"', 'actuator = "hron"', "dangling", "plan[0].step[0].actuator"),
    ('actuator = "horn"', 'actuator = "river"', "no-actions", "plan[0].step[0].actuator"),
    ('action = "play"', 'action = "sing"', "dangling", "plan[0].step[0].action"),
    ('stop = "stop"', 'stop = "stpo"', "dangling", "plan[0].step[0].stop"),
    ('stop = "stop"', "stop_arguments = { x = 1 }", "not-applicable",
     "plan[0].step[0].stop_arguments"),
    ('level = "red"', 'level = "read"', "not-one-of", "plan[0].step[0].level"),
    ("message = 3, ", "", "missing-argument", "plan[0].step[0].arguments.message"),
    ("message = 3, ", "mesage = 3, ", "unknown-argument", "plan[0].step[0].arguments.mesage"),
    ("message = 3, ", "message = 0, ", "out-of-range", "plan[0].step[0].arguments.message"),
    ("message = 3, ", "message = true, ", "wrong-type", "plan[0].step[0].arguments.message"),
    ("message = 3, ", 'message = "3", ', "wrong-type", "plan[0].step[0].arguments.message"),
    ("[[plan.step]]\n", "[[plan.stop]]\n", "no-steps", "plan[0]"),
    ("[[plan.step]]\n", "[plan.step]\n", "not-a-table", "plan[0].step"),
    # push-buttons and links
    ('point = "horn.state"', 'point = "horn.volume"', "not-a-state", "acknowledge[0].point"),
    ('host = "localhost"', 'host = "mqtt.example.org"', "tls-required", "link[0].tls"),
    ("tls = false", "tls = true", "missing-key", "link[0].key_file"),
    ("tls = false", 'tls = false\nca_file = "x"', "not-applicable", "link[0].ca_file"),
    ("tls = false", 'tls = false\nkind = "mqtt5"', "syntax", ""),
    ("tls = false", 'tls = false\ntopic = "a/#"', "bad-topic", "link[0].topic"),
    ("tls = false", "tls = false\nwindow = 101", "out-of-range", "link[0].window"),
    ("tls = false", 'tls = false\nprotocol = "4"', "not-one-of", "link[0].protocol"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m[2]}-{m[3]}")
def test_a_mistake_is_found_and_nothing_else_is_said(
    inspect: Inspect, mistake: tuple[str, str, str, str]
) -> None:
    """Each mistake planted into a right file: its code, its path, its line, and no line too far."""
    old, new, code, path = mistake
    assert old in SITE
    text = SITE.replace(old, new, 1)
    problems = inspect(text)
    assert (code, path) in brief(problems)
    problem = problems[brief(problems).index((code, path))]
    key = path.rpartition(".")[2].partition("[")[0]
    line = text.splitlines()[problem.line - 1]
    assert key in line or code in ("missing-key", "missing-table", "missing-argument", "syntax")
    assert "{" not in problem.message.replace("{ x", "")


FOLLOWED = {
    ("sit", "missing-table"), ("site", "missing-table"), ("lnik", "unknown-key"),
    ("link[0].key_file", "missing-key"), ("plan[0]", "no-steps"),
    ("plan[0].step[0].arguments.mesage", "unknown-argument"), ("device[1].id", "duplicate-id"),
    ("bus[1].id", "duplicate-id"), ("rule[0].comparison", "not-one-of"),
    ("rule[0].budget_s", "not-applicable"),
    ("plan[0].step", "not-a-table"), ("rule[0].red", "level-order"),
    ("bus[0].data_bits", "not-one-of"), ("plan[0].step[0].stop_arguments", "not-applicable"),
}  # fmt: skip


@pytest.mark.parametrize(
    "mistake",
    [mistake for mistake in MISTAKES if (mistake[3], mistake[2]) not in FOLLOWED],
    ids=lambda m: f"{m[2]}-{m[3]}",
)
def test_one_mistake_is_one_problem(inspect: Inspect, mistake: tuple[str, str, str, str]) -> None:
    """No follow-up noise: what a mistake makes unknowable is not guessed at."""
    old, new, code, path = mistake
    assert brief(inspect(SITE.replace(old, new, 1))) == [(code, path)]


def test_every_third_mistake_of_all_kinds_together(inspect: Inspect) -> None:
    """Many mistakes in one file are all reported: none hides another."""
    text, planted = SITE, []
    for old, new, code, path in (
        ('"shuanghe"', '"shuang_he"', "bad-id", "site.id"),
        ("baud = 115200", "baud = 14400", "not-one-of", "bus[0].baud"),
        ("tcp_port = 502", "tcp_port = 0", "out-of-range", "bus[2].tcp_port"),
        ("address = 5", "address = 5.0", "wrong-type", "device[0].address"),
        ('"amplifier-generic"', '"amplifier-generik"', "dangling", "device[1].profile"),
        ('bus = "line-c"', 'bus = "line-d"', "dangling", "device[2].bus"),
        ('"8 m"', '"8 V"', "wrong-dimension", "point[0].range"),
        ('yellow = "2.60 m"', "yellow = 2.6", "wrong-type", "rule[0].yellow"),
        ('"0.10 m"', '"0.10 %"', "wrong-dimension", "rule[0].hysteresis"),
        ('lost = "hold"', 'lots = "hold"', "unknown-key", "rule[0].lots"),
        ('plan = "evacuate"', 'plan = "evacuat"', "dangling", "rule[0].plan"),
        ('level = "red"', 'level = "read"', "not-one-of", "plan[0].step[0].level"),
        ("port = 1883", "port = 70000", "out-of-range", "link[0].port"),
        ("tls = false", 'tls = "no"', "wrong-type", "link[0].tls"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
        planted.append((code, path))
    planted.append(("missing-key", "rule[0].lost"))
    assert sorted(brief(inspect(text))) == sorted(planted)


def test_an_overloaded_line_is_refused_with_its_numbers(inspect: Inspect) -> None:
    """At 1200 baud the radar alone asks for more than there is; the largest term is first."""
    problems = inspect(SITE.replace("baud = 115200", "baud = 1200", 1))
    assert brief(problems) == [("line-overload", "bus[0].baud")]
    # 2 reads of (8 + 5 + 2) characters and t3.5 of 10/1200 s each, and 30 ms, every 250 ms
    river = 2 * ((15 + 3.5) * 10 / 1200 + 0.030) / 0.25
    horn = ((13 + 8 + 3.5) * 10 / 1200 + 0.020) / 5
    assert f"river {river:.1%} + horn {horn:.1%}" in problems[0].message
    assert problems[0].found == f"{river + horn:.1%}"
    assert problems[0].hint


def test_a_refined_range_bounds_the_thresholds(inspect: Inspect) -> None:
    """5 m is within the profile's range but above this site's."""
    text = SITE.replace('"8 m"', '"4 m"').replace('"3.20 m"', '"5 m"')
    assert brief(inspect(text)) == [("never-reached", "rule[0].red")]


@pytest.mark.parametrize(
    ("comparison", "red", "hysteresis", "code"),
    [
        (">=", "0.01 m", "0 m", None),
        (">=", "0.10 m", "0.10 m", "never-returns"),
        (">", "0.10 m", "0.10 m", None),
        (">", "0.10 m", "0.11 m", "never-returns"),
        (">=", "0.3 m", "0.3 m", "never-returns"),
        (">=", "8 m", "0 m", None),
        (">", "8 m", "0 m", "never-reached"),
        ("<=", "8 m", "0 m", "never-returns"),
        ("<=", "7.9 m", "0.1 m", "never-returns"),
        ("<", "7.9 m", "0.1 m", None),
        ("<=", "0 m", "0 m", None),
        ("<", "0 m", "0 m", "never-reached"),
    ],
)
def test_a_rule_can_begin_and_end(
    inspect: Inspect, comparison: str, red: str, hysteresis: str, code: str | None
) -> None:
    """At the edges of the range a rule must be able to become true, and to become false again."""
    text = SITE.replace('yellow = "2.60 m"\n', "").replace('">="', f'"{comparison}"')
    text = text.replace('"0.10 m"', f'"{hysteresis}"').replace('"3.20 m"', f'"{red}"')
    assert [problem.code for problem in inspect(text)] == ([code] if code else [])


# -- broadcasts -------------------------------------------------------------------------------

SHIPPED = Path(__file__).parents[3] / "drivers" / "profiles"


def broadcasting(folder: Path) -> str:
    """The site with an amplifier that plays by broadcast."""
    profile = (SHIPPED / "amplifier-generic.toml").read_text("utf-8")
    profile = profile.replace("[action.play]", "[action.play]\nbroadcast = true")
    (folder / "all.toml").write_text(profile, "utf-8")
    return SITE.replace('"amplifier-generic"', '"all.toml"')


def test_a_broadcast_warns_of_the_other_devices_that_it_reaches(
    inspect: Inspect, tmp_path: Path
) -> None:
    """They may take it for theirs; alone on its line it reaches nobody else."""
    text = broadcasting(tmp_path)
    assert inspect(text) == ()
    (warning,) = [
        each
        for each in load_site(tmp_path / "site.toml").warnings
        if each.code == "broadcast-shared"
    ]
    assert warning.path == "plan[0].step[0].action"
    assert "river" in warning.message
    elsewhere = text.replace('id = "river"\nbus = "line-a"', 'id = "river"\nbus = "plant"')
    assert inspect(elsewhere) == ()
    codes = {each.code for each in load_site(tmp_path / "site.toml").warnings}
    assert "broadcast-shared" not in codes


def test_a_broadcast_needs_a_line(inspect: Inspect, tmp_path: Path) -> None:
    """On TCP there is one device at the other end, and address 0 is not it."""
    text = broadcasting(tmp_path).replace(
        'id = "horn"\nbus = "line-a"', 'id = "horn"\nbus = "plant"'
    )
    assert brief(inspect(text)) == [("broadcast-tcp", "plan[0].step[0].action")]


def test_a_text_sensor_is_not_asked_faster_than_it_answers(
    inspect: Inspect, tmp_path: Path
) -> None:
    profile = (SHIPPED / "hydreon-rg15.toml").read_text("utf-8")
    (tmp_path / "slow.toml").write_text(
        profile.replace("period_ms = 10_000", "period_ms = 10_000\nturnaround_ms = 900"), "utf-8"
    )
    text = SITE.replace('"hydreon-rg15"', '"slow.toml"')
    assert inspect(text) == ()
    text = text.replace('"slow.toml"', '"slow.toml"\nperiod_ms = 900')
    assert brief(inspect(text)) == [("too-small", "device[2].period_ms")]


# -- certificates -----------------------------------------------------------------------------


def tls_site(**files: str) -> str:
    """A link to a broker elsewhere, with these certificate files."""
    lines = "".join(f'{key} = "{name}"\n' for key, name in files.items())
    return SITE.replace("localhost", "mqtt.example.org").replace("tls = false\n", lines)


def test_certificate_files_are_checked(inspect: Inspect, tmp_path: Path) -> None:
    """Absent, empty, a directory, readable by others; right ones become absolute."""
    (tmp_path / "certs").mkdir()
    names = {"ca_file": "certs/ca.pem", "cert_file": "certs/own.pem", "key_file": "certs/own.key"}
    text = tls_site(**names)
    assert brief(inspect(text)) == [("no-file", f"link[0].{key}") for key in names]
    for name in names.values():
        (tmp_path / name).write_text("pem", encoding="ascii")
        (tmp_path / name).chmod(0o640)
    problems = inspect(text)
    assert brief(problems) == [("key-exposed", "link[0].key_file")]
    assert "0640" in problems[0].message
    (tmp_path / "certs/own.key").chmod(0o600)
    assert inspect(text) == ()
    link = load_site(tmp_path / "site.toml").links[0]
    assert link.tls
    assert link.ca_file == (tmp_path / "certs/ca.pem").absolute()
    assert link.key_file is not None
    assert link.key_file.is_absolute()
    (tmp_path / "certs/ca.pem").write_bytes(b"")
    assert brief(inspect(tls_site(**{**names, "cert_file": "certs"}))) == [
        ("file-empty", "link[0].ca_file"),
        ("file-special", "link[0].cert_file"),
    ]


# -- files that are no text -------------------------------------------------------------------


def codes(path: Path) -> list[tuple[str, int]]:
    """Code and line of each problem of a file."""
    return [(problem.code, problem.line) for problem in inspect_site(path)[1]]


def test_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    """Absent, a directory, a pipe, too large, an impossible name: no exception, no waiting."""
    assert codes(tmp_path / "absent.toml") == [("file-absent", 1)]
    assert codes(tmp_path) == [("file-directory", 1)]
    assert codes(tmp_path / "a\0b") == [("file-unreadable", 1)]
    assert codes(tmp_path / ("x" * 300)) == [("file-unreadable", 1)]
    os.mkfifo(tmp_path / "pipe")
    assert codes(tmp_path / "pipe") == [("file-special", 1)]
    (tmp_path / "large.toml").write_bytes(b"#" * ((1 << 20) + 1))
    assert codes(tmp_path / "large.toml") == [("file-too-large", 1)]
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert codes(tmp_path / "loop") == [("file-unreadable", 1)]


def test_a_file_without_permission_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the check is told to look at owner and mode."""
    file = tmp_path / "site.toml"
    file.write_text(SITE, encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert codes(file) == [("file-denied", 1)]


def test_bytes_that_are_no_toml_are_problems(tmp_path: Path) -> None:
    """Encoding and syntax mistakes have their line; a byte order mark does not hide the rest."""
    file = tmp_path / "site.toml"
    good = SITE.encode()
    cases = [
        (b"", [("missing-table", 1)]),
        (b"[site]\nid = \xff\n", [("file-encoding", 2)]),
        ("[site]\n".encode("utf-16"), [("file-encoding", 1)]),
        (SITE.encode("gb18030"), [("file-encoding", 3)]),
        (good + b"x = [1,\n", [("syntax", good.count(b"\n") + 1)]),
        (good.replace(b"tls = false", b"tls = False"), [("syntax", good.count(b"\n"))]),
        (b'[site]\nid = "a"\nid = "b"\n', [("syntax", 3)]),
        (b"a = " + b"[" * 50_000, [("syntax-nesting", 1)]),
        (b"a = " + b"1" * 5000, [("syntax", 1)]),
        (b"\xef\xbb\xbf" + good, [("file-bom", 1)]),
        (b"\xef\xbb\xbf" + good.replace(b"baud = 9600", b"baud = 9601"),
         [("file-bom", 1), ("not-one-of", 19)]),
        (good.replace(b"\n", b"\r\n"), []),
        (good.replace(b"\n", b"\r\n").replace(b"baud = 9600", b"baud = 9601"),
         [("not-one-of", 19)]),
        (good.replace(b"\n", b"\r"), [("syntax", 1)]),
    ]  # fmt: skip
    for content, expected in cases:
        file.write_bytes(content)
        assert codes(file) == expected, content[:40]


def test_strange_keys_and_values_are_shown_safely(inspect: Inspect) -> None:
    """No control characters reach the terminal, long values are cut."""
    text = SITE + f'"\\u001b[31m" = 1\n"a b" = 1\nx = "{"y" * 500}"\n'
    shown = "\n".join(str(problem) for problem in inspect(text))
    assert "\x1b" not in shown
    assert 'link[0]."a b"' in shown
    assert max(map(len, shown.splitlines())) < 400


# -- whatever is in the file, no exception ----------------------------------------------------

NUMBERS = [0, 1, -1, 5.5, True, False, 10**30]
WORDS = ["", "x", "1 m", "-1 mm", "12 ppm", "hold", "red", ">=", "line-a", "river", "river.level"]
MORE_WORDS = ["horn", "play", "/dev/x", "a.toml", "$x", "\u202e"]
VALUES = st.recursive(
    st.sampled_from([*NUMBERS, *WORDS, *MORE_WORDS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "step", "level", "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def dump(value: object) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    return json.dumps(value)


def places(value: object) -> list[tuple[object, object]]:
    """Every container in a document with each of its keys."""
    found: list[tuple[object, object]] = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places(value[key])]
    return found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_document_gives_a_site_or_problems(tmp_path: Path, data: st.DataObject) -> None:
    """Values replaced and keys removed anywhere: always an answer, with lines in the file."""
    document = copy.deepcopy(tomllib.loads(SITE))
    for _ in range(data.draw(st.integers(1, 4))):
        owner, key = data.draw(st.sampled_from(places(document)))
        if data.draw(st.booleans()):
            owner[key] = data.draw(VALUES)  # type: ignore[index]  # a dict or a list
        elif isinstance(owner, dict):
            del owner[key]
    file = tmp_path / "site.toml"
    text = "".join(f"{json.dumps(key)} = {dump(value)}\n" for key, value in document.items())
    file.write_text(text, encoding="utf-8")
    site, problems = inspect_site(file)
    assert (site is None) == bool(problems)
    assert all(1 <= problem.line <= len(document) + 1 for problem in problems)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, len(SITE.encode()) - 1), st.binary(max_size=4), st.integers(0, 40))
def test_any_bytes_give_a_site_or_problems(
    tmp_path: Path, at: int, put: bytes, removed: int
) -> None:
    """A few bytes changed anywhere in the file."""
    content = SITE.encode()
    file = tmp_path / "site.toml"
    file.write_bytes(content[:at] + put + content[at + removed :])
    site, problems = inspect_site(file)
    assert (site is None) == bool(problems)


def test_a_name_for_a_field_bus_is_refused_because_nothing_may_wait_for_a_look_up(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        '[site]\nid = "a"\nname = "a"\ntime_zone = "Asia/Shanghai"\n'
        '[[bus]]\nid = "plc"\nkind = "tcp"\nhost = "plc.example"\ntcp_port = 502\n',
        "utf-8",
    )
    _, problems = inspect_site(site)
    assert [(p.line, p.code) for p in problems if p.path == "bus[0].host"] == [(8, "bad-host")]


def test_two_links_to_one_broker_are_refused_because_they_would_throw_each_other_out(
    tmp_path: Path,
) -> None:
    link = '[[link]]\nid = "{}"\nkind = "mqtt"\nhost = "127.0.0.1"\nport = 1883\ntls = false\n'
    site = tmp_path / "site.toml"
    site.write_text(
        '[site]\nid = "a"\nname = "a"\ntime_zone = "Asia/Shanghai"\n'
        + link.format("one")
        + link.format("two"),
        "utf-8",
    )
    _, problems = inspect_site(site)
    assert [(p.line, p.code) for p in problems] == [(14, "duplicate-broker")]
