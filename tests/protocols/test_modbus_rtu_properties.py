"""The RTU reader on any bytes in any chunks, and on replies that pymodbus wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from protocols import modbus
from protocols.modbus import Answer, Declined, Request, Seen
from protocols.modbus_rtu import RtuReader

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "modbus.json").read_text("utf-8"))
EXCHANGES: list[dict[str, Any]] = VECTORS["exchanges"]
TRAPS: list[dict[str, Any]] = VECTORS["echo_traps"]["requests"]
COUNTED = (1, 2, 3, 4, 17, 23)
OBJECTS = 43
FIXED = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}


def _crc(data: bytes) -> bytes:
    """Bit by bit, apart from the code under test; low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def _build(exchange: dict[str, Any]) -> Request:
    function, *arguments = exchange["build"]
    request: Request = getattr(modbus, function)(*arguments)
    return request


def _reply(exchange: dict[str, Any]) -> bytes:
    return bytes.fromhex(exchange["reply"])


def _feed(reader: RtuReader, chunks: Iterable[bytes]) -> Answer | Declined | None:
    """What the chunks brought; nothing may come before or after it."""
    results = [result for chunk in chunks if (result := reader.feed(chunk)) is not None]
    assert len(results) <= 1
    return results[0] if results else None


REQUESTS = [_build(exchange) for exchange in EXCHANGES] + [_build(trap) for trap in TRAPS]


def _is_confirmed_by_the_stream(request: Request, result: Answer | Declined, fed: bytes) -> bool:
    """An independent second look at what was accepted."""
    if isinstance(result, Declined):
        body = bytes((request.unit, request.function | 0x80, result.code))
        return body + _crc(body) in fed
    open_ended = request.function in (17, OBJECTS)
    if request.unit == 0 or (len(result.body) + 1 != request.reply_length and not open_ended):
        return False
    if request.function == OBJECTS and not _are_objects(request, result.body):
        return False
    if request.function in COUNTED and result.body[0] != len(result.body) - 1:
        return False
    if request.function in FIXED and not request.pdu[1:].startswith(result.body):
        return False
    body = bytes((request.unit, request.function)) + result.body
    return body + _crc(body) in fed


def _are_objects(request: Request, body: bytes) -> bool:
    """MEI type, code, four bytes, the number of objects, and each with id, length and value."""
    at = 6
    for _ in range(body[5]):
        at += 2 + body[at + 1]
    return body[:2] == request.pdu[1:3] and body[5] > 0 and at == len(body)


def _object_reply_length(frame: bytes) -> int:
    """As far as the bytes tell: unit to CRC of a reply with objects; 0 if it is cut short."""
    at = 8
    try:
        for _ in range(frame[7]):
            at += 2 + frame[at + 1]
    except IndexError:
        return 0
    return at + 2


def _damage(frame: bytes, at: int, value: int) -> bytes:
    return frame[: at % len(frame)] + bytes((value,)) + frame[at % len(frame) + 1 :]


FRAMES = st.sampled_from(
    [bytes.fromhex(exchange["request"]) for exchange in EXCHANGES]
    + [_reply(exchange) for exchange in EXCHANGES]
    + [bytes.fromhex(trap["request"]) for trap in TRAPS]
)
PIECES = st.one_of(
    st.binary(max_size=12),
    FRAMES,
    st.builds(_damage, FRAMES, st.integers(0, 300), st.integers(0, 255)),
    st.builds(lambda frame, length: frame[:length], FRAMES, st.integers(0, 20)),
)
STREAMS = st.lists(PIECES, max_size=6).map(b"".join)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def _chunks(stream: bytes, cuts: list[int]) -> list[bytes]:
    chunks: list[bytes] = []
    at = 0
    while at < len(stream):
        size = cuts[len(chunks) % len(cuts)]
        chunks.append(stream[at : at + size])
        at += size
    return chunks


