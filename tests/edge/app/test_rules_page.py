"""docs/rules.md: every rule of the page is one that a box takes, read from the page itself."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from edge.app.config import Site, inspect_site
from edge.app.deciding import rule_set_of
from edge.core.model import Level, PointId
from edge.engine.conditions import tree
from edge.engine.conditions.bind import Scope, bind_level
from edge.engine.conditions.parse import parse
from edge.engine.conditions.words import show_level

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
POINTS = re.findall(r"^\| `([\w-]+)\.(\w+)` \| (\S+) \| (\S+) … (\S+) \|", PAGE, re.MULTILINE)

HEAD = """\
[site]
id = "page"
name = "page"
time_zone = "Asia/Shanghai"

[[bus]]
id = "lan"
kind = "tcp"
host = "192.168.1.20"
tcp_port = 502
"""
DEVICE = """\
[[device]]
id = "{device}"
bus = "lan"
profile = "{device}.toml"
address = {address}
period_ms = 1000
"""
PROFILE = """\
[device]
name = "x"
maker = "x"
model = "x"
kind = "other"
protocol = "modbus"
verified = false
source = "x"

[timing]
turnaround_ms = 30
timeout_ms = 200
late_ms = 400
"""
POINT = """
[point.{name}]
table = "holding"
address = {address}
type = "f32"
word_order = "high_first"
decimals = 3
unit = "{unit}"
range = [{low}, {high}]
description = {{ en = "x", zh = "x" }}
"""


def blocks() -> list[str]:
    """The pieces of site files on the page."""
    return re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def written_rules() -> list[str]:
    """The ids of the rules on the page."""
    return re.findall(r'^\[\[rule\]\]\nid = "(.*)"', PAGE, re.MULTILINE)


def write_site(folder: Path) -> Path:
    """A site with the points of the page's table and all of its rules."""
    devices = list(dict.fromkeys(device for device, *_ in POINTS))
    text = HEAD
    for number, device in enumerate(devices, start=1):
        text += DEVICE.format(device=device, address=number)
        profile = PROFILE
        for at, (owner, name, unit, low, high) in enumerate(POINTS):
            if owner == device:
                profile += POINT.format(name=name, address=2 * at, unit=unit, low=low, high=high)
        (folder / f"{device}.toml").write_text(profile, "utf-8")
    path = folder / "site.toml"
    path.write_text(text + "\n" + "\n".join(blocks()), "utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of the page, checked."""
    path = write_site(tmp_path_factory.mktemp("page"))
    found, problems = inspect_site(path)
    assert [str(each) + "\n" + each.excerpt for each in problems] == []
    assert found is not None
    return found


def test_the_page_has_its_points_and_rules(site: Site) -> None:
    """What the heading promises; nothing of it is skipped."""
    assert len(POINTS) == 32
    assert len(written_rules()) == 25
    assert re.search(r"^## Twenty-five rules$", PAGE, re.MULTILINE)
    assert [rule.id for rule in site.rules] == written_rules()
    assert [selector.name for selector in site.selectors] == ["soil"]
    assert site.warnings == ()


@pytest.mark.parametrize("name", written_rules())
def test_a_rule_of_the_page_is_bound_and_says_the_same_when_printed(site: Site, name: str) -> None:
    """Every point of it is in the table; its canonical text parses to the same tree."""
    rule = next(rule for rule in site.rules if rule.id == name)
    points = {str(point.id): point for point in site.points}
    assert rule.points <= set(points)
    assert rule.thresholds == {}
    scope = Scope(points.get, {"soil": ("wet", "normal", "dry")})
    for level in rule.condition.levels:
        words = show_level(level, lambda point: points[point].unit)
        assert bind_level(level.level, parse(words), scope) == level


def test_what_the_page_says_of_its_rules_holds(site: Site) -> None:
    """A sample: numbers in stored units, selector's points, degradation."""
    rules = {rule.id: rule for rule in site.rules}
    assert PointId("soil.moisture") in rules["flash-flood"].points
    assert rules["well-h2s"].condition.degrade is tree.Degrade.SAFETY
    assert rules["gnss"].condition.degrade is tree.Degrade.AVAILABILITY
    assert rules["flash-flood"].lost is Level.ORANGE
    crack = rules["crack"].condition.levels[0].raises
    window = tree.Window(tree.Function.ROBUST_RATE, PointId("crack.opening"), 86_400_000_000_000)
    assert crack == tree.Compare(window, ">", 2 / 86_400)


def test_the_engine_takes_every_rule_of_the_page(site: Site) -> None:
    """Together, in memory that is stated."""
    rules = rule_set_of(site, {})
    assert rules.points == frozenset().union(*(rule.points for rule in site.rules))
    assert 0 < rules.memory_bytes() < 16 << 20


@cache
def table(heading: str) -> list[str]:
    """The first cells of the table below a heading."""
    part = PAGE[PAGE.index(f"\n{heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert rows is not None
    return [row.split("|")[1] for row in rows[0].splitlines()[2:]]


def test_the_grammar_of_the_page_is_that_of_the_parser(site: Site) -> None:
    """Each line of its table parses, and every function is in the table of windows."""
    known = {str(point.id): point for point in site.points}
    known["cam.smoke"] = replace(known["cam-a.smoke"], id=PointId("cam.smoke"))
    scope = Scope(known.get, {"soil": ("wet", "normal", "dry")})
    for cell in table("## Conditions"):
        for text in re.findall(r"`([^`]*)`", cell):
            full = re.sub(r"\bb\b", "river.level < 2 m", text)
            full = re.sub(r"\b[ac]\b", "river.level >= 3 m", full)
            assert bind_level(Level.RED, parse(full), scope).level is Level.RED
    functions = " ".join(table("### Windows"))
    assert all(f"{each.value}" in functions for each in tree.Function)
