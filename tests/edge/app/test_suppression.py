"""Alarm keys of a site file: what they give, and what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.app.alarm_policy import limits_of, policy_of
from edge.app.config import inspect_site, load_site
from edge.core.model import Level, RuleId
from edge.engine.alarms import AlarmPolicy
from edge.engine.silence import Limits

FLOOD = RuleId("river-flood")
DEMO = Path(__file__).parents[3] / "tools" / "demo" / "site.toml"
RULE = """
[[rule]]
id = "{id}"
point = "gas.gas"
comparison = ">="
yellow = "7 ppm"
lost = "hold"
{keys}
"""


def write(folder: Path, **rules: str) -> Path:
    text = re.sub(r"@([a-z-]+)@", r"/dev/\1", DEMO.read_text("utf-8"))
    path = folder / "site.toml"
    extra = "".join(
        RULE.format(id=name, keys=keys) for name, keys in rules.items() if name != "top"
    )
    path.write_text(text + extra + rules.get("top", ""), "utf-8")
    return path


def test_keys_become_policies_and_limits(tmp_path: Path) -> None:
    keys = (
        'zone = "village"\nre_alarm_s = 600\nsuppressed_by = ["river-flood"]\n'
        'suppressed_up_to = "red"\nlatch = "none"\n'
    )
    site = load_site(write(tmp_path, a=keys, b="", top="[alarms]\nshelve_max_h = 2\n"))
    by_id = {rule.id: policy_of(rule) for rule in site.rules}
    assert by_id["a"] == AlarmPolicy(None, 600.0, (FLOOD,), Level.RED, "village")
    assert by_id["b"] == AlarmPolicy()
    assert limits_of(site) == Limits(2 * 3600.0, 8 * 3600.0)


def test_without_keys_nothing_is_suppressed_and_eight_hours_are_the_most(tmp_path: Path) -> None:
    site = load_site(write(tmp_path))
    assert limits_of(site) == Limits(8 * 3600.0, 8 * 3600.0)
    assert {policy_of(rule) for rule in site.rules} == {AlarmPolicy(Level.RED)}


@pytest.mark.parametrize(
    ("rules", "code", "key"),
    [
        ({"a": 'suppressed_by = ["river-flod"]'}, "dangling", "suppressed_by"),
        ({"a": 'suppressed_by = ["a"]'}, "suppresses-itself", "suppressed_by"),
        ({"a": "suppressed_by = []"}, "wrong-length", "suppressed_by"),
        ({"a": 'suppressed_by = "river-flood"'}, "wrong-type", "suppressed_by"),
        ({"a": 'suppressed_up_to = "red"'}, "not-applicable", "suppressed_up_to"),
        (
            {"a": 'suppressed_by = ["river-flood"]\nsuppressed_up_to = "pink"'},
            "not-one-of",
            "suppressed_up_to",
        ),
        ({"a": "re_alarm_s = 1"}, "out-of-range", "re_alarm_s"),
        ({"top": "[alarms]\nshelve_max_h = 9\n"}, "out-of-range", "shelve_max_h"),
        ({"top": "[alarms]\ninhibit_max_h = 100\n"}, "out-of-range", "inhibit_max_h"),
        ({"top": "[alarms]\nshelve_h = 1\n"}, "unknown-key", "shelve_h"),
        (
            {"a": 'suppressed_by = ["s"]', "s": "shadow = true"},
            "dangling",
            "suppressed_by",
        ),
    ],
)
def test_a_mistake_is_found_and_nothing_else_is_said(
    tmp_path: Path, rules: dict[str, str], code: str, key: str
) -> None:
    _, problems = inspect_site(write(tmp_path, **rules))
    assert [(each.code, each.path.rpartition(".")[2]) for each in problems] == [(code, key)]


def test_every_rule_of_a_circle_is_told(tmp_path: Path) -> None:
    rules = {
        "a": 'suppressed_by = ["b"]',
        "b": 'suppressed_by = ["c", "river-flood"]',
        "c": 'suppressed_by = ["a"]',
        "d": 'suppressed_by = ["a"]',
    }
    _, problems = inspect_site(write(tmp_path, **rules))
    assert [each.code for each in problems] == ["suppresses-itself"] * 3
