"""Who an adapter is, read from made-up machines laid out as Linux lays out real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.bus.adapter import (
    Adapter,
    Expectation,
    find_adapter,
    has_own_serial,
    is_unstable,
    list_adapters,
    stable_name,
)
from tools.twins.sysfs import Machine

FTDI_ID = "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"
FTDI_PATH = "platform-fe980000.usb-usb-0:1.2:1.0-port0"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def _plug_ftdi(machine: Machine, name: str = "ttyUSB0") -> None:
    machine.plug(
        name, "0403:6001", serial="A50285BI", maker="FTDI", model="FT232R USB UART",
        latency_ms=16, by_id=FTDI_ID, by_path=FTDI_PATH,
    )  # fmt: skip


def test_an_ftdi_adapter_behind_a_hub_has_its_own_identity(machine: Machine) -> None:
    """Not the hub's and not the controller's, which have vendor and product too."""
    _plug_ftdi(machine)
    dev = machine.roots.dev
    assert list_adapters(machine.roots) == [
        Adapter(
            port=str(dev / "ttyUSB0"),
            driver="ftdi_sio",
            vendor="0403",
            product="6001",
            serial="A50285BI",
            maker="FTDI",
            model="FT232R USB UART",
            path="1-1.2:1.0",
            by_id=str(dev / "serial/by-id" / FTDI_ID),
            by_path=str(dev / "serial/by-path" / FTDI_PATH),
            latency_ms=16,
        )
    ]


def test_a_ch340_has_no_serial_number(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1a86:7523", model="USB Serial", driver="ch341-uart")
    (adapter,) = list_adapters(machine.roots)
    assert str(adapter) == "1a86:7523 serial none at 1-1.2:1.0"
    assert (adapter.driver, adapter.serial, adapter.latency_ms) == ("ch341-uart", "", None)


def test_a_cdc_acm_adapter_has_the_driver_of_its_interface(machine: Machine) -> None:
    """Its tty hangs on the interface itself, one level higher than with usb-serial."""
    machine.plug("ttyACM0", "1A86:55D3", at="1-1.4:1.2", serial="5431", driver="cdc_acm")
    (adapter,) = list_adapters(machine.roots)
    assert (adapter.driver, adapter.path) == ("cdc_acm", "1-1.4:1.2")
    assert (adapter.vendor, adapter.product) == ("1a86", "55d3")


def test_a_uart_of_the_board_is_no_usb_adapter(machine: Machine) -> None:
    """Its driver is the one below the kernel's own serial bus."""
    machine.uart("ttyAMA0", "uart-pl011", kind=32, console=True)
    machine.uart("ttyS0", "of_serial", kind=4)
    first, second = list_adapters(machine.roots)
    assert (first.driver, first.usb, first.console) == ("uart-pl011", False, True)
    assert (second.driver, second.path, second.console) == ("of_serial", "", False)
    assert str(second) == "no USB adapter"


def test_uarts_that_are_not_there_and_virtual_terminals_are_left_out(machine: Machine) -> None:
    for number in range(4):
        machine.uart(f"ttyS{number}", "serial8250", kind=4 if number == 1 else 0)
    assert [Path(each.port).name for each in list_adapters(machine.roots)] == ["ttyS1"]


def test_ports_are_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 2, 1):
        machine.plug(f"ttyUSB{number}", "0403:6001", at=f"1-1.{number}:1.0")
    machine.plug("ttyACM0", "0403:6001", at="1-3:1.0", driver="cdc_acm")
    names = [Path(each.port).name for each in list_adapters(machine.roots)]
    assert names == ["ttyACM0", "ttyUSB1", "ttyUSB2", "ttyUSB10"]


def test_texts_of_an_adapter_cannot_write_on_a_terminal(machine: Machine) -> None:
    """Whoever makes the adapter chooses them."""
    machine.plug("ttyUSB0", "0403:6001", serial="A\x1b[2J", maker="F\u202eTDI")
    (adapter,) = list_adapters(machine.roots)
    assert (adapter.serial, adapter.maker) == ("A?[2J", "F?TDI")


def test_a_port_is_found_by_any_of_its_names(machine: Machine) -> None:
    """By the number of the device that would be opened, not by what it is called."""
    master, terminal = os.openpty()
    try:
        node = os.ttyname(terminal)
        machine.plug("ttyUSB3", "0403:6001", serial="X", by_id="usb-x", node=node)
        link = machine.roots.dev / "serial/by-id/usb-x"
        for port in (str(link), node, str(machine.roots.dev / "ttyUSB3")):
            found = find_adapter(port, machine.roots)
            assert found is not None
            assert (found.serial, found.by_id) == ("X", str(link))
    finally:
        os.close(master)
        os.close(terminal)


