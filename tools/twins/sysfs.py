"""A made-up machine's /sys and /dev with serial adapters in them, laid out as Linux does."""

from __future__ import annotations

import os
from pathlib import Path

from drivers.bus.adapter import Roots

_HOST = "devices/platform/soc/fe980000.usb/usb1"


class Machine:
    """Adapters are plugged in by calls, and unplugged by name; nothing is ever opened."""

    def __init__(self, root: Path) -> None:
        self.roots = Roots(root / "sys", root / "dev")
        self._sys, self._dev = self.roots.sys, self.roots.dev
        for folder in (self._sys / "class/tty", self._sys / "dev/char", self._dev):
            folder.mkdir(parents=True)
        # a controller and the hub in it have identities of their own, which no port may take on
        self._usb_device("", "1d6b", "0002", "fe980000.usb", "Linux", "DWC OTG Controller")
        for tty in ("tty0", "console", "ptmx"):
            (self._sys / "devices/virtual/tty" / tty).mkdir(parents=True)
            (self._sys / "class/tty" / tty).symlink_to(f"../../devices/virtual/tty/{tty}")

    def plug(
        self,
        name: str,
        usb: str,
        *,
        at: str = "1-1.2:1.0",
        serial: str | None = None,
        maker: str | None = None,
        model: str | None = None,
        driver: str = "ftdi_sio",
        latency_ms: int | None = None,
        by_id: str = "",
        by_path: str = "",
        node: str = "",
    ) -> None:
        """A USB adapter ``vendor:product`` at an interface; cdc_acm has no port of its own below.

        ``node`` is a real device that the port opens, such as a pseudo-terminal.
        """
        place, (vendor, product) = at.partition(":")[0], usb.split(":")
        if "." in place:
            hub = place.rpartition(".")[0]
            self._usb_device(hub, "2109", "3431", None, None, "USB2.0 Hub")
        device = self._usb_device(place, vendor, product, serial, maker, model)
        interface = device / at
        parent = interface if driver == "cdc_acm" else interface / name
        bus = "usb" if driver == "cdc_acm" else "usb-serial"
        tty = self._tty(name, parent, bus, driver, node)
        if latency_ms is not None:
            _write(tty / "device/latency_timer", str(latency_ms))
        for folder, link in (("by-id", by_id), ("by-path", by_path)):
            if link:
                (self._dev / "serial" / folder).mkdir(parents=True, exist_ok=True)
                (self._dev / "serial" / folder / link).unlink(missing_ok=True)
                (self._dev / "serial" / folder / link).symlink_to(f"../../{name}")

    def uart(
        self, name: str, driver: str, *, kind: int, console: bool = False, node: str = ""
    ) -> None:
        """A UART of the board. ``kind`` is its type: 0 is announced, but not there."""
        below = self._sys / f"devices/platform/soc/{name}.serial"
        self._driver(below, "platform", driver)
        parent = below / f"{name}.serial:0/{name}.serial:0.0"
        tty = self._tty(name, parent, "serial-base", "port", node)
        _write(tty / "type", str(kind))
        _write(tty / "console", "Y" if console else "N")

    def unplug(self, name: str) -> None:
        """The tty and its node are gone, and so is every stable name of it."""
        for each in (self._sys / "class/tty" / name, self._dev / name):
            each.unlink()
        for link in [*self._dev.glob("serial/*/*"), *(self._sys / "dev/char").iterdir()]:
            if link.readlink().name == name:
                link.unlink()

    def _tty(self, name: str, parent: Path, bus: str, driver: str, node: str) -> Path:
        self._driver(parent, bus, driver)
        tty = parent / "tty" / name
        tty.mkdir(parents=True, exist_ok=True)
        (tty / "device").unlink(missing_ok=True)
        (tty / "device").symlink_to(os.path.relpath(parent, tty))
        below = os.path.relpath(tty, self._sys / "class/tty")
        (self._sys / "class/tty" / name).symlink_to(below)
        if node:
            (self._dev / name).symlink_to(node)
            device = Path(node).stat().st_rdev
            number = f"{os.major(device)}:{os.minor(device)}"
            (self._sys / "dev/char" / number).symlink_to(below)
        else:
            (self._dev / name).touch()
        return tty

    def _driver(self, device: Path, bus: str, driver: str) -> None:
        target = self._sys / "bus" / bus / "drivers" / driver
        for folder in (target, device):
            folder.mkdir(parents=True, exist_ok=True)
        (device / "driver").unlink(missing_ok=True)
        (device / "driver").symlink_to(os.path.relpath(target, device))

    def _usb_device(
        self,
        place: str,
        vendor: str,
        product: str,
        serial: str | None,
        maker: str | None,
        model: str | None,
    ) -> Path:
        # 1-1.2 lies below its hub 1-1
        steps = place.split(".") if place else []
        parts = [".".join(steps[: index + 1]) for index in range(len(steps))]
        device = self._sys.joinpath(_HOST, *parts)
        self._driver(device, "usb", "usb")
        texts = {"serial": serial, "manufacturer": maker, "product": model}
        for file, text in {"idVendor": vendor, "idProduct": product, **texts}.items():
            (device / file).unlink(missing_ok=True)
            if text is not None:
                _write(device / file, text)
        return device


def _write(file: Path, text: str) -> None:
    file.write_text(f"{text}\n", encoding="utf-8")
