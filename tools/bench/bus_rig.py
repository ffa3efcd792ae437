"""The twins of the bus bench as a process of their own, see rig.py for why and how it keeps time.

``bus_rig rtu LINK BAUD TURNAROUND_MS UNIT...`` is a paced line; UNIT as in rig.py.
``bus_rig tcp COUNT REGISTERS TURNAROUND_MS`` is so many Modbus TCP devices, each at a loopback port
of its own. Says ``ready 1`` (with real-time priority) or ``ready 0``, for TCP then the ports.

Orders: ``take`` prints all frames since the last one as JSON; ``dead 3 7`` makes these devices
silent and the others answer. Ends when standard input does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
from pathlib import Path

from tools.bench.rig import Rig, hurry, make_unit
from tools.twins.modbus_slave import TcpSlave, Unit
from tools.twins.pacing import FrameStamp
from tools.twins.tcp_line import TcpLine


class BusRig(Rig):
    """A paced line whose devices can die."""

    def obey(self, order: str) -> str:
        """``take`` or ``dead UNIT...``."""
        word, *units = order.split()
        if word == "take":
            return self.take()
        self.slave.faults.silent_units = set(map(int, units))
        return "{}"


def serve_rtu(link: str, baud: str, turnaround_ms: str, *words: str) -> None:
    """Carry a line until standard input ends.

    Bytes arrive one by one as on a wire: a master may count its timeout to the first of them.
    """
    rig = BusRig(
        int(baud), dict(map(make_unit, words)), turnaround_ms=float(turnaround_ms), bytewise=True
    )
    Path(link).symlink_to(rig.terminal)
    gc.collect()
    gc.disable()
    print("ready", int(hurry()), flush=True)
    rig.run()


def serve_tcp(count: str, registers: str, turnaround_ms: str) -> None:
    """Serve Modbus TCP devices, a thread each, until standard input ends."""
    frames: list[FrameStamp] = []
    with contextlib.ExitStack() as stack:
        ports = []
        for unit in range(1, int(count) + 1):
            slave = TcpSlave(
                {unit: Unit(holding=[0] * int(registers))}, turnaround_ms=float(turnaround_ms)
            )
            ports.append(stack.enter_context(TcpLine(slave, on_frame=frames.append)).port)
        print("ready", int(hurry()), *ports, flush=True)
        for _ in sys.stdin:
            taken = [[f.kind, f.first_ns, f.last_ns, f.frame.hex()] for f in frames[:]]
            del frames[: len(taken)]
            print(json.dumps({"frames": taken, "counters": {}}), flush=True)


if __name__ == "__main__":
    # the terminal's Ctrl-C is for the bench, which ends this by closing its input
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.argv[1] == "rtu":
        serve_rtu(*sys.argv[2:])
    else:
        serve_tcp(*sys.argv[2:])
