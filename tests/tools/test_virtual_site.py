"""The twins that are made from profiles say what the world says, through the real drivers."""

from __future__ import annotations

import math

import pytest

from edge.app.commissioning.site_templates import shipped_templates
from edge.app.config import Site, load_site
from edge.app.config.profile import ModbusPoint, ModbusProfile
from edge.core.model import Quality
from tools.twins.profiled import encode
from tools.virtual_site import VirtualSite


def site_of(name: str) -> Site:
    return load_site(shipped_templates()[name])


@pytest.mark.parametrize(
    "name", ["landslide-slope", "h2s-well-site", "chemical-tank-farm", "forest-fire-station"]
)
def test_every_point_is_read_as_the_world_has_it(name: str) -> None:
    """Words, double words in both orders, signed ones, bits of registers and of tables."""
    site = site_of(name)
    outputs = {"relay", "horn"}
    points = [point for point in site.points if point.device not in outputs]
    world = {}
    for number, point in enumerate(points):
        share = 0.1 + 0.8 * ((number * 0.37) % 1.0)
        wide = (point.low or 0.0) + ((point.high or 1.0) - (point.low or 0.0)) * share
        world[str(point.id)] = float(number % 2) if point.unit.value == "state" else wide
    virtual = VirtualSite(site, rest=world)
    virtual.run(70)
    read = {str(sample.point): sample for sample in virtual.journal.samples} | {
        str(point): sample for point, sample in virtual.agent.pipeline.values.items()
    }
    for point in points:
        sample = read[str(point.id)]
        assert sample.quality is Quality.GOOD, point.id
        device = next(each for each in site.devices if each.id == point.device)
        profile = site.profile(device)
        assert isinstance(profile, ModbusProfile)
        spot = profile.points[str(point.id).partition(".")[2]]
        step = 0.0 if spot.type == "bit" else spot.scale + 10**-point.decimals
        assert sample.value == pytest.approx(world[str(point.id)], abs=step), point.id


def point(**keys: object) -> ModbusPoint:
    fields = {"table": "holding", "address": 0, "unit": "m", "decimals": 2, "range": [-1e6, 1e6]}
    return ModbusPoint.model_validate(fields | keys)


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ({"type": "u16", "scale": 0.1}, 12.3, [123]),
        ({"type": "u16", "offset": -40.0}, 2.0, [42]),
        ({"type": "i16"}, -2.0, [0xFFFE]),
        ({"type": "i16"}, 1e5, [0x7FFF]),
        ({"type": "u32", "word_order": "high_first"}, 65_538.0, [1, 2]),
        ({"type": "u32", "word_order": "low_first"}, 65_538.0, [2, 1]),
        ({"type": "f32", "word_order": "high_first"}, 1.5, [0x3FC0, 0]),
        ({"type": "u16", "byte_order": "little"}, 258.0, [0x0201]),
        ({"type": "u16", "error_words": [0x7FFF]}, math.nan, [0x7FFF]),
        ({"type": "u16"}, math.nan, [0xFFFF]),
    ],
)
def test_values_are_coded_as_profiles_say(
    keys: dict[str, object], value: float, words: list[int]
) -> None:
    assert encode(point(**keys), value) == words


def test_a_lost_device_is_silent_and_comes_back() -> None:
    virtual = VirtualSite(site_of("h2s-well-site"))
    virtual.lose("h2s-b")
    virtual.run(10)
    assert virtual.slaves["gas"].faults.silent_units == {2}
    asked = virtual.slaves["gas"].counters["requests"]
    virtual.lose()
    virtual.run(10)
    assert virtual.slaves["gas"].counters["requests"] > asked


def test_a_point_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="river"):
        VirtualSite(site_of("h2s-well-site"), rest={"river.level": 1.0})


def test_only_what_has_twins_is_played(tmp_path) -> None:
    text = shipped_templates()["care-home-co"].read_text("utf-8")
    file = tmp_path / "site.toml"
    begin = text.index("[[bus]]")
    end = text.index("[[bus]]", begin + 1)
    lan = '[[bus]]\nid = "gas"\nkind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 502\n\n'
    file.write_text(text[:begin] + lan + text[end:], "utf-8")
    with pytest.raises(ValueError, match="tcp"):
        VirtualSite(load_site(file))
