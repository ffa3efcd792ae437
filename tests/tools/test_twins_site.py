"""A simulated site from its file: lines, orders, and the whole as one process."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from pymodbus.client import ModbusTcpClient

from tools.twins.control import obey, obey_line
from tools.twins.faults import AsciiFaults, Faults
from tools.twins.modbus_slave import RtuSlave, Unit, crc16
from tools.twins.site import Site, SiteError, build_site, load_site
from tools.twins.village import MODELS

PATIENCE_S = 10.0
REPOSITORY = Path(__file__).parents[2]


def framed(hex_text: str) -> bytes:
    """An RTU frame from its text without CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


def read(unit: Unit, address: int, count: int) -> list[int]:
    """Holding registers by the wire."""
    answer = unit.answer(b"\x03" + address.to_bytes(2, "big") + count.to_bytes(2, "big"))
    return [int.from_bytes(answer[at : at + 2], "big") for at in range(2, len(answer), 2)]


SITE = """
[world]
river.level = 1.2
"gas.h2s_b" = 3

[[line]]
id = "a"
kind = "rtu"
path = "run/a"
baud = 4800
turnaround_ms = 20
device = [
    {model = "radar-sen0676", unit = 1, install_height_cm = 500},
    {model = "gas-pt495", unit = 7, signal = "gas.h2s_b"},
    {model = "amplifier", unit = 5, turnaround_ms = 40.0},
]

[[line]]
id = "plant"
kind = "tcp"
[[line.device]]
model = "plain"
unit = 1
holding = [1, 2, 3]

[[line]]
id = "rain"
kind = "ascii"
path = "run/rain"
period_ms = 1000
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    file = tmp_path / "lines.toml"
    file.write_text(SITE, encoding="utf-8")
    return load_site(file)


def test_a_site_file_becomes_lines_with_devices(site: Site, tmp_path: Path) -> None:
    assert site.addresses() == {
        "a": {"kind": "rtu", "path": str(tmp_path / "run/a")},
        "plant": {"kind": "tcp", "host": "127.0.0.1", "port": 0},
        "rain": {"kind": "ascii", "path": str(tmp_path / "run/rain")},
    }
    devices = site.lines["a"].devices()
    assert read(devices[1], 1, 3) == [3800, 0, 1200]
    assert read(devices[7], 0, 1) == [30]
    assert (devices[1].turnaround_ms, devices[5].turnaround_ms) == (None, 40.0)
    assert read(site.lines["plant"].devices()[1], 0, 3) == [1, 2, 3]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_can_be_built_from_a_file(model: str, tmp_path: Path) -> None:
    line = {"id": "a", "kind": "rtu", "path": "a", "device": [{"model": model, "unit": 3}]}
    site = build_site({"line": [line]}, tmp_path)
    assert site.lines["a"].devices()[3].model == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "modbus"}, "none of rtu, tcp, ascii"),
        ({"path": None}, "unknown: port"),
        ({"device": [{"model": "x", "unit": 1}]}, "no model 'x'"),
        ({"device": [{"model": "plain", "unit": 0}]}, "no address"),
        ({"device": [{"model": "plain", "unit": 1}] * 2}, "no address of its own"),
        ({"device": [{"model": "gas-pt495", "unit": 1, "signal": "gas.x"}]}, "gas.x"),
        ({"device": [{"model": "relay-8", "unit": 1, "channels": 4}]}, "channels"),
        ({"baud": "fast"}, "wrong type"),
        ({"frame": "8X1"}, "8N1"),
        ({"turnaround_ms": "long"}, "no number"),
        ({"id": ""}, "id of its own"),
        ({"device": {}}, "array of tables"),
    ],
)
def test_mistakes_in_a_site_file_are_named(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    line: dict[str, object] = {"id": "a", "kind": "rtu", "path": "a"} | change
    if change == {"path": None}:
        line = {"id": "a", "kind": "rtu", "path": "a", "port": 4}
    with pytest.raises(SiteError, match=message):
        build_site({"line": [line]}, tmp_path)


def test_orders_change_world_and_faults_and_tell_the_state(site: Site) -> None:
    assert obey(site, {"set": {"river.level": 3.4, "gas.h2s_b": None}}) == {"ok": True}
    obey(site, {"ramp": {"rain.intensity": {"to": 30, "seconds": 0}}})
    obey(site, {"faults": {"line": "a", "unit": 5, "silent": True, "babble": "55"}})
    obey(site, {"faults": {"line": "a", "late_ms": 5}})
    obey(site, {"faults": {"line": "rain", "half_line": True}})
    line = site.lines["a"].slave
    assert isinstance(line, RtuSlave)
    assert line.faults == Faults(late_ms=5)
    assert line.unit_faults == {5: Faults(silent=True, babble=b"\x55")}
    assert site.lines["rain"].slave.faults == AsciiFaults(half_line=True)
    obey(site, {"faults": {"line": "a", "unit": 5, "clear": True, "mute": True}})
    assert line.unit_faults == {5: Faults(mute=True)}
    line.units[5].answer(bytes.fromhex("0600100003"))
    state = json.loads(obey_line(site, b'{"state": true}'))
    assert state["ok"]
    assert (state["world"]["river.level"], state["world"]["gas.h2s_b"]) == (3.4, None)
    amplifier = state["lines"]["a"]["devices"][2]
    assert (amplifier["unit"], amplifier["state"], amplifier["message"]) == (5, 1, 3)
    assert amplifier["changes"][0]["at_ns"] <= state["now_ns"]
    assert state["lines"]["a"]["plugged"] is False


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("{", "Expecting"),
        ("[]", "JSON object"),
        ('{"dance": 1}', "no order dance"),
        ('{"set": {"x": 1}}', "no signal x"),
        ('{"set": {"river.level": "high"}}', "cannot be 'high'"),
        ('{"set": 3}', "no JSON object"),
        ('{"ramp": {"river.level": 3}}', "seconds"),
        ('{"faults": {"line": "b"}}', "no line 'b'"),
        ('{"faults": {"line": "a", "unit": 9}}', "no unit 9"),
        ('{"faults": {"line": "rain", "unit": 1}}', "no unit 1"),
        ('{"faults": {"line": "a", "loud": true}}', "no fault"),
        ('{"unplug": ["a"]}', "no line"),
    ],
)
def test_wrong_orders_are_answered_with_the_reason(site: Site, order: str, error: str) -> None:
    answer = json.loads(obey_line(site, order.encode()))
    assert answer["ok"] is False
    assert error in answer["error"]


@contextlib.contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A running program of ours and the line in which it said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            assert ready["ready"] is True
            yield process, ready
        finally:
            process.kill()


RUNNING = """
[[line]]
id = "a"
kind = "rtu"
path = "a"
baud = 115200
device = [{model = "radar-sen0676", unit = 1}, {model = "amplifier", unit = 5}]

