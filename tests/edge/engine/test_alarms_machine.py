"""Any sequence of readings, requests, clock changes and restarts: red is never lost in silence."""

import contextlib
from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import ActuatorId, Level, Phase, RuleId, Silencing, Verdict
from edge.engine.alarms import ACTIVE, SILENT, AlarmPolicy, reached
from edge.engine.annunciator import Annunciator
from edge.engine.bodies import alarm_body, alarm_from
from edge.engine.plan import Step, Until, engaged
from edge.engine.silence import MOST_SHELVED_S, Asked, Declined
from protocols.envelope import decode_body, encode_body

NAMES = [RuleId(name) for name in ("mains", "pump", "river", "gas")]
POLICIES = {
    NAMES[0]: AlarmPolicy(zone="lower"),
    NAMES[1]: AlarmPolicy(Level.ORANGE, suppressed_by=(NAMES[0], NAMES[3]), zone="upper"),
    NAMES[2]: AlarmPolicy(re_alarm_s=900.0, suppressed_by=(NAMES[1],), zone="upper"),
    NAMES[3]: AlarmPolicy(None, 60.0, (NAMES[0],), Level.RED),
}
SIREN = Step(Level.RED, ActuatorId("siren"), "on", (), "off", (), Until.ACKNOWLEDGED)
LIMITED = (Silencing.SHELVED, Silencing.INHIBITED)

rules = st.sampled_from(NAMES)
zones = st.sampled_from(["lower", "upper"])
waits = st.one_of(st.floats(0.1, 30.0), st.floats(30.0, 4000.0), st.just(MOST_SHELVED_S))
requests = st.builds(
    Asked,
    st.sampled_from(["王", "li", ""]),
    st.sampled_from(["works", ""]),
    st.one_of(st.none(), st.floats(1.0, MOST_SHELVED_S + 60.0)),
    remote=st.booleans(),
    red=st.booleans(),
)


