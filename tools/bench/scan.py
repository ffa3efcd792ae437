"""The scan of a line in real time, on a paced pseudo-terminal: 3 bauds x 2 parities x 32 addresses.

Twins at different settings share the line; a relay is on and a siren sounding among them. The speed
is what the scan sets the terminal to; Linux keeps no parity there, so that is told to the twin.

Figures: ``estimate_over_actual`` (the time said beforehand ÷ the time taken), ``found``,
``missed`` and ``extra`` devices, ``disturbed`` (writes seen, changes of relay and siren, questions
on top of an answer), ``misheard`` (questions that a device at other settings could take for any
valid frame, of ``questions_looked_at``).

    python -m tools.bench.scan --json
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from drivers.bus.port import Opener
from edge.app.commissioning.place import Place, SerialPlace, real_opener
from edge.app.commissioning.scan import DEFAULT_TABLES, Plan, Survey, question, scan
from edge.app.commissioning.talk import run
from protocols.modbus_rtu import rtu_frame
from tools.twins.line_time import LineTime
from tools.twins.mistuned import hear
from tools.twins.modbus_slave import RtuSlave, crc16
from tools.twins.modbus_unit import WRITES, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.tuned_line import TunedPtyLine
from tools.twins.world import World

Numbers = dict[str, float]
BAUDS = (9600, 4800, 19200)
PARITIES = ("none", "even")
ADDRESSES = tuple(range(1, 33))
_ALL_BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_SHORTEST_FRAME = 4


def main() -> int:
    """Run it; the last line is the result."""
    parser = argparse.ArgumentParser(prog="tools.bench.scan", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="8 addresses, no look at all noise")
    options = parser.parse_args()
    settings, figures = measure(ADDRESSES[:8] if options.quick else ADDRESSES)
    if not options.quick:
        figures |= listen_elsewhere()
    if options.json:
        result = {"bench": "scan", "settings": settings, "figures": figures, "ratios": {}}
        print(json.dumps(result, allow_nan=False))
    else:
        print("\n".join(f"{name}: {value:g}" for name, value in figures.items()))
    return 0


@dataclass(slots=True)
class Stage:
    """The outputs that must not notice, and what was seen of them."""

    relay: RelayBoard
    siren: Amplifier
    silences: int = 0

    def changes(self) -> int:
        """Everything that ever happened to them."""
        return len(self.relay.changes.as_json()) + len(self.siren.changes.as_json())

    def look(self) -> None:
        """Count it if either is not as it was set."""
        self.silences += self.relay.coils[2] != 1 or self.siren.message != 3


def measure(addresses: tuple[int, ...]) -> tuple[Numbers, Numbers]:
    """One scan with twins; the settings and what came of it."""
    world = World(time.monotonic_ns, {})
    stage = Stage(RelayBoard(world), Amplifier(world))
    stage.relay.answer(bytes.fromhex("050002FF00"))
    stage.siren.answer(bytes.fromhex("0600100003"))
    groups = twins(stage.relay, stage.siren)
    before = stage.changes()
    survey, plan, actual_s, line = _scan(groups, addresses, stage)
    found = {(str(each.place), each.address) for each in survey.found}
    wanted = {
        (f"{each.baud} {each.frame}", address)
        for each, slave in groups.items()
        for address in slave.units
        if address in addresses
    }
    asked = line.slaves.asked
    writes = sum(frame[0] == 0 or frame[1] in WRITES for frame in asked)
    changes = stage.changes() - before
    settings: Numbers = {
        "bauds": len(BAUDS),
        "parities": len(PARITIES),
        "addresses": len(addresses),
        "tables": len(DEFAULT_TABLES),
        "timeout_ms": plan.timeout_s * 1000,
        "twins": len(wanted),
        "cores": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2),
    }
    figures: Numbers = {
        "estimate_s": round(plan.estimate_s, 2),
        "actual_s": round(actual_s, 2),
        "estimate_over_actual": round(plan.estimate_s / actual_s, 4),
        "found": len(found & wanted),
        "missed": len(wanted - found),
        "extra": len(found - wanted) + len(survey.double_addresses()),
        "questions": len(asked),
        "disturbed": writes + stage.silences + changes + line.counters["overlaps"],
    }
    return settings, figures


def _scan(
    groups: dict[LineTime, RtuSlave], addresses: tuple[int, ...], stage: Stage
) -> tuple[Survey, Plan, float, TunedPtyLine]:
    survey = Survey()
    with (
        tempfile.TemporaryDirectory(prefix="tongluo-scan-") as folder,
        TunedPtyLine(groups, Path(folder, "line")) as line,
    ):
        places = tuple(SerialPlace(line.path, b, p) for p in PARITIES for b in BAUDS)
        plan = Plan(places, addresses)

        def opener_of(place: Place) -> Opener:
            assert isinstance(place, SerialPlace)
            line.parity = place.parity[0].upper()
            return real_opener(place)

        def look(done_s: float) -> None:
            stage.look()
            text = f"\r{done_s:6.1f} s of {plan.estimate_s:.1f} s"
            print(text, end="", file=sys.stderr, flush=True)

        began = time.monotonic()
        run(scan(plan, survey, look), opener_of)
        actual_s = time.monotonic() - began
    print(file=sys.stderr)
    return survey, plan, actual_s, line


def twins(relay: RelayBoard, siren: Amplifier) -> dict[LineTime, RtuSlave]:
    """Eleven devices at six settings; some answer slowly, some only with exceptions."""
    one = [1]
    return {
        LineTime(9600): RtuSlave(
            {3: relay, 5: Unit(holding=one), 17: siren, 32: Unit(inputs=one)}, turnaround_ms=20
        ),
        LineTime(4800): RtuSlave({7: Unit(inputs=one)}, turnaround_ms=60),
        LineTime(19200): RtuSlave({1: Unit(), 31: Unit(holding=one)}, turnaround_ms=8),
        LineTime(9600, "8E1"): RtuSlave({2: Unit(holding=one)}, turnaround_ms=100),
        LineTime(4800, "8E1"): RtuSlave({6: Unit(holding=one)}, turnaround_ms=30),
        LineTime(19200, "8E1"): RtuSlave({4: Unit(holding=one), 30: Unit()}, turnaround_ms=5),
    }


def listen_elsewhere() -> Numbers:
    """What devices at all other settings make of every question of such a scan."""
    devices = [LineTime(baud, f"8{parity}1") for baud in _ALL_BAUDS for parity in "NEO"]
    senders = [LineTime(baud, f"8{parity[0].upper()}1") for baud in BAUDS for parity in PARITIES]
    looked_at = misheard = 0
    for sender, device in itertools.product(senders, devices):
        if sender == device:
            continue
        for address, table in itertools.product(ADDRESSES, DEFAULT_TABLES):
            looked_at += 1
            misheard += _holds_frame(hear(rtu_frame(question(address, table)), sender, device))
    return {"misheard": misheard, "questions_looked_at": looked_at}


def _holds_frame(heard: bytes) -> bool:
    return any(
        end - start >= _SHORTEST_FRAME and crc16(heard[start : end - 2]) == heard[end - 2 : end]
        for start, end in itertools.combinations(range(len(heard) + 1), 2)
    )


if __name__ == "__main__":
    sys.exit(main())
