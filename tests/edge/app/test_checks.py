"""How readings are checked, by site file and profile: what comes of it, and every mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.app.checks import checks_of
from edge.app.config import Problem, inspect_site, load_site
from edge.core.model import PointId
from edge.engine.quality import Counter, CurrentLoop, PointChecks

SENSOR = """\
[device]
name = "input module"
maker = "maker"
model = "model"
kind = "io"
protocol = "modbus"
verified = false
source = "a data sheet"

[timing]
turnaround_ms = 30
timeout_ms = 200
late_ms = 400

[point.level]
table = "holding"
address = 0
type = "i16"
scale = 0.001
decimals = 3
unit = "m"
range = [0, 8]

[point.gas]
table = "holding"
address = 1
type = "i16"
scale = 0.1
decimals = 1
unit = "ppm"
range = [0, 100]

[point.loop]
table = "holding"
address = 2
type = "u16"
scale = 0.001
decimals = 3
unit = "mA"
range = [0, 24]

[point.rain]
table = "holding"
address = 3
type = "u16"
scale = 0.1
decimals = 1
unit = "mm"
range = [0, 6553.5]

[point.door]
table = "discrete"
address = 0
type = "bit"
unit = "state"
"""

SITE = """\
[site]
id = "shuanghe"
name = "双河村"
time_zone = "Asia/Shanghai"

[[bus]]
id = "plant"
kind = "tcp"
host = "192.168.1.20"
tcp_port = 502

[[bus]]
id = "line-c"
kind = "ascii"
port = "/dev/ttyS3"
baud = 9600
data_bits = 8
parity = "none"
stop_bits = 1

[[device]]
id = "a"
bus = "plant"
profile = "sensor.toml"
address = 1
period_ms = 2000

[[device]]
id = "b"
bus = "plant"
profile = "sensor.toml"
address = 2
period_ms = 2000

[[device]]
id = "c"
bus = "plant"
profile = "sensor.toml"
address = 3
period_ms = 2000

