"""Which series is which point, and in which unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.app.history.mapping import (
    Series,
    catalogue,
    parse_map,
    parse_missing,
    read_map_file,
    transform,
)
from edge.app.history.times import parse_duration
from edge.core.errors import ConfigError
from edge.core.model import DeviceId, Point, PointId, Quality
from edge.core.units import Quantity, Unit

LEVEL = PointId("river.level")
POINT = Point(LEVEL, DeviceId("river"), Unit.METRE, 3)


def test_a_mapping_names_series_point_and_unit() -> None:
    """As on the command line."""
    assert parse_map("n00_dist=river.level:cm") == Series("n00_dist", LEVEL, Unit.CENTIMETRE)
    assert parse_map("a=b=river.level") == Series("a=b", LEVEL)


@pytest.mark.parametrize("written", ["river.level", "=river.level", "x=", "x=river.level:foot"])
def test_what_is_no_mapping_is_refused(written: str) -> None:
    """With the form that is wanted."""
    with pytest.raises(ConfigError) as wrong:
        parse_map(written)
    assert written.rpartition(":")[2] in str(wrong.value)


@pytest.mark.parametrize(
    ("unit", "written", "stored"),
    [(Unit.CENTIMETRE, 57.0, 0.57), (Unit.CENTIMETRE, 320.0, 3.2), (Unit.MILLIMETRE, 1.1, 0.0011)],
)
def test_numbers_are_converted_as_people_reckon(unit: Unit, written: float, stored: float) -> None:
    """57 cm are 0.57 m and not 0.5700000000000001: a threshold of 0.57 m is reached."""
    convert = transform(Series("x", LEVEL, unit), POINT)
    assert convert is not None
    assert convert(written) == stored


def test_no_conversion_costs_nothing() -> None:
    """The series is in the stored unit."""
    assert transform(Series("x", LEVEL), POINT) is None
    assert transform(Series("x", LEVEL, Unit.METRE), POINT) is None


def test_a_distance_becomes_a_level_by_scale_and_offset() -> None:
    """An ultrasonic sensor looks down from its bracket."""
    offset = Quantity(350.0, Unit.CENTIMETRE)
    convert = transform(Series("x", LEVEL, Unit.CENTIMETRE, -1.0, offset), POINT)
    assert convert is not None
    assert convert(166.675) == 1.83325


def test_a_wrong_dimension_is_refused() -> None:
    """Degrees are no metres."""
    with pytest.raises(ConfigError, match="degC"):
        transform(Series("x", LEVEL, Unit.CELSIUS), POINT)


def test_a_mapping_to_nowhere_or_a_second_one_is_refused() -> None:
    """A typing error must not silence a rule."""
    with pytest.raises(ConfigError) as wrong:
        catalogue([Series("x", PointId("river.levle"))], [LEVEL])
    assert "river.level" in wrong.value.hint
    with pytest.raises(ConfigError, match="twice"):
        catalogue([Series("x", LEVEL), Series("x", LEVEL)], [LEVEL])


def test_a_mapping_file_says_all_that_is_wrong_by_line(tmp_path: Path) -> None:
    """Like a site file."""
    path = tmp_path / "map.toml"
    path.write_text(
        '[[series]]\nname = "dist"\npoint = "river.level"\nunit = "cm"\nscale = -1\n'
        'offset = "350 cm"\nmissing = ["-9999"]\nsilence_s = 7200\n'
    )
    assert read_map_file(path) == [
        Series(
            "dist", LEVEL, Unit.CENTIMETRE, -1.0, Quantity(350.0, Unit.CENTIMETRE),
            {"-9999": Quality.ERROR_WORD}, 7_200_000,
        )
    ]  # fmt: skip
    path.write_text('[[series]]\nname = "dist"\npoint = "level"\nunit = "foot"\n')
    with pytest.raises(ConfigError) as wrong:
        read_map_file(path)
    assert "map.toml:3" in str(wrong.value)
    assert "map.toml:4" in str(wrong.value)


def test_missing_values_may_bring_a_quality() -> None:
    """But not a good one."""
    assert parse_missing("-9999") == ("-9999", Quality.ERROR_WORD)
    assert parse_missing("-9999=no answer") == ("-9999", Quality.NO_ANSWER)
    with pytest.raises(ConfigError, match="fine"):
        parse_missing("-9999=fine")
    with pytest.raises(ConfigError):
        parse_missing("-9999=good")


def test_durations_have_units() -> None:
    """Days, too."""
    assert [parse_duration(each) for each in ("6 h", "30 min", "2 d", "1.5 s")] == [
        21_600_000, 1_800_000, 172_800_000, 1500,
    ]  # fmt: skip
    for wrong in ("6", "h", "6 m", "-1 h", "nan h"):
        with pytest.raises(ConfigError):
            parse_duration(wrong)
