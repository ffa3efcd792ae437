"""All alarms together: requests, suppression by design, zones, chatter, time and restarts."""

from dataclasses import replace

import pytest

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import Change, Level, Phase, RuleId, Verdict
from edge.engine.alarms import SILENT, AlarmPolicy
from edge.engine.annunciator import Annunciator
from edge.engine.bodies import alarm_body, alarm_from, inhibit_body
from edge.engine.silence import Asked, Declined, Limits
from protocols.envelope import decode_body, encode_body

T0 = 1_700_000_000_000
HOUR_S = 3600.0
RIVER, GAS, PUMP, MAINS = (RuleId(name) for name in ("river", "gas", "pump", "mains"))
POLICIES = {
    PUMP: AlarmPolicy(suppressed_by=(MAINS,), zone="lower"),
    RIVER: AlarmPolicy(re_alarm_s=600.0, zone="upper"),
    GAS: AlarmPolicy(latch=None, zone="upper"),
    MAINS: AlarmPolicy(),
}


class Site:
    """An annunciator with a clock."""

    def __init__(self, policies=POLICIES, limits=None):
        self.all = Annunciator(policies, limits)
        self.policies = policies
        self.s = 0.0
        self.offset_ms = T0
        self.records = []

    def now(self):
        return Instant(round(self.s * NS_PER_S))

    def utc(self):
        return Utc(round(self.s * 1000) + self.offset_ms)

    def measure(self, rule, level):
        return self._keep(self.all.step((Verdict(rule, level, (), self.now()),), self.utc()))

    def ask(self, what, *arguments):
        return self._keep(getattr(self.all, what)(*arguments, self.now(), self.utc()))

    def wait(self, seconds):
        self.s += seconds
        return self._keep(self.all.advance(self.now(), self.utc()))

    def restart(self, off_s=0.0, last=None):
        """Through the bytes of the newest records, as the journal keeps them."""
        last = last or self.utc()
        newest = {alarm.rule: encode_body(alarm_body(alarm)) for alarm in self.records}
        self.s += off_s
        self.all = Annunciator(self.policies)
        kept = [alarm_from(decode_body(body)) for body in newest.values()]
        return self._keep(self.all.restore(kept, self.now(), self.utc(), last))

    def _keep(self, changed):
        self.records += changed
        return changed

    def phase(self, rule):
        return self.all.alarms[rule].phase


@pytest.fixture
def site():
    return Site()


def asked(for_s=None, **more):
    return Asked("王工", "换传感器", for_s, **more)


# -- requests ---------------------------------------------------------------------------------


def test_a_shelving_is_for_less_than_red_unless_it_says_so(site):
    site.measure(RIVER, Level.YELLOW)
    site.ask("shelve", RIVER, asked(HOUR_S))
    assert site.phase(RIVER) is Phase.SHELVED
    site.measure(RIVER, Level.RED)
    assert site.phase(RIVER) is Phase.ACTIVE_UNACKNOWLEDGED
    with pytest.raises(Declined, match="red-active"):
        site.ask("shelve", RIVER, asked(HOUR_S))
    site.ask("shelve", RIVER, asked(HOUR_S, red=True))
    assert site.phase(RIVER) is Phase.SHELVED


@pytest.mark.parametrize(
    ("what", "source", "for_s"),
    [("shelve", RIVER, HOUR_S), ("take_out", RIVER, None), ("inhibit", "upper", HOUR_S)],
)
def test_nothing_that_is_asked_from_afar_silences_red(site, what, source, for_s):
    with pytest.raises(Declined, match="red-remote"):
        site.ask(what, source, asked(for_s, remote=True, red=True))
    site.ask(what, source, asked(for_s, remote=True))
    site.measure(RIVER, Level.ORANGE)
    assert site.phase(RIVER) in SILENT
    site.measure(RIVER, Level.RED)
    assert site.phase(RIVER) is Phase.ACTIVE_UNACKNOWLEDGED


