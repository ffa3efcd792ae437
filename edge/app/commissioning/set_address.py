"""Giving a device another address, for kinds whose profile says how. The only thing here that
writes; it is written once, and what became of it is looked up on the line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edge.app.commissioning.scan import DEFAULT_TABLES, question
from edge.app.commissioning.talk import Ask, Heard, Listen, Script
from edge.app.config import ModbusProfile, SetAddress, Write
from edge.core.errors import Absent, ConfigError, DeviceError, NoAnswer
from edge.locale import text
from protocols.modbus import (
    Answer,
    Declined,
    Request,
    exception_name,
    read_registers,
    write_coil,
    write_coils,
    write_register,
    write_registers,
)

_SILENCES = 2
"""An address is free if so many questions in a row stay unanswered, of each kind."""
_TAKES_EFFECT_S = 1.0


class Outcome(StrEnum):
    """What became of it. Only MOVED and PENDING are as it should be."""

    MOVED = "moved"
    """It answers at the new address, and no longer at the old one."""
    PENDING = "pending"
    """It took the number, and still answers at the old address: switch it off and on."""
    REFUSED = "refused"
    """It declined the write, and is where it was."""
    UNCHANGED = "unchanged"
    """It is where it was."""
    BOTH = "both"
    """Somebody answers at either address: there were two."""
    LOST = "lost"
    """Nobody answers at either address."""


@dataclass(frozen=True, slots=True)
class Move:
    """From which address to which. ``writes`` is what will be sent, in this order."""

    old: int
    new: int
    sheet: SetAddress
    timeout_s: float

    @property
    def writes(self) -> tuple[Request, ...]:
        """Unlocking, the address, saving."""
        own = Write(
            table="holding",
            address=self.sheet.address,
            values=(self.new,),
            multiple=self.sheet.multiple,
        )
        parts = (*self.sheet.unlock, own, *self.sheet.save)
        return tuple(_request(self.old, part) for part in parts)


@dataclass(frozen=True, slots=True)
class Moved:
    """The outcome. ``detail``: what the device said, if it refused."""

    outcome: Outcome
    detail: str = ""


def plan_move(name: str, profile: ModbusProfile, old: int, new: int, timeout_s: float) -> Move:
    """Raises ConfigError if the profile does not say how, or the numbers cannot be."""
    sheet = profile.set_address
    if sheet is None:
        raise ConfigError(
            text("set-address.not-defined", profile=name), hint=text("set-address.define")
        )
    low, high = sheet.range
    if old == new or not low <= new <= high:
        allowed = f"{low} … {high}, ≠ {old}"
        raise ConfigError(text("set-address.bad-number", found=new, allowed=allowed))
    return Move(old, new, sheet, timeout_s)


def check_move(move: Move) -> Script[None]:
    """Before anything is written. Raises ConfigError or DeviceError if it must not be.

    The new address is free; one device answers cleanly at the old one, and its register holds that
    very address, so that it is of the kind that the profile describes.
    """
    if (yield from _is_taken(move.new, move.timeout_s)):
        raise ConfigError(
            text("set-address.taken", address=move.new), hint=text("set-address.taken-hint")
        )
    heard = yield from _ask(read_registers(move.old, 3, move.sheet.address, 1), move.timeout_s)
    if isinstance(heard.reply, Answer):
        [held] = heard.reply.registers()
        if held != move.old:
            raise ConfigError(
                text(
                    "set-address.other-device",
                    register=f"{move.sheet.address:04X}H",
                    found=held,
                    address=move.old,
                ),
                hint=text("set-address.other-device-hint"),
            )
    elif isinstance(heard.reply, Declined):
        raise ConfigError(
            text(
                "set-address.unreadable",
                register=f"{move.sheet.address:04X}H",
                reason=exception_name(heard.reply.code),
            ),
            hint=text("set-address.other-device-hint"),
        )
    elif heard.silent:
        raise NoAnswer(text("set-address.nobody", address=move.old))
    elif heard.error is not None:
        raise DeviceError(
            text("set-address.garbled", address=move.old), hint=text("set-address.garbled-hint")
        )


def carry_out(move: Move, wrote: Callable[[], None]) -> Script[Moved]:
    """Write, then look who is where. ``wrote`` is called before the first write goes out.

    An unanswered write is not repeated: devices move before they answer.
    """
    wrote()
    refused = ""
    for request in move.writes:
        heard = yield Ask(request, move.timeout_s)
        if isinstance(heard.error, Absent):
            raise heard.error
        if isinstance(heard.reply, Declined):
            refused = exception_name(heard.reply.code)
            break
    yield Listen(_TAKES_EFFECT_S)
    at_new = yield from _is_taken(move.new, move.timeout_s)
    at_old = yield from _is_taken(move.old, move.timeout_s)
    if at_new and at_old:
        return Moved(Outcome.BOTH)
    if at_new:
        return Moved(Outcome.MOVED)
    if not at_old:
        return Moved(Outcome.LOST)
    if refused:
        return Moved(Outcome.REFUSED, refused)
    return Moved((yield from _why_unmoved(move)))


def _why_unmoved(move: Move) -> Script[Outcome]:
    """Whether the number was taken, and only waits for the power to be cycled."""
    if move.sheet.effect == "at_once":
        return Outcome.UNCHANGED
    heard = yield from _ask(read_registers(move.old, 3, move.sheet.address, 1), move.timeout_s)
    held = heard.reply.registers() if isinstance(heard.reply, Answer) else ()
    return Outcome.PENDING if held == (move.new,) else Outcome.UNCHANGED


def _is_taken(address: int, timeout_s: float) -> Script[bool]:
    """Whether anybody makes any sound when this address is asked."""
    for _ in range(_SILENCES):
        for table in DEFAULT_TABLES:
            heard = yield Ask(question(address, table), timeout_s)
            if isinstance(heard.error, Absent):
                raise heard.error
            if not heard.silent:
                return True
    return False


def _ask(request: Request, timeout_s: float) -> Script[Heard]:
    """Ask again if nothing usable came."""
    heard = Heard()
    for _ in range(_SILENCES):
        heard = yield Ask(request, timeout_s)
        if isinstance(heard.error, Absent):
            raise heard.error
        if heard.reply is not None:
            break
    return heard


def _request(unit: int, write: Write) -> Request:
    values = [int(value) for value in write.values]
    several = write.multiple or len(values) > 1
    if write.table == "coil":
        states = [bool(value) for value in values]
        return (
            write_coils(unit, write.address, states)
            if several
            else write_coil(unit, write.address, states[0])
        )
    if several:
        return write_registers(unit, write.address, values)
    return write_register(unit, write.address, values[0])
