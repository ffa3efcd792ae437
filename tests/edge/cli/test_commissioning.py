"""scan, identify, set-address and new as commands, on a terminal and over TCP."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli.line_words import duration, numbers, server
from edge.cli.main import main
from tools.twins.addressable import Addressable
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave, TcpSlave
from tools.twins.modbus_unit import WRITES, Unit
from tools.twins.outputs import RelayBoard
from tools.twins.tcp_line import TcpLine
from tools.twins.tuned_line import TunedPtyLine
from tools.twins.village import MODELS
from tools.twins.world import World

RADAR = {1: 4800, 3: 1200, 0x03F4: 1}
Lines = Callable[..., TunedPtyLine]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def line_of(tmp_path: Path) -> Iterator[Lines]:
    """Starts a line with these slaves by baud rate."""
    with contextlib.ExitStack() as stack:

        def start(groups: dict[int, RtuSlave]) -> TunedPtyLine:
            tuned = {LineTime(baud): slave for baud, slave in groups.items()}
            return stack.enter_context(TunedPtyLine(tuned, tmp_path / "line"))

        yield start


def asked(line: TunedPtyLine) -> set[int]:
    return {frame[1] for frame in line.slaves.asked}


def test_scan_identify_new_check(line_of: Lines, tmp_path: Path, capfd) -> None:
    """A technician's way from an unknown line to a site file that passes."""
    world = World(time.monotonic_ns, {"river.level": 1.2})
    relay = RelayBoard(world)
    units = {1: MODELS["radar-sen0676"](world), 3: relay}
    line = line_of({38400: RtuSlave(units, turnaround_ms=5)})
    scanning = ["scan", line.path, "--baud", "9600,38400", "--parity", "none"]
    scanning += ["--addresses", "1-3", "--timeout-ms", "60"]
    assert main([*scanning, "--identify", "--json"]) == 0
    printed = capfd.readouterr()
    scan = json.loads(printed.out)
    assert scan["finished"]
    assert [(each["baud"], each["address"]) for each in scan["found"]] == [(38400, 1), (38400, 3)]
    assert [each["identity"]["candidates"] for each in scan["found"]] == [
        ["dfrobot-sen0676"],
        ["relay-8ch"],
    ]
    assert "2 settings (9600 8N1, 38400 8N1), 3 addresses each: about 3 s" in printed.err
    assert not asked(line) & WRITES
    assert relay.changes.as_json() == []

    scan["found"] = [each | {"port": "/dev/ttyS9"} for each in scan["found"]]
    (tmp_path / "scan.json").write_text(json.dumps(scan), "utf-8")
    site = tmp_path / "site.toml"
    making = ["new", str(site), "--from-scan", str(tmp_path / "scan.json"), "--id", "village"]
    making += ["--name", "双河村", "--red", "level.level >= 3.20 m", "--siren", "relay", "--yes"]
    assert main([*making, "--period-ms", "200"]) == 0, capfd.readouterr()
    assert "passes the check" in capfd.readouterr().out
    assert main(["check", str(site)]) == 0
    assert main(making) == 2
    assert "is there already" in capfd.readouterr().err


def test_scan_prints_a_table_and_says_what_is_missing_of_a_site(
    line_of: Lines, tmp_path: Path, capfd
) -> None:
    line = line_of({9600: RtuSlave({3: Unit(coils=[0]), 4: Unit(holding=[1])}, turnaround_ms=5)})
    bus = f'[[bus]]\nid = "a"\nkind = "rtu"\nport = "{line.path}"\nbaud = 9600\ndata_bits = 8\n'
    bus += 'parity = "none"\nstop_bits = 1\n'
    devices = "".join(
        f'[[device]]\nid = "r{address}"\nbus = "a"\nprofile = "relay-8ch"\naddress = {address}\n'
        "period_ms = 1000\n"
        for address in (3, 5)
    )
    site = tmp_path / "site.toml"
    head = '[site]\nid = "v"\nname = "v"\ntime_zone = "Asia/Shanghai"\n'
    site.write_text(head + bus + devices, "utf-8")
    scanning = ["scan", "a", "--site", str(site), "--baud", "9600", "--parity", "none"]
    assert main([*scanning, "--addresses", "3-5", "--timeout-ms", "60"]) == 0
    rows = [row.split() for row in capfd.readouterr().out.splitlines()]
    assert rows[1][:3] == ["9600", "8N1", "3"]
    assert rows[1][-1] == "r3"
    assert rows[2][2:5] == ["4", "data", "(holding)"]
    assert rows[3] == ["r5,", "address", "5:", "does", "not", "answer"]


def test_a_port_in_use_is_said_with_who_uses_it(line_of: Lines, capfd) -> None:
    """An agent holds its ports: the scan must not speak over it."""
    line = line_of({9600: RtuSlave({1: Unit(holding=[1])})})
    terminal = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(terminal, fcntl.LOCK_EX)
        assert main(["scan", line.path, "--first"]) == 1
    finally:
        os.close(terminal)
    said = capfd.readouterr().err
    assert "is in use by" in said
    assert "tongluo read DEVICE" in said
    assert line.slaves.asked == []


