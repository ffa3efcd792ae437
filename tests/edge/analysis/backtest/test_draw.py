"""Pictures are well-formed, show what is there, and stay small."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from edge.analysis.backtest.curve import Choice, Curve
from edge.analysis.backtest.draw import Captions, Lane, sweep, timeline
from edge.analysis.backtest.model import DAY_MS, YEAR_MS, Doubt, Event, Span, Track
from edge.analysis.backtest.score import score
from edge.core.model import Level, RuleId

FLOOD = RuleId("flood")
SPAN = Span(0, round(YEAR_MS))
SVG = "{http://www.w3.org/2000/svg}"


def words(picture: str) -> list[str]:
    """All texts of a picture; raises if it is not well-formed."""
    return [each.text or "" for each in ET.fromstring(picture).iter(f"{SVG}text")]


def rects(picture: str, fill: str) -> list[ET.Element]:
    """The bars of a colour."""
    return [each for each in ET.fromstring(picture).iter(f"{SVG}rect") if each.get("fill") == fill]


def choice(threshold: float, *hours: tuple[int, Level], present: bool = False) -> Choice:
    """A threshold, and what came of it for an event that begins in the hour 1000."""
    track = Track(FLOOD, [(hour * 3_600_000, level) for hour, level in hours])
    event = Event(Span(1000 * 3_600_000, 1010 * 3_600_000), "flood <1>")
    judged = score(track, Level.RED, SPAN, [event], reach_ms=DAY_MS)
    return Choice(threshold, f"{threshold:g} m", judged, present)


def test_a_lane_shows_levels_doubts_and_events() -> None:
    """Names are escaped: a label may hold anything."""
    track = Track(FLOOD, [(0, Level.YELLOW), (DAY_MS, Level.RED), (9 * DAY_MS, Level.NORMAL)])
    track.doubts.append(Doubt(20 * DAY_MS, 30 * DAY_MS, "lost"))
    event = Event(Span(DAY_MS, 2 * DAY_MS), "<洪水>")
    captions = Captions(stamp=lambda ms: f"d{ms // DAY_MS}")
    picture = timeline([Lane("a & b", track)], [event], SPAN, captions, title="t")
    assert "a & b" in words(picture)
    assert "d121" in words(picture)
    # one in the lane, one in the legend
    assert len(rects(picture, "#d1495b")) == 2
    assert len(rects(picture, "url(#unknown)")) == 2
    titles = [each.text for each in ET.fromstring(picture).iter(f"{SVG}title")]
    assert "<洪水>" in titles


def test_chatter_does_not_blow_up_the_picture() -> None:
    """Bars that would touch are one."""
    track = Track(FLOOD)
    for number in range(50_000):
        track.changes.append((number * 600_000, Level.RED if number % 2 == 0 else Level.NORMAL))
    picture = timeline([Lane("x", track)], [], SPAN, Captions(), title="t")
    assert len(picture) < 200_000


def test_a_threshold_further_right_costs_more_and_higher_up_warns_earlier() -> None:
    """The two axes of the picture."""
    low = choice(2.0, (990, Level.RED), (1005, Level.NORMAL), (2000, Level.RED))
    high = choice(3.0, (999, Level.RED), (1005, Level.NORMAL), present=True)
    picture = sweep([Curve("site.toml", (low, high))], Captions(), title="t")
    dots = [each for each in ET.fromstring(picture).iter(f"{SVG}circle") if each.get("r") == "4.5"]
    (low_x, low_y), (high_x, high_y) = (
        (float(each.get("cx", "")), float(each.get("cy", ""))) for each in dots
    )
    assert low_x > high_x
    assert low_y < high_y
    rings = [each for each in ET.fromstring(picture).iter(f"{SVG}circle") if each.get("r") == "9"]
    assert [float(each.get("cx", "")) for each in rings] == [high_x]
    assert "3 m, now" in words(picture)


def test_a_threshold_that_misses_is_hollow_and_says_so() -> None:
    """A missed event must not hide behind a good median."""
    track = Track(FLOOD, [(999 * 3_600_000, Level.RED), (1001 * 3_600_000, Level.NORMAL)])
    events = [Event(Span(hour * 3_600_000, hour * 3_600_000 + 1), "flood") for hour in (1000, 3000)]
    missing = Choice(9.0, "9 m", score(track, Level.RED, SPAN, events, reach_ms=DAY_MS))
    picture = sweep([Curve("site.toml", (missing,))], Captions(), title="t")
    dot = next(each for each in ET.fromstring(picture).iter(f"{SVG}circle"))
    assert dot.get("fill") == "#ffffff"
    assert "9 m, 1 missed" in words(picture)


def test_without_hits_or_labels_the_picture_says_what_there_is() -> None:
    """No labelled event: alarms over thresholds; nothing hit: that."""
    none = choice(9.0)
    assert "no event was hit" in words(sweep([Curve("s", (none,))], Captions(), title="t"))
    track = Track(FLOOD, [(1, Level.RED)])
    unlabelled = Choice(2.0, "2 m", score(track, Level.RED, SPAN, [], reach_ms=0))
    assert "↑ alarms per year" in words(sweep([Curve("s", (unlabelled,))], Captions(), title="t"))
