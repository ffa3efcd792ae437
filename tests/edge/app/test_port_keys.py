"""What a site file says of serial ports: the keys, and what is doubtful on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.bus.adapter import Expectation
from drivers.bus.direction import Rs485
from edge.app.compose import _settings
from edge.app.config import Problem, Site, inspect_site
from edge.app.port_warnings import port_warnings
from tools.twins.sysfs import Machine

SITE = """\
[site]
id = "shuanghe"
name = "双河村"
time_zone = "Asia/Shanghai"

[[bus]]
id = "line-a"
kind = "rtu"
port = "{port}"
baud = 9600
data_bits = 8
parity = "even"
stop_bits = 1
{keys}
"""

Inspect = Callable[..., tuple[Site | None, tuple[Problem, ...]]]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    def inspect_bus(keys: str = "", *, port: str = "/dev/ttyS1", **replaced: str) -> object:
        text = SITE.format(port=port, keys=keys)
        for old, new in replaced.items():
            text = text.replace(f"{old} = ", new)
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        return inspect_site(file)

    return inspect_bus  # type: ignore[return-value] # a pair, as inspect_site gives it


def _site(result: tuple[Site | None, tuple[Problem, ...]]) -> Site:
    site, problems = result
    assert problems == ()
    assert site is not None
    return site


# -- keys -------------------------------------------------------------------------------------


def test_a_line_without_the_keys_expects_nothing_and_leaves_the_direction(inspect: Inspect) -> None:
    settings = _settings(_site(inspect()).buses[0])
    assert (settings.adapter, settings.rs485) == (None, None)
    assert (settings.port, settings.baud, settings.character_bits) == ("/dev/ttyS1", 9600, 11)


def test_expected_adapter_and_direction_reach_the_port(inspect: Inspect) -> None:
    """Hexadecimal digits in any case."""
    site = _site(
        inspect(
            'adapter = { vendor = "1A86", product = "7523", serial = "A5", path = "1-1.2:1.0" }\n'
            "rs485 = { rts_on_send = false, delay_before_ms = 1, delay_after_ms = 2 }"
        )
    )
    settings = _settings(site.buses[0])
    assert settings.adapter == Expectation("1a86", "7523", "A5", "1-1.2:1.0")
    assert settings.rs485 == Rs485(rts_on_send=False, delay_before_ms=1, delay_after_ms=2)


def test_each_part_of_the_expectation_may_stand_alone(inspect: Inspect) -> None:
    bus = _site(inspect('adapter = { path = "3-1" }\nrs485 = {}')).buses[0]
    settings = _settings(bus)
    assert (settings.adapter, settings.rs485) == (Expectation(path="3-1"), Rs485())


@pytest.mark.parametrize(
    ("keys", "code", "path", "words"),
    [
        ("adapter = {}", "empty", "bus[0].adapter", "adapter is empty"),
        ("adapter = 'x'", "wrong-type", "bus[0].adapter", "a table"),
        ("adapter = { vendor = 1027 }", "wrong-type", "bus[0].adapter.vendor", "text in quotes"),
        ("adapter = { vendor = '403' }", "bad-usb-id", "bus[0].adapter.vendor", '"0403"'),
        ("adapter = { product = '0x60' }", "bad-usb-id", "bus[0].adapter.product", "hexadecimal"),
        ("adapter = { path = 'usb1' }", "bad-usb-path", "bus[0].adapter.path", "1-1.2:1.0"),
        ("adapter = { path = '1-1.2:' }", "bad-usb-path", "bus[0].adapter.path", "1-1.2:1.0"),
        ("adapter = { serial = '' }", "bad-text", "bus[0].adapter.serial", "printable"),
        ("adapter = { seriel = 'A' }", "unknown-key", "bus[0].adapter.seriel", "serial"),
        ("rs485 = 'driver'", "wrong-type", "bus[0].rs485", "a table"),
        ("rs485 = { rts_on_send = 1 }", "wrong-type", "bus[0].rs485.rts_on_send", "true or false"),
        (
            "rs485 = { delay_after_ms = 101 }",
            "out-of-range", "bus[0].rs485.delay_after_ms", "0 … 100",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told(inspect: Inspect, keys: str, code: str, path: str, words: str) -> None:
    """At their line, each with what is allowed."""
    site, problems = inspect(keys)
    assert site is None
    assert [(each.code, each.path, each.line) for each in problems] == [(code, path, 14)]
    assert words in problems[0].message


@pytest.mark.parametrize("key", ["adapter = { serial = 'A' }", "rs485 = {}"])
def test_a_tcp_bus_has_neither(tmp_path: Path, key: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        SITE.split("[[bus]]", maxsplit=1)[0].replace("{", "")
        + f'[[bus]]\nid = "plant"\nkind = "tcp"\nhost = "192.168.1.20"\ntcp_port = 502\n{key}\n',
        encoding="utf-8",
    )
    _, problems = inspect_site(file)
    assert [(each.code, each.path) for each in problems] == [
        ("not-applicable", f"bus[0].{key.split(maxsplit=1)[0]}")
    ]


# -- warnings ---------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[str]:
    ends = os.openpty()
    yield os.ttyname(ends[1])
    for end in ends:
        os.close(end)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose unstable names are below its own root."""
    made = Machine(tmp_path)
    monkeypatch.setattr(
        "edge.app.port_warnings.is_unstable", lambda port: Path(port).name.startswith("ttyUSB")
    )
    return made


