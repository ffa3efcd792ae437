"""``tongluo receive`` as a program: JSON lines on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from edge.cli.receive import receive
from protocols import envelope
from protocols.envelope import Envelope
from uplink.connection import Broker, Connection, Tls
from uplink.topics import Topics

if TYPE_CHECKING:
    from tests.uplink.conftest import Authority, Mosquitto

TOPICS = Topics("tongluo", "shuanghe")


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge.cli.main", "receive", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "0"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def publish(broker: Broker, *seqs: int) -> None:
    """Alarms with Chinese text, as a site would send them, and one message that is none."""
    context = None if broker.tls is None else broker.tls.context()
    connection = Connection(broker, "shuanghe", tls_context=context, keep_session=False)
    await connection.open()
    while (await connection.deliver(TOPICS.record("alarm"), b"nonsense")).code:
        await asyncio.sleep(0.01)  # until the receiver has subscribed
    for seq in seqs:
        body = envelope.encode_body({"rule": "河道洪水"})
        record = Envelope("0a1b2c3d", seq, "alarm", 0, 1_760_000_000_000, "synced", body)
        await connection.deliver(TOPICS.record("alarm"), envelope.encode(record))
    await connection.close()


def items(stdout: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.decode("utf-8").splitlines()]


async def test_it_prints_and_remembers(mosquitto: Mosquitto, state_dir: Path) -> None:
    """One line each; the account of the second run includes the first; SIGTERM ends it well."""
    broker = Broker(host="127.0.0.1", port=mosquitto.port)
    arguments = ("--port", str(mosquitto.port), "--state", str(state_dir), "--site", "shuanghe")
    async with command(*arguments, "--until-idle", "0.5") as process:
        await publish(broker, 1, 2, 2, 5)
        stdout, stderr = await process.communicate()
    assert process.returncode == 0
    told = items(stdout)
    assert [(item["type"], item.get("seq")) for item in told] == [
        *(("alarm", 1), ("alarm", 2), ("alarm", 5)),
        ("completeness", None),
    ]
    assert told[0]["rule"] == "河道洪水"
    assert told[-1]["missing"] == [[3, 4]]
    assert b"malformed" in stderr
    async with asyncio.timeout(5.0):
        await publish(broker, 3)  # nobody runs; the broker keeps it
    async with command(*arguments) as process:
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["seq"] == 3
        process.send_signal(signal.SIGTERM)
        stdout, _ = await process.communicate()
    assert process.returncode == 0
    assert items(stdout)[-1]["missing"] == [[4, 4]]
    assert items(stdout)[-1]["duplicates"] == 1


async def test_it_speaks_tls(secure_mosquitto: Mosquitto, authority: Authority) -> None:
    """With a client certificate; without one it says why, and fails."""
    certificate, key = authority.issue("district")
    port = str(secure_mosquitto.port)
    arguments = ("--host", "127.0.0.1", "--port", port, "--ca", str(authority.ca_file))
    broker = Broker(
        host="127.0.0.1",
        port=secure_mosquitto.port,
        tls=Tls(authority.ca_file, *authority.issue("shuanghe")),
    )
    own = ("--cert", str(certificate), "--key", str(key))
    async with command(*arguments, *own, "--for", "20") as process:
        await publish(broker, 1)
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["seq"] == 1
    async with command(*arguments) as process:
        _, stderr = await process.communicate()
    assert process.returncode == 1
    assert b"certificate" in stderr


async def test_an_absent_broker_is_an_error() -> None:
    """At the start; exit code 1 and the reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with command("--port", str(unused.getsockname()[1])) as process:
            stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"refused" in stderr


async def test_a_broker_that_comes_back_is_met_again(mosquitto: Mosquitto) -> None:
    """Once connected, it stays; both changes are told, once."""
    broker = Broker(host="127.0.0.1", port=mosquitto.port)
    async with command("--port", str(mosquitto.port), "--for", "30") as process:
        assert process.stdout is not None
        for seq in (1, 2):
            await publish(broker, seq)
            assert json.loads(await process.stdout.readline())["seq"] == seq
            if seq == 1:
                mosquitto.kill()
                mosquitto.start()
        process.send_signal(signal.SIGINT)
        stdout, stderr = await process.communicate()
    assert process.returncode == 0
    assert items(stdout)[-1]["complete_to"] == 2
    talk = [line for line in stderr.decode().splitlines() if "malformed" not in line]
    assert sum("is down" in line for line in talk) == 1
    assert sum("is up again" in line for line in talk) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--protocol", "3"],
        ["--host", "mqtt.example.org"],
        ["--cert", __file__],
        ["--cert", __file__, "--key", __file__],
        ["--ca", "absent.pem"],
        ["--for", "-1"],
    ],
)
def test_wrong_usage_is_told_before_anything_happens(arguments: list[str]) -> None:
    """Exit code 2; a broker that is not on this machine needs TLS."""
    result = CliRunner().invoke(receive, arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr
