"""Lines out of streams, and the XOR checksum of NMEA sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.framing import LineFramer, strip_nmea_checksum, xor_checksum

RMC = b"$GPRMC,040107.00,A,3151.6567,N,11714.4833,E,0,0,150613,,,A*56"
ZDA = b"$GNZDA,070728.00,07,03,2024,00,00*72"
CUTS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def _feed(framer: LineFramer, stream: bytes, cuts: list[int]) -> list[bytes]:
    lines, at, turn = [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        lines += framer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    return lines


def test_lines_come_out_whole_and_without_terminator() -> None:
    framer = LineFramer(b"\r\n", 20)
    assert framer.feed(b"one\r\ntwo\r\n\r\nthr") == [b"one", b"two", b""]
    assert framer.feed(b"ee\r") == []
    assert framer.feed(b"\n") == [b"three"]
    assert framer.discarded == 0


def test_part_of_a_terminator_is_content() -> None:
    framer = LineFramer(b"\r\n", 20)
    assert framer.feed(b"a\rb\nc\r\r\n") == [b"a\rb\nc\r"]


def test_longest_line_passes_and_one_byte_more_does_not() -> None:
    for cuts in ([100], [1], [3]):
        framer = LineFramer(b"\r\n", 4)
        assert _feed(framer, b"1234\r\n12345\r\nab\r\n", cuts) == [b"1234", b"ab"]
        assert framer.discarded == 5


def test_reading_goes_on_behind_the_terminator_of_a_dropped_line() -> None:
    framer = LineFramer(b"\n", 8)
    for _ in range(1000):
        assert framer.feed(b"babble without end ") == []
        assert len(framer._buffer) <= 8
    assert framer.discarded == 19_000
    assert framer.feed(b"tail\ngood\n") == [b"good"]
    assert framer.discarded == 19_004


def test_terminator_split_at_the_cap_is_still_one() -> None:
    framer = LineFramer(b"\r\n", 4)
    assert framer.feed(b"1234\r") == []
    assert framer.feed(b"\n") == [b"1234"]
    assert framer.feed(b"123456\r") == []
    assert framer.feed(b"\nab\r\n") == [b"ab"]
    assert framer.discarded == 6


@pytest.mark.parametrize(
    ("terminator", "cap", "text"),
    [(b"", 10, "terminator: found none"), (b"\n", 0, "max_length: found 0")],
)
def test_senseless_limits_are_refused(terminator: bytes, cap: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LineFramer(terminator, cap)


@given(
    st.sampled_from([b"\n", b"\r\n", b"aab", b"aa"]),
    st.integers(1, 12),
    st.lists(st.sampled_from([b"a", b"b", b"\r", b"\n", b"\r\n", b"x" * 9]), max_size=40).map(
        b"".join
    ),
    CUTS,
)
def test_any_stream_equals_splitting_it_at_once(
    terminator: bytes, cap: int, stream: bytes, cuts: list[int]
) -> None:
    """The whole contract in terms of bytes.split: every line in its place, every loss counted."""
    framer = LineFramer(terminator, cap)
    *lines, rest = stream.split(terminator)
    assert _feed(framer, stream, cuts) == [line for line in lines if len(line) <= cap]
    lost = sum(len(line) for line in lines if len(line) > cap)
    assert lost <= framer.discarded <= lost + len(rest)
    assert len(framer._buffer) < cap + len(terminator)


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_never_raise(stream: bytes, cuts: list[int]) -> None:
    _feed(LineFramer(b"\r\n", 16), stream, cuts)
    assert strip_nmea_checksum(stream) is None or stream[:1] in b"$!"


def test_xor_checksum() -> None:
    assert xor_checksum(b"") == 0
    assert xor_checksum(RMC[1:-3]) == 0x56
    assert xor_checksum(ZDA[1:-3]) == 0x72


@pytest.mark.parametrize("line", [RMC, ZDA, b"$CCICA,0,00*7B", b"$CCICR,0,00*68"])
def test_good_sentence_loses_its_frame(line: bytes) -> None:
    for end in (b"", b"\r", b"\r\n"):
        assert strip_nmea_checksum(line + end) == line[1:-3]


def test_lower_case_digits_are_digits() -> None:
    assert strip_nmea_checksum(b"$CCICA,0,00*7b") == b"CCICA,0,00"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"$",
        b"*00",
        b"$A*4",
        b"$CCICA,0,00",
        b"$CCICA,0,00*",
        b"$CCICA,0,00*7",
        b"$CCICA,0,00*7A",
        b"$CCICA,0,01*7B",
        b"$CCICA,0,00*7B ",
        b"CCICA,0,00*7B",
        b"x$CCICA,0,00*7B",
        b"$\x0b*+b",  # int() alone would read +b as eleven
        b"$\x0b* b",
    ],
)
def test_damaged_sentence_is_none(line: bytes) -> None:
    assert strip_nmea_checksum(line) is None


def test_no_single_wrong_bit_passes() -> None:
    for bit in range(8 * len(ZDA)):
        damaged = bytearray(ZDA)
        damaged[bit // 8] ^= 1 << bit % 8
        assert strip_nmea_checksum(bytes(damaged)) is None
