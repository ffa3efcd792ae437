"""What a device is: what it says of itself, and how well it fits each profile. Reads only.

A fit is evidence, not proof: registers carry no names. Evidence is weighed in bits, how much more
likely a reading is if the device is of that kind than if it is any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.app.commissioning.place import Place, SerialPlace
from edge.app.commissioning.reading import (
    PointReading,
    Reader,
    Verdict,
    fitting_bits,
    read_cells,
    read_points,
)
from edge.app.commissioning.talk import Ask, Script
from edge.app.config import Constant, ModbusProfile
from edge.core.errors import Absent, NoAnswer
from edge.locale import text
from protocols.modbus import Answer, Request, read_identification, report_server_id
from protocols.modbus_identity import BASIC, OBJECT_NAMES, REGULAR

DEFAULT_TIMEOUT_MS = 300
# A device that answers here answers anywhere, so that an answer proves little; no profile is near.
_NOWHERE = 0xF0F7
_CONTROLLED = ("holding", "input", "coil", "discrete")
_MOST_PARTS = 8
_UNREAD = {Verdict.REFUSED: "identify.refused", Verdict.SILENT: "identify.silent-register"}

# Bits of evidence. An answer where others refuse; no answer where the kind must answer.
_ANSWERED = 1.5
_MISSED = -4.0
_OUT_OF_RANGE = -5.0
_CONSTANT = 12.0
_NAMED = 8.0
_FACTORY = 1.0
# Two kinds closer than this cannot be told apart.
_APART = 3.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a profile fits. ``bits`` ranks; ``contradicted``: something cannot be so."""

    profile: str
    title: str
    bits: float
    contradicted: bool
    reasons: tuple[str, ...]
    readings: tuple[PointReading, ...]

    def body(self) -> dict[str, object]:
        """For JSON."""
        return {
            "profile": self.profile,
            "bits": round(self.bits, 1),
            "contradicted": self.contradicted,
            "reasons": list(self.reasons),
            "points": [each.body() for each in self.readings],
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a device. ``names`` is what it says of itself; ``fits`` the best first.

    ``answers_anywhere``: tables in which it answers at addresses that nobody has.
    """

    place: Place
    address: int
    names: tuple[tuple[str, str], ...]
    answers_anywhere: tuple[str, ...]
    fits: tuple[Fit, ...]

    @property
    def candidates(self) -> tuple[Fit, ...]:
        """The best fit, and those that cannot be told from it; none if nothing fits."""
        usable = [fit for fit in self.fits if not fit.contradicted and fit.bits > 0]
        return tuple(fit for fit in usable if usable[0].bits - fit.bits < _APART)

    def body(self) -> dict[str, object]:
        """For JSON."""
        return {
            **self.place.body(),
            "address": self.address,
            "names": dict(self.names),
            "answers_anywhere": list(self.answers_anywhere),
            "candidates": [fit.profile for fit in self.candidates],
            "fits": [fit.body() for fit in self.fits],
        }


def _no_progress(done: int, total: int) -> None:
    """Nobody wants to know."""


def identify(
    place: Place,
    address: int,
    profiles: Mapping[str, ModbusProfile],
    timeout_s: float,
    progress: Callable[[int, int], None] = _no_progress,
) -> Script[Identity]:
    """Ask a device on the open line what it is. Raises NoAnswer if it answers nothing at all.

    ``progress`` gets how many profiles are tried, of how many.
    """
    names = yield from _ask_names(address, timeout_s)
    reader = Reader(address, timeout_s)
    anywhere = []
    for table in _CONTROLLED:
        words = yield from read_cells(reader, table, _NOWHERE)
        if not isinstance(words, Verdict):
            anywhere.append(table)
    fits = []
    for done, (name, profile) in enumerate(profiles.items()):
        progress(done, len(profiles))
        fits.append((yield from _try(name, profile, place, reader, names, anywhere)))
    progress(len(profiles), len(profiles))
    if not names and not reader.answered:
        raise NoAnswer(text("identify.silent", address=address, place=str(place)))
    fits.sort(key=lambda fit: (fit.contradicted, -fit.bits, fit.profile))
    return Identity(place, address, names, tuple(anywhere), tuple(fits))


def _ask_names(address: int, timeout_s: float) -> Script[tuple[tuple[str, str], ...]]:
    """Functions 43/14 and 17. Devices that have neither refuse, or stay silent."""
    objects: dict[int, bytes] = {}
    code, following = BASIC, 0
    for _ in range(_MOST_PARTS):
        answer = yield from _ask(read_identification(address, code, following), timeout_s)
        if answer is None:
            break
        part = answer.identification()
        objects |= dict(part.objects)
        if part.next_object is not None and part.next_object > following:
            following = part.next_object
        elif code == BASIC and part.conformity & 0x7F >= REGULAR:
            code, following = REGULAR, 0
        else:
            break
    names = [
        (OBJECT_NAMES.get(key, f"{key:02X}h"), _shown(objects[key])) for key in sorted(objects)
    ]
    answer = yield from _ask(report_server_id(address), timeout_s)
    if answer is not None:
        names.append(("ServerId", _shown(answer.server_id())))
    return tuple(names)


def _ask(request: Request, timeout_s: float) -> Script[Answer | None]:
    heard = yield Ask(request, timeout_s)
    if isinstance(heard.error, Absent):
        raise heard.error
    return heard.reply if isinstance(heard.reply, Answer) else None


def _shown(value: bytes) -> str:
    """Text as it is, what is no text as <hexadecimal>."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"<{byte:02X}>" for byte in value).strip()


def _try(
    name: str,
    profile: ModbusProfile,
    place: Place,
    reader: Reader,
    names: tuple[tuple[str, str], ...],
    anywhere: list[str],
) -> Script[Fit]:
    bits, contradicted, reasons = 0.0, False, []
    constants = [*profile.identity]
    if profile.set_address is not None:
        register = profile.set_address.address
        constants.append(Constant(table="holding", address=register, value=reader.unit))
    for constant in constants:
        words = yield from read_cells(reader, constant.table, constant.address)
        where = f"{constant.table} {constant.address:04X}H"
        if isinstance(words, Verdict):
            bits += _MISSED
            reasons.append(text(_UNREAD[words], where=where))
        elif words[0] & constant.mask == constant.value & constant.mask:
            bits += _CONSTANT
            own = constant not in profile.identity
            key = "identify.own-address" if own else "identify.constant"
            reasons.append(text(key, where=where, found=f"{words[0]:04X}H"))
        else:
            bits += _MISSED
            contradicted = contradicted or constant in profile.identity
            wanted = f"{constant.value:04X}H"
            reasons.append(
                text(
                    "identify.other-constant", where=where, found=f"{words[0]:04X}H", wanted=wanted
                )
            )
    readings = yield from read_points(reader, profile)
    told: set[tuple[str, int]] = set()
    for reading in readings:
        # one register is one answer, however many bits of it have names
        cell = (reading.table, reading.address)
        new = cell not in told and reading.table not in anywhere
        bits += _weigh(profile, reading, _ANSWERED if new else 0.0)
        told.add(cell)
    contradicted = contradicted or any(
        reading.verdict not in (Verdict.FITS, Verdict.ZERO, Verdict.ERROR_WORD)
        for reading in readings
    )
    reasons += _sum_up(readings)
    for said, worth in _hints(profile, place, reader.unit, names):
        bits += worth
        reasons.append(said)
    return Fit(name, profile.device.name, bits, contradicted, tuple(reasons), readings)


def _weigh(profile: ModbusProfile, reading: PointReading, answered: float) -> float:
    match reading.verdict:
        case Verdict.REFUSED | Verdict.SILENT:
            return _MISSED
        case Verdict.OUT_OF_RANGE:
            return _OUT_OF_RANGE
        case Verdict.FITS:
            return answered + fitting_bits(profile.points[reading.name])
        case _:
            return answered


def _sum_up(readings: tuple[PointReading, ...]) -> list[str]:
    """Why, in counts, worst last."""
    said = []
    for verdict in Verdict:
        several = [reading for reading in readings if reading.verdict is verdict]
        if several:
            points = ", ".join(reading.name for reading in several)
            key = f"identify.points-{verdict.value.replace('_', '-')}"
            said.append(text(key, count=len(several), all=len(readings), points=points))
    return said


def _hints(
    profile: ModbusProfile, place: Place, address: int, names: tuple[tuple[str, str], ...]
) -> list[tuple[str, float]]:
    """What else speaks for a kind: its own words, and the settings it leaves the factory with."""
    words = " ".join(said for _, said in names).lower()
    found = [
        (text("identify.named", name=name), _NAMED)
        for name in (profile.device.maker, *profile.device.model.split(", "))
        if len(name) > 2 and name not in ("generic", "any") and name.lower() in words
    ]
    line = profile.line
    if line is not None and line.address == address:
        found.append((text("identify.factory-address", address=address), _FACTORY))
    if (
        line is not None
        and isinstance(place, SerialPlace)
        and (line.baud, line.parity) == (place.baud, place.parity)
    ):
        found.append((text("identify.factory-line", line=str(place)), _FACTORY))
    return found
