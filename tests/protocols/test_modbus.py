"""Modbus questions: golden frames, limits, and pymodbus as an independent encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import modbus
from protocols.modbus import Answer, Declined, Request, Seen, exception_name, judge
from protocols.modbus_rtu import rtu_frame
from protocols.modbus_tcp import tcp_frame

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "modbus.json").read_text("utf-8"))
EXCHANGES: list[dict[str, Any]] = VECTORS["exchanges"]
TCP_EXCHANGES = [exchange for exchange in EXCHANGES if "tcp_request" in exchange]
WORD = st.integers(0, 0xFFFF)
UNIT = st.integers(1, 255)


def _name(value: object) -> str | None:
    return value["name"] if isinstance(value, dict) else None


def _build(exchange: dict[str, Any]) -> Request:
    function, *arguments = exchange["build"]
    request: Request = getattr(modbus, function)(*arguments)
    return request


@pytest.mark.parametrize("exchange", EXCHANGES, ids=_name)
def test_question_equals_the_golden_rtu_frame(exchange: dict[str, Any]) -> None:
    assert rtu_frame(_build(exchange)) == bytes.fromhex(exchange["request"])


@pytest.mark.parametrize("exchange", TCP_EXCHANGES, ids=_name)
def test_question_equals_the_golden_tcp_frame(exchange: dict[str, Any]) -> None:
    frame = tcp_frame(_build(exchange), exchange["transaction"])
    assert frame == bytes.fromhex(exchange["tcp_request"])


def test_vectors_cover_every_function_both_ways() -> None:
    normal = {_build(exchange).function for exchange in EXCHANGES if "declined" not in exchange}
    declined = {_build(exchange).function for exchange in EXCHANGES if "declined" in exchange}
    assert normal == declined == {1, 2, 3, 4, 5, 6, 15, 16, 17, 22, 23, 43}


# Each line: a question at the limit, and the smallest step outside it.
LIMITS: list[tuple[Callable[[], Request], Callable[[], Request], str]] = [
    (
        lambda: modbus.read_bits(1, 1, 0, 2000),
        lambda: modbus.read_bits(1, 1, 0, 2001),
        "count: found 2001, allowed 1..2000",
    ),
    (
        lambda: modbus.read_bits(1, 2, 0, 1),
        lambda: modbus.read_bits(1, 2, 0, 0),
        "count: found 0, allowed 1..2000",
    ),
    (
        lambda: modbus.read_bits(1, 2, 0, 1),
        lambda: modbus.read_bits(1, 3, 0, 1),
        "function: found 3, allowed 1, 2",
    ),
    (
        lambda: modbus.read_registers(1, 3, 0, 125),
        lambda: modbus.read_registers(1, 3, 0, 126),
        "count: found 126, allowed 1..125",
    ),
    (
        lambda: modbus.read_registers(1, 4, 0, 1),
        lambda: modbus.read_registers(1, 4, 0, 0),
        "count: found 0, allowed 1..125",
    ),
    (
        lambda: modbus.read_registers(1, 4, 0, 1),
        lambda: modbus.read_registers(1, 5, 0, 1),
        "function: found 5, allowed 3, 4",
    ),
    (
        lambda: modbus.read_registers(1, 3, 65535, 1),
        lambda: modbus.read_registers(1, 3, 65536, 1),
        "address: found 65536, allowed 0..65535",
    ),
    (
        lambda: modbus.read_registers(1, 3, 65534, 2),
        lambda: modbus.read_registers(1, 3, 65535, 2),
        "last address: found 65536, allowed 0..65535",
    ),
    (
        lambda: modbus.read_registers(1, 3, 0, 1),
        lambda: modbus.read_registers(0, 3, 0, 1),
        "unit: found 0, allowed 1..255",
    ),
    (
        lambda: modbus.read_registers(255, 3, 0, 1),
        lambda: modbus.read_registers(256, 3, 0, 1),
        "unit: found 256, allowed 1..255",
    ),
    (
        lambda: modbus.write_coil(0, 65535, True),
        lambda: modbus.write_coil(0, -1, True),
        "address: found -1, allowed 0..65535",
    ),
    (
        lambda: modbus.write_coil(255, 0, True),
        lambda: modbus.write_coil(256, 0, True),
        "unit: found 256, allowed 0..255",
    ),
    (
        lambda: modbus.write_register(0, 0, 65535),
        lambda: modbus.write_register(0, 0, 65536),
        "value: found 65536, allowed 0..65535",
    ),
    (
        lambda: modbus.write_coils(0, 0, [True] * 1968),
        lambda: modbus.write_coils(0, 0, [True] * 1969),
        "count: found 1969, allowed 1..1968",
    ),
    (
        lambda: modbus.write_coils(1, 0, [False]),
        lambda: modbus.write_coils(1, 0, []),
        "count: found 0, allowed 1..1968",
    ),
    (
        lambda: modbus.write_registers(0, 0, [0] * 123),
        lambda: modbus.write_registers(0, 0, [0] * 124),
        "count: found 124, allowed 1..123",
    ),
    (
        lambda: modbus.write_registers(1, 0, [0]),
        lambda: modbus.write_registers(1, 0, [-1]),
        "value: found -1, allowed 0..65535",
    ),
    (
        lambda: modbus.mask_write(0, 0, 65535, 65535),
        lambda: modbus.mask_write(0, 0, 65536, 0),
        "and_mask: found 65536, allowed 0..65535",
    ),
    (
        lambda: modbus.mask_write(0, 0, 0, 0),
        lambda: modbus.mask_write(0, 0, 0, -1),
        "or_mask: found -1, allowed 0..65535",
    ),
    (
        lambda: modbus.report_server_id(1),
        lambda: modbus.report_server_id(0),
        "unit: found 0, allowed 1..255",
    ),
    (
        lambda: modbus.read_identification(255, 1, 255),
        lambda: modbus.read_identification(255, 1, 256),
        "object: found 256, allowed 0..255",
    ),
    (
        lambda: modbus.read_identification(1, 4, 0),
        lambda: modbus.read_identification(1, 5, 0),
        "code: found 5, allowed 1..4",
    ),
    (
        lambda: modbus.read_write_registers(1, 0, 125, 0, [0] * 121),
        lambda: modbus.read_write_registers(1, 0, 126, 0, [0] * 121),
        "read_count: found 126, allowed 1..125",
    ),
    (
        lambda: modbus.read_write_registers(1, 0, 1, 0, [0]),
        lambda: modbus.read_write_registers(1, 0, 1, 0, [0] * 122),
        "write_count: found 122, allowed 1..121",
    ),
    (
        lambda: modbus.read_write_registers(1, 0, 1, 0, [0]),
        lambda: modbus.read_write_registers(0, 0, 1, 0, [0]),
        "unit: found 0, allowed 1..255",
    ),
]


@pytest.mark.parametrize(("inside", "outside", "text"), LIMITS, ids=[row[2] for row in LIMITS])
def test_limit_is_reached_and_not_passed(
    inside: Callable[[], Request], outside: Callable[[], Request], text: str
) -> None:
    request = inside()
    assert len(request.pdu) <= 253
    assert request.reply_length <= 253
    with pytest.raises(ValueError, match=f"^{text}$"):
        outside()


def test_signature_is_function_and_reply_length() -> None:
    """Two reads that differ in the address alone cannot be told apart by their RTU answers."""
    assert modbus.read_registers(1, 3, 0, 2).signature == (3, 6)
    assert (
        modbus.read_registers(1, 3, 0, 2).signature == modbus.read_registers(1, 3, 500, 2).signature
    )
    assert (
        modbus.read_registers(1, 3, 0, 2).signature != modbus.read_registers(1, 4, 0, 2).signature
    )
    assert modbus.read_bits(1, 1, 0, 1).signature == modbus.read_bits(1, 1, 0, 8).signature


def test_only_plain_writes_identify_themselves() -> None:
    writes = [
        modbus.write_coil(1, 0, True),
        modbus.write_register(1, 0, 0),
        modbus.write_coils(1, 0, [True]),
        modbus.write_registers(1, 0, [0]),
        modbus.mask_write(1, 0, 0, 0),
    ]
    assert [write.function for write in writes] == [5, 6, 15, 16, 22]
    assert all(write.self_identifying for write in writes)
    assert not modbus.read_registers(1, 3, 0, 1).self_identifying
    assert not modbus.read_write_registers(1, 0, 1, 0, [0]).self_identifying


def test_broadcast_has_no_reply() -> None:
    request = modbus.write_coil(0, 7, True)
    assert request.broadcast
    assert request.reply_length == 0
    assert not modbus.write_coil(1, 7, True).broadcast


def test_answer_gives_words_and_bits_lowest_address_first() -> None:
    assert Answer(1, 3, bytes.fromhex("04 1234 FFFF")).registers() == (0x1234, 0xFFFF)
    nine = Answer(1, 1, bytes.fromhex("02 81 01")).bits(9)
    assert nine == (True, False, False, False, False, False, False, True, True)


def test_answer_gives_what_the_device_says_of_itself() -> None:
    assert Answer(1, 17, bytes.fromhex("03 21 FF 41")).server_id() == b"\x21\xffA"
    last = Answer(1, 43, bytes.fromhex("0E 01 81 00 00 02 00 01 41 02 00")).identification()
    assert (last.conformity, last.next_object) == (0x81, None)
    assert last.objects == ((0, b"A"), (2, b""))
    more = Answer(1, 43, bytes.fromhex("0E 02 02 FF 04 01 00 01 41")).identification()
    assert more.next_object == 4


def test_answer_is_not_read_as_what_it_is_not() -> None:
    with pytest.raises(ValueError, match="function 1 carries no registers"):
        Answer(1, 1, b"\x01\x00").registers()
    with pytest.raises(ValueError, match="function 6 carries no registers"):
        Answer(1, 6, b"\0\0\0\0").registers()
    with pytest.raises(ValueError, match="function 3 carries no bits"):
        Answer(1, 3, b"\x02\0\0").bits(1)
    with pytest.raises(ValueError, match=r"count: found 9, allowed 0\.\.8"):
        Answer(1, 1, b"\x01\x00").bits(9)
    with pytest.raises(ValueError, match="function 3 carries no server id"):
        Answer(1, 3, b"\x02\0\0").server_id()
    with pytest.raises(ValueError, match="function 17 carries no objects"):
        Answer(1, 17, b"\x01\x00").identification()


def test_exception_names_are_those_of_the_standard() -> None:
    assert exception_name(2) == "illegal data address"
    assert exception_name(6) == "server device busy"
    assert exception_name(0xE1) == "exception 225"


READ = modbus.read_registers(1, 3, 0, 2)
WRITE = modbus.write_register(1, 2, 3)
NAMES = modbus.read_identification(1)
FIFTH = modbus.read_identification(1, 1, 5)
SINGLE = modbus.read_identification(1, 4, 5)
HEAD = "2B 0E 01 01 00 00 01"
JUDGED: list[tuple[str, Request, int, str, object]] = [
    ("answer", READ, 1, "03 04 0001 0002", Answer(1, 3, bytes.fromhex("04 0001 0002"))),
    ("declined", READ, 1, "83 06", Declined(1, 3, 6)),
    ("unit", READ, 2, "03 04 0001 0002", Seen.OTHER_UNIT),
    ("declined by another unit", READ, 2, "83 06", Seen.OTHER_UNIT),
    ("function", READ, 1, "04 04 0001 0002", Seen.OTHER_FUNCTION),
    ("other function declined", READ, 1, "84 02", Seen.OTHER_FUNCTION),
    ("nothing", READ, 1, "", Seen.OTHER_FUNCTION),
    ("one register of two", READ, 1, "03 02 0001", Seen.WRONG_LENGTH),
    ("three registers of two", READ, 1, "03 06 0001 0002 0003", Seen.WRONG_LENGTH),
    ("byte count against length", READ, 1, "03 02 0001 0002", Seen.WRONG_LENGTH),
    ("exception with more", READ, 1, "83 06 00", Seen.WRONG_LENGTH),
    ("exception without code", READ, 1, "83", Seen.WRONG_LENGTH),
    ("confirmed", WRITE, 1, "06 0002 0003", Answer(1, 6, bytes.fromhex("0002 0003"))),
    ("other value confirmed", WRITE, 1, "06 0002 0004", Seen.WRONG_CONTENT),
    ("other address confirmed", WRITE, 1, "06 0001 0003", Seen.WRONG_CONTENT),
    ("short confirmation", WRITE, 1, "06 0002", Seen.WRONG_LENGTH),
    ("server id", modbus.report_server_id(1), 1, "11 02 21 FF", Answer(1, 17, b"\x02\x21\xff")),
    ("server id short", modbus.report_server_id(1), 1, "11 03 21 FF", Seen.WRONG_LENGTH),
    ("server id long", modbus.report_server_id(1), 1, "11 01 21 FF", Seen.WRONG_LENGTH),
    ("server id empty", modbus.report_server_id(1), 1, "11 00", Seen.WRONG_LENGTH),
    ("server id without count", modbus.report_server_id(1), 1, "11", Seen.WRONG_LENGTH),
    ("server id declined", modbus.report_server_id(1), 1, "91 01", Declined(1, 17, 1)),
    ("objects", NAMES, 1, f"{HEAD} 00 01 41", Answer(1, 43, bytes.fromhex(f"{HEAD} 00 01 41")[1:])),
    ("object cut", NAMES, 1, f"{HEAD} 00 02 41", Seen.WRONG_LENGTH),
    ("object and more", NAMES, 1, f"{HEAD} 00 01 41 00", Seen.WRONG_LENGTH),
    ("no head", NAMES, 1, "2B 0E 01", Seen.WRONG_LENGTH),
    ("no object", NAMES, 1, "2B 0E 01 01 00 00 00", Seen.WRONG_CONTENT),
    ("other code", NAMES, 1, "2B 0E 02 01 00 00 01 00 01 41", Seen.WRONG_CONTENT),
    ("other MEI type", NAMES, 1, "2B 0D 01 01 00 00 01 00 01 41", Seen.WRONG_LENGTH),
    ("other object", NAMES, 1, f"{HEAD} 02 01 41", Seen.WRONG_CONTENT),
    (
        "first object instead of 5",
        FIFTH,
        1,
        f"{HEAD} 00 01 41",
        Answer(1, 43, bytes.fromhex(f"{HEAD} 00 01 41")[1:]),
    ),
    (
        "single object",
        SINGLE,
        1,
        "2B 0E 04 81 00 00 01 05 00",
        Answer(1, 43, bytes.fromhex("0E 04 81 00 00 01 05 00")),
    ),
    ("other single object", SINGLE, 1, "2B 0E 04 81 00 00 01 00 00", Seen.WRONG_CONTENT),
    ("two single objects", SINGLE, 1, "2B 0E 04 81 00 00 02 05 00 06 00", Seen.WRONG_CONTENT),
    ("broadcast", modbus.write_register(0, 2, 3), 0, "06 0002 0003", Seen.OTHER_UNIT),
]


@pytest.mark.parametrize(
    ("request_", "unit", "pdu", "verdict"),
    [row[1:] for row in JUDGED],
    ids=[row[0] for row in JUDGED],
)
def test_judge(request_: Request, unit: int, pdu: str, verdict: object) -> None:
    """Asked is asked: unit, function, length, byte count and a write's content must all agree."""
    assert judge(request_, unit, bytes.fromhex(pdu)) == verdict


