"""Twins for commissioning: identification as the standard has it, addresses that change, wrong
settings, and two devices at one address.
"""

from __future__ import annotations

import pytest

from tools.twins.addressable import Addressable
from tools.twins.line_time import LineTime
from tools.twins.mistuned import hear
from tools.twins.modbus_slave import Reply, RtuSlave, Unit, crc16
from tools.twins.tuned_line import DoubledSlave, TunedSlaves


def framed(hex_text: str) -> bytes:
    """An RTU frame from its text without CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


@pytest.fixture
def named() -> Unit:
    unit = Unit()
    unit.identification = {0: b"AB", 1: b"C", 2: b"", 4: b"D", 0x80: b"E"}
    unit.server_id = b"\x21\xff"
    return unit


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("11", "11 02 21FF"),
        ("2B 0E 01 00", "2B 0E 01 83 00 00 03 00 02 4142 01 01 43 02 00"),
        ("2B 0E 02 04", "2B 0E 02 83 00 00 01 04 01 44"),
        ("2B 0E 03 80", "2B 0E 03 83 00 00 01 80 01 45"),
        ("2B 0E 04 04", "2B 0E 04 83 00 00 01 04 01 44"),
        ("2B 0E 04 05", "AB 02"),
        ("2B 0E 01 63", "2B 0E 01 83 00 00 03 00 02 4142 01 01 43 02 00"),
        ("2B 0E 05 00", "AB 03"),
        ("2B 0D 01 00", "AB 01"),
    ],
)
def test_identification_is_that_of_the_standard(named: Unit, question: str, answer: str) -> None:
    """V1.1b3, clauses 6.13 and 6.21: an object that is not there begins the stream anew."""
    assert named.answer(bytes.fromhex(question)) == bytes.fromhex(answer)


def test_identification_comes_in_parts(named: Unit) -> None:
    named.per_answer = 2
    first = named.answer(bytes.fromhex("2B 0E 01 00"))
    assert first == bytes.fromhex("2B 0E 01 83 FF 02 02 00 02 4142 01 01 43")
    assert named.answer(bytes.fromhex("2B 0E 01 02")) == bytes.fromhex("2B 0E 01 83 00 00 01 02 00")


def test_without_identification_both_functions_are_refused() -> None:
    assert Unit().answer(b"\x11") == b"\x91\x01"
    assert Unit().answer(bytes.fromhex("2B 0E 01 00")) == b"\xab\x01"


def test_an_address_written_is_the_address_from_then_on() -> None:
    slave = RtuSlave({1: Unit(holding=[0])})
    twin = Addressable(slave, 1, 0)
    [(_, answer)] = slave.feed(framed("01 06 0000 0005"))
    assert answer == framed("01 06 0000 0005")
    assert slave.feed(framed("01 03 0000 0001")) == []
    [(_, answer)] = slave.feed(framed("05 03 0000 0001"))
    assert answer == framed("05 03 02 0005")
    assert (twin.address, twin.writes) == (5, [(0, [5])])


def test_two_at_one_address_are_garbled_and_one_alone_is_not() -> None:
    one = RtuSlave({1: Unit(holding=[0x00FF]), 2: Unit(holding=[7])})
    two = RtuSlave({1: Unit(holding=[0xFF00])})
    both = DoubledSlave(one, two)
    [(_, answer)] = both.feed(framed("01 03 0000 0001"))
    assert answer[:5] == bytes.fromhex("01 03 02 0000")
    assert crc16(answer[:-2]) != answer[-2:]
    assert both.feed(framed("02 03 0000 0001")) == [(0.0, framed("02 03 02 0007"))]


def test_only_devices_set_like_the_master_understand_it() -> None:
    fast, slow = LineTime(19200), LineTime(9600)
    slaves = TunedSlaves(
        {fast: RtuSlave({1: Unit(holding=[1])}), slow: RtuSlave({1: Unit(holding=[2])})}, slow
    )
    for tuning, value in ((slow, 2), (fast, 1)):
        slaves.master = tuning
        [(_, answer)] = slaves.feed(framed("01 03 0000 0001"))
        slaves.overhear(framed("01 03 0000 0001"))
        assert answer[4] == value
    slaves.master = LineTime(4800)
    assert slaves.feed(framed("01 03 0000 0001")) == []
    assert slaves.misheard == 0
    assert len(slaves.asked) == 2


class Ear(RtuSlave):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__({})
        self.fed: list[bytes] = []

    def feed(self, data: bytes) -> list[Reply]:
        self.fed.append(data)
        return []


def test_devices_set_otherwise_hear_noise() -> None:
    ear = Ear()
    slaves = TunedSlaves({LineTime(19200): ear}, LineTime(9600))
    slaves.overhear(framed("01 03 0000 0001"))
    [noise] = ear.fed
    assert noise
    assert noise != framed("01 03 0000 0001")


def test_a_uart_at_half_the_speed_hears_known_bytes() -> None:
    """55h at 9600 is 5 highs and 5 lows of 104 us; at 4800 it is sampled every second bit."""
    assert hear(b"\x55" * 4, LineTime(9600), LineTime(4800)) != b"\x55" * 4
    # a byte of ones is one low bit: at twice the speed it is two of them, start and bit 0
    assert hear(b"\xff", LineTime(9600), LineTime(19200)) == b"\xfe"
    # at half the speed half a low bit is no start bit in the middle of which the line is low
    assert hear(b"\xff", LineTime(9600), LineTime(4800)) == b""
    # nine bits after the start bit, for one that expects eight: parity is taken for the stop bit
    assert hear(b"\x01", LineTime(9600, "8E1"), LineTime(9600)) == b"\x01"
    assert hear(b"\x03", LineTime(9600, "8E1"), LineTime(9600)) == b""
