"""``tongluo check``: what people and programs read, in both languages, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli.check import align, check

SITES = Path(__file__).parents[1] / "app" / "sites"
VILLAGE = SITES / "village.toml"
MISTAKES = SITES / "mistakes.toml"


def run(*arguments: str | Path, language: str = "C.UTF-8") -> Result:
    """Run the command in an environment of this language."""
    environment = {"TONGLUO_LANG": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": language}
    return CliRunner(env=environment).invoke(check, [str(each) for each in arguments])


def test_problems_are_printed_with_file_line_path_and_hint() -> None:
    """One line each, a hint line where there is one, status 2."""
    result = run(MISTAKES)
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{MISTAKES}:5: site.time_zone: ")
    assert lines[1] == "  hint: did you mean Asia/Shanghai?"
    assert sum(line.startswith(f"{MISTAKES}:") for line in lines) == 10
    assert lines[-1] == "10 problems"
    assert "\x1b" not in result.stdout


def test_a_right_site_is_summarised() -> None:
    """Counts, and each bus with its load; status 0."""
    result = run(VILLAGE)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{VILLAGE}: fine. Site shuanghe, 双河村"
    assert lines[1] == "  devices: 6, points: 36, rules: 3, plans: 1, links: 1"
    assert lines[2].split() == ["bus", "kind", "line", "devices", "utilisation"]
    assert lines[3].split() == [
        "line-a", "rtu", "/dev/serial/by-id/usb-line-a", "115200", "8N1", "1", "27.8%",
    ]  # fmt: skip
    assert lines[6].split() == ["pump-house", "tcp", "192.168.1.20:502", "1", "–"]


@pytest.mark.parametrize("variable", ["TONGLUO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"])
def test_chinese_where_the_environment_asks_for_it(variable: str) -> None:
    """Each of the variables decides if those before it are empty."""
    names = ("TONGLUO_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    before = names[: names.index(variable)]
    environment = {name: "" if name in before else "en_US.UTF-8" for name in names}
    environment[variable] = "zh_CN.UTF-8"
    result = CliRunner(env=environment).invoke(check, [str(MISTAKES)])
    assert result.exit_code == 2
    assert "没有测点" in result.stdout
    assert "提示：是否想写 Asia/Shanghai？" in result.stdout
    assert "10 个问题" in result.stdout
    assert "hint" not in result.stdout


def test_json_of_problems() -> None:
    """One object; each problem with all its parts."""
    result = run("--json", MISTAKES)
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert (document["ok"], document["summary"], len(document["problems"])) == (False, [], 10)
    assert set(document["problems"][0]) == {
        "file", "line", "path", "code", "message", "found", "allowed", "hint",
    }  # fmt: skip


def test_json_of_a_right_site() -> None:
    """Counts and line loads as numbers."""
    result = run("--json", VILLAGE)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["ok"], document["problems"], document["warnings"]) == (True, [], [])
    (summary,) = document["summary"]
    assert (summary["site"], summary["devices"], summary["points"]) == ("shuanghe", 6, 36)
    assert (summary["rules"], summary["plans"], summary["links"]) == (3, 1, 1)
    assert 0.27 < summary["utilisation"]["line-a"] < 0.29
    assert set(summary["utilisation"]) == {"line-a", "line-b"}


def test_several_files_are_all_checked() -> None:
    """One wrong file makes the status 2 and does not hide the summary of the right one."""
    result = run(MISTAKES, VILLAGE, "absent.toml")
    assert result.exit_code == 2
    assert f"{VILLAGE}: fine." in result.stdout
    assert "absent.toml:1: there is no such file" in result.stdout
    assert "1 problem\n" in result.stdout
    document = json.loads(run("--json", MISTAKES, VILLAGE).stdout)
    assert (document["ok"], len(document["problems"]), len(document["summary"])) == (False, 10, 1)


def test_warnings_do_not_fail_the_check(tmp_path: Path) -> None:
    """They are printed after the summary and stand in the JSON."""
    file = tmp_path / "site.toml"
    text = VILLAGE.read_text(encoding="utf-8").replace("baud = 115200", "baud = 57600")
    file.write_text(text, encoding="utf-8")
    result = run(file)
    assert result.exit_code == 0
    assert f"{file}:49: device[0].profile: warning: bus line-a is set otherwise" in result.stdout
    document = json.loads(run("--json", file).stdout)
    assert document["ok"]
    assert [warning["code"] for warning in document["warnings"]] == ["factory-settings"]


def test_no_file_is_a_usage_error() -> None:
    """Nothing to check is not fine."""
    assert run().exit_code == 2


def test_columns_of_wide_characters_line_up() -> None:
    """Chinese characters take two places."""
    assert align([("总线", "x"), ("line", "y"), ("a", "z")]) == ["总线  x", "line  y", "a     z"]
