"""``tongluo new --template``: a template is written out, and says what is still to be set."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from edge.app.commissioning.site_templates import shipped_templates
from edge.cli.main import main

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


def test_the_list_has_every_template_in_both_languages(
    capfd: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["new", "--list-templates"]) == 0
    printed = capfd.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == list(shipped_templates())
    assert "H2S well site: three fixed detectors" in printed
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    assert main(["new", "--list-templates"]) == 0
    assert "含硫井场：三只硫化氢探测器" in capfd.readouterr().out


@pytest.mark.parametrize("name", shipped_templates())
def test_what_is_written_is_the_template_and_says_what_is_to_be_set(
    name: str, tmp_path: Path, capfd: Out
) -> None:
    file = tmp_path / "site.toml"
    assert main(["new", str(file), "--template", name]) == 0
    written = file.read_text("utf-8")
    assert written == shipped_templates()[name].read_text("utf-8")
    count = sum("# SET:" in line for line in written.splitlines())
    assert count > 40
    assert f"{count} lines are marked # SET:" in capfd.readouterr().out


def test_what_is_given_is_put_in_and_needs_no_mark(tmp_path: Path, capfd: Out) -> None:
    file = tmp_path / "site.toml"
    given = {"id": "my-well", "name": '3号"井"\\1', "time_zone": "Asia/Urumqi"}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
    assert main(["new", str(file), "--template", "h2s-well-site", *options]) == 0
    site = tomllib.loads(file.read_text("utf-8"))["site"]
    assert {key: site[key] for key in given} == given
    document = tomllib.loads(file.read_text("utf-8"))
    assert document["contact"][0]["name"] == "带班司钻"
    written = file.read_text("utf-8").partition("[journal]")[0]
    assert written.count("# SET:") == 2
    assert main(["check", "--json", str(file)]) == 0
    report = json.loads(capfd.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert [each["code"] for each in report["warnings"]] == ["left-to-set"]


def test_the_check_warns_until_the_last_mark_is_gone(tmp_path: Path, capfd: Out) -> None:
    file = tmp_path / "site.toml"
    text = shipped_templates()["gas-valve-well"].read_text("utf-8")
    head, _, tail = text.rpartition("# SET:")
    file.write_text(head.replace("# SET:", "#") + "# SET:" + tail, "utf-8")
    assert main(["check", str(file)]) == 0
    line = head.count("\n") + 1
    assert f"site.toml:{line}: warning: 1 lines are still marked # SET:" in capfd.readouterr().out
    file.write_text(text.replace("# SET:", "#"), "utf-8")
    assert main(["check", str(file)]) == 0
    assert "still marked" not in capfd.readouterr().out


def test_wrong_uses_are_refused(tmp_path: Path, capfd: Out) -> None:
    file = tmp_path / "site.toml"
    wrong = [
        (["new", str(file), "--template", "h2s-wel"], "did you mean h2s-well-site?"),
        (["new", str(file)], "either --from-scan or --template"),
        (["new", "--template", "mine-slope"], "SITE.toml"),
        (["new", str(file), "--template", "mine-slope", "--red", "a.b >= 1 m"], "--red"),
    ]
    for arguments, said in wrong:
        assert main(arguments) == 2
        assert said in capfd.readouterr().err
    assert not file.exists()
    file.write_text("mine", "utf-8")
    assert main(["new", str(file), "--template", "mine-slope"]) == 2
    assert file.read_text("utf-8") == "mine"
