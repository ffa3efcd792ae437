"""Whether what is commanded is also heard: by the actuator's confirmation, and by a reading.

Off the decision path: it looks at outputs after their commands have left. What is not confirmed, or
not heard within its time, is *unheard*: an alarm of the highest level, and the reason to command
the back-up. What cannot be known, because the sensor that hears is lost, is not unheard.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from edge.core.instant import NS_PER_S, Clock, Instant, Timer
from edge.core.model import Command, Level, Outcome, Quality, RuleId, Sample, Status
from edge.engine.alarms import rule_of
from edge.engine.plan import Heard, Order, Step, with_backups

UNHEARD: Final = "unheard:"
"""Begins the names of the built-in rules; no rule of a site file can have such a name."""

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


class Sounding(StrEnum):
    """What is known of an output that should sound."""

    COMMANDED = "commanded"
    HEARD = "heard"
    UNHEARD = "unheard"
    UNKNOWN = "unknown"
    """Confirmed by the actuator, but what should hear it does not answer."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long after the command an output may stay unconfirmed, and unheard, in nanoseconds."""

    confirm_ns: int
    heard_ns: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What has become of an output that was commanded. ``why``: what is missing, if anything is.

    ``since``: when it was commanded. ``first``: it is the first thing that is known of it.
    """

    order: Order
    sounding: Sounding
    at: Instant
    since: Instant
    first: bool
    why: str = ""
    evidence: tuple[Sample, ...] = ()


@dataclass(slots=True)
class _Watch:
    """An output that should sound. ``heard_at``: when it was last heard. ``limit_ns``: how long it
    may then be silent; the first time perhaps less, for the back-up's sake."""

    order: Order
    since: Instant
    patience: Patience
    sounding: Sounding = Sounding.COMMANDED
    first: bool = True
    confirmed: bool | None = None
    detail: str = ""
    heard_at: Instant | None = None
    sample: Sample | None = None
    timer: Timer | None = field(default=None, repr=False)

    @property
    def heard_until(self) -> Instant:
        """Until then nothing need be heard (again)."""
        if self.heard_at is None:
            return Instant(self.since + self.patience.heard_ns)
        heard = self.order.step.heard
        within_s = heard.within_s if heard is not None else 0.0
        return Instant(self.heard_at + round(within_s * NS_PER_S))

    @property
    def confirm_until(self) -> Instant:
        """By then it must be confirmed."""
        return Instant(self.since + self.patience.confirm_ns)


def unheard_rule(step: Step) -> RuleId:
    """The name of the built-in rule that says: this output is not heard."""
    _, _, arguments = step.output.split(":", 2)
    return RuleId(f"{UNHEARD}{step.actuator}" + (f":{arguments}" if arguments else ""))


def built_in_rules(plans: Iterable[Sequence[Step]]) -> tuple[RuleId, ...]:
    """Of every output that the plans can drive, back-ups included; in their order."""
    return tuple(dict.fromkeys(unheard_rule(step) for step in _all_steps(plans)))


def _all_steps(plans: Iterable[Sequence[Step]]) -> Iterator[Step]:
    return (step for steps in plans for step in with_backups(steps))


