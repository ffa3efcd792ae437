"""Who is on a line, at which settings: every setting, every address, one question each or two.

What is asked never writes, and is the least that any device can be asked: one register, read. Only
functions 3 and 4 are used unless others are chosen, at address 0, which is data in nearly every
device and an exception in the rest; an exception is an answer. Nothing is asked that resets
something where it is read (function 7, diagnostics, FIFOs, files, event logs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from edge.app.commissioning.place import Place, SerialPlace, TcpPlace
from edge.app.commissioning.talk import Ask, Heard, Listen, Reply, Script, Tune
from edge.core.errors import Absent, Garbled
from protocols.modbus import Declined, Request, Seen, read_bits, read_registers

TABLES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
"""What can be asked for, with its function."""
DEFAULT_TABLES = ("holding", "input")
DEFAULT_TIMEOUT_MS = 150
"""Longer than the usual answer takes to begin (10 to 100 ms); a later one is heard all the same."""

LISTEN_S = 1.5
"""Before the first question: another master polls at least about so often."""
SETTLE_S = 0.05
"""Silence before and after each setting: more than t3.5 at 1200 Bd, so that what sounded like noise
to devices at other settings is over for them."""
# A garbled answer is asked for again so often: one clean answer is enough.
_GARBLED_ATTEMPTS = 3
# A line at which so many addresses in a row are garbled is disturbed: the rest would be, too.
_DISTURBED_AFTER = 4
# Exceptions by which a gateway says that nobody is there (Application Protocol V1.1b3, §7).
_NOBODY = (10, 11)
_UNREACHABLE_AFTER = 3
_RECONNECT_S = 2.5
# These say that what came was not an answer of the address that was asked.
_OTHERS = (Seen.OTHER_UNIT.value, Seen.ECHO.value, Seen.NOTHING.value)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked where. ``first``: end with the first place at which anybody answers.

    ``anyway``: even if somebody else speaks on the line.
    """

    places: tuple[Place, ...]
    addresses: tuple[int, ...]
    tables: tuple[str, ...] = DEFAULT_TABLES
    timeout_s: float = DEFAULT_TIMEOUT_MS / 1000
    first: bool = False
    anyway: bool = False

    @property
    def estimate_s(self) -> float:
        """How long it takes if nobody answers; each answer saves most of its time-out."""
        listen_s = LISTEN_S if isinstance(self.places[0], SerialPlace) else 0.0
        return listen_s + sum(self.place_s(place) for place in self.places)

    def place_s(self, place: Place) -> float:
        """The share of one place."""
        settle_s = 2 * SETTLE_S if isinstance(place, SerialPlace) else 0.0
        return settle_s + len(self.addresses) * self.address_s(place)

    def address_s(self, place: Place) -> float:
        """The share of one address: the questions on the line, and the waiting in vain."""
        dialect = place.dialect
        total_s = 0.0
        for table in self.tables:
            request = question(1, table)
            total_s += dialect.line_s(request)[0] + self.timeout_s + dialect.hidden_s(request)
        return total_s


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered. ``refused`` is its exception code, None if it sent data.

    ``late``: it takes longer than the time-out. ``attempts``: questions until one was answered.
    ``every_address``: a TCP server that answers to every address as to this one: it is one device.
    """

    place: Place
    address: int
    table: str
    refused: int | None
    turnaround_ms: float
    late: bool = False
    attempts: int = 1
    every_address: bool = False

    def body(self) -> dict[str, object]:
        """For JSON."""
        return {
            **self.place.body(),
            "address": self.address,
            "table": self.table,
            "refused": self.refused,
            "turnaround_ms": round(self.turnaround_ms, 2),
            "late": self.late,
            "attempts": self.attempts,
            "every_address": self.every_address,
        }


@dataclass(frozen=True, slots=True)
class Disturbed:
    """An address at which something answers, never cleanly. ``seen`` is what came at last."""

    place: Place
    address: int
    seen: str

    def body(self) -> dict[str, object]:
        """For JSON."""
        return {**self.place.body(), "address": self.address, "seen": self.seen}


@dataclass(slots=True)
class Survey:
    """What a scan has found so far; complete once ``finished``.

    ``noisy``: places given up because nothing there can be understood, ``unreachable``: those that
    could not be opened, with the reason; ``echo``: the adapter hears its own questions.
    """

    found: list[Found] = field(default_factory=list)
    garbled: list[Disturbed] = field(default_factory=list)
    noisy: list[Place] = field(default_factory=list)
    unreachable: list[tuple[Place, str]] = field(default_factory=list)
    echo: bool = False
    done_s: float = 0.0
    finished: bool = False

    def double_addresses(self) -> list[Disturbed]:
        """Garbled addresses that nobody explains: none answers cleanly there at that speed."""
        clean = {(_speed(each.place), each.address) for each in self.found}
        return [each for each in self.garbled if (_speed(each.place), each.address) not in clean]


class LineBusy(Absent):
    """Somebody else speaks on the line. ``unasked`` is how many bytes were heard."""

    def __init__(self, unasked: int) -> None:
        super().__init__(f"{unasked} bytes came unasked")
        self.unasked = unasked


def question(address: int, table: str) -> Request:
    """The least that can be read: the first entry of a table."""
    read = read_bits if table in ("coil", "discrete") else read_registers
    return read(address, TABLES[table], 0, 1)


def scan(plan: Plan, survey: Survey, progress: Callable[[float], None]) -> Script[None]:
    """Ask everybody. ``survey`` holds what is known at any moment; ``progress`` gets seconds done.

    Raises Absent if a serial port is not there or goes away, and LineBusy if somebody else speaks.
    """
    for index, place in enumerate(plan.places):
        heard = yield Tune(place)
        if heard.error is not None:
            if isinstance(place, SerialPlace):
                raise heard.error
            survey.unreachable.append((place, str(heard.error)))
        elif isinstance(place, SerialPlace):
            yield from _scan_line(plan, place, survey, progress, first=index == 0)
        else:
            yield from _scan_server(plan, place, survey, progress)
        if plan.first and any(each.place == place for each in survey.found):
            break
    survey.finished = True


def _scan_line(
    plan: Plan,
    place: SerialPlace,
    survey: Survey,
    progress: Callable[[float], None],
    *,
    first: bool,
) -> Script[None]:
    pause_s = SETTLE_S + (LISTEN_S if first else 0.0)
    heard = yield Listen(pause_s)
    if heard.unasked and first and not plan.anyway:
        raise LineBusy(heard.unasked)
    _note(survey, pause_s, progress)
    disturbed = 0
    for index, address in enumerate(plan.addresses):
        garbled_before = len(survey.garbled)
        yield from _ask_address(plan, place, address, survey)
        _note(survey, plan.address_s(place), progress)
        disturbed = disturbed + 1 if len(survey.garbled) > garbled_before else 0
        if disturbed >= _DISTURBED_AFTER:
            del survey.garbled[-disturbed:]
            survey.noisy.append(place)
            _note(survey, (len(plan.addresses) - index - 1) * plan.address_s(place), progress)
            break
    heard = yield Listen(SETTLE_S)
    _take_late(survey, place, heard)
    _note(survey, SETTLE_S, progress)


def _ask_address(plan: Plan, place: SerialPlace, address: int, survey: Survey) -> Script[None]:
    """Ask for each table until one is answered."""
    seen = ""
    attempts = 0
    for table in plan.tables:
        for _ in range(_GARBLED_ATTEMPTS):
            attempts += 1
            heard = yield Ask(question(address, table), plan.timeout_s)
            _take_late(survey, place, heard)
            if heard.reply is not None:
                _keep(survey, _found(place, table, heard.reply, heard.turnaround_ms, attempts))
                return
            if isinstance(heard.error, Absent):
                raise heard.error
            if _knows(survey, place, address):
                return  # its answer to the question before has just come
            if heard.late:
                continue  # somebody slow spoke into this question: it proves nothing
            if not isinstance(heard.error, Garbled):
                break
            survey.echo |= heard.error.seen == Seen.ECHO.value
            if heard.error.seen in _OTHERS:
                break
            seen = heard.error.seen
        if seen:
            break  # whatever it is, it does not stay silent: other tables tell no more
    if seen and not _knows(survey, place, address):
        survey.garbled.append(Disturbed(place, address, seen))


def _scan_server(
    plan: Plan, place: TcpPlace, survey: Survey, progress: Callable[[float], None]
) -> Script[None]:
    failures = 0
    reason = ""
    for index, address in enumerate(plan.addresses):
        for table in plan.tables:
            heard = yield Ask(question(address, table), plan.timeout_s)
            failures = failures + 1 if isinstance(heard.error, Absent) else 0
            if heard.reply is not None:
                found = _found(place, table, heard.reply, heard.turnaround_ms, 1)
                if found.refused not in _NOBODY:
                    _keep(survey, found)
                break
            if failures:
                reason = str(heard.error)
                # the server hangs up on addresses it does not know; the line connects again
                yield Listen(_RECONNECT_S if failures > 1 else SETTLE_S * 5)
                break
        _note(survey, plan.address_s(place), progress)
        if failures >= _UNREACHABLE_AFTER:
            survey.unreachable.append((place, reason))
            _note(survey, (len(plan.addresses) - index - 1) * plan.address_s(place), progress)
            return
    here = [each for each in survey.found if each.place == place]
    if len(here) == len(plan.addresses) > 1:
        others = [each for each in survey.found if each.place != place]
        survey.found = [*others, replace(here[0], every_address=True)]


def _found(
    place: Place,
    table: str,
    reply: Reply,
    turnaround_ms: float,
    attempts: int,
    *,
    late: bool = False,
) -> Found:
    refused = reply.code if isinstance(reply, Declined) else None
    return Found(place, reply.unit, table, refused, turnaround_ms, late, attempts)


def _take_late(survey: Survey, place: Place, heard: Heard) -> None:
    tables = {function: table for table, function in TABLES.items()}
    for reply in heard.late:
        _keep(survey, _found(place, tables[reply.function], reply, 0.0, 1, late=True))


def _keep(survey: Survey, found: Found) -> None:
    """Note a device once; it may be that it was taken for a garbled one before."""
    if not _knows(survey, found.place, found.address):
        survey.found.append(found)
        survey.garbled = [
            each
            for each in survey.garbled
            if (each.place, each.address) != (found.place, found.address)
        ]


def _knows(survey: Survey, place: Place, address: int) -> bool:
    return any((each.place, each.address) == (place, address) for each in survey.found)


def _note(survey: Survey, seconds: float, progress: Callable[[float], None]) -> None:
    survey.done_s += seconds
    progress(survey.done_s)


def _speed(place: Place) -> object:
    """What two settings share at which one device may be heard, cleanly at one of them."""
    return (place.port, place.baud) if isinstance(place, SerialPlace) else place
