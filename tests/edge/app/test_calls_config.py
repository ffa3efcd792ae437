"""Contacts, groups and call ladders in a site file: read as written, refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.app.config import inspect_site
from edge.app.config.call_messages import longest, sms_parts, too_long
from edge.app.config.call_plans import call_plans
from edge.core.model import Level, RuleId

HEAD = """
[site]
id = "village"
name = "双河村"
time_zone = "Asia/Shanghai"

[[bus]]
id = "line"
kind = "rtu"
port = "/dev/serial/by-id/line"
baud = 9600
data_bits = 8
parity = "none"
stop_bits = 1

[[device]]
id = "river"
bus = "line"
profile = "dfrobot-sen0676"
address = 5
period_ms = 250

[[rule]]
id = "flood"
point = "river.level"
comparison = ">="
orange = "2.60 m"
red = "3.20 m"
lost = "hold"
plan = "evacuate"
"""

WANG = """
[[contact]]
id = "wang"
name = "王秀英"
role = "duty"
phone = "138 0000 0001"
"""

LI = """
[[contact]]
id = "li"
name = "Li"
role = "township"
phone = "+8613800000002"
texts = false
beidou = "247913"
language = "en"
"""

GROUP = """
[[group]]
id = "office"
name = "值班室"
contacts = ["wang", "li"]
"""

PLAN = """
[[plan]]
id = "evacuate"
answer_s = 300
"""

CALL = """
[[plan.call]]
level = "orange"
groups = ["office"]
"""

GOOD = HEAD + WANG + LI + GROUP + PLAN + CALL


@pytest.fixture
def check(tmp_path, monkeypatch):
    """A site file's Site and problems, in English."""
    monkeypatch.setenv("TONGLUO_LANG", "en")

    def run(text):
        path = tmp_path / "site.toml"
        Path(path).write_text(text, "utf-8")
        return inspect_site(path)

    return run


def test_a_plan_with_nothing_but_calls_is_a_plan(check):
    site, problems = check(GOOD)
    assert problems == ()
    plan = call_plans(site)[RuleId("flood")]
    (ladder,) = plan.ladders
    (rung,) = ladder.rungs
    assert [c.id for c in rung.contacts] == ["wang", "li"]
    assert rung.contacts[0].addresses == (("voice", "13800000001"), ("sms", "13800000001"))
    assert rung.contacts[1].addresses == (("voice", "+8613800000002"), ("beidou", "247913"))
    assert [c.acknowledges for c in rung.contacts] == [True, False]
    assert ladder.answer_s == 300
    assert ladder.repeat_s == 300
    assert rung.timing(Level.RED, "voice").every_s == 60
    assert rung.timing(Level.ORANGE, "voice").every_s == 180


def test_who_stands_in_two_groups_is_called_once(check):
    more = '\n[[group]]\nid = "more"\nname = "more"\ncontacts = ["li", "wang"]\n'
    call = '\n[[plan.call]]\nlevel = "red"\ngroups = ["office", "more"]\ncontacts = ["wang"]\n'
    site, _ = check(HEAD + WANG + LI + GROUP + more + PLAN + call)
    (rung,) = call_plans(site)[RuleId("flood")].ladders[0].rungs
    assert [c.id for c in rung.contacts] == ["wang", "li"]


def test_helpers_have_a_ladder_each(check):
    helper = (
        '\n[[plan.helper]]\nlevel = "orange"\npersons = ["陈奶奶", "李家"]\ncontacts = ["li"]\n'
    )
    site, problems = check(GOOD + helper)
    assert problems == ()
    ladders = call_plans(site)[RuleId("flood")].ladders
    assert [(each.id, each.persons) for each in ladders] == [
        ("duty", ()),
        ("helper-1", ("陈奶奶", "李家")),
    ]


