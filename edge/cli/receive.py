"""``tongluo receive``: what a district centre hears, as JSON lines."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from uplink.archive import Archive
    from uplink.intake import Intake
    from uplink.receiver import Item

_pem = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="localhost", show_default=True, help="Broker.")
@click.option("--port", type=click.IntRange(1, 65535), help="8883 with TLS, else 1883.")
@click.option("--protocol", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@click.option("--topic", default="tongluo", show_default=True, help="Prefix of the topics.")
@click.option("--ca", type=_pem, help="Certificate of the authority (PEM); switches TLS on.")
@click.option("--cert", type=_pem, help="Client certificate (PEM).")
@click.option("--key", type=_pem, help="Key of the client certificate (PEM).")
@click.option("--site", default="", help="Only this site.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Remember here what was received. Without it nothing outlives the command.",
)
@click.option("--for", "for_s", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option(
    "--until-idle", "idle_s", type=click.FloatRange(min=0), help="End after so much silence."
)
@click.option(
    "--report", "report_s", type=click.FloatRange(min=0.1), default=60.0, show_default=True
)
@click.option("--quiet-readings", is_flag=True, help="Account for blocks, print no readings.")
def receive(
    host: str,
    port: int | None,
    protocol: Literal["5", "3.1.1"],
    topic: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    site: str,
    state: Path | None,
    for_s: float | None,
    idle_s: float | None,
    report_s: float,
    quiet_readings: bool,
) -> None:
    """Receive from sites, and say what is complete and what is missing.

    接收站点数据，并说明完整性与缺失范围。JSON lines on stdout, talk on stderr.
    """
    from uplink.archive import Archive
    from uplink.connection import Broker, Tls
    from uplink.intake import Intake

    if (cert is None) != (key is None) or (cert is not None and ca is None):
        raise click.UsageError("--cert and --key belong together, and to --ca")
    if ca is None and not _is_local(host):
        raise click.UsageError(f"{host} is not this machine: --ca is required")
    intake = Intake(
        broker=Broker(
            host=host,
            port=port or (8883 if ca else 1883),
            protocol=protocol,
            tls=Tls(ca, cert, key) if ca else None,
        ),
        topic=topic,
        site=site,
        keep_session=state is not None,
        idle_s=idle_s,
        for_s=for_s,
        report_every_s=report_s,
    )
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    with Archive(state / "receive.db" if state else None) as archive:
        asyncio.run(_receive(intake, archive, readings=not quiet_readings))


async def _receive(intake: Intake, archive: Archive, *, readings: bool) -> None:
    from uplink.intake import listen
    from uplink.receiver import Receiver

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    receiver = Receiver(archive, intake.topic, complain=_say, readings=readings)
    try:
        await listen(intake, archive, receiver, _emit, _say, stop)
    finally:
        if receiver.malformed:
            _say(f"{receiver.malformed} malformed messages")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _emit(items: list[Item]) -> None:
    lines = [json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items]
    click.echo("".join(lines).encode("utf-8", "replace"), nl=False)


def _say(line: str) -> None:
    click.echo(f"receive: {line}", err=True)
