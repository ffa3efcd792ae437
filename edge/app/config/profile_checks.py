"""What one table of a profile alone cannot say: how its keys, points and actions fit together."""

from __future__ import annotations

import re

from edge.app.config.items import Item
from edge.app.config.problems import listed, show, suggest
from edge.app.config.profile import (
    BIT_TABLES,
    MAX_REGISTER,
    WIDE_TYPES,
    Action,
    Confirm,
    Framing,
    LinePoint,
    ModbusPoint,
    SetAddress,
    Timing,
    Write,
)
from edge.locale import text

MAX_ADDRESS = 247
"""The highest address of a device on a serial line (Modbus over serial line V1.02, 2.2)."""
CHECK_KEYS = (
    "stuck_s", "noise_floor", "current", "span", "counter", "rollover", "saturates",
)  # fmt: skip
"""How a point's readings are checked, by the keys that profiles and site files share."""
_NUMERIC_KEYS = (
    "scale", "offset", "decimals", "range", "error_words", "word_order", "byte_order",
    "rate_per_s", *CHECK_KEYS,
)  # fmt: skip


def check_timing(item: Item[Timing]) -> None:
    """Nobody can give up before the device usually answers, nor stop listening before giving up."""
    for shorter, longer in (("turnaround_ms", "timeout_ms"), ("timeout_ms", "late_ms")):
        low, high = item.get(shorter, int), item.get(longer, int)
        if low is not None and high is not None and high < low:
            item.report(longer, "too-small", other=shorter, least=low, allowed=f"≥ {low}")


def check_modbus_point(item: Item[ModbusPoint]) -> None:
    """Type against table, 32-bit order, the end of the address space, range and error words."""
    table, kind = item.get("table", str), item.get("type", str)
    if table in BIT_TABLES and kind is not None and kind != "bit":
        item.report("type", "bit-table", table=table, allowed="bit")
    if kind == "bit":
        _check_bit(item, in_register=table is not None and table not in BIT_TABLES)
    elif kind is not None:
        _check_number(item, kind)
        _check_quality(item)
    _check_range(item)


def _check_bit(item: Item[ModbusPoint], *, in_register: bool) -> None:
    for key in _NUMERIC_KEYS:
        if item.given(key):
            item.report(key, "not-applicable", reason=text("reason.bit"))
    if in_register and not item.given("bit"):
        item.report("bit", "missing-key")
    if not in_register and item.get("table", str) is not None and item.given("bit"):
        item.report("bit", "not-applicable", reason=text("reason.bit-table"))


def _check_number(item: Item[ModbusPoint], kind: str) -> None:
    for key in ("decimals", "range"):
        if not item.given(key):
            item.report(key, "missing-key")
    if item.given("bit"):
        item.report("bit", "not-applicable", reason=text("reason.not-bit", type=kind))
    if kind in WIDE_TYPES and not item.given("word_order"):
        item.report("word_order", "missing-key", hint=text("hint.word-order"))
    if kind not in WIDE_TYPES and item.given("word_order"):
        item.report("word_order", "not-applicable", reason=text("reason.narrow", type=kind))
    address = item.get("address", int)
    if kind in WIDE_TYPES and address == MAX_REGISTER:
        item.report("address", "out-of-range", allowed=f"0 … {MAX_REGISTER - 1}")
    largest = 0xFFFF_FFFF if kind in WIDE_TYPES else 0xFFFF
    for word in item.get("error_words", tuple) or ():
        if word > largest:
            item.report(
                "error_words", "out-of-range", found=str(word), allowed=f"0 … 0x{largest:X}"
            )


def _check_range(item: Item[ModbusPoint] | Item[LinePoint]) -> None:
    limits = item.get("range", tuple)
    if item.given("range") and limits is not None and limits[0] >= limits[1]:
        item.report("range", "range-order")
    if item.get("scale", float) == 0:
        item.report("scale", "zero-scale")


def check_action(item: Item[Action]) -> None:
    """Every ``$parameter`` is declared, every declared one used, and each value fits its place."""
    parameters = item.get("parameters", dict)
    write, confirm = item.get("write", tuple), item.get("confirm", Confirm)
    if parameters is None:
        return
    used: set[str] = set()
    for index, each in enumerate(write or ()):
        used |= _check_part(item, ("write", index), each, parameters)
    if confirm is not None:
        _check_confirm(item, confirm)
        _check_part(item, ("confirm",), confirm, parameters)
    if write is not None:
        for name in sorted(set(parameters) - used):
            path = (*item.path, "parameters", name)
            item.findings.add(path, "unused-parameter", found=name)


