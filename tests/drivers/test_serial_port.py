"""Serial ports on real pseudo-terminals: the right adapter or none, and back after a replug."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from drivers.bus.adapter import Expectation
from drivers.bus.connection import Connection
from drivers.bus.direction import Rs485, offers_direction
from drivers.bus.holders import list_holders, lock_holder
from drivers.bus.port import Opener
from drivers.bus.serial_port import SerialSettings, open_serial, serial_opener
from drivers.bus.tcp_port import tcp_opener
from tools.twins.sysfs import Machine
from tools.virtual_clock import VirtualClock

FTDI = Expectation("0403", "6001", "A50285BI")


class Cable:
    """A pseudo-terminal; ``far`` is the end of the devices. Pulling it is a hang-up."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        self.port = os.ttyname(self._near)
        os.set_blocking(self.far, False)

    def pull(self) -> None:
        for end in (self.far, self._near):
            if end >= 0:
                os.close(end)
        self.far = self._near = -1

    def heard(self) -> bytes:
        """What has arrived at the far end."""
        try:
            return os.read(self.far, 4096)
        except BlockingIOError:
            return b""


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    yield made
    made.pull()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(autouse=True)
def _no_descriptors_left() -> Iterator[None]:
    """Whatever a test opens through a port, it closes."""
    before = _descriptors()
    yield
    assert _descriptors() == before


def _descriptors() -> dict[str, str]:
    """Open terminals and pipes of this process; others belong to the test runner."""
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(("/dev/pts", "/dev/ptmx", "pipe:")):
            found[each.name] = target
    return found


class Owner:
    """A connection in virtual time over a real port, with what it heard."""

    def __init__(self, opener: Opener) -> None:
        self.clock = VirtualClock()
        self.heard = bytearray()
        self.changes: list[bool] = []
        self.connection = Connection(
            "line-a", opener, self.clock, self.heard.extend, self.changes.append
        )
        self.connection.start()

    def retry(self) -> None:
        """Let the longest back-off pass."""
        self.clock.run_for(2.1)


async def until(what: Callable[[], object]) -> None:
    """Real descriptors take a few turns of the loop."""
    async with asyncio.timeout(5):
        while not what():
            await asyncio.sleep(0.001)


# -- the right adapter, or none ---------------------------------------------------------------


