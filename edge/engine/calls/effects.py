"""What follows from something that happened on the ladders. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.core.calls import Request
from edge.core.model import RuleId
from edge.engine.calls.entries import Entry


@dataclass(slots=True)
class Effects:
    """What follows: whom to ask, whom no longer, what to record, and who has answered an alarm."""

    requests: list[Request] = field(default_factory=list)
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    """Channel and request."""
    entries: list[Entry] = field(default_factory=list)
    acknowledged: list[tuple[RuleId, str, str]] = field(default_factory=list)
    """Rule, alarm and by whom."""
