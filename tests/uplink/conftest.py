"""Prepared journals, virtual time, a link with fault knobs, a real mosquitto, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import selectors
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from edge.core.errors import LinkDown
from protocols import envelope
from protocols.block import Column, Profile, Reading, encode_birth, encode_block
from protocols.envelope import Envelope
from uplink.connection import Receipt
from uplink.mqtt import LinkStatus

T = TypeVar("T")

SCHEMA = Path(__file__).parents[2] / "edge/engine/schema/0001.sql"
PROFILE = Profile(
    "shuanghe",
    (Column("river.level", "m", 3, "river", 250), Column("rain.total", "mm", 1, "rain", 1000)),
)


class JournalFile:
    """A journal as the alarm process would write it."""

    profile = PROFILE

    def __init__(self, path: Path, epoch: str = "0a1b2c3d") -> None:
        self.path = path
        self.epoch = epoch
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = OFF")
        script = SCHEMA.read_text("utf-8")
        self.database.executescript(f"BEGIN; {script}; PRAGMA user_version = 1; COMMIT")
        meta = [("epoch", epoch), ("site", PROFILE.site)]
        self.database.executemany("INSERT INTO meta VALUES (?, ?)", meta)

    def add(self, kind: str, urgency: int, body: bytes | dict[str, object] | None = None) -> int:
        """Append one record; its number."""
        if not isinstance(body, bytes):
            body = envelope.encode_body(body or {})
        cursor = self.database.execute(
            "INSERT INTO record (kind, urgency, utc_ms, quality, body) VALUES (?, ?, ?, ?, ?)",
            (kind, urgency, 1_760_000_000_000, "synced", body),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def birth(self) -> int:
        return self.add("birth", 1, encode_birth(PROFILE))

    def block(self, level: float = 1.5) -> int:
        readings = [Reading(0, 1_760_000_000_000, level), Reading(1, 1_760_000_000_000, None, 3)]
        return self.add("block", 2, encode_block(PROFILE, readings))

    def alarm(self, rule: str = "river-flood") -> int:
        return self.add("alarm", 0, {"rule": rule, "level": "red"})

    def fill(self, count: int) -> None:
        """So many blocks at once; the bodies are all alike."""
        body = encode_block(PROFILE, [Reading(0, 1_760_000_000_000, 1.5)])
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT INTO record (kind, urgency, utc_ms, quality, body) VALUES (?, ?, ?, ?, ?)",
            [("block", 2, 1_760_000_000_000 + n, "synced", body) for n in range(count)],
        )
        self.database.execute("COMMIT")

    def evict(self, *seqs: int) -> None:
        self.database.executemany("DELETE FROM record WHERE seq = ?", [(seq,) for seq in seqs])

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def new_journal(state_dir: Path) -> Iterator[Callable[..., JournalFile]]:
    """Makes ``journal.db``; again after it was moved away."""
    with contextlib.ExitStack() as stack:

        def make(epoch: str = "0a1b2c3d", name: str = "journal.db") -> JournalFile:
            journal = JournalFile(state_dir / name, epoch)
            stack.callback(journal.close)
            return journal

        yield make


@pytest.fixture
def journal(new_journal: Callable[..., JournalFile]) -> JournalFile:
    """An empty journal."""
    return new_journal()


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's time."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "all tasks wait for something that never comes"
            self.now_s += max(timeout, 0.0)
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now_s


@pytest.fixture
def virtual() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Runs a coroutine in virtual time; only for what touches no socket and no thread."""

    def run(main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            return runner.run(main)

    return run


class FakeLink:
    """A link with fault knobs. ``sent``: (time in s, topic, record) of what it took, in order."""

    def __init__(self) -> None:
        self.up = True
        self.window = 4
        self.latency_s = 0.01
        self.refuse: Callable[[Envelope], int | None] = lambda record: None
        self.fail: Callable[[Envelope], bool] = lambda record: False
        self.hang = False
        self.sent: list[tuple[float, str, Envelope]] = []
        self.started: list[int] = []
        self.retained: dict[str, Envelope] = {}
        self.hurried = 0
        self.changed: Callable[[], None] = lambda: None

    @property
    def status(self) -> LinkStatus:
        return LinkStatus(up=self.up)

    def listen(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def hurry(self) -> None:
        self.hurried += 1

    def turn(self, *, up: bool) -> None:
        self.up = up
        self.changed()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Receipt:
        record = envelope.decode(payload)
        self.started.append(record.seq)
        await asyncio.sleep(self.latency_s)
        while self.hang and self.up:
            await asyncio.sleep(1.0)
        if not self.up or self.fail(record):
            raise LinkDown("cut")
        code = self.refuse(record)
        if code is not None:
            return Receipt(code < 0x80, code, "as told")
        if retain:
            self.retained[topic] = record
        else:
            self.sent.append((asyncio.get_running_loop().time(), topic, record))
        return Receipt(True, 0, "Success")

    @property
    def seqs(self) -> list[int]:
        return [record.seq for _, _, record in self.sent]


@pytest.fixture
def link() -> FakeLink:
    """A link that works at once."""
    return FakeLink()


@pytest.fixture
def in_place() -> Callable[[Callable[[], T]], Awaitable[T]]:
    """Runs what would go to a thread where it is, so that virtual time stays honest."""

    async def offload(call: Callable[[], T]) -> T:
        return call()

    return offload


class Mosquitto:
    """A broker on a free loopback port, with its store in a folder of the test."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.program = program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.lines = ["allow_anonymous true"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Come up and take connections."""
        config = self.folder / "mosquitto.conf"
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        own = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {store}/",
            "max_queued_messages 1000000",
            "set_tcp_nodelay true",
            "log_dest none",
        ]
        if os.geteuid() == 0:
            own.append("user root")
        config.write_text("\n".join([*own, *self.lines, ""]))
        self.process = subprocess.Popen([self.program, "-c", str(config)])
        give_up = time.monotonic() + 5.0
        while time.monotonic() < give_up and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        self.kill()
        raise AssertionError("mosquitto did not come up")

    def allow(self, *topics: str) -> None:
        """Let everybody read all, and publish to these alone."""
        acl = self.folder / "acl"
        acl.write_text("".join(f"topic write {topic}\n" for topic in topics) + "topic read #\n")
        self.lines.append(f"acl_file {acl}")

    def reload(self) -> None:
        """Read the access list again, as on a real broker."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """As a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[Callable[[], Mosquitto]]:
    """Makes brokers; each is started by the test, after it set ``lines``."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    brokers: list[Mosquitto] = []

    def make() -> Mosquitto:
        folder = tmp_path / f"broker{len(brokers)}"
        folder.mkdir()
        brokers.append(Mosquitto(folder, program))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.kill()


@pytest.fixture
def mosquitto(new_mosquitto: Callable[[], Mosquitto]) -> Mosquitto:
    """A running broker without TLS."""
    broker = new_mosquitto()
    broker.start()
    return broker


class Authority:
    """A private certificate authority with a broker certificate for 127.0.0.1 and client ones."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("district authority")
        self.ca_file = self._write("ca.pem", self._sign(self.name, self.key, [], ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files for a broker on 127.0.0.1, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = self._sign(_name(name), key, [address], ca=False)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self._write(f"{name}.pem", certificate), self._write(f"{name}.key", pem)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        addresses: list[x509.GeneralName],
        *,
        ca: bool,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(_authority(self.key), critical=False)
            .add_extension(_usage(ca=ca), critical=True)
        )
        if addresses:
            names = x509.SubjectAlternativeName(addresses)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


def _usage(*, ca: bool) -> x509.KeyUsage:
    """An authority signs certificates, everybody else signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """Python 3.13 and newer verify strictly (RFC 5280, 4.2.1.1): every certificate needs it."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The district's own."""
    return Authority(tmp_path / "district")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """One that nobody here trusts, under the same name."""
    return Authority(tmp_path / "stranger")


@pytest.fixture
def secure_mosquitto(new_mosquitto: Callable[[], Mosquitto], authority: Authority) -> Mosquitto:
    """A running broker that wants a client certificate."""
    broker = new_mosquitto()
    certificate, key = authority.issue("broker")
    broker.lines = [
        f"cafile {authority.ca_file}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
    ]
    broker.start()
    return broker
