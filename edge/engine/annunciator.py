"""All alarms of a site together: what time, people and other alarms do to each. Pure.

Every method returns the revisions it made, oldest first; each is one record. It has no clock:
``advance`` is called when ``due`` has come, and each change is dated when it was due.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from edge.core.instant import NS_PER_MS, Instant, Utc
from edge.core.model import Alarm, Change, Level, Phase, RuleId, Silence, Silencing, Verdict
from edge.engine import alarms
from edge.engine.alarm_metrics import AlarmMetrics
from edge.engine.alarms import ACTIVE, AlarmPolicy
from edge.engine.chatter import Chatter
from edge.engine.inhibit import InhibitNotice, inhibits_of, zones
from edge.engine.silence import Asked, Declined, Limits, grant, name_of, silence_body

Step = Callable[[Alarm], Alarm]


class Annunciator:
    """Holds the alarm of every rule.

    Raises ValueError for rules that suppress each other in a circle.
    """

    def __init__(
        self, policies: Mapping[RuleId, AlarmPolicy], limits: Limits | None = None
    ) -> None:
        self.alarms: dict[RuleId, Alarm] = {rule: Alarm(rule) for rule in policies}
        self.inhibits: dict[str, Silence] = {}
        """By zone."""
        self.metrics = AlarmMetrics(policies)
        self.due: Instant | None = None
        """When time alone changes an alarm, unless something else comes before."""
        self.zones = zones(policies)
        self._policies = policies
        self._limits = limits or Limits()
        self._dependants = _downstream(policies)
        self._chatter = {rule: Chatter() for rule in policies}
        self._dues: dict[RuleId, Instant] = {}
        self._notices: list[InhibitNotice] = []

    def step(self, verdicts: Iterable[Verdict], utc: Utc) -> list[Alarm]:
        """Take what rules say of a reading."""
        changed: list[Alarm] = []
        at: Instant | None = None
        for verdict in verdicts:
            at = verdict.at
            self._judge(verdict, utc, changed)
        if changed and at is not None:
            self._suppress(at, utc, changed)
        return changed

    def acknowledge(self, rules: Iterable[RuleId], by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """Somebody answered for these rules."""
        changed = self._each(
            rules, now, utc, lambda a: alarms.acknowledge(a, by, now, utc, self._policies[a.rule])
        )
        for alarm in changed:
            if alarm.change is Change.ACKNOWLEDGED:
                self._chatter[alarm.rule].answer()
        return changed

    def reset(self, rules: Iterable[RuleId], by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """Somebody ended those of these alarms whose cause has gone; active ones go on.

        Raises Declined without a name.
        """
        name = name_of(by)
        return self._each(
            rules, now, utc, lambda a: alarms.reset(a, name, utc, self._policies[a.rule])
        )

    def shelve(self, rule: RuleId, asked: Asked, now: Instant, utc: Utc) -> list[Alarm]:
        """Set an alarm aside for a limited time. Raises Declined."""
        most_s = self._limits.shelve_s
        return self._take_away(
            rule, grant(asked, Silencing.SHELVED, now, utc, most_s=most_s), Change.SHELVED,
            asked, now, utc,
        )  # fmt: skip

    def unshelve(self, rule: RuleId, by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """End a shelving before its time. Raises Declined if there is none."""
        return self._give_back(rule, Silencing.SHELVED, Change.UNSHELVED, by, now, utc)

    def take_out(self, rule: RuleId, asked: Asked, now: Instant, utc: Utc) -> list[Alarm]:
        """Take a rule out of service until somebody puts it back. Raises Declined."""
        return self._take_away(
            rule, grant(asked, Silencing.OUT_OF_SERVICE, now, utc, most_s=None), Change.TAKEN_OUT,
            asked, now, utc,
        )  # fmt: skip

    def put_back(self, rule: RuleId, by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """Put a rule back into service. Raises Declined if it is not out of it."""
        return self._give_back(rule, Silencing.OUT_OF_SERVICE, Change.PUT_BACK, by, now, utc)

    def begin_test(
        self, rules: Sequence[RuleId], asked: Asked, most_s: float, now: Instant, utc: Utc
    ) -> list[Alarm]:
        """Let these rules announce nothing while their sensors are stimulated. Raises Declined."""
        for rule in rules:
            if self.alarms[rule].level > Level.NORMAL:
                raise Declined("alarm-stands", found=rule)
        added = grant(asked, Silencing.TESTED, now, utc, most_s=most_s)
        return self._each(rules, now, utc, self._silence(added, Change.TESTED, utc))

    def end_test(self, rules: Iterable[RuleId], by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """Announce again what these rules measure; those not under test go on as before."""
        lift = self._lift(Silencing.TESTED, Change.TEST_ENDED, utc, by)
        return self._each(rules, now, utc, lift)

    def inhibit(self, zone: str, asked: Asked, now: Instant, utc: Utc) -> list[Alarm]:
        """Let nothing sound in a zone for a limited time. Raises Declined."""
        rules = self._rules_of(zone)
        most_s = self._limits.inhibit_s
        added = grant(asked, Silencing.INHIBITED, now, utc, most_s=most_s, source=zone)
        self.inhibits[zone] = added
        self._notices.append(InhibitNotice(zone, added, True, added.by))
        return self._each(rules, now, utc, self._silence(added, Change.INHIBITED, utc))

    def uninhibit(self, zone: str, by: str, now: Instant, utc: Utc) -> list[Alarm]:
        """End a zone's inhibit before its time. Raises Declined if there is none."""
        rules, name = self._rules_of(zone), name_of(by)
        ended = self.inhibits.pop(zone, None)
        if ended is None:
            raise Declined("not-inhibited", found=zone)
        self._notices.append(InhibitNotice(zone, ended, False, name))
        lift = self._lift(Silencing.INHIBITED, Change.UNINHIBITED, utc, name)
        return self._each(rules, now, utc, lift)

    def notices(self) -> list[InhibitNotice]:
        """The inhibits that began or ended since the last call; each is one record."""
        told, self._notices = self._notices, []
        return told

    def advance(self, now: Instant, utc: Utc) -> list[Alarm]:
        """Let time pass until now."""
        changed: list[Alarm] = []
        while self.due is not None and self.due <= now:
            at = self.due
            then = Utc(utc.ms - (now - at) // NS_PER_MS, utc.quality)
            self._end_inhibits(at)
            for rule in [r for r in self.alarms if self._dues.get(r, now + 1) <= at]:
                self._expire(rule, at, then, changed)
            self._suppress(at, then, changed)
        return changed

    def check_clock(self, now: Instant, utc: Utc) -> list[Alarm]:
        """Find out whether the clock was set, and say limits in its new time; once a second."""
        self.inhibits = {
            zone: alarms.restamped(each, now, utc) for zone, each in self.inhibits.items()
        }
        limited = [rule for rule in self.alarms if self.alarms[rule].silences]
        return self._each(limited, now, utc, lambda a: alarms.restamp(a, now, utc))

    def restore(
        self, kept: Iterable[Alarm], now: Instant, utc: Utc, last: Utc | None = None
    ) -> list[Alarm]:
        """Take up the alarms of before a restart. ``last``: the newest wall time recorded then."""
        resumed = [
            alarms.resume(alarm, now, utc, last, self._policies[alarm.rule])
            for alarm in kept
            if alarm.rule in self._policies
        ]
        for alarm in resumed:
            self._chatter[alarm.rule] = Chatter(alarm.current)
            age_ms = max(0, utc.ms - alarm.since.ms)
            self.metrics.resume(alarm, Instant(now - age_ms * NS_PER_MS))
        quiet = [alarm.rule for alarm in resumed if alarm.chattering]
        self._adopt(resumed)
        changed = self._each(quiet, now, utc, lambda a: alarms.mark(a, chattering=False))
        return changed + self._reconcile(now, utc) + self.advance(now, utc)

    def take_over(self, other: Annunciator, now: Instant, utc: Utc) -> list[Alarm]:
        """Go on with the alarms of another site file's rules, where they are the same ones.

        The other stays as it is, and may go on beside this one.
        """
        known = [alarm for rule, alarm in other.alarms.items() if rule in self.alarms]
        for alarm in known:
            self._chatter[alarm.rule] = copy.deepcopy(other._chatter[alarm.rule])
        self.metrics.take_over(other.metrics)
        self._adopt(known)
        return self._reconcile(now, utc) + self.advance(now, utc)

    def body(self, now: Instant) -> dict[str, object]:
        """The figures of the alarms, for status and health records."""
        inhibits = {zone: silence_body(each) for zone, each in self.inhibits.items()}
        return {**self.metrics.body(self.alarms.values(), now), "inhibits": inhibits}

    # -- inside -----------------------------------------------------------------------------

    def _judge(self, verdict: Verdict, utc: Utc, changed: list[Alarm]) -> None:
        rule = verdict.rule
        chatter, alarm = self._chatter[rule], self.alarms[rule]
        answered = alarm.phase is Phase.ACTIVE_ACKNOWLEDGED
        believed, transition = chatter.take(verdict, alarm.current, answered=answered)
        if transition:
            self.metrics.note_transition(rule, verdict.at)
        for each in believed:
            self._put(rule, self._stepper(each, utc), verdict.at, changed)
        chattering = chatter.quiet_at is not None
        self._put(rule, lambda a: alarms.mark(a, chattering=chattering), verdict.at, changed)
        if chattering:
            self._plan(rule)

    def _stepper(self, verdict: Verdict, utc: Utc) -> Step:
        return lambda alarm: alarms.step(alarm, verdict, utc, self._policies[alarm.rule])

    def _silence(self, added: Silence, change: Change, utc: Utc) -> Step:
        return lambda alarm: alarms.silence(alarm, added, change, utc, self._policies[alarm.rule])

    def _lift(self, kind: Silencing, change: Change, utc: Utc, by: str = "") -> Step:
        return lambda alarm: alarms.lift(alarm, kind, change, utc, self._policies[alarm.rule], by)

    def _take_away(
        self, rule: RuleId, added: Silence, change: Change, asked: Asked, now: Instant, utc: Utc
    ) -> list[Alarm]:
        if alarms.reached(self.alarms[rule]) > added.up_to:
            raise Declined("red-remote" if asked.remote else "red-active", found=rule)
        return self._each([rule], now, utc, self._silence(added, change, utc))

    def _give_back(
        self, rule: RuleId, kind: Silencing, change: Change, by: str, now: Instant, utc: Utc
    ) -> list[Alarm]:
        name = name_of(by)
        if alarms.silenced(self.alarms[rule], kind) is None:
            raise Declined("not-shelved" if kind is Silencing.SHELVED else "not-out", found=rule)
        return self._each([rule], now, utc, self._lift(kind, change, utc, name))

    def _rules_of(self, zone: str) -> tuple[RuleId, ...]:
        if zone not in self.zones:
            raise Declined("no-zone", found=zone, allowed=", ".join(sorted(self.zones)))
        return self.zones[zone]

    def _each(self, rules: Iterable[RuleId], now: Instant, utc: Utc, step: Step) -> list[Alarm]:
        changed: list[Alarm] = []
        for rule in rules:
            self._put(rule, step, now, changed)
        if changed:
            self._suppress(now, utc, changed)
        return changed

    def _put(self, rule: RuleId, step: Step, at: Instant, changed: list[Alarm]) -> None:
        before = self.alarms[rule]
        stepped = step(before)
        if stepped is before:
            return
        self.alarms[rule] = stepped
        self.metrics.note(before, stepped, at)
        changed.append(stepped)
        self._plan(rule)

    def _plan(self, rule: RuleId) -> None:
        """Note when this alarm's time comes next."""
        dues = [alarms.due(self.alarms[rule]), self._chatter[rule].quiet_at]
        known = [each for each in dues if each is not None]
        if known:
            self._dues[rule] = min(known)
        else:
            self._dues.pop(rule, None)
        self.due = min(self._dues.values(), default=None)

    def _expire(self, rule: RuleId, at: Instant, utc: Utc, changed: list[Alarm]) -> None:
        policy = self._policies[rule]
        self._put(rule, lambda a: alarms.advance(a, at, utc, policy), at, changed)
        chatter = self._chatter[rule]
        if chatter.quiet_at is not None and chatter.quiet_at <= at:
            held = chatter.settle()
            self._put(rule, lambda a: alarms.mark(a, chattering=False), at, changed)
            if held is not None:
                self._put(rule, self._stepper(replace(held, at=at), utc), at, changed)
        self._plan(rule)

    def _end_inhibits(self, at: Instant) -> None:
        for zone, each in list(self.inhibits.items()):
            if each.ends is not None and each.ends <= at:
                del self.inhibits[zone]
                self._notices.append(InhibitNotice(zone, each, False, ""))

    def _suppress(self, at: Instant, utc: Utc, changed: list[Alarm]) -> None:
        """Bring suppression by design in line with what is active; suppressors come first."""
        for rule in self._dependants:
            policy = self._policies[rule]
            has = alarms.silenced(self.alarms[rule], Silencing.SUPPRESSED)
            wanted = self._suppressor(policy, has)
            if wanted is None:
                step = self._lift(Silencing.SUPPRESSED, Change.UNSUPPRESSED, utc)
            elif has is None or (has.source, has.up_to) != (wanted, policy.suppressed_up_to):
                added = Silence(
                    Silencing.SUPPRESSED, wanted, "suppressed_by", policy.suppressed_up_to, utc,
                    wanted,
                )  # fmt: skip
                step = self._silence(added, Change.SUPPRESSED, utc)
            else:
                continue
            self._put(rule, step, at, changed)

    def _suppressor(self, policy: AlarmPolicy, has: Silence | None) -> RuleId | None:
        """Whose active alarm suppresses: the one that already does, else the first named."""
        active = [
            rule
            for rule in policy.suppressed_by
            if rule in self.alarms and self.alarms[rule].phase in ACTIVE
        ]
        if has is not None and has.source in active:
            return RuleId(has.source)
        return active[0] if active else None

    def _adopt(self, known: Sequence[Alarm]) -> None:
        for alarm in known:
            self.alarms[alarm.rule] = alarm
            self._plan(alarm.rule)
        self.inhibits = inhibits_of(known, self._policies)

    def _reconcile(self, now: Instant, utc: Utc) -> list[Alarm]:
        """Bring the silences of adopted alarms in line with the zones and rules there are now."""
        changed: list[Alarm] = []
        for rule, policy in self._policies.items():
            wanted = self.inhibits.get(policy.zone) if policy.zone else None
            has = alarms.silenced(self.alarms[rule], Silencing.INHIBITED)
            if wanted is not None and has != wanted:
                step = self._silence(wanted, Change.INHIBITED, utc)
            elif wanted is None and has is not None:
                step = self._lift(Silencing.INHIBITED, Change.UNINHIBITED, utc)
            else:
                continue
            self._put(rule, step, now, changed)
        self._suppress(now, utc, changed)
        # a rule that is suppressed by none any more is not among the dependants
        for rule in self._policies:
            if rule in self._dependants:
                continue
            self._put(
                rule, self._lift(Silencing.SUPPRESSED, Change.UNSUPPRESSED, utc), now, changed
            )
        for rule, policy in self._policies.items():
            self._put(rule, partial(alarms.settle, utc=utc, policy=policy), now, changed)
        self._suppress(now, utc, changed)
        return changed


def _downstream(policies: Mapping[RuleId, AlarmPolicy]) -> tuple[RuleId, ...]:
    """The rules that others suppress, each after those that suppress it."""
    ordered: list[RuleId] = []
    begun: set[RuleId] = set()

    def visit(rule: RuleId) -> None:
        if rule in ordered:
            return
        if rule in begun:
            raise ValueError(f"{rule} suppresses itself by way of others")
        begun.add(rule)
        for other in policies[rule].suppressed_by:
            if other in policies:
                visit(other)
        ordered.append(rule)

    for rule in policies:
        visit(rule)
    return tuple(rule for rule in ordered if policies[rule].suppressed_by)
