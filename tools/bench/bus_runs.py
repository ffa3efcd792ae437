"""The three measurements of the bus bench; each lets the clients work in turn, slice by slice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.bus_clients import Client, Programs, Rig, make_clients, on_tcp
from tools.bench.bus_plan import Plan, Wire, draw_orders
from tools.bench.bus_score import Polled, Saturated, polled, saturated
from tools.bench.pairing import Frame
from tools.demo.stage import Stage, StageError

SLICES = 2
_BEGIN_S = 30.0
_NS_PER_S = 1_000_000_000
# An adaptive client has learnt what a device is like after this many answers.
_ANSWERS = 10
_FIRST_CODE = 1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part of a run takes, in seconds.

    ``early_s``: what follows the death of devices and is judged by itself.
    """

    saturated_s: float = 3.0
    saturated_slices: int = 5
    polled_s: float = 30.0
    early_s: float = 10.0
    cost_s: float = 20.0
    slices: int = SLICES


@dataclass(slots=True)
class Cost:
    """What a client takes of the machine. ``cpu``: user and system seconds per second."""

    cpu: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    reads_per_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Bench:
    """What all runs share. ``real_time``: all twins had that priority."""

    stage: Stage
    programs: Programs
    pace: Pace
    say: Say
    real_time: bool = True
    code: int = _FIRST_CODE

    def saturated(self, plan: Plan) -> dict[str, list[Saturated]]:
        """A line that is never left idle by will: the slices of each client."""
        rig, clients = self._open(plan)
        found: dict[str, list[Saturated]] = {client.name: [] for client in clients}
        for number in range(self.pace.saturated_slices):
            for client in clients:
                self._begin(rig, client, plan, answers=3)
                rig.take()
                begin_ns = time.monotonic_ns()
                time.sleep(self.pace.saturated_s)
                end_ns = time.monotonic_ns()
                frames, counters = rig.take()
                self._end(rig, client)
                new = saturated(frames, plan, (begin_ns, end_ns))
                new.short_gaps = counters.get("short_gaps", 0)
                found[client.name].append(new)
                share = new.share_of(plan.exchange_ns + plan.line.silence_ns)
                self.say(f"{plan.name} {number + 1}: {client.name} {share:.4f}")
        rig.stop()
        return found

    def polled(self, plan: Plan, dead: tuple[int, ...]) -> dict[str, Polled]:
        """Devices polled at a period the line can keep; some die, and writes are ordered."""
        rig, clients = self._open(plan, len(dead))
        found = {client.name: Polled() for client in clients}
        for number in range(self.pace.slices):
            for client in clients:
                new = self._polled_slice(rig, client, plan, dead, number)
                found[client.name] += new
                self.say(
                    f"{len(dead)} dead {number + 1}: {client.name} longest interval "
                    f"{max(new.intervals_ms):.0f} ms, longest wait {max(new.writes_ms):.0f} ms"
                )
        rig.stop()
        return found

    def cost(self, devices: int, registers: int, period_ms: int) -> dict[str, Cost]:
        """CPU and memory over Modbus TCP, a connection per device."""
        plan = Plan(f"cost-{period_ms}", Wire(), devices, registers, period_ms)
        rig = Rig(self.stage, plan)
        rig.start()
        self.real_time &= rig.real_time
        plan = on_tcp(plan, rig.ports)
        clients = make_clients(self.stage, plan, self.programs, whole=True)
        found = {client.name: Cost() for client in clients}
        for number in range(self.pace.slices):
            for client in clients:
                self._begin(rig, client, plan, answers=3)
                pid = self.stage.pid(client.name)
                rig.take()
                begin_ns, begin_cpu = time.monotonic_ns(), cpu_s(pid)
                time.sleep(self.pace.cost_s)
                spent_s = (time.monotonic_ns() - begin_ns) / 1e9
                cost = found[client.name]
                cost.cpu.append((cpu_s(pid) - begin_cpu) / spent_s)
                cost.rss_mb = max(cost.rss_mb, rss_mb(pid))
                reads = sum(frame.kind == "answer" for frame in rig.take()[0])
                cost.reads_per_s.append(reads / spent_s)
                self._end(rig, client)
                self.say(
                    f"{devices}x{registers} at {period_ms} ms {number + 1}: {client.name} "
                    f"{cost.cpu[-1]:.4f} s/s, {reads / spent_s:.1f} reads/s"
                )
        rig.stop()
        return found

    def _open(self, plan: Plan, dead: int = 0) -> tuple[Rig, list[Client]]:
        rig = Rig(self.stage, plan)
        rig.start()
        self.real_time &= rig.real_time
        return rig, make_clients(self.stage, plan, self.programs, dead=dead)

    def _polled_slice(
        self, rig: Rig, client: Client, plan: Plan, dead: tuple[int, ...], number: int
    ) -> Polled:
        self._begin(rig, client, plan, answers=_ANSWERS)
        begin_ns = time.monotonic_ns()
        early_ns = begin_ns + round(self.pace.early_s * _NS_PER_S)
        end_ns = early_ns + round(self.pace.polled_s * _NS_PER_S)
        # the same instants for every client; the last ones have time to be carried out
        orders = draw_orders(begin_ns + 200_000_000, end_ns - _NS_PER_S, self.code, seed=number)
        self.code += len(orders)
        rig.kill(dead)
        client.order(orders)
        time.sleep((end_ns - time.monotonic_ns()) / 1e9)
        queue = int(client.report().get("queue", 0))
        client.check()
        frames, counters = rig.take()
        self._end(rig, client)
        windows = (begin_ns, early_ns), (early_ns, end_ns)
        found = polled(frames, plan, dead, orders, windows)
        found.queue = queue
        found.short_gaps = counters.get("short_gaps", 0)
        return found

    def _begin(self, rig: Rig, client: Client, plan: Plan, *, answers: int) -> None:
        """Start a client and wait until every device has answered it so often."""
        rig.take()
        client.start()
        heard: dict[int, int] = {}
        give_up = time.monotonic() + _BEGIN_S
        while any(heard.get(unit, 0) < answers for unit in plan.units):
            client.check()
            if time.monotonic() > give_up:
                raise StageError(
                    f"{client.name} did not ask all devices: {self.stage.log_tail(client.name)}"
                )
            time.sleep(0.1)
            for frame in rig.take()[0]:
                if frame.kind == "answer":
                    unit = unit_of(frame, plan)
                    heard[unit] = heard.get(unit, 0) + 1

    def _end(self, rig: Rig, client: Client) -> None:
        client.stop()
        if rig.plan.wire.path is not None:
            rig.kill(())
            # what was under way when the client ended
            time.sleep(0.2)


def unit_of(frame: Frame, plan: Plan) -> int:
    """Whose frame this is; on TCP the unit stands behind the header."""
    return frame.data[0] if plan.wire.path is not None else frame.data[6]


def cpu_s(pid: int) -> float:
    """Seconds that the threads of a process have run, user and system, to a nanosecond."""
    ran = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            ran += int(task.read_text().split()[0])
        except FileNotFoundError:  # the thread has ended
            continue
    return ran / _NS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
