"""What the demonstration runs on: a folder of its own, and processes that end with it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 8.0


class StageError(Exception):
    """Something that the story needs did not happen."""


class Stage:
    """Starts processes by name, each with its own log; ``close`` ends them, the last one first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a process; what it says on stderr goes to NAME.log, stdout is the caller's."""
        log = (self.folder / f"{name}.log").open("a", encoding="utf-8")
        with log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
        self._processes[name] = process
        return process

    def pid(self, name: str) -> int:
        """The process of this name."""
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """As a power cut would: no farewell."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        _close_pipes(process)

    def stop(self, name: str) -> None:
        """Ask it to end, and wait."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        _close_pipes(process)

    def close(self) -> None:
        """End everything."""
        for name in reversed(list(self._processes)):
            self.stop(name)

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a process's log."""
        path = self.folder / f"{name}.log"
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class Village:
    """Orders to the twins over their control socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def order(self, what: Mapping[str, object]) -> dict[str, Any]:
        """Carry out an order; returns the twins' answer. Raises StageError if they refuse."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5.0)
            client.connect(str(self._path))
            client.sendall(json.dumps(what).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        if not answer.get("ok"):
            raise StageError(f"the twins refused {what}: {answer.get('error')}")
        return answer

    def device(self, line: str, unit: int) -> dict[str, Any]:
        """The present state of one twin."""
        devices = self.order({"state": True})["lines"][line]["devices"]
        return next(each for each in devices if each.get("unit") == unit)

    def changes(self, line: str, unit: int, name: str) -> list[dict[str, Any]]:
        """The changes of one output of one twin, oldest first."""
        return [c for c in self.device(line, unit)["changes"] if c["name"] == name]


def tongluo(*arguments: str) -> list[str]:
    """The command line of the program under show."""
    return [sys.executable, "-P", "-m", "edge.cli.main", *arguments]


def ask(*arguments: str, check: bool = True) -> dict[str, Any]:
    """Run a command with --json and return its object."""
    done = subprocess.run(
        tongluo(*arguments, "--json"),
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if check and done.returncode:
        raise StageError(f"tongluo {' '.join(arguments)}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def show(*arguments: str) -> str:
    """Run a command and return what it prints for people."""
    done = subprocess.run(
        tongluo(*arguments),
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode:
        raise StageError(f"tongluo {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 15.0) -> T:
    """Look until there is something. Raises StageError with what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise StageError(f"waited {seconds:g} s in vain for: {what}")


def free_port() -> int:
    """A TCP port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """A fresh folder; it stays afterwards, for whoever wants to look at the logs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.close()
