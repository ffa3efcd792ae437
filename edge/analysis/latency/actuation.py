"""From the decision to the command, the sound and its confirmation. Pure; see docs/proof.md."""

from __future__ import annotations

from dataclasses import dataclass

from edge.analysis.latency.line import Line, exchanges
from edge.analysis.latency.model import UNBOUNDED_NS, Exchange, Output

# A fixpoint that has not settled after so many steps is not looked for any further.
_MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """What lies between the decision and the first byte of the command.

    ``blocking_ns`` is the attempt that had just begun on another line; ``silent`` names its device
    if that does not answer. ``queue`` are the other outputs' attempts that go before, by output, in
    order. ``extra`` is what each device adds by being silent.
    """

    gap_ns: int
    blocking_ns: int = 0
    blocker: str = ""
    silent: str = ""
    queue: tuple[tuple[str, int], ...] = ()
    extra: tuple[tuple[str, int], ...] = ()

    @property
    def queue_ns(self) -> int:
        """The other outputs' attempts, answered."""
        return sum(ns for _, ns in self.queue)

    def dead(self, most: int) -> tuple[tuple[str, int], ...]:
        """The silent devices that add most, at most so many; a silent blocker is one of them."""
        ranked = sorted(self.extra, key=lambda pair: (pair[0] != self.silent, -pair[1]))
        free = self.silent != "" and self.silent not in dict(self.extra)
        return tuple(ranked[: max(0, most - free)])

    def total_ns(self, most: int) -> int:
        """Everything, with at most so many silent devices."""
        extra = sum(ns for _, ns in self.dead(most))
        return self.gap_ns + self.blocking_ns + self.queue_ns + extra


@dataclass(frozen=True, slots=True)
class Done:
    """From the decision: to the end of the last write, and to the confirmed answer.

    ``action_ns``: from the first byte of the command to the confirmed answer.
    """

    written_ns: int
    confirmed_ns: int
    action_ns: int