NO_PHONE = WANG.replace('phone = "138 0000 0001"\n', "")
MISTAKES = {
    "unknown contact": (GOOD.replace('contacts = ["wang", "li"]', 'contacts = ["wnag"]'),
                        "group[0].contacts", "dangling", "wang"),
    "unknown group": (GOOD.replace('["office"]', '["offices"]'),
                      "plan[0].call[0].groups", "dangling", "office"),
    "duplicate number": (GOOD.replace("+8613800000002", "13800000001"),
                         "contact[1].phone", "duplicate-number", ""),
    "named twice": (GOOD.replace('["wang", "li"]', '["wang", "wang"]'),
                    "group[0].contacts", "named-twice", ""),
    "no address": (GOOD.replace(WANG, NO_PHONE), "contact[0]", "no-address", ""),
    "no number": (GOOD.replace("138 0000 0001", "call me"), "contact[0].phone", "bad-phone", ""),
    "no duty role": (GOOD.replace('role = "duty"', 'role = "village"'),
                     "plan[0].call", "no-duty", ""),
    "nobody called": (GOOD.replace('groups = ["office"]\n', ""), "plan[0].call[0]",
                      "nobody-called", ""),
    "reaches nobody": (GOOD.replace('["office"]', '["office"]\nchannels = ["mqtt"]'),
                       "plan[0].call[0].channels", "reaches-nobody", ""),
    "unknown channel": (GOOD.replace('["office"]', '["office"]\nchannels = ["pigeon"]'),
                        "plan[0].call[0].channels[0]", "not-one-of", ""),
    "unknown placeholder": (GOOD.replace(PLAN, PLAN + '[plan.zh]\nmessage = "{levle}"\n'),
                            "plan[0].zh.message", "no-placeholder", "level"),
    "lone brace": (GOOD.replace(PLAN, PLAN + '[plan.zh]\nmessage = "a } b"\n'),
                   "plan[0].zh.message", "no-placeholder", ""),
    "message too long": (GOOD.replace(PLAN, PLAN + f'[plan.zh]\nmessage = "{"水" * 200}"\n'),
                         "plan[0].zh.message", "message-too-long", ""),
    "repeats too soon": (GOOD.replace(PLAN, PLAN + "repeat_s = 5\n"), "plan[0].repeat_s",
                         "out-of-range", ""),
    "word without a word": (GOOD.replace(PLAN, PLAN + 'words = ["!?"]\n'), "plan[0].words",
                            "no-word", ""),
    "unknown role": (GOOD.replace('"duty"', '"dutty"'), "contact[0].role", "not-one-of", "duty"),
    "unknown measure": (GOOD + '\n[[plan.step]]\nlevel = "red"\nactuator = "river"\n'
                        'action = "x"\nmeasure = "cutt"\n',
                        "plan[0].step[0].measure", "not-one-of", "cut"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_said_where_it_is(check, name):
    text, path, code, hint = MISTAKES[name]
    site, problems = check(text)
    assert site is None
    found = [(p.path, p.code) for p in problems]
    assert (path, code) in found, found
    (problem,) = [p for p in problems if (p.path, p.code) == (path, code)][:1]
    assert problem.line > 1
    assert hint in problem.hint


def test_whom_no_channel_of_a_rung_reaches_is_warned_of(check):
    text = GOOD.replace('["office"]', '["office"]\nchannels = ["sms"]')
    site, _ = check(text)
    assert ("passed-over", "li") in [(w.code, w.found) for w in site.warnings]


def test_a_rule_that_never_reaches_the_first_call_is_warned_of(check):
    text = GOOD.replace('red = "3.20 m"\n', "").replace('level = "orange"', 'level = "red"')
    site, _ = check(text)
    assert "plan-too-high" in [w.code for w in site.warnings]


def test_the_longest_message_has_every_part_and_fits_each_channel(check):
    texts = (
        '[plan.zh]\nname = "河道转移"\nwhere = "村小学"\nroute = "后山路"\nleader = "组长王某"\n'
    )
    site, problems = check(GOOD.replace(PLAN, PLAN + texts))
    assert problems == ()
    ladder = call_plans(site)[RuleId("flood")].ladders[0]
    words = longest(site, site.plans[0], ladder, "zh")
    for part in ("演练", "双河村", "色预警", "m", "村小学", "后山路", "组长王某", "收到"):
        assert part in words
    short = longest(site, site.plans[0], ladder, "en short")
    assert len(short.encode("gbk")) <= 78


def test_short_messages_are_counted_as_networks_count_them():
    """3GPP TS 23.038 and 23.040: 160 and 153 septets, 70 and 67 UCS-2 units."""
    assert [sms_parts("a" * n) for n in (160, 161, 306, 307)] == [1, 2, 2, 3]
    assert [sms_parts("水" * n) for n in (70, 71, 134, 135)] == [1, 2, 2, 3]
    assert sms_parts("😀" * 35) == 1
    assert sms_parts("😀" * 36) == 2
    assert too_long("sms", "水" * 201) is None
    assert too_long("sms", "水" * 202) == ("4 SMS", "3 SMS")
    assert too_long("beidou", "水" * 39) is None
    assert too_long("beidou", "水" * 40) == ("80 B", "78 B")
    assert too_long("mqtt", "水" * 5000) is None
