"""Where and how a device is asked: a serial line with its settings, or a TCP address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.bus.dialect import Dialect, Rtu, Tcp
from drivers.bus.port import Opener
from drivers.bus.serial_port import SerialSettings, serial_opener
from drivers.bus.tcp_port import tcp_opener

MODBUS_TCP_PORT = 502


@dataclass(frozen=True, slots=True)
class SerialPlace:
    """A serial port and how it is set: baud in Bd, parity none, even or odd; 8 data bits."""

    port: str
    baud: int
    parity: str = "none"
    stop_bits: int = 1

    @property
    def dialect(self) -> Dialect:
        """Modbus RTU at these settings."""
        return Rtu(self.baud, self._settings().character_bits)

    def opener(self) -> Opener:
        """Opens the port, alone."""
        return serial_opener(self._settings())

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity[0].upper()}{self.stop_bits}"

    def body(self) -> dict[str, object]:
        """For JSON, with the keys of a site file."""
        return {
            "port": self.port,
            "baud": self.baud,
            "data_bits": 8,
            "parity": self.parity,
            "stop_bits": self.stop_bits,
        }

    def _settings(self) -> SerialSettings:
        return SerialSettings(self.port, self.baud, 8, self.parity, self.stop_bits)


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """A Modbus TCP server by its IP address."""

    host: str
    tcp_port: int = MODBUS_TCP_PORT

    @property
    def dialect(self) -> Dialect:
        """Modbus TCP."""
        return Tcp()

    def opener(self) -> Opener:
        """Connects."""
        return tcp_opener(self.host, self.tcp_port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.tcp_port}"

    def body(self) -> dict[str, object]:
        """For JSON, with the keys of a site file."""
        return {"host": self.host, "tcp_port": self.tcp_port}


Place = SerialPlace | TcpPlace
OpenerOf = Callable[[Place], Opener]
"""How to open a place; another one in tests."""


def real_opener(place: Place) -> Opener:
    """The opener of the real port or address."""
    return place.opener()


def place_from(body: Mapping[str, object]) -> Place:
    """The place of a ``body``. Raises ValueError if it is none."""
    match body:
        case {"host": str() as host, "tcp_port": int() as tcp_port}:
            return TcpPlace(host, tcp_port)
        case {
            "port": str() as port,
            "baud": int() as baud,
            "parity": ("none" | "even" | "odd") as parity,
            "stop_bits": int() as stop_bits,
        }:
            return SerialPlace(port, baud, parity, stop_bits)
    raise ValueError(f"no place of a line: {dict(body)}")
