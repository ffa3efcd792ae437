"""thingsboard-gateway's Modbus connector on the bench's line, run by the Python it is installed in.

``python bus_thingsboard.py CONFIG.json``: its own connector class with its own configuration; the
gateway around it is a stub that throws readings away, which costs less than its storage and MQTT
would. On standard input ``write CODE AT_NS`` is an attribute update at that instant of
CLOCK_MONOTONIC, each in a thread of its own, so that none waits for the one before as it would in
the gateway; ``report`` prints one JSON object. Ends when the input does.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Gateway:
    """As much of the gateway as the connector asks for."""

    def __init__(self) -> None:
        self.stopped = False
        self.tb_client = None
        self.readings = 0
        self._devices: dict[str, Any] = {}

    def get_config_path(self) -> str:
        """Where a converted configuration would be written; ours needs no conversion."""
        return ""

    def get_devices(self) -> dict[str, Any]:
        """Devices that the connector has announced."""
        return self._devices

    def add_device(self, name: str, content: Any, device_type: str | None = None) -> bool:
        """A device answers."""
        self._devices[name] = content
        return True

    def del_device(self, name: str) -> None:
        """A device is given up."""
        self._devices.pop(name, None)

    def send_to_storage(self, *_: Any) -> None:
        """Converted readings."""
        self.readings += 1


def write_at(connector: Any, code: int, at_ns: int) -> None:
    """Wait, then order the write the way the gateway passes an attribute update on."""
    time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
    connector.on_attributes_update({"device": "relay", "data": {"code": code}})


def main() -> None:
    """Run the connector until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module = importlib.import_module("thingsboard_gateway.connectors.modbus.modbus_connector")
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    gateway = Gateway()
    connector = module.AsyncModbusConnector(
        gateway, json.loads(Path(sys.argv[1]).read_text("utf-8")), "modbus"
    )
    connector.open()
    for text in sys.stdin:
        words = text.split()
        if words[0] == "write":
            arguments = (connector, int(words[1]), int(words[2]))
            threading.Thread(target=write_at, args=arguments, daemon=True).start()
        else:
            waiting = connector.process_device_requests.qsize()
            print(json.dumps({"queue": waiting, "readings": gateway.readings}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
