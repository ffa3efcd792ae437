"""Every shipped template: it passes the check, is proven, and speaks both languages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from edge.app.commissioning.site_templates import shipped_templates
from edge.app.config import Site, inspect_site
from edge.app.config.call_messages import longest, too_long
from edge.app.config.call_plans import plan_of
from edge.app.config.marks import MARK
from edge.app.exercises import Exercises
from edge.app.proof import judge
from edge.core.calls import SMS, VOICE
from edge.core.model import Level

TEMPLATES = shipped_templates()
PAGE = (Path(__file__).parents[4] / "docs" / "templates.md").read_text("utf-8")
SITES = (
    "ammonia-cold-store", "care-home-co", "chemical-tank-farm", "confined-space",
    "flash-flood-village", "forest-fire-station", "gas-valve-well", "h2s-well-site",
    "landslide-slope", "mine-slope", "reservoir-dyke", "waterlogged-underpass",
)  # fmt: skip
LEAVING = ("when", "who", "leader", "where", "route", "keep")
REST = {
    "confined-space": {"o2.gas": 20.9, "panel.di2": 1.0},
    "landslide-slope": {"panel.di2": 1.0, "solar.battery_voltage": 12.9},
    "mine-slope": {"panel.di2": 1.0, "panel.di3": 1.0, "solar.battery_voltage": 12.9},
    "forest-fire-station": {"weather.humidity": 50.0, "solar.battery_voltage": 12.9},
    "gas-valve-well": {"solar.battery_voltage": 12.9},
}

every_template = pytest.mark.parametrize("name", TEMPLATES)


def text_of(name: str) -> str:
    return TEMPLATES[name].read_text("utf-8")


def site_of(name: str) -> Site:
    site, problems = inspect_site(TEMPLATES[name])
    assert [str(each) for each in problems] == []
    assert site is not None
    return site


def test_there_is_one_for_each_kind_of_site() -> None:
    assert tuple(TEMPLATES) == SITES


@every_template
def test_it_passes_the_check_and_every_rule_sounds_in_its_budget(name: str) -> None:
    """With a silent device on each line, no exception, and no warning but of what is to be set."""
    site = site_of(name)
    judged = judge(site)
    assert [str(each) for each in judged.problems] == []
    assert [each.code for each in (*site.warnings, *judged.warnings)] == ["left-to-set"]
    assert site.proof.dead_devices == 1
    assert site.overrides == ()
    sounding = {bound.rule for bound in judged.proof.bounds}
    planned = {plan.id for plan in site.plans if plan.steps}
    assert sounding == {rule.id for rule in site.rules if rule.plan in planned}


@every_template
def test_the_mark_stands_on_all_that_is_the_site_s_own(name: str) -> None:
    """Site, wiring, people and their numbers; the numbers are nobody's."""
    lines = text_of(name).splitlines()
    for key in ("port", "phone", "profile", "address", "latitude", "time_zone", "persons", "who"):
        written = [line for line in lines if line.startswith(f"{key} = ")]
        assert written or key == "persons", key
        assert all(MARK in line for line in written), key
    site = site_of(name)
    numbers = [contact.phone or "" for contact in site.contacts]
    assert numbers == [f"0000000{n:02d}" for n in range(1, len(numbers) + 1)]
    assert {contact.role for contact in site.contacts} >= {"duty", "township"}


@every_template
def test_each_threshold_has_a_source_or_is_said_to_be_the_site_s_own(name: str) -> None:
    """In the comment before the rule; what is [local] is marked to be set."""
    comment = ""
    for part in re.split(r"(?=^\[\[)", text_of(name), flags=re.MULTILINE):
        block, _, tail = part.rstrip().rpartition("\n\n")
        if not tail.startswith("#"):
            block, tail = part, ""
        if block.startswith("[[rule]]"):
            rule = tomllib.loads(block)["rule"][0]
            conditions = " ".join(str(rule.get(level.name.lower(), "")) for level in Level)
            if set(re.findall(r"[\d.]+ (\S+?)\b", conditions)) - {"state", "of", "readings", "s"}:
                said = comment + block
                assert re.search(r"domain \d|\[local\]", said), rule["id"]
                assert MARK in block or "[local]" not in said, rule["id"]
        comment = tail or comment


