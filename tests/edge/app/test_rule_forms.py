"""Rules and selectors in site files: both forms resolved, each mistake at its line and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from edge.app.config import Problem, Site, inspect_site
from edge.app.config.linemap import scan
from edge.app.config.problems import Mark
from edge.cli.check import check
from edge.core.model import Level, PointId
from edge.engine.conditions import tree

BASE = """\
[site]
id = "forms"
name = "forms"
time_zone = "Asia/Shanghai"

[[bus]]
id = "lan"
kind = "tcp"
host = "192.168.1.20"
tcp_port = 502

[[device]]
id = "river"
bus = "lan"
profile = "dfrobot-sen0676"
address = 1
period_ms = 1000

[[device]]
id = "gauge"
bus = "lan"
profile = "sl651-sensor"
address = 2
period_ms = 1000

[[device]]
id = "soil-probe"
bus = "lan"
profile = "dfrobot-sen0600"
address = 3
period_ms = 1000

[[point]]
id = "river.level"
range = ["0 m", "8 m"]

"""
SELECTOR = """\
[[selector]]
id = "soil"
choices = [
    { name = "wet", when = "soil-probe.moisture >= 35 %" },
]
otherwise = "dry"
unknown = "wet"

"""
LONG = """\
[[rule]]
id = "flood"
orange = "river.level >= 2.60 m for 3 readings"
red = "sum(gauge.rain, 1 h) >= pick(soil, dry 60 mm, wet 45 mm) or river.level >= 3.20 m for 20 s"
lost = "orange"
"""
SHORT = """\
[[rule]]
id = "level"
point = "river.level"
comparison = ">="
orange = "260 cm"
red = "3.20 m"
lost = "hold"
"""
RIVER = PointId("river.level")
VALUE = tree.Value(RIVER)

Inspect = Callable[[str], tuple[Site | None, tuple[Problem, ...]]]


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Reads the base with this after it."""

    def inspect_text(text: str) -> tuple[Site | None, tuple[Problem, ...]]:
        file = tmp_path / "site.toml"
        file.write_text(BASE + text, encoding="utf-8")
        return inspect_site(file)

    return inspect_text


def resolved(found: tuple[Site | None, tuple[Problem, ...]]) -> Site:
    site, problems = found
    assert [str(each) for each in problems] == []
    assert site is not None
    return site


# -- right ones -------------------------------------------------------------------------------


def test_the_long_form_is_resolved(inspect: Inspect) -> None:
    """A condition per level, lowest first; all points, also those of the selectors it picks by."""
    site = resolved(inspect(SELECTOR + LONG))
    (rule,) = site.rules
    condition = rule.condition
    assert [level.level for level in condition.levels] == [Level.ORANGE, Level.RED]
    assert condition.levels[0].raises == tree.Repeated(tree.Compare(VALUE, ">=", 2.6), 3, 3)
    assert (condition.rule, condition.lost, condition.degrade) == (
        "flood", Level.ORANGE, tree.Degrade.NO,
    )  # fmt: skip
    assert rule.points == {"river.level", "gauge.rain", "soil-probe.moisture"}
    assert site.watched() == rule.points
    assert (rule.highest, rule.lost, rule.latch) == (Level.RED, Level.ORANGE, Level.RED)
    assert (rule.zone, rule.shadow, rule.shadow_of, rule.thresholds) == (None, False, None, {})
    wet = tree.Compare(tree.Value(PointId("soil-probe.moisture")), ">=", 35.0)
    assert site.selectors == (tree.Selector("soil", (tree.Choice("wet", wet),), "dry", "wet"),)
    assert site.warnings == ()


def test_the_short_form_is_the_same_as_conditions(inspect: Inspect) -> None:
    """Hold and hysteresis become a held comparison and the opposite one, in the stored unit."""
    more = 'hysteresis = "10 cm"\nhold_s = 1.5\n'
    (rule,) = resolved(inspect(SHORT + more)).rules
    assert rule.condition.levels == (
        tree.LevelCondition(
            Level.ORANGE,
            tree.Held(tree.Compare(VALUE, ">=", 2.6), 1_500_000_000),
            tree.Compare(VALUE, "<", 2.5),
        ),
        tree.LevelCondition(
            Level.RED,
            tree.Held(tree.Compare(VALUE, ">=", 3.2), 1_500_000_000),
            tree.Compare(VALUE, "<", 3.1),
        ),
    )
    assert rule.points == {RIVER}
    assert (rule.point, rule.comparison) == (RIVER, ">=")
    assert rule.thresholds == {Level.ORANGE: 2.6, Level.RED: 3.2}


