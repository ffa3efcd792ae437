"""CRC-16/MODBUS against its check value and a second, bit by bit computation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocols.crc import crc16_modbus


def _bitwise(data: bytes) -> int:
    """Modbus over Serial Line V1.02, §2.5.1.2, the procedure step by step."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            carry = crc & 1
            crc >>= 1
            if carry:
                crc ^= 0xA001
    return crc


def test_check_value() -> None:
    assert crc16_modbus(b"123456789") == 0x4B37


def test_nothing_is_the_initial_value() -> None:
    assert crc16_modbus(b"") == 0xFFFF


@given(st.binary(max_size=300))
def test_table_equals_bitwise_procedure(data: bytes) -> None:
    assert crc16_modbus(data) == _bitwise(data)


@given(st.binary(max_size=300))
def test_whole_frame_leaves_zero(data: bytes) -> None:
    """What the readers rely on: no comparison needed when the CRC is run over itself."""
    assert crc16_modbus(data + crc16_modbus(data).to_bytes(2, "little")) == 0


def test_takes_every_bytes_like_type() -> None:
    data = b"\x01\x03\x00\x00\x00\x01"
    expected = int.from_bytes(b"\x84\x0a", "little")
    assert crc16_modbus(data) == expected
    assert crc16_modbus(bytearray(data)) == expected
    assert crc16_modbus(memoryview(data)) == expected