@pytest.mark.parametrize("what", ["shelve", "take_out"])
def test_a_red_alarm_is_not_silenced_from_afar(site, what):
    site.measure(RIVER, Level.RED)
    with pytest.raises(Declined, match="red-remote"):
        site.ask(what, RIVER, asked(HOUR_S, remote=True))
    assert site.phase(RIVER) is Phase.ACTIVE_UNACKNOWLEDGED


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (Asked(" ", "reason", 60.0), "no-name"),
        (Asked("wang", "  ", 60.0), "no-reason"),
        (Asked("wang", "a\nb", 60.0), "bad-text"),
        (Asked("w" * 121, "reason", 60.0), "bad-text"),
        (Asked("wang", "reason"), "no-time"),
        (Asked("wang", "reason", 0.0), "no-time"),
        (Asked("wang", "reason", -1.0), "no-time"),
        (Asked("wang", "reason", float("nan")), "no-time"),
        (Asked("wang", "reason", float("inf")), "no-time"),
        (Asked("wang", "reason", 8 * HOUR_S + 1), "too-long"),
    ],
)
def test_a_silence_has_a_name_a_reason_and_an_end_within_the_limit(site, request_, key):
    for what, source in (("shelve", RIVER), ("inhibit", "upper")):
        with pytest.raises(Declined) as error:
            site.ask(what, source, request_)
        assert error.value.key == key
    assert site.all.inhibits == {}
    assert site.records == []


def test_limits_are_those_of_the_site():
    site = Site(limits=Limits(shelve_s=60.0, inhibit_s=30.0))
    site.ask("shelve", RIVER, asked(60.0))
    with pytest.raises(Declined, match="too-long"):
        site.ask("shelve", RIVER, asked(61.0))
    with pytest.raises(Declined, match="too-long"):
        site.ask("inhibit", "upper", asked(31.0))


def test_out_of_service_needs_no_end_but_a_name_and_a_reason(site):
    with pytest.raises(Declined, match="no-reason"):
        site.ask("take_out", RIVER, Asked("wang", ""))
    site.ask("take_out", RIVER, asked())
    site.wait(30 * 24 * HOUR_S)
    site.measure(RIVER, Level.RED)
    assert site.phase(RIVER) is Phase.OUT_OF_SERVICE
    site.ask("put_back", RIVER, "李")
    alarm = site.all.alarms[RIVER]
    assert (alarm.phase, alarm.level) == (Phase.ACTIVE_UNACKNOWLEDGED, Level.RED)
    assert (alarm.change, alarm.by) == (Change.PUT_BACK, "李")


@pytest.mark.parametrize(
    ("what", "source", "key"),
    [
        ("unshelve", RIVER, "not-shelved"),
        ("put_back", RIVER, "not-out"),
        ("uninhibit", "upper", "not-inhibited"),
        ("uninhibit", "nowhere", "no-zone"),
    ],
)
def test_what_is_not_silenced_cannot_be_given_back(site, what, source, key):
    with pytest.raises(Declined) as error:
        site.ask(what, source, "wang")
    assert error.value.key == key


def test_a_shelving_ends_after_its_time_and_tells_why(site):
    site.measure(RIVER, Level.ORANGE)
    site.ask("shelve", RIVER, asked(HOUR_S))
    assert site.wait(HOUR_S - 1) == []
    (ended,) = site.wait(100.0)
    assert (ended.phase, ended.change) == (Phase.ACTIVE_UNACKNOWLEDGED, Change.EXPIRED)
    assert ended.since == Utc(T0 + 3_600_000)


