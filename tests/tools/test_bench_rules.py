"""The rules bench: it runs, and its two implementations do check each other."""

from __future__ import annotations

import json

import pytest

from edge.core.model import Level
from edge.engine.quality import Checks
from tools.bench import rules
from tools.bench.rules import Disagreement, judge_all, mix, rule_set
from tools.bench.rules_rescan import Rescan
from tools.bench.rules_site import make_site, readings


def test_the_bench_reports_flat_numbers(monkeypatch, capsys) -> None:
    """In the house format, the last line of stdout; the cost of lengths is asked for elsewhere."""
    monkeypatch.setattr(rules, "HOUR_S", 60.0)
    monkeypatch.setattr(rules, "lengths", lambda samples, period_s: 1.0)
    monkeypatch.setattr(rules.mix, "__defaults__", (60.0,))
    backtested = {"backtest_samples_per_s": 1.0}
    monkeypatch.setattr(rules, "measure_backtest", lambda samples, data: backtested)
    assert rules.main(["--json", "--samples", "1500", "--rescans", "600"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result) == ["bench", "settings", "figures", "ratios"]
    numbers = {**result["settings"], **result["figures"], **result["ratios"]}
    assert all(isinstance(value, int | float) for value in numbers.values())
    wanted = {"samples_per_s", "window_7d_over_10min", "memory_stated_bytes", "rescan_ratio"}
    assert wanted <= numbers.keys()
    assert numbers["memory_measured_bytes"] <= numbers["memory_stated_bytes"]


def test_lengths_compare_full_windows() -> None:
    """A ratio of two costs that both were paid."""
    assert 0.1 < rules.lengths(600, 0.1) < 10


def test_agent_and_rescan_agree_on_a_stream_in_which_every_kind_of_rule_speaks() -> None:
    """Else agreement would say little: all levels, unknown, losses, sums, rates and votes."""
    site = make_site(6, 1.0, 120.0)
    numbers, _ = mix(6, 12_000, 12_000, 120.0)
    assert numbers["verdicts"] == numbers["verdicts_compared"] > 300
    found = judge_all(Checks(site.points, site.checks), rule_set(site), readings(site, 12_720))
    said = {(rule.partition(" ")[0], level) for rule, level in found}
    assert {("level", level) for level in (None, *Level)} <= said
    assert {("sum", None), ("sum", Level.NORMAL), ("sum", Level.RED)} <= said
    assert {("rate", Level.NORMAL), ("rate", Level.ORANGE)} <= said
    assert {("votes", Level.NORMAL), ("votes", Level.RED)} <= said


@pytest.mark.parametrize("wrong", ["_sum", "_rate", "_votes", "_threshold"])
def test_a_rule_that_is_judged_otherwise_is_found(monkeypatch, wrong) -> None:
    """Each rule in turn, made blind in the scan."""
    monkeypatch.setattr(Rescan, wrong, lambda *_: None)
    with pytest.raises(Disagreement):
        mix(6, 3000, 3000, 120.0)
