"""``tongluo apply``: what it says; the unit's file is replaced as a whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from edge.app.complaint import Complaint
from edge.app.unit_file import put_back, replace_file
from edge.cli import apply as command
from edge.cli.apply_words import applied_lines, pending_sign, status_lines
from edge.cli.main import main

PENDING = {
    "config": "c" * 64, "file": "/s/new.toml", "before": "b" * 64, "by": "王工",
    "until_ms": 1_718_158_500_000, "left_s": 90.0, "gap_ms": 5.25, "held": None,
}  # fmt: skip


@pytest.fixture
def english(monkeypatch):
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def files(tmp_path):
    file, new = tmp_path / "site.toml", tmp_path / "new.toml"
    file.write_text("old", "utf-8")
    file.chmod(0o640)
    new.write_text("new", "utf-8")
    return file, new


def test_the_file_is_replaced_and_the_old_one_kept(files):
    file, new = files
    kept = replace_file(file, new)
    assert file.read_text("utf-8") == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert kept.read_text("utf-8") == "old"
    assert kept.name.startswith("site.toml.before-2")
    put_back(file, kept)
    assert file.read_text("utf-8") == "old"
    assert sorted(each.name for each in file.parent.iterdir()) == ["new.toml", "site.toml"]


def test_a_disk_that_takes_nothing_leaves_the_old_one_and_nothing_else(files, monkeypatch):
    file, new = files

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.app.unit_file.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, new)
    assert file.read_text("utf-8") == "old"
    assert sorted(each.name for each in file.parent.iterdir()) == ["new.toml", "site.toml"]


@pytest.fixture
def agent(files, monkeypatch):
    """What the agent answers, by what it is asked; an exception is raised."""
    file, new = files
    pending = {**PENDING, "file": str(new)}
    answers: dict[str, list[Any]] = {
        "status": [{"pending": pending, "file": str(file), "config": "c" * 64}],
        "confirm": [],
    }

    def ask(_, do, **__):
        said = answers[do].pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(command, "_ask", ask)
    monkeypatch.setattr(command, "_digest", lambda _: "c" * 64)
    return answers


def test_a_confirmation_that_the_agent_refuses_is_undone(files, agent, tmp_path):
    """Its time was up meanwhile: a restart must not begin with what was taken back."""
    file, _ = files
    agent["confirm"] = [Complaint("apply-nothing")]
    agent["status"] += [{"pending": None, "file": str(file), "config": "b" * 64}]
    with pytest.raises(Complaint):
        command._confirm(tmp_path, "a")
    assert file.read_text("utf-8") == "old"


def test_a_confirmation_whose_answer_is_lost_stands_if_the_agent_says_so(files, agent, tmp_path):
    file, _ = files
    agent["confirm"] = [Complaint("hung-up")]
    agent["status"] += [{"pending": None, "file": str(file), "config": "c" * 64}]
    assert command._confirm(tmp_path, "a")["kept"]
    assert file.read_text("utf-8") == "new"


def test_an_agent_that_is_gone_has_confirmed_nothing(files, agent, tmp_path):
    file, _ = files
    agent["confirm"] = [Complaint("hung-up")]
    agent["status"] += [Complaint("no-agent", path="x")]
    with pytest.raises(Complaint):
        command._confirm(tmp_path, "a")
    assert file.read_text("utf-8") == "old"


def test_a_file_that_was_edited_since_is_not_confirmed(files, agent, tmp_path, monkeypatch):
    file, _ = files
    monkeypatch.setattr(command, "_digest", lambda _: "")
    with pytest.raises(Complaint) as caught:
        command._confirm(tmp_path, "a")
    assert caught.value.key == "apply-edited"
    assert file.read_text("utf-8") == "old"


def test_what_is_said_after_it_was_applied(english):
    louder = {"rule": "flood", "before": "normal", "after": "red", "louder": True}
    lines = applied_lines(
        {"pending": PENDING, "differences": [louder], "unjudged": ["leak"], "file": "/s/site.toml"}
    )
    whole = "\n".join(lines)
    for part in ("flood: normal before, RED now: it alarms more", "new: leak", "5.2 ms",
                 "until 2024-06-12", "--confirm", "/s/site.toml comes back"):  # fmt: skip
        assert part in whole


def test_the_sign_tells_the_time_left_or_why_it_is_put_off(english):
    assert pending_sign(PENDING).endswith("comes back in 1:30")
    held = {"error": "apply-standing", "arguments": {"rules": "flood"}}
    assert "the alarms of flood are not over" in pending_sign({**PENDING, "held": held})


def test_status_says_what_a_restart_would_begin_with(english):
    same = {"pending": None, "config": "c" * 64, "file": "/s/site.toml", "restart_same": True}
    assert len(status_lines(same)) == 1
    assert "something else" in status_lines({**same, "restart_same": False})[1]
    assert "cannot be loaded" in status_lines({**same, "restart_same": None})[1]


@pytest.mark.parametrize("arguments", [[], ["--confirm", "--roll-back"], ["new.toml", "--status"]])
def test_one_thing_at_a_time(arguments, capsys):
    assert main(["apply", *arguments, "--by", "a"]) == 2


def test_somebody_must_ask_for_it(capsys):
    assert main(["apply", "--confirm"]) == 3
    assert "--by" in capsys.readouterr().err


def test_a_wrong_file_is_shown_as_check_shows_it(tmp_path, capsys, english):
    path = tmp_path / "new.toml"
    path.write_text("[site]\nid = 1\n", "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["apply", str(path), "--by", "a", "--state", str(tmp_path)])
    assert ended.value.code == 2
    assert "new.toml:" in capsys.readouterr().out