@pytest.mark.parametrize(
    ("comparison", "opposite", "release"),
    [(">=", "<", 3.1), (">", "<=", 3.1), ("<=", ">", 3.3), ("<", ">=", 3.3)],
)
def test_hysteresis_lies_on_the_safe_side(
    inspect: Inspect, comparison: str, opposite: str, release: float
) -> None:
    text = SHORT.replace('orange = "260 cm"\n', 'hysteresis = "0.1 m"\n')
    (rule,) = resolved(inspect(text.replace('">="', f'"{comparison}"'))).rules
    assert rule.condition.levels[0].clears == tree.Compare(VALUE, opposite, release)


def test_without_hysteresis_nothing_else_clears(inspect: Inspect) -> None:
    (rule,) = resolved(inspect(SHORT)).rules
    assert rule.condition.levels[1] == tree.LevelCondition(
        Level.RED, tree.Compare(VALUE, ">=", 3.2)
    )


def test_votes_may_degrade(inspect: Inspect) -> None:
    text = LONG.replace("river.level >= 2.60 m for 3 readings", "1 of (lost(river.level))")
    text = text.replace('lost = "orange"', 'lost = "degrade"\ndegrade = "safety"')
    (rule,) = resolved(inspect(SELECTOR + text)).rules
    assert (rule.condition.lost, rule.condition.degrade) == (None, tree.Degrade.SAFETY)


def test_degrading_needs_votes_and_a_policy(inspect: Inspect) -> None:
    """Neither is guessed; the short form has nothing to vote on."""
    text = LONG.replace("river.level >= 2.60 m for 3 readings", "1 of (lost(river.level))")
    _, problems = inspect(SELECTOR + text.replace('lost = "orange"', 'lost = "degrade"'))
    assert [(each.code, each.path) for each in problems] == [("missing-key", "rule[0].degrade")]
    _, problems = inspect(SHORT.replace('"hold"', '"degrade"\ndegrade = "safety"'))
    assert [(each.code, each.path) for each in problems] == [("not-applicable", "rule[0].lost")]


def test_a_shadow_feeds_no_alarm(inspect: Inspect) -> None:
    """It may name the rule it could replace; its own points need not be read in time."""
    one = LONG.replace('"flood"', '"new"') + 'shadow = "level"\nzone = "upper"\n'
    two = LONG.replace('"flood"', '"alone"') + "shadow = true\n"
    site = resolved(inspect(SELECTOR + one + two + SHORT))
    assert [(rule.shadow, rule.shadow_of) for rule in site.rules] == [
        (True, "level"), (True, None), (False, None),
    ]  # fmt: skip
    assert site.rules[0].zone == "upper"
    assert site.watched() == {RIVER}


def test_a_condition_may_go_over_several_lines(inspect: Inspect) -> None:
    words = '"""\n  river.level >= 3.20 m\n  and lost(gauge.rain)\n"""'
    text = f'[[rule]]\nid = "x"\nred = {words}\nlost = "hold"\n'
    (rule,) = resolved(inspect(text)).rules
    assert rule.points == {"river.level", "gauge.rain"}


# -- mistakes ---------------------------------------------------------------------------------

