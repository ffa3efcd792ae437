"""Types of single values in site files and profiles: strict, and each refusal says what is allowed.

Nothing is coerced. Refusals are PydanticCustomError with a problem code as their type, and
``found``, ``allowed`` and ``hint`` in their context.
"""

from __future__ import annotations

import ipaddress
import math
import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from edge.app.config.problems import listed, show, suggest
from edge.core.model import Level
from edge.core.units import Quantity, Unit, parse_quantity, parse_unit
from edge.locale import text

LEVELS: Final = {
    "blue": Level.BLUE,
    "yellow": Level.YELLOW,
    "orange": Level.ORANGE,
    "red": Level.RED,
}
"""Warning levels by the word that stands in files, lowest first."""

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""Names of points, actions and parameters."""
_POINT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\.[a-z][a-z0-9_]{0,31}")
_USB_ID = re.compile(r"[0-9a-fA-F]{4}")
# bus, ports through the hubs, and if need be configuration and interface: 1-1.2:1.0
_USB_PATH = re.compile(r"\d+-\d+(?:\.\d+)*(?::\d+\.\d+)?", re.ASCII)
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,32}(?:/[A-Za-z0-9._-]{1,32}){0,7}")
_NUMBER = re.compile(r"\s*[+-]?\.?[0-9](?![^<>≥≤(]*[<>≥≤(])")
_QUANTITY = re.compile(r"\s*[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?\s*(\S*)\s*")
_LABEL_CHARS = 120

# What people write for a unit that has another name here.
OTHER_NAMES: Final = {
    "米": "m",
    "厘米": "cm",
    "毫米": "mm",
    "米/秒": "m/s",
    "毫米/小时": "mm/h",
    "℃": "degC",
    "C": "degC",
    "度": "deg",
    "伏": "V",
    "安": "A",
    "％": "%",
    "hpa": "hPa",
}
# Only conditions have these; a quantity has none.
_OF_CONDITIONS = frozenset("<>≥≤(")


def refuse(code: str, value: object, *, allowed: str = "", hint: str = "") -> PydanticCustomError:
    """The error that says: this value is not what may stand here."""
    context = {"found": show(value), "allowed": allowed, "hint": hint}
    return PydanticCustomError(code, "{found}", context)


def whole(low: int, high: int) -> BeforeValidator:
    """A whole number in a range, both ends included."""

    def read(value: object) -> int:
        allowed = text("type.whole", low=low, high=high)
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse("wrong-type", value, allowed=allowed)
        if not low <= value <= high:
            raise refuse("out-of-range", value, allowed=f"{low} … {high}")
        return value

    return BeforeValidator(read)


def real(low: float, high: float) -> BeforeValidator:
    """A finite number in a range, both ends included; a whole number is a number."""

    def read(value: object) -> float:
        allowed = f"{low:g} … {high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse("wrong-type", value, allowed=text("type.number", low=low, high=high))
        if not low <= value <= high:  # false for nan too
            raise refuse("out-of-range", value, allowed=allowed)
        return float(value)

    return BeforeValidator(read)


def choice(*choices: int) -> BeforeValidator:
    """One of these whole numbers; a Literal would also take ``true`` for 1 and 8.0 for 8."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value not in choices:
            raise refuse("not-one-of", value, allowed=listed(choices))
        return value

    return BeforeValidator(read)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise refuse("wrong-type", value, allowed=text("type.text"))
    return value


def _matching(code: str, pattern: re.Pattern[str], allowed: str) -> BeforeValidator:
    def read(value: object) -> str:
        if not pattern.fullmatch(_text(value)):
            raise refuse(code, value, allowed=text(allowed))
        return str(value)

    return BeforeValidator(read)


def _read_label(value: object) -> str:
    label = _text(value)
    if not label.strip() or len(label) > _LABEL_CHARS or not label.isprintable():
        raise refuse("bad-text", value, allowed=text("type.label", most=_LABEL_CHARS))
    return label


def _read_note(value: object) -> str:
    note = _text(value)
    if not all(each.isprintable() or each == "\n" for each in note):
        raise refuse("bad-text", value, allowed=text("type.note"))
    return note


def _read_unit(value: object) -> Unit:
    written = _text(value)
    try:
        return parse_unit(written)
    except ValueError:
        raise refuse_unit(value, written) from None


def refuse_unit(value: object, written: str) -> PydanticCustomError:
    """The error for a unit nobody knows, with the one that was probably meant."""
    other = OTHER_NAMES.get(written)
    units = [unit.value for unit in Unit if unit.value]
    hint = text("hint.did-you-mean", word=other) if other else suggest(written, units)
    return refuse("unknown-unit", value, allowed=listed(units), hint=hint)


