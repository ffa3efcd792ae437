"""Pictures of a worst schedule: what stands where, in the terminal and as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.analysis.latency.draw import Captions, svg, terminal
from edge.analysis.latency.model import Bound, Slot, Term

MS = 1_000_000
SPACE = "{http://www.w3.org/2000/svg}"


def slot(bus: str, begin_ms: int, end_ms: int, label: str, priority: str, what: str) -> Slot:
    return Slot(bus, begin_ms * MS, end_ms * MS, label, priority, what)


BOUND = Bound(
    rule="flood",
    output="siren:off:channel=1",
    input="river.level",
    command_ns=640 * MS,
    sound_ns=700 * MS,
    confirmed_ns=900 * MS,
    terms=(Term("sampling", 640 * MS),),
    budget_ns=1000 * MS,
    schedule=(
        slot("field", 0, 0, "river.level", "watch", "change"),
        slot("field", 100, 140, "gauge.rain", "log", "exchange"),
        slot("field", 140, 400, "gas.gas", "watch", "silent"),
        slot("field", 400, 500, "river.level", "watch", "exchange"),
        slot("field", 500, 500, "river.level", "watch", "decision"),
        slot("horns", 640, 700, "siren:off:channel=1", "act", "exchange"),
    ),
)


def lane(picture: str, bus: str) -> str:
    """The cells of a lane."""
    return next(line for line in picture.splitlines() if line.startswith(bus))[15:]


# -- terminal ---------------------------------------------------------------------------------


def test_a_lane_shows_its_slots_by_class_and_where_they_lie() -> None:
    """64 columns for 700 ms: about eleven each; what is silent differs from what is asked."""
    picture = terminal(BOUND)
    field = lane(picture, "field")
    assert field.index("-") == int(100 * 64 / 700)
    assert field.count("-") == pytest.approx(40 * 64 / 700, abs=1)
    assert field.count("x") == pytest.approx(260 * 64 / 700, abs=1)
    assert field.count("=") == pytest.approx(100 * 64 / 700, abs=1)
    assert field.index("x") > field.index("-")
    assert field.index("=") > field.index("x")
    horns = lane(picture, "horns")
    assert (horns.strip("# "), horns.index("#")) == ("", int(640 * 64 / 700))


def test_change_decision_command_and_sound_are_marked() -> None:
    """By a letter above the axis, and by a line with the time."""
    picture = terminal(BOUND)
    marks = picture.splitlines()[0][15:]
    places = {letter: marks.index(letter) for letter in "CDBS"}
    assert places["C"] == 0
    assert places["D"] == pytest.approx(500 * 64 / 700, abs=1)
    assert places["B"] == pytest.approx(640 * 64 / 700, abs=1)
    assert places["S"] == pytest.approx(64, abs=1)
    lines = [line.split() for line in picture.splitlines()]
    assert ["C", "0.0", "ms", "change", "at", "the", "sensor"] in lines
    assert ["B", "640.0", "ms", "first", "byte", "of", "the", "command"] in lines


def test_every_slot_is_listed_with_its_times_and_what_it_is() -> None:
    listed = [line.split("  ") for line in terminal(BOUND).splitlines() if "…" in line]
    assert len(listed) == 4
    assert listed[1][-1] == "gas.gas (watch, no answer)"
    assert "140.0 ms …   400.0 ms" in terminal(BOUND)


def test_marks_that_fall_together_stand_side_by_side() -> None:
    bound = replace(BOUND, command_ns=500 * MS, sound_ns=500 * MS, schedule=BOUND.schedule[:5])
    marks = terminal(bound).splitlines()[0][15:]
    assert sorted(marks.replace(" ", "")) == ["B", "C", "D", "S"]


def test_a_bound_without_a_schedule_still_has_a_picture() -> None:
    picture = terminal(replace(BOUND, schedule=()))
    assert "C " in picture
    assert "640.0 ms" in picture


def test_what_comes_after_the_sound_is_not_drawn() -> None:
    """A read-back a second later would squeeze everything that matters."""
    late = slot("horns", 1700, 1730, "siren:off:channel=1", "act", "exchange")
    assert terminal(replace(BOUND, schedule=(*BOUND.schedule, late))) == terminal(BOUND)


def test_a_long_schedule_is_cut_and_says_so() -> None:
    many = tuple(slot("field", n, n + 1, f"d{n}", "log", "exchange") for n in range(60))
    picture = terminal(replace(BOUND, schedule=many))
    assert "and 36 more" in picture


@st.composite
def bounds(draw: st.DrawFn) -> Bound:
    """Any schedule at all."""
    slots = []
    for _ in range(draw(st.integers(0, 12))):
        begin = draw(st.integers(-(10**12), 10**12))
        slots.append(
            Slot(
                draw(st.sampled_from(["a", "pump-house/a-device-with-a-name"])),
                begin,
                begin + draw(st.integers(0, 10**10)),
                draw(st.sampled_from(["x.y", '<&">', "a" * 90])),
                draw(st.sampled_from(["act", "watch", "log"])),
                draw(st.sampled_from(["exchange", "silent", "release", "change", "decision"])),
            )
        )
    command = draw(st.integers(0, 10**15))
    return replace(
        BOUND, command_ns=command, sound_ns=command + draw(st.integers(0, 10**10)),
        schedule=tuple(slots),
    )  # fmt: skip


@given(bounds())
def test_any_schedule_fits_the_columns(bound: Bound) -> None:
    """Nothing is wider than the terminal, whatever it shows."""
    assert all(len(line) <= 80 for line in terminal(bound).splitlines())


# -- SVG --------------------------------------------------------------------------------------


@given(bounds())
def test_any_schedule_gives_well_formed_svg(bound: Bound) -> None:
    ET.fromstring(svg(bound, title='<a & "b">'))


def test_the_svg_has_a_labelled_slot_per_exchange_at_its_place() -> None:
    """Lanes, 816 places for 700 ms, the hatching of silence, and the marks as dashed lines."""
    root = ET.fromstring(svg(BOUND, title="flood"))
    slots = {
        each.get("data-label"): each for each in root.iter(f"{SPACE}rect") if each.get("data-label")
    }
    assert set(slots) == {"gauge.rain", "gas.gas", "river.level", "siren:off:channel=1"}
    silent = slots["gas.gas"]
    assert silent.get("fill") == "url(#silent)"
    assert float(silent.get("x", "")) == pytest.approx(120 + 140 * 816 / 700, abs=0.1)
    assert float(silent.get("width", "")) == pytest.approx(260 * 816 / 700, abs=0.1)
    assert silent.get("y") == slots["river.level"].get("y")
    assert silent.get("y") != slots["siren:off:channel=1"].get("y")
    dashed = [each for each in root.iter(f"{SPACE}line") if each.get("stroke-dasharray")]
    assert [float(each.get("x1", "")) for each in dashed] == pytest.approx(
        [120 + at * 816 / 700 for at in (0, 500, 640, 700)], abs=0.1
    )
    words = [each.text for each in root.iter(f"{SPACE}text")]
    assert "flood" in words
    assert "field" in words
    assert "2 gas.gas" in words


def test_captions_are_those_of_the_caller() -> None:
    """Another language is another set of words."""
    captions = Captions(change="变化", silent="无应答", act="动作")
    assert "变化" in terminal(BOUND, captions)
    assert "无应答" in svg(BOUND, captions)