class Alarms(RuleBasedStateMachine):
    """Beside the annunciator it keeps what was measured, granted and answered."""

    @initialize()
    def begin(self):
        self.all = Annunciator(POLICIES)
        self.powered_ns = 10 * NS_PER_S
        self.wall_ms = 1_700_000_000_000
        self.measured = dict.fromkeys(NAMES, Level.NORMAL)
        self.granted = {}
        self.far = set()
        self.answered = set()
        self.kept = {}
        self.trail = []
        self.stamps: deque[int] = deque(maxlen=64)

    @property
    def time(self):
        return Instant(self.powered_ns), Utc(self.wall_ms)

    def keep(self, changed):
        """As the journal does: by bytes, the newest of each rule. Revisions never skip."""
        self.trail = []
        self.stamps.append(self.wall_ms)
        for alarm in changed:
            before = self.kept.get(alarm.rule)
            self.trail.append((alarm.rule, before))
            body = encode_body(alarm_body(alarm))
            if before is not None:
                assert alarm.revision == alarm_from(decode_body(before)).revision + 1
            self.kept[alarm.rule] = body

    @rule(name=rules, level=st.sampled_from(list(Level)))
    def measure(self, name, level):
        self.measured[name] = level
        self.keep(self.all.step([Verdict(name, level, (), self.time[0])], self.time[1]))

    @rule(name=rules, by=st.sampled_from(["wang", "li"]))
    def acknowledge(self, name, by):
        for alarm in self.all.acknowledge([name], by, *self.time):
            if alarm.rule == name and alarm.by:
                self.answered.add(alarm.id)
            self.keep([alarm])

    @rule(name=rules)
    def reset(self, name):
        active = self.all.alarms[name].phase in ACTIVE
        changed = self.all.reset([name], "wang", *self.time)
        assert not (active and changed)
        self.keep(changed)

    def ask(self, what, source, asked, kind):
        with contextlib.suppress(Declined):
            changed = getattr(self.all, what)(source, asked, *self.time)
            assert asked.by
            assert asked.reason
            self.granted[kind, source] = self.powered_ns
            (self.far.add if asked.remote else self.far.discard)((kind, source))
            self.keep(changed)

    @rule(name=rules, asked=requests)
    def shelve(self, name, asked):
        self.ask("shelve", name, asked, Silencing.SHELVED)

    @rule(name=rules, asked=requests)
    def take_out(self, name, asked):
        self.ask("take_out", name, asked, Silencing.OUT_OF_SERVICE)

    @rule(zone=zones, asked=requests)
    def inhibit(self, zone, asked):
        self.ask("inhibit", zone, asked, Silencing.INHIBITED)

    @rule(name=rules, zone=zones, what=st.sampled_from(["unshelve", "put_back", "uninhibit"]))
    def give_back(self, name, zone, what):
        source = zone if what == "uninhibit" else name
        with contextlib.suppress(Declined):
            self.keep(getattr(self.all, what)(source, "li", *self.time))

    @rule(seconds=waits)
    def wait(self, seconds):
        self.powered_ns += round(seconds * NS_PER_S)
        self.wall_ms += round(seconds * 1000)
        self.keep(self.all.advance(*self.time))

    @rule(hours=st.floats(-48.0, 48.0))
    def set_clock(self, hours):
        self.wall_ms += round(hours * 3_600_000)
        before = self.all.due
        self.keep(self.all.check_clock(*self.time))
        assert self.all.due == before

    @rule(
        off_s=st.floats(0.0, 20_000.0),
        wrong_s=st.one_of(st.just(0.0), st.floats(-1e6, 1e6)),
        torn=st.integers(0, 3),
    )
    def restart(self, off_s, wrong_s, torn):
        """The clock may be wrong afterwards, and the newest records may not be on disk."""
        for name, before in reversed(self.trail[len(self.trail) - torn :]):
            self.kept.pop(name)
            if before is not None:
                self.kept[name] = before
            self.far.clear()
        last = Utc(max(self.stamps, default=self.wall_ms))
        self.wall_ms += round((off_s + wrong_s) * 1000)
        known = [alarm_from(decode_body(body)) for body in self.kept.values()]
        silent = {alarm.rule for alarm in known if alarm.phase in SILENT}
        self.all = Annunciator(POLICIES)
        changed = self.all.restore(known, self.time[0], self.time[1], last)
        self.keep(changed)
        # chatter is forgotten, and rules tell their level again
        for alarm in self.all.alarms.values():
            self.measured[alarm.rule] = alarm.current
        if off_s == wrong_s == torn == 0.0 and last.ms <= self.wall_ms:
            assert {a.rule for a in self.all.alarms.values() if a.phase in SILENT} == silent

    @precondition(lambda self: hasattr(self, "all"))
    @invariant()
    def red_is_announced_or_somebody_said_why_not(self):
        for alarm in self.all.alarms.values():
            if alarm.current is not Level.RED and alarm.highest is not Level.RED:
                continue
            if alarm.phase in SILENT:
                reasons = [each for each in alarm.silences if each.up_to is Level.RED]
                assert reasons
                for each in reasons:
                    assert each.by
                    assert each.reason
                    self.check_end(each)
            elif alarm.phase is not Phase.ACTIVE_ACKNOWLEDGED:
                assert alarm.level is Level.RED or alarm.highest is Level.RED
                assert engaged(SIREN, alarm)
            else:
                assert alarm.id in self.answered
                assert alarm.acknowledged_by

    def check_end(self, each):
        if each.kind in LIMITED:
            assert each.ends is not None
            assert self.powered_ns < each.ends <= self.powered_ns + MOST_SHELVED_S * NS_PER_S
        elif each.kind is Silencing.SUPPRESSED:
            assert self.all.alarms[RuleId(each.source)].phase in ACTIVE

    @precondition(lambda self: hasattr(self, "all"))
    @invariant()
    def a_silence_reaches_up_to_what_it_silences(self):
        for alarm in self.all.alarms.values():
            covering = [each for each in alarm.silences if each.up_to >= alarm.current]
            if alarm.phase in SILENT:
                assert covering
                assert alarm.level is alarm.highest is Level.NORMAL
            else:
                assert not [s for s in alarm.silences if s.up_to >= reached(alarm)]

    @precondition(lambda self: hasattr(self, "all"))
    @invariant()
    def nothing_from_afar_reaches_red_and_nothing_limited_is_too_long(self):
        for alarm in self.all.alarms.values():
            for each in alarm.silences:
                source = each.source if each.kind is Silencing.INHIBITED else alarm.rule
                if (each.kind, source) in self.far:
                    assert each.up_to < Level.RED
                if each.kind in LIMITED:
                    ran_s = (self.powered_ns - self.granted[each.kind, source]) / NS_PER_S
                    assert ran_s <= MOST_SHELVED_S + 10.0

    @precondition(lambda self: hasattr(self, "all"))
    @invariant()
    def what_is_measured_is_told_and_only_held_up_while_it_chatters(self):
        for alarm in self.all.alarms.values():
            if alarm.chattering:
                assert alarm.current >= self.measured[alarm.rule]
            else:
                assert alarm.current is self.measured[alarm.rule]

    @precondition(lambda self: hasattr(self, "all"))
    @invariant()
    def nothing_is_overdue(self):
        assert self.all.due is None or self.all.due > self.powered_ns


Alarms.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAlarms = Alarms.TestCase