def _read_quantity(value: object) -> Quantity:
    allowed = text("type.quantity")
    if not isinstance(value, str):
        hint = text("hint.write-unit", number=show(value)) if _is_number(value) else ""
        raise refuse("wrong-type", value, allowed=allowed, hint=hint)
    # float() and \d would also take digits of other scripts, and far too large exponents
    match = _QUANTITY.fullmatch(value)
    if match is None:
        hint = text("hint.condition") if looks_like_condition(value) else ""
        raise refuse("not-a-quantity", value, allowed=allowed, hint=hint)
    try:
        parse_unit(match[1])
    except ValueError:
        raise refuse_unit(value, match[1]) from None
    try:
        quantity = parse_quantity(value)
    except ValueError:
        raise refuse("not-a-quantity", value, allowed=allowed) from None
    if not math.isfinite(quantity.value):
        raise refuse("not-a-quantity", value, allowed=allowed)
    return quantity


def looks_like_condition(value: object) -> bool:
    """Whether a value compares something, rightly or not."""
    return isinstance(value, str) and not _OF_CONDITIONS.isdisjoint(value)


def looks_like_quantity(value: object) -> bool:
    """Whether a value is meant as a number, with a unit or without."""
    return _is_number(value) or (isinstance(value, str) and _NUMBER.match(value) is not None)


def _read_condition(value: object) -> str:
    if not isinstance(value, str):
        raise refuse("wrong-type", value, allowed=text("type.condition"))
    return value


def _read_shadow(value: object) -> bool | str:
    if not isinstance(value, bool | str):
        raise refuse("wrong-type", value, allowed=text("type.shadow"))
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_level(value: object) -> Level:
    level = LEVELS.get(value) if isinstance(value, str) else None
    if level is None:
        hint = suggest(value, LEVELS) if isinstance(value, str) else ""
        raise refuse("not-one-of", value, allowed=listed(LEVELS), hint=hint)
    return level


def _read_host(value: object) -> str:
    host = _text(value)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if len(host) > 253 or not _HOST.fullmatch(host):
            hint = text("hint.host") if "/" in host or ":" in host else ""
            raise refuse("bad-host", value, allowed=text("type.host"), hint=hint) from None
    return host


def _read_address(value: object) -> str:
    """An IP address: a name would have to be looked up between a reading and its answer."""
    address = _text(value)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise refuse("bad-host", value, allowed=text("type.address")) from None
    return address


def _read_zone(value: object) -> str:
    zone = _text(value)
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = suggest(zone, zoneinfo.available_timezones())
        raise refuse("bad-zone", value, allowed=text("type.zone"), hint=hint) from None
    return zone


def _read_port(value: object) -> str:
    port = _text(value)
    if not port.startswith("/") or not port.isprintable():
        raise refuse("bad-port", value, allowed=text("type.port"))
    return port


def _read_usb_id(value: object) -> str:
    written = _text(value)
    if not _USB_ID.fullmatch(written):
        raise refuse("bad-usb-id", value, allowed=text("type.usb-id"))
    return written.lower()


def _read_file(value: object, where: ValidationInfo) -> Path:
    written = _text(value)
    if not written or not written.isprintable():
        raise refuse("bad-text", value, allowed=text("type.file"))
    context: dict[str, Path] = where.context or {}
    return context["directory"] / written


def _read_profile(value: object) -> str:
    written = _text(value)
    path = written.endswith(".toml") and written.isprintable()
    if not path and not _IDENTIFIER.fullmatch(written):
        raise refuse("bad-profile", value, allowed=text("type.profile"))
    return written


def sequence(least: int, most: int) -> BeforeValidator:
    """A list of this many elements, which are then read one by one."""

    def read(value: object) -> object:
        if isinstance(value, tuple):
            return value
        if not isinstance(value, list):
            raise refuse("wrong-type", value, allowed=text("type.list"))
        if not least <= len(value) <= most:
            count = str(least) if least == most else f"{least} … {most}"
            raise refuse("wrong-length", value, allowed=count)
        return tuple(value)

    return BeforeValidator(read)


Identifier = Annotated[str, _matching("bad-id", _IDENTIFIER, "type.identifier")]
Name = Annotated[str, _matching("bad-name", NAME, "type.name")]
PointReference = Annotated[str, _matching("bad-point", _POINT, "type.point")]
Topic = Annotated[str, _matching("bad-topic", _TOPIC, "type.topic")]
Label = Annotated[str, BeforeValidator(_read_label)]
Note = Annotated[str, BeforeValidator(_read_note)]
WrittenUnit = Annotated[Unit, BeforeValidator(_read_unit)]
WrittenQuantity = Annotated[Quantity, BeforeValidator(_read_quantity)]
ConditionText = Annotated[str, BeforeValidator(_read_condition)]
Shadow = Annotated[bool | str, BeforeValidator(_read_shadow)]
WrittenLevel = Annotated[Level, BeforeValidator(_read_level)]
Host = Annotated[str, BeforeValidator(_read_host)]
IpAddress = Annotated[str, BeforeValidator(_read_address)]
Zone = Annotated[str, BeforeValidator(_read_zone)]
UsbId = Annotated[str, BeforeValidator(_read_usb_id)]
UsbPath = Annotated[str, _matching("bad-usb-path", _USB_PATH, "type.usb-path")]
SerialPort = Annotated[str, BeforeValidator(_read_port)]
LocalFile = Annotated[Path, BeforeValidator(_read_file)]
ProfileReference = Annotated[str, BeforeValidator(_read_profile)]
