"""What may go before a read on its line, by time: polls, commands, blocking and silence. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge.analysis.latency.backlog import drains
from edge.analysis.latency.line import Commanded, Line, Poll, Silence


@dataclass(frozen=True, slots=True)
class Subject:
    """What is under analysis on one line.

    ``device`` and ``index`` name the read. ``alive`` answer whatever happens. ``after`` is what the
    silence of a device costs the command that follows the reading.
    """

    device: str
    index: int
    alive: frozenset[str] = frozenset()
    after: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Blocking and silence, the worst choice of silent devices.

    ``blocker`` has just begun when the window does. ``dead`` are the silent devices that add
    ``extra_ns`` to it, ``after_ns`` is the part of it that comes after the reading.
    """

    blocking_ns: int
    blocker: str
    silent: bool
    extra_ns: int
    dead: tuple[str, ...]
    after_ns: int

    @property
    def total_ns(self) -> int:
        """Everything."""
        return self.blocking_ns + self.extra_ns


@dataclass(frozen=True, slots=True)
class _Suspect:
    name: str
    silence: Silence | None
    outputs: tuple[Commanded, ...]
    probe_ns: int
    after_ns: int

    @property
    def most_ns(self) -> float:
        """It never adds more, blocking included."""
        if self.outputs:
            return math.inf
        silence = self.silence
        return self.probe_ns + (silence.most * silence.cost_ns if silence else 0)

    def extra_ns(self, t: int, horizon: int, *, waiting: bool = False) -> int:
        """What its silence adds within the window. See Silence.extra_ns."""
        extra = self.silence.extra_ns(t, horizon, waiting=waiting) if self.silence else 0
        for output in self.outputs:
            extra += output.extra_ns(t)
        return extra

    def begun_ns(self, t: int, horizon: int) -> int:
        """The same if it was silent before, as what blocks is."""
        extra = self.silence.begun_ns(t, horizon) if self.silence else 0
        for output in self.outputs:
            extra += output.extra_ns(t)
        return extra


class Demand:
    """The demand of everything with an earlier deadline than the subject's.

    ``t`` is a time since the window's begin, ``horizon`` the subject's deadline on that scale.
    """

    def __init__(self, line: Line, subject: Subject) -> None:
        self._blockers = line.blockers
        device = line.devices.get(subject.device)
        if device is not None and line.bus.devices == (device,) and drains(line, device.period_ns):
            # what its own poll left to be logged has been asked when it is polled again
            self._blockers = tuple(
                each for each in line.blockers if each.name != subject.device or each.period_ns
            )
        self._line = line
        self._dead = line.bus.dead
        self.others: tuple[Poll, ...] = tuple(
            each for each in line.polls if each.name != subject.device
        )
        self.commanded = line.commanded
        self._suspects = self._likely(subject)
        self._most_ns = tuple(each.most_ns for each in self._suspects)
        costs: Counter[int] = Counter()
        for each in self.others:
            costs[each.period_ns] += each.cost_ns
        self._by_period = sorted(costs.items())

    def _likely(self, subject: Subject) -> tuple[_Suspect, ...]:
        """Who may fall silent; of those that are alike, as many as may at once."""
        after = dict(subject.after)
        spared = subject.alive | {subject.device}
        alike: Counter[object] = Counter()
        found = []
        for name in self._line.suspects:
            suspect = _Suspect(
                name,
                self._line.silences.get(name),
                tuple(each for each in self.commanded if each.device == name),
                self._line.probes.get(name, 0),
                after.get(name, 0),
            )
            kind = (suspect.silence, suspect.outputs, suspect.probe_ns, suspect.after_ns)
            if name not in spared and alike[kind] < self._dead:
                alike[kind] += 1
                found.append(suspect)
        found.sort(key=lambda each: -each.most_ns)
        return tuple(found)

    def polls_ns(self, t: int, horizon: int) -> int:
        """Answered polls released up to ``t`` whose deadlines lie in the horizon."""
        total = 0
        for period, cost in self._by_period:
            if period > horizon:
                break
            total += (1 + min(t, horizon - period) // period) * cost
        return total

    def open_polls_ns(self, t: int, horizon: int) -> int:
        """The same if one more of each may be open when the window begins."""
        total = 0
        for period, cost in self._by_period:
            total += (1 + min(1 + t // period, horizon // period)) * cost
        return total

    def commands_ns(self, t: int) -> int:
        """Answered commands of all outputs."""
        return sum(each.demand_ns(t) for each in self.commanded)

    def outputs(self) -> Iterator[str]:
        """Whose commands they are."""
        return (each.name for each in self.commanded)

    def stop(
        self,
        t: int,
        horizon: int,
        *,
        joint: bool = False,
        blocked: int | None = None,
        waiting: bool = False,
    ) -> Stop:
        """Blocking, and what at most ``dead`` silent devices add; one of them may be the blocker.

        ``joint`` weighs what their silence costs the command as well. ``blocked``: the horizon
        beyond which deadlines block, if that is another one. ``waiting``: polls from before the
        window may not have been asked yet.
        """
        name, blocking = self._answered(horizon if blocked is None else blocked)
        if not self._dead:
            return Stop(blocking, name, False, 0, (), 0)
        ranked = [
            (each.extra_ns(t, horizon, waiting=waiting) + (each.after_ns if joint else 0), each)
            for each in self._suspects
        ]
        ranked.sort(key=lambda pair: -pair[0])
        worst = ranked[: self._dead]
        best = Stop(
            blocking, name, False, sum(extra for extra, _ in worst),
            tuple(each.name for extra, each in worst if extra),
            sum(each.after_ns for _, each in worst) if joint else 0,
        )  # fmt: skip
        most = sum(extra for extra, _ in ranked[: self._dead - 1])
        for extra, each in ranked:
            # as a blocker it has spent an attempt, so it adds no more than it would otherwise
            if each.probe_ns <= blocking or each.probe_ns + extra + most <= best.total_ns:
                continue
            begun = each.begun_ns(t, horizon) + (each.after_ns if joint else 0)
            rest = [pair for pair in worst if pair[1] is not each][: self._dead - 1]
            total = begun + sum(other for other, _ in rest)
            if each.probe_ns + total > best.total_ns:
                chosen = ([each] if begun > 0 else []) + [other for more, other in rest if more]
                after = sum(other.after_ns for other in (each, *(other for _, other in rest)))
                best = Stop(
                    each.probe_ns, each.name, True, total,
                    tuple(other.name for other in chosen), after if joint else 0,
                )  # fmt: skip
        return best

    def stop_ns(self, t: int, horizon: int, blocked: int) -> int:
        """The total of ``stop``, faster."""
        if self._dead != 1:
            return self.stop(t, horizon, blocked=blocked).total_ns
        _, blocking = self._answered(blocked)
        most = blocking
        for each, limit in zip(self._suspects, self._most_ns, strict=True):
            if blocking + limit <= most:
                break
            extra = each.extra_ns(t, horizon)
            most = max(most, blocking + extra)
            if each.probe_ns > blocking and each.probe_ns + extra > most:
                most = max(most, each.probe_ns + each.begun_ns(t, horizon))
        return most

    def _answered(self, horizon: int) -> tuple[str, int]:
        for each in self._blockers:
            if each.period_ns == 0 or each.period_ns > horizon:
                return each.name, each.rest_ns
        return "", 0
