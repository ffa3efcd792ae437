"""The simulated village as a process, and the site file that fits this run's paths and ports."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tools.demo.stage import Stage, StageError

_HERE = Path(__file__).parent
_PLAN = '[[plan]]\nid = "evacuate"\n'
# The telephones ring this much faster than life.
_PHONES_SPEED = 10


def start_twins(stage: Stage) -> dict[str, Any]:
    """Start the twins in the stage's folder; returns where each line is. Raises StageError.

    Orders go to ``twins.sock`` in that folder.
    """
    shutil.copy(_HERE / "village.toml", stage.folder / "village.toml")
    twins = stage.start("twins", [
        sys.executable, "-m", "tools.twins", str(stage.folder / "village.toml"),
        "--control", str(stage.folder / "twins.sock"), "--die-with-parent",
    ])  # fmt: skip
    line = twins.stdout.readline() if twins.stdout else ""
    if not line:
        raise StageError("the twins did not start")
    lines: dict[str, Any] = json.loads(line)["lines"]
    return lines


def start_phones(stage: Stage, state: Path) -> None:
    """Start the village's telephones; they ring for the agent of this state directory."""
    stage.start("phones", [
        sys.executable, "-m", "tools.twins.phones", str(state), str(_HERE / "people.toml"),
        "--voice", "2", "--speed", str(_PHONES_SPEED),
    ])  # fmt: skip


def write_site(
    folder: Path,
    lines: dict[str, Any],
    *,
    broker_port: int = 18830,
    protocol: str = "5",
    calls: bool = False,
) -> Path:
    """The demonstration's site file for these lines and this broker, perhaps with calls."""
    text = (_HERE / "site.toml").read_text("utf-8")
    for name in ("field", "horns", "speaker", "rain-text"):
        text = text.replace(f"@{name}@", str(lines[name]["path"]))
    text = text.replace("tcp_port = 15020", f"tcp_port = {lines['power']['port']}")
    text = text.replace("port = 18830", f"port = {broker_port}")
    text = text.replace('protocol = "5"', f'protocol = "{protocol}"')
    if calls:
        text = text.replace(_PLAN, (_HERE / "calls.toml").read_text("utf-8"))
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return path
