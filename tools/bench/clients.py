"""The three that are compared: our agent, a C loop on libmodbus, an asyncio loop on pymodbus."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edge.app.local_socket import ask
from edge.core.errors import AgentError
from tools.bench.site import write_site
from tools.bench.wiring import Wiring
from tools.demo.broker import Broker, choose
from tools.demo.stage import Stage, StageError, free_port, tongluo, wait_for

BLOCK_S = 0.5
_SETTLE_S = 1.5
_SOURCE = Path(__file__).with_name("loop.c")
# The broker stands for a distant one: what it keeps on disk would only take this disk's time.
_MOSQUITTO = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"


class Unavailable(Exception):
    """Something the bench compares with is not here; the message says what to install."""


class Client(Protocol):
    """One competitor; ``start`` returns when it is at work, ``stop`` when it is gone."""

    name: str
    reads_back: bool

    def start(self, stage: Stage) -> None:
        """Begin to poll."""
        ...

    def stop(self, stage: Stage) -> None:
        """End."""
        ...


@dataclass
class LoopClient:
    """A program that takes the wiring as arguments."""

    name: str
    command: list[str]
    reads_back: bool = False

    def start(self, stage: Stage) -> None:
        """Begin to poll."""
        process = stage.start(self.name, self.command)
        time.sleep(_SETTLE_S)
        if process.poll() is not None:
            raise Unavailable(f"{self.name} ended at once: {stage.log_tail(self.name)}")

    def stop(self, stage: Stage) -> None:
        """End."""
        stage.stop(self.name)


@dataclass
class AgentClient:
    """The whole agent: ``tongluo run`` with journal and, if there is a broker, its link process.

    ``status`` keeps the agent's own account of every slice.
    """

    site: Path
    state: Path
    linked: bool
    name: str = "agent"
    reads_back: bool = True
    status: list[dict[str, Any]] = field(default_factory=list)

    def start(self, stage: Stage) -> None:
        """Begin to poll, and to publish."""
        stage.start("agent", tongluo("run", str(self.site), "--state", str(self.state)))
        try:
            wait_for("the agent to react and its link to deliver", self._at_work, 20)
        except StageError as error:
            raise StageError(f"{error}\n{stage.log_tail('agent')}") from error
        time.sleep(_SETTLE_S)

    def stop(self, stage: Stage) -> None:
        """End, after it has told how it went."""
        status = self._ask()
        if status is not None:
            self.status.append(status)
        stage.stop("agent")

    def _at_work(self) -> bool:
        status = self._ask()
        if status is None or not status["health"]["decision"]["count"]:
            return False
        return not self.linked or delivered(status) > 0

    def _ask(self) -> dict[str, Any] | None:
        try:
            return asyncio.run(ask(self.state, {"op": "status"}))
        except (AgentError, OSError):
            return None


def delivered(status: dict[str, Any]) -> int:
    """Records that the broker has taken since the link process began."""
    links = status["link"].get("links") or {}
    return sum(int(link.get("delivered", 0)) for link in links.values())


def compile_loop(folder: Path) -> Path:
    """The C loop as a program. Raises Unavailable without gcc or libmodbus."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler: install gcc (Debian: apt install gcc libc6-dev)")
    program = folder / "libmodbus-loop"
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(_SOURCE), "-lmodbus"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(
            f"loop.c cannot be built; libmodbus-dev is needed (Debian: apt install libmodbus-dev)\n"
            f"{done.stderr.strip()}"
        )
    return program


def start_broker(stage: Stage) -> Broker | None:
    """A broker for the agent's link: mosquitto, else amqtt, else None."""
    port = free_port()
    broker = choose(stage.folder, port)
    if broker.name == "mosquitto":
        config = stage.folder / "mosquitto.conf"
        config.write_text(_MOSQUITTO.format(port=port), "utf-8")
    elif not Path(broker.command[0]).exists():
        return None
    broker.start(stage)
    # the agent keeps back what a broker takes without a subscriber
    address = ["--host", "127.0.0.1", "--port", str(port)]
    listener = [shutil.which("mosquitto_sub") or "", *address, "--qos", "1", "-t", "tongluo/#"]
    if not listener[0]:
        listener = tongluo("receive", *address, "--protocol", broker.protocol, "--quiet-readings")
    stage.start("listener", ["sh", "-c", 'exec "$@" >/dev/null', "sh", *listener])
    return broker


def make_clients(
    stage: Stage, wiring: Wiring, program: Path, broker: Broker | None
) -> tuple[AgentClient, LoopClient, LoopClient]:
    """All three for one scenario."""
    address = None if broker is None else (broker.port, broker.protocol)
    site = write_site(stage.folder, wiring, block_s=BLOCK_S, broker=address)
    state = stage.folder / f"state-{wiring.name}"
    words = wiring.arguments()
    return (
        AgentClient(site, state, linked=broker is not None),
        LoopClient("c", [str(program), *words]),
        LoopClient("pymodbus", [sys.executable, "-m", "tools.bench.pymodbus_loop", *words]),
    )
