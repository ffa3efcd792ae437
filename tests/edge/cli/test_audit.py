"""``tongluo audit verify``: what it says, and with which exit code."""

import json
import sqlite3

import pytest

from edge.cli.main import main
from edge.core.instant import Utc
from edge.core.model import Record, RecordKind, Urgency
from edge.engine.audit import Stamp
from edge.engine.audit_head import head_path
from edge.engine.store import Store
from protocols.envelope import encode_body


@pytest.fixture
def journal(state_dir, monkeypatch):
    monkeypatch.setenv("TONGLUO_LANG", "en")
    path = state_dir / "journal.db"
    store = Store(path, "shuanghe", 1 << 22)
    store.open(0)
    for number in range(30):
        body = {"event": "x", "number": number}
        record = Record(RecordKind.RUN, Urgency.STATE, Utc(number), body)
        store.append([(record, encode_body(body), Stamp("run", "config", number))])
    store.finish()
    store.close()
    return path


def verify(capsys, *arguments):
    code = main(["audit", "verify", *map(str, arguments)])
    return code, capsys.readouterr()


def spoil(path, statement):
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


def test_an_intact_journal_is_said_to_be_so_and_ends_with_0(journal, capsys):
    code, said = verify(capsys, "--state", journal.parent)
    assert code == 0
    assert "intact from record 1 to record 30: 30 links" in said.out
    assert "a head kept outside the file agrees" in said.out


def test_a_broken_one_names_the_first_record_and_ends_with_4(journal, capsys):
    spoil(journal, "UPDATE record SET utc_ms = 9 WHERE seq = 12")
    code, said = verify(capsys, journal)
    assert code == 4
    assert "intact from record 1 to record 11" in said.out
    assert "EDITED at record 12" in said.out
    code, said = verify(capsys, journal, "--json")
    assert code == 4
    found = json.loads(said.out)
    assert not found["intact"]
    assert found["fault"]["kind"] == "edited"
    assert found["to"]["seq"] == 11


def test_without_a_head_elsewhere_it_ends_with_5(journal, capsys):
    head_path(journal).unlink()
    code, said = verify(capsys, journal)
    assert code == 5
    assert "cannot be seen" in said.out


def test_a_part_is_verified_on_trust(journal, capsys):
    spoil(journal, "UPDATE record SET utc_ms = 9 WHERE seq = 12")
    code, said = verify(capsys, journal, "--from", 13, "--to", 20)
    assert code == 0
    assert "begins after link 12" in said.out
    assert "record 13 to record 20: 8 links" in said.out


def test_a_head_that_was_written_down_is_compared(journal, capsys):
    _, said = verify(capsys, journal, "--json", "--to", 20)
    head = json.loads(said.out)["to"]["head"]
    head_path(journal).unlink()
    assert verify(capsys, journal, "--head", f"20:{head}")[0] == 0
    assert verify(capsys, journal, "--head", f"20:{'0' * 64}")[0] == 4
    assert verify(capsys, journal, "--head", f"31:{head}")[0] == 4
    assert verify(capsys, journal, "--head", "20:abc")[0] == 2


def test_what_the_district_received_is_compared(journal, capsys, tmp_path):
    _, said = verify(capsys, journal, "--json", "--to", 20)
    place, epoch = (json.loads(said.out)[key] for key in ("to", "epoch"))
    head_path(journal).unlink()
    mine = {"site": "shuanghe", "epoch": epoch, "utc": "x", "clock": "unknown"}
    checkpoint = {
        **mine, "type": "checkpoint", "seq": 21, "n": 20, "body.seq": 20, "head": place["head"],
    }  # fmt: skip
    newest = {**mine, "type": "run", "seq": 30}
    foreign = {**mine, "type": "run", "seq": 99, "epoch": "00000000"}
    received = tmp_path / "received.jsonl"

    def compare(*items):
        lines = [json.dumps(item) for item in items]
        received.write_text("\n".join(["no json", *lines, '{"type": "completeness"}', "[]"]))
        return verify(capsys, journal, "--received", received)[0]

    assert compare(checkpoint, newest, foreign) == 0
    assert compare({**checkpoint, "head": "1" * 64}) == 4
    assert compare(newest) == 5
    assert compare({**newest, "seq": 31}) == 4


def test_what_cannot_be_read_ends_with_1(state_dir, capsys):
    assert verify(capsys, "--state", state_dir)[0] == 1
    (state_dir / "journal.db").write_bytes(b"x" * 10_000)
    code, said = verify(capsys, "--state", state_dir)
    assert code == 1
    assert "error" in said.err
