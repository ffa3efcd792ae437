"""Which rules may be armed: those proven to sound in time, and those excused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.analysis.latency import ADVICE_CODES, TERM_KINDS
from edge.analysis.latency.model import UNBOUNDED_NS, Advice, Term
from edge.app.config import OverrideConfig, Site, SiteProblems, load_site
from edge.app.proof import armed, judge, outcome
from edge.app.proof_words import advice_words, captions, duration, exactly, output_words, term_words
from edge.core.errors import ConfigError
from edge.core.model import Quality, RecordKind
from edge.engine.conditions.tree import Held
from edge.locale import catalogue, known
from tools.virtual_village import VirtualVillage

MS = 1_000_000
VILLAGE = Path(__file__).parent / "sites" / "village.toml"


def with_budgets(**budgets: float) -> Site:
    """The village with these budgets in seconds, by rule with _ for -."""
    site = load_site(VILLAGE)
    return replace(
        site,
        rules=tuple(
            replace(rule, budget_s=budgets.get(rule.id.replace("-", "_"), rule.budget_s))
            for rule in site.rules
        ),
    )


def excused(site: Site, *rules: str) -> Site:
    return replace(
        site, overrides=tuple(OverrideConfig(rule=rule, reason="one radar") for rule in rules)
    )


# -- judging ----------------------------------------------------------------------------------


def test_a_site_within_its_budgets_has_nothing_against_it() -> None:
    judged = judge(load_site(VILLAGE))
    assert (judged.refused, judged.overridden, judged.warnings) == ((), {}, ())
    assert {bound.rule for bound in judged.proof.bounds} == {"river-flood", "pit-gas"}


def test_the_hold_time_counts() -> None:
    """Half a second of hold more is half a second and at most a period more."""
    site = load_site(VILLAGE)
    rule = site.rules[0]
    levels = tuple(
        replace(level, raises=Held(level.raises.part, 2000 * MS))
        for level in rule.condition.levels
        if isinstance(level.raises, Held)
    )
    assert levels
    held = replace(rule, condition=replace(rule.condition, levels=levels))
    longer = replace(site, rules=(held, *site.rules[1:]))
    before, after = (judge(each).proof.bounds[0].sound_ns for each in (site, longer))
    assert 500 * MS <= after - before <= 750 * MS


def test_the_problem_names_the_latest_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    (refused,) = judge(with_budgets(pit_gas=1.0)).refused
    worst = max(
        (bound for bound in judge(load_site(VILLAGE)).proof.bounds if bound.rule == "pit-gas"),
        key=lambda bound: bound.sound_ns,
    )
    assert refused.rule == "pit-gas"
    assert refused.problem.found == duration(worst.sound_ns)
    assert output_words(worst.output) in refused.problem.message
    assert refused.problem.path == "rule[1].budget_s"


# -- arming -----------------------------------------------------------------------------------


def test_a_late_rule_is_taken_out_and_the_others_stay() -> None:
    """Its points and its plan remain: they are still read and recorded."""
    site = with_budgets(river_flood=1.0)
    left, limits = armed(site)
    assert [each.rule for each in left.refused] == ["river-flood"]
    assert set(limits) == {"pit-gas"}
    assert [rule.id for rule in left.rules] == ["pit-gas", "river-dry"]
    assert (left.points, left.devices, left.plans) == (site.points, site.devices, site.plans)
    assert left.digest == site.digest


def test_an_excused_rule_is_armed_and_needless_excuses_are_not_kept() -> None:
    left, _ = armed(excused(with_budgets(river_flood=1.0), "river-flood", "pit-gas"))
    assert left.refused == ()
    assert len(left.rules) == 3
    assert [each.rule for each in left.overrides] == ["river-flood"]
    assert outcome(left) == {"refused": {}, "overridden": {"river-flood": "one radar"}}


def test_what_is_refused_is_told_with_its_reason() -> None:
    left, _ = armed(with_budgets(river_flood=1.0))
    (refused,) = left.refused
    assert outcome(left) == {"refused": {"river-flood": refused.problem.message}, "overridden": {}}


def test_what_is_left_is_proven_as_it_will_run() -> None:
    """Nothing of the armed site misses its budget."""
    left, _ = armed(with_budgets(river_flood=1.0))
    assert judge(left).refused == ()


def test_a_site_without_any_rule_left_is_a_mistake_of_the_file() -> None:
    site = with_budgets(river_flood=0.2, pit_gas=0.2)
    site = replace(site, rules=site.rules[:2])
    with pytest.raises(SiteProblems) as caught:
        armed(site)
    assert isinstance(caught.value, ConfigError)
    assert [each.code for each in caught.value.problems] == ["budget-missed"] * 2
    assert [each.path for each in caught.value.problems] == ["rule[0].budget_s", "rule[1].budget_s"]


def test_a_site_that_never_had_a_rule_is_armed() -> None:
    """It only records."""
    assert armed(replace(load_site(VILLAGE), rules=()))[1] == {}


def test_every_armed_rule_that_sounds_something_has_its_limits() -> None:
    """A stage is bounded by the output for which it takes longest, and the reading by its line."""
    site, found = armed(load_site(VILLAGE))
    assert set(found) == {"river-flood", "pit-gas"}
    for bound in judge(site).proof.bounds:
        limit = found[bound.rule]  # type: ignore[index]  # a RuleId is a str
        assert 0 < bound.response_ns <= limit.response_ns
        assert 0 < bound.decision_ns <= limit.decision_ns
        assert 0 < bound.action_ns <= limit.action_ns


def test_the_alarm_of_a_refused_rule_cannot_be_raised_but_its_point_is_read(tmp_path: Path) -> None:
    """The river is recorded high above red, nothing of it sounds, and the gas alarm still does."""
    village = VirtualVillage(tmp_path)
    village.kill()
    rules = tuple(
        replace(rule, budget_s=0.05) if rule.id == "river-flood" else rule
        for rule in village.site.rules
    )
    village.site, _ = armed(replace(village.site, rules=rules))
    assert [each.rule for each in village.site.refused] == ["river-flood"]
    village.start()
    village.world.set("river.level", 3.5)
    village.run(5.0)
    assert "river-flood" not in village.agent.pipeline.alarms
    river = next(s for s in reversed(village.journal.samples) if s.point == "river.level")
    assert river.quality is Quality.GOOD
    assert river.value == pytest.approx(3.5, abs=0.05)
    assert not any(village.relay.coils.values())
    assert village.journal.bodies(RecordKind.COMMAND) == []
    village.world.set("gas.h2s", 35.0)
    village.run(5.0)
    assert village.relay.coils[2] == 1


# -- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_of_term_has_words(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", language)
    for kind in TERM_KINDS:
        assert known(f"term.{kind}"), kind
        assert term_words(Term(kind, 1, "river")) == (
            f"{catalogue('zh' if language == 'zh' else 'en')[f'term.{kind}']} (river)"
        )


def test_the_words_of_a_term_name_outputs_as_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    term = Term("actuator_queue", 1, "siren:off:channel=1, horn:stop:")
    assert term_words(term) == "commands before it (siren channel=1, horn)"


def test_a_bound_is_never_rounded_down() -> None:
    assert duration(999 * MS + 1) == "1000 ms"
    assert duration(9_999 * MS) == "9999 ms"
    assert duration(10_000 * MS + 1) == "10.1 s"
    assert exactly(1_234_567) == "1.23 ms"


def test_no_bound_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")
    assert duration(UNBOUNDED_NS) == exactly(UNBOUNDED_NS) == "no bound"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_of_advice_has_words(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is concerned, the change, and the bound it would bring."""
    monkeypatch.setenv("TONGLUO_LANG", language)
    values = {"device": "river", "bus": "field", "rule": "flood", "now": "500", "then": "250"}
    for code in ADVICE_CODES:
        words = advice_words(Advice("flood", code, values, 900 * MS))
        assert "900 ms" in words
        assert any(name in words for name in ("river", "field", "flood"))
        assert ("250" in words) is code.startswith(("shorten", "raise"))


def test_the_cheapest_advice_is_the_hint_of_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is true: with that change the rule is in time."""
    monkeypatch.setenv("TONGLUO_LANG", "en")
    site = with_budgets(pit_gas=1.0)
    judged = judge(site)
    (refused,) = judged.refused
    first = judged.proof.advice[0]
    assert (first.rule, first.code, first.values["device"]) == ("pit-gas", "shorten_period", "pit")
    assert refused.problem.hint == advice_words(first)
    devices = tuple(
        device.model_copy(update={"period_ms": int(first.values["then"])})
        if device.id == "pit"
        else device
        for device in site.devices
    )
    assert judge(replace(site, devices=devices)).refused == ()


def test_advice_of_a_kind_that_has_no_words_is_still_shown() -> None:
    advice = Advice("r", "paint-it-red", {"device": "siren"}, 5 * MS)
    assert advice_words(advice) == "paint-it-red, device siren"


def test_the_words_of_a_picture_fill_in_the_count_themselves() -> None:
    assert "{count}" in captions().more