[[device]]
id = "text"
bus = "line-c"
profile = "hydreon-rg15"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a site with some lines more, and its profile with others."""

    def write_site(point: str = "", **profile: str) -> Path:
        sensor = SENSOR
        for name, lines in profile.items():
            sensor = sensor.replace(f"[point.{name}]\n", f"[point.{name}]\n{lines}\n")
        (tmp_path / "sensor.toml").write_text(sensor, encoding="utf-8")
        path = tmp_path / "site.toml"
        path.write_text(SITE + point, encoding="utf-8")
        return path

    return write_site


def checks(path: Path, point: str) -> PointChecks:
    return checks_of(load_site(path))[PointId(point)]


def problems(path: Path) -> list[Problem]:
    return list(inspect_site(path)[1])


def found(path: Path) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in problems(path)]


def point(*lines: str, name: str = "a.level") -> str:
    return "\n".join(("\n[[point]]", f'id = "{name}"', *lines, ""))


def test_without_a_word_there_is_only_range_and_staleness(write: Write) -> None:
    assert checks(write(), "a.level") == PointChecks(stale_s=10.0)


def test_a_text_sensor_tells_its_silence_itself(write: Write) -> None:
    assert checks(write(), "text.intensity") == PointChecks()


def test_stale_is_what_the_site_says(write: Write) -> None:
    assert checks(write(point("stale_s = 3")), "a.level").stale_s == 3.0


def test_a_concentration_saturates_unless_said_otherwise(write: Write) -> None:
    assert checks(write(), "a.gas").saturates
    assert not checks(write(point("saturates = false", name="a.gas")), "a.gas").saturates
    assert not checks(write(gas="saturates = false"), "a.gas").saturates
    assert checks(write(point("saturates = true")), "a.level").saturates


def test_every_key_of_a_site_arrives_in_the_unit_of_the_point(write: Write) -> None:
    lines = (
        'rate = "60 cm/min"', "stuck_s = 600", 'noise_floor = "2 mm"',
        'peers = ["b.level", "c.level"]', 'drift = "20 cm"', "drift_s = 7200",
        "drift_excludes = true",
    )  # fmt: skip
    assert checks(write(point(*lines)), "a.level") == PointChecks(
        rate_per_s=0.01,
        stuck_s=600.0,
        noise_floor=0.002,
        peers=(PointId("b.level"), PointId("c.level")),
        drift=0.2,
        drift_s=7200.0,
        drift_excludes=True,
        stale_s=10.0,
    )


def test_every_key_of_a_profile_holds_until_the_site_says_otherwise(write: Write) -> None:
    lines = "rate_per_s = 0.5\nstuck_s = 60\nnoise_floor = 0.01"
    assert checks(write(level=lines), "b.level") == PointChecks(
        rate_per_s=0.5, stuck_s=60.0, noise_floor=0.01, stale_s=10.0
    )
    own = point('rate = "1 m/h"', "stuck_s = 90", 'noise_floor = "0 m"')
    assert checks(write(own, level=lines), "a.level") == PointChecks(
        rate_per_s=1 / 3600, stuck_s=90.0, noise_floor=0.0, stale_s=10.0
    )


def test_a_profiles_time_to_be_stuck_is_ten_readings_at_least(write: Write) -> None:
    assert checks(write(level="stuck_s = 5"), "a.level").stuck_s == 20.0


@pytest.mark.parametrize(
    ("profile", "own", "name", "loop"),
    [
        ({"loop": 'current = "4-20 mA"'}, "", "a.loop", CurrentLoop(4.0, 20.0)),
        ({}, point('current = "4-20 mA"', name="a.loop"), "a.loop", CurrentLoop(4.0, 20.0)),
        ({"level": 'current = "4-20 mA"'}, "", "a.level", CurrentLoop(0.0, 8.0)),
        # the span is what the transmitter is set to, whatever is possible at the site
        (
            {"level": 'current = "4-20 mA"'},
            point('range = ["1 m", "5 m"]'),
            "a.level",
            CurrentLoop(0.0, 8.0),
        ),
        (
            {"level": 'current = "4-20 mA"\nspan = [10, -6]'}, "", "a.level",
            CurrentLoop(10.0, -6.0),
        ),
        (
            {"level": 'current = "4-20 mA"'},
            point('span = ["0 cm", "600 cm"]'),
            "a.level",
            CurrentLoop(0.0, 6.0),
        ),
    ],
)  # fmt: skip
def test_a_loop_knows_its_values_at_both_ends(
    write: Write, profile: dict[str, str], own: str, name: str, loop: CurrentLoop
) -> None:
    assert checks(write(own, **profile), name).current == loop


def test_a_counter_and_where_it_rolls_over(write: Write) -> None:
    assert checks(write(), "a.rain").counter is None
    assert checks(write(rain="counter = true"), "a.rain").counter == Counter()
    rolls = point("counter = true", 'rollover = "10 m"', name="a.rain")
    assert checks(write(rolls), "a.rain").counter == Counter(10_000.0)
    known = "counter = true\nrollover = 1000"
    assert checks(write(rain=known), "a.rain").counter == Counter(1000.0)
    assert checks(write(point("counter = false", name="a.rain"), rain=known), "a.rain") == (
        PointChecks(stale_s=10.0)
    )


def test_what_a_site_has_for_a_counter_is_no_measurement(write: Write) -> None:
    path = write(point("counter = true"), level='stuck_s = 60\ncurrent = "4-20 mA"')
    assert checks(path, "a.level") == PointChecks(counter=Counter(), stale_s=10.0)


@pytest.mark.parametrize("name", ["text.event", "text.total"])
def test_running_totals_of_shipped_profiles_are_counters(write: Write, name: str) -> None:
    assert checks(write(), name).counter == Counter()


MISTAKES = {
    'rate = "0.05 m"': ("rate", "not-a-rate"),
    'rate = "0.05 m/week"': ("rate", "not-a-rate"),
    "rate = 0.05": ("rate", "wrong-type"),
    'rate = "fast/s"': ("rate", "not-a-quantity"),
    'rate = "1 furlong/s"': ("rate", "unknown-unit"),
    'rate = "1 ppm/s"': ("rate", "wrong-dimension"),
    'rate = "0 m/s"': ("rate", "not-positive"),
    'rate = "-1 m/s"': ("rate", "not-positive"),
    "stuck_s = 20": ("stuck_s", "too-small"),
    "stuck_s = 0": ("stuck_s", "out-of-range"),
    'noise_floor = "1 ppm"': ("noise_floor", "wrong-dimension"),
    'noise_floor = "-1 m"': ("noise_floor", "not-positive"),
    'noise_floor = "8 m"': ("noise_floor", "wider-than-range"),
    'peers = ["b.level"]': ("drift", "missing-key"),
    'drift = "1 m"': ("drift", "not-applicable"),
    "drift_s = 60": ("drift_s", "not-applicable"),
    'peers = ["b.level"]\ndrift = "0 m"': ("drift", "not-positive"),
    'peers = ["b.level"]\ndrift = "9 m"': ("drift", "wider-than-range"),
    'peers = ["b.levle"]\ndrift = "1 m"': ("peers", "dangling"),
    'peers = ["a.level"]\ndrift = "1 m"': ("peers[0]", "peer-twice"),
    'peers = ["b.level", "b.level"]\ndrift = "1 m"': ("peers[1]", "peer-twice"),
    'peers = ["b.level", "b.rain"]\ndrift = "1 m"': ("peers[1]", "peer-unit"),
    'peers = ["b.level"]\ndrift = "1 m"\ndrift_excludes = true': (
        "drift_excludes", "too-few-peers",
    ),
    'current = "0-20 mA"': ("current", "not-one-of"),
    'span = ["0 m", "5 m"]': ("span", "not-applicable"),
    'current = "4-20 mA"\nspan = ["5 m", "5 m"]': ("span", "span-equal"),
    'current = "4-20 mA"\nspan = ["5 m", "5 ppm"]': ("span", "wrong-dimension"),
    'rollover = "5 m"': ("rollover", "not-applicable"),
    'counter = true\nrollover = "0 m"': ("rollover", "not-positive"),
    "counter = true\nstuck_s = 600": ("stuck_s", "not-applicable"),
    'counter = true\ncurrent = "4-20 mA"': ("current", "not-applicable"),
}  # fmt: skip


@pytest.mark.parametrize("lines", list(MISTAKES))
def test_every_mistake_of_a_site_is_found_at_its_key(write: Write, lines: str) -> None:
    key, code = MISTAKES[lines]
    assert found(write(point(lines))) == [(f"point[0].{key}", code)]


@pytest.mark.parametrize(
    ("lines", "key", "code"),
    [
        ("rate_per_s = 0", "rate_per_s", "not-positive"),
        ("rate_per_s = -1", "rate_per_s", "not-positive"),
        ("noise_floor = -1", "noise_floor", "not-positive"),
        ("noise_floor = 8", "noise_floor", "wider-than-range"),
        ("span = [0, 8]", "span", "not-applicable"),
        ('current = "4-20 mA"\nspan = [8, 8]', "span", "span-equal"),
        ("rollover = 8", "rollover", "not-applicable"),
        ("counter = true\nrollover = 0", "rollover", "not-positive"),
        ("counter = true\nstuck_s = 60", "stuck_s", "not-applicable"),
        ('counter = true\ncurrent = "4-20 mA"', "current", "not-applicable"),
    ],
)
def test_every_mistake_of_a_profile_is_found_at_its_key(
    write: Write, lines: str, key: str, code: str
) -> None:
    assert found(write(level=lines)) == [(f"point.level.{key}", code)]


def test_of_a_bit_nothing_can_be_checked(write: Write) -> None:
    keys = ('rate = "1 state/s"', "stuck_s = 600", 'current = "4-20 mA"', "counter = true")
    for line in keys:
        key = line.split(" ", 1)[0]
        assert found(write(point(line, name="a.door"))) == [(f"point[0].{key}", "not-applicable")]
    assert found(write(door="stuck_s = 600")) == [("point.door.stuck_s", "not-applicable")]


def test_a_wrong_unit_is_explained(write: Write) -> None:
    problem = problems(write(point('rate = "1 ppm/s"')))[0]
    assert problem.found == '"1 ppm/s"'
    assert problem.allowed == "m, cm, mm"
    assert problem.line == SITE.count("\n") + 4