class Sound:
    """Watches the outputs that should sound, and tells what becomes of them."""

    def __init__(
        self,
        plans: Iterable[Sequence[Step]],
        clock: Clock,
        found: Callable[[Finding], None],
        patience: Mapping[tuple[RuleId, str], Patience] | None = None,
    ) -> None:
        """``found`` is told every change. ``patience``, by rule and output, where the proof allows
        less than the site file says.
        """
        steps = tuple(_all_steps(plans))
        self._outputs = frozenset(step.output for step in steps)
        self.points = frozenset(step.heard.point for step in steps if step.heard is not None)
        """The points that hear."""
        self._clock = clock
        self._found = found
        self._patience = patience or {}
        self._watches: dict[str, _Watch] = {}
        self._ended: dict[str, tuple[Command, Outcome]] = {}
        self._closed = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The present state of every output that should sound."""
        return tuple(_finding(watch, watch.since) for watch in self._watches.values())

    def unheard(self, rule: RuleId) -> bool:
        """Whether an output of this built-in rule should sound and does not."""
        return any(
            watch.sounding is Sounding.UNHEARD and unheard_rule(watch.order.step) == rule
            for watch in self._watches.values()
            if not watch.order.drill
        )

    def follow(self, wanted: Mapping[str, Order]) -> None:
        """From now on these outputs should sound, and no others; call it after every change."""
        now = self._clock.now()
        gone = [self._watches.pop(each) for each in list(self._watches) if each not in wanted]
        begun = []
        for output, order in wanted.items():
            watch = self._watches.get(output)
            if watch is None or watch.order is not order:
                begun.append(self._begin(output, order, watch, now))
        self._ended.clear()
        # what is told may change what is wanted: only now is everything as it should be
        for watch in gone:
            self._cancel(watch)
            if watch.sounding is Sounding.UNHEARD:
                self._found(replace(_finding(watch, now), sounding=Sounding.COMMANDED, why=""))
        for watch in begun:
            self._judge(watch)

    def on_outcome(self, command: Command, outcome: Outcome) -> None:
        """A command has ended. One that gave way to a newer one says nothing of the output."""
        if command.ends:
            return
        watch = self._watches.get(command.output)
        if watch is None or not _belongs(command, watch):
            # perhaps the answer came before this heard of the order
            self._ended[command.output] = (command, outcome)
            return
        self._take(watch, outcome)
        self._judge(watch)

    def on_sample(self, sample: Sample) -> None:
        """A judged reading of one of ``points``."""
        for watch in list(self._watches.values()):
            heard = watch.order.step.heard
            if heard is not None and heard.point == sample.point and sample.at > watch.since:
                watch.sample = sample
                if _hears(heard, sample):
                    watch.heard_at = sample.at
                self._judge(watch)

    def take_over(self, old: Sound) -> None:
        """What another one had not heard stays so until it is; call it before ``follow``."""
        self._watches.update({o: w for o, w in old._watches.items() if o in self._outputs})

    def close(self) -> None:
        """Watch no longer."""
        self._closed = True
        for watch in self._watches.values():
            self._cancel(watch)

    # -- inside -----------------------------------------------------------------------------------

    def _begin(self, output: str, order: Order, before: _Watch | None, now: Instant) -> _Watch:
        watch = _Watch(order, now, self._patience_of(order))
        if before is not None:
            self._cancel(before)
            # what was not heard stays so until it is
            if before.sounding is Sounding.UNHEARD:
                watch.sounding, watch.detail = Sounding.UNHEARD, before.detail
        self._watches[output] = watch
        ended = self._ended.pop(output, None)
        if ended is not None and _belongs(ended[0], watch):
            self._take(watch, ended[1])
        return watch

    def _patience_of(self, order: Order) -> Patience:
        step = order.step
        proven = self._patience.get((rule_of(order.alarm), step.output))
        if proven is not None and not order.drill:
            return proven
        within_s = step.heard.within_s if step.heard is not None else 0.0
        return Patience(round(step.timeout_s * NS_PER_S), round(within_s * NS_PER_S))

    @staticmethod
    def _take(watch: _Watch, outcome: Outcome) -> None:
        watch.confirmed = outcome.status is Status.DONE
        watch.detail = "" if watch.confirmed else f"{outcome.status}: {outcome.detail}"

    def _judge(self, watch: _Watch) -> None:
        """Find out what is known now; tell it if it is news; come back when time may change it."""
        if self._watches.get(watch.order.step.output) is not watch:
            return
        now = self._clock.now()
        sounding, why = _known(watch, now)
        if sounding is not watch.sounding:
            watch.sounding, first = sounding, watch.first
            watch.first = False
            self._found(replace(_finding(watch, now), why=why, first=first))
        if self._watches.get(watch.order.step.output) is watch:
            self._come_back(watch, now)

    def _come_back(self, watch: _Watch, now: Instant) -> None:
        limits = [watch.confirm_until] if watch.confirmed is None else []
        if watch.order.step.heard is not None:
            limits.append(watch.heard_until)
        due = min((limit for limit in limits if limit > now), default=None)
        self._cancel(watch)
        if due is not None and not self._closed:
            watch.timer = self._clock.call_at(due, lambda: self._judge(watch))

    @staticmethod
    def _cancel(watch: _Watch) -> None:
        if watch.timer is not None:
            watch.timer.cancel()
            watch.timer = None


def _known(watch: _Watch, now: Instant) -> tuple[Sounding, str]:
    """What is known of an output, and what is missing."""
    if watch.confirmed is False:
        return Sounding.UNHEARD, watch.detail
    if watch.confirmed is None and now >= watch.confirm_until:
        return Sounding.UNHEARD, "not confirmed in time"
    heard = watch.order.step.heard
    if heard is not None and now >= watch.heard_until:
        sample = watch.sample
        if sample is not None and sample.quality is Quality.GOOD:
            return Sounding.UNHEARD, f"{heard.point} is not {heard.comparison} {heard.limit:g}"
        unknown = Sounding.UNKNOWN if watch.confirmed else Sounding.COMMANDED
        # unknown is not unheard, and does not end it either
        unknown = Sounding.UNHEARD if watch.sounding is Sounding.UNHEARD else unknown
        return unknown, f"{heard.point}: {sample.quality if sample is not None else 'no reading'}"
    if watch.confirmed and (heard is None or watch.heard_at is not None):
        return Sounding.HEARD, ""
    return (watch.sounding if watch.sounding is Sounding.UNHEARD else Sounding.COMMANDED), ""


def _hears(heard: Heard, sample: Sample) -> bool:
    good = sample.quality is Quality.GOOD and sample.value is not None
    return good and _COMPARE[heard.comparison](sample.value or 0.0, heard.limit)


def _belongs(command: Command, watch: _Watch) -> bool:
    order = watch.order
    return (
        command.action == order.step.action
        and command.arguments == order.step.arguments
        and (command.alarm, command.revision) == (order.alarm, order.revision)
    )


def _finding(watch: _Watch, at: Instant) -> Finding:
    evidence = (watch.sample,) if watch.sample is not None else ()
    return Finding(
        watch.order, watch.sounding, at, watch.since, False, watch.detail, evidence
    )  # fmt: skip


LEVEL: Final = Level.RED
"""Of the built-in rules: that nobody hears an alarm is as bad as what it warns of."""
