"""How late a read can be: response times under non-preemptive EDF below commands. Pure.

The mathematics, its hypotheses and its sources are in docs/proof.md; the letters are the same here:
``a`` is the release of the read within the window, ``t`` the instant its question begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.analysis.latency.demand import Demand, Stop, Subject
from edge.analysis.latency.line import Line, Poll
from edge.analysis.latency.model import UNBOUNDED_NS

# A window with more candidate releases than this is left to the bound that needs none.
_MOST_CANDIDATES = 2000
# A fixpoint that has not settled after so many steps is not looked for any further.
_MOST_STEPS = 1000
# A line that is busy for longer than this many of its longest periods is as good as overloaded.
_MOST_PERIODS = 64


@dataclass(frozen=True, slots=True)
class Window:
    """One worst case: the line from the window's begin to the begin of the read's question.

    ``lead_ns`` is by how much the question of another poll was bound to begin later than on an idle
    line, measured from the same begin. ``single``: every other read is open once at most.
    """

    release_ns: int
    start_ns: int
    lead_ns: int
    own_ns: int
    polls_ns: int
    commands_ns: int
    stop: Stop
    ahead: tuple[Poll, ...]
    single: bool = False

    @property
    def total_ns(self) -> int:
        """Everything that goes before, with what the silent devices cost the command."""
        return self.own_ns + self.polls_ns + self.commands_ns + self.stop.total_ns


@dataclass(frozen=True, slots=True)
class Response:
    """What is proven of one read.

    ``response_ns``: release to the last byte of the answer. ``shift_ns``: how much later after its
    release the question can begin than in another poll. ``worst`` is the window that is worst if
    what the silent devices cost the command counts as well. ``overrun``: the read may still be
    open when it is due again.
    """

    response_ns: int
    shift_ns: int
    worst: Window
    overrun: bool


class Reading:
    """The windows of one read."""

    def __init__(self, line: Line, subject: Subject) -> None:
        device = line.devices[subject.device]
        if not device.reads[subject.index].watch:
            raise ValueError(f"{device.name}: read {subject.index} is not watched")
        read = device.reads[subject.index].exchange
        before = [each.exchange for each in device.reads[: subject.index] if each.watch]
        watched = [each.exchange for each in device.reads if each.watch]
        begin = line.cost_ns(read) - line.rest_ns(read) + line.bus.overhead_ns
        self.line = line
        self.name = device.name
        self.demand = Demand(line, subject)
        self.period_ns = device.period_ns
        self.question_ns = read.question_ns
        self.turnaround_ns = read.turnaround_ns
        self.tail_ns = read.turnaround_ns + read.answer_ns
        self.own_ns = sum(map(line.cost_ns, before)) + begin
        self.poll_ns = sum(map(line.cost_ns, watched))
        self.others_own_ns = self.poll_ns - line.cost_ns(read) + begin
        self.idle_ns = sum(each.question_ns + each.answer_ns for each in before)
        self.idle_ns += sum(each.gap_ns for each in [*before, read][1:])
        self.first_gap_ns = watched[0].gap_ns
        self.after_ns = sum(ns for _, ns in subject.after)

    def lead_ns(self, steady: frozenset[str]) -> int:
        """What polls of the same period were bound to take from the poll before as well.

        All but as many as may have been silent, and in quarantine, then.
        """
        same = [
            each.fast_ns
            for each in self.demand.others
            if each.period_ns == self.period_ns and each.name in steady
        ]
        same.sort(reverse=True)
        gaps = [each.exchange.gap_ns for device in self.line.bus.devices for each in device.reads]
        return max(0, sum(same[self.line.bus.dead :]) + self.first_gap_ns - max(gaps))

    def settle(
        self, a: int, limit: int, *, blocked: int | None = None, first: int = 0
    ) -> int | None:
        """The least t at which everything that goes before has gone; None beyond the limit.

        ``blocked``: a release whose blocking is to be counted instead; an earlier one, to bound
        those in between. ``first``: something that t is not less than.
        """
        demand = self.demand
        horizon = a + self.period_ns
        fixed = self.own_ns + a // self.period_ns * self.poll_ns
        beyond = horizon if blocked is None else blocked + self.period_ns
        t = max(self.own_ns, first)
        for _ in range(_MOST_STEPS):
            stopped = fixed + demand.stop_ns(t, horizon, beyond)
            total = stopped + demand.polls_ns(t, horizon) + demand.commands_ns(t)
            if total <= t:
                return t
            # silence changes more rarely than the rest: let that settle first
            while total > t and total <= limit:
                t = total
                total = stopped + demand.polls_ns(t, horizon) + demand.commands_ns(t)
            if total > limit:
                return None
        return None

    def candidates(self, limit: int) -> Sequence[int]:
        """Releases at which one more poll comes to have the earlier deadline, ascending."""
        releases = {0}
        for period in {each.period_ns for each in self.line.polls}:
            first = -(-self.period_ns // period) * period
            last = limit + self.period_ns
            if len(releases) + (last - first) // period > _MOST_CANDIDATES:
                return ()
            releases.update(range(first - self.period_ns, limit + 1, period))
        return sorted(releases)

    def window(self, a: int, t: int, lead: int, *, joint: bool = True) -> Window:
        """The parts of a settled window."""
        horizon = a + self.period_ns
        return Window(
            release_ns=a,
            start_ns=t,
            lead_ns=max(a, lead),
            own_ns=self.own_ns + a // self.period_ns * self.poll_ns,
            polls_ns=self.demand.polls_ns(t, horizon),
            commands_ns=self.demand.commands_ns(t),
            stop=self.demand.stop(t, horizon, joint=joint),
            ahead=tuple(each for each in self.demand.others if each.period_ns <= horizon),
        )

    def windows(self, lead: int) -> list[tuple[int, int]]:
        """Candidate releases and begins of the question, the worst among them.

        Empty if the busy time has no end.
        """
        longest = longest_ns(self.line)
        if longest is None:
            longest = longest_ns(self.line, self.demand)
        releases = self.candidates(longest) if longest is not None else ()
        if longest is None or not releases:
            return []
        search = _Search(self, releases, lead, longest)
        return search.found if search.run() else []

    def skipping(self) -> int | None:
        """Release to question if every other read is open at most once when this one is due.

        Valid for an overloaded line, too. None if commands alone may take all of it.
        """
        demand = self.demand
        t = 0
        for _ in range(_MOST_STEPS):
            total = self.others_own_ns + demand.open_polls_ns(t, self.period_ns)
            total += self._open_commands_ns(t)
            total += demand.stop(t, self.period_ns, waiting=True).total_ns
            if total <= t:
                return t
            t = total
        return None

    def _open_commands_ns(self, t: int) -> int:
        """One of them may just have begun."""
        begun = [max(each.silent_ns, each.once_ns) for each in self.demand.commanded]
        return self.demand.commands_ns(t) + max(begun, default=0)

    def single(self, t: int, *, joint: bool = True) -> Window:
        """The parts of what ``skipping`` found."""
        return Window(
            release_ns=0,
            start_ns=t,
            lead_ns=0,
            own_ns=self.others_own_ns,
            polls_ns=self.demand.open_polls_ns(t, self.period_ns),
            commands_ns=self._open_commands_ns(t),
            stop=self.demand.stop(t, self.period_ns, joint=joint, waiting=True),
            ahead=self.demand.others,
            single=True,
        )


class _Search:
    """Looks for the worst release among many: of a range whose last one is bounded by less than
    what was found elsewhere, no other needs a look."""

    def __init__(self, reading: Reading, releases: Sequence[int], lead: int, limit: int) -> None:
        self.found: list[tuple[int, int]] = []
        self._reading = reading
        self._releases = releases
        self._lead = lead
        self._limit = limit
        self._shift = self._late = -1
        self._first = reading.settle(0, limit, blocked=releases[-1]) or 0

    def run(self) -> bool:
        """Whether every window has an end."""
        return self._look(0) and self._range(1, len(self._releases) - 1)

    def _look(self, at: int) -> bool:
        a = self._releases[at]
        t = self._reading.settle(a, self._limit, first=self._first)
        if t is not None:
            self._keep(a, t)
        return t is not None

    def _keep(self, a: int, t: int) -> None:
        if a == 0 or t >= a + self._reading.own_ns:
            self.found.append((a, t))
            self._shift = max(self._shift, t - max(a, self._lead))
            self._late = max(self._late, t - a)

    def _range(self, first: int, last: int) -> bool:
        while first <= last:
            low, high = self._releases[first], self._releases[last]
            t = self._reading.settle(high, self._limit, blocked=low, first=self._first)
            if t is None:
                return False
            shift = t + self._reading.after_ns - max(low, self._lead)
            if shift <= self._shift and t - low <= self._late:
                return True
            if first == last:
                self._keep(low, t)
                return True
            middle = (first + last) // 2
            if not self._range(first, middle):
                return False
            first = middle + 1
        return True


def longest_ns(line: Line, demand: Demand | None = None) -> int | None:
    """No window is longer than this; None if the line is overloaded or nearly so.

    ``demand``: of one subject only; otherwise of any.
    """
    if demand is None:
        if line.longest_ns is None:
            longest = longest_ns(line, Demand(line, Subject("", 0)))
            line.longest_ns = longest or 0
        return line.longest_ns or None
    polls = line.polls
    if sum(each.cost_ns / each.period_ns for each in polls) >= 1:
        return None
    far = max(each.period_ns for each in polls)
    blocking = max((each.rest_ns for each in line.blockers), default=0)
    t = 1
    for _ in range(_MOST_STEPS):
        total = blocking + demand.commands_ns(t) + demand.stop_ns(t, t + far, t + far)
        total += sum((1 + t // each.period_ns) * each.cost_ns for each in polls)
        if total <= t:
            return t
        t = total
        if t > _MOST_PERIODS * far:
            return None
    return None


def respond(line: Line, subject: Subject, *, steady: frozenset[str]) -> Response | None:
    """The worst case of a read; None if commands alone may take all of the line.

    ``steady``: devices of which no poll is ever skipped for as long as they answer, so that what
    they delay in one poll of the same period they delay in the others.
    """
    reading = Reading(line, subject)
    lead = reading.lead_ns(steady)
    settled = reading.windows(lead)
    fixed = reading.question_ns + reading.tail_ns
    late, t = max(settled, key=lambda pair: pair[1] - pair[0], default=(0, UNBOUNDED_NS))
    # an answer that ends at the very instant of the next release comes too late for it
    skipping = reading.skipping() if fixed + t - late >= reading.period_ns else None
    if skipping is None and not settled:
        return None
    response = fixed + (t - late if skipping is None else min(t - late, skipping))
    if response >= reading.period_ns:
        longest = (
            reading.window(late, t, late, joint=False)
            if skipping is None or t - late <= skipping
            else reading.single(skipping, joint=False)
        )
        return Response(response, response, longest, overrun=True)
    least = max((t - max(a, lead) for a, t in settled), default=0)
    windows = [
        reading.window(a, t, lead)
        for a, t in settled
        if t + reading.after_ns - max(a, lead) >= least
    ]
    if skipping is not None:
        single = [reading.single(skipping)]
        windows = min(windows or single, single, key=_worst_ns)
    return Response(
        response_ns=response,
        shift_ns=max(each.start_ns - each.lead_ns for each in windows) - reading.idle_ns,
        worst=max(windows, key=lambda each: each.total_ns - each.lead_ns),
        overrun=False,
    )


def _worst_ns(windows: Sequence[Window]) -> int:
    return max(each.total_ns - each.lead_ns for each in windows)
