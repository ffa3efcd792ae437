"""Technicians' commands: exit codes, errors with hints, and what each start may import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.main import LazyGroup, main

SILENCE = ["--by", "me", "--reason", "works"]
NEEDS_AGENT = [
    ["status"],
    ["watch"],
    ["read", "river"],
    ["ack", "all", "--by", "me"],
    ["reset", "all", "--by", "me"],
    ["alarms"],
    ["shelve", "river-flood", "--for", "1h", *SILENCE],
    ["unshelve", "river-flood", "--by", "me"],
    ["inhibit", "village", "--for", "1h", *SILENCE],
    ["uninhibit", "village", "--by", "me"],
    ["out-of-service", "river-flood", *SILENCE],
    ["in-service", "river-flood", "--by", "me"],
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.mark.parametrize("arguments", NEEDS_AGENT, ids=lambda each: each[0])
def test_without_an_agent_the_exit_code_is_3_and_the_hint_says_what_to_do(
    arguments: list[str], state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--state", str(state_dir)]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no agent answers" in printed.err
    assert "hint: start it with: tongluo run" in printed.err


def test_errors_are_told_in_chinese_too(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    assert main(["status", "--state", str(state_dir)]) == 3
    assert capsys.readouterr().err.startswith("错误")


def test_running_a_wrong_site_file_exits_2_with_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[site]\nid = "UPPER"\nnmae = "x"\n', "utf-8")
    assert main(["run", str(site), "--state", str(tmp_path / "state")]) == 2
    printed = capsys.readouterr().err
    assert "site.toml:2" in printed
    assert "site.toml:3" in printed
    assert not (tmp_path / "state").exists()


def test_an_unknown_command_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["siren-please"]) == 2
    assert "siren-please" in capsys.readouterr().err


def test_a_journal_that_is_not_there_is_an_error_with_a_hint(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "--state", str(state_dir)]) == 1
    assert "there is no journal" in capsys.readouterr().err


def test_a_journal_that_is_no_database_is_an_error(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state_dir / "journal.db").write_bytes(b"nonsense" * 1000)
    assert main(["journal", "--state", str(state_dir)]) == 1
    assert "journal.db" in capsys.readouterr().err


@pytest.mark.parametrize("name", LazyGroup.names)
def test_every_command_explains_itself_and_its_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage:" in text
    options = [line.strip() for line in text.splitlines() if line.strip().startswith("--")]
    assert all(len(line.split("  ", 1)) == 2 or line.count(" ") <= 1 for line in options)


def test_help_lists_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in LazyGroup.names:
        assert (f"  {name} " in text) is (name != "link")
    assert "Exit codes" in text


# what rules say is part of a site file; what judges them and drives outputs is not
_DECIDING = [
    "edge.engine.pipeline",
    "edge.engine.decider",
    "edge.engine.dispatch",
    "edge.engine.conditions.rule_set",
]


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        ("edge.cli.status", ["uplink", "paho", "aiomqtt", "serial", "pydantic", "edge.engine"]),
        ("edge.cli.check", ["uplink", "paho", "aiomqtt", "serial", "edge.engine", "sqlite3"]),
        ("edge.app.alarm_main", ["uplink", "paho", "aiomqtt", "cryptography"]),
        ("edge.app.link_main", ["drivers", "serial", "lark", *_DECIDING]),
    ],
)
def test_a_process_imports_only_what_it_needs(command: str, forbidden: list[str]) -> None:
    program = f"import {command}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30
    )
    loaded = set(json.loads(done.stdout))
    found = [
        name for name in forbidden if any(m == name or m.startswith(f"{name}.") for m in loaded)
    ]
    assert found == []
