"""How long a line may be busy without a pause, all classes together. Pure."""

from __future__ import annotations

from edge.analysis.latency.line import Line

# Devices in quarantine are probed one at a time and no faster than this.
_PROBE_NS = 1_000_000_000
_MOST_STEPS = 200


def drains(line: Line, within_ns: int) -> bool:
    """Whether everything asked at one instant has been asked before so much time has passed."""
    polls = [
        (device.period_ns, sum(line.cost_ns(read.exchange) for read in device.reads))
        for device in line.bus.devices
    ]
    t = 1
    for _ in range(_MOST_STEPS):
        total = sum((1 + t // period) * cost for period, cost in polls)
        total += sum(each.demand_ns(t) for each in line.commanded) + _silence_ns(line, t)
        if total <= t:
            return True
        t = total
        if t >= within_ns:
            return False
    return False


def _silence_ns(line: Line, t: int) -> int:
    """What silent devices add, probes included."""
    if not line.bus.dead:
        return 0
    extra: dict[str, int] = {}
    for device in line.bus.devices:
        silent = [line.silent_ns(read.exchange) for read in device.reads]
        extra[device.name] = device.give_up * max(silent, default=0)
    for each in line.commanded:
        extra[each.device] = extra.get(each.device, 0) + each.extra_ns(t)
    worst = sorted(extra.values(), reverse=True)[: line.bus.dead]
    return sum(worst) + (1 + t // _PROBE_NS) * max(line.probes.values(), default=0)
