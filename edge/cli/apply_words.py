"""How a change of the site file is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.app.complaint import complaint_from
from edge.cli.words import clock_time, level
from edge.locale import text

_SHOWN = 12


def applied_lines(answer: Mapping[str, Any]) -> list[str]:
    """What differed beside the old one, how long nothing was asked, and what to do until when."""
    pending = answer["pending"]
    differences = answer["differences"]
    lines = [text("apply.applied", file=pending["file"], config=pending["config"][:_SHOWN])]
    lines += [_difference(each) for each in differences] or [text("apply.no-difference")]
    if answer["unjudged"]:
        lines.append(text("apply.unjudged", rules=", ".join(answer["unjudged"])))
    lines.append(text("apply.gap", ms=f"{pending['gap_ms']:.1f}"))
    return [*lines, *_next(pending, answer["file"])]


def confirmed_lines(answer: Mapping[str, Any]) -> list[str]:
    """That it stays, and where the old file is."""
    return [text("apply.confirmed", file=answer["file"]), text("apply.kept", file=answer["kept"])]


def gone_back_lines(answer: Mapping[str, Any]) -> list[str]:
    """That the old one runs again."""
    gap = text("apply.gap", ms=f"{answer['gap_ms']:.1f}")
    return [text("apply.gone-back", config=answer["config"][:_SHOWN]), gap, *_restart(answer)]


def status_lines(answer: Mapping[str, Any]) -> list[str]:
    """What waits for a confirmation, and what a restart would begin with."""
    pending = answer["pending"]
    if pending is not None:
        return [pending_sign(pending), *_next(pending, answer["file"])]
    return [text("apply.none", config=answer["config"][:_SHOWN]), *_restart(answer)]


def pending_sign(pending: Mapping[str, Any]) -> str:
    """The sign in status as long as nobody has confirmed."""
    minutes, seconds = divmod(round(pending["left_s"]), 60)
    told = {
        "config": pending["config"][:_SHOWN],
        "before": pending["before"][:_SHOWN],
        "by": pending["by"],
        "left": f"{minutes}:{seconds:02d}",
    }
    if pending["held"] is not None:
        return text("apply.held", reason=str(complaint_from(pending["held"])), **told)
    return text("apply.pending", **told)


def _difference(each: Mapping[str, Any]) -> str:
    key = "apply.louder" if each["louder"] else "apply.quieter"
    return text(key, rule=each["rule"], before=level(each["before"]), after=level(each["after"]))


def _next(pending: Mapping[str, Any], file: str) -> list[str]:
    until = clock_time(pending["until_ms"])
    return [text("apply.next", until=until), text("apply.otherwise", file=file)]


def _restart(answer: Mapping[str, Any]) -> list[str]:
    same = answer["restart_same"]
    if same:
        return []
    key = "apply.restart-unreadable" if same is None else "apply.restart-other"
    return [text(key, file=answer["file"])]
