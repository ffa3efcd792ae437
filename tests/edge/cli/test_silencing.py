"""Commands that silence alarms, and the alarm log: what they ask, print, and refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from edge.app.alarm_requests import carry_out, inhibits_body
from edge.app.complaint import Complaint, complaint_from
from edge.cli import alarms as alarms_command
from edge.cli import silencing, status
from edge.cli.alarm_log import begin_ms
from edge.cli.main import main
from edge.core.instant import ClockQuality, Utc
from edge.core.model import Record, RecordKind, Urgency
from edge.engine.bodies import alarm_body
from edge.engine.store import Store
from protocols.envelope import decode_body, encode_body
from tools.virtual_village import VirtualVillage

WHO = ["--by", "王工", "--reason", "换传感器"]
RIVER = 'lost = "hold"\nplan = "evacuate"\n'


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualVillage:
    """A village whose agent answers the commands, over the bytes of the socket but without one."""
    made = VirtualVillage(
        tmp_path, rewrite=lambda text: text.replace(RIVER, f'{RIVER}zone = "village"\n')
    )
    made.run(5.0)

    async def ask(_: Path, request: dict[str, object]) -> dict[str, object]:
        asked = decode_body(encode_body(request))
        pipeline = made.agent.pipeline
        try:
            if asked["op"] == "alarms":
                bodies = [alarm_body(alarm) for alarm in pipeline.alarms.values()]
                metrics = pipeline.annunciator.body(made.clock.now())
                return {"alarms": bodies, "metrics": metrics}
            return decode_body(encode_body(carry_out(pipeline, asked)))
        except Complaint as error:
            raise complaint_from(decode_body(encode_body(error.body()))) from error

    monkeypatch.setattr(silencing, "ask", ask)
    monkeypatch.setattr(alarms_command, "ask", ask)
    return made


def test_a_shelving_prints_who_why_and_until_when(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shelve", "river-flood", "--for", "90 min", *WHO]) == 0
    printed = capsys.readouterr().out
    assert "normal  river-flood  shelved" in printed
    assert "shelved up to ORANGE until 2024-06-12 03:45:" in printed
    assert "by 王工: 换传感器" in printed
    assert main(["unshelve", "river-flood", "--by", "李"]) == 0
    assert capsys.readouterr().out.startswith("normal  river-flood  normal")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["shelve", "river-flood", "--for", "9h", *WHO], 3, "9.0 h is too long; at most 8 h"),
        (["shelve", "river", "--for", "1h", *WHO], 3, 'there is no alarm "river"'),
        (["shelve", "river-flood", "--for", "soon", *WHO], 2, "soon is not a length of time"),
        (["shelve", "river-flood", "--for", "3 m", *WHO], 2, "3 m is not a length of time"),
        (["shelve", "river-flood", "--for", "-1h", *WHO], 2, "-1h is not a length of time"),
        (["shelve", "river-flood", *WHO], 2, "--for"),
        (["shelve", "river-flood", "--for", "1h", "--by", "王"], 2, "--reason"),
        (["out-of-service", "river-flood", "--reason", "x"], 2, "--by"),
        (["out-of-service", "river-flood", "--reason", " ", "--by", "x"], 3, "must be said why"),
        (["inhibit", "vilage", "--for", "1h", *WHO], 3, 'there is no zone "vilage"'),
        (["uninhibit", "village", "--by", "x"], 3, "zone village is not inhibited"),
        (["in-service", "river-flood", "--by", "x"], 3, "river-flood is not out of service"),
        (["unshelve", "river-flood", "--by", "x"], 3, "river-flood is not shelved"),
        (["alarms", "--since", "1h"], 2, "--since goes with --log"),
    ],
)
def test_what_is_refused_has_its_exit_code_and_a_clear_text(
    village: VirtualVillage,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_red_needs_to_be_said(village: VirtualVillage, capsys: pytest.CaptureFixture[str]) -> None:
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert main(["shelve", "river-flood", "--for", "1h", *WHO]) == 3
    assert "--red shelves red alarms, too" in capsys.readouterr().err
    assert main(["shelve", "river-flood", "--for", "1h", "--red", *WHO]) == 0
    assert capsys.readouterr().out.startswith("RED  river-flood  shelved")


def test_an_inhibit_is_a_permanent_sign_of_status(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inhibit", "village", "--for", "1h", "--json", *WHO]) == 0
    (body,) = json.loads(capsys.readouterr().out)["changed"]
    assert body["silences"][0]["source"] == "village"
    inhibits = inhibits_body(village.agent.pipeline.annunciator.inhibits)
    (sign,) = status.unusual({"inhibits": inhibits})
    assert sign.startswith("ZONE village IS INHIBITED up to RED until 2024-06-12 03:15:")


def test_alarms_show_their_figures_and_can_be_chosen_by_rule(
    village: VirtualVillage, capsys: pytest.CaptureFixture[str]
) -> None:
    village.world.set("river.level", 3.3)
    village.run(3.0)
    assert main(["alarms"]) == 0
    printed = capsys.readouterr().out
    assert "Alarms announced: 1 in 10 min (peak 1), 1 in 24 h" in printed
    assert "turns/min" in printed
    assert main(["alarms", "--rule", "h2s-leak", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [body["rule"] for body in answer["alarms"]] == ["h2s-leak"]
    assert list(answer["metrics"]["rules"]) == ["h2s-leak"]


# -- the log ----------------------------------------------------------------------------------

OLD: dict[str, object] = {
    "rule": "h2s-leak", "id": "h2s-leak/1/1", "current": "yellow", "level": "yellow",
    "highest": "yellow", "phase": "active, unacknowledged", "revision": 1, "since_ms": 1,
    "since_clock": "synced", "acknowledged_by": "", "evidence": [],
}  # fmt: skip


@pytest.fixture
def journal(village: VirtualVillage, state_dir: Path) -> Path:
    """A journal of what the village did, and before it a record of an older program."""
    main(["shelve", "river-flood", "--for", "1h", *WHO])
    village.run(60.0)
    main(["inhibit", "village", "--for", "1h", *WHO])
    village.world.set("river.level", 3.3)
    village.run(3.0)
    store = Store(state_dir / "journal.db", "shuanghe", 1 << 24)
    store.open(0)
    first = Record(RecordKind.ALARM, Urgency.ALARM, Utc(1, ClockQuality.SYNCED), OLD)
    records = [first, *village.journal.records]
    store.append([(record, encode_body(record.body)) for record in records])
    store.close()
    return state_dir


def test_the_log_tells_every_change_and_needs_no_agent(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["alarms", "--log", "--state", str(journal)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.split("  ")[1:4] for line in lines]
    assert told[0] == ["-", "YELLOW", "h2s-leak"]
    assert told[1] == ["shelved", "normal", "river-flood"]
    assert ["inhibit begun", "village", "by 王工"] in told
    assert told[-1] == ["raised", "RED", "river-flood"]
    assert lines[-1].endswith("river.level = 3.3 m")


def test_the_log_by_rule_and_since_as_json(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    options = ["--log", "--state", str(journal), "--json", "--rule", "river-flood"]
    assert main(["alarms", *options, "--since", "2024-06-12T02:16"]) == 0
    bodies: list[Any] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["body"]["change"] for each in bodies] == ["inhibited", "raised"]
    assert main(["alarms", *options, "--since", "1h"]) == 0
    assert capsys.readouterr().out == ""


def test_a_time_that_is_none_is_said(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarms", "--log", "--state", str(journal), "--since", "yesterday"]) == 2
    assert "yesterday is neither" in capsys.readouterr().err


def test_without_a_journal_there_is_no_log(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alarms", "--log", "--state", str(state_dir)]) == 1
    assert "there is no journal" in capsys.readouterr().err


def test_a_time_is_utc_or_so_long_ago() -> None:
    ms = round(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp() * 1000)
    assert begin_ms("90 min", ms) == ms - 5_400_000
    assert begin_ms("2026-07-01T12:00", ms) == ms
    assert begin_ms("2026-07-01T20:00+08:00", ms) == ms
    assert begin_ms("2026-07-01", ms) == ms - 12 * 3_600_000
    with pytest.raises(click.BadParameter):
        begin_ms("3 m", ms)
