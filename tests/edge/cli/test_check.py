"""``tongluo check``: what people and programs read, in both languages, and the exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Proof, Term
from edge.app import proof
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
    assert re.fullmatch(r"  windows and states of the rules: at most \d+ KiB of memory", lines[2])
    assert lines[3].split() == [
        "bus", "kind", "line", "devices", "act", "watch", "log", "utilisation",
    ]  # fmt: skip
    # half of the radar's reads feed rules, half are only kept
    assert lines[4].split() == [
        "line-a", "rtu", "/dev/serial/by-id/usb-line-a", "115200", "8N1", "1",
        "0.0%", "13.4%", "13.4%", "26.8%",
    ]  # fmt: skip
    assert lines[7].split() == ["pump-house", "tcp", "192.168.1.20:502", "1", *"––––"]


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
        "file", "line", "path", "code", "message", "found", "allowed", "hint", "column",
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
    assert 0 < summary["rules_memory_bytes"] < 100_000
    assert 0.26 < summary["utilisation"]["line-a"] < 0.28
    assert set(summary["utilisation"]) == {"line-a", "line-b"}
    loads = {load.pop("bus"): load for load in summary["proof"]["loads"]}
    assert set(loads) == {"line-a", "line-b", "line-c", "pump-house/pit"}
    assert sum(loads["line-a"].values()) == pytest.approx(
        summary["utilisation"]["line-a"], abs=1e-4
    )


# -- the proof --------------------------------------------------------------------------------


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    """The village with other words in it."""
    words = VILLAGE.read_text(encoding="utf-8")
    for old, new in changes:
        assert words.count(old) == 1, old
        words = words.replace(old, new)
    file = folder / "site.toml"
    file.write_text(words, encoding="utf-8")
    return file


LATE = ("budget_s = 3.0\n", "")
OVERRIDE = ("[[plan]]\n", '[[override]]\nrule = "river-flood"\nreason = "one radar"\n\n[[plan]]\n')


def test_every_rule_that_sounds_something_has_its_bounds_and_a_verdict() -> None:
    """A line per output: command, sound, confirmation, budget, a word, and what takes longest."""
    lines = run(VILLAGE).stdout.splitlines()
    head, *rows = lines[8:]
    assert re.split(r" {2,}", head.strip()) == [
        "rule", "output", "to command", "to sound", "to confirmed", "budget", "verdict",
        "most of it",
    ]  # fmt: skip
    assert [row.split()[0] for row in rows] == ["river-flood"] * 2 + ["pit-gas"] * 2
    flood = re.split(r" {2,}", rows[1].strip())
    assert flood[:2] == ["river-flood", "siren channel=1"]
    assert [word.endswith(" ms") for word in flood[2:6]] == [True] * 4
    command, sound, confirmed, budget = (int(word.split()[0]) for word in flood[2:6])
    assert command < sound < confirmed
    assert budget == 3000
    assert flood[6] == "✓ in time"
    assert flood[7].startswith("until it has held long enough ")


def test_all_terms_are_shown_where_they_are_wanted() -> None:
    """They add up to the bound of the command."""
    lines = run("--terms", VILLAGE).stdout.splitlines()
    assert run("-v", VILLAGE).stdout.splitlines() == lines
    assert sum("until the next poll (river)" in line for line in lines) == 2
    at = next(index for index, line in enumerate(lines) if "from the change" in line)
    end = next(index for index, line in enumerate(lines) if "to command  " in line and index > at)
    times = [float(re.split(r" {2,}", line)[-1].split()[0]) for line in lines[at + 1 : end]]
    assert sum(times) == pytest.approx(float(lines[end].split()[-2]), abs=0.1)


def test_a_missed_budget_is_a_problem_at_the_rule(tmp_path: Path) -> None:
    """File, line, what was found and allowed, what to do; and status 2."""
    file = edited(tmp_path, LATE)
    result = run(file)
    assert result.exit_code == 2
    line = 1 + file.read_text("utf-8").split('id = "river-flood"')[0].count("\n") - 1
    first, hint = result.stdout.splitlines()[:2]
    assert first.startswith(f"{file}:{line}: rule[0].budget_s: rule river-flood may sound siren ")
    assert "allowed: 1000 ms" in first
    assert hint.startswith("  hint: ")
    assert "✗ too late" in result.stdout
    assert ": fine." not in result.stdout
    (problem,) = json.loads(run("--json", file).stdout)["problems"]
    assert (problem["code"], problem["allowed"], problem["line"]) == (
        "budget-missed",
        "1000 ms",
        line,
    )
    assert problem["found"].endswith(" ms")
    assert problem["hint"]


def test_a_missed_budget_stands_at_its_own_key_if_it_is_written(tmp_path: Path) -> None:
    file = edited(tmp_path, ("budget_s = 3.0", "budget_s = 1.6"))
    (problem,) = json.loads(run("--json", file).stdout)["problems"]
    assert file.read_text("utf-8").splitlines()[problem["line"] - 1] == "budget_s = 1.6"


def test_an_override_turns_the_problem_into_a_warning_with_its_reason(tmp_path: Path) -> None:
    file = edited(tmp_path, LATE, OVERRIDE)
    result = run(file)
    assert result.exit_code == 0
    assert "✗ too late, overridden" in result.stdout
    assert "override[0].rule: warning: rule river-flood may sound only after" in result.stdout
    assert "one radar" in result.stdout
    document = json.loads(run("--json", file).stdout)
    assert document["ok"]
    (summary,) = document["summary"]
    assert summary["proof"]["overridden"] == {"river-flood": "one radar"}
    assert summary["proof"]["missed"] == ["river-flood"]


def test_an_override_that_nobody_needs_is_a_warning(tmp_path: Path) -> None:
    file = edited(tmp_path, OVERRIDE)
    result = run(file)
    assert result.exit_code == 0
    assert "warning: rule river-flood meets its budget and needs no exception" in result.stdout


def test_the_proof_in_json_has_every_term(tmp_path: Path) -> None:
    """Bounds in milliseconds; terms by kind and cause; their sum is the bound of the command."""
    (summary,) = json.loads(run("--json", VILLAGE).stdout)["summary"]
    bounds = summary["proof"]["bounds"]
    assert [(each["rule"], each["output"]) for each in bounds] == [
        ("river-flood", "horn:stop:"), ("river-flood", "siren:off:channel=1"),
        ("pit-gas", "horn:stop:"), ("pit-gas", "siren:off:channel=1"),
    ]  # fmt: skip
    for bound in bounds:
        assert bound["met"]
        assert bound["command_ms"] == pytest.approx(sum(term["ms"] for term in bound["terms"]))
        kinds = [term["kind"] for term in bound["terms"]]
        assert bound["dominating"] in kinds
        assert kinds[0] == "sampling"


def test_where_there_is_no_bound_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and with null in JSON; it is no way to meet a budget."""
    never = UNBOUNDED_NS
    term = Term("overload", never, "siren:off:channel=1, horn:stop:")
    bound = Bound("pit-gas", "horn:stop:", "pit.gas", never, never, never, (term,), 10**9)
    monkeypatch.setattr(proof, "prove", lambda _: Proof((bound,), ()))
    result = run(VILLAGE)
    assert result.exit_code == 2
    assert "nothing bounds when rule pit-gas sounds horn, allowed: 1000 ms" in result.stdout
    assert "commands that may take all of the line (siren channel=1, horn)" in result.stdout
    document = json.loads(run("--json", VILLAGE).stdout)
    assert [problem["code"] for problem in document["problems"]] == ["no-bound"]
    (found,) = document["summary"][0]["proof"]["bounds"]
    assert (found["sound_ms"], found["budget_ms"], found["met"]) == (None, 1000.0, False)


def test_verdicts_in_chinese(tmp_path: Path) -> None:
    result = run(edited(tmp_path, LATE), language="zh_CN.UTF-8")
    assert "✗ 太迟" in result.stdout
    assert "✓ 及时" in result.stdout
    assert "规则 river-flood 最晚要" in result.stdout


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
