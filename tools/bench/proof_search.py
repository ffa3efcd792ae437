"""Looks for the worst that can happen to one rule: phases, dead devices, and what else fires.

First the proof's own witness and constructions that theory says are bad (everybody polled at the
moment of our poll, the longest exchange begun directly before; on the output's line the longest
exchange begun directly before the decision), then a climb: one choice is changed at a time, mostly
to an instant that matters in the worst run so far, and kept if the run is not better.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edge.analysis.latency import Phases
from edge.app.config.model import DeviceConfig, RuleConfig
from edge.core.instant import NS_PER_MS, NS_PER_S
from tools.bench.proof_ground import Ground, period_ns
from tools.bench.proof_trial import Finding, Fire, Scenario, Trial
from tools.bench.proof_witness import witness_of

KINDS = ("command", "sound", "confirmed")
# Before the first reading: whatever fires then has fired.
_LONG_NS = 1_000_000_000
_SETTLES = (0.0, 0.5, 0.9, 0.999)


@dataclass(slots=True)
class Worst:
    """The worst run of one kind so far."""

    ns: int = -1
    scenario: Scenario = field(default_factory=Scenario)
    finding: Finding = field(default_factory=Finding)


class Search:
    """One target of one site. ``worst`` by kind; ``trials`` counts the runs."""

    def __init__(
        self, ground: Ground, dead: int, seed: int, limit_ns: int, phases: Phases | None = None
    ) -> None:
        self.worst: dict[str, Worst] = {kind: Worst() for kind in KINDS}
        self.trials = 0
        self.faults: set[str] = set()
        self._ground = ground
        self._most_dead = dead
        self._random = random.Random(seed)
        self._limit_ns = limit_ns
        self._phases = phases
        sensor, actuator = ground.line_of(ground.sensor), ground.line_of(ground.actuator)
        self._apart = sensor != actuator
        self._near = [d for d in ground.polled if ground.line_of(d) == sensor]
        self._far = [d for d in ground.polled if d not in self._near]
        self._mortal = {
            line: [
                d for d in ground.site.devices
                if ground.line_of(d) == line and d is not ground.sensor and d is not ground.actuator
            ]
            for line in sorted(ground.simulated)
        }  # fmt: skip
        self._window_ns = self._window(dead)
        watched = {str(rule.point).partition(".")[0] for rule in ground.site.rules}
        self._watched = frozenset(watched)
        self._commanded = frozenset(
            step.actuator for rule in ground.others for step in ground.plans[rule.id]
        )

    def run(self, seeds: Sequence[Scenario], trials: int, enough_ns: dict[str, int]) -> None:
        """Spend up to so many runs; stop early at ``enough_ns`` of each kind."""
        for scenario in (*seeds, *self._constructions()):
            if self.trials >= trials or self._has(enough_ns, KINDS):
                return
            self._measure(scenario)
        while self.trials < trials and not self._has(enough_ns, KINDS):
            share = self.trials / trials
            kind = "command" if share < 0.75 else "confirmed"
            if self._has(enough_ns, (kind,)):
                kind = "confirmed" if kind == "command" else "command"
            self._climb(kind)

    def _has(self, enough_ns: dict[str, int], kinds: Sequence[str]) -> bool:
        return all(self.worst[kind].ns >= enough_ns[kind] for kind in kinds)

    # -- running -----------------------------------------------------------------------------

    def _measure(self, scenario: Scenario) -> Finding:
        """Run, and keep it where it is the worst."""
        finding = Trial(self._ground, scenario).run(self._limit_ns)
        self.trials += 1
        self.faults |= set(finding.faults)
        for kind, worst in self.worst.items():
            value = getattr(finding, kind)
            if value is not None and value >= worst.ns:
                self.worst[kind] = Worst(value, scenario, finding)
        return finding

    def _measure_aligned(self, scenario: Scenario, decision: int) -> Finding:
        """Run; what was aimed at the decision is moved with it and run once more."""
        finding = self._measure(scenario)
        if finding.decision is None or finding.decision == decision or not self._apart:
            return finding
        by = finding.decision - decision
        far = {device.id for device in self._far}
        polls = {name: at + by if name in far else at for name, at in scenario.polls.items()}
        remote = {rule.id for rule in self._ground.others if self._ground.is_remote(rule)}
        fire = {
            name: at + by if isinstance(at, int) and name in remote else at
            for name, at in scenario.fire.items()
        }
        moved = replace(scenario, polls=polls, fire=fire)
        return finding if moved == scenario else self._measure(moved)

    # -- what theory says --------------------------------------------------------------------

    def _constructions(self) -> Iterator[Scenario]:
        """Scenarios to run, each with those it leads to; the first one is calm."""
        ground, period = self._ground, self._ground.period_ns
        calm = self._measure(Scenario(dict.fromkeys((d.id for d in ground.polled), period // 2)))
        if calm.decision is None:
            return
        yield from self._witnessed(calm.change or 0)
        last = calm.decision // period * period
        # with a hold, a first reading that is late lets the condition be met a poll later
        releases = (last, last + period) if ground.rule.hold_s else (last,)
        for choice, dead in enumerate(self._dead_sets()):
            for release in releases:
                for blocker, ahead in self._blocked(self._near, dead):
                    polls = dict.fromkeys((d.id for d in self._near), release - 1)
                    if blocker is not None:
                        polls[blocker.id] = release - ahead
                    if release > last:
                        polls |= self._early(blocker)
                    yield from self._with_far(self._scenario(polls, dead, release))
            if choice == 0 and ground.ends(ground.rule):
                polls = dict.fromkeys((d.id for d in self._near), last - 1)
                yield self._again(self._scenario(polls, dead, last))
            if choice == 0:
                yield from self._with_far(self._scenario(self._ties(last), dead, last))

    def _witnessed(self, change: int) -> Iterator[Scenario]:
        """What the proof says is the worst case on our line; then the far line as elsewhere."""
        if self._phases is None:
            return
        witness = witness_of(self._ground, self._phases, change, self._most_dead)
        if witness is None:
            return
        polls = dict.fromkeys((d.id for d in self._near), witness.release - 1) | witness.polls
        built = self._scenario(polls, frozenset(witness.dead), witness.release)
        far = {d.id for d in self._far}
        dead = {n: built.dead[n] if n in far else at for n, at in witness.dead.items()}
        yield from self._with_far(replace(built, dead=dead))

    def _early(self, blocker: DeviceConfig | None) -> dict[str, int]:
        """Somebody whose poll makes the first reading late, but not the one that decides."""
        ground = self._ground
        others = [d for d in self._near if d is not blocker and period_ns(d) != ground.period_ns]
        if not others:
            return {}
        return {max(others, key=period_ns).id: ground.period_ns - 1}

    def _scenario(self, polls: dict[str, int], dead: frozenset[str], release: int) -> Scenario:
        """Near polls as given, far ones at our poll; the slowest alike were in quarantine."""
        ground = self._ground
        polls |= dict.fromkeys((d.id for d in self._far), release)
        alike = [d for d in self._near if d.period_ms == ground.sensor.period_ms]
        alike.sort(key=lambda d: -self._longest_ns(d, dead))
        return Scenario(
            polls,
            back=frozenset(d.id for d in alike[: self._most_dead]),
            dead={name: polls.get(name, release) - 1 for name in dead},
            fire={
                rule.id: self._fire_at(rule, polls, release)
                for rule in ground.others
                if not ground.shares(rule) or (ground.ends(rule) and ground.is_remote(rule))
            },
            calm={rule.id: release - 1 for rule in ground.others if ground.shares(rule)},
            settle=_SETTLES[-1],
            begin=self._begin(release),
        )

    def _again(self, scenario: Scenario) -> Scenario:
        """Ours has fired before, and is over with the reading that precedes the change."""
        rule = self._ground.rule.id
        return replace(
            scenario,
            fire={**scenario.fire, rule: -_LONG_NS},
            calm={**scenario.calm, rule: -1},
        )

    def _fire_at(self, rule: RuleConfig, polls: dict[str, int], release: int) -> int:
        """Such that the rule fires directly before our poll, or at its own poll next to it."""
        ground = self._ground
        if ground.is_remote(rule):
            return release - 2
        device = ground.devices[str(rule.point).partition(".")[0]]
        period = period_ns(device)
        hold = -(-round(rule.hold_s * NS_PER_S) // period) * period
        return polls.get(device.id, release) - 1 - hold

    def _begin(self, release: int) -> int:
        """From when on polls matter for what happens at this one."""
        if self._ground.rule.hold_s:
            return 0
        return max(0, release - self._window_ns)

    def _with_far(self, scenario: Scenario) -> Iterator[Scenario]:
        """The scenario, then with the output's line blocked directly before the decision."""
        finding = self._measure(scenario)
        if finding.decision is None:
            return
        at, dead = finding.decision, frozenset(scenario.dead)
        remote = {
            r.id: at - 1
            for r in self._ground.others
            if self._ground.is_remote(r) and not self._ground.shares(r)
        }
        fire: dict[str, Fire] = {**scenario.fire, **remote}
        for blocker, ahead in self._blocked(self._far, dead):
            polls = dict(scenario.polls) | dict.fromkeys((d.id for d in self._far), at - 1)
            deaths = dict(scenario.dead)
            if blocker is not None:
                polls[blocker.id] = at - ahead
                if blocker.id in deaths:
                    deaths[blocker.id] = at - ahead - 1
            if blocker is not None or remote:
                yield replace(scenario, polls=polls, fire=fire, dead=deaths)

    def _ties(self, release: int) -> dict[str, int]:
        """Polls that come as late as they still go before ours."""
        deadline = release + self._ground.period_ns
        return {d.id: min(release, deadline - period_ns(d)) - 1 for d in self._near}

    def _blocked(
        self, devices: Sequence[DeviceConfig], dead: frozenset[str]
    ) -> list[tuple[DeviceConfig | None, int]]:
        """Who may have just begun, and how long before that it is polled; the longest first.

        What feeds no alarm waits for room between what does; when its patience is over it begins.
        """
        ordered = sorted(devices, key=lambda d: -self._longest_ns(d, dead))
        logged = [d for d in ordered if d.id not in self._watched]
        watched = [d for d in ordered if d.id in self._watched]
        # of those that wait, the one with the shortest period goes first
        waiting = {d.id: d for d in (*logged[:1], *sorted(logged, key=period_ns)[:1])}
        pairs: list[tuple[DeviceConfig | None, int]] = [
            (d, self._patience_ns(d) + 2) for d in waiting.values()
        ]
        # who has always answered is let in if an answer fits before our poll, and then falls silent
        for device in [d for d in logged if d.id in dead][:1]:
            gap_ns = self._ground.profile(device).timing.gap_ms * NS_PER_MS
            pairs.append((device, self._longest_ns(device, frozenset()) - gap_ns + 2))
        pairs += [(d, 2) for d in watched[:1]] or [(d, 2) for d in logged[:1]]
        return pairs or [(None, 0)]

    def _dead_sets(self) -> list[frozenset[str]]:
        """Those that feed alarms and cost most, other outputs, and those that cost most."""
        sets: list[set[str]] = [set(), set(), set()]
        for devices in self._mortal.values():
            by_slice = sorted(devices, key=lambda d: -self._ground.silent_ns(d))
            by_watch = sorted(by_slice, key=lambda d: d.id not in self._watched)
            by_output = sorted(by_slice, key=lambda d: d.id not in self._commanded)
            for chosen, ranked in zip(sets, (by_watch, by_output, by_slice), strict=True):
                chosen |= {d.id for d in ranked[: self._most_dead]}
        return list(dict.fromkeys(map(frozenset, sets)))

    def _window(self, dead: int) -> int:
        """Longer than anything can be pending on the sensor's line."""
        near = [self._ground.sensor, *self._near]
        silent = sorted(map(self._ground.silent_ns, near), reverse=True)
        answered = sum(self._ground.poll_ns(device) for device in near)
        longest = 3 * (answered + 3 * sum(silent[:dead]) + silent[0])
        return self._patience_ns(self._ground.sensor) + longest

    def _longest_ns(self, device: DeviceConfig, dead: frozenset[str]) -> int:
        silent = device.id in dead
        return self._ground.silent_ns(device) if silent else self._ground.longest_ns(device)

    def _patience_ns(self, device: DeviceConfig) -> int:
        return self._ground.patience_ns(self._ground.line_of(device))

    # -- climbing ----------------------------------------------------------------------------

    def _climb(self, kind: str) -> None:
        worst = self.worst[kind]
        decision = worst.finding.decision
        if decision is None:
            self.trials += 1
            return
        changed = worst.scenario
        for _ in range(self._random.choice((1, 1, 2, 3))):
            changed = self._mutated(changed, worst.finding, kind)
        self._measure_aligned(changed, decision)

    def _mutated(self, scenario: Scenario, finding: Finding, kind: str) -> Scenario:
        choice = self._random.random()
        if choice < 0.15 and self._most_dead:
            return self._other_dead(scenario, finding)
        if choice < 0.25 and self._ground.others:
            return self._other_fire(scenario, finding)
        if choice < 0.3 and self._most_dead and self._near:
            alike = [d.id for d in self._near]
            back = self._random.sample(alike, min(self._most_dead, len(alike)))
            return replace(scenario, back=frozenset(back))
        if choice < (0.5 if kind == "confirmed" else 0.32):
            settle = self._random.choice((*_SETTLES, self._random.random()))
            return replace(scenario, settle=settle)
        devices = [*self._near, *self._far]
        if not devices:
            return scenario
        device = self._random.choice(devices)
        at = self._poll_of(device, finding)
        dead = dict(scenario.dead)
        if device.id in dead and self._random.random() < 0.7:
            dead[device.id] = at - 1
        return replace(scenario, polls={**scenario.polls, device.id: at}, dead=dead)

    def _other_fire(self, scenario: Scenario, finding: Finding) -> Scenario:
        """Another rule at another time, or not at all; or its end."""
        pick, ground = self._random, self._ground
        if pick.random() < 0.1:
            return self._again(scenario)
        rule = pick.choice(ground.others)
        if pick.random() < (0.5 if ground.shares(rule) else 0.2):
            at = pick.choice(self._instants(finding)) - pick.choice((0, 1, 2, 3))
            calm = {**scenario.calm, rule.id: at}
            if ground.is_remote(rule):
                return replace(scenario, calm=calm, fire={**scenario.fire, rule.id: at - 1})
            return replace(scenario, calm=calm)
        fire = {name: at for name, at in scenario.fire.items() if name != rule.id}
        if pick.random() < 0.2:
            return replace(scenario, fire=fire)
        at = pick.choice(self._instants(finding)) - pick.choice((0, 1, 2, 3))
        if not ground.is_remote(rule):
            name = str(rule.point).partition(".")[0]
            own = scenario.polls.get(name, 0)
            fire[rule.id] = pick.choice(("with", at, own, own))
        else:
            fire[rule.id] = at
        return replace(scenario, fire=fire)

    def _poll_of(self, device: DeviceConfig, finding: Finding) -> int:
        """A poll of the device that matters: at, or so that it is just over by, such an instant."""
        pick, ground = self._random, self._ground
        at = pick.choice(self._instants(finding))
        way = pick.random()
        if way < 0.5:
            return at - pick.choice((0, 1, 1, 2, 2, 3))
        if way < 0.65:
            return at + ground.period_ns - period_ns(device) - pick.choice((0, 1))
        if way < 0.8:
            return at - self._longest_ns(device, frozenset())
        if way < 0.9:
            return at - self._patience_ns(device) - pick.choice((-1, 0, 1, 2))
        return at + round(pick.uniform(-1, 0.3) * ground.period_ns)

    def _other_dead(self, scenario: Scenario, finding: Finding) -> Scenario:
        """One of the dead changed for another on its line, or one fewer, or another moment."""
        pick, dead = self._random, dict(scenario.dead)
        devices = pick.choice(list(self._mortal.values()))
        here = [d.id for d in devices if d.id in dead]
        living = [d.id for d in devices if d.id not in dead]
        if here and pick.random() < 0.4:
            dead[pick.choice(here)] = pick.choice(self._instants(finding)) - 4
            return replace(scenario, dead=dead)
        if here and (len(here) >= self._most_dead or pick.random() < 0.1):
            del dead[pick.choice(here)]
        if living and pick.random() < 0.9:
            name = pick.choice(living)
            at = scenario.polls.get(name, finding.decision or 0)
            dead[name] = at - 1
        return replace(scenario, dead=dead)

    def _instants(self, finding: Finding) -> list[int]:
        """When something that matters happened: our polls, the decision, our questions."""
        ground = self._ground
        decision = finding.decision or 0
        last = decision // ground.period_ns
        releases = [n * ground.period_ns for n in {1, last, max(1, last - 1), last} if n]
        acts = [
            a.begin_ns - finding.origin for a in finding.attempts if a.line == ground.actuator.bus
        ]
        acts = [at for at in acts if at >= decision]
        near = [
            a.begin_ns - finding.origin for a in finding.attempts if a.line == ground.sensor.bus
        ]
        near = [at for at in near if at >= releases[-1] - ground.period_ns]
        return [*releases * 3, *[decision] * 3, *acts[:8], *near[:8]]