def test_setting_the_clock_back_does_not_make_a_shelving_longer(site):
    site.ask("shelve", RIVER, asked(8 * HOUR_S))
    site.wait(4 * HOUR_S)
    site.offset_ms -= 6 * 3_600_000
    (told,) = site.ask("check_clock")
    assert told.change is Change.CLOCK
    assert site.ask("check_clock") == []
    site.restart(off_s=60.0)
    assert site.wait(4 * HOUR_S - 61) == []
    (ended,) = site.wait(2.0)
    assert (ended.phase, ended.change) == (Phase.NORMAL, Change.EXPIRED)


# -- zones ------------------------------------------------------------------------------------


def test_an_inhibited_zone_is_judged_and_recorded_and_returns_by_itself(site):
    changed = site.ask("inhibit", "upper", asked(HOUR_S))
    assert {alarm.rule for alarm in changed} == {RIVER, GAS}
    (recorded,) = site.measure(GAS, Level.RED)
    assert (recorded.phase, recorded.current) == (Phase.SUPPRESSED, Level.RED)
    site.measure(PUMP, Level.RED)
    assert site.phase(PUMP) is Phase.ACTIVE_UNACKNOWLEDGED
    assert site.all.body(site.now())["inhibits"]["upper"]["by"] == "王工"
    (begun,) = site.all.notices()
    assert inhibit_body(begun)["event"] == "begun"
    site.wait(HOUR_S)
    assert site.phase(GAS) is Phase.ACTIVE_UNACKNOWLEDGED
    assert site.phase(RIVER) is Phase.NORMAL
    assert site.all.inhibits == {}
    (ended,) = site.all.notices()
    body = inhibit_body(ended)
    assert (body["event"], body["zone"], body["by"]) == ("ended", "upper", "")
    assert isinstance(body["inhibit"], dict)
    assert body["inhibit"]["reason"] == "换传感器"
    assert site.all.notices() == []


def test_an_inhibit_is_ended_by_a_person(site):
    site.ask("inhibit", "upper", asked(HOUR_S))
    site.all.notices()
    site.ask("uninhibit", "upper", "李")
    (ended,) = site.all.notices()
    assert (ended.began, ended.by) == (False, "李")
    assert site.phase(RIVER) is Phase.NORMAL


def test_an_inhibit_survives_a_restart_and_takes_in_new_rules_of_its_zone(site):
    site.ask("inhibit", "upper", asked(HOUR_S))
    new = RuleId("new")
    site.policies = {**POLICIES, new: AlarmPolicy(zone="upper")}
    site.restart(off_s=600.0)
    assert set(site.all.inhibits) == {"upper"}
    assert site.phase(new) is site.phase(RIVER) is Phase.SUPPRESSED
    site.wait(2900.0)
    assert site.phase(new) is Phase.SUPPRESSED
    site.wait(101.0)
    assert site.phase(new) is site.phase(RIVER) is Phase.NORMAL


@pytest.mark.parametrize("without", [RIVER, GAS])
def test_an_inhibit_that_was_cut_short_between_two_records_sounds(site, without):
    site.ask("inhibit", "upper", asked(HOUR_S))
    whole = next(alarm for alarm in site.records if alarm.rule == without)
    site.records.append(replace(whole, silences=(), phase=Phase.NORMAL))
    site.restart()
    assert site.all.inhibits == {}
    assert site.phase(RIVER) is site.phase(GAS) is Phase.NORMAL


def test_a_rule_that_left_its_inhibited_zone_sounds_after_the_restart(site):
    site.measure(RIVER, Level.RED)
    site.ask("inhibit", "upper", asked(HOUR_S))
    site.policies = {**POLICIES, RIVER: AlarmPolicy(zone="lower")}
    site.restart()
    assert site.phase(RIVER) is Phase.ACTIVE_UNACKNOWLEDGED
    assert site.phase(GAS) is Phase.SUPPRESSED


# -- suppression by design --------------------------------------------------------------------