def test_a_missing_port_and_a_dangling_link_are_told_apart(tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    with pytest.raises(OSError, match=r"by-id: is not there"):
        open_serial(SerialSettings(str(link), 9600))
    link.symlink_to("../../ttyUSB0")
    with pytest.raises(OSError, match=r"by-id: is a link to a device that is gone"):
        open_serial(SerialSettings(str(link), 9600))


@pytest.mark.parametrize("port", ["file", "folder", "/dev/null"])
def test_what_is_no_serial_port_is_refused(port: str, tmp_path: Path) -> None:
    """A character device that is no terminal, too."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"no character device|Could not configure port"):
        open_serial(SerialSettings(str(tmp_path / port), 9600))


def test_the_expected_adapter_is_opened(machine: Machine, cable: Cable) -> None:
    machine.plug("ttyUSB0", "0403:6001", serial="A50285BI", node=cable.port)
    port = str(machine.roots.dev / "ttyUSB0")
    os.close(open_serial(SerialSettings(port, 9600, adapter=FTDI), machine.roots))


@pytest.mark.parametrize(
    ("usb", "serial_number", "found"),
    [
        ("1a86:7523", None, "1a86:7523 serial none at 1-1.2:1.0"),
        ("0403:6001", "A9", "0403:6001 serial A9 at 1-1.2:1.0"),
    ],
)
async def test_a_wrong_adapter_is_named_and_never_opened_nor_written_to(
    machine: Machine,
    cable: Cable,
    usb: str,
    serial_number: str | None,
    found: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even opened: that alone moves DTR and RTS."""
    machine.plug("ttyUSB0", usb, serial=serial_number, node=cable.port)
    port = str(machine.roots.dev / "ttyUSB0")
    monkeypatch.setattr(serial.Serial, "open", lambda _: pytest.fail("opened"))
    owner = Owner(serial_opener(SerialSettings(port, 9600, adapter=FTDI), machine.roots))
    for _ in range(3):
        with pytest.raises(OSError, match=r"found .*, expected"):
            owner.connection.write(b"question")
        owner.retry()
    owner.connection.stop()
    assert owner.connection.reason == f"{port}: found {found}, expected {FTDI}"
    assert cable.heard() == b""


def test_a_port_without_usb_adapter_is_not_the_expected_one(cable: Cable, machine: Machine) -> None:
    settings = SerialSettings(cable.port, 9600, adapter=Expectation(path="1-1.2"))
    with pytest.raises(OSError, match=r"found no USB adapter, expected at 1-1\.2"):
        open_serial(settings, machine.roots)


def test_an_adapter_that_is_exchanged_while_it_is_opened_is_noticed(
    machine: Machine, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is the device behind the open descriptor."""
    other = Cable()
    machine.plug("ttyUSB0", "0403:6001", serial="A50285BI", node=cable.port)
    machine.plug("ttyUSB1", "1a86:7523", at="1-1.3:1.0", node=other.port)
    port = machine.roots.dev / "line"
    port.symlink_to("ttyUSB0")
    really_open = serial.Serial.open

    def exchange(line: serial.Serial) -> None:
        port.unlink()
        port.symlink_to("ttyUSB1")
        really_open(line)

    monkeypatch.setattr(serial.Serial, "open", exchange)
    with pytest.raises(OSError, match=r"found 1a86:7523"):
        open_serial(SerialSettings(str(port), 9600, adapter=FTDI), machine.roots)
    other.pull()


def test_two_buses_never_share_a_device_under_two_names(cable: Cable, tmp_path: Path) -> None:
    (tmp_path / "other-name").symlink_to(cable.port)
    first = open_serial(SerialSettings(cable.port, 9600))
    with pytest.raises(OSError, match=r"other-name: is in use by another bus"):
        open_serial(SerialSettings(str(tmp_path / "other-name"), 9600))
    os.close(first)
    os.close(open_serial(SerialSettings(str(tmp_path / "other-name"), 9600)))


def test_a_port_that_another_program_holds_is_told_with_its_name(cable: Cable) -> None:
    program = """
import serial, sys
line = serial.Serial(sys.argv[1], exclusive=True)
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, cable.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        held = f"{name} (pid {process.pid})"
        assert lock_holder(cable.port) == held
        assert held in list_holders(cable.port)
        with pytest.raises(OSError, match=f"is in use by {re.escape(held)}"):
            open_serial(SerialSettings(cable.port, 9600))
        process.communicate()
    assert lock_holder(cable.port) == ""


def test_the_holder_of_a_lock_is_named_without_looking_into_it(
    cable: Cable, tmp_path: Path
) -> None:
    """A technician may not look into the agent's descriptors; the kernel's list of locks says."""
    node = Path(cable.port).stat()
    numbers = f"{os.major(node.st_dev):02x}:{os.minor(node.st_dev):02x}"
    (tmp_path / "locks").write_text(
        f"1: POSIX  ADVISORY  WRITE 9 {numbers}:{node.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 8 {numbers}:{node.st_ino}7 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 812 {numbers}:{node.st_ino} 0 EOF\n"
    )
    (tmp_path / "812").mkdir()
    (tmp_path / "812/comm").write_text("tongluo\n")
    assert lock_holder(cable.port, tmp_path) == "tongluo (pid 812)"
    assert list_holders(cable.port, tmp_path) == ["tongluo (pid 812)"]


def test_a_port_that_vanishes_while_it_is_set_up_is_an_error_like_any_other(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings library lets the terminal's own error through, which is no OSError."""

    def gone(*_: object) -> None:
        raise termios.error(errno.EIO, "Input/output error")

    monkeypatch.setattr(termios, "tcsetattr", gone)
    with pytest.raises(OSError, match=r"/dev/pts/\d+: Input/output error"):
        open_serial(SerialSettings(cable.port, 9600))


def test_one_descriptor_per_port(cable: Cable) -> None:
    before = _descriptors()
    fd = open_serial(SerialSettings(cable.port, 9600))
    assert set(_descriptors()) - set(before) == {str(fd)}
    assert not os.get_inheritable(fd)
    assert not os.get_blocking(fd)
    os.close(fd)


# -- gone and back ----------------------------------------------------------------------------


async def test_a_replugged_adapter_is_taken_up_under_its_new_number(machine: Machine) -> None:
    """Ten times, by the same stable name, without a restart and without leaking descriptors."""
    link = machine.roots.dev / "serial/by-id/usb-FTDI"
    opener = serial_opener(SerialSettings(str(link), 9600, adapter=FTDI), machine.roots)
    owner = Owner(opener)
    assert owner.connection.reason == f"{link}: is not there"
    open_terminals = set()
    for number in range(10):
        cable, name = Cable(), f"ttyUSB{number}"
        machine.plug(
            name, "0403:6001", serial="A50285BI", by_id="usb-FTDI", node=cable.port
        )  # fmt: skip
        owner.retry()
        assert owner.connection.up
        open_terminals.add(len(_descriptors()))
        owner.connection.confirm()
        os.write(cable.far, b"answer %d" % number)
        await until(owner.heard.__len__)
        assert bytes(owner.heard) == b"answer %d" % number
        owner.connection.write(b"question")
        assert cable.heard() == b"question"
        owner.heard.clear()
        machine.unplug(name)
        cable.pull()
        await until(lambda: not owner.connection.up)
    assert owner.connection.losses == 10
    assert owner.changes == [True, False] * 10
    assert len(open_terminals) == 1
    owner.connection.stop()


async def test_another_adapter_in_the_same_place_is_refused_until_the_right_one_is_back(
    machine: Machine,
) -> None:
    port = str(machine.roots.dev / "ttyUSB0")
    first, wrong, back = Cable(), Cable(), Cable()
    machine.plug("ttyUSB0", "0403:6001", serial="A50285BI", node=first.port)
    owner = Owner(serial_opener(SerialSettings(port, 9600, adapter=FTDI), machine.roots))
    assert owner.connection.up
    machine.unplug("ttyUSB0")
    first.pull()
    await until(lambda: not owner.connection.up)
    machine.plug("ttyUSB0", "1a86:7523", node=wrong.port)
    owner.retry()
    assert "found 1a86:7523 serial none" in owner.connection.reason
    machine.unplug("ttyUSB0")
    machine.plug("ttyUSB0", "0403:6001", serial="A50285BI", node=back.port)
    owner.retry()
    assert owner.connection.up
    assert wrong.heard() == b""
    owner.connection.stop()
    for each in (wrong, back):
        each.pull()


@pytest.mark.parametrize(
    "failure", [errno.EIO, errno.ENODEV, errno.EBADF, errno.ENXIO, 0], ids=errno.errorcode.get
)
async def test_whatever_reading_a_lost_adapter_gives_it_is_reopened(
    cable: Cable, failure: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0: a read of nothing, which is what a pulled USB adapter gives."""
    owner = Owner(serial_opener(SerialSettings(cable.port, 9600)))
    os.write(cable.far, b"x")

    def read(fd: int, size: int) -> bytes:
        if failure:
            raise OSError(failure, os.strerror(failure))
        return b""

    with monkeypatch.context() as patch:
        patch.setattr("drivers.bus.stream_port.os.read", read)
        await until(lambda: not owner.connection.up)
    wanted = os.strerror(failure) if failure else "the other end hung up"
    assert wanted in owner.connection.reason
    owner.retry()
    assert owner.connection.up
    owner.connection.stop()


@pytest.mark.parametrize("failure", [errno.EIO, errno.ENODEV, errno.EBADF, errno.EAGAIN])
async def test_whatever_writing_to_a_lost_adapter_gives_it_is_reopened(
    cable: Cable, failure: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(serial_opener(SerialSettings(cable.port, 9600)))

    def write(fd: int, data: bytes) -> int:
        raise OSError(failure, os.strerror(failure))

    with monkeypatch.context() as patch:
        patch.setattr("drivers.bus.stream_port.os.write", write)
        with pytest.raises(OSError, match=os.strerror(failure)):
            owner.connection.write(b"question")
    assert (owner.connection.up, owner.changes) == (False, [True, False])
    owner.retry()
    assert owner.connection.up
    owner.connection.stop()


async def test_a_descriptor_that_is_already_closed_does_no_harm(cable: Cable) -> None:
    """Closing it again is not an error that anybody sees."""
    owner = Owner(serial_opener(SerialSettings(cable.port, 9600)))
    port = owner.connection._port
    assert port is not None
    os.close(port._fd)  # type: ignore[attr-defined] # the fault is seeded behind the seam
    with pytest.raises(OSError, match="Bad file descriptor"):
        owner.connection.write(b"question")
    owner.retry()
    assert owner.changes == [True, False, True]
    owner.connection.stop()


async def test_a_read_that_finds_nothing_is_not_a_pulled_adapter(cable: Cable) -> None:
    """Somebody else may have taken the bytes between the wake-up and the read."""
    owner = Owner(serial_opener(SerialSettings(cable.port, 9600)))
    port = owner.connection._port
    assert port is not None
    port._readable()  # type: ignore[attr-defined] # a spurious wake-up
    assert owner.connection.up
    owner.connection.stop()


# -- direction of an RS-485 line --------------------------------------------------------------


class Driver:
    """The two requests of a UART driver, in place of the kernel's; the rest goes through."""

    def __init__(self, **quirks: int) -> None:
        self.settings = bytes(32)
        self.quirks = quirks
        self.really = fcntl.ioctl

    def ioctl(self, fd: int, what: int, *rest: object) -> object:
        if what == 0x542E:
            return self.settings
        if what == 0x542F:
            if number := self.quirks.get("refuses"):
                raise OSError(number, os.strerror(number))
            flags, before, after = struct.unpack_from("=III", rest[0])  # type: ignore[arg-type] # bytes
            most = self.quirks.get("most_delay_ms", 100)
            flags &= ~self.quirks.get("lacks", 0)
            self.settings = struct.pack(
                "=III20x", flags, min(before, most), min(after, most)
            )  # fmt: skip
            return self.settings
        return self.really(fd, what, *rest)  # type: ignore[call-overload] # passed on as it came


def _rs485(port: str, wanted: Rs485) -> SerialSettings:
    return replace(SerialSettings(port, 9600), rs485=wanted)


@pytest.mark.parametrize(
    ("wanted", "flags"), [(Rs485(), 0b011), (Rs485(rts_on_send=False), 0b101)], ids=str
)
def test_the_driver_is_told_how_to_switch_and_is_read_back(
    cable: Cable, wanted: Rs485, flags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver()
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    os.close(open_serial(_rs485(cable.port, wanted)))
    assert struct.unpack_from("=III", driver.settings) == (flags, 0, 0)


def test_delays_reach_the_driver_to_the_millisecond(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one: 29 ms must not become 28 on its way through seconds."""
    driver = Driver()
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    for delay_ms in range(0, 101, 29):
        os.close(open_serial(_rs485(cable.port, Rs485(True, delay_ms, 100 - delay_ms))))
        assert struct.unpack_from("=III", driver.settings)[1:] == (delay_ms, 100 - delay_ms)


def test_what_the_board_was_set_to_otherwise_stays(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit 5 is a terminating resistor that the board can switch."""
    driver = Driver()
    driver.settings = struct.pack("=III20x", 1 << 5 | 1 << 4, 7, 7)
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    os.close(open_serial(_rs485(cable.port, Rs485())))
    assert struct.unpack_from("=III", driver.settings) == (1 << 5 | 0b011, 0, 0)


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EINVAL])
def test_a_driver_that_refuses_is_told(
    cable: Cable, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A UART driver answers what it is set to, even if it cannot be set."""
    driver = Driver(refuses=number)
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    with pytest.raises(OSError, match="does not control the RS-485 direction"):
        open_serial(_rs485(cable.port, Rs485()))


@pytest.mark.parametrize(
    ("quirks", "told"),
    [
        ({"lacks": 0b001}, "set RS-485 to off, wanted RTS 1 on send"),
        ({"lacks": 0b010}, "set RS-485 to RTS 0 on send, 0 after"),
        ({"most_delay_ms": 0}, "0 ms before, 0 ms after, wanted .*, 5 ms before, 2 ms after"),
    ],
    ids=str,
)
def test_a_driver_that_takes_something_else_is_told(
    cable: Cable, quirks: dict[str, int], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(**quirks)
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    with pytest.raises(OSError, match=told):
        open_serial(_rs485(cable.port, Rs485(True, 5, 2)))


async def test_a_port_whose_driver_cannot_switch_stays_down_and_says_why(cable: Cable) -> None:
    """As every pseudo-terminal and USB adapter."""
    owner = Owner(serial_opener(_rs485(cable.port, Rs485())))
    assert owner.connection.reason == (
        f"{cable.port}: its driver does not control the RS-485 direction "
        "(Inappropriate ioctl for device)"
    )
    owner.connection.stop()


def test_rts_rests_where_the_line_is_free(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment of opening: RTS left up would keep the line driven."""
    monkeypatch.setattr(fcntl, "ioctl", Driver().ioctl)
    monkeypatch.setattr(serial.Serial, "_update_dtr_state", lambda _: None)
    levels: list[bool] = []
    monkeypatch.setattr(
        serial.Serial, "_update_rts_state", lambda line: levels.append(line._rts_state)
    )
    for wanted in (Rs485(), Rs485(rts_on_send=False)):
        os.close(open_serial(_rs485(cable.port, wanted)))
    assert levels == [False, True]


def test_whether_a_driver_could_switch_is_found_without_changing_it(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offers_direction(cable.port) is False
    assert offers_direction("/dev/absent") is None
    driver = Driver()
    driver.settings = struct.pack("=III20x", 0b011, 3, 4)
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
    assert offers_direction(cable.port)
    assert struct.unpack_from("=III", driver.settings) == (0b011, 3, 4)
    driver.quirks["refuses"] = errno.ENOTTY
    assert offers_direction(cable.port) is False


# -- adapters that hold bytes back ------------------------------------------------------------


@pytest.mark.parametrize(("held_ms", "said"), [(16, 1), (1, 0), (None, 0)])
async def test_an_adapter_that_holds_bytes_back_is_said_once(
    machine: Machine, cable: Cable, held_ms: int | None, said: int, caplog: pytest.LogCaptureFixture
) -> None:
    machine.plug("ttyUSB0", "0403:6001", latency_ms=held_ms, node=cable.port)
    opener = serial_opener(SerialSettings(cable.port, 9600), machine.roots)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            opener(lambda _: None, lambda _: None).close()
    slow = [each.getMessage() for each in caplog.records if "slow_adapter" in each.getMessage()]
    assert len(slow) == said
    assert all(f"port={cable.port}" in each and "ms=16" in each for each in slow)


# -- TCP, over the same base ------------------------------------------------------------------


async def test_a_tcp_port_connects_hears_and_hangs_up() -> None:
    server_heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_heard.extend(await reader.readexactly(8))
        writer.write(b"answer")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        owner = Owner(tcp_opener("127.0.0.1", server.sockets[0].getsockname()[1]))
        owner.connection.write(b"ques")
        owner.connection.write(b"tion")
        await until(lambda: not owner.connection.up)
    assert (bytes(server_heard), bytes(owner.heard)) == (b"question", b"answer")
    assert owner.connection.reason == "the other end hung up"
    owner.connection.stop()


@pytest.mark.parametrize("question", [b"", b"question"])
async def test_a_refused_tcp_connection_is_told(question: bytes) -> None:
    """Whether or not something was waiting to be sent."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    owner = Owner(tcp_opener("127.0.0.1", number))
    if question:
        owner.connection.write(question)
    await until(lambda: not owner.connection.up)
    assert "Connection refused" in owner.connection.reason
    owner.connection.stop()
