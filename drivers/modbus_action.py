"""One execution of a profile's action.

Its writes in order, then its read-back, until confirmed or too late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from drivers.bus.line import Line
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from drivers.profile import Action, Confirm, Write
from drivers.read_plan import FUNCTION
from edge.core.errors import Absent, DeviceError, Refused
from edge.core.instant import Clock, Instant, Timer, after
from edge.core.model import Command, Outcome, Status
from edge.core.ports import Class
from protocols.modbus import (
    BROADCAST_UNIT,
    Answer,
    Request,
    read_bits,
    read_registers,
    write_coil,
    write_coils,
    write_register,
    write_registers,
)

# Modbus exceptions that ask for patience: acknowledge, server device busy (V1.1b3, 7).
_PATIENCE_CODES = (5, 6)
# Between attempts on a line that is not there, or a device that asked for patience.
_PAUSE_S = 0.05
# A device that was silent twice in a row is left in peace for this long after each attempt.
_AT_ONCE = 2
SILENT_PAUSE_S = 0.5


class Composure:
    """How an actuator is left in peace that does not answer: shared by all commands to it.

    A lost frame is repeated at once; after that the whole device is tried once per pause, however
    many of its outputs wait, so that a dead siren does not take the line from the sensors.
    """

    def __init__(self) -> None:
        self._silences = 0
        self._not_before = Instant(0)
        self._parked: dict[Run, Callable[[], None]] = {}

    def silent(self, now: Instant) -> None:
        """An attempt was in vain."""
        self._silences += 1
        if self._silences >= _AT_ONCE:
            self._not_before = after(now, seconds=SILENT_PAUSE_S)

    def answered(self) -> None:
        """The device is there: who waits need not wait any longer."""
        self._silences = 0
        self._not_before = Instant(0)
        parked, self._parked = self._parked, {}
        for resume in parked.values():
            resume()

    def park(self, run: Run, resume: Callable[[], None]) -> None:
        """Call this when the device answers."""
        self._parked[run] = resume

    def leave(self, run: Run) -> None:
        """This command waits no longer."""
        self._parked.pop(run, None)

    def claim(self, now: Instant) -> Instant:
        """When it may be tried: if that is now, the next one waits while it stays silent."""
        if now < self._not_before:
            return self._not_before
        if self._silences >= _AT_ONCE:
            self._not_before = after(now, seconds=SILENT_PAUSE_S)
        return now


class Run:
    """Carries out one command. Every part may be repeated: commands are idempotent."""

    def __init__(
        self,
        command: Command,
        unit: int,
        action: Action,
        timing: DeviceTiming,
        line: Line,
        clock: Clock,
        composure: Composure,
        ended: Callable[[Run, Outcome], None],
    ) -> None:
        self.command = command
        self._unit = unit
        self._action = action
        self._timing = timing
        self._line = line
        self._clock = clock
        self._ended = ended
        self._arguments = dict(command.arguments)
        addressed = BROADCAST_UNIT if action.broadcast else unit
        self._writes = [write_request(each, addressed, self._arguments) for each in action.write]
        self._next_write = 0
        self._first_byte: Instant | None = None
        self._confirm_until: Instant | None = None
        self._superseded = False
        self._over = False
        self._last = "not begun"
        self._composure = composure
        self._pending: Transaction | None = None
        self._pause: Timer | None = None

    def start(self) -> None:
        """Begin; the first byte leaves in this call if the line is free."""
        if self._clock.now() > self.command.not_after:
            self._end(Status.TOO_LATE, detail="issued after its last moment")
        elif self.command.ensure and self._action.confirm is not None:
            confirm = self._action.confirm
            self._submit(self._confirm_request(confirm), self._ensured, slack_ms=confirm.within_ms)
        else:
            self._write()

    def supersede(self) -> None:
        """A newer command for the same output has come: begin nothing more.

        What waits for its turn is taken back; what is on the line is waited for.
        """
        self._superseded = True
        waiting = self._pending is not None and self._line.withdraw(self._pending)
        if waiting or self._pause is not None:
            if self._pause is not None:
                self._pause.cancel()
            self._may_go_on()

    def _submit(
        self, request: Request, done: Callable[[Result], None], *, slack_ms: float = 0.0
    ) -> None:
        """Queue a part, or wait until the device may be tried.

        Writes go first in, first out; a read-back gives way to newer commands.
        """
        now = self._clock.now()
        ready = self._composure.claim(now)
        if ready > now:
            again = partial(self._again, request, done, slack_ms)
            self._composure.park(self, partial(self._resume, self._wait(ready, again), again))
            return
        self._composure.leave(self)
        self._pause = None
        self._pending = Transaction(
            request, Class.ACT, after(now, ms=slack_ms), self._timing, partial(self._heard, done),
            expires=self.command.not_after,
        )  # fmt: skip
        self._line.submit(self._pending)

    def _again(self, request: Request, done: Callable[[Result], None], slack_ms: float) -> None:
        if self._may_go_on():
            self._submit(request, done, slack_ms=slack_ms)

    def _resume(self, pause: Timer, again: Callable[[], None]) -> None:
        """The pause is over early."""
        pause.cancel()
        again()

    def _heard(self, done: Callable[[Result], None], result: Result) -> None:
        if result.error is None or isinstance(result.error, Refused):
            self._composure.answered()
        elif not isinstance(result.error, Absent):
            self._composure.silent(result.at)
        done(result)

    def _may_go_on(self) -> bool:
        if self._superseded:
            self._end(Status.TOO_LATE, detail=f"superseded by a newer command; {self._last}")
        elif self._clock.now() > self.command.not_after:
            self._end(Status.NO_ANSWER, detail=self._last)
        return not self._over

    # -- writing ----------------------------------------------------------------------------

    def _write(self) -> None:
        if self._may_go_on():
            self._submit(self._writes[self._next_write], self._written)

    def _written(self, result: Result) -> None:
        if self._first_byte is None:
            self._first_byte = result.first_byte
        if result.error is not None:
            self._failed(result.error, self._write)
            return
        self._next_write += 1
        if self._next_write < len(self._writes):
            self._write()
        elif self._action.confirm is None:
            self._end(Status.DONE, result.at, confirmed_by="answer")
        else:
            self._confirm_until = after(result.at, ms=self._action.confirm.within_ms)
            self._ask_back()

    def _failed(self, error: DeviceError, again: Callable[[], None]) -> None:
        """Try again at once if the device was silent.

        After a pause if trying at once cannot help.
        """
        self._last = str(error)
        if isinstance(error, Refused) and error.code not in _PATIENCE_CODES:
            self._end(Status.REFUSED, detail=str(error))
            return
        if isinstance(error, Refused | Absent):
            self._wait(after(self._clock.now(), seconds=_PAUSE_S), again)
        else:
            again()

    def _wait(self, until: Instant, then: Callable[[], None]) -> Timer:
        self._pause = pause = self._clock.call_at(until, then)
        return pause

    # -- reading back -----------------------------------------------------------------------

    def _ask_back(self) -> None:
        if self._action.confirm is not None and self._may_go_on():
            confirm = self._action.confirm
            self._submit(
                self._confirm_request(confirm), self._asked_back, slack_ms=confirm.within_ms
            )

    def _asked_back(self, result: Result) -> None:
        confirm = self._action.confirm
        if confirm is None or self._confirm_until is None:
            return
        if result.answer is not None:
            found = _found(confirm, result.answer)
            wanted = self._values(confirm.values)
            if found == wanted:
                self._end(Status.DONE, result.at, confirmed_by="read-back")
                return
            self._last = f"read back {found}, expected {wanted}"
        elif isinstance(result.error, Refused):
            self._last = str(result.error)
        elif result.error is not None:
            self._failed(result.error, self._ask_back)
            return
        now = self._clock.now()
        if now < self._confirm_until:
            self._wait(after(now, ms=confirm.every_ms), self._ask_back)
        else:
            self._next_write = 0
            self._write()

    def _ensured(self, result: Result) -> None:
        """The state is as it should be: nothing to do. Anything else: write."""
        confirm = self._action.confirm
        if (
            confirm is not None
            and result.answer is not None
            and _found(confirm, result.answer) == self._values(confirm.values)
        ):
            self._end(Status.DONE, result.at, confirmed_by="read-back")
        else:
            self._write()

    # -- requests and the end ---------------------------------------------------------------

    def _values(self, values: Sequence[int | str]) -> tuple[int, ...]:
        return tuple(_resolve(value, self._arguments) for value in values)

    def _confirm_request(self, confirm: Confirm) -> Request:
        return _confirming(self._unit, confirm, _address(confirm, self._arguments))

    def _end(
        self, status: Status, at: Instant | None = None, confirmed_by: str = "", detail: str = ""
    ) -> None:
        if self._over:
            return
        self._over = True
        self._composure.leave(self)
        outcome = Outcome(
            self.command.id,
            self.command.actuator,
            status,
            at if at is not None else self._clock.now(),
            self._first_byte,
            confirmed_by,
            detail,
        )
        self._ended(self, outcome)


def write_request(write: Write, unit: int, arguments: Mapping[str, int]) -> Request:
    """The question of one write of an action. ``arguments`` has all its parameters."""
    values = [_resolve(value, arguments) for value in write.values]
    address = _address(write, arguments)
    several = len(values) > 1 or write.multiple
    if write.table == "coil":
        bits = [bool(value) for value in values]
        return write_coils(unit, address, bits) if several else write_coil(unit, address, bits[0])
    if several:
        return write_registers(unit, address, values)
    return write_register(unit, address, values[0])


def first_confirm(unit: int, actions: Mapping[str, Action]) -> Request | None:
    """A question that a device without points can be probed with; None if it has none."""
    for action in actions.values():
        if action.confirm is not None:
            return _confirming(unit, action.confirm, action.confirm.address)
    return None


def _confirming(unit: int, confirm: Confirm, address: int) -> Request:
    read = read_bits if confirm.table in ("coil", "discrete") else read_registers
    return read(unit, FUNCTION[confirm.table], address, len(confirm.values))


def _address(part: Write | Confirm, arguments: Mapping[str, int]) -> int:
    step = _resolve(part.address_step, arguments) - 1 if part.address_step else 0
    return part.address + step


def _resolve(value: int | str, arguments: Mapping[str, int]) -> int:
    return arguments[value.removeprefix("$")] if isinstance(value, str) else value


def _found(confirm: Confirm, answer: Answer) -> tuple[int, ...]:
    if confirm.table in ("coil", "discrete"):
        return tuple(int(bit) for bit in answer.bits(len(confirm.values)))
    mask = 0xFFFF if confirm.mask is None else confirm.mask
    return tuple(word & mask for word in answer.registers())
