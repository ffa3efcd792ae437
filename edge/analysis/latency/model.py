"""What the latency proof knows of a site: lines, exchanges, polls, outputs, rules. Pure.

All times are integer nanoseconds. ``edge.app.proof`` makes it from a Site.
"""

from __future__ import annotations

from dataclasses import dataclass, field

UNBOUNDED_NS = 10**15
"""Stands for a time without a bound, as on a line that may be busy with commands for ever."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt on a line: a question, and the answer or the silence that follows it.

    ``gap_ns`` is the silence that must lie before the question (t3.5, or what the device wants if
    that is more). ``turnaround_ns`` is the longest an answering device takes; for a broadcast it is
    the turnaround delay, and ``answer_ns`` is 0. ``timeout_ns`` is when a silent device is given
    up, counted from the last byte of the question.
    """

    gap_ns: int
    question_ns: int
    turnaround_ns: int
    answer_ns: int
    timeout_ns: int

    @property
    def answered_ns(self) -> int:
        """Line time if the device answers, the silence before included."""
        return self.gap_ns + self.question_ns + self.turnaround_ns + self.answer_ns

    @property
    def silent_ns(self) -> int:
        """Line time if it does not."""
        return self.gap_ns + self.question_ns + self.timeout_ns


@dataclass(frozen=True, slots=True)
class Read:
    """One question of a device's poll. ``watch``: it feeds alarms; otherwise it is only logged."""

    exchange: Exchange
    watch: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is polled every ``period_ns``; its reads go out in this order.

    ``attempts`` is how often a read is asked in one poll before it counts as failed (1 + retries).
    ``late_ns``: after an unanswered read the device is asked nothing for this much longer (0 where
    a late answer cannot be mistaken). ``give_up``: silent attempts in a row after which it is
    quarantined and only probed, in the lowest class.
    """

    name: str
    period_ns: int
    reads: tuple[Read, ...]
    attempts: int = 1
    late_ns: int = 0
    give_up: int = 3


@dataclass(frozen=True, slots=True)
class Output:
    """Something on a device that commands drive. ``device`` names the device (its address may be
    dead as a whole).

    A command is ``writes`` in order, then, if ``confirm`` is not None, a read-back at once and
    every ``every_ns`` after that, for the ``within_ns`` that the device may take to get there.
    ``warm_up_ns``: from the last write's answer to the sound.
    """

    name: str
    device: str
    writes: tuple[Exchange, ...]
    confirm: Exchange | None = None
    within_ns: int = 0
    every_ns: int = 0
    warm_up_ns: int = 0


@dataclass(frozen=True, slots=True)
class Bus:
    """One line with one owner. ``dead``: so many devices on it may be silent at once, any of them.

    ``overhead_ns``: what the owner loses per attempt between the end of one and the begin of the
    next. ``baud`` is None where bytes take no time (TCP).
    """

    name: str
    devices: tuple[Device, ...]
    outputs: tuple[Output, ...]
    dead: int = 1
    overhead_ns: int = 0
    baud: int | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """An output that stands in for another one, ``primary``, when that is dead.

    From the decision the primary has ``confirm_ns`` to be confirmed, and ``heard_ns`` to be heard
    by the read ``hearing`` (device and index), if it is heard at all. Where the budget leaves less,
    that counts, but never less than a healthy primary may take.
    """

    primary: str
    output: str
    confirm_ns: int
    heard_ns: int = 0
    hearing: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and what it sounds.

    ``inputs``: device and index of the read that brings each of its points; with several (a quorum)
    the slowest decides. ``hold_ns``: how long the condition must hold. ``repeats``: how many
    further readings must bear it out. ``outputs``: in the order in which one decision commands
    them. ``budget_ns`` None: any latency will do.
    """

    name: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    hold_ns: int = 0
    budget_ns: int | None = None
    repeats: int = 0
    backups: tuple[Backup, ...] = ()


@dataclass(frozen=True, slots=True)
class System:
    """A site as the proof sees it.

    ``compute_ns``: allowance from the arrival of a reading's last byte to the hand-over of the
    command's first byte on an idle line. ``ensure_ns``: an output is re-asserted at most this
    often. ``retry_ns``: a silent output is tried twice at once, then again each time this has
    passed since it was given up.
    """

    buses: tuple[Bus, ...]
    rules: tuple[Rule, ...]
    compute_ns: int = 0
    ensure_ns: int = 10_000_000_000
    retry_ns: int = 500_000_000


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a bound: ``kind`` names it in the catalogue of texts, ``detail`` what causes it."""

    kind: str
    ns: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing on a line in the worst schedule, times relative to the change at the sensor.

    ``priority`` is act, watch or log; ``what`` is exchange, silent, release, change, decision.
    """

    bus: str
    begin_ns: int
    end_ns: int
    label: str
    priority: str
    what: str


@dataclass(frozen=True, slots=True)
class Switch:
    """When a back-up is commanded at the latest, from the decision on.

    ``confirm_ns``: if ``primary`` is not confirmed by then; ``heard_ns``: if it is not heard by
    then. ``confirmed_ns`` and ``audible_ns``: how long that may take at worst though all is well.
    """

    primary: str
    confirm_ns: int
    confirmed_ns: int
    heard_ns: int = 0
    audible_ns: int = 0

    @property
    def latest_ns(self) -> int:
        """From the decision to the command of the back-up."""
        return max(self.confirm_ns, self.heard_ns)


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst case of one rule and one of its outputs; UNBOUNDED_NS where there is none.

    ``command_ns``: change to first byte of the command. ``sound_ns``: to the end of the last write
    and the warm-up. ``confirmed_ns``: to the confirmed answer. ``terms`` add up to ``command_ns``.
    Stages, of any poll and command: ``response_ns`` from a poll's release to the last byte of its
    answer, ``decision_ns`` from there to the first byte of the command, ``action_ns`` from there to
    the confirmed answer. ``switch``: the output is a back-up, its primary is dead; of the
    stages it then has the decision, which includes the wait.
    """

    rule: str
    output: str
    input: str
    command_ns: int
    sound_ns: int
    confirmed_ns: int
    terms: tuple[Term, ...]
    budget_ns: int | None = None
    schedule: tuple[Slot, ...] = ()
    response_ns: int = 0
    decision_ns: int = 0
    action_ns: int = 0
    switch: Switch | None = None

    @property
    def met(self) -> bool:
        """Whether it sounds within the budget."""
        return self.budget_ns is None or self.sound_ns <= self.budget_ns

    @property
    def dominating(self) -> Term:
        """The largest term."""
        return max(self.terms, key=lambda term: term.ns)


@dataclass(frozen=True, slots=True)
class Load:
    """Share of a line's time by class; 1.0 is all of it."""

    bus: str
    act: float
    watch: float
    log: float


@dataclass(frozen=True, slots=True)
class Advice:
    """A change that would meet a missed budget. ``code`` names its text; ``values`` fill it."""

    rule: str
    code: str
    values: dict[str, str] = field(default_factory=dict)
    sound_ns: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was computed of a site; ``bounds`` by rule, then output."""

    bounds: tuple[Bound, ...]
    loads: tuple[Load, ...]
    advice: tuple[Advice, ...] = ()

    def missed(self) -> tuple[str, ...]:
        """Names of rules that miss their budget, in order."""
        return tuple(dict.fromkeys(bound.rule for bound in self.bounds if not bound.met))
