"""Site files from scans: what comes out passes the check, or says what is missing."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.app.commissioning.place import SerialPlace, TcpPlace, place_from
from edge.app.commissioning.template import (
    DeviceDraft,
    RuleDraft,
    SiteDraft,
    Station,
    draft_buses,
    main_point,
    merge,
    name_devices,
    parse_rule,
    read_stations,
    render,
)
from edge.app.config import ModbusProfile, inspect_site, read_sheet, shipped_profiles
from edge.core.errors import ConfigError

LINE = SerialPlace("/dev/serial/by-id/usb-A1", 9600)
OTHER = SerialPlace("/dev/serial/by-id/usb-A1", 4800)
PROFILES = {
    name: profile
    for name, file in shipped_profiles().items()
    if isinstance(profile := read_sheet(file).profile, ModbusProfile)
}


def draft(**options) -> SiteDraft:
    level = DeviceDraft("level", "line-a", 5, "dfrobot-sen0676", 250, Station(LINE, 5))
    relay = DeviceDraft("relay", "line-a", 3, "relay-8ch", 500, Station(LINE, 3))
    horn = DeviceDraft("amplifier", "line-b", 1, "amplifier-generic", 500, Station(LINE, 1))
    parts = {
        "id": "village",
        "name": "双河村",
        "time_zone": "Asia/Shanghai",
        "buses": {"line-a": LINE, "line-b": TcpPlace("192.0.2.10")},
        "devices": [level, relay, horn],
    }
    return SiteDraft(**(parts | options))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_whole_site_passes_the_check(tmp_path, monkeypatch, language) -> None:
    monkeypatch.setenv("TONGLUO_LANG", language)
    file = tmp_path / "site.toml"
    rules = [RuleDraft("level.level", ">=", "3.20 m")]
    text = render(draft(rules=rules, sirens=["relay", "amplifier"]), PROFILES)
    file.write_text(text, encoding="utf-8")
    site, problems = inspect_site(file)
    assert problems == ()
    assert site is not None
    assert site.rules[0].plan == "alarm"
    steps = [(step.actuator, step.action, dict(step.arguments)) for step in site.plans[0].steps]
    assert steps == [
        ("relay", "on", {"channel": 1}),
        ("amplifier", "play", {"message": 1, "volume": 30}),
    ]
    assert [step.stop for step in site.plans[0].steps] == ["off", "stop"]
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert any("设备" in line for line in comments) is (language == "zh")


def test_without_rules_there_is_no_plan(tmp_path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(render(draft(sirens=["relay"]), PROFILES), encoding="utf-8")
    site, problems = inspect_site(file)
    assert problems == ()
    assert site is not None
    assert site.plans == ()


def test_an_unknown_device_stays_a_comment_and_is_named_as_missing() -> None:
    unknown = DeviceDraft("device", "line-a", 7, None, 500, Station(LINE, 7, ("a", "b")))
    whole = draft(devices=[unknown], elsewhere=[Station(OTHER, 9)])
    assert whole.missing() == [
        "address 7 on line-a: nobody has said what it is",
        (
            "address 9 answers at 4800 8N1, unlike the others of its line: set it alike, or give"
            " it a line of its own"
        ),
    ]
    text = render(whole, PROFILES)
    assert tomllib.loads(text).get("device") is None
    assert "# address = 7" in text
    assert "address 9 answers at 4800 8N1" in text


@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_any_printable_name_survives_the_file(name: str) -> None:
    assert tomllib.loads(render(draft(name=name), PROFILES))["site"]["name"] == name


def test_stations_are_read_from_what_scan_and_identify_print() -> None:
    scan = {
        "kind": "scan",
        "found": [
            LINE.body() | {"address": 5, "identity": {"candidates": ["x", "y"]}},
            {"host": "192.0.2.10", "tcp_port": 502, "address": 1},
        ],
    }
    assert read_stations(json.dumps(scan), "scan.json") == [
        Station(LINE, 5, ("x", "y")),
        Station(TcpPlace("192.0.2.10"), 1),
    ]
    identity = {"kind": "identify", **LINE.body(), "address": 5, "candidates": ["x"]}
    assert read_stations(json.dumps(identity), "i.json") == [Station(LINE, 5, ("x",))]
    merged = merge([Station(LINE, 5, ("x", "y")), Station(LINE, 5), Station(LINE, 5, ("x",))])
    assert merged == [Station(LINE, 5, ("x",))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "scan"}',
        '{"kind": "scan", "found": [{}]}',
        '{"kind": "scan", "found": [7]}',
        '{"kind": "scan", "found": [{"address": 5, "port": "x", "baud": "9600"}]}',
        '{"kind": "identify", "address": "5", "host": "192.0.2.1", "tcp_port": 502}',
    ],
)
def test_what_is_no_scan_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^scan\.json is not what"):
        read_stations(text, "scan.json")


def test_a_line_is_set_as_most_of_its_devices_are() -> None:
    stations = [Station(OTHER, 1), Station(LINE, 2), Station(LINE, 3), Station(TcpPlace("h"), 1)]
    buses, elsewhere = draft_buses(stations)
    assert buses == {"line-a": LINE, "line-b": TcpPlace("h")}
    assert elsewhere == [Station(OTHER, 1)]


def test_ids_are_kinds_numbered_from_the_second() -> None:
    assert name_devices(["level", "relay", "level"]) == ["level", "relay", "level-2"]


def test_rules_are_about_what_warns() -> None:
    assert main_point(PROFILES["dfrobot-sen0676"]) == "level"
    assert main_point(PROFILES["detcon-1000"]) == "h2s"
    assert main_point(PROFILES["relay-8ch"]) is None
    assert parse_rule("level.level >= 3.20 m") == RuleDraft("level.level", ">=", "3.20 m")
    for wrong in ("level.level", "level.level = 3 m", ""):
        with pytest.raises(ConfigError):
            parse_rule(wrong)


def test_a_place_survives_json() -> None:
    for place in (LINE, SerialPlace("x", 9600, "even", 2), TcpPlace("::1", 1502)):
        assert place_from(json.loads(json.dumps(place.body()))) == place
    assert str(TcpPlace("::1", 1502)) == "[::1]:1502"
