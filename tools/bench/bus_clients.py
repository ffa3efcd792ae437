"""Starts and stops what the bus bench compares, and the lines they work on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.bus_plan import Order, Plan, Wire
from tools.bench.bus_site import write_site
from tools.bench.clients import Unavailable
from tools.bench.pairing import Frame
from tools.demo.stage import Stage, StageError, tongluo

_SOURCE = Path(__file__).with_name("bus_loop.c")
_RUNNER = Path(__file__).with_name("bus_thingsboard.py")
PREFIXES = {"agent": "", "c": "c_", "c_silent": "c_silent_", "tb": "tb_"}
"""How a client's figures begin. ``c_silent`` is the C loop that keeps 3.5 characters of silence."""


@dataclass
class Rig:
    """The twins of one line, in a process of their own."""

    stage: Stage
    plan: Plan
    real_time: bool = False
    ports: tuple[int, ...] = ()
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """They answer when this returns."""
        command = [sys.executable, "-m", "tools.bench.bus_rig", *self.plan.rig_arguments()]
        self.process = self.stage.start("rig", command)
        word, *rest = ask(self.process).split()
        if word != "ready":
            raise StageError(f"the twins did not start: {self.stage.log_tail('rig')}")
        self.real_time = rest[0] == "1"
        self.ports = tuple(map(int, rest[1:]))

    def stop(self) -> None:
        """End them."""
        self.stage.stop("rig")
        if self.plan.wire.path is not None:
            self.plan.wire.path.unlink(missing_ok=True)

    def take(self) -> tuple[list[Frame], dict[str, int]]:
        """Frames and counters since the last time."""
        answer = json.loads(ask(self.process, "take"))
        frames = [Frame(k, first, last, bytes.fromhex(h)) for k, first, last, h in answer["frames"]]
        return frames, answer["counters"]

    def kill(self, units: tuple[int, ...]) -> None:
        """Let these devices be dead, and all others alive."""
        ask(self.process, " ".join(["dead", *map(str, units)]))


@dataclass
class Client:
    """A master as a process. ``talks``: it answers ``report``."""

    name: str
    stage: Stage
    command: list[str]
    talks: bool = True
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin; whether it is at work shows on the line."""
        self.process = self.stage.start(self.name, self.command)

    def stop(self) -> None:
        """End."""
        self.stage.stop(self.name)

    def order(self, orders: list[Order]) -> None:
        """Hand over what is to be written when."""
        tell(self.process, "".join(f"write {each.code} {each.at_ns}\n" for each in orders))

    def report(self) -> dict[str, Any]:
        """Its own account, ``queue`` among others; empty if it has none."""
        if not self.talks:
            return {}
        answer: dict[str, Any] = json.loads(ask(self.process, "report"))
        return answer

    def check(self) -> None:
        """Raises StageError if it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise StageError(f"{self.name} ended: {self.stage.log_tail(self.name)}")


@dataclass(frozen=True)
class Programs:
    """What the clients are made of. ``thingsboard`` is the Python it is installed in, or None."""

    loop: Path
    thingsboard: Path | None


def make_clients(
    stage: Stage, plan: Plan, programs: Programs, *, dead: int = 0, whole: bool = False
) -> list[Client]:
    """All for one plan, ours first. ``whole``: ours is ``tongluo run``, which takes no orders."""
    site = write_site(stage.folder, plan, dead)
    state = stage.folder / f"state-{plan.name}-{dead}"
    mode = "saturate" if plan.period_ms is None else "poll"
    ours = [sys.executable, "-m", "tools.bench.bus_agent", str(site), str(state), mode]
    if whole:
        ours = tongluo("run", str(site), "--state", str(state), "--no-link")
    clients = [Client("agent", stage, ours, talks=not whole)]
    for name in ("c", "c_silent") if plan.period_ms is None else ("c",):
        words = plan.loop_arguments(silence=name == "c_silent")
        clients.append(Client(name, stage, [str(programs.loop), *words], talks=False))
    if programs.thingsboard is not None:
        config = stage.folder / f"thingsboard-{plan.name}.json"
        config.write_text(json.dumps(plan.thingsboard()), "utf-8")
        command = [str(programs.thingsboard), str(_RUNNER), str(config)]
        clients.append(Client("tb", stage, command))
    return clients


def compile_loop(folder: Path) -> Path:
    """The C loop as a program. Raises Unavailable without gcc or libmodbus."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler: install gcc (Debian: apt install gcc libc6-dev)")
    program = folder / "bus-loop"
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(_SOURCE), "-lmodbus"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(
            "bus_loop.c cannot be built; libmodbus-dev is needed (Debian: apt install "
            f"libmodbus-dev)\n{done.stderr.strip()}"
        )
    return program


def tell(process: subprocess.Popen[str] | None, text: str) -> None:
    """Write to a process. Raises StageError if it has ended."""
    if process is None or process.stdin is None:
        raise StageError("nobody listens")
    try:
        process.stdin.write(text)
        process.stdin.flush()
    except BrokenPipeError as error:
        raise StageError("a process of the bench has ended") from error


def ask(process: subprocess.Popen[str] | None, order: str = "") -> str:
    """The next line of a process, after an order if there is one. Raises StageError at its end."""
    if order:
        tell(process, order + "\n")
    if process is None or process.stdout is None:
        raise StageError("nobody answers")
    answer = process.stdout.readline().strip()
    if not answer:
        raise StageError("a process of the bench has ended")
    return answer


def on_tcp(plan: Plan, ports: tuple[int, ...]) -> Plan:
    """The same plan once its ports are known."""
    return Plan(plan.name, Wire(ports=ports), plan.devices, plan.registers, plan.period_ms)
