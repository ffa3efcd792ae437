"""The RTU reader on golden exchanges: whole, split, behind junk, halves, echoes and strangers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from protocols import modbus
from protocols.modbus import Answer, Declined, Request, Seen
from protocols.modbus_rtu import RtuReader, character_s, rtu_reply_bytes, silence_s

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "modbus.json").read_text("utf-8"))
EXCHANGES: list[dict[str, Any]] = VECTORS["exchanges"]


def _crc(data: bytes) -> bytes:
    """Bit by bit, apart from the code under test; low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def _frame(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + _crc(body)


def _build(exchange: dict[str, Any]) -> Request:
    function, *arguments = exchange["build"]
    request: Request = getattr(modbus, function)(*arguments)
    return request


def _reply(exchange: dict[str, Any]) -> bytes:
    return bytes.fromhex(exchange["reply"])


def _check(exchange: dict[str, Any], result: object) -> None:
    request, reply = _build(exchange), _reply(exchange)
    if "declined" in exchange:
        assert result == Declined(request.unit, request.function, exchange["declined"])
        return
    assert result == Answer(request.unit, request.function, reply[2:-2])
    assert isinstance(result, Answer)
    if "registers" in exchange:
        assert list(result.registers()) == exchange["registers"]
    if "bits" in exchange:
        assert list(result.bits(len(exchange["bits"]))) == exchange["bits"]
    if "server_id" in exchange:
        assert result.server_id() == bytes.fromhex(exchange["server_id"])
    if "objects" in exchange:
        read = result.identification()
        assert [[key, value.decode()] for key, value in read.objects] == exchange["objects"]
        assert read.next_object == exchange.get("next_object")


def _feed(reader: RtuReader, chunks: Iterable[bytes]) -> Answer | Declined | None:
    """What the chunks brought; nothing may come before or after it."""
    results = [result for chunk in chunks if (result := reader.feed(chunk)) is not None]
    assert len(results) <= 1
    return results[0] if results else None


def _bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


every_exchange = pytest.mark.parametrize(
    "exchange", EXCHANGES, ids=[exchange["name"] for exchange in EXCHANGES]
)


@every_exchange
def test_whole_reply(exchange: dict[str, Any]) -> None:
    reader = RtuReader(_build(exchange))
    _check(exchange, reader.feed(_reply(exchange)))
    assert not reader.consumed_answer


@every_exchange
def test_reply_byte_by_byte_is_accepted_with_its_last_byte(exchange: dict[str, Any]) -> None:
    reader = RtuReader(_build(exchange))
    *early, last = _bytewise(_reply(exchange))
    for byte in early:
        assert reader.feed(byte) is None
        assert reader.seen is Seen.PARTIAL
    _check(exchange, reader.feed(last))


@every_exchange
def test_reply_split_anywhere(exchange: dict[str, Any]) -> None:
    reply = _reply(exchange)
    for cut in range(1, len(reply)):
        _check(exchange, _feed(RtuReader(_build(exchange)), (reply[:cut], reply[cut:])))


@every_exchange
@pytest.mark.parametrize(
    "junk",
    [
        b"\x00",
        b"\xff",
        b"\x00\xff\x00",
        bytes.fromhex("80 80 FE 7F 00 00"),
        bytes.fromhex("02 03"),
        bytes.fromhex("02 03 FA"),  # announces 250 bytes that never come
        bytes(range(256))[:200],
    ],
    ids=lambda junk: junk[:6].hex(" "),
)
def test_junk_in_front_is_passed_over(exchange: dict[str, Any], junk: bytes) -> None:
    stream = junk + _reply(exchange)
    _check(exchange, RtuReader(_build(exchange)).feed(stream))
    _check(exchange, _feed(RtuReader(_build(exchange)), _bytewise(stream)))


@every_exchange
def test_half_a_reply_in_front_is_passed_over(exchange: dict[str, Any]) -> None:
    reply = _reply(exchange)
    for length in range(1, len(reply)):
        stream = reply[:length] + reply
        _check(exchange, RtuReader(_build(exchange)).feed(stream))
        _check(exchange, _feed(RtuReader(_build(exchange)), _bytewise(stream)))


@every_exchange
def test_half_the_question_in_front_is_passed_over(exchange: dict[str, Any]) -> None:
    question = bytes.fromhex(exchange["request"])
    for length in range(1, len(question)):
        stream = question[:length] + _reply(exchange)
        _check(exchange, RtuReader(_build(exchange)).feed(stream))
        _check(exchange, _feed(RtuReader(_build(exchange)), _bytewise(stream)))


@every_exchange
def test_doubled_reply_is_one_answer(exchange: dict[str, Any]) -> None:
    reader = RtuReader(_build(exchange))
    _check(exchange, reader.feed(_reply(exchange) * 2))
    assert reader.feed(_reply(exchange)) is None
    _check(exchange, _feed(RtuReader(_build(exchange)), _bytewise(_reply(exchange) * 2)))


@every_exchange
def test_frames_to_others_in_front_are_passed_over(exchange: dict[str, Any]) -> None:
    stream = (
        _frame("02 03 04 DEAD BEEF") + _frame("02 83 02") + _frame("03 10 0001 0002")
    ) + _reply(exchange)
    _check(exchange, RtuReader(_build(exchange)).feed(stream))
    _check(exchange, _feed(RtuReader(_build(exchange)), _bytewise(stream)))


# Where echo and reply are the same bytes, the first copy is the answer unless an echo is expected.
ECHOED = [
    (exchange, echoes)
    for exchange in EXCHANGES
    for echoes in (None, True)
    if echoes or exchange["request"] != exchange["reply"]
]


@pytest.mark.parametrize(
    ("exchange", "echoes"), ECHOED, ids=[f"{row[0]['name']}, {row[1]}" for row in ECHOED]
)
def test_echo_in_front_is_passed_over(exchange: dict[str, Any], echoes: bool | None) -> None:
    request = _build(exchange)
    question = bytes.fromhex(exchange["request"])
    stream = question + _reply(exchange)
    for chunks in ([stream], _bytewise(stream), [question, _reply(exchange)]):
        reader = RtuReader(request, echoes=echoes)
        result = _feed(reader, chunks)
        if echoes is None and "declined" in exchange and request.function in (5, 6, 22):
            assert isinstance(result, Answer)  # the echo of a write is its normal reply
        else:
            _check(exchange, result)
            assert reader.echoed


@every_exchange
def test_echo_alone_is_no_answer_where_one_is_expected(exchange: dict[str, Any]) -> None:
    reader = RtuReader(_build(exchange), echoes=True)
    assert _feed(reader, _bytewise(bytes.fromhex(exchange["request"]))) is None
    assert reader.seen is Seen.ECHO
    assert not reader.consumed_answer


@every_exchange
def test_no_single_wrong_bit_is_accepted(exchange: dict[str, Any]) -> None:
    reply = _reply(exchange)
    for bit in range(8 * len(reply)):
        damaged = bytearray(reply)
        damaged[bit // 8] ^= 1 << bit % 8
        assert RtuReader(_build(exchange)).feed(bytes(damaged)) is None


@every_exchange
def test_reply_of_another_unit_is_not_accepted(exchange: dict[str, Any]) -> None:
    reply = _reply(exchange)
    reader = RtuReader(_build(exchange))
    assert reader.feed(_frame((bytes((reply[0] ^ 0x20,)) + reply[1:-2]).hex())) is None
    assert reader.seen is Seen.OTHER_UNIT
    assert not reader.consumed_answer


@every_exchange
def test_damaged_reply_is_used_up(exchange: dict[str, Any]) -> None:
    """The device has answered: after this, no late answer to this question is to be feared."""
    damaged = bytearray(_reply(exchange))
    damaged[-1] ^= 0xFF
    for chunks in ([bytes(damaged)], _bytewise(bytes(damaged))):
        reader = RtuReader(_build(exchange))
        assert _feed(reader, chunks) is None
        assert reader.seen is Seen.BAD_CRC
        assert reader.consumed_answer


def test_character_time_counts_every_bit() -> None:
    assert character_s(9600) == 10 / 9600
    assert character_s(9600, parity=True) == 11 / 9600
    assert character_s(9600, data_bits=7, parity=True, stop_bits=2) == 11 / 9600
    with pytest.raises(ValueError, match="baud: found 0"):
        character_s(0)


@pytest.mark.parametrize(
    ("baud", "milliseconds"), [(1200, 32.1), (2400, 16.0), (4800, 8.02), (9600, 4.01), (19200, 2.0)]
)
def test_silence_is_three_and_a_half_characters(baud: int, milliseconds: float) -> None:
    """Serial Line V1.02 §2.5.1.1 with the standard's own 11-bit character."""
    silence = silence_s(baud, character_s(baud, parity=True))
    assert silence * 1000 == pytest.approx(milliseconds, rel=0.005)


@pytest.mark.parametrize("baud", [19201, 38400, 57600, 115200])
def test_silence_is_fixed_above_19200(baud: int) -> None:
    assert silence_s(baud, character_s(baud)) == 0.00175


@every_exchange
def test_reply_length_is_known_beforehand(exchange: dict[str, Any]) -> None:
    if _build(exchange).open_ended:
        assert rtu_reply_bytes(_build(exchange)) == 256
    elif "declined" not in exchange:
        assert rtu_reply_bytes(_build(exchange)) == len(_reply(exchange))


def test_no_reply_bytes_for_a_broadcast() -> None:
    assert rtu_reply_bytes(modbus.write_coil(0, 0, True)) == 0