# (what of SELECTOR + LONG is replaced, by what, code, path, marked part or "" for the whole key)
MISTAKES = [
    ("3.20 m for", "3.20 V for", "wrong-dimension", "rule[0].red", "3.20 V"),
    ("3.20 m for", "3.20 for", "unit-missing", "rule[0].red", "3.20"),
    ("3.20 m for", "3.20 米 for", "unknown-unit", "rule[0].red", "3.20 米"),
    ("3.20 m for", "9 m for", "never-reached", "rule[0].red", "9 m"),
    ("3.20 m for", "0 m for", "always-true", "rule[0].red", "0 m"),
    ("3.20 m for", "3.20 m fro", "condition-syntax", "rule[0].red", "fro"),
    ("3.20 m for 20 s", "3.20 m for", "condition-end", "rule[0].red", " "),
    ("20 s", "20 seconds", "length-of-time", "rule[0].red", "20 seconds"),
    ("or river.level", "or rivre.level", "dangling", "rule[0].red", "rivre.level"),
    ("or river.level", "or river.levle", "dangling", "rule[0].red", "river.levle"),
    ("gauge.rain", "gauge.level", "not-of-unit", "rule[0].red", "gauge.level"),
    ("pick(soil", "pick(siol", "dangling", "rule[0].red", "siol"),
    ("dry 60 mm", "day 60 mm", "dangling", "rule[0].red", "day"),
    ("dry 60 mm, ", "", "choice-missing", "rule[0].red", "soil, wet 45 mm"),
    ('"river.level >= 2.60 m for 3 readings"', '""', "condition-empty", "rule[0].orange", '"'),
    ('"river.level >= 2.60 m for 3 readings"', "3", "wrong-type", "rule[0].orange", ""),
    ('lost = "orange"\n', "", "missing-key", "rule[0].lost", ""),
    ('lost = "orange"', 'lost = "degrade"\ndegrade = "safety"', "not-applicable", "rule[0].lost",
     ""),
    ('lost = "orange"', 'lost = "orange"\ndegrade = "safety"', "not-applicable",
     "rule[0].degrade", ""),
    ('lost = "orange"', 'lost = "orange"\nhold_s = 3', "unknown-key", "rule[0].hold_s", ""),
    ('lost = "orange"', 'lost = "orange"\nzone = "A b"', "bad-id", "rule[0].zone", ""),
    ('lost = "orange"', 'lost = "orange"\nshadow = 1', "wrong-type", "rule[0].shadow", ""),
    ('lost = "orange"', 'lost = "orange"\nshadow = "flod"', "dangling", "rule[0].shadow", ""),
    ("moisture >= 35 %", "moisture >= 35 V", "wrong-dimension",
     "selector[0].choices[0].when", "35 V"),
    ("moisture >= 35 %", "moisture >= 35 % clear when lost(river.level)", "nothing-clears",
     "selector[0].choices[0].when", "clear"),
    ("moisture >= 35 %", "moisture >= pick(soil, dry 3 %)", "nothing-picked",
     "selector[0].choices[0].when", "soil"),
    ('unknown = "wet"', 'unknown = "damp"', "not-one-of", "selector[0].unknown", ""),
    ('unknown = "wet"', 'unknown = "wet"\nx = 1', "unknown-key", "selector[0].x", ""),
    ('name = "wet", ', "", "missing-key", "selector[0].choices[0].name", ""),
    ('%" },', '%" }, { name = "wet", when = "lost(river.level)" }', "choice-twice",
     "selector[0].choices[1].name", ""),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each[2]}-{each[4]}")
def test_a_mistake_is_found_at_its_column(
    inspect: Inspect, tmp_path: Path, mistake: tuple[str, str, str, str, str]
) -> None:
    """One problem, its code, its key, and the caret under what is wrong; the file has it there."""
    old, new, code, path, part = mistake
    text = SELECTOR + LONG
    assert old in text
    _, problems = inspect(text.replace(old, new, 1))
    assert [(each.code, each.path) for each in problems] == [(code, path)]
    (problem,) = problems
    if not part:
        assert (problem.column, problem.excerpt, problem.caret) == (None, "", "")
        return
    line = (tmp_path / "site.toml").read_text("utf-8").splitlines()[problem.line - 1]
    assert problem.column is not None
    if code not in ("condition-end", "condition-empty"):
        assert line[problem.column - 1 :].startswith(part)
        at = problem.caret.index("^")
        assert problem.excerpt[at:].startswith(part)
    assert str(problem).startswith(f"{tmp_path / 'site.toml'}:{problem.line}:{problem.column}: ")


def test_all_mistakes_of_a_file_are_found_at_once(inspect: Inspect) -> None:
    """In several texts, and several in one."""
    text = SELECTOR.replace("35 %", "35 V") + LONG.replace("2.60 m", "2.60 ppm").replace(
        "60 mm, wet 45 mm", "60 V, wet 45 W"
    )
    _, problems = inspect(text)
    assert [each.path.partition(".")[2] for each in problems] == [
        "choices[0].when", "orange", "red", "red",
    ]  # fmt: skip


