"""Peers that need an environment of their own, kept in .cache and out of git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.bench.clients import Unavailable
from tools.demo.stage import ROOT

THINGSBOARD = "3.8.5"
# The connector installs these itself at first use; named here so that the versions are ours to say.
_PACKAGES = ((f"thingsboard-gateway=={THINGSBOARD}",), ("pymodbus==3.9.2", "pyserial==3.5",
             "pyserial-asyncio==0.6"))  # fmt: skip
_HOME = ROOT / ".cache" / "peers" / f"thingsboard-gateway-{THINGSBOARD}"
_PROBE = (
    "import thingsboard_gateway.connectors.modbus.modbus_connector as c; c.AsyncModbusConnector"
)
_INSTALL_S = 600


def thingsboard() -> Path:
    """The Python that has thingsboard-gateway, installed now if need be. Raises Unavailable."""
    python = _HOME / "bin" / "python"
    if python.exists() and _works(python):
        return python
    steps = [[sys.executable, "-m", "venv", "--clear", str(_HOME)]]
    steps += [[str(python), "-m", "pip", "install", "--quiet", *each] for each in _PACKAGES]
    for step in steps:
        try:
            done = subprocess.run(
                step, check=False, capture_output=True, text=True, timeout=_INSTALL_S
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"thingsboard-gateway: {' '.join(step)} took too long") from error
        if done.returncode:
            raise Unavailable(f"thingsboard-gateway: {done.stderr.strip()[-400:]}")
    if not _works(python):
        raise Unavailable("thingsboard-gateway was installed, but its Modbus connector fails")
    return python


def _works(python: Path) -> bool:
    command = [str(python), "-c", _PROBE]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0