def test_an_alarm_that_follows_from_another_is_suppressed_while_that_one_is_active(site):
    site.measure(PUMP, Level.YELLOW)
    site.measure(MAINS, Level.BLUE)
    assert site.phase(PUMP) is Phase.SUPPRESSED
    site.ask("acknowledge", [MAINS], "wang")
    assert site.phase(PUMP) is Phase.SUPPRESSED
    site.measure(MAINS, Level.NORMAL)
    assert site.phase(PUMP) is Phase.ACTIVE_UNACKNOWLEDGED


def test_suppression_by_design_leaves_red_alone_unless_the_site_file_says_so(site):
    site.measure(MAINS, Level.BLUE)
    site.measure(PUMP, Level.RED)
    assert site.phase(PUMP) is Phase.ACTIVE_UNACKNOWLEDGED
    all_levels = AlarmPolicy(suppressed_by=(MAINS,), suppressed_up_to=Level.RED)
    other = Site({**POLICIES, PUMP: all_levels})
    other.measure(MAINS, Level.BLUE)
    other.measure(PUMP, Level.RED)
    assert other.phase(PUMP) is Phase.SUPPRESSED


def test_a_silenced_suppressor_suppresses_nothing(site):
    site.measure(MAINS, Level.YELLOW)
    site.measure(PUMP, Level.YELLOW)
    assert site.phase(PUMP) is Phase.SUPPRESSED
    site.ask("shelve", MAINS, asked(HOUR_S))
    assert site.phase(PUMP) is Phase.ACTIVE_UNACKNOWLEDGED


def test_a_chain_of_suppression_is_settled_in_one_step():
    a, b, c = RuleId("a"), RuleId("b"), RuleId("c")
    site = Site(
        {c: AlarmPolicy(suppressed_by=(b,)), b: AlarmPolicy(suppressed_by=(a,)), a: AlarmPolicy()}
    )
    site.measure(c, Level.YELLOW)
    site.measure(b, Level.YELLOW)
    assert (site.phase(b), site.phase(c)) == (Phase.ACTIVE_UNACKNOWLEDGED, Phase.SUPPRESSED)
    site.measure(a, Level.YELLOW)
    assert (site.phase(b), site.phase(c)) == (Phase.SUPPRESSED, Phase.ACTIVE_UNACKNOWLEDGED)


def test_rules_that_suppress_each_other_are_refused():
    a, b = RuleId("a"), RuleId("b")
    with pytest.raises(ValueError, match="suppresses itself"):
        Annunciator({a: AlarmPolicy(suppressed_by=(b,)), b: AlarmPolicy(suppressed_by=(a,))})


def test_a_rule_that_is_suppressed_by_none_any_more_is_announced_after_the_restart(site):
    site.measure(MAINS, Level.YELLOW)
    site.measure(PUMP, Level.YELLOW)
    site.policies = {**POLICIES, PUMP: AlarmPolicy(zone="lower")}
    site.restart()
    assert site.phase(PUMP) is Phase.ACTIVE_UNACKNOWLEDGED


# -- time, restarts, and another site file ----------------------------------------------------


def test_an_answered_alarm_calls_again(site):
    site.measure(RIVER, Level.RED)
    site.ask("acknowledge", [RIVER], "wang")
    assert site.wait(599.0) == []
    (again,) = site.wait(1.0)
    assert (again.phase, again.change) == (Phase.ACTIVE_UNACKNOWLEDGED, Change.RE_ALARMED)


def test_a_restart_changes_nothing_that_it_need_not(site):
    site.measure(RIVER, Level.RED)
    site.ask("acknowledge", [RIVER], "wang")
    site.measure(GAS, Level.ORANGE)
    site.ask("inhibit", "upper", asked(HOUR_S, remote=True))
    site.measure(MAINS, Level.YELLOW)
    site.measure(PUMP, Level.YELLOW)
    site.ask("shelve", PUMP, asked(HOUR_S))
    site.ask("take_out", MAINS, asked())
    before = site.all
    assert site.restart() == []
    assert site.all.alarms == {
        rule: replace(alarm, evidence=()) for rule, alarm in before.alarms.items()
    }
    assert site.all.due == before.due
    assert site.all.inhibits == before.inhibits


