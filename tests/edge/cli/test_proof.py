"""``tongluo proof`` and what ``tongluo run`` makes of it: tables, pictures, JSON, exit codes."""

from __future__ import annotations

import json
import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.app import alarm_main
from edge.app.config import Site
from edge.cli import proof as proof_command
from edge.cli import status as status_command
from edge.cli.main import main
from edge.core.errors import AgentError

VILLAGE = Path(__file__).parents[1] / "app" / "sites" / "village.toml"
LATE = ("budget_s = 3.0\n", "")
OVERRIDE = ("[[plan]]\n", '[[override]]\nrule = "river-flood"\nreason = "one radar"\n\n[[plan]]\n')


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """``run`` sets the root logger up for its process; here it is that of all tests."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for each in root.handlers[:]:
        if type(each) is logging.StreamHandler:
            root.removeHandler(each)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


def edited(folder: Path, *changes: tuple[str, str]) -> str:
    """The village with other words in it."""
    words = VILLAGE.read_text(encoding="utf-8")
    for old, new in changes:
        assert words.count(old) == 1, old
        words = words.replace(old, new)
    file = folder / "site.toml"
    file.write_text(words, encoding="utf-8")
    return str(file)


# -- proof ------------------------------------------------------------------------------------


def test_every_term_of_every_bound_is_shown_with_its_sum(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["proof", str(VILLAGE)]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert blocks[0].startswith("river-flood → horn: sounds within ")
    assert blocks[0].splitlines()[0].endswith("budget 3000 ms  ✓ in time")
    for block in blocks[:4]:
        rows = [re.split(r" {2,}", line.strip()) for line in block.splitlines()[2:]]
        times = {row[0]: float(row[-1].removesuffix(" ms")) for row in rows}
        total = times.pop("to command")
        assert times.pop("to sound") > total
        assert times.pop("to confirmed") > total
        assert sum(times.values()) == pytest.approx(total, abs=0.05)


def test_the_picture_is_of_the_rule_nearest_to_its_budget_and_fits_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["proof", str(VILLAGE)]) == 0
    picture = capsys.readouterr().out.split("The worst schedule, ")[1].splitlines()
    # 2580 of 3000 ms beats 1566 of 2000 ms
    assert picture[0].startswith("river-flood → siren channel=1")
    assert all(len(line) <= 80 for line in picture[1:])
    assert any(line.startswith("C ") for line in picture)


def test_one_rule_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proof", str(VILLAGE), "--rule", "pit-gas"]) == 0
    printed = capsys.readouterr().out
    assert "pit-gas → horn" in printed
    assert "river-flood" not in printed


def test_a_rule_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proof", str(VILLAGE), "--rule", "flod"]) == 2
    printed = capsys.readouterr().err
    assert 'there is no rule "flod"' in printed
    assert "river-flood, pit-gas, river-dry" in printed


def test_a_rule_that_sounds_nothing_has_nothing_to_prove(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["proof", str(VILLAGE), "--rule", "river-dry"]) == 0
    assert capsys.readouterr().out == "no rule sounds anything: there is nothing to prove\n"


def test_a_late_rule_ends_with_status_2_unless_it_is_excused_or_not_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = edited(tmp_path, LATE)
    assert main(["proof", late]) == 2
    assert "✗ too late" in capsys.readouterr().out
    assert main(["proof", late, "--rule", "pit-gas"]) == 0
    assert main(["proof", edited(tmp_path, LATE, OVERRIDE)]) == 0
    assert "✗ too late, overridden" in capsys.readouterr().out


def test_a_wrong_site_file_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proof", str(VILLAGE.with_name("mistakes.toml"))]) == 2
    assert "mistakes.toml:5" in capsys.readouterr().err


def test_json_has_the_bounds_with_their_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proof", str(VILLAGE), "--json", "--rule", "pit-gas"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["output"] for each in document["bounds"]] == ["horn:stop:", "siren:off:channel=1"]
    for bound in document["bounds"]:
        assert {"rule", "input", "terms", "command_ms", "sound_ms", "schedule"} <= set(bound)
        for slot in bound["schedule"]:
            assert set(slot) == {"bus", "begin_ms", "end_ms", "label", "class", "what"}
    assert "measured" not in document


def test_the_picture_as_svg_is_written_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "worst.svg"
    assert main(["proof", str(VILLAGE), "--svg", str(file)]) == 0
    root = ET.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "river-flood → siren channel=1" in "".join(root.itertext())
    assert main(["proof", str(VILLAGE), "--svg", str(tmp_path / "no" / "folder.svg")]) == 1
    assert "folder.svg" in capsys.readouterr().err


def test_chinese(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    assert main(["proof", str(VILLAGE)]) == 0
    printed = capsys.readouterr().out
    for words in ("最坏时序", "传感器变化", "✓ 及时", "等到下一次读取 (river)"):
        assert words in printed


# -- measured ---------------------------------------------------------------------------------


def answering(monkeypatch: pytest.MonkeyPatch, status: Mapping[str, Any]) -> None:
    """An agent that answers this."""

    async def ask(state: Path, request: Mapping[str, Any]) -> Mapping[str, Any]:
        assert request == {"op": "status"}
        return status

    monkeypatch.setattr(proof_command, "ask", ask)


def stages(**most_ms: float) -> dict[str, Any]:
    return {
        stage: {"count": 7, "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 3.0, "most_ms": most}
        for stage, most in most_ms.items()
    }


def measured_rows(printed: str) -> dict[tuple[str, str], list[str]]:
    rows = [re.split(r" {2,}", line) for line in printed.splitlines() if " to " in line]
    return {(row[0], row[1]): row[2:] for row in rows if len(row) == 9}


def test_what_the_agent_measured_stands_beside_the_bound(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage within its bound holds; one beyond it is said to be broken."""
    rules = {"pit-gas": stages(response=20.0, decision=1.5, action=99_999.0)}
    answering(monkeypatch, {"health": {"rules": rules}})
    assert main(["proof", str(VILLAGE), "--measured"]) == 0
    rows = measured_rows(capsys.readouterr().out)
    assert rows["pit-gas", "due poll to answer"][1:] == [
        "7", "1.0 ms", "2.0 ms", "3.0 ms", "20.0 ms", "✓ holds",
    ]  # fmt: skip
    assert rows["pit-gas", "answer to command"][-1] == "✓ holds"
    assert rows["pit-gas", "answer to confirmed"][-1] == "✗ BROKEN"
    assert rows["river-flood", "answer to command"][1:] == ["0", "–", "–", "–", "–", "–"]


