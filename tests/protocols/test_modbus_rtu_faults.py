"""The RTU reader on what must not be an answer, and on what it says of it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from protocols import modbus
from protocols.modbus import Answer, Declined, Request, Seen
from protocols.modbus_rtu import RtuReader, rtu_frame, rtu_reply_bytes

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "modbus.json").read_text("utf-8"))
TRAPS: list[dict[str, Any]] = VECTORS["echo_traps"]["requests"]


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


def _feed(reader: RtuReader, chunks: Iterable[bytes]) -> Answer | Declined | None:
    """What the chunks brought; nothing may come before or after it."""
    results = [result for chunk in chunks if (result := reader.feed(chunk)) is not None]
    assert len(results) <= 1
    return results[0] if results else None


def _bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("trap", TRAPS, ids=[trap["request"] for trap in TRAPS])
class TestQuestionThatLooksLikeItsAnswer:
    """Some questions begin with a frame that answers them, CRC included."""

    def test_trap_is_real(self, trap: dict[str, Any]) -> None:
        question = rtu_frame(_build(trap))
        assert question == bytes.fromhex(trap["request"])
        assert question.startswith(bytes.fromhex(trap["trap"]))
        reader = RtuReader(_build(trap), echoes=False)
        assert isinstance(reader.feed(bytes.fromhex(trap["trap"])), Answer)

    def test_echo_is_not_taken_for_the_answer(self, trap: dict[str, Any]) -> None:
        question = bytes.fromhex(trap["request"])
        for echoes in (None, True):
            for chunks in ([question], _bytewise(question), [question[:-1], question[-1:]]):
                reader = RtuReader(_build(trap), echoes=echoes)
                assert _feed(reader, chunks) is None
                assert reader.seen is Seen.ECHO

    def test_true_answer_behind_the_echo_is_found(self, trap: dict[str, Any]) -> None:
        stream = bytes.fromhex(trap["request"] + trap["reply"])
        for echoes in (None, True):
            for chunks in ([stream], _bytewise(stream)):
                result = _feed(RtuReader(_build(trap), echoes=echoes), chunks)
                assert isinstance(result, Answer)
                assert result.body == _reply(trap)[2:-2]

    def test_the_same_value_as_answer_counts_once_the_echo_is_past(
        self, trap: dict[str, Any]
    ) -> None:
        stream = bytes.fromhex(trap["request"] + trap["trap"])
        reader = RtuReader(_build(trap), echoes=True)
        assert isinstance(_feed(reader, _bytewise(stream)), Answer)

    def test_ambiguous_bytes_are_refused_while_the_line_is_unknown(
        self, trap: dict[str, Any]
    ) -> None:
        reader = RtuReader(_build(trap))
        assert reader.feed(bytes.fromhex(trap["trap"])) is None


def test_answer_that_begins_with_the_question_counts_on_a_line_without_echo() -> None:
    """Four registers may hold exactly the words of the question, CRC and all."""
    request = modbus.read_registers(4, 3, 0x0800, 4)
    question = rtu_frame(request)
    body = question + bytes(3)
    frame = body + _crc(body)
    assert len(frame) == rtu_reply_bytes(request)
    assert isinstance(RtuReader(request, echoes=False).feed(frame), Answer)
    assert RtuReader(request).feed(frame) is None


READ_ONE = modbus.read_registers(1, 3, 0, 1)
READ_TEN = modbus.read_registers(1, 3, 0, 10)
TRUE_ONE = _frame("01 03 02 002A")
SEEN: list[tuple[str, Request, bytes, Seen]] = [
    ("silence", READ_ONE, b"", Seen.NOTHING),
    ("noise", READ_ONE, bytes.fromhex("00 FF 80 00"), Seen.NOISE),
    ("a false start", READ_ONE, bytes.fromhex("01 FF FF FF"), Seen.NOISE),
    ("another unit with bad CRC", READ_ONE, bytes.fromhex("02 03 02 0000 0000"), Seen.NOISE),
    ("noise that ends with the address", READ_ONE, b"\xff\x80\x01", Seen.NOISE),
    ("no register at all", READ_ONE, _frame("01 03 00"), Seen.WRONG_LENGTH),
    ("first byte", READ_ONE, b"\x01", Seen.PARTIAL),
    ("half an answer", READ_ONE, TRUE_ONE[:4], Seen.PARTIAL),
    ("half an exception", READ_ONE, b"\x01\x83\x02", Seen.PARTIAL),
    ("noise, half an answer", READ_ONE, b"\x00" + TRUE_ONE[:4], Seen.PARTIAL),
    ("echo", READ_ONE, rtu_frame(READ_ONE), Seen.ECHO),
    ("echo, half an answer", READ_ONE, rtu_frame(READ_ONE) + TRUE_ONE[:4], Seen.PARTIAL),
    ("another unit", READ_ONE, _frame("02 03 02 002A"), Seen.OTHER_UNIT),
    ("another unit declines", READ_ONE, _frame("02 83 02"), Seen.OTHER_UNIT),
    ("FC4 for FC3", READ_ONE, _frame("01 04 02 002A"), Seen.OTHER_FUNCTION),
    ("FC4 declined for FC3", READ_ONE, _frame("01 84 02"), Seen.OTHER_FUNCTION),
    ("two registers for one", READ_ONE, _frame("01 03 04 002A 002B"), Seen.WRONG_LENGTH),
    ("one register for ten", READ_TEN, TRUE_ONE, Seen.WRONG_LENGTH),
    ("odd byte count", READ_ONE, _frame("01 03 03 002A00"), Seen.WRONG_LENGTH),
    (
        "other value confirmed",
        modbus.write_register(1, 7, 8),
        _frame("01 06 0007 0009"),
        Seen.WRONG_CONTENT,
    ),
    (
        "other coil confirmed",
        modbus.write_coil(1, 7, True),
        _frame("01 05 0008 FF00"),
        Seen.WRONG_CONTENT,
    ),
    (
        "coil off confirmed for on",
        modbus.write_coil(1, 7, True),
        _frame("01 05 0007 0000"),
        Seen.WRONG_CONTENT,
    ),
    (
        "fewer registers confirmed",
        modbus.write_registers(1, 7, [1, 2]),
        _frame("01 10 0007 0001"),
        Seen.WRONG_CONTENT,
    ),
    (
        "fewer coils confirmed",
        modbus.write_coils(1, 7, [True] * 2),
        _frame("01 0F 0007 0001"),
        Seen.WRONG_CONTENT,
    ),
    (
        "other mask confirmed",
        modbus.mask_write(1, 4, 0xF2, 0x25),
        _frame("01 16 0004 00F2 0024"),
        Seen.WRONG_CONTENT,
    ),
    ("bad CRC", READ_ONE, TRUE_ONE[:-1] + b"\x00", Seen.BAD_CRC),
    ("bad CRC, then others", READ_ONE, TRUE_ONE[:-1] + b"\x00\x00\x00", Seen.BAD_CRC),
]


@pytest.mark.parametrize(
    ("request_", "stream", "seen"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN]
)
def test_seen_names_what_came_instead(request_: Request, stream: bytes, seen: Seen) -> None:
    for chunks in ([stream], _bytewise(stream)):
        reader = RtuReader(request_)
        assert _feed(reader, chunks) is None
        assert reader.seen is seen


@pytest.mark.parametrize(
    "stream",
    [
        TRUE_ONE[:-1],
        b"\x00" + TRUE_ONE[:-1] + b"\x00",  # behind noise nobody knows where a frame begins
        _frame("01 03 04 002A 002B"),
        _frame("01 04 02 002A"),
        bytes.fromhex("02 03 02 002A 0000"),
        bytes.fromhex("01 03 04 002A 002B 0000"),
    ],
    ids=lambda stream: stream.hex(" "),
)
def test_answer_stays_owed_unless_a_damaged_one_surely_came(stream: bytes) -> None:
    reader = RtuReader(READ_ONE)
    assert reader.feed(stream) is None
    assert not reader.consumed_answer


def test_damaged_answer_behind_the_echo_is_used_up() -> None:
    reader = RtuReader(READ_ONE)
    assert reader.feed(rtu_frame(READ_ONE) + TRUE_ONE[:-1] + b"\x00") is None
    assert reader.consumed_answer


def test_garbled_echo_is_not_taken_for_a_damaged_answer() -> None:
    request = modbus.write_register(1, 7, 8)
    garbled = rtu_frame(request)[:-1] + b"\x00"
    reader = RtuReader(request, echoes=True)
    assert reader.feed(garbled) is None
    assert not reader.consumed_answer


def test_stale_longer_answer_does_not_hide_the_true_one() -> None:
    """Late answer to an earlier question for ten registers, then the one that was asked for."""
    stream = _frame("01 03 14" + "0001" * 10) + TRUE_ONE
    for chunks in ([stream], _bytewise(stream)):
        reader = RtuReader(READ_ONE)
        assert _feed(reader, chunks) == Answer(1, 3, bytes.fromhex("02 002A"))


def test_values_that_look_like_frames_do_not_break_their_answer() -> None:
    """Registers may hold the bytes of another unit's valid frame; the reading is still right."""
    inner = _frame("05 03 04 DEAD BEEF") + _frame("02 83 02")
    words = inner.ljust(20, b"\x00")
    stream = _frame("01 03 14" + words.hex())
    for chunks in ([stream], _bytewise(stream)):
        assert _feed(RtuReader(READ_TEN), chunks) == Answer(1, 3, b"\x14" + words)


