"""``tongluo backtest`` at the command line: reports, files, JSON, and clear mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edge.cli.main import main

DATA = Path(__file__).parents[2] / "data" / "telemetry"
SITE = str(DATA / "site.toml")
TIDE = [str(DATA / "noaa_8658120.csv"), "--map", "wl_m=log.tide:m"]
SWEEP = "rule=high-water:level=red:0.6 m..0.9 m:4"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def events(tmp_path: Path) -> str:
    """Two high tides of the record, and one that came after it."""
    path = tmp_path / "events.csv"
    path.write_text(
        "begin,end,label,level,rule\n"
        "2024-02-22T07:00:00-05:00,2024-02-22T11:00:00-05:00,spring tide,red,high-water\n"
        "2024-02-23T08:00:00-05:00,2024-02-23T12:00:00-05:00,storm <surge>,,high-water\n"
        "2030-01-01T00:00:00Z,,later,,\n",
        encoding="utf-8",
    )
    return str(path)


def test_a_report_says_what_counts_first(capsys: pytest.CaptureFixture[str], events: str) -> None:
    """Which events were warned of, how early, and how often for nothing."""
    assert main(["backtest", SITE, *TIDE, "--events", events, "--before", "6 h"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "Back-test of 溪口村"
    assert "3000 readings judged, 2 labelled events" in lines[1]
    assert any(line.startswith("high-water, BLUE: 2 of 2 events were warned of") for line in lines)
    assert any("later" in line and "not covered" in line for line in lines)
    assert any("soaked" in line and "CAUTION" in line for line in lines)
    assert told.err == ""


def test_the_report_is_chinese_where_people_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, events: str
) -> None:
    """No English sentence is left in it."""
    monkeypatch.setenv("TONGLUO_LANG", "zh")
    assert main(["backtest", SITE, *TIDE, "--events", events, "--sweep", SWEEP]) == 0
    out = capsys.readouterr().out
    assert "个事件中预警了" in out
    for word in ("alarm", "miss", "false", "lead", "threshold", "level", "event"):
        assert word not in out.replace("--events", ""), word


def test_json_has_the_same_in_numbers(capsys: pytest.CaptureFixture[str], events: str) -> None:
    """One object."""
    assert main(["backtest", SITE, *TIDE, "--events", events, "--sweep", SWEEP, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    [site] = document["sites"]
    assert site["samples"] == 3000
    blue = next(r for r in site["rules"] if (r["rule"], r["level"]) == ("high-water", "blue"))
    assert (blue["hits"], blue["misses"], len(blue["warned"])) == (2, 0, 2)
    assert blue["alarms"] == len(blue["spans"])
    assert [c["written"] for c in document["sweep"]["curves"][0]["choices"]] == [
        "0.6 m", "0.7 m", "0.8 m", "0.9 m",
    ]  # fmt: skip
    assert document["input"]["series"][0]["gap_ms"] == 360_000


def test_files_for_people_and_programs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, events: str
) -> None:
    """A page that needs nothing else, pictures, tables, and every decision."""
    out = tmp_path / "report"
    arguments = ["--events", events, "--sweep", SWEEP, "--against", SITE, "--out", str(out)]
    assert main(["backtest", SITE, *TIDE, *arguments]) == 0
    told = capsys.readouterr()
    assert str(out / "report.html") in told.err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<td>storm &lt;surge&gt;</td>" in page
    assert page.count("<svg") == 2
    assert "http://www.w3.org/2000/svg" in page
    assert "src=" not in page
    assert (out / "report.txt").read_text(encoding="utf-8").strip() == told.out.strip()
    for name in ("timeline.svg", "sweep.svg"):
        ET.fromstring((out / name).read_text(encoding="utf-8"))
    decisions = (out / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
    sites = json.loads((out / "result.json").read_text(encoding="utf-8"))["sites"]
    assert len(decisions) == sites[0]["decisions"]
    assert json.loads(decisions[0])["rule"]
    table = (out / "sweep.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith("file,threshold,written,present,rule,level,alarms")
    assert len(table) == 1 + 2 * 4


def test_without_the_program_for_png_it_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SVG pictures are there all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "report"
    assert main(["backtest", SITE, *TIDE, "--out", str(out)]) == 0
    assert "rsvg-convert" in capsys.readouterr().err
    assert (out / "timeline.svg").exists()
    assert not list(out.glob("*.png"))


def test_two_files_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What only one of them would have raised."""
    text = (DATA / "site.toml").read_text(encoding="utf-8")
    (tmp_path / "logger.toml").write_text((DATA / "logger.toml").read_text(encoding="utf-8"))
    other = tmp_path / "other.toml"
    other.write_text(text.replace('red = "0.80 m"', 'red = "0.75 m"'), encoding="utf-8")
    assert main(["backtest", SITE, *TIDE, "--against", str(other)]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("Alarms that only one of the files raises")
    rows = [line for line in lines[begin + 2 :] if line.startswith("  ")]
    assert rows
    assert all("high-water" in row and "RED" in row for row in rows[: lines[begin:].index("") - 2])
    assert "other.toml" in rows[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([SITE, "none.csv"], ["none.csv"]),
        ([SITE, *TIDE, "--map", "wl_m=log.tide"], ["wl_m", "twice"]),
        ([SITE, *TIDE, "--zone", "Mars/Olympus"], ["Mars/Olympus"]),
        ([SITE, *TIDE, "--before", "soon"], ["soon", "30 min"]),
        ([SITE, *TIDE, "--sweep", "red"], ["red", "--sweep"]),
        ([SITE, TIDE[0]], ["wl_m", "log.tide", "--map"]),
    ],
)
def test_mistakes_are_said_clearly(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    """Exit status 2, the mistake, and what to write instead."""
    assert main(["backtest", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert all(word in told.err for word in words), told.err