def test_what_is_no_character_device_is_no_port(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert find_adapter(str(tmp_path / "file"), machine.roots) is None
    assert find_adapter(str(tmp_path / "absent"), machine.roots) is None
    assert find_adapter("/dev/null", machine.roots) == Adapter("/dev/null")


def test_every_port_of_this_machine_can_be_read() -> None:
    """Whatever is there: each has a name below /dev."""
    assert all(each.port.startswith("/dev/tty") for each in list_adapters())


FOUND = Adapter("", vendor="0403", product="6001", serial="A5", path="1-1.2:1.0")


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        (Expectation(), True),
        (Expectation(vendor="0403"), True),
        (Expectation(vendor="1a86"), False),
        (Expectation("0403", "6001", "A5", "1-1.2:1.0"), True),
        (Expectation("0403", "6015", "A5", "1-1.2:1.0"), False),
        (Expectation("0403", "6001", "A50285BI"), False),
        (Expectation(path="1-1.2"), True),
        (Expectation(path="1-1.2:1.1"), False),
        (Expectation(path="1-1"), False),
        (Expectation(path="1-1.20"), False),
    ],
    ids=str,
)
def test_an_adapter_fits_only_if_all_that_is_expected_is_so(
    expected: Expectation, fits: bool
) -> None:
    assert expected.fits(FOUND) is fits


def test_a_uart_never_fits_an_expected_adapter() -> None:
    for expected in (Expectation("0403"), Expectation(serial="A5"), Expectation(path="1-1.2")):
        assert not expected.fits(Adapter("/dev/ttyS0", driver="serial8250"))


def test_expectations_are_told_as_they_were_given() -> None:
    assert str(Expectation("0403", "6001", "A5", "1-1.2")) == "0403:6001 serial A5 at 1-1.2"
    assert str(Expectation(product="6001")) == "*:6001"
    assert str(Expectation(serial="A5")) == "serial A5"


@pytest.mark.parametrize(
    ("port", "unstable"),
    [
        ("/dev/ttyUSB0", True),
        ("/dev/ttyACM12", True),
        ("/dev/ttyS1", False),
        ("/dev/ttyAMA0", False),
        ("/dev/serial/by-id/usb-FTDI", False),
        ("/dev/rs485-field", False),
        ("/srv/dev/ttyUSB0", False),
    ],
)
def test_names_that_follow_the_order_of_plugging_are_unstable(port: str, unstable: bool) -> None:
    assert is_unstable(port) is unstable


def test_the_stable_name_is_by_id_if_the_serial_number_is_its_own(machine: Machine) -> None:
    _plug_ftdi(machine)
    adapters = list_adapters(machine.roots)
    assert stable_name(adapters[0], adapters) == adapters[0].by_id


@pytest.mark.parametrize("serial", [None, "", "0001", "0000"])
def test_the_stable_name_is_by_path_without_a_real_serial_number(
    machine: Machine, serial: str | None
) -> None:
    """Two such adapters share one name by id, and it leads to either."""
    machine.plug(
        "ttyUSB0", "10c4:ea60", serial=serial, driver="cp210x", by_id="usb-cp", by_path="pci-1"
    )
    adapters = list_adapters(machine.roots)
    assert stable_name(adapters[0], adapters) == adapters[0].by_path


def test_the_stable_name_is_by_path_if_another_adapter_has_the_same_serial_number(
    machine: Machine,
) -> None:
    machine.plug("ttyUSB0", "10c4:ea60", serial="77", at="1-1.1:1.0", by_id="a", by_path="p1")
    machine.plug("ttyUSB1", "10c4:ea60", serial="77", at="1-1.2:1.0", by_id="a", by_path="p2")
    first, second = list_adapters(machine.roots)
    assert stable_name(first, [first, second]) == first.by_path != ""
    assert stable_name(second, [first, second]) == second.by_path != ""


def test_the_ports_of_one_adapter_do_not_make_its_serial_number_common(machine: Machine) -> None:
    """Four interfaces of one chip have one serial number."""
    for number in range(4):
        machine.plug(f"ttyUSB{number}", "0403:6011", serial="FT4", at=f"1-1.2:1.{number}",
                     by_id=f"usb-FT4-if0{number}")  # fmt: skip
    adapters = list_adapters(machine.roots)
    assert len(adapters) == 4
    assert all(has_own_serial(each, adapters) for each in adapters)
    assert len({stable_name(each, adapters) for each in adapters}) == 4


def test_an_adapter_that_comes_back_under_another_number_keeps_its_stable_name(
    machine: Machine,
) -> None:
    _plug_ftdi(machine)
    before = list_adapters(machine.roots)[0]
    machine.unplug("ttyUSB0")
    assert list_adapters(machine.roots) == []
    _plug_ftdi(machine, "ttyUSB1")
    after = list_adapters(machine.roots)[0]
    assert after.port != before.port
    assert (after.by_id, after.serial) == (before.by_id, before.serial)
