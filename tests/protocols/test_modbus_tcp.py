"""The TCP reader: frames split and joined anywhere, strays counted, nonsense is the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import modbus
from protocols.modbus import Answer, Declined, Request, Seen
from protocols.modbus_tcp import TcpReader, tcp_frame

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "modbus.json").read_text("utf-8"))
EXCHANGES: list[dict[str, Any]] = [
    exchange for exchange in VECTORS["exchanges"] if "tcp_request" in exchange
]
READ = modbus.read_registers(1, 3, 0, 1)


def _build(exchange: dict[str, Any]) -> Request:
    function, *arguments = exchange["build"]
    request: Request = getattr(modbus, function)(*arguments)
    return request


def _expecting(exchange: dict[str, Any]) -> TcpReader:
    reader = TcpReader()
    reader.expect(_build(exchange), exchange["transaction"])
    return reader


def _check(exchange: dict[str, Any], result: object) -> None:
    request, reply = _build(exchange), bytes.fromhex(exchange["tcp_reply"])
    if "declined" in exchange:
        assert result == Declined(request.unit, request.function, exchange["declined"])
    else:
        assert result == Answer(request.unit, request.function, reply[8:])


def _frame(transaction: int, text: str, *, protocol: int = 0, length: int | None = None) -> bytes:
    """``text`` is unit and PDU."""
    body = bytes.fromhex(text)
    header = (transaction, protocol, len(body) if length is None else length)
    return b"".join(field.to_bytes(2, "big") for field in header) + body


def _feed(reader: TcpReader, chunk: bytes) -> Answer | Declined | None:
    """What came, whichever open question it answers."""
    found = reader.feed(chunk)
    return None if found is None else found[1]


def _results(reader: TcpReader, chunks: Iterable[bytes]) -> list[Answer | Declined]:
    return [result for chunk in chunks if (result := _feed(reader, chunk)) is not None]


def _bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


every_exchange = pytest.mark.parametrize(
    "exchange", EXCHANGES, ids=[exchange["name"] for exchange in EXCHANGES]
)


@every_exchange
def test_whole_reply(exchange: dict[str, Any]) -> None:
    _check(exchange, _feed(_expecting(exchange), bytes.fromhex(exchange["tcp_reply"])))


@every_exchange
def test_reply_byte_by_byte_is_accepted_with_its_last_byte(exchange: dict[str, Any]) -> None:
    reader = _expecting(exchange)
    *early, last = _bytewise(bytes.fromhex(exchange["tcp_reply"]))
    for byte in early:
        assert _feed(reader, byte) is None
        assert reader.seen(exchange["transaction"]) is Seen.PARTIAL
    _check(exchange, _feed(reader, last))


@every_exchange
def test_strays_in_front_are_counted_and_passed_over(exchange: dict[str, Any]) -> None:
    """The late reply to the question before carries that question's transaction."""
    reply = bytes.fromhex(exchange["tcp_reply"])
    late = (exchange["transaction"] - 1).to_bytes(2, "big") + reply[2:]
    for chunks in ([late + late + reply], _bytewise(late + late + reply)):
        reader = _expecting(exchange)
        (result,) = _results(reader, chunks)
        _check(exchange, result)
        assert reader.stray == 2


@every_exchange
def test_doubled_reply_is_one_answer_and_one_stray(exchange: dict[str, Any]) -> None:
    reader = _expecting(exchange)
    reply = bytes.fromhex(exchange["tcp_reply"])
    (result,) = _results(reader, [reply + reply, b"", b""])
    _check(exchange, result)
    assert reader.stray == 1