def test_a_wrong_selector_is_not_blamed_on_its_rules(inspect: Inspect) -> None:
    _, problems = inspect(SELECTOR.replace('otherwise = "dry"\n', "") + LONG)
    assert [(each.code, each.path) for each in problems] == [
        ("missing-key", "selector[0].otherwise")
    ]


def test_levels_that_are_one_comparison_must_rise(inspect: Inspect) -> None:
    """Unless they are held for different times, as concentrations of gas are."""
    text = '[[rule]]\nid = "x"\norange = "{}"\nred = "{}"\nlost = "hold"\n'
    high, low = "river.level >= 3 m", "river.level >= 2 m"
    _, problems = inspect(text.format(high, low))
    assert [(each.code, each.path) for each in problems] == [("level-order", "rule[0].red")]
    _, problems = inspect(text.format("river.level < 2 m", "river.level < 3 m"))
    assert [each.code for each in problems] == ["level-order"]
    resolved(inspect(text.format(low, high)))
    resolved(inspect(text.format(f"{high} for 1 h", f"{high} for 2 h")))


@pytest.mark.parametrize(
    ("rule", "code", "path"),
    [
        ('red = "3.20 m"', "missing-key", "rule[0].point"),
        ('comparison = ">="\nred = "3.20 m"', "missing-key", "rule[0].point"),
        ('point = "river.level"\nred = "3.20 m"', "missing-key", "rule[0].comparison"),
        ('point = "river.level"\ncomparison = ">="\nred = "river.level >= 3.20 m"',
         "not-a-quantity", "rule[0].red"),
        ('red = "not a thing"', "condition-syntax", "rule[0].red"),
        ('red = "2 of (river.level >= 3 m)"', "out-of-range", "rule[0].red"),
        ("", "no-levels", "rule[0]"),
    ],
)  # fmt: skip
def test_the_form_is_told_by_what_is_written(
    inspect: Inspect, rule: str, code: str, path: str
) -> None:
    """What was meant decides which mistakes are worth naming."""
    _, problems = inspect(f'[[rule]]\nid = "x"\n{rule}\nlost = "hold"\n')
    assert (code, path) in [(each.code, each.path) for each in problems]


HINTS = [
    ("3.20 m for 20 s", "3,20 m", "write a point before the decimals"),
    ("or river.level >=", "or river.level =>", "did you mean >=?"),
    ("or river.level", "OR river.level", "did you mean or?"),
    ("or river.level", "或 river.level", "did you mean or?"),
    ("20 s", "20 小时", "did you mean h?"),
    ("20 s", "20 minutes", "did you mean min?"),
    ("3.20 m for", "3.20 米 for", "did you mean m?"),
    ("3.20 m for", "3.20 for", "write 3.20 m"),
    ("or river.level", "or river.levle", "did you mean river.level?"),
    ("pick(soil", "pick（soil", "did you mean (?"),
    ("dry 60", "dri 60", "did you mean dry?"),
    ("sum(", "summ(", "did you mean sum?"),
]


@pytest.mark.parametrize(("old", "new", "hint"), HINTS)
def test_what_was_meant_is_named(inspect: Inspect, old: str, new: str, hint: str) -> None:
    """Typing errors, habits of other languages, and the keys of a Chinese keyboard."""
    _, problems = inspect(SELECTOR + LONG.replace(old, new, 1))
    assert [each.hint for each in problems] == [hint]


def test_oddities_are_warned_of(inspect: Inspect) -> None:
    """A selector that nobody uses, and an unknown soil that is taken for the harmless one."""
    idle = SELECTOR.replace('"soil"', '"idle"')
    site = resolved(inspect(SELECTOR.replace('unknown = "wet"', 'unknown = "dry"') + idle + LONG))
    assert [(each.code, each.path) for each in site.warnings] == [
        ("unsafe-pick", "rule[0].red"), ("idle-selector", "selector[1].id"),
    ]  # fmt: skip
    low = LONG.replace("sum(gauge.rain, 1 h) >=", "not sum(gauge.rain, 1 h) <")
    assert resolved(inspect(SELECTOR + low)).warnings == ()


