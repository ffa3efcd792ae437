"""Drills and walk-tests as people ask for them on the local socket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.app.complaint import Complaint
from edge.app.compose import Agent
from edge.app.config.model import RuleConfig
from edge.app.local_socket import Request
from edge.app.plan_steps import steps_of
from edge.core.model import Level, Point, PointId, RuleId
from edge.core.units import Quantity, Unit, UnitMismatch, parse_quantity
from edge.engine.alarms import ACTIVE, SILENT
from edge.engine.conditions.tree import Compare, Condition, Pick, Value, points_of, walk
from edge.engine.drill import Mode
from edge.engine.plan import Step
from edge.engine.silence import Asked, Declined
from edge.engine.walk_test import Probe, Scope

MOST_DRILL_MIN = 240.0
MOST_WALK_TEST_MIN = 240.0
"""A shift's half: rules under test do not protect anybody."""
MOST_SOUND_S = 30.0


@dataclass(frozen=True, slots=True)
class Exercises:
    """Answers the requests ``drill`` and ``walk-test``. Raises Complaint."""

    agent: Agent

    def sound(self) -> list[dict[str, object]]:
        """Of every output that should sound, or is rehearsed, whether it is heard."""
        return [
            {
                "output": each.order.step.output,
                "sounding": each.sounding.value,
                "why": each.why,
                "drill": each.order.drill,
            }
            for each in self.agent.pipeline.outputs.sound.findings
        ]

    # -- drills -----------------------------------------------------------------------------------

    def drill(self, request: Request) -> dict[str, object]:
        """``do``: start, stop or status."""
        drills = self.agent.pipeline.outputs.drills
        match request.get("do"):
            case "start":
                self._start_drill(request)
            case "stop":
                by = _named(request)
                if drills.running is None:
                    raise Complaint("no-drill")
                drills.stop(by)
        return {
            "running": drills.running.body() if drills.running is not None else None,
            "answered_by": drills.alarm.acknowledged_by if drills.alarm is not None else "",
            "sound": [each for each in self.sound() if each["drill"]],
            "last": drills.last,
        }

    def _start_drill(self, request: Request) -> None:
        by, reason = _named(request), _reason(request)
        rule = self._drilled_rule(request)
        mode = next((each for each in Mode if each == request.get("mode")), None)
        if mode is None:
            raise Complaint("bad-mode", found=str(request.get("mode")), allowed=", ".join(Mode))
        minutes = _minutes(request, 10.0, MOST_DRILL_MIN)
        self._check_free()
        self.agent.pipeline.outputs.drills.start(
            RuleId(rule.id), rule.highest, mode, plan=str(rule.plan), by=by, reason=reason,
            minutes=minutes,
        )  # fmt: skip

    def _drilled_rule(self, request: Request) -> RuleConfig:
        """The rule that is named, or the first one that starts the plan that is."""
        plan, name = request.get("plan"), request.get("rule")
        rules = [rule for rule in self.agent.site.rules if rule.plan and not rule.shadow]
        for rule in rules:
            if (name and rule.id == name) or (not name and plan and rule.plan == plan):
                return rule
        if name:
            allowed = ", ".join(rule.id for rule in rules)
            raise Complaint("no-drill-rule", found=str(name), allowed=allowed)
        allowed = ", ".join(dict.fromkeys(str(rule.plan) for rule in rules))
        raise Complaint("no-drill-plan", found=str(plan or ""), allowed=allowed)

    # -- walk-tests -------------------------------------------------------------------------------

    def walk_test(self, request: Request) -> dict[str, object]:
        """``do``: start, stop or status."""
        tests = self.agent.pipeline.outputs.walk_tests
        match request.get("do"):
            case "start":
                self._start_walk_test(request)
            case "stop":
                by = _named(request)
                if not tests.running:
                    raise Complaint("no-walk-test")
                tests.stop(by)
        return {"running": tests.body(), "last": tests.last}

    def _start_walk_test(self, request: Request) -> None:
        by, reason = _named(request), str(request.get("reason") or "walk-test")
        rules = self._tested_rules(request)
        minutes = _minutes(request, 30.0, MOST_WALK_TEST_MIN)
        sound_s = _sound_s(request)
        scope = self._scope(rules, _changes(request))
        self._check_free()
        pipeline = self.agent.pipeline
        asked = Asked(by, reason, for_s=minutes * 60)
        most_s = MOST_WALK_TEST_MIN * 60
        try:
            pipeline.request(
                lambda its, now, utc: its.begin_test(scope.rules, asked, most_s, now, utc)
            )
        except Declined as error:
            raise Complaint(error.key, **error.arguments) from error
        pipeline.outputs.walk_tests.start(
            scope, pipeline.values, by=by, reason=reason, minutes=minutes, sound_s=sound_s
        )

    def _tested_rules(self, request: Request) -> list[RuleConfig]:
        name, zone = request.get("rule"), request.get("zone")
        rules = [rule for rule in self.agent.site.rules if not rule.shadow]
        found = [
            rule
            for rule in rules
            if (name and rule.id == name) or (not name and zone and rule.zone == zone)
        ]
        if found:
            return found
        if name or not zone:
            allowed = ", ".join(rule.id for rule in rules)
            raise Complaint("no-tested-rule", found=str(name or ""), allowed=allowed)
        allowed = ", ".join(dict.fromkeys(rule.zone for rule in rules if rule.zone))
        raise Complaint("no-tested-zone", found=str(zone), allowed=allowed or "-")

    def _scope(self, rules: Sequence[RuleConfig], changes: Sequence[Quantity]) -> Scope:
        site = self.agent.site
        plans = {each.id: steps_of(each) for each in site.plans}
        points = {point.id: point for point in site.points}
        looked_at = {
            point: [RuleId(rule.id) for rule in rules if point in _raising(rule.condition)]
            for point in sorted({p for rule in rules for p in _raising(rule.condition)})
        }
        return Scope(
            rules=tuple(RuleId(rule.id) for rule in rules),
            probes=tuple(
                Probe(
                    point,
                    tuple(names),
                    tuple(t for rule in rules for t in _thresholds(rule.condition, point)),
                    _change(points[point], changes),
                )
                for point, names in looked_at.items()
            ),
            steps={
                RuleId(rule.id): _reached(plans[rule.plan], rule.highest)
                for rule in rules
                if rule.plan
            },
        )

    # -- both -------------------------------------------------------------------------------------

    def _check_free(self) -> None:
        """One exercise at a time, and none while something is real."""
        outputs = self.agent.pipeline.outputs
        if outputs.drills.running is not None:
            raise Complaint("drill-runs", found=outputs.drills.running.id)
        if outputs.walk_tests.running:
            raise Complaint("walk-test-runs")
        for alarm in self.agent.pipeline.alarms.values():
            if alarm.level > Level.NORMAL or (alarm.phase not in SILENT and alarm.phase in ACTIVE):
                raise Complaint("alarm-stands", found=alarm.rule)