@pytest.mark.parametrize("answer", [TRUE_ONE, _frame("01 83 02")], ids=["answer", "exception"])
def test_answer_within_another_units_finished_frame_is_none(answer: bytes) -> None:
    """A value of unit 2 that happens to be our answer's bytes is not our answer."""
    stream = _frame("02 03 08" + answer.ljust(8, b"\x00").hex())
    assert RtuReader(READ_ONE).feed(stream) is None


@pytest.mark.parametrize("answer", [TRUE_ONE, _frame("01 83 02")], ids=["answer", "exception"])
def test_answer_whose_first_byte_completes_a_cut_off_frame_is_found(answer: bytes) -> None:
    """Another unit's frame lost its last byte, and ours begins with just that one."""
    frames = (_frame(f"{unit:02X} 83 {code:02X}") for unit in range(2, 248) for code in range(12))
    cut_off = next(frame[:-1] for frame in frames if frame[-1] == answer[0])
    for chunks in ([cut_off + answer], _bytewise(cut_off + answer), [cut_off, answer]):
        assert _feed(RtuReader(READ_ONE), chunks) is not None


@pytest.mark.parametrize("glitch", [b"\x00", b"\xff"])
def test_values_that_make_a_frame_of_a_glitch_do_not_hide_their_answer(glitch: bytes) -> None:
    """Glitch and unit 5 look like "a unit, write coil"; the values can be the CRC of that."""
    values = bytes.fromhex("1234") + _crc(glitch + bytes.fromhex("05 03 04 1234"))
    stream = glitch + _frame("05 03 04" + values.hex())
    assert _crc(stream[:6]) == stream[6:8]
    for chunks in ([stream], _bytewise(stream), [stream[:8], stream[8:]]):
        reader = RtuReader(modbus.read_registers(5, 3, 0, 2))
        assert _feed(reader, chunks) == Answer(5, 3, b"\x04" + values)


