"""A picture of the worst schedule behind a bound: text of 80 columns, or SVG. Pure.

Both have a time axis from the change at the sensor, a lane per line, its slots with what they are,
and marks for the change, the decision, the first byte of the command, and the sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from edge.analysis.latency.model import Bound, Slot

NS_PER_MS = 1_000_000

_LANE_CHARS = 14
_SLOTS_LISTED = 24
_FILL = {"act": "#", "watch": "=", "log": "-"}
_SILENT = "x"
_RANK = {"act": 3, "watch": 2, "log": 1}

_WIDTH = 960
_LEFT = 120
_RIGHT = 24
_TOP = 88
_LANE = 44
_ROW = 16
_CHAR = 6.6
_COLOURS = {"act": "#d1495b", "watch": "#2e86ab", "log": "#9aa5ad"}
_MARK_COLOUR = "#2b2d42"
_HATCHING = """\
<defs><pattern id="silent" width="6" height="6" patternUnits="userSpaceOnUse"
  patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/>
  <line x1="0" y1="0" x2="0" y2="6" stroke="#9aa5ad" stroke-width="3"/></pattern></defs>"""


@dataclass(frozen=True, slots=True)
class Captions:
    """The words of a picture."""

    change: str = "change at the sensor"
    decision: str = "decision"
    command: str = "first byte of the command"
    sound: str = "it sounds"
    act: str = "act"
    watch: str = "watch"
    log: str = "log"
    silent: str = "no answer"
    more: str = "and {count} more"

    def of(self, slot: Slot) -> str:
        """What a slot is."""
        word = {"act": self.act, "watch": self.watch}.get(slot.priority, self.log)
        return f"{word}, {self.silent}" if slot.what == "silent" else word


@dataclass(frozen=True, slots=True)
class _Mark:
    letter: str
    word: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Scale:
    """From nanoseconds to places: ``begin_ns`` is at 0, ``end_ns`` at ``places``."""

    begin_ns: int
    end_ns: int
    places: int

    def at(self, ns: int) -> float:
        return (ns - self.begin_ns) * self.places / (self.end_ns - self.begin_ns)

    def ticks(self, most: int) -> Iterator[int]:
        """Round times, at most so many."""
        span = self.end_ns - self.begin_ns
        step = next(step for step in _round_times() if span <= step * most)
        first = -(-self.begin_ns // step) * step
        yield from range(first, self.end_ns + 1, step)


def _round_times() -> Iterator[int]:
    unit = NS_PER_MS
    while True:
        yield from (unit, 2 * unit, 5 * unit)
        unit *= 10


def terminal(bound: Bound, captions: Captions | None = None, *, columns: int = 80) -> str:
    """The picture as lines of at most ``columns`` characters, readable without colour."""
    captions = captions or Captions()
    slots, marks = _slots(bound), _marks(bound, captions)
    scale = _scale(slots, marks, columns - _LANE_CHARS - 2)
    lines = [_marks_line(marks, scale), *_axis_lines(scale)]
    lines += [_lane_line(bus, slots, scale) for bus in _buses(slots)]
    legend = [f"{fill} {_word(captions, name)}" for name, fill in _FILL.items()]
    lines += ["", "   ".join([*legend, f"{_SILENT} {captions.silent}"])]
    lines += [f"{mark.letter} {_time(mark.at_ns):>11}  {mark.word}" for mark in marks]
    lines.append("")
    for slot in slots[:_SLOTS_LISTED]:
        begin, end = _time(slot.begin_ns), _time(slot.end_ns)
        lines.append(_cut(f"{begin:>11} …{end:>11}  {slot.bus}  {slot.label} ({captions.of(slot)})",
                          columns))  # fmt: skip
    if len(slots) > _SLOTS_LISTED:
        lines.append(f"… {captions.more.format(count=len(slots) - _SLOTS_LISTED)}")
    return "\n".join(line.rstrip() for line in lines)


def svg(bound: Bound, captions: Captions | None = None, *, title: str = "") -> str:
    """The picture as an SVG document."""
    captions = captions or Captions()
    slots, marks = _slots(bound), _marks(bound, captions)
    scale = _scale(slots, marks, _WIDTH - _LEFT - _RIGHT)
    buses = _buses(slots)
    floor = _TOP + _LANE * len(buses)
    height = floor + 52 + _ROW * (len(slots) + 1) // 2 + _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"',
        f'     viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        _HATCHING,
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(12, 20, title, size=13, weight="bold"),
    ]
    parts += _svg_axis(scale, floor)
    for index, bus in enumerate(buses):
        parts += _svg_lane(index, bus, slots, scale, captions)
    parts += _svg_marks(marks, scale, floor)
    parts += _svg_legend(captions, floor + 34)
    parts += _svg_list(slots, captions, floor + 34 + 2 * _ROW)
    return "\n".join([*parts, "</svg>", ""])


# -- what both show ---------------------------------------------------------------------------


def _slots(bound: Bound) -> list[Slot]:
    """What takes time on a line until it sounds, in order; read-backs come after that."""
    busy = [
        slot
        for slot in bound.schedule
        if slot.what in ("exchange", "silent") and slot.begin_ns < bound.sound_ns
    ]
    return sorted(busy, key=lambda slot: (slot.begin_ns, slot.end_ns))


def _marks(bound: Bound, captions: Captions) -> list[_Mark]:
    marks = [_Mark("C", captions.change, 0)]
    decided = [slot.begin_ns for slot in bound.schedule if slot.what == "decision"]
    if decided:
        marks.append(_Mark("D", captions.decision, decided[0]))
    marks.append(_Mark("B", captions.command, bound.command_ns))
    marks.append(_Mark("S", captions.sound, bound.sound_ns))
    return marks


def _scale(slots: Sequence[Slot], marks: Sequence[_Mark], places: int) -> _Scale:
    begin = min([mark.at_ns for mark in marks] + [slot.begin_ns for slot in slots])
    end = max([mark.at_ns for mark in marks] + [slot.end_ns for slot in slots])
    return _Scale(begin, max(end, begin + 1), places)


def _buses(slots: Sequence[Slot]) -> list[str]:
    return list(dict.fromkeys(slot.bus for slot in slots))


def _word(captions: Captions, priority: str) -> str:
    return str(getattr(captions, priority))


def _time(ns: int) -> str:
    return f"{ns / NS_PER_MS:.1f} ms"


def _tick(ns: int) -> str:
    return f"{ns / NS_PER_MS:g}"


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else line[: columns - 1] + "…"


# -- text -------------------------------------------------------------------------------------


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{_cut(name, _LANE_CHARS):<{_LANE_CHARS}} {''.join(cells)}"


def _marks_line(marks: Sequence[_Mark], scale: _Scale) -> str:
    cells = [" "] * (scale.places + 1)
    for mark in marks:
        wanted = round(scale.at(mark.at_ns))
        # marks closer than a column stand side by side
        free = (place for place, cell in enumerate(cells) if cell == " ")
        cells[min(free, key=lambda place: (abs(place - wanted), -place))] = mark.letter
    return _row("", cells)


def _axis_lines(scale: _Scale) -> list[str]:
    numbers = [" "] * (scale.places + 1)
    rule = ["-"] * (scale.places + 1)
    free = 0
    for tick in scale.ticks(8):
        place, word = round(scale.at(tick)), _tick(tick)
        rule[place] = "+"
        start = min(max(0, place - len(word) // 2), len(numbers) - len(word))
        if start >= free:
            numbers[start : start + len(word)] = word
            free = start + len(word) + 1
    return [_row("ms", numbers), _row("", rule)]


def _lane_line(bus: str, slots: Sequence[Slot], scale: _Scale) -> str:
    cells = [" "] * (scale.places + 1)
    ranks = [0] * len(cells)
    for slot in slots:
        if slot.bus != bus:
            continue
        first = int(scale.at(slot.begin_ns))
        # a slot that ends where the next one begins leaves the column to it
        last = max(first, -int(-scale.at(slot.end_ns) // 1) - 1)
        fill = _SILENT if slot.what == "silent" else _FILL.get(slot.priority, "-")
        for place in range(first, min(last, scale.places) + 1):
            if _RANK.get(slot.priority, 0) >= ranks[place]:
                cells[place], ranks[place] = fill, _RANK.get(slot.priority, 0)
    return _row(bus, cells)


# -- SVG --------------------------------------------------------------------------------------


def _text(
    x: float, y: float, words: str, *, size: int = 11, weight: str = "normal",
    anchor: str = "start", fill: str = _MARK_COLOUR,
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def _svg_axis(scale: _Scale, floor: int) -> list[str]:
    parts = []
    for tick in scale.ticks(12):
        x = _LEFT + scale.at(tick)
        parts.append(
            f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{floor}" stroke="#e5e8eb"/>'
        )
        parts.append(_text(x, floor + 14, _tick(tick), anchor="middle", fill="#6b7280"))
    parts.append(_text(_LEFT - 10, floor + 14, "ms", anchor="end", fill="#6b7280"))
    return parts


def _svg_lane(
    index: int, bus: str, slots: Sequence[Slot], scale: _Scale, captions: Captions
) -> list[str]:
    top = _TOP + _LANE * index
    right, floor = _WIDTH - _RIGHT, top + 34
    parts = [
        _text(12, top + 24, bus, weight="bold"),
        f'<line x1="{_LEFT}" y1="{floor}" x2="{right}" y2="{floor}" stroke="#cfd4d8"/>',
    ]
    for number, slot in enumerate(slots, start=1):
        if slot.bus != bus:
            continue
        x = _LEFT + scale.at(slot.begin_ns)
        width = max(1.0, scale.at(slot.end_ns) - scale.at(slot.begin_ns))
        colour = _COLOURS.get(slot.priority, _COLOURS["log"])
        fill = "url(#silent)" if slot.what == "silent" else colour
        hover = f"{number} {slot.label} ({captions.of(slot)})"
        parts.append(
            f'<rect x="{x:.1f}" y="{top + 10}" width="{width:.1f}" height="24" fill="{fill}" '
            f'stroke="{colour}" data-label={quoteattr(slot.label)}>'
            f"<title>{escape(hover)}</title></rect>"
        )
        parts += _svg_slot_label(number, slot, x, width, top)
    return parts


def _svg_slot_label(number: int, slot: Slot, x: float, width: float, top: int) -> list[str]:
    """The label if it fits, else the number under which it is listed, else nothing."""
    fill = _MARK_COLOUR if slot.what == "silent" else "#ffffff"
    for words in (f"{number} {slot.label}", str(number)):
        if width >= _CHAR * len(words) + 4:
            return [_text(x + 3, top + 26, words, fill=fill)]
    return []


def _svg_marks(marks: Sequence[_Mark], scale: _Scale, floor: int) -> list[str]:
    parts = []
    for index, mark in enumerate(marks):
        x = _LEFT + scale.at(mark.at_ns)
        y = 38 + 12 * index  # a row for each, for they may be close together
        right = x > _WIDTH / 2
        parts.append(
            f'<line x1="{x:.1f}" y1="{y + 3}" x2="{x:.1f}" y2="{floor}" stroke="{_MARK_COLOUR}" '
            'stroke-dasharray="3 2"/>'
        )
        words = f"{mark.word} {_time(mark.at_ns)}"
        parts.append(_text(x, y, words, anchor="end" if right else "start"))
    return parts


def _svg_legend(captions: Captions, y: int) -> list[str]:
    parts, x = [], float(_LEFT)
    entries = [(_COLOURS[name], _word(captions, name)) for name in _FILL]
    for fill, word in [*entries, ("url(#silent)", captions.silent)]:
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 9}" width="16" height="10" fill="{fill}" stroke="#9aa5ad"/>'
        )
        parts.append(_text(x + 22, y, word))
        x += 130
    return parts


def _svg_list(slots: Sequence[Slot], captions: Captions, y: int) -> list[str]:
    """Every slot with its times, in two columns."""
    parts = []
    half = (len(slots) + 1) // 2
    for index, slot in enumerate(slots):
        x = 12 if index < half else _WIDTH / 2
        words = (
            f"{index + 1}  {_time(slot.begin_ns)} … {_time(slot.end_ns)}  "
            f"{slot.bus}  {slot.label} ({captions.of(slot)})"
        )
        parts.append(_text(x, y + _ROW * (index % half), words))
    return parts
