"""An ear on a port hears both ways, after the port has done its work."""

from typing import Any

import pytest

from drivers.bus.tap import tapped
from edge.core.instant import Instant
from tools.virtual_clock import VirtualClock


class Wire:
    """A port that keeps what was sent."""

    def __init__(self):
        self.sent = []
        self.closed = False
        self.broken = False

    def write(self, data):
        if self.broken:
            raise OSError("gone")
        self.sent.append(data)

    def close(self):
        self.closed = True


class Line:
    """A tapped port, what was told of it, and what the far end can do."""

    def __init__(self):
        self.clock, self.wire = VirtualClock(), Wire()
        self.told: list[tuple[Instant, bool, bytes]] = []
        self.callbacks: dict[str, Any] = {}
        self.opener = tapped(
            self._open, self.clock, lambda at, sent, data: self.told.append((at, sent, data))
        )

    def _open(self, on_bytes, on_lost):
        self.callbacks = {"bytes": on_bytes, "lost": on_lost}
        return self.wire


@pytest.fixture
def line():
    return Line()


def test_both_ways_are_heard_with_their_instants(line):
    port = line.opener(lambda data: None, lambda error: None)
    began = line.clock.now()
    port.write(b"question")
    line.clock.run_for(0.25)
    line.callbacks["bytes"](b"answer")
    assert line.told == [
        (began, True, b"question"),
        (Instant(began + 250_000_000), False, b"answer"),
    ]
    assert line.wire.sent == [b"question"]
    port.close()
    assert line.wire.closed


def test_what_an_answer_causes_leaves_before_it_is_told_of(line):
    def decide(data):
        port.write(b"siren")

    port = line.opener(decide, lambda error: None)
    line.callbacks["bytes"](b"flood")
    assert [data for _, _, data in line.told] == [b"siren", b"flood"]
    assert line.told[0][0] == line.told[1][0]


def test_what_could_not_be_sent_is_not_told_and_a_loss_passes(line):
    lost: list[Any] = []
    port = line.opener(lambda data: None, lost.append)
    line.wire.broken = True
    with pytest.raises(OSError, match="gone"):
        port.write(b"x")
    assert line.told == []
    line.callbacks["lost"](None)
    assert lost == [None]
