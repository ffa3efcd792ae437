"""``[set_address]`` and ``[[identity]]`` of a profile: what may stand there, and what may not."""

from __future__ import annotations

import pytest

from edge.app.config import ModbusProfile, read_sheet

PROFILE = """\
[device]
name = "n"
maker = "m"
model = "x"
kind = "level"
protocol = "modbus"
verified = false
source = "s"

[timing]
turnaround_ms = 30
timeout_ms = 200
late_ms = 400

[point.level]
table = "holding"
address = 3
type = "u16"
decimals = 0
unit = "m"
range = [0, 30]
"""
UNLOCK = '{ table = "holding", address = 0x69, values = [0xB588] }'


@pytest.fixture
def read(tmp_path):
    def read_text(more: str):
        file = tmp_path / "mine.toml"
        file.write_text(PROFILE + more, encoding="utf-8")
        return read_sheet(file)

    return read_text


def test_all_keys(read) -> None:
    sheet = read(
        '[set_address]\naddress = 0x1A\nrange = [1, 99]\neffect = "power_cycle"\nmultiple = true\n'
        f'unlock = [{UNLOCK}]\nsave = [{UNLOCK}]\nnotes = "n"\n'
        '[[identity]]\ntable = "input"\naddress = 1\nvalue = 0x0343\nmask = 0x0FFF\n'
        '[[identity]]\ntable = "holding"\naddress = 0\nvalue = 7\n'
    )
    assert sheet.problems == []
    assert isinstance(sheet.profile, ModbusProfile)
    moved = sheet.profile.set_address
    assert moved is not None
    assert (moved.address, moved.range, moved.effect) == (0x1A, (1, 99), "power_cycle")
    assert [(each.address, each.values) for each in moved.unlock] == [(0x69, (0xB588,))]
    assert [(each.value, each.mask) for each in sheet.profile.identity] == [
        (0x0343, 0x0FFF),
        (7, 0xFFFF),
    ]


@pytest.mark.parametrize(
    ("more", "path", "words"),
    [
        ("[set_address]\n", "set_address.address", "missing"),
        ("[set_address]\naddress = 1\nrange = [0, 9]\n", "set_address.range", "1 … 247"),
        ("[set_address]\naddress = 1\nrange = [1, 248]\n", "set_address.range", "1 … 247"),
        ('[set_address]\naddress = 1\neffect = "soon"\n', "set_address.effect", "at_once"),
        ("[set_address]\naddress = 1\nregister = 2\n", "set_address.register", "unknown key"),
        (
            "[set_address]\naddress = 1\nunlock = [" + UNLOCK.replace("0xB588", '"$x"') + "]\n",
            "set_address.unlock[0].values[0]",
            "not a parameter",
        ),
        ("[identity]\nvalue = 1\n", "identity", "[[identity]]"),
        (
            '[[identity]]\ntable = "coil"\naddress = 1\nvalue = 1\n',
            "identity[0].table",
            "holding, input",
        ),
        ('[[identity]]\ntable = "input"\naddress = 1\n', "identity[0].value", "missing"),
    ],
)
def test_mistakes_are_named_where_they_are(read, more: str, path: str, words: str) -> None:
    sheet = read(more)
    assert sheet.profile is None
    assert path in {problem.path for problem in sheet.problems}
    assert any(words in f"{problem.message} {problem.hint}" for problem in sheet.problems)
