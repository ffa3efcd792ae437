"""A serial port on the event loop.

Pyserial sets the line up, the descriptor is read without threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

import serial

from drivers.bus.port import OnBytes, OnLost, Opener, Port

_READ_BYTES = 4096
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Where the line is and how it is set: baud in Bd, parity none, even or odd."""

    port: str
    baud: int
    data_bits: int = 8
    parity: str = "none"
    stop_bits: int = 1

    @property
    def character_bits(self) -> int:
        """Bits on the wire per character: start, data, parity, stop."""
        return 1 + self.data_bits + (self.parity != "none") + self.stop_bits


class SerialPort:
    """An exclusively opened serial device. Not reopened by itself: a lost port stays lost."""

    def __init__(self, settings: SerialSettings, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        try:
            self._serial = serial.Serial(
                settings.port,
                settings.baud,
                bytesize=settings.data_bits,
                parity=_PARITY[settings.parity],
                stopbits=settings.stop_bits,
                timeout=0,
                exclusive=True,
            )
        except serial.SerialException as error:
            raise OSError(error.errno or 0, f"{settings.port}: {error}") from error
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            # USB adapters otherwise hold bytes back for up to 16 ms; pseudo-terminals cannot.
            self._serial.set_low_latency_mode(True)
        self._fd: int = self._serial.fileno()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes) -> None:
        """Send now.

        Raises OSError if the device is gone or its buffer cannot take a whole frame.
        """
        if self._fd < 0:
            raise OSError("port is closed")
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(f"the driver took {written} of {len(data)} bytes")

    def close(self) -> None:
        """Release the device."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        self._fd = -1
        with contextlib.suppress(OSError):
            self._serial.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._on_bytes(data)
        else:
            # readable without bytes: the other end of the adapter is gone
            self._lost(None)

    def _lost(self, error: Exception | None) -> None:
        self.close()
        self._on_lost(error)


def serial_opener(settings: SerialSettings) -> Opener:
    """An opener for this device."""

    def open_port(on_bytes: OnBytes, on_lost: OnLost) -> Port:
        return SerialPort(settings, on_bytes, on_lost)

    return open_port
