"""Pictures of a back-test as SVG documents: what was raised when, and a sweep's curve. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from edge.analysis.backtest.curve import Choice, Curve
from edge.analysis.backtest.model import Event, Span, Track
from edge.core.model import Level

_INK: Final = "#2b2d42"
_FAINT: Final = "#6b7280"
_RULED: Final = "#e5e8eb"
_COLOURS: Final = {
    Level.BLUE: "#2e86ab",
    Level.YELLOW: "#f2c14e",
    Level.ORANGE: "#f78154",
    Level.RED: "#d1495b",
}
_LINES: Final = ("#2b2d42", "#2e86ab")
_WIDTH: Final = 960
_LEFT: Final = 190
_RIGHT: Final = 24
_LANE: Final = 34
_MOST_MARKS: Final = 2000
"""Bars of a lane; more than two to a pixel show nothing more."""
_HATCHING: Final = """\
<defs><pattern id="unknown" width="6" height="6" patternUnits="userSpaceOnUse"
  patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/>
  <line x1="0" y1="0" x2="0" y2="6" stroke="#9aa5ad" stroke-width="2"/></pattern></defs>"""
_STEPS_MS: Final = tuple(
    round(hours * 3_600_000)
    for hours in (1 / 60, 1 / 12, 0.25, 1, 3, 6, 12, 24, 48, 168, 336, 732, 1461, 2922, 8766)
)
_TIMES: Final = 8
"""Times written below a picture, at most."""


@dataclass(frozen=True, slots=True)
class Captions:
    """The words of the pictures, and how a time is written."""

    events: str = "events"
    unknown: str = "not known"
    levels: dict[Level, str] = field(
        default_factory=lambda: {level: level.name.lower() for level in _COLOURS}
    )
    false_per_year: str = "false alarms per year"
    lead: str = "lead time, hours before the event"
    threshold: str = "threshold"
    alarms_per_year: str = "alarms per year"
    missed: str = "{count} missed"
    present: str = "now"
    silent: str = "warn of nothing: {thresholds}"
    no_events: str = "no event was hit"
    stamp: Callable[[int], str] = str


@dataclass(frozen=True, slots=True)
class Lane:
    """A rule's name for people, and what it did."""

    name: str
    track: Track


# -- what was raised when ---------------------------------------------------------------------


def timeline(
    lanes: Sequence[Lane], events: Sequence[Event], span: Span, captions: Captions, *, title: str
) -> str:
    """A lane per rule from the begin to the end of the record, with the events behind them."""
    top, floor = 64, 64 + _LANE * (len(lanes) + 1)
    height = floor + 56
    scale = _Scale(span.begin_ms, max(span.end_ms, span.begin_ms + 1), _LEFT, _WIDTH - _RIGHT)
    parts = [*_head(height, title), _HATCHING]
    for event in events:
        x, width = scale.bar(event.span.begin_ms, event.span.end_ms)
        parts.append(_rect(x, top, width, floor - top, "#dfe7ec", event.label))
    for at_ms in scale.times():
        x = scale.at(at_ms)
        parts.append(_line(x, top - 4, x, floor, _RULED))
        parts.append(_text(x, floor + 16, captions.stamp(at_ms), anchor="middle", fill=_FAINT))
    parts.append(_text(12, top + 21, captions.events, weight="bold"))
    for event in events:
        x, width = scale.bar(event.span.begin_ms, event.span.end_ms)
        parts.append(_rect(x, top + 8, width, _LANE - 16, _INK, event.label))
    for index, lane in enumerate(lanes, start=1):
        parts += _lane(lane, top + _LANE * index, scale, span)
    return "\n".join([*parts, *_legend(captions, floor + 40), "</svg>", ""])


def _lane(lane: Lane, top: int, scale: _Scale, span: Span) -> list[str]:
    parts = [
        _text(12, top + 21, _cut(lane.name, 27), weight="bold"),
        _line(_LEFT, top + _LANE - 4, _WIDTH - _RIGHT, top + _LANE - 4, _RULED),
    ]
    for doubt in lane.track.doubts[:_MOST_MARKS]:
        x, width = scale.bar(doubt.begin_ms, doubt.end_ms)
        parts.append(_rect(x, top + 4, width, _LANE - 8, "url(#unknown)", doubt.why))
    for level, colour in _COLOURS.items():
        high = 6 + 4.5 * level
        for begin, width in _joined(scale, lane.track.spans(level, span.end_ms)):
            parts.append(_rect(begin, top + _LANE - 4 - high, width, high, colour, ""))
    return parts