@every_template
def test_plans_say_everything_in_both_languages(name: str) -> None:
    """Whoever has to leave is told when, where to, by which way, who leads; and it can be said."""
    site = site_of(name)
    for plan in site.plans:
        entry = plan.entry
        assert entry is not None
        assert entry.zh is not None
        assert entry.en is not None
        assert entry.zh.name
        assert entry.en.name
        if any(step.measure == "withdraw" for step in plan.steps):
            assert all(getattr(entry.zh, key) and getattr(entry.en, key) for key in LEAVING)
        for ladder in plan_of(plan, site).ladders if plan.calls else ():
            for tongue in ("zh", "en"):
                said = longest(site, plan, ladder, tongue)
                if tongue == "en":
                    # the names of an English site are in Latin letters
                    said = "".join(each if each.isascii() else "xx" for each in said)
                assert [too_long(channel, said) for channel in (VOICE, SMS)] == [None, None], said
    assert any(plan.calls for plan in site.plans)


@every_template
def test_every_broadcast_message_is_written_down_in_both_languages(name: str) -> None:
    text, site = text_of(name), site_of(name)
    played = {
        number
        for plan in site.plans
        for step in plan.steps
        if step.actuator == "horn"
        for number in (step.arguments["message"], step.drill and step.drill.arguments["message"])
    }
    assert played
    for number in played:
        assert re.search(rf"^#   {number} zh \S+", text, re.MULTILINE)
        assert re.search(rf"^#   {number} en \S+", text, re.MULTILINE)


@every_template
def test_broadcasts_are_heard_or_replaced_and_what_is_cut_stays_cut(name: str) -> None:
    """Channel 2 of the relay is another line than the amplifier's; a drill has its own message."""
    site = site_of(name)
    bus_of = {device.id: device.bus for device in site.devices}
    steps = [step for plan in site.plans for step in plan.steps]
    assert {step.measure for step in steps} & {"cut", "forbid", "stop", "withdraw", "divert"}
    for step in steps:
        if step.actuator == "horn":
            assert step.heard is not None
            assert step.backup is not None
            assert bus_of[step.backup.actuator] != bus_of["horn"]
            assert step.drill is not None
            assert step.drill.arguments["message"] == 90
        else:
            assert step.drill is None
        if step.measure == "cut":
            assert step.stop is None
    used = {step.arguments["channel"] for step in steps if step.actuator == "relay"}
    listed = re.findall(r"^#   (\d) [^\n]+ / ", text_of(name), re.MULTILINE)
    assert used | {2} == {int(channel) for channel in listed}


@every_template
def test_the_link_is_a_placeholder_that_fits(name: str) -> None:
    tail = text_of(name).partition("# [[link]]")[2]
    assert tail
    [link] = tomllib.loads("[[link]]" + tail.replace("\n# ", "\n"))["link"]
    assert (link["kind"], link["host"]) == ("mqtt", "mqtt.example.org")
    assert site_of(name).links == ()


@every_template
def test_a_drill_says_that_it_is_one_and_moves_nothing_else(name: str, play) -> None:
    scene = play(name, REST.get(name), settle_s=10)
    plans = {plan.id for plan in scene.site.plans for step in plan.steps if step.actuator == "horn"}
    rule = next(rule.id for rule in scene.site.rules if rule.plan in plans)
    request = {"do": "start", "rule": rule, "mode": "announced", "by": "wang", "reason": "monthly"}
    Exercises(scene.agent).drill(request)
    scene.run(10)
    assert scene.message("horn") == 90
    assert scene.closed("relay") == set()
    assert scene.called()
    assert all(request.drill for request in scene.phones.rung)


@every_template
def test_the_page_has_a_row_for_it(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE)
    assert re.search(rf"^### {name}$", PAGE, re.MULTILINE)


def test_the_page_names_no_template_that_is_not_there() -> None:
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)) == SITES
