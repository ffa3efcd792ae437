"""What stands behind a serial port: the identity of its adapter, as the kernel tells it.

Linux shows it in sysfs (Documentation/ABI/stable/sysfs-bus-usb, testing/sysfs-tty); udev's
60-serial.rules make the stable names below /dev/serial. Nothing here opens a port.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_UNSTABLE = re.compile(r"/dev/tty(?:USB|ACM|XRUSB|CH34\dUSB)\d+")
# a bus of the kernel's own between a UART and its tty (since Linux 6.5); its drivers say nothing
_SERIAL_BASE = "serial-base"


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel's and udev's trees are."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")


ROOTS = Roots()


@dataclass(frozen=True, slots=True)
class Adapter:
    """One serial port and what it belongs to; empty texts are unknown or do not exist.

    ``vendor`` and ``product`` are four lower-case hexadecimal digits. ``path`` is the USB interface
    by its place (1-1.2:1.0 is port 1, then port 2 of a hub). ``latency_ms`` is how long an FTDI
    chip holds bytes back. ``console``: the kernel writes its messages there.
    """

    port: str
    driver: str = ""
    vendor: str = ""
    product: str = ""
    serial: str = ""
    maker: str = ""
    model: str = ""
    path: str = ""
    by_id: str = ""
    by_path: str = ""
    latency_ms: int | None = None
    console: bool = False

    @property
    def usb(self) -> bool:
        """Whether the port is on USB, so that its name may change."""
        return bool(self.vendor)

    def __str__(self) -> str:
        if not self.usb:
            return "no USB adapter"
        return f"{self.vendor}:{self.product} serial {self.serial or 'none'} at {self.path}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be found behind a port; what is empty may be anything.

    ``path`` is a USB interface (1-1.2:1.0), or a USB device (1-1.2) for any of its interfaces.
    """

    vendor: str = ""
    product: str = ""
    serial: str = ""
    path: str = ""

    def fits(self, adapter: Adapter) -> bool:
        """Whether this adapter is the one that is expected."""
        return (
            self.vendor in ("", adapter.vendor)
            and self.product in ("", adapter.product)
            and self.serial in ("", adapter.serial)
            and self.path in ("", adapter.path, _device_of(adapter))
        )

    def __str__(self) -> str:
        parts = []
        if self.vendor or self.product:
            parts.append(f"{self.vendor or '*'}:{self.product or '*'}")
        if self.serial:
            parts.append(f"serial {self.serial}")
        if self.path:
            parts.append(f"at {self.path}")
        return " ".join(parts)


def list_adapters(roots: Roots = ROOTS) -> list[Adapter]:
    """Every serial port with hardware behind it, in the order of their names."""
    ttys = (roots.sys / "class/tty").glob("*")
    return [
        _read(tty, str(roots.dev / tty.name), roots)
        for tty in sorted(ttys, key=_number_last)
        # PCs announce UARTs that are not there: their type is 0, PORT_UNKNOWN
        if (tty / "device").exists() and _text(tty / "type") != "0"
    ]


def find_adapter(port: str, roots: Roots = ROOTS) -> Adapter | None:
    """What is behind a port by any of its names; None if there is no such device."""
    try:
        found = Path(port).stat()
    except OSError:
        return None
    return adapter_of(found.st_rdev, port, roots) if stat.S_ISCHR(found.st_mode) else None


def adapter_of(device: int, port: str, roots: Roots = ROOTS) -> Adapter:
    """What is behind the character device of this number (``st_rdev``); ``port`` is its name."""
    tty = roots.sys / f"dev/char/{os.major(device)}:{os.minor(device)}"
    return _read(tty, str(Path(port).resolve()), roots)


def is_unstable(port: str) -> bool:
    """Whether this name belongs to whichever adapter was plugged in first."""
    return _UNSTABLE.fullmatch(port) is not None


def stable_name(adapter: Adapter, all_adapters: Iterable[Adapter]) -> str:
    """The name that stays with this adapter, or else with its USB socket; empty if there is none.

    By id only if the serial number is its own: equal adapters without one share one such name.
    """
    if adapter.by_id and has_own_serial(adapter, all_adapters):
        return adapter.by_id
    return adapter.by_path


def has_own_serial(adapter: Adapter, all_adapters: Iterable[Adapter]) -> bool:
    """Whether the serial number tells this adapter from every other of its kind."""
    # CP2102 leave the factory as 0001 (Silicon Labs' data sheet); clones as 0 or nothing
    if adapter.serial.lstrip("0") in ("", "1"):
        return False
    kind = (adapter.vendor, adapter.product, adapter.serial)
    return not any(
        (other.vendor, other.product, other.serial) == kind
        and _device_of(other) != _device_of(adapter)
        for other in all_adapters
    )


def _read(tty: Path, port: str, roots: Roots) -> Adapter:
    device = (tty / "device").resolve()
    above = (device, *device.parents)
    usb = next((each for each in above if (each / "idVendor").is_file()), None)
    real = Path(port).resolve()
    latency = _text(device / "latency_timer")
    return Adapter(
        port=port,
        driver=_driver(above, usb),
        vendor=_text(usb / "idVendor").lower() if usb else "",
        product=_text(usb / "idProduct").lower() if usb else "",
        serial=_text(usb / "serial") if usb else "",
        maker=_text(usb / "manufacturer") if usb else "",
        model=_text(usb / "product") if usb else "",
        path=device.relative_to(usb).parts[0] if usb and usb != device else "",
        by_id=_link_to(real, roots.dev / "serial/by-id"),
        by_path=_link_to(real, roots.dev / "serial/by-path"),
        latency_ms=int(latency) if latency.isdecimal() else None,
        console=_text(tty / "console") == "Y",
    )


def _driver(above: Iterable[Path], usb: Path | None) -> str:
    """The nearest driver above a tty that drives hardware."""
    for each in above:
        if each == usb:
            break
        # …/bus/<bus>/drivers/<name>
        driver = (each / "driver").resolve()
        if (each / "driver").exists() and driver.parent.parent.name != _SERIAL_BASE:
            return driver.name
    return ""


def _link_to(real: Path, folder: Path) -> str:
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return ""
    # newer udev makes usbv2-… beside usb-…; the older form is the one that every box has
    return next((str(link) for link in links if link.resolve() == real), "")


def _device_of(adapter: Adapter) -> str:
    return adapter.path.partition(":")[0]


def _text(file: Path) -> str:
    """The one line of a sysfs file. Whoever made the adapter chose some of them: printable only."""
    try:
        line = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return "".join(each if each.isprintable() else "?" for each in line)


def _number_last(tty: Path) -> tuple[str, int]:
    name = tty.name.rstrip("0123456789")
    return name, int(tty.name[len(name) :] or -1)
