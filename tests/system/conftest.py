"""The whole program as processes.

Twins on paced terminals, a real broker, agent, link and district.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocols.block import decode_birth, decode_block
from tools.demo import broker as brokers
from tools.demo.stage import Stage, Village, ask, free_port, tongluo, wait_for
from tools.demo.village import start_twins, write_site


class Rig:
    """The demonstration's village with handles on every process of it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.state = folder / "state"
        self.stage = Stage(folder)
        self.village = Village(folder / "twins.sock")
        self.broker = brokers.choose(folder, free_port())
        self.lines = start_twins(self.stage)
        self.site = write_site(
            folder, self.lines, broker_port=self.broker.port, protocol=self.broker.protocol
        )

    def start_agent(self, *options: str) -> None:
        self.stage.start(
            "agent", tongluo("run", str(self.site), "--state", str(self.state), *options)
        )
        wait_for(
            "the agent",
            lambda: ask("status", "--state", str(self.state), check=False).get("site"),
            20,
        )
        wait_for("all sensors", self.all_good, 20)

    def start_broker(self) -> None:
        self.broker.start(self.stage)

    def status(self) -> dict[str, Any]:
        return ask("status", "--state", str(self.state))

    def all_good(self) -> bool:
        devices = self.status()["devices"]
        return all(device["good"] and not device["bad"] for device in devices)

    def raise_river(self) -> None:
        self.village.order({"set": {"river.level": 3.3}})

    def leak_gas(self) -> None:
        self.village.order({"set": {"gas.h2s": 35.0}})

    def coil(self, channel: int) -> int:
        return int(self.village.device("horns", 3)["coils"][channel])

    def pid(self, name: str) -> int:
        return self.stage.pid(name)

    def link_pid(self) -> int:
        process = self.status()["link"]["process"] or {}
        return int(process.get("pid") or 0)

    def rows(self, sql: str) -> list[Any]:
        db = sqlite3.connect(f"file:{self.state}/journal.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def readings(self) -> list[tuple[str, float | None, int]]:
        """Every journalled reading: point, value, quality code."""
        profiles = {}
        for (body,) in self.rows("SELECT body FROM record WHERE kind = 'birth'"):
            profile = decode_birth(body)
            profiles[profile.id] = profile
        found = []
        for (body,) in self.rows("SELECT body FROM record WHERE kind = 'block'"):
            for reading in decode_block(body, profiles):
                columns = next(iter(profiles.values())).columns
                found.append((columns[reading.column].point, reading.value, reading.quality))
        return found

    def receive(self, *options: str, seconds: float = 40.0) -> list[dict[str, Any]]:
        """Run the district's side until nothing comes any more; everything it printed."""
        done = subprocess.run(
            tongluo(
                "receive", "--host", "127.0.0.1", "--port", str(self.broker.port), "--protocol",
                self.broker.protocol, "--state", str(self.folder / "district"), *options,
            ),
            check=True, capture_output=True, text=True, timeout=seconds, cwd=self.folder,
        )  # fmt: skip
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.stage.close()
