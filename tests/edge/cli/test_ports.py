"""``tongluo ports``: what a technician reads and copies, from a made-up machine."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli import ports as command
from edge.cli.main import main
from edge.cli.ports import PortView, lines, look
from tools.twins.sysfs import Machine


@pytest.fixture
def terminal() -> Iterator[str]:
    ends = os.openpty()
    yield os.ttyname(ends[1])
    for end in ends:
        os.close(end)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    made = Machine(tmp_path)
    monkeypatch.setattr(command, "ROOTS", made.roots)
    return made


@pytest.fixture
def village(machine: Machine) -> Machine:
    """An FTDI adapter, two equal ones without serial number, and the board's own console."""
    machine.plug(
        "ttyUSB0", "0403:6001", serial="A50285BI", maker="FTDI", model="FT232R",
        latency_ms=16, by_id="usb-FTDI_A50285BI", by_path="platform-1.2",
    )  # fmt: skip
    for number in (1, 2):
        machine.plug(
            f"ttyUSB{number}", "1a86:7523", at=f"1-1.{number + 2}:1.0", model="USB Serial",
            driver="ch341-uart", by_id="usb-1a86_USB_Serial", by_path=f"platform-1.{number + 2}",
        )  # fmt: skip
    machine.uart("ttyAMA0", "uart-pl011", kind=32, console=True)
    return machine


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.ports, list(arguments))


def test_ports_are_listed_with_the_lines_for_a_site_file(village: Machine) -> None:
    result = run()
    assert result.exit_code == 0
    dev = village.roots.dev
    printed = result.stdout.splitlines()
    assert printed[0].split("  ")[0] == "port"
    row = " ".join(printed[2].split())
    assert row == f"{dev}/ttyUSB0 0403:6001 A50285BI FTDI FT232R ftdi_sio -"
    assert f'port = "{dev}/serial/by-id/usb-FTDI_A50285BI"' in printed
    assert 'adapter = { vendor = "0403", product = "6001", serial = "A50285BI" }' in printed
    assert f'port = "{dev}/serial/by-path/platform-1.3"' in printed
    assert 'adapter = { vendor = "1a86", product = "7523", path = "1-1.3:1.0" }' in printed
    assert not any("usb-1a86_USB_Serial" in line for line in printed)


def test_what_is_printed_below_the_table_is_toml(village: Machine) -> None:
    """Each block as it stands, remarks being comments."""
    blocks = run().stdout.split("\n\n")[1:]
    read = [tomllib.loads(block) for block in blocks]
    dev = village.roots.dev
    assert len(read) == 4
    assert read[0] == {"port": f"{dev}/ttyAMA0"}
    assert read[1]["adapter"]["serial"] == "A50285BI"


def test_odd_serial_numbers_stay_toml(machine: Machine) -> None:
    machine.plug("ttyUSB0", "0403:6001", serial='A"5\\ 号')
    (view,) = look(machine.roots, rs485=False)
    block = "\n".join(lines([view])[2:])
    assert tomllib.loads(block)["adapter"]["serial"] == 'A"5\\ 号'


def test_what_to_mind_is_said(village: Machine) -> None:
    printed = run().stdout
    assert "holds bytes back for 16 ms" in printed
    assert "take console= out" in printed
    assert "kernel console" in printed


def test_json_has_everything(village: Machine) -> None:
    document = json.loads(run("--json").stdout)
    ports = {Path(each["port"]).name: each for each in document["ports"]}
    assert list(ports) == ["ttyAMA0", "ttyUSB0", "ttyUSB1", "ttyUSB2"]
    assert ports["ttyUSB0"] == {
        "port": f"{village.roots.dev}/ttyUSB0",
        "driver": "ftdi_sio",
        "vendor": "0403",
        "product": "6001",
        "serial": "A50285BI",
        "maker": "FTDI",
        "model": "FT232R",
        "path": "1-1.2:1.0",
        "by_id": f"{village.roots.dev}/serial/by-id/usb-FTDI_A50285BI",
        "by_path": f"{village.roots.dev}/serial/by-path/platform-1.2",
        "latency_ms": 16,
        "console": False,
        "name": f"{village.roots.dev}/serial/by-id/usb-FTDI_A50285BI",
        "own_serial": True,
        "in_use_by": [],
        "rs485": None,
    }
    assert ports["ttyUSB1"]["own_serial"] is False


def test_no_port_is_opened_unless_asked_for(
    machine: Machine, terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening moves DTR and RTS, which may key a transmitter or reset a board."""
    machine.plug("ttyUSB0", "0403:6001", node=terminal)
    asked: list[str] = []
    monkeypatch.setattr(command, "offers_direction", asked.append)
    monkeypatch.setattr(command, "list_holders", lambda _: [])
    assert run().exit_code == 0
    assert asked == []
    assert run("--rs485").exit_code == 0
    assert asked == [str(machine.roots.dev / "ttyUSB0")]


def test_a_port_in_use_is_never_opened_and_its_user_is_named(
    machine: Machine, terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process has it open itself."""
    machine.plug("ttyUSB0", "0403:6001", node=terminal)
    monkeypatch.setattr(command, "offers_direction", lambda _: pytest.fail("opened"))
    (view,) = look(machine.roots, rs485=True)
    assert [f"(pid {os.getpid()})" in holder for holder in view.holders] == [True]
    assert f"(pid {os.getpid()})" in run("--rs485").stdout


@pytest.mark.parametrize(("answer", "shown"), [(True, "yes"), (False, "no")])
def test_whether_the_driver_switches_is_shown_where_it_was_asked(
    machine: Machine, answer: bool, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.uart("ttyS1", "serial8250", kind=4)
    monkeypatch.setattr(command, "offers_direction", lambda _: answer)
    head, row, *_ = run("--rs485").stdout.splitlines()
    assert head.endswith("RS-485 by driver")
    assert row.split()[-1] == shown
    assert json.loads(run("--rs485", "--json").stdout)["ports"][0]["rs485"] is answer


def test_a_machine_without_ports_says_so(machine: Machine) -> None:
    assert run().stdout == "there is no serial port on this machine\n"
    assert json.loads(run("--json").stdout) == {"ports": []}


def test_in_chinese(village: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    printed = run().stdout
    assert "串口" in printed
    assert "内核控制台" in printed
    assert "滞留 16 毫秒" in printed


def test_an_adapter_without_any_stable_name_is_shown_by_its_port(machine: Machine) -> None:
    """A box without udev."""
    machine.plug("ttyUSB0", "0403:6001", serial="A5")
    (view,) = look(machine.roots, rs485=False)
    assert isinstance(view, PortView)
    assert view.name == view.adapter.port


def test_this_machine_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ports", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out)["ports"], list)
