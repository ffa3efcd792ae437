"""The rig under the tests: today the virtual one, described in the report."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.demo.stage import ROOT, Stage, Village, ask, tongluo, wait_for
from tools.demo.village import start_twins, write_site

_NS_PER_MS = 1_000_000


class VirtualRig:
    """The demonstration's site on paced terminals; stimulus and edges are the twins' stamps."""

    name = "virtual"
    features = frozenset({"river", "siren", "unplug"})

    def __init__(self, folder: Path) -> None:
        self._stage = Stage(folder)
        self._village = Village(folder / "twins.sock")
        self._state = folder / "state"
        site = write_site(folder, start_twins(self._stage))
        run = tongluo("run", str(site), "--state", str(self._state), "--no-link")
        self._stage.start("agent", run)
        wait_for("all sensors", self.all_good, 30)

    def set_river(self, metres: float) -> int:
        """The river stands at this level from now on; returns the stimulus' time in ns."""
        order = {"set": {"river.level": metres}, "state": True}
        return int(self._village.order(order)["now_ns"])

    def siren_edge(self, after_ns: int, within_s: float = 5.0) -> float:
        """Milliseconds from then until the siren's contact closes."""

        def edge() -> dict[str, Any] | None:
            changes = self._village.changes("horns", 3, "coil.0")
            return next((c for c in changes if c["at_ns"] > after_ns and c["value"]), None)

        return (int(wait_for("the siren", edge, within_s)["at_ns"]) - after_ns) / _NS_PER_MS

    def unplug(self, line: str) -> None:
        """Pull an adapter."""
        self._village.order({"unplug": line})

    def replug(self, line: str) -> None:
        """Put it back."""
        self._village.order({"replug": line})

    def end_alarm(self) -> None:
        """Somebody answers, the river falls, and the agent has seen it."""
        ask("ack", "all", "--by", "bench", "--state", str(self._state))
        self.set_river(0.8)
        wait_for("all alarms to end", self._all_normal, 10)

    def _all_normal(self) -> bool:
        alarms = ask("alarms", "--state", str(self._state))["alarms"]
        return all(alarm["phase"] == "normal" for alarm in alarms)

    def all_good(self) -> bool:
        """Whether every sensor answers."""
        status = ask("status", "--state", str(self._state), check=False)
        devices = status.get("devices", [])
        return bool(devices) and all(d["good"] and not d["bad"] for d in devices)

    def close(self) -> None:
        """End every process."""
        self._stage.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rig FILE``: what is wired to what."""
    parser.addoption("--rig", help="description of a real rig; without it the virtual one is used")


def pytest_report_header() -> str:
    """Which rig and which commit the results are of."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return f"rig: {VirtualRig.name}, commit: {commit.stdout.strip() or 'unknown'}"


@pytest.fixture(scope="module")
def rig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualRig]:
    """The rig, with the agent running on it."""
    if request.config.getoption("--rig", default=None):
        pytest.fail("there are no drivers for real rigs yet; leave --rig out for the virtual rig")
    made = VirtualRig(tmp_path_factory.mktemp("rig"))
    try:
        yield made
    finally:
        made.close()
