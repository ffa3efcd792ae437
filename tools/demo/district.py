"""The district's side: reads what ``tongluo receive`` prints, line by line."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from typing import Any


class District:
    """Everything that was received, by type; safe to look at while it grows."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.counts: Counter[str] = Counter()
        self.alarms: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        self.completeness: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def wait_end(self, seconds: float) -> None:
        """Until the receiver has ended and everything is read."""
        self._thread.join(seconds)

    def alarm(self, rule: str, level: str, phase: str = "") -> dict[str, Any] | None:
        """The first alarm record received with this rule, level and phase."""
        for alarm in self.alarms:
            if alarm["rule"] == rule and alarm["level"] == level and phase in alarm["phase"]:
                return alarm
        return None

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            item = json.loads(line)
            kind = item["type"]
            self.counts[kind] += 1
            if kind == "alarm":
                self.alarms.append(item)
            elif kind == "outcome":
                self.outcomes.append(item)
            elif kind == "completeness":
                self.completeness = item