def _joined(scale: _Scale, spans: Sequence[Span]) -> Iterator[tuple[float, float]]:
    """Bars; those that would touch are one, so that chatter makes no picture of megabytes."""
    begin: float | None = None
    end = 0.0
    for span in spans:
        x, width = scale.bar(span.begin_ms, span.end_ms)
        if begin is not None and x <= end + 0.5:
            end = max(end, x + width)
            continue
        if begin is not None:
            yield begin, end - begin
        begin, end = x, x + width
    if begin is not None:
        yield begin, end - begin


def _legend(captions: Captions, y: int) -> list[str]:
    parts, x = [], float(_LEFT)
    fills = [(colour, captions.levels[level]) for level, colour in _COLOURS.items()]
    for fill, word in [*fills, ("url(#unknown)", captions.unknown), (_INK, captions.events)]:
        parts.append(_rect(x, y - 9, 16, 10, fill, ""))
        parts.append(_text(x + 22, y, word))
        x += 120
    return parts


# -- lead time against false alarms -----------------------------------------------------------

_HIGH: Final = 460
_BOTTOM: Final = 400
_ROOF: Final = 56


def sweep(curves: Sequence[Curve], captions: Captions, *, title: str) -> str:
    """A point per threshold: to the right what it costs, upwards what it buys.

    A hollow point misses events, and says how many; a ring is what the site file says now. Without
    labelled events nothing can be bought: then it is the number of alarms over the threshold.
    """
    labelled = any(choice.score.labelled for curve in curves for choice in curve.choices)
    place = _bargain if labelled else _count
    shown = [
        [(choice, at) for choice in curve.choices if (at := place(choice)) is not None]
        for curve in curves
    ]
    parts = _head(_HIGH, title)
    if not any(shown):
        return "\n".join([*parts, _text(80, 120, captions.no_events), "</svg>", ""])
    xs, ys = zip(*(at for curve in shown for _, at in curve), strict=True)
    across = _Axis(min(0.0, *xs) if labelled else min(xs), max(xs), 80, _WIDTH - 60)
    upwards = _Axis(min(0.0, *ys), max(0.0, *ys), _BOTTOM, _ROOF + 20)
    words = (
        (captions.false_per_year, captions.lead)
        if labelled
        else (captions.threshold, captions.alarms_per_year)
    )
    parts += _grid(across, upwards, *words)
    taken: list[tuple[float, float]] = []
    for number, (curve, places) in enumerate(zip(curves, shown, strict=True)):
        colour = _LINES[number % len(_LINES)]
        drawn = [(choice, across.at(x), upwards.at(y)) for choice, (x, y) in places]
        parts += _curve(drawn, captions, colour, taken)
        if len(curves) > 1:
            parts.append(_text(480 + 220 * number, 44, f"● {_cut(curve.name, 30)}", fill=colour))
    silent = dict.fromkeys(
        choice.words for curve in curves for choice in curve.choices if place(choice) is None
    )
    if silent:
        note = captions.silent.format(thresholds=", ".join(silent))
        parts.append(_text(_WIDTH - 60, _BOTTOM + 40, _cut(note, 100), anchor="end", fill=_FAINT))
    return "\n".join([*parts, "</svg>", ""])


def _bargain(choice: Choice) -> tuple[float, float] | None:
    """False alarms per year, and hours of lead time; None if no event was hit."""
    false, lead_ms = choice.score.false_per_year, choice.score.lead_ms
    return None if false is None or lead_ms is None else (false, lead_ms / 3_600_000)


def _count(choice: Choice) -> tuple[float, float] | None:
    alarms = choice.score.alarms_per_year
    return None if alarms is None else (choice.threshold, alarms)