[[line]]
id = "plant"
kind = "tcp"
device = [{model = "relay-8", unit = 1}]

[[line]]
id = "rain"
kind = "ascii"
path = "rain"
turnaround_ms = 1.0
"""


class Operator:
    """The control socket of a running site."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")

    def order(self, **order: object) -> dict[str, object]:
        """One order and its answer."""
        self._socket.sendall(json.dumps(order).encode() + b"\n")
        answer: dict[str, object] = json.loads(self._answers.readline())
        return answer

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()


def test_a_site_runs_as_one_process_and_takes_orders(tmp_path: Path) -> None:
    file, control, log = tmp_path / "lines.toml", tmp_path / "control", tmp_path / "log"
    file.write_text(RUNNING, encoding="utf-8")
    arguments = ["tools.twins", str(file), "--control", str(control), "--log", str(log)]
    with program(*arguments) as (process, ready), contextlib.closing(Operator(control)) as operator:
        lines = ready["lines"]
        assert isinstance(lines, dict)
        assert (ready["pid"], ready["control"]) == (process.pid, str(control))
        assert lines["a"] == {"kind": "rtu", "path": str(tmp_path / "a")}
        assert operator.order(set={"river.level": 3.4}) == {"ok": True}
        assert operator.order(set={"river": 3.4})["ok"] is False
        with serial.Serial(lines["a"]["path"], 115200, timeout=PATIENCE_S) as client:
            client.write(framed("010300030001"))
            assert client.read(7) == framed("0103020d48")
            client.write(framed("050600100007"))
            assert client.read(8) == framed("050600100007")
        with serial.Serial(lines["rain"]["path"], 9600, timeout=PATIENCE_S) as client:
            client.write(b"R\n")
            assert client.readline().startswith(b"Acc  0.00 mm")
        with ModbusTcpClient("127.0.0.1", port=lines["plant"]["port"]) as relays:
            relays.write_coil(2, True, device_id=1)
        state = operator.order(state=True)["lines"]
        assert isinstance(state, dict)
        assert state["a"]["devices"][1]["message"] == 7
        assert [each["name"] for each in state["plant"]["devices"][0]["changes"]] == ["coil.2"]
        operator.order(unplug="a")
        assert not (tmp_path / "a").is_symlink()
        operator.order(replug="a")
        assert (tmp_path / "a").is_symlink()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lines.toml", "log"]
    frames = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    siren = [each for each in frames if each["hex"] == framed("050600100007").hex()]
    assert [each["kind"] for each in siren] == ["request", "answer"]
    assert siren[0]["first_ns"] < siren[0]["last_ns"] <= siren[1]["last_ns"]


def test_a_site_ends_with_its_parent_on_request(tmp_path: Path) -> None:
    file = tmp_path / "lines.toml"
    file.write_text(RUNNING, encoding="utf-8")
    with program("tools.twins", str(file), "--die-with-parent") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["lines.toml"]


def test_a_wrong_site_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "lines.toml"
    file.write_text('[[line]]\nid = "a"\nkind = "rtu"\n', encoding="utf-8")
    command = [sys.executable, "-m", "tools.twins", str(file)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 'a': a line on a terminal needs a path" in done.stderr
