"""From what a site file says of alarms to the policies of the engine."""

from __future__ import annotations

from edge.app.config.model import RuleConfig, Site
from edge.core.model import RuleId
from edge.engine.alarms import AlarmPolicy
from edge.engine.silence import Limits


def policy_of(rule: RuleConfig) -> AlarmPolicy:
    """How the alarm of this rule behaves."""
    return AlarmPolicy(
        rule.latch,
        rule.re_alarm_s,
        tuple(RuleId(each) for each in rule.suppressed_by),
        rule.suppressed_up_to,
        rule.zone or "",
    )


def limits_of(site: Site) -> Limits:
    """How long alarms of this site may be silenced."""
    return Limits(site.alarms.shelve_max_h * 3600, site.alarms.inhibit_max_h * 3600)