@pytest.mark.parametrize("status", [{}, {"health": {}}, {"health": {"rules": {"pit-gas": None}}}])
def test_an_agent_that_does_not_tell_is_no_error(
    status: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be older, or protect another site."""
    answering(monkeypatch, status)
    assert main(["proof", str(VILLAGE), "--measured"]) == 0
    assert measured_rows(capsys.readouterr().out)["pit-gas", "answer to command"][1] == "0"


def test_measured_loads_stand_beside_the_proven_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = {"act": 0.001, "watch": 0.125, "log": 0.25}
    answering(monkeypatch, {"buses": [{"id": "line-a", "load": load}, {"id": "line-b"}]})
    assert main(["proof", str(VILLAGE), "--measured"]) == 0
    (row,) = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("line-a ") and "/" in line
    ]
    assert row.split("  ")[1:] == ["0.1% / 0.0%", "12.5% / 13.4%", "25.0% / 13.4%"]


def test_measured_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, {"health": {"rules": {"pit-gas": stages(decision=1.5)}}})
    assert main(["proof", str(VILLAGE), "--measured", "--json", "--rule", "pit-gas"]) == 0
    stage = json.loads(capsys.readouterr().out)["measured"]["pit-gas"]["decision"]
    assert stage["most_ms"] == 1.5
    assert stage["bound_ms"] > 1.5


def test_measured_without_an_agent_ends_with_status_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["proof", str(VILLAGE), "--measured", "--state", str(tmp_path)]) == 3
    assert "no agent answers" in capsys.readouterr().err


# -- status -----------------------------------------------------------------------------------


def test_status_begins_with_what_is_not_armed_and_what_is_excused() -> None:
    """An agent that does not tell has nothing of it."""
    lines = status_command.unusual(
        {"refused": {"river-flood": "too late"}, "overridden": {"pit-gas": "one radar"}}
    )
    assert lines == [
        "rule river-flood is NOT armed: too late",
        "rule pit-gas is armed although it may sound too late: one radar",
    ]
    assert status_command.unusual({}) == []


# -- run --------------------------------------------------------------------------------------


class _Started(AgentError):
    """Instead of protecting the site."""


def starting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Site, Mapping[Any, Any]]]:
    """What the agent would be started with."""
    found: list[tuple[Site, Mapping[Any, Any]]] = []

    async def start(site: Site, *_: object, limits: Mapping[Any, Any], **__: object) -> None:
        found.append((site, limits))
        raise _Started("started")

    monkeypatch.setattr(alarm_main, "run", start)
    return found


def test_run_arms_every_rule_that_is_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what the proof allows each."""
    found = starting(monkeypatch)
    assert main(["run", str(VILLAGE), "--state", str(tmp_path)]) == 3
    ((site, limits),) = found
    assert [rule.id for rule in site.rules] == ["river-flood", "pit-gas", "river-dry"]
    assert set(limits) == {"river-flood", "pit-gas"}
    assert "NOT armed" not in capsys.readouterr().err


def test_run_does_not_arm_a_late_rule_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others protect the village all the same."""
    found = starting(monkeypatch)
    assert main(["run", edited(tmp_path, LATE), "--state", str(tmp_path)]) == 3
    ((site, limits),) = found
    assert [rule.id for rule in site.rules] == ["pit-gas", "river-dry"]
    assert set(limits) == {"pit-gas"}
    said = capsys.readouterr().err
    assert "rule river-flood is NOT armed: " in said
    assert "site.toml:" in said
    assert "event=rule_refused rule=river-flood" in said


def test_run_arms_a_late_rule_that_is_excused_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = starting(monkeypatch)
    assert main(["run", edited(tmp_path, LATE, OVERRIDE), "--state", str(tmp_path)]) == 3
    assert len(found[0][0].rules) == 3
    said = capsys.readouterr().err
    assert "rule river-flood is armed although it may sound too late: one radar" in said


def test_run_with_no_rule_left_to_arm_ends_with_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = starting(monkeypatch)
    words = VILLAGE.read_text("utf-8").replace("budget_s = 2.0", "budget_s = 0.2")
    words = words.replace("budget_s = 3.0", "budget_s = 0.2")
    start, end = words.index('[[rule]]\nid = "river-dry"'), words.index("[[plan]]")
    (tmp_path / "site.toml").write_text(words[:start] + words[end:], "utf-8")
    assert main(["run", str(tmp_path / "site.toml"), "--state", str(tmp_path / "state")]) == 2
    assert found == []
    said = capsys.readouterr().err
    assert said.count("budget_s: rule ") == 2
    assert not (tmp_path / "state").exists()
