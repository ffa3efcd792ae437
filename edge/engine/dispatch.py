"""Commands to outcomes: starts each at once, follows it up, and goes on while its order stands."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from functools import partial

from edge.core.instant import Clock, Instant, Timer, after
from edge.core.model import ActuatorId, Command, Outcome, Status
from edge.core.ports import Actuator
from edge.engine.plan import Order

_log = logging.getLogger("tongluo.dispatch")

# A siren that did not answer is tried again this soon after it was given up, for as long as it
# should sound.
_AGAIN_S = 1.0
# While an output should sound it is asked this often whether it does: amplifiers lose power,
# messages end.
_ENSURE_S = 10.0


class Dispatcher:
    """Owns what every output should be doing, and the commands under way."""

    def __init__(
        self,
        actuators: Mapping[ActuatorId, Actuator],
        clock: Clock,
        run: str,
        on_outcome: Callable[[Command, Outcome], None],
    ) -> None:
        self._actuators = actuators
        self._clock = clock
        self._run = run
        self._on_outcome = on_outcome
        self._number = itertools.count(1)
        self._wanted: dict[str, Order] = {}
        self._rehearsed: set[str] = set()
        self._ending: dict[str, Order] = {}
        self._timers: dict[str, Timer] = {}
        self._last: dict[str, Status] = {}
        self._closed = False

    @property
    def wanted(self) -> Mapping[str, Order]:
        """What should be sounding now, by output."""
        return self._wanted

    def take_over(self, old: Dispatcher) -> list[Order]:
        """Go on numbering where another one stopped; what it drove, and had not confirmed ended."""
        self._number = old._number
        self._last.update(old._last)
        return [*old._wanted.values(), *old._ending.values()]

    def can_end(self, order: Order) -> bool:
        """Whether the actuator of an order is there and knows how to stop it."""
        actuator = self._actuators.get(order.step.actuator)
        return actuator is not None and order.step.stop in actuator.actions

    def start(self, order: Order, cause: Instant, *, ensure: bool = False) -> Command:
        """Carry an order out now, and keep it up until ``end``."""
        self._wanted[order.step.output] = order
        self._rehearsed.discard(order.step.output)
        self._ending.pop(order.step.output, None)
        return self._issue(order, cause, ensure=ensure)

    def end(self, order: Order, cause: Instant, *, ensure: bool = False) -> Command | None:
        """Nobody wants this any more: send its stop, and follow that up until it is confirmed."""
        step = order.step
        self._wanted.pop(step.output, None)
        self._rehearsed.discard(step.output)
        self._cancel_timer(step.output)
        if step.stop is None:
            return None
        command = self._command(
            order, step.stop, step.stop_arguments, cause, ensure=ensure, ends=True
        )
        self._ending[step.output] = order
        self._apply(command, partial(self._stopped, order))
        return command

    def forget(self, output: str) -> None:
        """Nobody wants this any more, and nothing stops it: keep it up no longer."""
        self._wanted.pop(output, None)
        self._cancel_timer(output)

    def rehearse(self, order: Order, cause: Instant) -> Command:
        """Carry an order of a drill out, once: it is not kept up, and gives way to what is real."""
        step = order.step
        self._cancel_timer(step.output)
        self._rehearsed.add(step.output)
        self._ending.pop(step.output, None)
        command = self._command(order, step.action, step.arguments, cause, ensure=False)
        self._apply(command, self._on_outcome)
        return command

    def close(self) -> None:
        """Start nothing more. Outputs stay as they are: a restart must not silence a siren."""
        for output in list(self._timers):
            self._cancel_timer(output)
        self._closed = True

    def _issue(self, order: Order, cause: Instant, *, ensure: bool) -> Command:
        self._cancel_timer(order.step.output)
        step = order.step
        command = self._command(order, step.action, step.arguments, cause, ensure=ensure)
        self._apply(command, partial(self._settled, order))
        return command

    def _command(
        self,
        order: Order,
        action: str,
        arguments: tuple[tuple[str, int], ...],
        cause: Instant,
        *,
        ensure: bool,
        ends: bool = False,
    ) -> Command:
        now = self._clock.now()
        return Command(
            id=f"{self._run}-{next(self._number)}",
            actuator=order.step.actuator,
            output=order.step.output,
            action=action,
            arguments=arguments,
            alarm=order.alarm,
            revision=order.revision,
            ensure=ensure,
            issued=now,
            not_after=after(now, seconds=order.step.timeout_s),
            cause=cause,
            ends=ends,
            drill=order.drill,
            measure=order.step.measure,
        )

    def _apply(self, command: Command, settled: Callable[[Command, Outcome], None]) -> None:
        self._actuators[command.actuator].apply(command, partial(settled, command))

    def _settled(self, order: Order, command: Command, outcome: Outcome) -> None:
        output = order.step.output
        self._report(command, outcome)
        if self._wanted.get(output) is not order:
            return
        delay = _ENSURE_S if outcome.status is Status.DONE else _AGAIN_S
        self._follow_up(output, delay, partial(self._again, order))

    def _again(self, order: Order) -> None:
        self._timers.pop(order.step.output, None)
        if self._wanted.get(order.step.output) is order:
            self._issue(order, self._clock.now(), ensure=True)

    def _stopped(self, order: Order, command: Command, outcome: Outcome) -> None:
        self._report(command, outcome)
        output = order.step.output
        if outcome.status is Status.DONE or output in self._wanted or output in self._rehearsed:
            self._ending.pop(output, None)
            return
        _log.error(
            "actuator=%s action=%s status=%s detail=%s",
            command.actuator, command.action, outcome.status, outcome.detail,
        )  # fmt: skip
        self._follow_up(output, _AGAIN_S, partial(self._stop_again, order))

    def _stop_again(self, order: Order) -> None:
        self._timers.pop(order.step.output, None)
        if order.step.output not in self._wanted and order.step.output not in self._rehearsed:
            self.end(order, self._clock.now(), ensure=True)

    def _report(self, command: Command, outcome: Outcome) -> None:
        """Tell of first commands always, of follow-ups only what is new.

        A dead siren fills no journal.
        """
        last = self._last.get(command.output)
        self._last[command.output] = outcome.status
        wrote = outcome.status is Status.DONE and outcome.first_byte is not None
        if not command.ensure or wrote or outcome.status is not last:
            self._on_outcome(command, outcome)

    def _follow_up(self, output: str, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel_timer(output)
        if self._closed:
            return
        self._timers[output] = self._clock.call_at(
            after(self._clock.now(), seconds=delay_s), callback
        )

    def _cancel_timer(self, output: str) -> None:
        timer = self._timers.pop(output, None)
        if timer is not None:
            timer.cancel()