class Actuation:
    """One output on its line, commanded together with ``own`` outputs of the same rule, in order.

    ``alive``: devices that answer whatever happens; the output's own is one of them.
    """

    def __init__(
        self, line: Line, output: Output, own: tuple[str, ...], alive: frozenset[str]
    ) -> None:
        self._line = line
        self._output = output
        self._alive = alive | {output.device}
        self._earlier = own[: own.index(output.name)]
        # without a silence to wait for, what an output was told last may begin before the decision
        # has withdrawn it
        self._hasty = any(part.gap_ns == 0 for part in exchanges(output))
        self._all = tuple(each for each in line.bus.outputs if exchanges(each))
        self._others = tuple(each for each in self._all if each.name != output.name)
        self._dead = line.bus.dead

    # -- to the first byte -----------------------------------------------------------------------

    def after(self, reading_ns: int) -> Wait:
        """On the line of the deciding reading, whose exchange lasts so long from its first byte.

        Nothing but commands given during that can go before.
        """
        return self._wait(reading_ns, Wait(0), first=True)

    def elsewhere(self) -> Wait:
        """On another line: one attempt of anything may have just begun, too."""
        line = self._line
        free = [line.cost_ns(each) for other in self._all for each in exchanges(other)]
        busy = sum(free) + max((each.rest_ns for each in line.blockers), default=0)
        blocked = [Wait(0)]
        blocked += [Wait(0, each.rest_ns, each.name) for each in line.blockers[:1]]
        if self._dead:
            blocked += [
                Wait(0, rest, device, device)
                for device, rest in line.probes.items()
                if device not in self._alive
            ]
        waits = [self._wait(busy, each, first=True) for each in blocked]
        for other in self._all:
            parts = exchanges(other)
            begun = [Wait(0, max(map(line.rest_ns, parts)), other.name)]
            if self._dead and other.device not in self._alive:
                rest = max(map(line.silent_rest_ns, parts))
                begun.append(Wait(0, rest, other.name, other.device))
            waits += [self._wait(busy, each, first=False, begun=other.name) for each in begun]
        return max(waits, key=lambda wait: wait.total_ns(self._dead))

    def _wait(self, busy: int, blocked: Wait, *, first: bool, begun: str = "") -> Wait:
        """``begun``: the output whose attempt blocks; it has no other one waiting."""
        queue: list[tuple[str, int]] = []
        extra: dict[str, int] = {}
        for other in self._all if self._hasty else self._others:
            if other.name != begun:
                self._queue(queue, extra, other, self._ahead(other, busy, first=first))
            if other.name in self._earlier and (self._hasty or other.name == begun):
                self._queue(queue, extra, other, other.writes[:1])
        first_write = exchanges(self._output)[0]
        return Wait(
            gap_ns=first_write.gap_ns + self._line.bus.overhead_ns,
            blocking_ns=blocked.blocking_ns,
            blocker=blocked.blocker,
            silent=blocked.silent,
            queue=tuple(queue),
            extra=tuple(pair for pair in extra.items() if pair[1]),
        )

    def _queue(
        self,
        queue: list[tuple[str, int]],
        extra: dict[str, int],
        other: Output,
        ahead: tuple[Exchange, ...],
    ) -> None:
        """One attempt of another output goes first: the longest of those it may be."""
        if not ahead:
            return
        cost = max(map(self._line.cost_ns, ahead))
        queue.append((other.name, cost))
        if other.device not in self._alive:
            more = max(map(self._line.silent_ns, exchanges(other))) - cost
            extra[other.device] = extra.get(other.device, 0) + max(0, more)

    @staticmethod
    def _ahead(other: Output, busy: int, *, first: bool) -> tuple[Exchange, ...]:
        """What this output may have waiting with an earlier key than the command's."""
        ahead = other.writes[:1] if first else other.writes
        if other.confirm is not None and other.within_ns <= busy:
            ahead = (*ahead, other.confirm)
        return ahead

    # -- to the sound and its confirmation -------------------------------------------------------

    def done(self, wait: Wait) -> Done:
        """Both, measured from the decision."""
        line, output = self._line, self._output
        writes = sum(map(line.cost_ns, output.writes))
        followed = self._dead_total([self._between(other) for other in self._others])
        first = output.writes[:1]
        before = max(map(line.cost_ns, exchanges(output))) if self._hasty else 0
        stepwise = wait.total_ns(self._dead) + followed + writes
        stepwise -= sum(line.bus.overhead_ns + each.gap_ns for each in first)
        base = wait.blocking_ns + writes + before
        whole = self._settle(base)
        written = stepwise if whole is None else min(stepwise, whole)
        tail = 0
        if output.confirm is not None:
            pause = max(output.every_ns + self._blocking_ns(), writes)
            late = output.within_ns + output.confirm.turnaround_ns + output.confirm.answer_ns
            tail = line.cost_ns(output.confirm) + (late + pause if output.within_ns else 0)
        action = self._settle(before + writes + tail)
        settled = self._settle(base + tail)
        return Done(
            written,
            UNBOUNDED_NS if settled is None else max(settled, written),
            UNBOUNDED_NS if action is None else action,
        )

    def _blocking_ns(self) -> int:
        alive = [each.rest_ns for each in self._line.blockers[:1]]
        silent = [rest for name, rest in self._line.probes.items() if name not in self._alive]
        return max([0, *alive, *(silent if self._dead else [])])

    def _between(self, other: Output) -> tuple[str, int, int]:
        """Its device, and what it may put between the writes: answered, and silent."""
        line = self._line
        times = max(0, len(self._output.writes) - 1)
        parts = exchanges(other)
        answered = times * max(map(line.cost_ns, parts))
        for each in line.commanded:
            if each.name == other.name:
                answered = min(answered, each.once_ns + each.most_again * each.again_ns)
        return other.device, answered, times * max(map(line.silent_ns, parts))

    def _dead_total(self, parts: list[tuple[str, int, int]]) -> int:
        extra: dict[str, int] = {}
        for device, answered, silent in parts:
            if device not in self._alive:
                extra[device] = extra.get(device, 0) + max(0, silent - answered)
        worst = sorted(extra.values(), reverse=True)[: self._dead]
        return sum(answered for _, answered, _ in parts) + sum(worst)

    def _settle(self, base: int) -> int | None:
        """From the decision until so much of its own has been done, among all other commands."""
        others = [each for each in self._line.commanded if each.name != self._output.name]
        t = base
        for _ in range(_MOST_STEPS):
            parts = [
                (each.device, each.demand_ns(t), each.demand_ns(t) + each.extra_ns(t))
                for each in others
            ]
            total = base + self._dead_total(parts)
            if total <= t:
                return t
            t = total
        return None
