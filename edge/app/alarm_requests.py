"""What people ask of alarms over the local socket: set aside, take out, inhibit, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.app.complaint import Complaint
from edge.app.local_socket import Request
from edge.core.instant import Instant, Utc
from edge.core.model import Alarm, RuleId, Silence
from edge.engine.annunciator import Annunciator
from edge.engine.bodies import alarm_body
from edge.engine.pipeline import Pipeline
from edge.engine.silence import Asked, Declined, silence_body

_Ask = Callable[[Annunciator, Instant, Utc], list[Alarm]]


def carry_out(pipeline: Pipeline, request: Request) -> dict[str, object]:
    """Do one of REQUESTS; the answer has every alarm that it changed. Raises Complaint."""
    ask = REQUESTS[str(request.get("op"))](pipeline.annunciator, request)
    try:
        changed = pipeline.request(ask)
    except Declined as error:
        raise Complaint(error.key, **error.arguments) from error
    return {"changed": [alarm_body(alarm) for alarm in changed]}


def inhibits_body(inhibits: Mapping[str, Silence]) -> dict[str, object]:
    """The zones that are inhibited, for status and health records."""
    return {zone: silence_body(each) for zone, each in inhibits.items()}


def _shelve(known: Annunciator, request: Request) -> _Ask:
    rule, asked = _rule(known, request), _asked(request)
    return lambda its, now, utc: its.shelve(rule, asked, now, utc)


def _unshelve(known: Annunciator, request: Request) -> _Ask:
    rule, by = _rule(known, request), _by(request)
    return lambda its, now, utc: its.unshelve(rule, by, now, utc)


def _take_out(known: Annunciator, request: Request) -> _Ask:
    rule, asked = _rule(known, request), _asked(request)
    return lambda its, now, utc: its.take_out(rule, asked, now, utc)


def _put_back(known: Annunciator, request: Request) -> _Ask:
    rule, by = _rule(known, request), _by(request)
    return lambda its, now, utc: its.put_back(rule, by, now, utc)


def _inhibit(_: Annunciator, request: Request) -> _Ask:
    zone, asked = str(request.get("zone", "")), _asked(request)
    return lambda its, now, utc: its.inhibit(zone, asked, now, utc)


def _uninhibit(_: Annunciator, request: Request) -> _Ask:
    zone, by = str(request.get("zone", "")), _by(request)
    return lambda its, now, utc: its.uninhibit(zone, by, now, utc)


def _reset(known: Annunciator, request: Request) -> _Ask:
    by = _by(request)
    rules = list(known.alarms) if request.get("rule") == "all" else [_rule(known, request)]
    return lambda its, now, utc: its.reset(rules, by, now, utc)


REQUESTS: Mapping[str, Callable[[Annunciator, Request], _Ask]] = {
    "shelve": _shelve,
    "unshelve": _unshelve,
    "out-of-service": _take_out,
    "in-service": _put_back,
    "inhibit": _inhibit,
    "uninhibit": _uninhibit,
    "reset": _reset,
}


def _rule(known: Annunciator, request: Request) -> RuleId:
    """The rule that is meant, by its id or that of its alarm."""
    wanted = str(request.get("rule", ""))
    for rule, alarm in known.alarms.items():
        if wanted and wanted in (rule, alarm.id):
            return rule
    raise Complaint("no-alarm", found=wanted, allowed=", ".join(sorted(known.alarms)))


def _by(request: Request) -> str:
    return str(request.get("by", ""))


def _asked(request: Request) -> Asked:
    for_s = request.get("for_s")
    number = isinstance(for_s, int | float) and not isinstance(for_s, bool)
    return Asked(
        by=_by(request),
        reason=str(request.get("reason", "")),
        for_s=float(for_s) if number and isinstance(for_s, int | float) else None,
        # what does not say that it comes from the box itself is taken as remote
        remote=request.get("remote") is not False,
        red=request.get("red") is True,
    )
