"""CRC-16/MODBUS (Modbus over Serial Line V1.02, §2.5.1.2 and appendix B)."""

from __future__ import annotations

_POLYNOMIAL = 0xA001  # x^16 + x^15 + x^2 + 1 (8005h), bits reversed


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value


_TABLE = tuple(_remainder(byte) for byte in range(256))


def crc16_modbus(data: bytes | bytearray | memoryview) -> int:
    """The checksum, 0..FFFFh; on the wire its low byte goes first.

    Over a whole frame, checksum included, it is 0. Check value for ``123456789``: 4B37h.
    """
    table = _TABLE
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
