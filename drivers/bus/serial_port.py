"""A serial port on the event loop: opened only for the adapter it is meant for, and alone.

Pyserial sets the line up; from then on the descriptor is ours.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import termios
from dataclasses import dataclass
from pathlib import Path

import serial

from drivers.bus.adapter import ROOTS, Expectation, Roots, adapter_of
from drivers.bus.direction import Rs485, rts_while_listening, set_direction
from drivers.bus.holders import lock_holder
from drivers.bus.port import OnBytes, OnLost, Opener, Port
from drivers.bus.stream_port import StreamPort

_log = logging.getLogger("tongluo.bus")

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_TAKEN = (errno.EAGAIN, errno.EBUSY)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Where the line is and how it is set: baud in Bd, parity none, even or odd.

    ``adapter`` is what must be behind the port; ``rs485`` None leaves the direction of the line to
    the adapter or to what the driver was set to before.
    """

    port: str
    baud: int
    data_bits: int = 8
    parity: str = "none"
    stop_bits: int = 1
    adapter: Expectation | None = None
    rs485: Rs485 | None = None

    @property
    def character_bits(self) -> int:
        """Bits on the wire per character: start, data, parity, stop."""
        return 1 + self.data_bits + (self.parity != "none") + self.stop_bits


class SerialPort(StreamPort):
    """An exclusively opened serial device."""

    def __init__(
        self,
        settings: SerialSettings,
        on_bytes: OnBytes,
        on_lost: OnLost,
        *,
        roots: Roots = ROOTS,
    ) -> None:
        super().__init__(open_serial(settings, roots), on_bytes, on_lost)
        self._listen()


def serial_opener(settings: SerialSettings, roots: Roots = ROOTS) -> Opener:
    """An opener for this device. Says once if the adapter holds bytes back."""
    said: set[str] = set()

    def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        port = SerialPort(settings, on_bytes, on_lost, roots=roots)
        _say_slow(settings.port, roots, said)
        return port

    return open_port


def open_serial(settings: SerialSettings, roots: Roots = ROOTS) -> int:
    """The descriptor of a port that is set up, locked, and the one that is meant.

    Raises OSError that says what was found instead. The wrong adapter is not even opened, because
    opening moves DTR and RTS.
    """
    port = settings.port
    _require(settings, _device_number(port), roots)
    fd = _open(settings)
    try:
        # the name may have been given to another adapter meanwhile
        _require(settings, os.fstat(fd).st_rdev, roots)
        if settings.rs485 is not None:
            set_direction(fd, port, settings.rs485)
    except OSError:
        os.close(fd)
        raise
    return fd


def _device_number(port: str) -> int:
    try:
        found = Path(port).stat()
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.ENOENT:
            link = Path(port).is_symlink()
            reason = "is a link to a device that is gone" if link else "is not there"
        raise OSError(f"{port}: {reason}") from error
    if not stat.S_ISCHR(found.st_mode):
        raise OSError(f"{port}: is not a serial port (no character device)")
    return found.st_rdev


def _require(settings: SerialSettings, device: int, roots: Roots) -> None:
    expected = settings.adapter
    if expected is None:
        return
    found = adapter_of(device, settings.port, roots)
    if not expected.fits(found):
        raise OSError(f"{settings.port}: found {found}, expected {expected}")


def _open(settings: SerialSettings) -> int:
    port = settings.port
    line = serial.Serial(
        baudrate=settings.baud,
        bytesize=settings.data_bits,
        parity=_PARITY[settings.parity],
        stopbits=settings.stop_bits,
        timeout=0,
        # asks for at least one byte, so that a read of none means that the port is gone
        inter_byte_timeout=0,
        exclusive=True,
    )
    line.port = port
    if settings.rs485 is not None:
        line.rts = rts_while_listening(settings.rs485)
    try:
        line.open()
    # pyserial lets errors of termios through as they are
    except (OSError, ValueError, termios.error) as error:
        raise OSError(f"{port}: {_reason(port, error)}") from error
    with contextlib.suppress(OSError, ValueError, NotImplementedError):
        # USB adapters otherwise hold bytes back for up to 16 ms; pseudo-terminals cannot.
        line.set_low_latency_mode(True)
    try:
        # the lock belongs to the open file, so it stays with the copy
        return os.dup(line.fileno())
    finally:
        line.close()


def _reason(port: str, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in _TAKEN:
        holder = lock_holder(port)
        ours = holder.endswith(f"(pid {os.getpid()})")
        return f"is in use by {'another bus' if ours else holder or 'another program'}"
    if number is not None:
        return os.strerror(number)
    return str(error.args[-1])


def _say_slow(port: str, roots: Roots, said: set[str]) -> None:
    """After low latency was asked for: what the chip holds back now, if it is still too long."""
    with contextlib.suppress(OSError):
        held_ms = adapter_of(Path(port).stat().st_rdev, port, roots).latency_ms
        if held_ms is not None and held_ms > 1 and port not in said:
            said.add(port)
            _log.warning("port=%s event=slow_adapter latency_timer_ms=%d", port, held_ms)
