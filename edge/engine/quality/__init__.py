"""Whether a reading may be compared: judged before any rule sees it. See docs/quality.md. Pure."""

from edge.engine.quality.checks import Checks, Trouble
from edge.engine.quality.limits import judge
from edge.engine.quality.point_checks import JUMP_READINGS, Counter, CurrentLoop, PointChecks

__all__ = [
    "JUMP_READINGS",
    "Checks",
    "Counter",
    "CurrentLoop",
    "PointChecks",
    "Trouble",
    "judge",
]
