"""For every test: reproducible properties, and a guard against what is left running."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# "ci" gives the same examples every time; HYPOTHESIS_PROFILE=explore looks further.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell that starts this in the background has it ignore SIGINT, and what is started here would
# inherit that: tests of Ctrl-C need the usual state.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long what a test has told to end may take to be gone.
_GRACE_S = 3.0


def _children() -> dict[str, str]:
    """Living child processes of this one: identity (pid and start time) to command line."""
    found = {}
    for tasks in Path("/proc/self/task").glob("*/children"):
        for pid in tasks.read_text().split():
            process = Path("/proc", pid)
            try:
                stat = (process / "stat").read_text().rpartition(")")[2].split()
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # proc_pid_stat(5), counted after the name: field 3 is the state, 22 the start time.
            if stat[0] not in "ZX":
                found[f"{pid}@{stat[19]}"] = f"process {pid} ({command})"
    return found


def _threads() -> dict[threading.Thread, str]:
    """Running threads. Those of a loop's executor end with the loop and are not exempt."""
    return {thread: f"thread {thread.name}" for thread in threading.enumerate()}


def _left_behind(children: dict[str, str], threads: dict[threading.Thread, str]) -> list[str]:
    """What runs now and did not run then, after a grace period for what is just ending."""
    give_up = time.monotonic() + _GRACE_S
    while True:
        more = [text for key, text in _children().items() if key not in children]
        more += [text for key, text in _threads().items() if key not in threads]
        if not more or time.monotonic() > give_up:
            return more
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def _no_leaks_of_the_session() -> Iterator[None]:
    """What fixtures of a wider scope start, they must stop."""
    children, threads = _children(), _threads()
    yield
    if left := _left_behind(children, threads):
        pytest.fail(f"left running by a fixture: {', '.join(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def _no_leaks(_no_leaks_of_the_session: None) -> Iterator[None]:
    """A test that leaves a process or a thread running fails; it would disturb the next one."""
    children, threads = _children(), _threads()
    yield
    if left := _left_behind(children, threads):
        pytest.fail(f"left running: {', '.join(left)}", pytrace=False)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """An empty folder, private to the user, for journals, sockets and keys."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder
