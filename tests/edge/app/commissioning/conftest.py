"""A line of differently set twins in virtual time, with a siren sounding on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers.bus.port import Opener
from edge.app.commissioning.place import Place, SerialPlace
from edge.app.commissioning.talk import Script
from tools.twins.line_time import LineTime
from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import WRITES, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.tuned_line import TunedVirtualLine
from tools.twins.world import World
from tools.virtual_clock import VirtualClock
from tools.virtual_talk import run_script


@dataclass
class Rig:
    """``run`` carries a script out; ``seconds`` is how long the last one took."""

    clock: VirtualClock
    line: TunedVirtualLine
    opened: list[Place] = field(default_factory=list)
    seconds: float = 0.0

    def opener(self, place: Place) -> Opener:
        """Opens the twin line at the settings of the place."""
        assert isinstance(place, SerialPlace)
        self.opened.append(place)
        return self.line.tuned(place.baud, f"8{place.parity[0].upper()}{place.stop_bits}")

    def run(self, script: Script[Any], most_s: float = 3600.0):
        """What the script returns."""
        result, self.seconds = run_script(script, self.opener, self.clock, most_s)
        return result

    def writes(self) -> list[bytes]:
        """Questions on the line that were no reads."""
        asked = self.line.slaves.asked
        return [frame for frame in asked if frame[1] in WRITES or frame[0] == 0]


@dataclass
class Outputs:
    """A relay board with channel 3 on and an amplifier playing message 3."""

    relay: RelayBoard
    amplifier: Amplifier

    def changes(self) -> list[object]:
        """Everything that ever happened to them."""
        return [self.relay.state()["changes"], self.amplifier.state()["changes"]]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def outputs(clock: VirtualClock) -> Outputs:
    world = World(clock.now, {})
    relay, amplifier = RelayBoard(world), Amplifier(world)
    assert relay.answer(bytes.fromhex("05 0002 FF00")) == bytes.fromhex("05 0002 FF00")
    assert amplifier.answer(bytes.fromhex("06 0010 0003")) == bytes.fromhex("06 0010 0003")
    return Outputs(relay, amplifier)


@pytest.fixture
def rig_of(clock: VirtualClock) -> Callable[[Mapping[str, RtuSlave]], Rig]:
    """A rig with these slaves by their settings, as ``9600 8N1``."""

    def make(groups: Mapping[str, RtuSlave]) -> Rig:
        tuned = {}
        for name, slave in groups.items():
            baud, frame = name.split()
            tuned[LineTime(int(baud), frame)] = slave
        return Rig(clock, TunedVirtualLine(tuned, clock))

    return make


@pytest.fixture
def unit() -> Callable[..., Unit]:
    return Unit
