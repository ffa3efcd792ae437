"""The district's side, message by message: what is printed, what is known to be missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import StoreError
from protocols import envelope
from protocols.block import Column, Profile, Reading, encode_birth, encode_block
from protocols.envelope import Envelope
from uplink.archive import Archive, Book
from uplink.receiver import Item, Receiver, iso_utc

PROFILE = Profile(
    "shuanghe",
    (Column("river.level", "m", 3, "river", 250), Column("rain.total", "mm", 1, "rain", 1000)),
)
T0_MS = 1_760_000_000_000
BIRTH = encode_birth(PROFILE)
BLOCK = encode_block(PROFILE, [Reading(0, T0_MS, 2.345), Reading(1, T0_MS + 1000, None, 3)])


class District:
    """A receiver with what it printed and complained."""

    def __init__(self, archive: Archive, *, readings: bool = True) -> None:
        self.archive = archive
        self.complaints: list[str] = []
        self.receiver = Receiver(
            archive, "tongluo", complain=self.complaints.append, readings=readings
        )

    def take(self, topic: str, payload: bytes) -> list[Item]:
        return list(self.receiver.take(topic, payload))

    def hear(
        self,
        seq: int,
        kind: str = "alarm",
        body: bytes | dict[str, object] | None = None,
        *,
        site: str = "shuanghe",
        epoch: str = "0a1b2c3d",
        kept: bool = False,
    ) -> list[Item]:
        packed = body if isinstance(body, bytes) else envelope.encode_body(body or {})
        record = Envelope(epoch, seq, kind, 0, T0_MS, "synced", packed)
        tail = f"/{PROFILE.id.hex()}" if kept else ""
        return self.take(f"tongluo/{site}/{kind}{tail}", envelope.encode(record))

    def complete(self) -> Item:
        (item,) = self.receiver.completeness()
        return item


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


@pytest.fixture
def district(archive: Archive) -> District:
    return District(archive)


def test_an_alarm_is_printed_through(district: District) -> None:
    """The body as it is, with site, number, time and the quality of the clock."""
    assert district.hear(7, "alarm", {"rule": "river-flood", "level": "red", "id": "a-1"}) == [
        {
            "type": "alarm",
            "site": "shuanghe",
            "epoch": "0a1b2c3d",
            "seq": 7,
            "utc": "2025-10-09T08:53:20.000Z",
            "clock": "synced",
            "rule": "river-flood",
            "level": "red",
            "id": "a-1",
        }
    ]


def test_a_body_cannot_pretend_to_be_the_envelope(district: District) -> None:
    """Its key is kept under another name; what JSON cannot say is null."""
    (item,) = district.hear(1, "health", {"site": "elsewhere", "load": [float("nan"), 0.5]})
    assert (item["site"], item["body.site"], item["load"]) == ("shuanghe", "elsewhere", [None, 0.5])


def test_blocks_become_readings(district: District) -> None:
    """With point, unit, time of the reading and quality in words."""
    (birth,) = district.hear(1, "birth", BIRTH)
    assert birth["points"] == [["river.level", "m"], ["rain.total", "mm"]]
    common = {
        "type": "reading",
        "site": "shuanghe",
        "clock": "synced",
        "epoch": "0a1b2c3d",
        "seq": 2,
    }
    assert district.hear(2, "block", BLOCK) == [
        {
            "point": "river.level",
            "value": 2.345,
            "unit": "m",
            "quality": "good",
            "time": "2025-10-09T08:53:20.000Z",
            **common,
        },
        {
            "point": "rain.total",
            "value": None,
            "unit": "mm",
            "quality": "no answer",
            "time": "2025-10-09T08:53:21.000Z",
            **common,
        },
    ]


def test_readings_can_be_left_out(archive: Archive) -> None:
    """The block counts all the same."""
    district = District(archive, readings=False)
    district.hear(1, "birth", BIRTH)
    assert district.hear(2, "block", BLOCK) == []
    assert district.complete()["complete_to"] == 2


@pytest.mark.parametrize("kept", [False, True], ids=["in its turn", "kept copy"])
def test_a_block_waits_for_its_birth(state_dir: Path, kept: bool) -> None:
    """Also over a restart of the receiver; it counts as received at once."""
    path = state_dir / "receive.db"
    with Archive(path) as archive:
        district = District(archive)
        assert district.hear(2, "block", BLOCK) == []
        assert district.complete()["received"] == 1
        archive.commit()
    with Archive(path) as archive:
        assert archive.waiting == 1
        items = District(archive).hear(1, "birth", BIRTH, kept=kept)
        assert [item["value"] for item in items if item["type"] == "reading"] == [2.345, None]
        assert archive.waiting == 0
        archive.commit()
    with Archive(path) as archive:
        assert archive.waiting == 0
        assert len(District(archive).hear(3, "block", BLOCK)) == 2, "the birth was remembered"


def test_one_bad_block_does_not_take_the_waiting_ones_with_it(district: District) -> None:
    """Each is decoded by itself when the birth comes."""
    bad = BLOCK[:-1] + bytes([BLOCK[-1] ^ 0xFF])
    for seq, block in enumerate((BLOCK, bad, BLOCK), start=2):
        assert district.hear(seq, "block", block) == []
    items = district.hear(1, "birth", BIRTH)
    assert [item["seq"] for item in items] == [1, 2, 2, 4, 4]
    assert district.receiver.malformed == 1


def test_sites_have_their_own_profiles(district: District) -> None:
    """A birth of one site does not explain another's blocks."""
    district.hear(1, "birth", BIRTH)
    assert district.hear(2, "block", BLOCK, site="elsewhere") == []
    assert len(district.hear(2, "block", BLOCK)) == 2