def test_what_ended_while_the_box_was_off_is_announced_at_the_start(site):
    site.measure(RIVER, Level.ORANGE)
    site.ask("shelve", RIVER, asked(HOUR_S))
    (ended,) = site.restart(off_s=2 * HOUR_S)
    assert (ended.phase, ended.change) == (Phase.ACTIVE_UNACKNOWLEDGED, Change.EXPIRED)


def test_each_of_two_ends_at_once_is_a_revision_and_a_record(site):
    site.measure(RIVER, Level.RED)
    site.ask("acknowledge", [RIVER], "wang")
    site.ask("inhibit", "upper", asked(300.0, remote=True))
    revision = site.all.alarms[RIVER].revision
    changed = [alarm for alarm in site.restart(off_s=900.0) if alarm.rule == RIVER]
    assert [alarm.change for alarm in changed] == [Change.EXPIRED, Change.RE_ALARMED]
    assert [alarm.revision for alarm in changed] == [revision + 1, revision + 2]


def test_a_silence_that_was_lost_with_its_record_silences_nothing(site):
    site.measure(RIVER, Level.ORANGE)
    site.ask("shelve", RIVER, asked(HOUR_S))
    site.records[-1] = replace(site.records[-1], silences=())
    site.restart()
    assert site.phase(RIVER) is Phase.ACTIVE_UNACKNOWLEDGED


def test_another_site_file_takes_over_what_it_knows(site):
    site.measure(RIVER, Level.ORANGE)
    site.ask("shelve", RIVER, asked(HOUR_S))
    site.ask("inhibit", "upper", asked(2 * HOUR_S))
    site.measure(PUMP, Level.RED)
    new = RuleId("new")
    policies = {RIVER: POLICIES[RIVER], PUMP: AlarmPolicy(), new: AlarmPolicy(zone="upper")}
    other = Annunciator(policies)
    changed = other.take_over(site.all, site.now(), site.utc())
    assert [alarm.rule for alarm in changed] == [new]
    assert other.alarms[PUMP] == site.all.alarms[PUMP]
    assert other.alarms[new].phase is Phase.SUPPRESSED
    assert other.due == site.all.due


# -- chatter and figures ----------------------------------------------------------------------


def chatter(site, rule, times, gap_s=5.0, high=Level.YELLOW):
    for index in range(times):
        site.wait(gap_s)
        site.measure(rule, Level.NORMAL if index % 2 else high)


def test_more_than_three_transitions_a_minute_are_held_active_and_told(site):
    chatter(site, GAS, 3)
    assert not site.all.alarms[GAS].chattering
    chatter(site, GAS, 40)
    alarm = site.all.alarms[GAS]
    assert alarm.chattering
    assert alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED
    assert site.all.body(site.now())["chattering"] == [GAS]
    assert len(site.records) < 8


def test_a_held_fall_takes_effect_once_it_was_quiet_for_a_minute(site):
    chatter(site, GAS, 4)
    site.ask("acknowledge", [GAS], "wang")
    assert site.phase(GAS) is Phase.ACTIVE_ACKNOWLEDGED
    assert site.wait(59.9) == []
    quiet, returned = site.wait(0.1)
    assert (quiet.change, returned.change) == (Change.QUIET, Change.RETURNED)
    assert (returned.phase, returned.chattering) == (Phase.NORMAL, False)
    assert site.all.due is None


def test_a_rise_is_never_held_back(site):
    chatter(site, GAS, 8)
    (raised,) = site.measure(GAS, Level.RED)
    assert (raised.level, raised.phase) == (Level.RED, Phase.ACTIVE_UNACKNOWLEDGED)