@given(UNIT, st.binary(max_size=260))
def test_judge_never_raises_and_never_bends(unit: int, pdu: bytes) -> None:
    coils = modbus.write_coils(1, 0, [True] * 9)
    for request in (READ, WRITE, coils, NAMES, modbus.report_server_id(1)):
        result = judge(request, unit, pdu)
        if isinstance(result, Answer):
            assert (unit, pdu[0]) == (request.unit, request.function)
            assert len(pdu) == request.reply_length or request.open_ended
            assert result.body == pdu[1:]


class TestAgainstPymodbus:
    """An independent encoder must produce the same bytes for every question we can ask."""

    @staticmethod
    def _same(ours: Request, kind: str, **fields: object) -> None:
        other: Any = import_module("pymodbus.pdu.other_message")
        mei: Any = import_module("pymodbus.pdu.mei_message")
        bits: Any = import_module("pymodbus.pdu.bit_message")
        registers: Any = import_module("pymodbus.pdu.register_message")
        framer: Any = import_module("pymodbus.framer")
        pdu: Any = import_module("pymodbus.pdu")
        [message_type] = {
            getattr(module, kind)
            for module in (bits, registers, other, mei)
            if hasattr(module, kind)
        }
        theirs = message_type(dev_id=ours.unit, transaction_id=0x1234, **fields)
        decoder = pdu.DecodePDU(True)
        assert rtu_frame(ours) == framer.FramerRTU(decoder).buildFrame(theirs)
        assert tcp_frame(ours, 0x1234) == framer.FramerSocket(decoder).buildFrame(theirs)

    @given(UNIT, st.integers(0, 60000), st.integers(1, 2000))
    def test_read_bits(self, unit: int, address: int, count: int) -> None:
        coils = modbus.read_bits(unit, 1, address, count)
        self._same(coils, "ReadCoilsRequest", address=address, count=count)
        inputs = modbus.read_bits(unit, 2, address, count)
        self._same(inputs, "ReadDiscreteInputsRequest", address=address, count=count)

    @given(UNIT, st.integers(0, 65000), st.integers(1, 125))
    def test_read_registers(self, unit: int, address: int, count: int) -> None:
        holding = modbus.read_registers(unit, 3, address, count)
        self._same(holding, "ReadHoldingRegistersRequest", address=address, count=count)
        inputs = modbus.read_registers(unit, 4, address, count)
        self._same(inputs, "ReadInputRegistersRequest", address=address, count=count)

    @given(UNIT, WORD, WORD, st.booleans())
    def test_single_writes(self, unit: int, address: int, value: int, on: bool) -> None:
        coil = modbus.write_coil(unit, address, on)
        self._same(coil, "WriteSingleCoilRequest", address=address, bits=[on])
        register = modbus.write_register(unit, address, value)
        self._same(register, "WriteSingleRegisterRequest", address=address, registers=[value])

    @given(UNIT, st.integers(0, 60000), st.lists(st.booleans(), min_size=1, max_size=1968))
    def test_write_coils(self, unit: int, address: int, values: list[bool]) -> None:
        ours = modbus.write_coils(unit, address, values)
        self._same(ours, "WriteMultipleCoilsRequest", address=address, bits=values)

    @given(UNIT, st.integers(0, 65000), st.lists(WORD, min_size=1, max_size=123))
    def test_write_registers(self, unit: int, address: int, values: list[int]) -> None:
        ours = modbus.write_registers(unit, address, values)
        self._same(ours, "WriteMultipleRegistersRequest", address=address, registers=values)

    @given(UNIT, WORD, WORD, WORD)
    def test_mask_write(self, unit: int, address: int, and_mask: int, or_mask: int) -> None:
        ours = modbus.mask_write(unit, address, and_mask, or_mask)
        self._same(
            ours, "MaskWriteRegisterRequest", address=address, and_mask=and_mask, or_mask=or_mask
        )

    @given(
        UNIT,
        st.integers(0, 65000),
        st.integers(1, 125),
        st.integers(0, 65000),
        st.lists(WORD, min_size=1, max_size=121),
    )
    def test_read_write_registers(
        self, unit: int, read_address: int, read_count: int, write_address: int, values: list[int]
    ) -> None:
        ours = modbus.read_write_registers(unit, read_address, read_count, write_address, values)
        self._same(
            ours,
            "ReadWriteMultipleRegistersRequest",
            read_address=read_address,
            read_count=read_count,
            write_address=write_address,
            write_registers=values,
        )

    @given(UNIT, st.integers(1, 4), st.integers(0, 255))
    def test_identification(self, unit: int, code: int, first_object: int) -> None:
        self._same(modbus.report_server_id(unit), "ReportDeviceIdRequest")
        ours = modbus.read_identification(unit, code, first_object)
        kind = "ReadDeviceInformationRequest"
        self._same(ours, kind, read_code=code, object_id=first_object)
