"""The back-test's part of the rules bench: what it measures is a back-test that decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.rules_backtest import measure
from tools.recorded_walk import live_log as all_lines

RECORDED = Path(__file__).parents[1] / "data" / "telemetry"


def test_a_made_record_goes_through_with_three_rules_per_point() -> None:
    """Every sample of it, and rules that fire: a bench of rules that sleep measures nothing."""
    figures = measure(6400, runs=1)
    assert figures["backtest_samples"] == 6400
    assert figures["backtest_rules"] == 3 * 32
    assert figures["backtest_decisions"] > 0
    assert figures["backtest_samples_per_s"] > 0


def test_recorded_series_of_a_folder_go_through_whole(tmp_path: Path) -> None:
    """Series of one name in two files are two series; other files are left alone."""
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_bytes((RECORDED / "noaa_8658120.csv").read_bytes())
    (tmp_path / "events.csv").write_text("begin,end,label\n")
    figures = measure(data=tmp_path, runs=1)
    assert figures["backtest_samples"] == 6000
    assert figures["backtest_rules"] == 6
    assert figures["backtest_decisions"] > 0
    assert figures["backtest_unlike_live"] == 0


def test_a_decision_that_differs_from_the_running_agent_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that is missing at the end."""
    from tools.bench import rules_backtest

    monkeypatch.setattr(rules_backtest, "live_log", lambda *given: all_lines(*given)[:-1])
    assert measure(6400, runs=1)["backtest_unlike_live"] == 1


def test_a_folder_without_series_is_refused(tmp_path: Path) -> None:
    """Instead of a figure of nothing."""
    with pytest.raises(ValueError, match="time,series,value"):
        measure(data=tmp_path)