def test_ctrl_c_ends_a_scan_with_what_was_found(line_of: Lines) -> None:
    line = line_of({9600: RtuSlave({1: Unit(holding=[1])}, turnaround_ms=5)})
    program = [sys.executable, "-m", "edge.cli.main", "scan", line.path, "--json"]
    scan = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while len(line.slaves.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    scan.send_signal(signal.SIGINT)
    out, said = scan.communicate(timeout=20)
    assert scan.returncode == 130, said
    result = json.loads(out)
    assert not result["finished"]
    assert [each["address"] for each in result["found"]] == [1]
    assert "stopped" in said
    count = len(line.slaves.asked)
    time.sleep(0.3)
    assert len(line.slaves.asked) == count


def test_scan_of_servers_asks_only_those_named(capfd) -> None:
    slave = TcpSlave({2: Unit(holding=[1]), 4: Unit()})
    with TcpLine(slave) as one, TcpLine(TcpSlave({1: Unit(holding=[7])})) as two:
        targets = [f"tcp://{one.path}", f"tcp://{two.path}"]
        assert main(["scan", *targets, "--addresses", "1-4", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["found"]
    assert [(each["tcp_port"], each["address"]) for each in found] == [
        (one.port, 2),
        (one.port, 4),
        (two.port, 1),
    ]


def test_identify_ranks_with_reasons_and_is_never_sure(line_of: Lines, capfd) -> None:
    device = Unit(holding=RADAR, turnaround_ms=2)
    device.identification = {0: b"DFRobot", 1: b"SEN0676", 2: b"1"}
    line = line_of({115200: RtuSlave({1: device})})
    asking = ["identify", line.path, "--address", "1", "--baud", "115200", "--timeout-ms", "50"]
    assert main(asking) == 0
    said = capfd.readouterr().out
    assert "VendorName" in said
    assert "fits dfrobot-sen0676" in said
    assert "it names itself SEN0676" in said
    assert "1.2 m" in said
    assert "4B0H" in said
    assert "Most likely dfrobot-sen0676. Compare the values" in said
    assert not asked(line) & WRITES


def test_set_address_shows_asks_and_verifies(
    line_of: Lines, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    slave = RtuSlave({1: Unit(holding=RADAR)}, turnaround_ms=2)
    twin = Addressable(slave, 1, 0x03F4)
    line = line_of({115200: slave})
    setting = ["set-address", line.path, "--address", "1", "--to", "9"]
    setting += ["--profile", "dfrobot-sen0676"]
    assert main(setting) == 2
    assert "use --yes" in capfd.readouterr().err
    assert line.slaves.asked == []
    assert main([*setting, "--yes"]) == 0
    printed = capfd.readouterr()
    assert "function 6, address 03F4H: 00 09" in printed.err
    assert "It answers at address 9, and no longer at 1." in printed.out
    assert twin.writes == [(0x03F4, [9])]
    assert main([*setting, "--yes"]) == 2
    assert "address 9 is not free" in capfd.readouterr().err


def test_said_no_nothing_is_written(line_of: Lines, capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    slave = RtuSlave({1: Unit(holding=RADAR)}, turnaround_ms=2)
    twin = Addressable(slave, 1, 0x03F4)
    line = line_of({115200: slave})
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *words, **options: False)
    setting = ["set-address", line.path, "--address", "1", "--to", "9"]
    assert main([*setting, "--profile", "dfrobot-sen0676"]) == 1
    assert "Nothing was written" in capfd.readouterr().err
    assert twin.writes == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "x", "y"], "one serial port at a time"),
        (["scan", "x", "--addresses", "0-5"], "numbers from 1 to 247"),
        (["scan", "x", "--baud", "9601"], "9601"),
        (["scan", "x", "--ask", "coils"], "coil"),
        (["scan", "tcp://example.org"], "an IP address"),
        (["scan", "tcp://192.0.2.1:0"], "65535"),
        (["identify", "x", "--address", "300"], "300"),
        (["set-address", "x", "--address", "1", "--to", "2", "--profile", "no"], "no profile no"),
        (
            ["set-address", "tcp://192.0.2.1", "--address", "1", "--to", "2", "--profile",
             "dfrobot-sen0676"],
            "on TCP",
        ),
        (["set-address", "x", "--address", "1", "--to", "2", "--profile", "sdm120"], "not say how"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_a_port_is_touched(
    arguments: list[str], words: str, capfd
) -> None:
    assert main(arguments) == 2
    assert words in capfd.readouterr().err


def test_a_port_that_is_not_there_lists_those_that_are(tmp_path: Path, capfd) -> None:
    assert main(["identify", str(tmp_path / "no"), "--address", "1"]) == 1
    assert "hint: serial ports here:" in capfd.readouterr().err


def test_new_says_what_nobody_has_said(tmp_path: Path, capfd) -> None:
    place = {"port": "/dev/ttyS9", "baud": 9600, "parity": "none", "stop_bits": 1}
    scan = {"kind": "scan", "found": [place | {"address": 7}]}
    (tmp_path / "scan.json").write_text(json.dumps(scan), "utf-8")
    making = ["new", str(tmp_path / "site.toml"), "--from-scan", str(tmp_path / "scan.json")]
    assert main([*making, "--yes"]) == 2
    assert "Id of the site" in capfd.readouterr().err
    assert main([*making, "--id", "v", "--name", "v", "--yes"]) == 1
    assert "still missing: address 7 on line-a" in capfd.readouterr().out
    making[1] = str(tmp_path / "other.toml")
    assert main([*making, "--id", "v", "--name", "v", "--yes", "--profile", "7=relay-8ch"]) == 0
    making[1] = str(tmp_path / "third.toml")
    assert main([*making, "--id", "v", "--name", "v", "--yes", "--siren", "relay"]) == 2


def test_numbers_servers_and_durations() -> None:
    assert numbers("1-3,80,2", 1, 247, "--x") == (1, 2, 3, 80)
    assert str(server("tcp://[::1]:1502")) == "[::1]:1502"
    assert str(server("tcp://192.0.2.1")) == "192.0.2.1:502"
    assert str(server("tcp://::1")) == "[::1]:502"
    assert server("/dev/ttyS0") is None
    assert (duration(59.4), duration(125)) == ("59 s", "2 min 5 s")