# -- how it is shown --------------------------------------------------------------------------


def test_the_caret_is_printed_below_the_text(tmp_path: Path) -> None:
    """Also where Chinese words, which are twice as wide, stand before it; and in JSON."""
    file = tmp_path / "site.toml"
    file.write_text(
        BASE
        + '[[rule]]\nid = "x"\nred = "lost(水位.level) or river.level >= 3 V"\nlost = "hold"\n',
        encoding="utf-8",
    )
    environment = {"TONGLUO_LANG": "en"}
    lines = CliRunner(env=environment).invoke(check, [str(file)]).stdout.splitlines()
    assert lines[0].startswith(f"{file}:39:13: rule[0].red: there is no point")
    assert lines[1:3] == ["  lost(水位.level) or river.level >= 3 V", "       ^^^^^^^^^^"]
    assert lines[3] == "  hint: did you mean river.level?"
    assert lines[4].startswith(f'{file}:39:41: rule[0].red: "3 V" measures voltage')
    assert lines[5:7] == [
        "  lost(水位.level) or river.level >= 3 V",
        "                                     ^^^",
    ]
    result = CliRunner(env=environment).invoke(check, ["--json", str(file)])
    problems = json.loads(result.stdout)["problems"]
    assert [(each["line"], each["column"]) for each in problems] == [(39, 13), (39, 41)]


def test_only_the_line_and_the_surroundings_of_a_mark_are_drawn() -> None:
    """A text may have many lines, and long ones; control characters are spelled out."""
    assert Mark("one\ntwo x\nthree", 8, 9).drawn() == ("two x", "    ^")
    assert Mark("ab", 2, 3).drawn() == ("ab", "  ^")
    assert Mark("a\x1b[b", 2, 3).drawn() == ("a\\x1b[b", "     ^")
    assert Mark("a\nb", 0, 3).drawn() == ("a", "^")
    drawn, caret = Mark("x" * 500, 300, 302).drawn()
    assert drawn == "…" + "x" * 102 + "…"
    assert caret == " " * 71 + "^^"


SPELLINGS: list[Callable[[str], str]] = [
    lambda text: json.dumps(text, ensure_ascii=True),
    lambda text: json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F"),
    lambda text: '"""\n' + json.dumps(text)[1:-1].replace("\\n", "\n") + '"""',
    lambda text: '"""\\\n   \n ' + json.dumps(text)[1:-1] + '"""',
]


def escaped(text: str) -> str:
    """How a character may stand in the file."""
    return json.dumps(text)[1:-1]


@given(
    st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), min_size=1),
    st.sampled_from(SPELLINGS),
    st.data(),
)
@example('a"b\\c\n  d', SPELLINGS[2], None)
def test_every_character_of_a_string_has_its_place(
    text: str, spell: Callable[[str], str], data: st.DataObject | None
) -> None:
    """However the string is quoted, escaped and folded."""
    if spell is SPELLINGS[3]:
        text = "x" + text
    document = f"[a]\n# x\nkey = {spell(text)}\n"
    at = data.draw(st.integers(0, len(text) - 1)) if data is not None else 3
    place = scan(document).place(("a", "key"), at)
    assert place is not None
    line, column = place
    rest = document.split("\n", line - 1)[-1][column - 1 :]
    assert rest.startswith((text[at], escaped(text[at]), "\\u007F"))


def test_literal_strings_and_other_values() -> None:
    """Single quotes escape nothing; what is no string has no places."""
    lines = scan("a = 'x\\ny'\nb = '''\nx\n\\y'''\nc = 3\nd = [ 'p', { k = \"q\" } ]\n")
    assert [lines.place(("a",), at) for at in (0, 1, 4)] == [(1, 6), (1, 7), (1, 10)]
    assert [lines.place(("b",), at) for at in (0, 1, 2, 3)] == [(3, 1), (3, 2), (4, 1), (4, 2)]
    assert lines.place(("d", 1, "k"), 0) == (6, 19)
    assert lines.place(("c",), 0) is None
    assert lines.place(("z",), 0) is None
