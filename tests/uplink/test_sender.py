"""The sender in virtual time, over a link that refuses, breaks, hangs and comes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from protocols.envelope import Envelope
from uplink.connection import NO_SUBSCRIBERS
from uplink.cursor import Cursor
from uplink.reader import JournalReader
from uplink.sender import POLL_S, STORE_EVERY_RECORDS, Offload, Sender
from uplink.topics import Topics

if TYPE_CHECKING:
    from tests.uplink.conftest import FakeLink, JournalFile

T = TypeVar("T")
Virtual = Callable[[Coroutine[Any, Any, None]], None]
NewSender = Callable[[], Sender]

NOT_AUTHORIZED = 0x87


@pytest.fixture
def new_sender(state_dir: Path, link: FakeLink, in_place: Offload) -> NewSender:
    """A sender as after a start of the process; several may follow each other."""

    def make() -> Sender:
        return Sender(
            JournalReader(state_dir / "journal.db"),
            Cursor(state_dir / "link-district.db"),
            link,
            Topics("tongluo", "shuanghe"),
            offload=in_place,
        )

    return make


async def run_for(sender: Sender, seconds: float) -> None:
    """Run it so long, then stop it cleanly."""
    task = asyncio.create_task(sender.run())
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def crash(sender: Sender) -> None:
    """In place of the last store: a process that dies stores nothing, but its files are closed."""
    sender._cursor.close()
    sender._reader.close()


def test_everything_is_delivered_once(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """Each record on the topic of its kind, under the journal's epoch; after a restart nothing."""
    journal.birth(), journal.block(), journal.alarm(), journal.block()
    virtual(run_for(new_sender(), 5.0))
    assert link.seqs == [3, 1, 2, 4]
    assert [topic for _, topic, _ in link.sent] == [
        f"tongluo/shuanghe/{kind}" for kind in ("alarm", "birth", "block", "block")
    ]
    assert {record.epoch for _, _, record in link.sent} == {"0a1b2c3d"}
    virtual(run_for(new_sender(), 5.0))
    assert len(link.sent) == 4
    journal.alarm()
    virtual(run_for(new_sender(), 5.0))
    assert link.seqs[4:] == [5]