@given(
    st.sampled_from(REQUESTS),
    st.one_of(st.binary(), STREAMS),
    CUTS,
    st.sampled_from([None, True, False]),
)
def test_any_bytes_in_any_chunks_never_raise_and_never_deceive(
    request: Request, stream: bytes, cuts: list[int], echoes: bool | None
) -> None:
    reader = RtuReader(request, echoes=echoes)
    fed = b""
    for chunk in _chunks(stream, cuts):
        fed += chunk
        result = reader.feed(chunk)
        assert reader.seen in Seen
        if result is not None:
            assert _is_confirmed_by_the_stream(request, result, fed)
            break


def _has_valid_frame_before(stream: bytes, end: int) -> bool:
    """Whether a valid reply frame begins before the true answer, at ``end``, does."""
    for start in range(end):
        function = stream[start + 1]
        if function & 0x7F not in (*COUNTED, *FIXED, OBJECTS):
            continue
        if function & 0x80:
            length = 5
        elif function in FIXED:
            length = FIXED[function]
        elif function == OBJECTS:
            length = _object_reply_length(stream[start:])
        else:
            length = 5 + stream[start + 2]
        frame = stream[start : start + length]
        if len(frame) == length > 2 and _crc(frame[:-2]) == frame[-2:]:
            return True
    return False


JUNK = st.one_of(
    st.binary(max_size=200),
    st.lists(st.builds(lambda frame, cut: frame[:cut], FRAMES, st.integers(0, 20)), max_size=8).map(
        lambda parts: b"".join(parts)[:200]
    ),
)


@given(st.sampled_from(EXCHANGES), JUNK, CUTS)
@example(EXCHANGES[0], bytes.fromhex("01 03 00 00 00 01 84"), [1])
@example(EXCHANGES[0], bytes.fromhex("01 03 02 00 FA 38"), [200])
def test_true_answer_is_found_behind_any_junk(
    exchange: dict[str, Any], junk: bytes, cuts: list[int]
) -> None:
    reply, question = _reply(exchange), bytes.fromhex(exchange["request"])
    stream = junk + reply
    assume(not _has_valid_frame_before(stream, len(junk)))
    # Junk whose end and the reply's beginning spell the question make an echo of it.
    assume(question == reply or question not in stream)
    result = _feed(RtuReader(_build(exchange)), _chunks(stream, cuts))
    request = _build(exchange)
    if "declined" in exchange:
        assert result == Declined(request.unit, request.function, exchange["declined"])
    else:
        assert result == Answer(request.unit, request.function, reply[2:-2])


@given(st.sampled_from(EXCHANGES), STREAMS, CUTS)
def test_splitting_the_stream_changes_nothing(
    exchange: dict[str, Any], stream: bytes, cuts: list[int]
) -> None:
    stream += _reply(exchange)
    whole = RtuReader(_build(exchange))
    at_once = whole.feed(stream)
    split = RtuReader(_build(exchange))
    assert _feed(split, _chunks(stream, cuts)) == at_once
    assert split.echoed == whole.echoed
    if at_once is None:
        assert (split.seen, split.consumed_answer) == (whole.seen, whole.consumed_answer)


def test_pymodbus_replies_are_understood() -> None:
    """An independent encoder of replies: every value comes through."""
    registers: Any = import_module("pymodbus.pdu.register_message")
    bits: Any = import_module("pymodbus.pdu.bit_message")
    framer: Any = import_module("pymodbus.framer").FramerRTU(
        import_module("pymodbus.pdu").DecodePDU(False)
    )
    words = list(range(0, 65536, 600))
    states = [index % 3 == 0 for index in range(1999)]
    for function, kind in ((3, "ReadHoldingRegistersResponse"), (4, "ReadInputRegistersResponse")):
        frame = framer.buildFrame(getattr(registers, kind)(dev_id=9, registers=words))
        answer = RtuReader(modbus.read_registers(9, function, 0, len(words))).feed(frame)
        assert isinstance(answer, Answer)
        assert list(answer.registers()) == words
    for function, kind in ((1, "ReadCoilsResponse"), (2, "ReadDiscreteInputsResponse")):
        frame = framer.buildFrame(getattr(bits, kind)(dev_id=9, bits=states))
        answer = RtuReader(modbus.read_bits(9, function, 0, len(states))).feed(frame)
        assert isinstance(answer, Answer)
        assert list(answer.bits(len(states))) == states
