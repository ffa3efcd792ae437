"""``tongluo wire``: what it says of each device, and which stands first."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from edge.app.services import Services
from edge.cli.main import main
from edge.cli.wire import Wire, table, wires_of
from edge.engine.journal import JournalStatus, JournalWriter
from tools.virtual_village import VirtualVillage


class _Journal:
    status = JournalStatus()
    epoch = "e"
    set_aside = ""


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def village(tmp_path: Path) -> VirtualVillage:
    made = VirtualVillage(tmp_path)
    made.run(30.0)
    return made


def status(village: VirtualVillage) -> dict[str, Any]:
    journal = cast("JournalWriter", _Journal())
    return Services(village.agent, journal, None, "run").status()


def by_device(wires: list[Wire]) -> dict[str, Wire]:
    return {wire.device: wire for wire in wires}


def test_every_addressed_device_is_shown_with_its_turnaround(village: VirtualVillage) -> None:
    wires = by_device(wires_of(status(village), {}))
    assert set(wires) == {"river", "gauge", "gas", "panel", "siren", "horn", "solar"}
    river = wires["river"]
    assert (river.bus, river.address, river.timeouts) == ("field", 5, 0)
    assert river.p50_ms is not None
    assert 9 <= river.p50_ms <= 12


def test_the_worst_cable_stands_first_with_what_to_look_at(village: VirtualVillage) -> None:
    first = status(village)
    field, horns = village.slaves["field"].faults, village.slaves["horns"].faults
    field.silent_units = {7}
    horns.bad_crc, horns.next_n = True, 2
    village.run(20.0)
    wires = wires_of(status(village), first)
    assert wires[0].device == "gas"
    assert wires[0].lost_s is not None
    assert wires[1].bus == "horns"
    assert wires[1].checksum_errors > 0
    shown = table(wires).splitlines()
    assert "lost for" in shown[1]
    assert "noise" in shown[2]
    assert shown[-1].endswith("well")


def test_counts_begin_with_the_look(village: VirtualVillage) -> None:
    first = status(village)
    again = by_device(wires_of(first, first))["river"]
    assert (again.questions, again.answers) == (0, 0)
    village.run(1.0)
    later = by_device(wires_of(status(village), first))["river"]
    assert 3 <= later.questions <= 12


def test_one_bus_can_be_chosen_also_where_each_device_has_a_line(village: VirtualVillage) -> None:
    assert [w.device for w in wires_of(status(village), {}, "power")] == ["solar"]
    assert {w.bus for w in wires_of(status(village), {}, "horns")} == {"horns"}


def test_a_pulled_cable_is_worse_than_all_else(village: VirtualVillage) -> None:
    village.slaves["field"].faults.silent_units = {7}
    village.run(20.0)
    village.lines["horns"].unplug()
    village.run(1.0)
    wires = wires_of(status(village), {})
    assert wires[0].bus == "horns"
    assert "the port is gone" in table(wires[:1])


def test_without_an_agent_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wire", "--state", str(tmp_path)]) == 3
    assert "no agent answers" in capsys.readouterr().err
