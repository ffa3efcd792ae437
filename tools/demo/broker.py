"""The broker of the demonstration.

Mosquitto where it is installed, else an embedded one (MQTT 3.1.1).
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.demo.stage import Stage, wait_for

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
max_queued_messages 1000000
set_tcp_nodelay true
{user}
"""

_AMQTT = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """How to start it, and which MQTT it speaks."""

    name: str
    protocol: str
    command: tuple[str, ...]
    port: int

    def start(self, stage: Stage) -> None:
        """Start it and wait until it listens."""
        stage.start("broker", self.command)
        wait_for("the broker to listen", self._listens, 15)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def choose(folder: Path, port: int) -> Broker:
    """The best broker of this machine, configured in this folder."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program:
        config = folder / "mosquitto.conf"
        user = "user root" if os.geteuid() == 0 else ""
        config.write_text(_MOSQUITTO.format(port=port, folder=folder, user=user), "utf-8")
        return Broker("mosquitto", "5", (program, "-c", str(config)), port)
    config = folder / "amqtt.yaml"
    config.write_text(_AMQTT.format(port=port), "utf-8")
    program = str(Path(sys.executable).with_name("amqtt"))
    return Broker("amqtt", "3.1.1", (program, "-c", str(config)), port)