def test_own_question_within_is_no_answer() -> None:
    """Written values may spell an exception reply; hearing oneself say it is not being refused."""
    inner = _frame("01 90 02")
    values = [int.from_bytes((inner + b"\x00")[at : at + 2], "big") for at in (0, 2, 4)]
    request = modbus.write_registers(1, 0, values)
    reader = RtuReader(request)
    assert _feed(reader, _bytewise(rtu_frame(request))) is None
    assert reader.feed(_frame("01 10 0000 0003")) == Answer(1, 16, bytes.fromhex("0000 0003"))


def test_no_answer_is_made_of_the_echo_and_the_beginning_of_the_answer() -> None:
    """Unit 3, four registers at 0308h: from its second byte on, the question looks like a reply."""
    request = modbus.read_registers(3, 3, 0x0308, 4)
    question = rtu_frame(request)
    head = bytes.fromhex("03 03 08 77")
    body = head + _crc(question[1:] + head) + bytes(5)
    stream = question + body + _crc(body)
    assert _crc(stream[1:12]) == stream[12:14]
    for chunks in ([stream], _bytewise(stream), [stream[:8], stream[8:]]):
        reader = RtuReader(request)
        assert _feed(reader, chunks) == Answer(3, 3, body[2:])


def test_nobody_answers_a_broadcast() -> None:
    request = modbus.write_coil(0, 1, True)
    for stream in (rtu_frame(request), _frame("01 05 0001 FF00"), b"\x00\x00"):
        for chunks in ([stream], _bytewise(stream)):
            reader = RtuReader(request)
            assert _feed(reader, chunks) is None
            assert not reader.consumed_answer
    reader = RtuReader(request)
    reader.feed(rtu_frame(request))
    assert reader.seen is Seen.ECHO


