"""A bus as the analysis sees it: what its polls, commands and silences cost. Pure.

Costs are integer nanoseconds of line time, the owner's overhead included. ``cost`` counts the
silence before the question; ``rest`` does not: it is what is left of an attempt that has just
begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from edge.analysis.latency.model import Bus, Device, Exchange, Output

# A silent output is asked so often at once.
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Poll:
    """The watched reads of a device: what one poll costs.

    ``cost_ns`` at most; ``fast_ns`` at least, if the device answers at once.
    """

    name: str
    period_ns: int
    cost_ns: int
    fast_ns: int


@dataclass(frozen=True, slots=True)
class Blocker:
    """An attempt that may just have begun. ``period_ns`` 0: of the lowest class, always."""

    name: str
    period_ns: int
    rest_ns: int


@dataclass(frozen=True, slots=True)
class Silence:
    """What a device's polls cost once it has fallen silent.

    No two of its attempts begin less than ``apart_ns`` from each other, and there are ``most`` in
    all. Every ``per_read`` of them take the place of an answered read, of at least
    ``cheapest_ns``.
    """

    period_ns: int
    cost_ns: int
    apart_ns: int
    most: int
    per_poll: int
    per_read: int
    reads: int
    cheapest_ns: int
    poll_ns: int

    def extra_ns(self, within_ns: int, horizon_ns: int, *, waiting: bool = False) -> int:
        """Line time that falling silent within a window adds to what answers would take.

        Polls whose deadline lies in the horizon are those that count as answered otherwise.
        ``waiting``: so does one from before the window that has not been asked yet.
        """
        left = horizon_ns - self.period_ns
        count = 1 + within_ns // self.apart_ns
        if left < 0 and waiting:
            count = min(count, self.most, self.per_poll)
            answers = min(self.reads, -(-count // self.per_read)) * self.cheapest_ns
            return max(0, count * self.cost_ns - answers)
        if left < 0:
            # of a poll before the window, in which it has been asked in vain already
            return max(0, min(count, self.most - 1, self.per_poll - 1)) * self.cost_ns
        count = min(count, self.most, self.per_poll * (2 + within_ns // self.period_ns))
        polls = 1 + min(within_ns, left) // self.period_ns
        answers = min(polls * self.reads, -(-count // self.per_read)) * self.cheapest_ns
        return max(0, count * self.cost_ns - answers)

    def begun_ns(self, within_ns: int, horizon_ns: int) -> int:
        """The same if it was silent when the window began: one attempt less, and no answers."""
        count = min(
            self.most - 1,
            within_ns // self.apart_ns,
            self.per_poll * (2 + within_ns // self.period_ns),
        )
        left = horizon_ns - self.period_ns
        polls = 1 + min(within_ns, left) // self.period_ns if left >= 0 else 0
        return count * self.cost_ns - polls * self.poll_ns


@dataclass(frozen=True, slots=True)
class Commanded:
    """What the commands of an output cost: ``once_ns`` per command, and read-backs by time.

    Read-backs of ``again_ns`` begin ``apart_ns`` from each other, and by up to ``turnaround_ns``
    more, which they then take themselves.
    """

    name: str
    device: str
    once_ns: int
    again_ns: int
    apart_ns: int
    turnaround_ns: int
    most_again: int
    within_ns: int
    silent_ns: int
    silent_apart_ns: int
    cheapest_ns: int
    retry_ns: int
    ensure_ns: int

    def demand_ns(self, within_ns: int) -> int:
        """Line time that answered commands take in a window.

        A read-back comes a pause after the answer to the one before: the slower they are, the
        fewer. Worst is as slow as may be, or one more and the rest so slow that it just fits.
        """
        commands = 1 + (within_ns + self.within_ns) // self.ensure_ns
        slow_ns = self.apart_ns + self.turnaround_ns
        slow = within_ns // slow_ns
        again = slow * self.again_ns
        if (slow + 1) * self.apart_ns <= within_ns:
            more = within_ns - (slow + 1) * slow_ns
            again = max(again, (slow + 1) * self.again_ns + more)
        again = min(again, self.most_again * self.again_ns)
        return commands * (self.once_ns + again)

    def silent_times(self, within_ns: int) -> list[int]:
        """When a device that is silent is asked in a window, at the earliest.

        Of an older command the attempt that has begun; of the new one two at once, and then one
        after each pause.
        """
        begun = _AT_ONCE * self.silent_apart_ns
        apart = self.retry_ns + self.silent_apart_ns
        later = max(0, within_ns - begun) // apart
        at_once = [self.silent_apart_ns * count for count in range(_AT_ONCE)]
        return [*at_once, *(begun + apart * count for count in range(later + 1))]

    def extra_ns(self, within_ns: int) -> int:
        """Line time that silence adds to it.

        Worst is to fall silent at the last exchange of a command, and before the read-backs that
        would have come with time; but for those that still go before an attempt that is late.
        """
        apart = self.retry_ns + self.silent_apart_ns
        left = max(0, within_ns - _AT_ONCE * self.silent_apart_ns)
        later = left // apart
        silent = (_AT_ONCE + 1 + later) * self.silent_ns - self.cheapest_ns
        if self.most_again:
            if self.silent_ns < self.again_ns * (1 + apart // self.apart_ns):
                return max(0, silent)
            still = (left - later * apart) // self.apart_ns
            silent += min(still, self.most_again) * self.again_ns
            commands = 1 + (within_ns + self.within_ns) // self.ensure_ns
            silent += commands * self.once_ns - self.demand_ns(within_ns)
        return max(0, silent)


class Line:
    """Everything about one bus that does not depend on the rule under analysis."""

    def __init__(self, bus: Bus, ensure_ns: int, retry_ns: int) -> None:
        self.bus = bus
        self.devices = {device.name: device for device in bus.devices}
        self.longest_ns: int | None = None
        self._ensure_ns = max(1, ensure_ns)
        self._retry_ns = max(1, retry_ns)

    # -- what one attempt costs ----------------------------------------------------------------

    def cost_ns(self, exchange: Exchange) -> int:
        """An answered attempt."""
        return self.bus.overhead_ns + exchange.answered_ns

    def silent_ns(self, exchange: Exchange) -> int:
        """An attempt that nobody answers."""
        return self.bus.overhead_ns + exchange.silent_ns

    def rest_ns(self, exchange: Exchange) -> int:
        """What is left of an answered attempt when its first byte leaves."""
        return self.cost_ns(exchange) - exchange.gap_ns

    def silent_rest_ns(self, exchange: Exchange) -> int:
        """What is left of an unanswered attempt when its first byte leaves."""
        return self.silent_ns(exchange) - exchange.gap_ns

    @cached_property
    def _longest_gap_ns(self) -> int:
        gaps = [read.exchange.gap_ns for device in self.bus.devices for read in device.reads]
        for output in self.bus.outputs:
            gaps += [exchange.gap_ns for exchange in exchanges(output)]
        return max(gaps, default=0)

    def _wasted_ns(self, exchange: Exchange, period_ns: int) -> int:
        """Silence already waited for that an arrival makes worthless, beyond its own.

        A poll does that only to polls of longer period: an equal or later deadline waits.
        """
        gaps = [
            read.exchange.gap_ns
            for device in self.bus.devices
            if device.period_ns > period_ns
            for read in device.reads
            if read.watch
        ]
        return max(0, max(gaps, default=0) - exchange.gap_ns)

    # -- polls ---------------------------------------------------------------------------------

    @cached_property
    def polls(self) -> tuple[Poll, ...]:
        """Devices with watched reads."""
        polls = []
        for device in self.bus.devices:
            reads = [read.exchange for read in device.reads if read.watch]
            if reads:
                cost = sum(map(self.cost_ns, reads)) + self._wasted_ns(reads[0], device.period_ns)
                fast = sum(read.answered_ns - read.turnaround_ns for read in reads)
                polls.append(Poll(device.name, device.period_ns, cost, fast))
        return tuple(polls)

    @cached_property
    def blockers(self) -> tuple[Blocker, ...]:
        """Answered attempts that need not wait for a poll, longest first."""
        found = [
            Blocker(device.name, device.period_ns * read.watch, self.rest_ns(read.exchange))
            for device in self.bus.devices
            for read in device.reads
        ]
        return tuple(sorted(found, key=lambda blocker: -blocker.rest_ns))

    # -- commands ------------------------------------------------------------------------------

    @cached_property
    def commanded(self) -> tuple[Commanded, ...]:
        """Outputs, as interference."""
        return tuple(self._commanded(output) for output in self.bus.outputs if exchanges(output))

    def _commanded(self, output: Output) -> Commanded:
        wasted = self._longest_gap_ns
        writes = [self.cost_ns(write) for write in output.writes]
        once, again, most, apart, turnaround = sum(writes), 0, 0, 1, 0
        if writes:
            once += wasted - output.writes[0].gap_ns
        if output.confirm is not None:
            again = self.cost_ns(output.confirm) + wasted - output.confirm.gap_ns
            # a re-assertion asks first, writes, and asks again
            once += 2 * again
            turnaround = output.confirm.turnaround_ns
            apart = output.every_ns + output.confirm.question_ns + output.confirm.answer_ns
            apart = max(1, apart + self.bus.overhead_ns)
            most = -(-output.within_ns // apart)
        parts = exchanges(output)
        return Commanded(
            name=output.name,
            device=output.device,
            once_ns=once,
            again_ns=again,
            apart_ns=apart,
            turnaround_ns=turnaround,
            most_again=most,
            within_ns=output.within_ns,
            silent_ns=max(self.silent_ns(part) + wasted - part.gap_ns for part in parts),
            silent_apart_ns=min(part.question_ns + part.timeout_ns for part in parts),
            cheapest_ns=min(self.cost_ns(part) for part in parts),
            retry_ns=self._retry_ns,
            ensure_ns=self._ensure_ns,
        )

    # -- silence -------------------------------------------------------------------------------

    @cached_property
    def silences(self) -> dict[str, Silence]:
        """What each polled device costs once silent."""
        found = {}
        for device in self.bus.devices:
            reads = [read.exchange for read in device.reads if read.watch]
            if reads:
                found[device.name] = self._silence(device, reads)
        return found

    def _silence(self, device: Device, reads: list[Exchange]) -> Silence:
        wasted = self._longest_gap_ns
        return Silence(
            period_ns=device.period_ns,
            cost_ns=max(self.silent_ns(read) + wasted - read.gap_ns for read in reads),
            apart_ns=max(
                1,
                device.late_ns
                + min(
                    each.exchange.question_ns + each.exchange.timeout_ns for each in device.reads
                ),
            ),
            most=device.give_up,
            per_poll=len(reads) * device.attempts,
            per_read=device.attempts,
            reads=len(reads),
            cheapest_ns=min(map(self.cost_ns, reads)),
            poll_ns=next(each.cost_ns for each in self.polls if each.name == device.name),
        )

    @cached_property
    def probes(self) -> dict[str, int]:
        """By device, what is left of an unanswered question to it that has just begun."""
        asked: dict[str, list[Exchange]] = {}
        for device in self.bus.devices:
            asked.setdefault(device.name, []).extend(read.exchange for read in device.reads)
        for output in self.bus.outputs:
            if output.confirm is not None:
                asked.setdefault(output.device, []).append(output.confirm)
        return {
            name: max(map(self.silent_rest_ns, reads)) for name, reads in asked.items() if reads
        }

    @cached_property
    def suspects(self) -> tuple[str, ...]:
        """Every device that may fall silent."""
        names = [device.name for device in self.bus.devices]
        names += [output.device for output in self.bus.outputs]
        return tuple(dict.fromkeys(names))


def exchanges(output: Output) -> tuple[Exchange, ...]:
    """The writes of an output and its read-back."""
    return output.writes if output.confirm is None else (*output.writes, output.confirm)