def _warnings(site: Site, machine: Machine) -> list[tuple[str, str, str]]:
    return [(each.code, each.path, each.hint) for each in port_warnings(site, machine.roots)]


def test_an_unstable_name_is_warned_of_with_the_stable_one_of_this_machine(
    inspect: Inspect, machine: Machine, terminal: str
) -> None:
    machine.plug(
        "ttyUSB0", "0403:6001", serial="A5", by_id="usb-A5", by_path="pci-1", node=terminal
    )
    dev = machine.roots.dev
    site = _site(inspect(port=str(dev / "ttyUSB0")))
    assert _warnings(site, machine) == [
        ("unstable-port", "bus[0].port", f'write port = "{dev}/serial/by-id/usb-A5"')
    ]
    (warning,) = port_warnings(site, machine.roots)
    assert (warning.file, warning.line) == (str(site.path), 9)


def test_without_a_serial_number_the_place_is_offered(
    inspect: Inspect, machine: Machine, terminal: str
) -> None:
    machine.plug("ttyUSB0", "1a86:7523", by_id="usb-1a86", by_path="pci-1", node=terminal)
    dev = machine.roots.dev
    hint = f'write port = "{dev}/serial/by-path/pci-1"'
    site = _site(inspect(port=str(dev / "ttyUSB0")))
    assert _warnings(site, machine) == [("unstable-port", "bus[0].port", hint)]
    site = _site(inspect(port=str(dev / "serial/by-id/usb-1a86")))
    assert _warnings(site, machine) == [("shared-port-name", "bus[0].port", hint)]
    site = _site(inspect(port=str(dev / "serial/by-path/pci-1")))
    assert _warnings(site, machine) == []


def test_an_unstable_name_of_an_adapter_that_is_elsewhere_is_warned_of(
    inspect: Inspect, machine: Machine
) -> None:
    site = _site(inspect(port="/dev/ttyUSB7"))
    assert _warnings(site, machine) == [
        ("unstable-port", "bus[0].port", "tongluo ports shows the names that stay with an adapter")
    ]


def test_an_expected_adapter_makes_an_unstable_name_safe(
    inspect: Inspect, machine: Machine, terminal: str
) -> None:
    """A wrong one would be refused."""
    machine.plug("ttyUSB0", "0403:6001", serial="A5", by_id="usb-A5", node=terminal)
    port = str(machine.roots.dev / "ttyUSB0")
    assert _warnings(_site(inspect('adapter = { serial = "A5" }', port=port)), machine) == []


def test_an_adapter_other_than_the_expected_one_is_warned_of(
    inspect: Inspect, machine: Machine, terminal: str
) -> None:
    machine.plug("ttyUSB0", "1a86:7523", node=terminal)
    port = str(machine.roots.dev / "ttyUSB0")
    site = _site(inspect('adapter = { vendor = "0403", serial = "A5" }', port=port))
    (warning,) = port_warnings(site, machine.roots)
    assert (warning.code, warning.path) == ("other-adapter", "bus[0].adapter")
    assert "1a86:7523 serial none at 1-1.2:1.0, expected 0403:* serial A5" in warning.message


@pytest.mark.parametrize("port", ["/dev/ttyS1", "/dev/serial/by-id/usb-absent", "/dev/rs485-field"])
def test_stable_names_and_uarts_are_not_warned_of(
    inspect: Inspect, machine: Machine, port: str
) -> None:
    assert _warnings(_site(inspect(port=port)), machine) == []


def test_a_stable_name_by_its_own_serial_number_is_not_warned_of(
    inspect: Inspect, machine: Machine, terminal: str
) -> None:
    machine.plug("ttyUSB0", "0403:6001", serial="A5", by_id="usb-A5", node=terminal)
    site = _site(inspect(port=str(machine.roots.dev / "serial/by-id/usb-A5")))
    assert _warnings(site, machine) == []