def test_a_kept_birth_is_no_record(district: District) -> None:
    """It may be years old, from a journal long gone: it makes no gap and no duplicate."""
    assert district.hear(900, "birth", BIRTH, epoch="ffffffff", kept=True) == []
    assert list(district.receiver.completeness()) == []
    assert len(district.hear(1, "block", BLOCK)) == 2


def test_what_comes_twice_is_printed_once(district: District) -> None:
    """By site, epoch and number."""
    assert district.hear(1)
    assert not district.hear(1)
    assert district.hear(1, epoch="ffffffff")
    assert district.hear(1, site="elsewhere")
    counts = [(i["site"], i["received"], i["duplicates"]) for i in district.receiver.completeness()]
    assert counts == [("elsewhere", 1, 0), ("shuanghe", 1, 1), ("shuanghe", 1, 0)]


def test_gaps_are_reported(district: District) -> None:
    """Everything before the newest record that did not come."""
    for seq in (1, 2, 5, 9):
        district.hear(seq)
    assert district.complete() == {
        "type": "completeness",
        "site": "shuanghe",
        "epoch": "0a1b2c3d",
        "complete_to": 2,
        "missing": [[3, 4], [6, 8]],
        "received": 4,
        "duplicates": 0,
    }


def test_what_the_site_gave_up_is_not_missing(district: District) -> None:
    """Eviction is told in a loss record: then the gap is explained, and only that gap."""
    for seq in (1, 2, 9):
        district.hear(seq)
    district.hear(10, "loss", {"cause": "journal full", "ranges": [[3, 5], [7, 7]]})
    assert (district.complete()["missing"], district.complete()["complete_to"]) == (
        [[6, 6], [8, 8]],
        5,
    )
    assert district.hear(4), "what was evicted here may still come from elsewhere, once"
    assert district.complete()["duplicates"] == 0


def test_a_loss_without_numbers_explains_nothing(district: District) -> None:
    """Lost before it had a number, or nonsense: printed, no gap closed."""
    district.hear(3)
    for seq, ranges in enumerate((None, [], [[2, 1]], [["a", 2]], 7, [[0, 2]]), start=4):
        assert district.hear(seq, "loss", {"cause": "x", "ranges": ranges})
    assert district.complete()["missing"] == [[1, 2]]


def test_the_state_of_a_link_is_told(district: District) -> None:
    """Online, offline, lost."""
    payload = json.dumps({"state": "lost"}).encode()
    assert district.take("tongluo/shuanghe/link", payload) == [
        {"type": "link", "site": "shuanghe", "state": "lost"}
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("elsewhere/shuanghe/alarm", b""),
        ("", b""),
        ("tongluo/shuanghe/alarm", b""),
        ("tongluo/shuanghe/alarm", b"\xff" * 40),
        ("tongluo/shuanghe/link", b"[]"),
        ("tongluo/shuanghe/link", b"\xff"),
        ("tongluo/shuanghe/link", b'{"state": "burning"}'),
        ("tongluo/shuanghe/birth/00", b"\xa0"),
    ],
)
def test_malformed_messages_are_counted(district: District, topic: str, payload: bytes) -> None:
    """One line each, no item, no crash."""
    assert district.take(topic, payload) == []
    assert (district.receiver.malformed, len(district.complaints)) == (1, 1)
    assert len(district.complaints[0].splitlines()) == 1


