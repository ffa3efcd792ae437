"""Alarms that come and go: a chattering one is held active and said to chatter. Pure.

More than three transitions within a minute that nobody answers are chatter. From then on a fall is
held back until there was no transition for a minute: a siren that starts and stops is not believed
any more, while one that goes on errs to the safe side. Rises pass at once, and red that comes again
after an answer calls again: the highest level is never kept quiet by this.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from edge.core.instant import NS_PER_S, Instant
from edge.core.model import Level, Verdict

TRANSITIONS: Final = 3
"""So many within a minute are not yet chatter."""
_MINUTE_NS: Final = 60 * NS_PER_S


class Chatter:
    """The transitions of one rule. A steady rise over several levels is one transition."""

    __slots__ = ("_held", "_level", "_rose", "_times", "quiet_at")

    def __init__(self, level: Level = Level.NORMAL) -> None:
        self.quiet_at: Instant | None = None
        """While it chatters: when it will be quiet unless there is another transition."""
        self._level = level
        self._rose: bool | None = None
        self._times: deque[Instant] = deque(maxlen=TRANSITIONS + 1)
        self._held: Verdict | None = None

    def take(
        self, verdict: Verdict, current: Level, *, answered: bool
    ) -> tuple[tuple[Verdict, ...], bool]:
        """What is to be believed now, in this order, and whether the verdict was a transition.

        ``current`` is the level that the alarm still has, ``answered`` whether it is acknowledged.
        """
        level = verdict.level
        if level is None:
            return (verdict,), False
        transition = level != self._level and self._note(level, verdict.at)
        if level < current and self.quiet_at is not None:
            self._held = verdict
            return (), transition
        held, self._held = self._held, None
        if held is not None and answered and level is Level.RED:
            return (held, verdict), transition
        return (verdict,), transition

    def answer(self) -> None:
        """Somebody deals with it: what came and went until now does not count any more."""
        if self.quiet_at is None:
            self._times.clear()

    def settle(self) -> Verdict | None:
        """It is quiet: the fall that was held back, if there was one."""
        held, self._held, self.quiet_at = self._held, None, None
        self._times.clear()
        return held

    def _note(self, level: Level, at: Instant) -> bool:
        rose = level > self._level
        self._level = level
        if rose is self._rose:
            return False
        self._rose = rose
        self._times.append(at)
        many = len(self._times) > TRANSITIONS and at - self._times[0] <= _MINUTE_NS
        if many or self.quiet_at is not None:
            self.quiet_at = Instant(at + _MINUTE_NS)
        return True