def _check_part(
    item: Item[Action] | Item[SetAddress],
    where: tuple[str | int, ...],
    part: Write | Confirm,
    parameters: dict[str, tuple[int, int]],
) -> set[str]:
    """Check one write or the read-back; returns the parameters it uses."""
    path, used = (*item.path, *where), set()
    largest = 1 if part.table in BIT_TABLES else MAX_REGISTER
    references: list[tuple[tuple[str | int, ...], str]] = []
    for index, value in enumerate(part.values):
        if isinstance(value, str):
            references.append(((*path, "values", index), value))
        elif value > largest:
            item.findings.add(
                (*path, "values", index), "out-of-range", found=str(value), allowed=f"0 … {largest}"
            )
    last = part.address + len(part.values) - 1
    if part.address_step is not None:
        references.append(((*path, "address_step"), part.address_step))
    for spot, reference in references:
        name = reference.removeprefix("$")
        used.add(name)
        if name not in parameters or not reference.startswith("$"):
            known = [f"${each}" for each in parameters]
            item.findings.add(
                spot, "no-parameter", found=show(reference), allowed=listed(known),
                hint=suggest(reference, known),
            )  # fmt: skip
        elif spot[-1] == "address_step":
            last += parameters[name][1] - 1
            if parameters[name][0] < 1:
                item.findings.add(spot, "step-from-zero", found=show(reference))
        elif parameters[name][1] > largest:
            allowed = f"0 … {largest}"
            item.findings.add(spot, "parameter-range", found=show(reference), allowed=allowed)
    if last > MAX_REGISTER:
        item.findings.add((*path, "address"), "address-end", found=str(last))
    return used


def check_set_address(item: Item[SetAddress]) -> None:
    """Addresses of a serial line, and plain numbers to write before and after."""
    limits = item.get("range", tuple)
    if limits is not None and not 1 <= limits[0] <= limits[1] <= MAX_ADDRESS:
        item.report("range", "out-of-range", allowed=f"1 … {MAX_ADDRESS}")
    for key in ("unlock", "save"):
        for index, each in enumerate(item.get(key, tuple) or ()):
            _check_part(item, (key, index), each, {})


def _check_confirm(item: Item[Action], confirm: Confirm) -> None:
    path = (*item.path, "confirm")
    if confirm.every_ms > confirm.within_ms:
        item.findings.add(
            (*path, "within_ms"), "too-small", found=str(confirm.within_ms), other="every_ms",
            least=confirm.every_ms, allowed=f"≥ {confirm.every_ms}",
        )  # fmt: skip
    if confirm.mask is not None and confirm.table in BIT_TABLES:
        reason = text("reason.bit-table")
        item.findings.add((*path, "mask"), "not-applicable", reason=reason)


def check_framing(item: Item[Framing], points: frozenset[str] | None) -> None:
    """The pattern compiles, its named groups are the points, and what is sent can be encoded."""
    written = item.get("pattern", str)
    if written is not None:
        try:
            groups = set(re.compile(written).groupindex)
        except (re.error, RecursionError, OverflowError) as error:
            item.report("pattern", "bad-pattern", reason=str(error))
        else:
            _check_groups(item, groups, points)
    encoding = item.get("encoding", str)
    for key in ("terminator", "poll"):
        words = item.get(key, str)
        if words == "":
            item.report(key, "empty")
        elif words is not None and encoding == "ascii" and not words.isascii():
            item.report(key, "not-encodable", encoding=encoding)
    if item.given("poll") and not item.given("period_ms"):
        item.report("period_ms", "missing-key", hint=text("hint.poll-period"))
    for key in ("period_ms", "turnaround_ms"):
        if item.given(key) and not item.given("poll"):
            item.report(key, "not-applicable", reason=text("reason.no-poll"))
    period_ms, silence_s = item.get("period_ms", int), item.get("silence_s", float)
    if period_ms is not None and silence_s is not None and silence_s * 1000 <= period_ms:
        least = period_ms / 1000
        item.report(
            "silence_s", "too-small", other="period_ms", least=least, allowed=f"> {least:g}"
        )


def _check_groups(item: Item[Framing], groups: set[str], points: frozenset[str] | None) -> None:
    if points is None:
        return
    for name in sorted(points - groups):
        item.findings.add(("point", name), "no-group", found=name, allowed=listed(sorted(groups)))
    for name in sorted(groups - points):
        item.report("pattern", "no-point", found=name, allowed=listed(sorted(points)))


def check_line_point(item: Item[LinePoint]) -> None:
    """The range of a text sensor's point, and how its readings are checked."""
    _check_range(item)
    _check_quality(item)


def is_bit(spot: ModbusPoint | LinePoint) -> bool:
    """Whether a point is a single bit, of which nothing but its two values can be checked."""
    return isinstance(spot, ModbusPoint) and spot.type == "bit"


def _check_quality(item: Item[ModbusPoint] | Item[LinePoint]) -> None:
    """Sizes of the checks, and what only goes together."""
    for key in ("rate_per_s", "rollover", "noise_floor"):
        value = item.get(key, float)
        if value is not None and (value < 0 or (value == 0 and key != "noise_floor")):
            item.report(key, "not-positive", allowed="≥ 0" if key == "noise_floor" else "> 0")
    limits, floor = item.get("range", tuple), item.get("noise_floor", float)
    if limits is not None and limits[0] < limits[1] and floor and floor >= limits[1] - limits[0]:
        allowed = f"< {limits[1] - limits[0]:g}"
        item.report("noise_floor", "wider-than-range", allowed=allowed)
    span = item.get("span", tuple)
    if span is not None and span[0] == span[1]:
        item.report("span", "span-equal")
    if item.given("span") and not item.given("current"):
        item.report("span", "not-applicable", reason=text("reason.no-current"))
    if item.given("rollover") and not item.get("counter", bool):
        item.report("rollover", "not-applicable", reason=text("reason.no-counter"))
    for key in ("stuck_s", "current"):
        if item.get("counter", bool) and item.given(key):
            item.report(key, "not-applicable", reason=text("reason.counter"))
