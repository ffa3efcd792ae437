"""From a site to the machine that decides: its checks, rules and alarms.

The agent, a back-test and a replay of a black box all begin here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from edge.app.alarm_policy import limits_of, policy_of
from edge.app.checks import checks_of
from edge.app.config.model import Site
from edge.app.plan_steps import plans_of
from edge.core.model import PointId, RuleId
from edge.engine.annunciator import Annunciator
from edge.engine.conditions.rule_set import LocalTime, RuleSet
from edge.engine.decider import Decider
from edge.engine.outputs import built_in_policies
from edge.engine.quality import Checks, PointChecks

# The hydrological day begins at 08:00 local time (SL 651-2014, appendix E).
_DAY_BEGINS_H = 8
_MS_PER_MIN = 60_000


def decider_of(site: Site) -> Decider:
    """A decider that has not seen anything yet."""
    checks = checks_of(site)
    armed = {RuleId(rule.id): policy_of(rule) for rule in site.rules if not rule.shadow}
    shadow = {RuleId(rule.id): policy_of(rule) for rule in site.rules if rule.shadow}
    steps = plans_of(site)
    return Decider(
        Checks(site.points, checks),
        rule_set_of(site, checks),
        Annunciator(armed | built_in_policies(steps.values()), limits_of(site)),
        Annunciator(shadow),
    )


def rule_set_of(site: Site, checks: Mapping[PointId, PointChecks]) -> RuleSet:
    """The rules of a site; their conditions alone decide how much memory they take."""
    counters = {point: each.counter for point, each in checks.items() if each.counter is not None}
    return RuleSet(
        [rule.condition for rule in site.rules],
        site.points,
        selectors=site.selectors,
        counters=counters,
        local=local_time(site.site.time_zone),
    )


@cache
def local_time(zone: str) -> LocalTime:
    """The calendar of an IANA time zone: hydrological day, month, day, minute of the day."""
    where = ZoneInfo(zone)

    @lru_cache(maxsize=64)
    def of_minute(minute: int) -> tuple[int, int, int, int]:
        # an instant that no calendar has is a clock that was never set
        try:
            local = datetime.fromtimestamp(minute * 60, where)
        except (OverflowError, ValueError, OSError):
            local = datetime.fromtimestamp(0, where)
        hydrological = local.replace(tzinfo=None) - timedelta(hours=_DAY_BEGINS_H)
        number = hydrological.date().toordinal()
        return number, local.month, local.day, local.hour * 60 + local.minute

    def local_of(utc_ms: int) -> tuple[int, int, int, int]:
        return of_minute(utc_ms // _MS_PER_MIN)

    return local_of
