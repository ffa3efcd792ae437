"""Simulated Modbus slaves without I/O: what they answer, byte for byte, faults included."""

from __future__ import annotations

import ast
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.twins import modbus_slave, modbus_unit
from tools.twins.faults import Faults, assign
from tools.twins.modbus_slave import Refusal, RtuSlave, Table, TcpSlave, Unit, crc16


def framed(hex_text: str) -> bytes:
    """An RTU frame from its text without CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


def mbap(transaction: int, unit: int, pdu: str) -> bytes:
    """A Modbus TCP frame around a PDU."""
    body = bytes.fromhex(pdu)
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


def unit() -> Unit:
    """The device of the examples in the MODBUS Application Protocol V1.1b3, clause 6."""
    coils = dict.fromkeys(range(0x100), 0)
    for at, bit in enumerate("1011001111010110101"):  # 6.1: CD 6B 05
        coils[0x13 + at] = int(bit)
    coils[0xAC] = 0
    discretes = {0xC4 + at: int(bit) for at, bit in enumerate("0011010111011011101011")}
    holding = dict.fromkeys(range(0x80), 0) | {0x6B: 0x022B, 0x6C: 0, 0x6D: 0x64, 4: 0x12}
    holding |= {3: 0x00FE, 5: 0x0ACD, 6: 1, 7: 3, 8: 0x0D}
    return Unit(coils=coils, discretes=discretes, holding=holding, inputs={8: 0x000A})


def test_crc_has_the_published_check_value_and_frames() -> None:
    assert crc16(b"123456789") == bytes.fromhex("374b")
    assert framed("010300000001") == bytes.fromhex("010300000001840a")  # domain.md §9.1 M1
    assert framed("c00400060006") == bytes.fromhex("c0040006000680d8")  # M8


@pytest.mark.parametrize(
    ("request_pdu", "response_pdu"),
    [
        ("0100130013", "0103cd6b05"),
        ("0200c40016", "0203acdb35"),
        ("03006b0003", "0306022b00000064"),
        ("0400080001", "0402000a"),
        ("0500acff00", "0500acff00"),
        ("0600010003", "0600010003"),
        ("0f0013000a02cd01", "0f0013000a"),
        ("100001000204000a0102", "1000010002"),
        ("16000400f20025", "16000400f20025"),
        ("1700030006000e00030600ff00ff00ff", "170c00fe00120acd00010003000d"),
    ],
)
def test_answers_are_those_of_the_standard(request_pdu: str, response_pdu: str) -> None:
    assert unit().answer(bytes.fromhex(request_pdu)).hex() == response_pdu


def test_writes_change_what_is_read() -> None:
    device = unit()
    for pdu in ("0500acff00", "0f0013000a02cd01", "100001000204000a0102", "16000400f20025"):
        device.answer(bytes.fromhex(pdu))
    device.answer(bytes.fromhex("1700030001000e00030600ff00ff00ff"))
    assert device.coils[0xAC] == 1
    assert [device.coils[each] for each in range(0x13, 0x1D)] == [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert (device.holding[1], device.holding[2]) == (0x0A, 0x0102)
    assert device.holding[4] == 0x17  # 0x12 masked with F2 and 25, clause 6.16
    assert [device.holding[each] for each in (0x0E, 0x0F, 0x10)] == [0xFF] * 3


@pytest.mark.parametrize(
    ("request_pdu", "code"),
    [
        ("0700", 1),
        ("2b0e0100", 1),
        ("6401", 1),
        ("0301000001", 2),
        ("03007f0002", 2),
        ("060100ffff", 2),
        ("10007f000204000a0102", 2),
        ("1700ff0001000000010200ff", 2),
        ("0300000000", 3),
        ("030000007e", 3),
        ("01000007d1", 3),
        ("0500ac1234", 3),
        ("100001000202000a", 3),
        ("0f0013000a03cd0100", 3),
        ("03006b", 3),
    ],
)
def test_what_cannot_be_served_is_refused_and_changes_nothing(request_pdu: str, code: int) -> None:
    device, before = unit(), unit()
    pdu = bytes.fromhex(request_pdu)
    assert device.answer(pdu) == bytes([pdu[0] | 0x80, code])
    assert (device.coils, device.holding) == (before.coils, before.holding)


def test_hooks_see_reads_before_and_writes_after_and_may_refuse() -> None:
    seen: list[tuple[Table, int, int]] = []

    def on_read(table: Table, address: int, count: int) -> None:
        seen.append((table, address, count))
        device.inputs[1] = 77

    def on_write(table: Table, address: int, values: list[int]) -> None:
        assert device.holding[address] == values[0]
        if values[0] == 13:
            raise Refusal(4)

    device = Unit(holding=[5], inputs=[0, 0], on_read=on_read, on_write=on_write)
    assert device.answer(bytes.fromhex("0400000002")).hex() == "04040000004d"
    assert seen == [(Table.INPUTS, 0, 2)]
    assert device.answer(bytes.fromhex("0600000006")).hex() == "0600000006"
    assert device.answer(bytes.fromhex("060000000d")).hex() == "8604"
    assert device.holding == {0: 6}


READ = framed("0503006b0001")
ANSWER = framed("050302022b")


def slave(faults: Faults | None = None) -> RtuSlave:
    return RtuSlave({5: unit(), 6: unit()}, faults, turnaround_ms=4.0)


def test_a_request_is_answered_after_the_turnaround() -> None:
    assert slave().feed(READ) == [(4.0, ANSWER)]


def test_a_device_may_have_its_own_turnaround() -> None:
    slow = Unit(holding=[1], turnaround_ms=90.0)
    assert RtuSlave({1: slow}, turnaround_ms=4.0).feed(framed("010300000001"))[0][0] == 90.0


@pytest.mark.parametrize(
    ("faults", "replies"),
    [
        (Faults(silent=True), []),
        (Faults(silent_units={5}), []),
        (Faults(silent_units={6}), [(4.0, ANSWER)]),
        (Faults(mute=True), []),
        (Faults(late_ms=150), [(154.0, ANSWER)]),
        (Faults(wrong_unit=9), [(4.0, framed("090302022b"))]),
        (Faults(wrong_function=True), [(4.0, framed("050402022b"))]),
        (Faults(wrong_length=True), [(4.0, framed("050304022b1234"))]),
        (Faults(half_frame=True), [(4.0, ANSWER[:3])]),
        (Faults(bad_crc=True), [(4.0, ANSWER[:-1] + bytes([ANSWER[-1] ^ 0xFF]))]),
        (Faults(noise_before=b"\xff\x00"), [(4.0, b"\xff\x00" + ANSWER)]),
        (Faults(echo=True), [(0.0, READ), (4.0, ANSWER)]),
        (Faults(echo=True, silent=True), [(0.0, READ)]),
        (Faults(exception=6), [(4.0, framed("058306"))]),
        (Faults(two_frames=True), [(4.0, ANSWER + ANSWER)]),
        (Faults(wrong_function=True, exception=2), [(4.0, framed("058402"))]),
        (Faults(late_ms=1, two_frames=True, half_frame=True), [(5.0, ANSWER[:3] * 2)]),
        (Faults(babble=b"\x55"), [(4.0, ANSWER)]),
    ],
)
def test_each_fault_shows_in_the_bytes(faults: Faults, replies: list[tuple[float, bytes]]) -> None:
    assert slave(faults).feed(READ) == replies


@pytest.mark.parametrize(
    ("request_body", "longer"),
    [
        ("050100130004", "0501020d12"),
        ("050200c40004", "0502020c12"),
        ("0506000100ff", "0506000100ff1234"),
        ("0510000100010200ff", "0510000100011234"),
    ],
)
def test_wrong_length_for_bits_and_writes(request_body: str, longer: str) -> None:
    assert slave(Faults(wrong_length=True)).feed(framed(request_body)) == [(4.0, framed(longer))]


@pytest.mark.parametrize(
    ("faults", "done"),
    [
        (Faults(silent=True), False),
        (Faults(silent_units={5}), False),
        (Faults(exception=4), False),
        (Faults(mute=True), True),
        (Faults(half_frame=True), True),
        (Faults(bad_crc=True), True),
    ],
)
def test_which_faults_still_carry_out_a_write(faults: Faults, done: bool) -> None:
    """The master cannot tell a dead device from a lost answer; a test has to be able to."""
    line = slave(faults)
    line.feed(framed("050600010007"))
    assert line.units[5].holding[1] == (7 if done else 0)


def test_next_n_counts_only_requests_that_are_touched_and_then_clears() -> None:
    line = slave(Faults(silent_units={5}, next_n=2))
    other = framed("0603006b0001")
    assert [len(line.feed(each)) for each in (READ, other, READ, READ)] == [0, 1, 0, 1]
    assert line.faults == Faults()


def test_clearing_leaves_babble_to_the_line() -> None:
    faults = Faults(silent=True, babble=b"\x00", next_n=1)
    line = slave(faults)
    line.feed(READ)
    assert faults == Faults(babble=b"\x00")
    assert (line.speaks_every_ms, line.speak()) == (0.0, b"\x00")
    faults.babble = b""
    assert line.speaks_every_ms is None


def test_one_device_can_have_faults_of_its_own() -> None:
    line = slave(Faults(late_ms=10))
    line.unit_faults[5] = Faults(exception=5, next_n=1)
    assert line.feed(READ) == [(4.0, framed("058305"))]
    assert line.feed(READ) == [(14.0, ANSWER)]
    assert line.feed(framed("0603006b0001")) == [(14.0, framed("060302022b"))]


def test_broadcasts_are_carried_out_by_living_units_without_answer() -> None:
    line = slave(Faults(silent_units={6}))
    assert line.feed(framed("000600010009")) == []
    assert (line.units[5].holding[1], line.units[6].holding[1]) == (9, 0)
    assert line.feed(framed("0003006b0001")) == []
    assert line.counters["broadcasts"] == 2


def test_other_addresses_are_ignored() -> None:
    line = slave()
    assert line.feed(framed("0703006b0001")) == []
    assert line.counters["foreign"] == 1
    assert line.feed(READ) == [(4.0, ANSWER)]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "ff",
        "05",
        "0503006b",
        "05100001000204",  # half a long write
        "0503006b00010000",  # the request with a wrong checksum
        "05030202aa55",
        "0510000000",
        "64",
    ],
)
def test_a_request_is_found_behind_whatever_came_before(before: str) -> None:
    line = slave()
    line.feed(bytes.fromhex(before))
    assert line.feed(READ) == [(4.0, ANSWER)]


def test_unknown_functions_are_refused_once_their_checksum_fits() -> None:
    assert slave().feed(framed("0564010203")) == [(4.0, framed("05e401"))]
    assert slave().feed(framed("0508000012ab")) == [(4.0, framed("058801"))]


_REQUESTS = st.sampled_from(
    ["0503006b0001", "050100130013", "0510000100020400010002", "050f0013000a02cd01", "0511"]
)


@given(st.lists(_REQUESTS, max_size=5), st.data())
def test_chunks_do_not_matter(bodies: list[str], data: st.DataObject) -> None:
    stream = b"".join(framed(body) for body in bodies)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    whole, line = slave().feed(stream), slave()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [reply for piece in pieces for reply in line.feed(piece)] == whole
    assert len(whole) == len(bodies)


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_no_bytes_make_a_slave_raise(chunks: list[bytes]) -> None:
    rtu, tcp = slave(), TcpSlave({1: unit()}).connection()
    for chunk in chunks:
        rtu.feed(chunk)
        rtu.feed(chunk + crc16(chunk))
        tcp.feed(chunk)


@given(st.binary(min_size=1, max_size=253))
def test_no_pdu_makes_a_unit_raise(pdu: bytes) -> None:
    answer = unit().answer(pdu)
    assert answer[0] & 0x7F == pdu[0] & 0x7F
    assert 2 <= len(answer) <= 253


def tcp(faults: Faults | None = None) -> TcpSlave:
    return TcpSlave({1: unit(), 2: unit()}, faults, turnaround_ms=2.0)


def test_tcp_answers_pipelined_and_fragmented_requests_with_their_transactions() -> None:
    client = tcp().connection()
    stream = mbap(7, 1, "03006b0001") + mbap(8, 2, "0400080001")
    replies = [reply for byte in stream for reply in client.feed(bytes([byte]))]
    expected = [(2.0, mbap(7, 1, "0302022b")), (2.0, mbap(8, 2, "0402000a"))]
    assert replies == expected
    assert tcp().connection().feed(stream) == expected


@pytest.mark.parametrize(
    ("faults", "replies"),
    [
        (Faults(silent=True), []),
        (Faults(late_ms=5), [(7.0, mbap(7, 1, "0302022b"))]),
        (Faults(wrong_unit=3), [(2.0, mbap(7, 3, "0302022b"))]),
        (Faults(wrong_function=True), [(2.0, mbap(7, 1, "0402022b"))]),
        (Faults(wrong_length=True), [(2.0, mbap(7, 1, "0304022b1234"))]),
        (Faults(wrong_transaction=True), [(2.0, mbap(8, 1, "0302022b"))]),
        (Faults(half_frame=True), [(2.0, mbap(7, 1, "0302022b")[:5])]),
        (Faults(two_frames=True), [(2.0, mbap(7, 1, "0302022b") * 2)]),
        (Faults(exception=5), [(2.0, mbap(7, 1, "8305"))]),
    ],
)
def test_tcp_faults_show_in_the_bytes(faults: Faults, replies: list[tuple[float, bytes]]) -> None:
    assert tcp(faults).connection().feed(mbap(7, 1, "03006b0001")) == replies


def test_tcp_gateways_say_that_a_unit_is_silent_and_single_devices_take_0_and_255() -> None:
    assert tcp().connection().feed(mbap(1, 9, "0300000001")) == [(2.0, mbap(1, 9, "830b"))]
    alone = TcpSlave({1: unit()}).connection()
    for asked in (0, 1, 255):
        assert alone.feed(mbap(1, asked, "03006b0001")) == [(0.0, mbap(1, asked, "0302022b"))]


@pytest.mark.parametrize("header", ["000100010006", "000100000000", "0001000000ff"])
def test_tcp_gives_up_a_connection_that_is_not_modbus(header: str) -> None:
    client = tcp().connection()
    assert client.feed(bytes.fromhex(header) + bytes(8)) == []
    assert client.broken


def test_faults_are_set_from_json_all_or_nothing() -> None:
    faults = Faults()
    assign(faults, {"late_ms": 20, "silent_units": [3], "noise_before": "ff00", "exception": 4})
    expected = Faults(late_ms=20.0, silent_units={3}, noise_before=b"\xff\x00", exception=4)
    assert faults == expected
    wrong_values = {"silent": 1, "loud": True, "next_n": True, "late_ms": True, "babble": "xy"}
    for name, wrong in wrong_values.items():
        with pytest.raises(ValueError, match=f"{name}|hex"):
            assign(faults, {"mute": True, name: wrong})
        assert faults == expected


def test_the_twin_shares_no_code_with_what_it_checks() -> None:
    for module in (modbus_slave, modbus_unit):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [name for name in names if name.split(".")[0] in {"protocols", "drivers"}]
