"""TLS against a real mosquitto: both ends show a certificate of the district's own authority."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.core.errors import LinkDown
from uplink.connection import CONNECT_TIMEOUT_S, Broker, Connection, Tls
from uplink.mqtt import MqttLink
from uplink.topics import Topics

if TYPE_CHECKING:
    from tests.uplink.conftest import Authority, Mosquitto

TOPICS = Topics("tongluo", "shuanghe")


def broker_of(mosquitto: Mosquitto, tls: Tls, host: str = "127.0.0.1") -> Broker:
    return Broker(host=host, port=mosquitto.port, tls=tls)


async def refusal(broker: Broker) -> str:
    """Why the connection fails, and that it fails soon."""
    assert broker.tls is not None
    connection = Connection(broker, "shuanghe", tls_context=broker.tls.context())
    began_s = time.monotonic()
    with pytest.raises(LinkDown) as error:
        await connection.open()
    assert time.monotonic() - began_s < CONNECT_TIMEOUT_S / 2
    return str(error.value)


async def test_a_client_with_a_certificate_is_served(
    secure_mosquitto: Mosquitto, authority: Authority
) -> None:
    """Over TLS 1.3, with publishes of any size."""
    tls = Tls(authority.ca_file, *authority.issue("shuanghe"))
    link = MqttLink(broker_of(secure_mosquitto, tls), TOPICS)
    async with link:
        async with asyncio.timeout(8.0):
            while not link.up:
                await asyncio.sleep(0.005)
        assert link._connection is not None
        sock = link._connection._client.socket()
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.version() == "TLSv1.3"
        for size in (1, 300_000):
            assert (await link.publish(TOPICS.record("block"), bytes(size))).accepted


async def test_a_client_without_a_certificate_is_told(
    secure_mosquitto: Mosquitto, authority: Authority
) -> None:
    """With TLS 1.3 the alert comes after the handshake; it must not look like a timeout.

    The alert is lost if the broker's end of the connection overtakes it: then we can only suspect.
    """
    assert "certificate" in await refusal(broker_of(secure_mosquitto, Tls(authority.ca_file)))


async def test_a_client_of_a_strange_authority_is_told(
    secure_mosquitto: Mosquitto, authority: Authority, stranger: Authority
) -> None:
    """Its certificate has the right names and the wrong signature."""
    tls = Tls(authority.ca_file, *stranger.issue("shuanghe"))
    told = await refusal(broker_of(secure_mosquitto, tls))
    assert "alert" in told or "client certificate" in told


async def test_a_strange_broker_is_not_trusted(
    secure_mosquitto: Mosquitto, authority: Authority, stranger: Authority
) -> None:
    """Neither by signature nor by host name."""
    own = authority.issue("shuanghe")
    tls = Tls(stranger.ca_file, *own)
    assert "certificate verify failed" in await refusal(broker_of(secure_mosquitto, tls))
    tls = Tls(authority.ca_file, *own)
    assert "Hostname mismatch" in await refusal(broker_of(secure_mosquitto, tls, "localhost"))


def test_a_file_that_cannot_be_read_is_named(authority: Authority, tmp_path: Path) -> None:
    """The technician sees which."""
    certificate, key = authority.issue("shuanghe")
    with pytest.raises(LinkDown, match=r"absent\.pem"):
        Tls(tmp_path / "absent.pem").context()
    with pytest.raises(LinkDown, match=r"shuanghe\.pem"):
        Tls(authority.ca_file, certificate, tmp_path / "absent.key").context()
    key.write_text("no key")
    with pytest.raises(LinkDown, match=r"shuanghe\.pem"):
        Tls(authority.ca_file, certificate, key).context()


def test_old_tls_is_off(authority: Authority) -> None:
    """Nothing below 1.2, host names checked, no way to switch it off."""
    context = Tls(authority.ca_file).context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_link_without_its_files_waits_for_them(
    secure_mosquitto: Mosquitto, authority: Authority
) -> None:
    """Certificates are read at each attempt: a renewed one needs no restart."""
    certificate, key = authority.issue("shuanghe")
    aside = certificate.rename(certificate.with_suffix(".aside"))
    broker = broker_of(secure_mosquitto, Tls(authority.ca_file, certificate, key))
    async with MqttLink(broker, TOPICS, jitter=lambda: 0.05) as link, asyncio.timeout(8.0):
        while not link.status.error:
            await asyncio.sleep(0.005)
        assert "shuanghe.pem" in link.status.error
        aside.rename(certificate)
        while not link.up:
            await asyncio.sleep(0.005)
