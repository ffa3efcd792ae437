"""A line simulated attempt by attempt, in whole units of time, for the proof to be held against.

It shares nothing with the proof: no formula, only the rules by which a line is given to questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from edge.analysis.latency.model import Bus, Device, Exchange, Output

ACT, WATCH, LOG = range(3)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was on the line, from the question's first byte to the answer's last, or silence."""

    who: str
    index: int
    release: int
    question: int
    asked: int
    end: int
    answered: bool


@dataclass(slots=True)
class _Entry:
    priority: int
    deadline: int
    order: int
    who: str
    index: int
    release: int
    exchange: Exchange
    held_until: int = 0
    left: int = 0
    rest: tuple[Exchange, ...] = ()


@dataclass(slots=True)
class Bench:
    """One bus with everything that the phases of a run decide."""

    bus: Bus
    phases: Mapping[str, int]
    dead: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, int] = field(default_factory=dict)
    quick: Callable[[str, int], bool] = lambda _who, _at: False
    watched: tuple[str, int] = ("", 0)
    reaction: Output | None = None
    attempts: list[Attempt] = field(default_factory=list)
    _waiting: list[_Entry] = field(default_factory=list)
    _open: set[tuple[str, int]] = field(default_factory=set)
    _held: dict[str, int] = field(default_factory=dict)
    _silent: dict[str, int] = field(default_factory=dict)
    _due: dict[str, int] = field(default_factory=dict)
    _orders: dict[str, int] = field(default_factory=dict)
    _order: int = 0

    def run(self, until: int, react_after: int = 1 << 60) -> list[Attempt]:
        """Everything begun before ``until``.

        The first watched reading that is asked from ``react_after`` on is answered by the
        reaction's command.
        """
        self._due = dict(self.phases)
        self._orders = dict(self.commands)
        now, quiet_from, reacted = 0, -(1 << 40), self.reaction is None
        while now < until:
            self._submit(now)
            ready = [each for each in self._waiting if self._from(each) <= now]
            later = [*self._due.values(), *self._orders.values()]
            later += [self._from(each) for each in self._waiting if self._from(each) > now]
            following = max(now + 1, min(later, default=until))
            if not ready:
                now = following
                continue
            entry = min(ready, key=lambda each: (each.priority, each.deadline, each.order))
            begin = quiet_from + entry.exchange.gap_ns
            if begin > now:
                now = min(begin, following)
                continue
            self._waiting.remove(entry)
            attempt = self._ask(entry, now)
            self.attempts.append(attempt)
            quiet_from = attempt.end if attempt.answered else attempt.asked
            now = attempt.end
            mine = (entry.who, entry.index) == self.watched and attempt.asked > react_after
            if mine and attempt.answered and not reacted and self.reaction is not None:
                reacted = True
                # what was submitted during the attempt comes first
                self._submit(now)
                self._command(self.reaction, now)
        return self.attempts

    def _submit(self, now: int) -> None:
        """What has become due."""
        devices = {device.name: device for device in self.bus.devices}
        outputs = {output.name: output for output in self.bus.outputs}
        for name in sorted(self._due):
            while self._due[name] <= now:
                self._poll(devices[name], self._due[name])
                self._due[name] += devices[name].period_ns
        for name, at in list(self._orders.items()):
            if at <= now:
                self._command(outputs[name], at)
                del self._orders[name]

    def _from(self, entry: _Entry) -> int:
        held = self._held.get(entry.who, 0) if entry.priority != ACT else 0
        return max(entry.held_until, held)

    def _put(self, entry: _Entry) -> None:
        self._order += 1
        entry.order = self._order
        self._waiting.append(entry)

    def _poll(self, device: Device, at: int) -> None:
        if (
            self._silent.get(device.name, 0) >= device.give_up
            or self._held.get(device.name, 0) > at
        ):
            return
        for index, read in enumerate(device.reads):
            if (device.name, index) in self._open:
                continue
            self._open.add((device.name, index))
            self._put(
                _Entry(
                    WATCH if read.watch else LOG, at + device.period_ns, 0, device.name, index, at,
                    read.exchange, left=device.attempts - 1,
                )
            )  # fmt: skip

    def _command(self, output: Output, at: int) -> None:
        rest = output.writes[1:] + ((output.confirm,) if output.confirm else ())
        self._put(_Entry(ACT, at, 0, output.name, 0, at, output.writes[0], rest=rest))

    def _ask(self, entry: _Entry, begin: int) -> Attempt:
        exchange = entry.exchange
        asked = begin + exchange.question_ns
        dead_from = self.dead.get(entry.who, self.dead.get(self._device_of(entry), 1 << 60))
        if asked < dead_from:
            turnaround = 0 if self.quick(entry.who, begin) else exchange.turnaround_ns
            end = asked + turnaround + exchange.answer_ns
            self._silent[entry.who] = 0
            self._open.discard((entry.who, entry.index))
            if entry.rest:
                self._put(
                    _Entry(
                        ACT, end, 0, entry.who, entry.index + 1, end, entry.rest[0],
                        rest=entry.rest[1:],
                    )
                )  # fmt: skip
            return Attempt(entry.who, entry.index, entry.release, begin, asked, end, True)
        end = asked + exchange.timeout_ns
        self._give_up(entry, end)
        return Attempt(entry.who, entry.index, entry.release, begin, asked, end, False)

    def _give_up(self, entry: _Entry, end: int) -> None:
        if entry.priority == ACT:
            if entry.left == 0:
                self._put(
                    _Entry(
                        ACT, end, 0, entry.who, entry.index, end, entry.exchange, left=-1,
                        rest=entry.rest,
                    )
                )  # fmt: skip
            return
        device = next(each for each in self.bus.devices if each.name == entry.who)
        self._silent[entry.who] = self._silent.get(entry.who, 0) + 1
        self._held[entry.who] = end + device.late_ns
        lost = self._silent[entry.who] >= device.give_up
        if lost:
            # what was asked of it already ends without line time
            self._waiting[:] = [each for each in self._waiting if each.who != entry.who]
            self._open.difference_update({(entry.who, i) for i in range(len(device.reads))})
        elif entry.left and end + device.late_ns < entry.deadline:
            entry.left -= 1
            self._put(entry)
        else:
            self._open.discard((entry.who, entry.index))

    def _device_of(self, entry: _Entry) -> str:
        return next((out.device for out in self.bus.outputs if out.name == entry.who), entry.who)


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    """The simulator."""
    return Bench
