"""``python -m tools.bench.bus [--json] [--with-peers]``: how well a line is used, beside peers.

What is measured and how is told in docs/bench.md. Exit status: 0, 1 if the bench failed, 2 if what
it needs is missing, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tools.bench import bus_report
from tools.bench.bus_bound import write_bound
from tools.bench.bus_clients import Programs, compile_loop
from tools.bench.bus_peers import thingsboard
from tools.bench.bus_plan import (
    LATE_MS,
    PROFILE_TURNAROUND_MS,
    TIMEOUT_MS,
    TURNAROUND_MS,
    Plan,
    Wire,
)
from tools.bench.bus_runs import Bench, Pace
from tools.bench.bus_site import write_site
from tools.bench.clients import Unavailable
from tools.bench.report import Numbers
from tools.demo.stage import Stage, StageError

PARTS = ("efficiency", "dead", "cost")
BAUDS = (9600, 19_200)
SATURATED_DEVICES = (1, 10, 30)
_SATURATED_REGISTERS = 4
_POLLED_DEVICES = 10
_POLLED_REGISTERS = 20
_POLLED_BAUD = 9600
_POLLED_PERIOD_MS = 1000
# Which of ten devices die: apart from each other, as polls are.
_DEAD = ((), (5,), (3, 7), (2, 5, 8))
_COST_DEVICES = 16
_COST_REGISTERS = 20
_COST_PERIODS = (("1s", 1000), ("100ms", 100))
_QUICK = Pace(saturated_s=1.5, saturated_slices=1, polled_s=4.0, early_s=3.0, cost_s=2.0, slices=1)


def run(bench: Bench, parts: Sequence[str] = PARTS) -> tuple[Numbers, Numbers]:
    """Settings and figures."""
    wire = Wire(bench.stage.folder / "tty-polled", _POLLED_BAUD)
    plan = Plan("polled", wire, _POLLED_DEVICES, _POLLED_REGISTERS, _POLLED_PERIOD_MS)
    numbers: Numbers = {}
    if "efficiency" in parts:
        numbers |= _efficiency(bench)
    if "dead" in parts:
        for dead in _DEAD:
            bound = write_bound(write_site(bench.stage.folder, plan, len(dead)))
            found = bench.polled(plan, dead)
            numbers |= bus_report.polled_figures(found, plan, len(dead), bound)
    if "cost" in parts:
        for name, period_ms in _COST_PERIODS:
            cost = bench.cost(_COST_DEVICES, _COST_REGISTERS, period_ms)
            numbers |= bus_report.cost_figures(cost, f"{_COST_DEVICES}x{_COST_REGISTERS}_{name}")
    return _settings(bench, plan), numbers


def _efficiency(bench: Bench) -> Numbers:
    numbers: Numbers = {}
    for baud in BAUDS:
        for devices in SATURATED_DEVICES:
            wire = Wire(bench.stage.folder / f"tty-{baud}-{devices}", baud)
            plan = Plan(f"saturated-{baud}-{devices}", wire, devices, _SATURATED_REGISTERS)
            numbers |= bus_report.efficiency_figures(bench.saturated(plan), plan)
    return numbers


def _settings(bench: Bench, polled: Plan) -> Numbers:
    pace = bench.pace
    return {
        "cores": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2),
        "real_time_twins": int(bench.real_time),
        "with_thingsboard": int(bench.programs.thingsboard is not None),
        "slices": pace.slices,
        "data_bits": 8,
        "parity_bits": 0,
        "stop_bits": 1,
        "turnaround_ms": TURNAROUND_MS,
        "profile_turnaround_ms": PROFILE_TURNAROUND_MS,
        "timeout_ms": TIMEOUT_MS,
        "late_ms": LATE_MS,
        "saturated_s": pace.saturated_s,
        "saturated_slices": pace.saturated_slices,
        "saturated_registers": _SATURATED_REGISTERS,
        "polled_s": pace.polled_s,
        "loss_s": pace.early_s,
        "polled_baud": polled.wire.baud,
        "polled_devices": polled.devices,
        "polled_registers": polled.registers,
        "polled_period_ms": polled.period_ms or 0,
        "polled_load": round(polled.load, 4),
        "cost_s": pace.cost_s,
        "cost_devices": _COST_DEVICES,
        "cost_registers": _COST_REGISTERS,
    }


def _pace(seconds: float, *, quick: bool) -> Pace:
    if quick:
        return _QUICK
    slices = Pace().slices
    return Pace(polled_s=seconds / slices, cost_s=min(20.0, seconds / slices))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="tools.bench.bus", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="per client and dead set")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--quick", action="store_true", help="a smoke run, too short for p99")
    parser.add_argument("--with-peers", action="store_true", help="also thingsboard-gateway")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    absent = {} if options.with_peers else {"tb": "thingsboard-gateway runs with --with-peers only"}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tongluo-bus-")))
        stage = Stage(folder)
        stack.callback(stage.close)
        try:
            programs = Programs(compile_loop(folder), thingsboard() if not absent else None)
            bench = Bench(stage, programs, _pace(options.seconds, quick=options.quick), _say)
            settings, numbers = run(bench, options.only or PARTS)
        except (Unavailable, StageError) as error:
            _say(f"bus bench: {error}")
            return 2 if isinstance(error, Unavailable) else 1
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
    settings["quick"] = int(options.quick)
    if options.json:
        print(bus_report.as_json(settings, numbers, absent))
    else:
        print(bus_report.as_table(numbers, absent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