def test_red_that_comes_again_after_an_answer_calls_again_however_it_chatters(site):
    chatter(site, GAS, 8, high=Level.RED)
    site.ask("acknowledge", [GAS], "wang")
    assert site.phase(GAS) is Phase.ACTIVE_ACKNOWLEDGED
    for _ in range(5):
        site.wait(2.0)
        site.measure(GAS, Level.RED)
        assert site.phase(GAS) is Phase.ACTIVE_UNACKNOWLEDGED
        site.ask("acknowledge", [GAS], "wang")
        site.wait(2.0)
        assert site.measure(GAS, Level.NORMAL) == []


def test_lower_levels_that_chatter_after_an_answer_do_not_call_again(site):
    chatter(site, GAS, 8)
    site.ask("acknowledge", [GAS], "wang")
    chatter(site, GAS, 8)
    assert site.phase(GAS) is Phase.ACTIVE_ACKNOWLEDGED


def test_what_somebody_answers_each_time_is_no_chatter(site):
    for _ in range(10):
        site.wait(3.0)
        site.measure(GAS, Level.RED)
        site.ask("acknowledge", [GAS], "wang")
        site.wait(3.0)
        site.measure(GAS, Level.NORMAL)
        assert site.phase(GAS) is Phase.NORMAL


def test_a_steady_rise_and_fall_over_all_levels_is_no_chatter(site):
    for level in [*range(1, 5), *range(3, -1, -1)]:
        site.wait(1.0)
        site.measure(RIVER, Level(level))
    assert not site.all.alarms[RIVER].chattering
    assert site.all.alarms[RIVER].current is Level.NORMAL


def test_slow_changes_are_no_chatter(site):
    chatter(site, GAS, 10, gap_s=21.0)
    assert not site.all.alarms[GAS].chattering


def test_verdicts_that_repeat_the_level_do_not_end_the_hold(site):
    chatter(site, GAS, 4)
    assert site.measure(GAS, Level.NORMAL) == []
    assert site.all.alarms[GAS].current is Level.YELLOW


def test_chatter_is_not_remembered_over_a_restart(site):
    chatter(site, GAS, 4)
    (quiet,) = site.restart()
    assert quiet.change is Change.QUIET
    assert quiet.phase is Phase.ACTIVE_UNACKNOWLEDGED
    site.measure(GAS, Level.NORMAL)
    assert site.all.alarms[GAS].current is Level.NORMAL


def test_the_figures_of_a_rule(site):
    chatter(site, GAS, 2)
    figures = site.all.body(site.now())["rules"][GAS]
    assert figures["transitions_min"] == 2
    assert figures["per_10min"] == figures["per_day"] == 1
    assert figures["longest_s"] == 5.0
    site.wait(3600.0)
    figures = site.all.body(site.now())["rules"][GAS]
    assert (figures["transitions_min"], figures["per_10min"], figures["per_day"]) == (0, 0, 1)
    site.wait(25 * HOUR_S)
    assert site.all.body(site.now())["per_day"] == 0


def test_a_flood_and_what_stands_are_told(site):
    for _ in range(11):
        site.wait(25.0)
        site.measure(GAS, Level.YELLOW)
        site.ask("acknowledge", [GAS], "wang")
        site.wait(25.0)
        site.measure(GAS, Level.NORMAL)
    body = site.all.body(site.now())
    assert body["flood"]
    assert body["peak_10min"] == 11
    site.measure(RIVER, Level.YELLOW)
    site.wait(24 * HOUR_S + 1)
    body = site.all.body(site.now())
    assert (body["flood"], body["standing"]) == (False, [RIVER])
    site.restart()
    assert site.all.body(site.now())["standing"] == [RIVER]


def test_what_is_silenced_is_told_and_does_not_stand(site):
    site.measure(RIVER, Level.YELLOW)
    site.ask("take_out", RIVER, asked())
    site.wait(48 * HOUR_S)
    body = site.all.body(site.now())
    assert (body["silenced"], body["standing"]) == ([RIVER], [])
