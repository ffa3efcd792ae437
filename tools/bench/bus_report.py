"""The bus bench's result as flat numbers and as a table for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tools.bench.bus_bound import WriteBound
from tools.bench.bus_clients import PREFIXES
from tools.bench.bus_plan import Plan
from tools.bench.bus_runs import Cost
from tools.bench.bus_score import Polled, Saturated
from tools.bench.pairing import quantile
from tools.bench.report import Numbers

# Neither libmodbus nor pymodbus waits for 3.5 characters of silence before a question.
_WITHOUT_SILENCE = ("c", "tb")


def efficiency_figures(found: Mapping[str, Sequence[Saturated]], plan: Plan) -> Numbers:
    """Part (a) of one line: the median slice. Who keeps no silence has a higher maximum."""
    where = f"{plan.wire.baud}_{plan.devices}"
    numbers: Numbers = {}
    for client, slices in found.items():
        prefix = PREFIXES[client]
        silence_ns = 0 if client in _WITHOUT_SILENCE else plan.line.silence_ns
        ideal_ns = plan.exchange_ns + silence_ns
        shares = [run.share_of(ideal_ns) for run in slices]
        raw = [run.share_of(ideal_ns, corrected=False) for run in slices]
        idle_us = [us - silence_ns / 1000 for run in slices for us in run.idle_us]
        late_us = [us for run in slices for us in run.late_us]
        numbers |= {
            f"{prefix}efficiency_{where}": round(quantile(shares, 0.5), 4),
            f"{prefix}efficiency_least_{where}": round(min(shares), 4),
            f"{prefix}efficiency_raw_{where}": round(quantile(raw, 0.5), 4),
            f"{prefix}transactions_per_s_{where}": round(
                quantile((run.per_s for run in slices), 0.5), 3
            ),
            f"{prefix}short_gaps_{where}": sum(run.short_gaps for run in slices),
            f"{prefix}overhead_us_p50_{where}": round(quantile(idle_us, 0.5), 1),
            f"{prefix}overhead_us_p99_{where}": round(quantile(idle_us, 0.99), 1),
            f"{prefix}twin_late_us_p50_{where}": round(quantile(late_us, 0.5), 1),
            f"{prefix}twin_late_us_p99_{where}": round(quantile(late_us, 0.99), 1),
        }
    return numbers


def polled_figures(
    found: Mapping[str, Polled], plan: Plan, dead: int, bound: WriteBound
) -> Numbers:
    """Parts (b) and (c) with so many dead devices."""
    period_ms = plan.period_ms or 0
    numbers: Numbers = {}
    for client, run in found.items():
        prefix, end = PREFIXES[client], f"_dead{dead}"
        gaps = [gap / period_ms for gap in run.intervals_ms]
        numbers |= {
            f"{prefix}healthy_interval_p99_ratio{end}": round(quantile(gaps, 0.99), 4),
            f"{prefix}healthy_interval_max_ratio{end}": round(max(gaps), 4),
            f"{prefix}loss_interval_max_ratio{end}": round(max(run.early_ms) / period_ms, 4),
            f"{prefix}missed_cycles{end}": run.missed,
            f"{prefix}loss_missed_cycles{end}": run.early_missed,
            f"{prefix}cycles{end}": run.cycles,
            f"{prefix}dead_share{end}": round(run.dead_ns / run.steady_ns, 4),
            f"{prefix}queue{end}": run.queue,
            f"{prefix}writes{end}": len(run.writes_ms),
            f"{prefix}writes_lost{end}": run.unwritten,
            f"{prefix}write_ms_p50{end}": round(quantile(run.writes_ms, 0.5), 3),
            f"{prefix}write_ms_p99{end}": round(quantile(run.writes_ms, 0.99), 3),
            f"{prefix}write_ms_max{end}": round(max(run.writes_ms), 3),
            f"{prefix}short_gaps{end}": run.short_gaps,
        }
        if client == "agent":
            worst_ms = max(run.writes_ms)
            numbers[f"write_bound_ms{end}"] = round(bound.ms, 3)
            numbers[f"write_over_bound_max{end}"] = round(worst_ms / bound.ms, 4)
            numbers[f"write_over_line_bound_max{end}"] = round(worst_ms / bound.line_ms, 4)
    return numbers


def cost_figures(found: Mapping[str, Cost], scale: str) -> Numbers:
    """Part (d) at one period; medians of the slices."""
    numbers: Numbers = {}
    for client, run in found.items():
        prefix = PREFIXES[client]
        cpu, reads = quantile(run.cpu, 0.5), quantile(run.reads_per_s, 0.5)
        numbers |= {
            f"{prefix}cpu_{scale}": round(cpu, 5),
            f"{prefix}rss_mb_{scale}": round(run.rss_mb, 1),
            f"{prefix}reads_per_s_{scale}": round(reads, 2),
            f"{prefix}cpu_us_per_read_{scale}": round(cpu / reads * 1e6, 1) if reads else 0.0,
        }
    return numbers


_RATIOS = (
    "efficiency",
    "transactions_per_s",
    "healthy_interval_p99_ratio",
    "write_ms_p50",
    "write_ms_p99",
    "write_ms_max",
    "cpu",
    "rss_mb",
)


def ratios(numbers: Numbers) -> Numbers:
    """Ours divided by theirs for the figures that stand side by side."""
    found: Numbers = {}
    for prefix in PREFIXES.values():
        for name, value in numbers.items():
            theirs = numbers.get(prefix + name, 0.0) if prefix else 0.0
            if theirs > 0 and name.startswith(tuple(f"{each}_" for each in _RATIOS)):
                found[f"ratio_{prefix}{name}"] = round(value / theirs, 4)
    return found


def as_json(settings: Numbers, numbers: Numbers, absent: Mapping[str, str]) -> str:
    """The result on one line. ``absent``: which peers there was nothing to measure of, and why."""
    result = {
        "bench": "bus",
        "settings": settings,
        "figures": numbers,
        "ratios": ratios(numbers),
        "absent": dict(absent),
    }
    return json.dumps(result, allow_nan=False)


def as_table(numbers: Numbers, absent: Mapping[str, str]) -> str:
    """For people: a row per figure, a column per client."""
    own = list(dict.fromkeys(_stem(name) for name in numbers))
    head = f"{'':34}" + "".join(f"{client:>12}" for client in PREFIXES)
    rows = [head]
    for name in own:
        cells = (numbers.get(prefix + name) for prefix in PREFIXES.values())
        rows.append(f"{name:34}" + "".join(_cell(cell) for cell in cells))
    rows += [f"{client} is absent: {why}" for client, why in absent.items()]
    return "\n".join(rows)


def _stem(name: str) -> str:
    for prefix in ("c_silent_", "c_", "tb_"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _cell(value: float | None) -> str:
    return f"{'':>12}" if value is None else f"{value:>12.7g}"