def test_babble_is_bounded_and_does_not_hide_the_answer() -> None:
    noise = random.Random(5).randbytes(20_000)
    for size in (1, 7, 259, 261, 20_000):
        reader = RtuReader(READ_ONE)
        for at in range(0, len(noise), size):
            assert reader.feed(noise[at : at + size]) is None
            assert len(reader._buffer) <= 520
        assert reader.seen is Seen.NOISE
        assert reader.feed(TRUE_ONE) == Answer(1, 3, bytes.fromhex("02 002A"))


def test_cap_forgets_where_a_frame_must_begin() -> None:
    """Echo, babble, and a damaged answer that comes to lie where the echo ended."""
    request = modbus.read_registers(1, 4, 0, 125)
    damaged = _frame("01 04 FA" + "A55A" * 125)[:-1] + b"\x00"
    reader = RtuReader(request)
    assert _feed(reader, _bytewise(rtu_frame(request) + bytes(260) + damaged)) is None
    assert reader.seen is Seen.BAD_CRC
    assert not reader.consumed_answer


def test_longest_answer_survives_the_cap_at_every_offset() -> None:
    request = modbus.read_registers(1, 4, 0, 125)
    reply = _frame("01 04 FA" + "A55A" * 125)
    for lead in (0, 1, *range(255, 280), 300, 519, 520, 521, 777):
        stream = b"\x00" * lead + reply
        assert isinstance(RtuReader(request).feed(stream), Answer)
        assert isinstance(_feed(RtuReader(request), _bytewise(stream)), Answer)


SERVER_ID = modbus.report_server_id(0x11)


def test_an_answer_of_open_length_within_a_frame_to_others_is_none() -> None:
    """Whatever another device sends as data is data, however much it looks like our answer."""
    ours = _frame("11 11 02 21 FF")
    stranger = _frame("02 03" + f"{len(ours):02X}" + ours.hex())
    for chunks in ([stranger], [stranger + b"\x00" * 4]):
        reader = RtuReader(SERVER_ID)
        assert _feed(reader, chunks) is None
        assert reader.seen is Seen.OTHER_UNIT


def test_an_answer_of_open_length_that_outlasts_a_frame_to_others_counts() -> None:
    """The checksum of a stranger's frame may look like the beginning of our answer, or be it."""
    strangers = (_frame(f"02 03 02 {word:04X}") for word in range(0x10000))
    stranger = next(frame for frame in strangers if frame.endswith(b"\x11\x11"))
    ours = _frame("11 11 02 21 FF")
    result = _feed(RtuReader(SERVER_ID), [stranger + ours[2:]])
    assert result == Answer(0x11, 0x11, bytes.fromhex("02 21 FF"))