def _curve(
    places: Sequence[tuple[Choice, float, float]],
    captions: Captions,
    colour: str,
    taken: list[tuple[float, float]],
) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5"/>']
    for choice, x, y in places:
        missed = len(choice.score.misses)
        fill = "#ffffff" if missed else colour
        words = choice.words
        if missed:
            words += f", {captions.missed.format(count=missed)}"
        if choice.present:
            words += f", {captions.present}"
            parts.append(_circle(x, y, 9, "none", _COLOURS[Level.RED], ""))
        parts.append(_circle(x, y, 4.5, fill, colour, words))
        label_y = _free(x, y - 10, taken)
        if label_y is not None:
            taken.append((x, label_y))
            left = x > _WIDTH - 200
            parts.append(
                _text(x - 8 if left else x + 8, label_y, words,
                      anchor="end" if left else "start", fill=colour)
            )  # fmt: skip
    return parts


def _free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> float | None:
    """A height near ``y`` where no other label stands; None if all are taken."""
    for offset in (0, 26, -14, 40, -28, 54):
        if all(abs(x - other_x) > 150 or abs(y + offset - other_y) > 12
               for other_x, other_y in taken):  # fmt: skip
            return y + offset
    return None


def _grid(across: _Axis, upwards: _Axis, right: str, up: str) -> list[str]:
    parts = []
    for value in across.ticks():
        x = across.at(value)
        parts.append(_line(x, _ROOF, x, _BOTTOM, _RULED))
        parts.append(_text(x, _BOTTOM + 16, f"{value:g}", anchor="middle", fill=_FAINT))
    for value in upwards.ticks():
        y = upwards.at(value)
        parts.append(_line(80, y, _WIDTH - 60, y, _RULED))
        parts.append(_text(72, y + 4, f"{value:g}", anchor="end", fill=_FAINT))
    parts.append(_text(80, _BOTTOM + 40, f"{right} →"))
    parts.append(_text(12, _ROOF - 2, f"↑ {up}"))
    return parts


# -- scales and shapes ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """From milliseconds to places."""

    begin_ms: int
    end_ms: int
    left: float
    right: float

    def at(self, at_ms: float) -> float:
        """The place of a time; times outside are at the edge."""
        share = (at_ms - self.begin_ms) / (self.end_ms - self.begin_ms)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def bar(self, begin_ms: int, end_ms: int) -> tuple[float, float]:
        """Begin and width, never too thin to be seen."""
        begin = self.at(begin_ms)
        return begin, max(1.0, self.at(end_ms) - begin)

    def times(self) -> Iterator[int]:
        """Round times, at most so many."""
        length_ms = self.end_ms - self.begin_ms
        step = next(
            (step for step in _STEPS_MS if length_ms <= step * _TIMES), -(-length_ms // _TIMES)
        )
        yield from range(-(-self.begin_ms // step) * step, self.end_ms + 1, step)


class _Axis:
    """From numbers to places, with round ends."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self._step = _round_step(max(high - low, 1e-9) / 8)
        self._low = self._step * (low // self._step)
        self._high = self._step * -(-high // self._step)
        if self._high <= self._low:
            self._high = self._low + self._step
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        """The place of a number."""
        share = (value - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Round numbers from one end to the other."""
        count = round((self._high - self._low) / self._step)
        return [float(f"{self._low + index * self._step:.6g}") for index in range(count + 1)]


def _round_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is no smaller."""
    power = 1.0
    while power > least:
        power /= 10
    while power * 10 <= least:
        power *= 10
    return next(power * each for each in (1, 2, 5, 10) if power * each >= least)


def _head(height: int, title: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"',
        f'     viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(12, 22, title, size=14, weight="bold"),
    ]


def _text(
    x: float, y: float, words: str, *, size: int = 11, weight: str = "normal",
    anchor: str = "start", fill: str = _INK,
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>'


def _rect(x: float, y: float, width: float, height: float, fill: str, hover: str) -> str:
    told = f"<title>{escape(hover)}</title>" if hover else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{fill}">{told}</rect>'
    )


def _circle(x: float, y: float, radius: float, fill: str, stroke: str, hover: str) -> str:
    told = f"<title>{escape(hover)}</title>" if hover else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="1.5">{told}</circle>'
    )


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