def test_births_are_kept_for_later_receivers(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """Retained under the profile's id."""
    journal.birth()
    virtual(run_for(new_sender(), 2.0))
    assert list(link.retained) == [f"tongluo/shuanghe/birth/{journal.profile.id.hex()}"]


def test_an_alarm_overtakes_a_draining_backlog(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """After the nudge no telemetry is started before the alarm."""
    journal.fill(3000)
    sender = new_sender()
    marks: list[int] = []

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(1.5)
        assert 100 < len(link.sent) < 2000
        journal.alarm()
        marks.append(len(link.started))
        sender.nudge()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.started.index(3001) == marks[0]
    assert link.hurried == 1


def test_an_alarm_without_a_nudge_waits_for_one_poll_at_most(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """The local socket may be down; the journal is looked at every second."""
    sender = new_sender()
    committed_s: list[float] = []

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(10.5)
        journal.alarm()
        committed_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.sent[0][0] - committed_s[0] <= POLL_S + link.latency_s


def test_refused_telemetry_does_not_stop_alarms(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """A denied topic is reported and tried again with back-off.

    When it opens, nothing is missing.
    """
    link.refuse = lambda record: NOT_AUTHORIZED if record.kind == "block" else None
    journal.fill(200)
    sender = new_sender()

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(100.0)
        journal.alarm()
        sender.nudge()
        await asyncio.sleep(1.0)
        assert link.seqs == [201]
        status = sender.status()
        assert status["delivered"] == 1
        assert status["pending"] == 200
        assert status["closed"] == ["block"]
        assert "0x87" in str(status["last_error"])
        tries = len(link.started)
        await asyncio.sleep(1500.0)
        assert 5 <= len(link.started) - tries <= 10, "up to 5 min apart"
        link.refuse = lambda record: None
        await asyncio.sleep(400.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert sorted(link.seqs) == list(range(1, 202))
    assert sender.status()["pending"] == 0
    assert sender.status()["last_error"] == ""


def test_a_refused_alarm_is_not_forgotten(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """It stays undelivered over a restart, and is tried at least every 30 s."""
    link.refuse = lambda record: NOT_AUTHORIZED
    journal.alarm()
    virtual(run_for(new_sender(), 300.0))
    assert link.sent == []
    tries = len(link.started)
    assert 300 / 30 <= tries <= 20
    link.refuse = lambda record: None
    virtual(run_for(new_sender(), 1.0))
    assert link.seqs == [1]


def test_what_cannot_be_packed_is_refused_here(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """A record larger than an envelope may be is reported, and does not stop the others."""
    journal.add("block", 2, bytes(1 << 20))
    journal.block()
    sender = new_sender()
    virtual(run_for(sender, 5.0))
    assert link.seqs == [2]
    assert sender.status()["held"] == 1


def test_a_broken_link_loses_nothing(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """Every third publish fails; all arrive; those in flight arrive again, which is no harm."""
    journal.fill(100)
    seen: list[int] = []

    def fail(record: Envelope) -> bool:
        seen.append(record.seq)
        return len(seen) % 3 == 0

    link.fail = fail
    virtual(run_for(new_sender(), 120.0))
    assert sorted(link.seqs) == list(range(1, 101))


def test_a_slow_disk_confuses_nothing(
    journal: JournalFile, link: FakeLink, state_dir: Path, virtual: Virtual
) -> None:
    """Records are accepted, refused and lost while the journal is being read."""

    async def slow(call: Callable[[], T]) -> T:
        await asyncio.sleep(0.07)
        result = call()
        await asyncio.sleep(0.07)
        return result

    answers = itertools.cycle([0, 0, 0x87, 0, 0, 0, 0])
    link.refuse = lambda record: next(answers) or None
    failures = itertools.cycle([False] * 10 + [True])
    link.fail = lambda record: next(failures)
    journal.fill(300)
    reader, cursor = JournalReader(journal.path), Cursor(state_dir / "link-district.db")
    sender = Sender(reader, cursor, link, Topics("tongluo", "shuanghe"), offload=slow)
    virtual(run_for(sender, 400.0))
    assert sorted(link.seqs) == list(range(1, 301))
    assert {record.epoch for _, _, record in link.sent} == {"0a1b2c3d"}


def test_nothing_is_started_while_the_link_is_down(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """And what is pending is told; when it comes back, alarms come first."""
    link.up = False
    journal.fill(100)
    journal.alarm()
    sender = new_sender()

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(60.0)
        assert link.started == []
        assert (sender.status()["state"], sender.status()["pending"]) == ("down", 101)
        journal.block()
        await asyncio.sleep(2.0)
        assert sender.status()["pending"] == 102
        link.turn(up=True)
        await asyncio.sleep(10.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.seqs[0] == 101
    assert sorted(link.seqs) == list(range(1, 103))


def test_a_hanging_link_holds_no_more_than_the_window(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """One place is kept for an alarm; what hung is sent again after the link broke."""
    link.hang = True
    journal.fill(50)
    sender = new_sender()

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(5.0)
        assert link.started == [1, 2, 3]
        journal.alarm()
        sender.nudge()
        await asyncio.sleep(0.1)
        assert link.started == [1, 2, 3, 51]
        link.turn(up=False)
        await asyncio.sleep(5.0)
        link.hang = False
        link.turn(up=True)
        await asyncio.sleep(5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.seqs[0] == 51
    assert sorted(link.seqs) == list(range(1, 52))


def test_after_a_crash_little_is_sent_twice(
    journal: JournalFile,
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alarms are marked at once, telemetry within 64 records; nothing is skipped."""
    monkeypatch.setattr(Sender, "_store_last", crash)
    journal.fill(1000)
    alarm = journal.alarm()
    crashed = new_sender()
    virtual(run_for(crashed, 1.0))
    before = list(link.seqs)
    assert 100 < len(before) < 900
    virtual(run_for(new_sender(), 20.0))
    assert set(link.seqs) == set(range(1, 1002))
    again = len(link.seqs) - 1001
    assert again <= STORE_EVERY_RECORDS + link.window
    assert link.seqs.count(alarm) == 1


def test_a_delivered_alarm_is_marked_at_once(
    journal: JournalFile,
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A power cut right after does not repeat it."""
    monkeypatch.setattr(Sender, "_store_last", crash)
    journal.alarm()
    crashed = new_sender()
    virtual(run_for(crashed, 0.1))
    virtual(run_for(new_sender(), 5.0))
    assert link.seqs == [1]


def test_a_new_journal_is_sent_from_its_beginning(
    new_journal: Callable[..., JournalFile],
    state_dir: Path,
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file that was set aside while the link runs: its successor's records have its own epoch."""
    old = new_journal()
    old.fill(20)

    async def main() -> None:
        task = asyncio.create_task(new_sender().run())
        await asyncio.sleep(5.0)
        old.close()
        for part in state_dir.glob("journal.db*"):
            part.rename(state_dir / part.name.replace("journal", "aside"))
        await asyncio.sleep(5.0)
        new_journal("ffffffff").fill(5)
        await asyncio.sleep(5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert [(r.epoch, r.seq) for _, _, r in link.sent[20:]] == [
        ("ffffffff", n) for n in range(1, 6)
    ]
    assert "journal_replaced old=0a1b2c3d new=ffffffff" in caplog.text


def test_a_journal_from_a_backup_is_sent_under_a_new_epoch(
    new_journal: Callable[..., JournalFile],
    state_dir: Path,
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its new records have old numbers; under the old epoch the district would drop them."""
    journal = new_journal()
    journal.fill(20)
    virtual(run_for(new_sender(), 5.0))
    journal.close()
    for part in state_dir.glob("journal.db*"):
        part.unlink()
    restored = new_journal()
    restored.fill(12)
    restored.alarm()
    for _ in range(2):
        virtual(run_for(new_sender(), 5.0))
    again = link.sent[20:]
    assert sorted(record.seq for _, _, record in again) == list(range(1, 14))
    assert len({record.epoch for _, _, record in again} - {"0a1b2c3d"}) == 1
    assert "journal_went_back to=13" in caplog.text


def test_an_absent_journal_is_waited_for(
    new_journal: Callable[..., JournalFile],
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The link process may start first; it says so once."""
    sender = new_sender()

    async def main() -> None:
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(20.0)
        assert "journal" in str(sender.status()["last_error"])
        new_journal().alarm()
        await asyncio.sleep(2.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.seqs == [1]
    assert sender.status()["last_error"] == ""
    assert sum("unable to open" in line or "No such file" in line for line in caplog.messages) == 1


def test_a_cursor_that_cannot_be_stored_does_not_stop_alarms(
    journal: JournalFile, link: FakeLink, virtual: Virtual, in_place: Offload, state_dir: Path
) -> None:
    """Delivery goes on, and the fault is told."""
    journal.alarm()
    sender = Sender(
        JournalReader(journal.path),
        Cursor(state_dir / "absent" / "link.db"),
        link,
        Topics("tongluo", "shuanghe"),
        offload=in_place,
    )
    virtual(run_for(sender, 30.0))
    assert link.seqs == [1]
    assert "cursor" in str(sender.status()["last_error"])


def test_what_nobody_heard_waits_for_a_listener(
    journal: JournalFile, link: FakeLink, new_sender: NewSender, virtual: Virtual
) -> None:
    """Reason code 16 is a success to MQTT; to the district it is silence. Also over a restart."""
    link.refuse = lambda record: NO_SUBSCRIBERS
    journal.alarm()
    journal.fill(100)
    sender = new_sender()
    virtual(run_for(sender, 60.0))
    status = sender.status()
    assert (status["delivered"], status["pending"]) == (0, 101)
    assert int(str(status["unheard"])) < 40
    link.refuse = lambda record: None
    virtual(run_for(new_sender(), 10.0))
    assert sorted(link.seqs) == list(range(1, 102))


def test_what_died_with_the_broker_is_sent_again(
    journal: JournalFile,
    link: FakeLink,
    new_sender: NewSender,
    virtual: Virtual,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if the site loses its power right after, before the broker is back."""
    monkeypatch.setattr(Sender, "_store_last", crash)
    journal.fill(3)
    crashed = new_sender()

    async def main() -> None:
        task = asyncio.create_task(crashed.run())
        await asyncio.sleep(60.0)
        journal.fill(2)
        await asyncio.sleep(2.5)
        link.turn(up=False)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual(main())
    assert link.seqs == [1, 2, 3, 4, 5]
    link.up = True
    virtual(run_for(new_sender(), 10.0))
    assert link.seqs[5:] == [4, 5]


def test_an_idle_sender_sleeps(
    journal: JournalFile, new_sender: NewSender, virtual: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look into the journal a second, no more."""
    looks = 0
    look = Sender._look

    def counted(self: Sender, *arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(self, *arguments)

    monkeypatch.setattr(Sender, "_look", counted)
    virtual(run_for(new_sender(), 100.0))
    assert 90 <= looks <= 110
