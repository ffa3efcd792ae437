"""The bench's result as flat numbers and as a table for people. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tools.bench.pairing import Tally, quantile

Numbers = dict[str, float]
_QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
_KINDS = ("decision", "answer", "action")
# How a client's figures begin; ours have no prefix.
PREFIXES = {"agent": "", "c": "c_", "pymodbus": "pymodbus_"}


def figures(tallies: Mapping[str, Tally], scenario: str = "") -> Numbers:
    """All figures of one scenario; latencies in ms to 0.1 us. Empty classes are left out."""
    numbers: Numbers = {}
    for client, tally in tallies.items():
        prefix = scenario + PREFIXES[client]
        numbers[f"{prefix}events"] = len(tally.decision)
        numbers[f"{prefix}missed"] = tally.missed
        numbers[f"{prefix}extra"] = tally.extra
        numbers[f"{prefix}short_gaps"] = tally.short_gaps
        for kind in _KINDS:
            values: list[float] = getattr(tally, kind)
            if not values:
                continue
            for name, q in _QUANTILES:
                numbers[f"{prefix}{kind}_ms_{name}"] = round(quantile(values, q), 4)
            numbers[f"{prefix}{kind}_ms_max"] = round(max(values), 4)
    return numbers


def ratios(numbers: Numbers, scenario: str = "") -> Numbers:
    """Decision latency, ours divided by theirs; what cannot be divided is left out."""
    found: Numbers = {}
    for client in ("c", "pymodbus"):
        for name, _ in _QUANTILES:
            ours = numbers.get(f"{scenario}decision_ms_{name}", math.nan)
            theirs = numbers.get(f"{scenario}{client}_decision_ms_{name}", 0.0)
            if theirs > 0 and not math.isnan(ours):
                found[f"{scenario}ratio_{client}_{name}"] = round(ours / theirs, 3)
    return found


def own_figures(histories: list[dict[str, Any]], scenario: str = "") -> Numbers:
    """The agent's own account: median over the slices, for p99.9 and the most the worst of them."""
    numbers: Numbers = {}
    healths = [status["health"] for status in histories]
    for kind in ("decision", "action"):
        for name, q in (("p50", 0.5), ("p99", 0.5), ("p999", 1.0), ("most", 1.0)):
            values = [h[kind][f"{name}_ms"] for h in healths if h[kind]["count"]]
            if values:
                numbers[f"{scenario}own_{kind}_ms_{name}"] = round(quantile(values, q), 4)
    lags = [h["loop_lag"]["p99_ms"] for h in healths if h["loop_lag"]["count"]]
    if lags:
        numbers[f"{scenario}own_loop_lag_ms_p99"] = round(quantile(lags, 0.5), 4)
    return numbers


def as_json(settings: Numbers, numbers: Numbers, shares: Numbers) -> str:
    """The result on one line."""
    return json.dumps(
        {"bench": "latency", "settings": settings, "figures": numbers, "ratios": shares},
        allow_nan=False,
    )


def as_table(numbers: Numbers, shares: Numbers, scenario: str = "") -> str:
    """One scenario for people: a row per client and kind of latency, in ms."""
    head = f"{'':22}{'events':>8}{'missed':>8}{'p50':>10}{'p99':>10}{'p99.9':>10}{'max':>10}"
    rows = [head]
    for client, prefix in PREFIXES.items():
        for kind in _KINDS:
            start = f"{scenario}{prefix}"
            if f"{start}{kind}_ms_p50" not in numbers:
                continue
            latencies = (numbers[f"{start}{kind}_ms_{q}"] for q in ("p50", "p99", "p999", "max"))
            counts = f"{numbers[f'{start}events']:>8.0f}{numbers[f'{start}missed']:>8.0f}"
            values = "".join(f"{value:>10.3f}" for value in latencies)
            rows.append(f"{client + ' ' + kind:22}{counts}{values}")
    rows += [f"{name}: {value:g}" for name, value in shares.items() if _belongs(name, scenario)]
    return "\n".join(rows)


def _belongs(name: str, scenario: str) -> bool:
    return name.startswith(f"{scenario}ratio_")