@every_exchange
def test_wrong_bit_in_header_unit_or_function_is_not_accepted(exchange: dict[str, Any]) -> None:
    reply = bytes.fromhex(exchange["tcp_reply"])
    for bit in range(8 * 8):
        damaged = bytearray(reply)
        damaged[bit // 8] ^= 1 << bit % 8
        assert _expecting(exchange).feed(bytes(damaged)) is None


WRONG = [
    ("unit", "02 03 02 002A", Seen.OTHER_UNIT),
    ("function", "01 04 02 002A", Seen.OTHER_FUNCTION),
    ("other function declined", "01 84 02", Seen.OTHER_FUNCTION),
    ("two registers", "01 03 04 002A 002B", Seen.WRONG_LENGTH),
    ("byte count", "01 03 04 002A", Seen.WRONG_LENGTH),
    ("no registers", "01 03", Seen.WRONG_LENGTH),
    ("long exception", "01 83 02 00", Seen.WRONG_LENGTH),
]


@pytest.mark.parametrize(("body", "seen"), [row[1:] for row in WRONG], ids=[r[0] for r in WRONG])
def test_wrong_reply_to_the_right_transaction(body: str, seen: Seen) -> None:
    reader = TcpReader()
    reader.expect(READ, 7)
    assert _feed(reader, _frame(7, body)) is None
    assert reader.seen(7) is seen
    assert reader.stray == 0
    assert _feed(reader, _frame(7, "01 03 02 002A")) == Answer(1, 3, bytes.fromhex("02 002A"))
    reader.expect(READ, 8)
    assert reader.seen(8) is Seen.NOTHING


def test_wrong_confirmation_of_a_write() -> None:
    reader = TcpReader()
    reader.expect(modbus.write_coil(1, 7, True), 7)
    assert _feed(reader, _frame(7, "01 05 0007 0000")) is None
    assert reader.seen(7) is Seen.WRONG_CONTENT


BROKEN = [
    (_frame(7, "01 03 02 002A", protocol=1), "protocol identifier: found 1, allowed 0"),
    (_frame(7, "01 03 02 002A", length=0), "length: found 0, allowed 2..254"),
    (_frame(7, "01 03 02 002A", length=1), "length: found 1, allowed 2..254"),
    (_frame(7, "01 03 02 002A", length=255), "length: found 255, allowed 2..254"),
    (b"HTTP/1.1 400 Bad Request", "protocol identifier: found 21584, allowed 0"),
]


@pytest.mark.parametrize(("stream", "reason"), BROKEN, ids=[row[1] for row in BROKEN])
def test_nonsense_header_breaks_the_connection_for_good(stream: bytes, reason: str) -> None:
    for chunks in ([stream], _bytewise(stream)):
        reader = TcpReader()
        reader.expect(READ, 7)
        assert _results(reader, chunks) == []
        assert reader.broken == reason
        assert _feed(reader, _frame(7, "01 03 02 002A")) is None


def test_longest_and_shortest_frames_are_within_the_limits() -> None:
    reader = TcpReader()
    reader.expect(modbus.read_registers(1, 3, 0, 125), 1)
    assert isinstance(_feed(reader, _frame(1, "01 03 FA" + "0000" * 125)), Answer)
    assert _feed(reader, _frame(1, "01 03" + "00" * 252)) is None
    assert _feed(reader, _frame(1, "01 03")) is None
    assert (reader.broken, reader.stray) == ("", 2)


def test_what_follows_an_answer_waits_for_the_next_question() -> None:
    reader = TcpReader()
    first, second = _frame(1, "01 03 02 0001"), _frame(2, "01 03 02 0002")
    reader.expect(READ, 1)
    assert _feed(reader, first + second[:5]) == Answer(1, 3, b"\x02\x00\x01")
    reader.expect(READ, 2)
    assert reader.seen(2) is Seen.PARTIAL
    assert _feed(reader, second[5:]) == Answer(1, 3, b"\x02\x00\x02")
    reader.expect(READ, 3)
    assert _feed(reader, _frame(3, "01 03 02 0003") + _frame(4, "01 03 02 0004")) is not None
    reader.expect(READ, 4)
    assert _feed(reader, b"") == Answer(1, 3, b"\x02\x00\x04")
    assert reader.stray == 0


def test_a_given_up_question_is_answered_by_a_stray() -> None:
    """After a timeout the late reply must not become the value of the next question."""
    reader = TcpReader()
    reader.expect(READ, 1)
    reader.forget(1)
    reader.expect(READ, 2)
    assert _feed(reader, _frame(1, "01 03 02 0001")) is None
    assert (reader.stray, reader.seen(2)) == (1, Seen.NOTHING)
    assert _feed(reader, _frame(2, "01 03 02 0002")) == Answer(1, 3, b"\x02\x00\x02")


def test_several_open_questions_are_answered_in_any_order() -> None:
    reader = TcpReader()
    for transaction in (1, 2, 3):
        reader.expect(READ, transaction)
    stream = b"".join(_frame(each, f"01 03 02 000{each}") for each in (3, 1, 2))
    found = [reader.feed(stream), reader.feed(b""), reader.feed(b""), reader.feed(b"")]
    assert found == [
        (3, Answer(1, 3, b"\x02\x00\x03")),
        (1, Answer(1, 3, b"\x02\x00\x01")),
        (2, Answer(1, 3, b"\x02\x00\x02")),
        None,
    ]


def test_unasked_frames_do_not_pile_up() -> None:
    reader = TcpReader()
    for _ in range(1000):
        assert _feed(reader, _frame(9, "01 03 02 0001")) is None
    assert reader.stray == 1000
    assert len(reader._buffer) == 0


def test_transaction_must_fit_its_field() -> None:
    assert tcp_frame(READ, 0xFFFF)[:2] == b"\xff\xff"
    for transaction in (-1, 0x10000):
        with pytest.raises(ValueError, match=f"transaction: found {transaction}, allowed 0..65535"):
            tcp_frame(READ, transaction)


FRAMES = st.builds(
    lambda transaction, unit, pdu: _frame(transaction, (bytes((unit,)) + pdu).hex()),
    st.integers(0, 3),
    st.integers(0, 3),
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.sampled_from([bytes.fromhex(text) for text in ("0302002A", "8302", "0402002A")]),
    ),
)
STREAMS = st.lists(st.one_of(FRAMES, FRAMES, FRAMES, st.binary(max_size=10)), max_size=12).map(
    b"".join
)


@given(STREAMS, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_any_bytes_in_any_chunks_never_raise_and_never_deceive(
    stream: bytes, cuts: list[int]
) -> None:
    reader = TcpReader()
    reader.expect(READ, 1)
    fed, at = b"", 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        fed += stream[at : at + size]
        result = _feed(reader, stream[at : at + size])
        at += size
        assert reader.seen(1) in Seen
        if isinstance(result, Answer):
            assert len(result.body) == 3
            assert _frame(1, "01 03" + result.body.hex()) in fed
            break
        if isinstance(result, Declined):
            assert _frame(1, f"01 83 {result.code:02X}") in fed
            break


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_splitting_the_stream_changes_nothing(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join([*frames, _frame(1, "01 03 02 002A")])
    chunks: list[bytes] = []
    at = 0
    while at < len(stream):
        chunks.append(stream[at : at + cuts[len(chunks) % len(cuts)]])
        at += len(chunks[-1])
    at_once, split = TcpReader(), TcpReader()
    for reader in (at_once, split):
        reader.expect(READ, 1)
    whole = _results(at_once, [stream, b""])
    assert len(whole) == 1
    assert _results(split, [*chunks, b""]) == whole
    assert split.stray == at_once.stray
