"""Simulated devices on real terminals and sockets, polled by independent masters.

Times are only ever checked from below: an answer must not come before line time allows it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from tools.twins.faults import Faults
from tools.twins.frame_log import FrameLog
from tools.twins.libmodbus_slave import library
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave, TcpSlave, Unit, crc16
from tools.twins.pty_line import PtyLine
from tools.twins.pty_pair import linked_ptys
from tools.twins.reference_map import COILS, DISCRETES, HOLDING, INPUTS
from tools.twins.tcp_line import TcpLine

PATIENCE_S = 10.0
REPOSITORY = Path(__file__).parents[2]
needs_mbpoll = pytest.mark.skipif(
    shutil.which("mbpoll") is None, reason="mbpoll, the independent master, is not installed"
)
needs_libmodbus = pytest.mark.skipif(
    library() is None, reason="libmodbus.so.5, the independent slave, is not installed"
)


def framed(hex_text: str) -> bytes:
    """An RTU frame from its text without CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


def mbpoll(*options: object) -> tuple[list[int], str]:
    """The values that mbpoll prints, and all it says. Addresses count from 0."""
    command = ["mbpoll", "-1", "-0", "-q", "-o", "2", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    said = done.stdout + done.stderr
    lines = [line.split() for line in said.splitlines() if line.startswith("[")]
    return [int(words[1]) for words in lines], said


def rtu(baud: int, unit: int) -> list[object]:
    """mbpoll's options for a line."""
    return ["-m", "rtu", "-b", baud, "-P", "none", "-a", unit]


def unit() -> Unit:
    return Unit(coils=COILS, discretes=DISCRETES, holding=HOLDING, inputs=INPUTS)


class Client:
    """A raw descriptor on a terminal, read with patience."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)

    def read(self, size: int) -> bytes:
        """So many bytes; fewer after a hang-up."""
        data = b""
        while len(data) < size:
            readable, _, _ = select.select([self.fd], [], [], PATIENCE_S)
            assert readable, f"only {data.hex()} came"
            try:
                piece = os.read(self.fd, size - len(data))
            except OSError:
                piece = b""
            if not piece:
                break
            data += piece
        return data


@pytest.fixture
def open_client() -> Iterator[Callable[[str], Client]]:
    """Opens terminals and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def open_path(path: str) -> Client:
            client = Client(path)
            stack.callback(os.close, client.fd)
            return client

        yield open_path


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "line"


@needs_mbpoll
def test_mbpoll_reads_and_writes_a_paced_terminal(link: Path) -> None:
    slave = RtuSlave({3: unit(), 9: unit()}, turnaround_ms=2.0)
    with PtyLine(slave, link, 19200) as line:
        options = rtu(19200, 3)
        for kind, table in ((0, COILS), (1, DISCRETES), (4, HOLDING), (3, INPUTS)):
            values, said = mbpoll(*options, "-r", 10, "-c", 20, "-t", kind, line.path)
            assert values == table[10:30], said
        assert "Written 1" in mbpoll(*options, "-r", 7, "-t", 0, line.path, 0)[1]
        assert "Written 1" in mbpoll(*options, "-r", 7, "-t", 4, line.path, 4711)[1]
        assert "Written 3" in mbpoll(*options, "-r", 20, "-t", 4, line.path, 1, 2, 3)[1]
        assert "Written 3" in mbpoll(*options, "-r", 20, "-t", 0, line.path, 1, 1, 1)[1]
        assert "Illegal data address" in mbpoll(*options, "-r", 99, "-c", 2, line.path)[1]
    near, far = slave.units[3], slave.units[9]
    assert (near.coils[7], near.holding[7], far.holding[7]) == (0, 4711, HOLDING[7])
    assert [near.holding[at] for at in (20, 21, 22)] == [1, 2, 3]
    assert [near.coils[at] for at in (20, 21, 22)] == [1, 1, 1]
    assert line.counters["answer"] == 9
    assert line.counters["overlaps"] == 0


@pytest.mark.parametrize("bytewise", [False, True])
def test_an_answer_never_comes_before_line_time_allows(
    bytewise: bool, open_client: Callable[[str], Client]
) -> None:
    log, time_on_line = FrameLog(), LineTime(2400, "8E1")
    slave = RtuSlave({3: unit()}, turnaround_ms=20.0)
    with PtyLine(slave, None, 2400, "8E1", bytewise=bytewise, on_frame=log.add) as line:
        client = open_client(line.path)
        for _ in range(3):
            written_ns = time.monotonic_ns()
            os.write(client.fd, framed("030300000004"))
            first = client.read(1)
            first_ns = time.monotonic_ns()
            answer = first + client.read(12)
            whole_ns = time.monotonic_ns()
            assert answer == framed("03030803e803e903ea03eb")
            begin_ns = time_on_line.ns(8) + 20_000_000
            assert whole_ns - written_ns >= begin_ns + time_on_line.ns(13)
            at_once = 1 if bytewise else 13
            assert first_ns - written_ns >= begin_ns + time_on_line.ns(at_once)
            request, reply = log.frames[-2:]
            assert (request.kind, reply.kind, reply.frame) == ("request", "answer", answer)
            assert written_ns <= request.first_ns
            assert request.last_ns == request.first_ns + time_on_line.ns(8)
            assert reply.first_ns == request.last_ns + 20_000_000
            assert reply.first_ns + time_on_line.ns(13) <= reply.last_ns <= whole_ns


def test_unplugging_hangs_up_and_replugging_brings_the_link_back(
    link: Path, open_client: Callable[[str], Client]
) -> None:
    with PtyLine(RtuSlave({3: unit()}), link, 115200) as line:
        client = open_client(str(link))
        line.unplug()
        assert not os.path.lexists(link)
        assert not line.plugged
        assert client.read(7) == b""
        line.unplug()
        line.replug()
        again = open_client(str(link))
        os.write(again.fd, framed("030300000001"))
        assert again.read(7) == framed("03030203e8")
    assert not os.path.lexists(link)
    line.close()


def test_a_link_replaces_an_old_link_and_nothing_else(link: Path) -> None:
    link.symlink_to("nowhere")
    with PtyLine(RtuSlave({}), link) as line:
        assert link.readlink().is_relative_to("/dev")
        line.unplug()
        link.write_text("a file of somebody")
        with pytest.raises(FileExistsError):
            line.replug()
        assert not line.plugged
    assert link.read_text() == "a file of somebody"


def test_babble_reaches_the_terminal_without_being_asked(
    open_client: Callable[[str], Client],
) -> None:
    slave = RtuSlave({})
    with PtyLine(slave, None, 115200) as line:
        client = open_client(line.path)
        slave.faults.babble = b"\x55\xaa"
        assert client.read(6) == b"\x55\xaa" * 3
        slave.faults.babble = b""


def test_pymodbus_reads_and_writes_a_tcp_line() -> None:
    slave = TcpSlave({1: unit(), 2: unit()}, turnaround_ms=1.0)
    with TcpLine(slave) as line, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(ModbusTcpClient("127.0.0.1", port=line.port, retries=0))
            for _ in range(2)
        ]
        for client in clients:
            assert client.read_holding_registers(5, count=4, device_id=1).registers == HOLDING[5:9]
            assert client.read_coils(0, count=8, device_id=2).bits == [bool(x) for x in COILS[:8]]
        clients[0].write_registers(3, [7, 8], device_id=2)
        assert clients[1].read_holding_registers(3, count=2, device_id=2).registers == [7, 8]
        assert clients[0].read_input_registers(99, count=2, device_id=1).exception_code == 2
        assert clients[0].read_input_registers(0, count=1, device_id=7).exception_code == 11
        slave.unit_faults[1] = Faults(exception=6, next_n=1)
        assert clients[0].read_coils(0, count=1, device_id=1).exception_code == 6
        clients[0].mask_write_register(address=3, and_mask=0, or_mask=9, device_id=2)
        assert slave.units[2].holding[3] == 9


