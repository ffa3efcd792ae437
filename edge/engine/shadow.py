"""Shadow rules: judged on the same readings as the armed ones, heard by nobody. Pure.

Where a shadow and its armed rule measure different levels they disagree; from how often, how long
and which way, people see what a changed threshold would have done before it may do anything. A
shadow without an armed rule is held against silence: it disagrees while it would have alarmed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from edge.core.instant import NS_PER_S, Instant, Utc, seconds_between
from edge.core.model import Alarm, Level, RuleId

# A shadow that chatters must not fill the journal: so many disagreements at once, then one so
# often. All are counted.
_MOST_RECORDED: Final = 20
_ONE_MORE_EVERY_S: Final = 1800.0
_LAST_KEPT: Final = 8


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A shadow and its armed rule differ.

    The levels are those with the widest difference so far. ``lasted_s`` is None while it goes on;
    ``unrecorded``: how many earlier ones have no record, because there were too many.
    """

    shadow: RuleId
    armed: RuleId | None
    number: int
    shadow_level: Level
    armed_level: Level
    since: Utc
    lasted_s: float | None = None
    unrecorded: int = 0

    def body(self) -> dict[str, object]:
        """For records and status."""
        return {
            "event": "disagreement begins" if self.lasted_s is None else "disagreement ends",
            "shadow": self.shadow,
            "armed": self.armed,
            "number": self.number,
            "shadow_level": self.shadow_level.name.lower(),
            "armed_level": self.armed_level.name.lower(),
            "since_ms": self.since.ms,
            "lasted_s": self.lasted_s,
            "unrecorded": self.unrecorded,
        }


@dataclass(slots=True)
class _Account:
    """What is known of one shadow. ``more``: disagreements in which it would have warned higher."""

    shadow: RuleId
    armed: RuleId | None
    open: Disagreement | None = None
    open_at: Instant = field(default=Instant(0))
    open_recorded: bool = False
    count: int = 0
    more: int = 0
    less: int = 0
    lasted_s: float = 0.0
    tokens: float = _MOST_RECORDED
    tokens_at: Instant | None = None
    unrecorded: int = 0
    last: deque[Disagreement] = field(default_factory=lambda: deque(maxlen=_LAST_KEPT))


class Shadows:
    """Compares shadows with what is armed, after each walk. Memory is bounded by their number."""

    def __init__(self, armed_of: Mapping[RuleId, RuleId | None]) -> None:
        """``armed_of``: every shadow, with the armed rule it may replace some day, if any."""
        self._accounts = {name: _Account(name, armed) for name, armed in armed_of.items()}
        self._by_rule: dict[RuleId, list[_Account]] = {}
        for account in self._accounts.values():
            for rule in (account.shadow, account.armed):
                if rule is not None:
                    self._by_rule.setdefault(rule, []).append(account)

    @property
    def rules(self) -> frozenset[RuleId]:
        """The shadows: nothing that they raise may be announced or sounded."""
        return frozenset(self._accounts)

    def step(
        self, changed: Iterable[Alarm], alarms: Mapping[RuleId, Alarm], at: Instant, utc: Utc
    ) -> list[Disagreement]:
        """Look at what one walk has changed; returns what is to be recorded.

        Called once per walk with all of its changes: a shadow that follows its armed rule in the
        same walk agrees with it.
        """
        touched = {
            account.shadow: account
            for alarm in changed
            for account in self._by_rule.get(alarm.rule, ())
        }
        found: list[Disagreement] = []
        for account in touched.values():
            told = _compare(account, alarms, at, utc)
            if told is not None:
                found.append(told)
        return found

    def take_over(self, old: Shadows) -> None:
        """Go on with the shadows that are held against the same rules as before."""
        for name, account in self._accounts.items():
            before = old._accounts.get(name)
            if before is None or before.armed != account.armed:
                continue
            for slot in fields(account):
                setattr(account, slot.name, getattr(before, slot.name))

    def body(self, now: Instant) -> dict[str, object]:
        """For status: by shadow, how it agrees with its armed rule."""
        return {name: _body(account, now) for name, account in self._accounts.items()}


def _compare(
    account: _Account, alarms: Mapping[RuleId, Alarm], at: Instant, utc: Utc
) -> Disagreement | None:
    shadow = alarms[account.shadow].current
    armed = alarms[account.armed].current if account.armed is not None else Level.NORMAL
    now = account.open
    if shadow == armed:
        return None if now is None else _end(account, now, at)
    if now is None:
        return _begin(account, shadow, armed, at, utc)
    if abs(shadow - armed) > abs(now.shadow_level - now.armed_level):
        account.open = Disagreement(
            now.shadow, now.armed, now.number, shadow, armed, now.since, None, now.unrecorded
        )
    return None


def _begin(
    account: _Account, shadow: Level, armed: Level, at: Instant, utc: Utc
) -> Disagreement | None:
    account.count += 1
    if shadow > armed:
        account.more += 1
    else:
        account.less += 1
    account.open_at = at
    account.open_recorded = _may_record(account, at)
    account.open = Disagreement(
        account.shadow, account.armed, account.count, shadow, armed, utc,
        None, account.unrecorded,
    )  # fmt: skip
    if not account.open_recorded:
        account.unrecorded += 1
        return None
    account.unrecorded = 0
    return account.open


def _end(account: _Account, now: Disagreement, at: Instant) -> Disagreement | None:
    lasted_s = seconds_between(account.open_at, at)
    account.lasted_s += lasted_s
    account.open = None
    ended = Disagreement(
        now.shadow, now.armed, now.number, now.shadow_level, now.armed_level, now.since,
        lasted_s, now.unrecorded,
    )  # fmt: skip
    account.last.append(ended)
    return ended if account.open_recorded else None


def _may_record(account: _Account, at: Instant) -> bool:
    """A bucket of tokens: what has a begin in the journal also has its end."""
    if account.tokens_at is not None:
        gained = (at - account.tokens_at) / (_ONE_MORE_EVERY_S * NS_PER_S)
        account.tokens = min(float(_MOST_RECORDED), account.tokens + gained)
    account.tokens_at = at
    if account.tokens < 1.0:
        return False
    account.tokens -= 1.0
    return True


def _body(account: _Account, now: Instant) -> dict[str, object]:
    open_s = seconds_between(account.open_at, now) if account.open is not None else 0.0
    return {
        "armed": account.armed,
        "agrees": account.open is None,
        "disagreements": account.count,
        "more": account.more,
        "less": account.less,
        "disagreed_s": round(account.lasted_s + open_s, 3),
        "unrecorded": account.unrecorded,
        "open": None if account.open is None else account.open.body(),
        "last": [each.body() for each in account.last],
    }