@pytest.mark.parametrize("kind", ["alarm", "birth", "block"])
def test_a_malformed_body_still_arrived(district: District, kind: str) -> None:
    """It is counted as malformed, and not reported as missing for ever."""
    assert district.hear(1, kind, b"\xff\xff") == []
    assert (district.receiver.malformed, district.complete()["complete_to"]) == (1, 1)


def test_the_topic_and_the_record_must_agree(district: District) -> None:
    """Access lists are by topic: an alarm does not come in as telemetry."""
    record = Envelope("0a1b2c3d", 1, "alarm", 0, T0_MS, "synced", envelope.encode_body({}))
    assert district.take("tongluo/shuanghe/block", envelope.encode(record)) == []
    assert district.receiver.malformed == 1


@given(topic=st.text(max_size=30) | st.just("tongluo/a/block"), payload=st.binary(max_size=200))
def test_any_message_is_survived(topic: str, payload: bytes) -> None:
    """Whatever comes, nothing is raised, and what is printed is JSON."""
    with Archive() as archive:
        for item in District(archive).take(topic, payload):
            json.dumps(item, allow_nan=False)


def test_the_account_survives_a_restart(state_dir: Path) -> None:
    """What was committed; what was not is received again."""
    path = state_dir / "receive.db"
    with Archive(path) as archive:
        name = archive.client_id
        district = District(archive)
        for seq in (1, 2, 5, 5):
            district.hear(seq)
        district.hear(8, "loss", {"ranges": [[3, 3]]})
        archive.commit()
        district.hear(9)
    with Archive(path) as archive:
        assert archive.client_id == name
        district = District(archive)
        assert not district.hear(5)
        assert district.hear(9)
        assert district.hear(6)
        archive.commit()
    with Archive(path) as archive:
        assert District(archive).complete() == {
            "type": "completeness",
            "site": "shuanghe",
            "epoch": "0a1b2c3d",
            "complete_to": 3,
            "missing": [[4, 4], [7, 7]],
            "received": 6,
            "duplicates": 2,
        }


def test_one_receiver_per_archive(state_dir: Path) -> None:
    """A second one would take over the first one's session at the broker."""
    with (
        Archive(state_dir / "receive.db"),
        pytest.raises(StoreError, match="locked"),
        Archive(state_dir / "receive.db"),
    ):
        pass


def test_a_damaged_archive_is_a_store_error(state_dir: Path) -> None:
    """It says which file."""
    (state_dir / "receive.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"receive\.db"), Archive(state_dir / "receive.db"):
        pass


@given(
    received=st.lists(st.integers(1, 40), max_size=60),
    lost=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=5),
)
def test_a_book_agrees_with_counting(received: list[int], lost: list[tuple[int, int]]) -> None:
    """Missing, complete_to, count and duplicates as one would find with a list and a pencil."""
    book = Book()
    fresh = [book.note(seq) for seq in received]
    for first, length in lost:
        book.explain(first, first + length)
    explained = {n for first, length in lost for n in range(first, first + length + 1)}
    known = set(received) | explained
    missing = {n for first, last in book.missing for n in range(first, last + 1)}
    assert missing == set(range(1, max(received, default=0))) - known
    assert all(n in known for n in range(1, book.complete_to + 1))
    assert book.complete_to + 1 not in known
    assert fresh.count(True) == book.count == len(set(received))
    assert book.duplicates == len(received) - book.count


def test_times_beyond_the_calendar_are_numbers() -> None:
    """A gateway's clock can say anything."""
    assert iso_utc(-1) == "1969-12-31T23:59:59.999Z"
    assert iso_utc(-62_135_596_800_000) == "0001-01-01T00:00:00.000Z"
    assert iso_utc(1 << 62) == f"{1 << 62} ms"
    assert iso_utc(-(1 << 63)) == f"{-(1 << 63)} ms"