def _named(request: Request) -> str:
    by = str(request.get("by") or "").strip()
    if not by:
        raise Complaint("nobody")
    return by


def _reason(request: Request) -> str:
    reason = str(request.get("reason") or "").strip()
    if not reason:
        raise Complaint("drill-reason")
    return reason


def _minutes(request: Request, usual: float, most: float) -> float:
    minutes = request.get("minutes")
    if minutes is None:
        return usual
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        raise Complaint("bad-minutes", found=str(minutes), allowed=most)
    if not 0 < minutes <= most:
        raise Complaint("bad-minutes", found=str(minutes), allowed=most)
    return float(minutes)


def _sound_s(request: Request) -> float | None:
    """None: nothing is sounded."""
    seconds = request.get("sound_s")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Complaint("bad-seconds", found=str(seconds), allowed=MOST_SOUND_S)
    if not 0 < seconds <= MOST_SOUND_S:
        raise Complaint("bad-seconds", found=str(seconds), allowed=MOST_SOUND_S)
    return float(seconds)


def _changes(request: Request) -> list[Quantity]:
    written = request.get("changes") or []
    found = []
    for each in written if isinstance(written, list) else []:
        try:
            quantity = parse_quantity(str(each))
        except ValueError:
            raise Complaint("bad-change", found=str(each)) from None
        if not quantity.value > 0:
            raise Complaint("bad-change", found=str(each))
        found.append(quantity)
    return found


def _change(point: Point, changes: Iterable[Quantity]) -> float | None:
    """How much of a change counts for a point: what was given in a unit of its dimension."""
    for quantity in changes:
        try:
            return quantity.to(point.unit)
        except UnitMismatch:
            continue
    # a contact that moves has responded
    return 1.0 if point.unit is Unit.STATE else None


def _raising(condition: Condition) -> frozenset[PointId]:
    """The points that can raise a rule."""
    return frozenset(p for level in condition.levels for p in points_of(level.raises))


def _thresholds(condition: Condition, point: PointId) -> list[tuple[str, float]]:
    """The comparisons of a point's own value; those of windows show when the rule is raised."""
    found: list[tuple[str, float]] = []
    for level in condition.levels:
        for each in walk(level.raises):
            match each:
                case Compare(Value(where), comparison, limit) if where == point:
                    if isinstance(limit, Pick):
                        found += [(comparison, value) for _, value in limit.choices]
                    else:
                        found.append((comparison, limit))
                case _:
                    pass
    return list(dict.fromkeys(found))


def _reached(steps: Iterable[Step], highest: Level) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.level <= highest)
