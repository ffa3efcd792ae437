"""``python -m tools.bench.latency [--json]``: from a reading to a command, beside two peers.

What is measured and how is told in docs/bench.md. Exit status: 0, 2 if a peer is missing, 130 after
Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tools.bench import report
from tools.bench.clients import (
    BLOCK_S,
    AgentClient,
    Client,
    Unavailable,
    compile_loop,
    delivered,
    make_clients,
    start_broker,
)
from tools.bench.pairing import Frame, Tally, find_commands, find_readings, pair
from tools.bench.wiring import (
    BACKGROUND_PERIOD_MS,
    RELAY_UNIT,
    THRESHOLD,
    TURNAROUND_MS,
    Wire,
    Wiring,
    same_line,
    separate_lines,
)
from tools.demo.broker import Broker
from tools.demo.stage import Stage, StageError

_LONGEST_SLICE_S = 13.0
_QUICK_SLICE_S = 2.0
# On the shared line an event takes 40 ms: a tenth of the events says as much about it.
_SAME_LINE_SHARE = 10
# Readings this short before a client is stopped may have no command any more.
_EDGE_NS = 100_000_000


@dataclass
class Lines:
    """The twins of one scenario, a process per line. ``real_time``: all have that priority."""

    stage: Stage
    wiring: Wiring
    real_time: bool = True
    _rigs: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self) -> None:
        """Start all; they are ready when this returns."""
        for wire in self.wiring.wires:
            command = [sys.executable, "-m", "tools.bench.rig", str(wire.path), str(wire.baud)]
            self._rigs[wire.name] = self.stage.start(self._name(wire), command + self._units(wire))
        for name, rig in self._rigs.items():
            ready, _, real_time = _line_of(rig).partition(" ")
            if ready != "ready":
                raise StageError(f"line {name} did not start")
            self.real_time &= real_time == "1"

    def stop(self) -> None:
        """End all."""
        for wire in self.wiring.wires:
            self.stage.stop(self._name(wire))
            wire.path.unlink(missing_ok=True)

    def take(self, wire: Wire) -> tuple[list[Frame], int]:
        """Frames since the last time, and how many requests began before the line was silent."""
        rig = self._rigs[wire.name]
        if rig.stdin is None:
            raise StageError(f"line {wire.name} takes no orders")
        rig.stdin.write("take\n")
        rig.stdin.flush()
        answer = json.loads(_line_of(rig))
        frames = [Frame(k, first, last, bytes.fromhex(h)) for k, first, last, h in answer["frames"]]
        return frames, answer["counters"].get("short_gaps", 0)

    def _name(self, wire: Wire) -> str:
        return f"{self.wiring.name}-{wire.name}"

    def _units(self, wire: Wire) -> list[str]:
        words = [
            f"toggle:{poll.unit}" if poll.relay else f"plain:{poll.unit}:{poll.count}"
            for poll in self.wiring.polls
            if poll.wire is wire
        ]
        return [*words, f"relay:{RELAY_UNIT}"] if wire in self.wiring.relays else words


def measure_slice(stage: Stage, lines: Lines, client: Client, seconds: float) -> Tally:
    """Let one client work alone for so long."""
    wiring = lines.wiring
    client.start(stage)
    for wire in wiring.wires:
        lines.take(wire)
    begin_ns = time.monotonic_ns()
    time.sleep(seconds)
    end_ns = time.monotonic_ns() - _EDGE_NS
    client.stop(stage)
    taken = {wire.name: lines.take(wire) for wire in wiring.wires}
    tally = Tally(short_gaps=sum(taken[wire.name][1] for wire in wiring.relays))
    for poll in wiring.driving:
        if poll.relay is not None:
            tally += pair(
                find_readings(taken[poll.wire.name][0], poll.unit, THRESHOLD),
                find_commands(taken[poll.relay.name][0], RELAY_UNIT),
                (begin_ns, end_ns),
                reads_back=client.reads_back,
            )
    return tally


def measure(
    stage: Stage, lines: Lines, clients: Sequence[Client], events: int, slice_s: float
) -> dict[str, Tally]:
    """Interleaved slices until every client has its events."""
    tallies = {client.name: Tally() for client in clients}
    number = 0
    while any(len(tally.decision) < events for tally in tallies.values()):
        number += 1
        for client in clients:
            tally = tallies[client.name]
            if len(tally.decision) >= events:
                continue
            new = measure_slice(stage, lines, client, slice_s)
            if not new.decision:
                raise StageError(f"{client.name} did not react: {stage.log_tail(client.name)}")
            tally += new
            done = f"{len(tally.decision)} of {events} events"
            _say(f"{lines.wiring.name} {number}: {client.name} {done}")
    return tallies


def run(stage: Stage, events: int, *, quick: bool) -> tuple[report.Numbers, ...]:
    """Settings, figures and ratios."""
    program = compile_loop(stage.folder)
    broker = start_broker(stage)
    _say(f"uplink: {'none' if broker is None else broker.name}")
    numbers: report.Numbers = {}
    shares: report.Numbers = {}
    settings = _settings(broker, quick=quick)
    plans = ((separate_lines, "", events), (same_line, "same_line_", events // _SAME_LINE_SHARE))
    for make, scenario, target in plans:
        wiring = make(stage.folder)
        clients = make_clients(stage, wiring, program, broker)
        wanted = 1 if quick else max(1, target)
        slice_s = _QUICK_SLICE_S if quick else _slice_s(wanted, wiring.events_per_s)
        lines = Lines(stage, wiring)
        lines.start()
        tallies = measure(stage, lines, clients, wanted, slice_s)
        lines.stop()
        numbers |= report.figures(tallies, scenario) | _own(clients[0], scenario)
        shares |= report.ratios(numbers, scenario)
        settings |= {
            f"{scenario}points": wiring.points,
            f"{scenario}sensor_baud": wiring.driving[0].wire.baud,
            f"{scenario}relay_baud": wiring.relays[0].baud,
            f"{scenario}slice_s": round(slice_s, 1),
            f"{scenario}real_time_twins": int(lines.real_time),
        }
    return settings, numbers, shares


def _own(agent: AgentClient, scenario: str) -> report.Numbers:
    numbers = report.own_figures(agent.status, scenario)
    return numbers | {f"{scenario}published": sum(map(delivered, agent.status))}


def _slice_s(events: int, per_s: float) -> float:
    """Equal slices of bearable length; a little longer than needed, for polls that were skipped."""
    whole_s = events / per_s * 1.05
    return whole_s / max(1, -(-whole_s // _LONGEST_SLICE_S)) + 0.2


def _settings(broker: Broker | None, *, quick: bool) -> report.Numbers:
    name = "" if broker is None else broker.name
    return {
        "quick": int(quick),
        "cores": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2),
        "uplink_mosquitto": int(name == "mosquitto"),
        "uplink_amqtt": int(name == "amqtt"),
        "block_s": BLOCK_S,
        "turnaround_ms": TURNAROUND_MS,
        "background_period_ms": BACKGROUND_PERIOD_MS,
    }


def _line_of(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        return ""
    return process.stdout.readline().strip()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show(settings: report.Numbers, numbers: report.Numbers, shares: report.Numbers) -> None:
    for title, scenario in (("separate lines", ""), ("same line", "same_line_")):
        points, baud = settings[f"{scenario}points"], settings[f"{scenario}sensor_baud"]
        print(f"\n{title}: {points:.0f} points, {baud:.0f} Bd; latencies in ms")
        print(report.as_table(numbers, shares, scenario))
        own = {k: v for k, v in numbers.items() if k.startswith(f"{scenario}own_")}
        print("\n".join(f"{name}: {value:g}" for name, value in own.items()))


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="tools.bench.latency", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="crossings per client")
    parser.add_argument("--quick", action="store_true", help="a smoke run of about 30 s")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tongluo-bench-")))
        stage = Stage(folder)
        stack.callback(stage.close)
        try:
            result = run(stage, options.events, quick=options.quick)
        except (Unavailable, StageError) as error:
            _say(f"latency bench: {error}")
            return 2 if isinstance(error, Unavailable) else 1
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
    if options.json:
        print(report.as_json(*result))
    else:
        _show(*result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