def test_a_tcp_line_comes_back_on_the_same_port() -> None:
    with TcpLine(TcpSlave({1: unit()})) as line:
        with socket.create_connection(("127.0.0.1", line.port), PATIENCE_S) as client:
            line.unplug()
            assert client.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", line.port), PATIENCE_S)
        line.replug()
        with socket.create_connection(("127.0.0.1", line.port), PATIENCE_S) as client:
            client.sendall(bytes.fromhex("000100000006010300000001"))
            assert client.recv(100).hex() == "00010000000501030203e8"
            client.sendall(b"GET / HTTP/1.1\r\n")
            assert client.recv(10) == b""


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


@needs_mbpoll
@needs_libmodbus
def test_libmodbus_slaves_share_a_hub_with_mbpoll() -> None:
    with linked_ptys(3) as (one, two, master), contextlib.ExitStack() as stack:
        for path, own in ((one, "4"), (two, "5")):
            stack.enter_context(program("tools.twins.libmodbus_slave", "rtu", path, own))
        for address in (4, 5, 4):
            options = [*rtu(9600, address), "-r", 10, "-c", 5]
            assert mbpoll(*options, "-t", 4, master)[0] == HOLDING[10:15]
            assert mbpoll(*options, "-t", 1, master)[0] == DISCRETES[10:15]


@needs_mbpoll
@needs_libmodbus
def test_libmodbus_serves_tcp_to_one_client_after_the_other() -> None:
    with program("tools.twins.libmodbus_slave", "tcp", "0") as (_, ready):
        for kind, table in ((0, COILS), (3, INPUTS)):
            options = ["-m", "tcp", "-p", ready["port"], "-r", 0, "-c", 9, "-t", kind, "127.0.0.1"]
            assert mbpoll(*options)[0] == table[:9]


@needs_mbpoll
def test_pymodbus_serves_rtu_and_tcp() -> None:
    with linked_ptys() as (far, near), program("tools.twins.pymodbus_slave", "rtu", far, "3"):
        assert mbpoll(*rtu(9600, 3), "-r", 10, "-c", 5, "-t", 0, near)[0] == COILS[10:15]
        assert mbpoll(*rtu(9600, 3), "-r", 10, "-c", 5, "-t", 4, near)[0] == HOLDING[10:15]
    with program("tools.twins.pymodbus_slave", "tcp", "0") as (_, ready):
        options = ["-m", "tcp", "-p", ready["port"], "-r", 0, "-c", 9, "-t", 3, "127.0.0.1"]
        assert mbpoll(*options)[0] == INPUTS[:9]


def test_an_independent_slave_ends_with_its_parent() -> None:
    """The slave is started by a process that dies at once; its output ends when it does."""
    start = (
        "import subprocess, sys\n"
        "slave = subprocess.Popen([sys.executable, '-m', 'tools.twins.pymodbus_slave', 'tcp', '0'],"
        " stdin=subprocess.DEVNULL)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert json.loads(parent.stdout.readline())["ready"]
        parent.stdin.close()
        readable, _, _ = select.select([parent.stdout], [], [], PATIENCE_S)
        assert readable
        assert parent.stdout.read() == ""
