"""``python -m tools.bench.rules [--json]``: what it costs to judge a reading.

What is measured and how is told in docs/bench.md. Exit status: 0, 1 if a scan of all readings and
the agent's rules disagree, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge.core.instant import NS_PER_S, Instant, Utc
from edge.core.model import DeviceId, Level, Point, PointId, Quality, RuleId
from edge.core.units import Unit
from edge.engine.conditions.rule_set import RuleSet
from edge.engine.conditions.tree import (
    Compare,
    Condition,
    Function,
    LevelCondition,
    Value,
    Window,
)
from edge.engine.quality import Checks
from tools.bench.report import Numbers
from tools.bench.rules_backtest import measure as measure_backtest
from tools.bench.rules_rescan import Change, Rescan
from tools.bench.rules_site import HOUR_S, Reading, RulesSite, make_site, readings

TEN_MIN_S = 600.0
WEEK_S = 7 * 86_400.0
_FAST_PERIOD_S = 0.1
_SLICES = 5
_LENGTH_SLICES = 15
_OUT_OF_REACH = 1000.0
_A = PointId("gauge-0.level")
_NEVER = 1e9

Result = TypeVar("Result")


class Disagreement(Exception):
    """The two implementations do not say the same."""


def local(utc_ms: int) -> tuple[int, int, int, int]:
    """A calendar; no rule of the bench asks for it."""
    return utc_ms // 86_400_000, 1, 1, 0


def rule_set(site: RulesSite) -> RuleSet:
    """The agent's rules of a site."""
    return RuleSet(site.conditions, site.points, local=local)


def judge_all(checks: Checks, rules: RuleSet, stream: Sequence[Reading]) -> list[Change]:
    """Take readings through quality and rules; what changed."""
    judge, feed = checks.judge, rules.feed
    found: list[Change] = []
    for point, value, quality, at, utc in stream:
        value, quality = judge(point, value, quality, at)  # noqa: PLW2901 - as the agent does it
        verdicts = feed(point, value, quality, at, utc)
        if verdicts:
            found += [(verdict.rule, verdict.level) for verdict in verdicts]
    return found


def rescan_all(checks: Checks, naive: Rescan, stream: Sequence[Reading]) -> list[Change]:
    """The same with windows that are scanned again."""
    found: list[Change] = []
    for point, value, quality, at, utc in stream:
        value, quality = checks.judge(point, value, quality, at)  # noqa: PLW2901 - same
        found += naive.feed((point, value, quality, at, utc))
    return found


def cpu_s(work: Callable[[], Result]) -> tuple[float, Result]:
    """The processor time of this thread that the work takes, and what it returns."""
    gc.collect()
    start = time.thread_time()
    result = work()
    return time.thread_time() - start, result


def parts_of(stream: Sequence[Reading], parts: int) -> list[Sequence[Reading]]:
    """The stream in slices of one length."""
    size = len(stream) // parts
    return [stream[part * size : (part + 1) * size] for part in range(parts)]


def mix(
    points: int, samples: int, rescans: int, window_s: float = HOUR_S
) -> tuple[Numbers, Numbers]:
    """Three rules per point, beside the rescan of the same readings; figures and ratios.

    Both are first fed until every window is full. Then slices alternate, so that whatever else the
    machine does hits both alike. Raises Disagreement.
    """
    site = make_site(points, 1.0, window_s)
    filled = round(window_s / site.period_s) * points
    stream = readings(site, filled + max(samples, rescans))
    checks, rules = Checks(site.points, site.checks), rule_set(site)
    naive_checks, naive = Checks(site.points, site.checks), Rescan(site)
    ours = judge_all(checks, rules, stream[:filled])
    theirs = rescan_all(naive_checks, naive, stream[:filled])
    _agree(ours, theirs)
    if len(ours) != len(theirs):
        raise Disagreement(f"{len(ours)} changes by the agent, {len(theirs)} by the scan")
    spent: list[float] = []
    naive_spent: list[float] = []
    mine = parts_of(stream[filled : filled + samples], _SLICES)
    others = parts_of(stream[filled : filled + rescans], _SLICES)
    for own, other in zip(mine, others, strict=True):
        taken_s, found = cpu_s(partial(judge_all, checks, rules, own))
        spent.append(taken_s)
        ours += found
        taken_s, found = cpu_s(partial(rescan_all, naive_checks, naive, other))
        naive_spent.append(taken_s)
        theirs += found
    _agree(ours, theirs)
    per_s = len(mine[0]) / statistics.median(spent)
    naive_per_s = len(others[0]) / statistics.median(naive_spent)
    numbers = {
        "samples_per_s": round(per_s),
        "samples_per_s_least": round(len(mine[0]) / max(spent)),
        "us_per_sample": round(1e6 / per_s, 3),
        "rescan_samples_per_s": round(naive_per_s),
        "verdicts": len(ours),
        "verdicts_compared": min(len(ours), len(theirs)),
    }
    return numbers, {"rescan_ratio": round(per_s / naive_per_s, 1)}


def _agree(ours: list[Change], theirs: list[Change]) -> None:
    """One may have come further; as far as both came they said the same."""
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            raise Disagreement(f"change {number}: {mine} by the agent, {other} by the scan")


def lengths(samples: int, period_s: float) -> float:
    """Cost per reading of the mix with windows of a week over that with ten minutes.

    On the same readings, with full windows whose limits neither reaches: as many verdicts in both.
    """
    feeds = []
    for window_s in (TEN_MIN_S, WEEK_S):
        site = make_site(12, period_s, window_s, reach=_OUT_OF_REACH)
        checks, rules = Checks(site.points, site.checks), rule_set(site)
        # one reading per bin fills a window of any length alike
        slow = make_site(12, window_s / 600, window_s)
        judge_all(checks, rules, readings(slow, 12 * 601))
        stream = readings(site, samples, start_s=window_s + window_s / 600)
        feeds.append((checks, rules, parts_of(stream, _LENGTH_SLICES)))
    ratios = []
    for part in range(_LENGTH_SLICES):
        order = feeds if part % 2 else feeds[::-1]
        spent = [
            cpu_s(partial(judge_all, checks, rules, parts[part]))[0]
            for checks, rules, parts in order
        ]
        ratios.append(spent[1] / spent[0] if part % 2 else spent[0] / spent[1])
    return statistics.median(ratios)


def _plain(condition: Condition | None) -> RuleSet:
    points = [Point(_A, DeviceId("gauge-0"), Unit.METRE, 2)]
    return RuleSet([] if condition is None else [condition], points, local=local)


def _feed_ns(condition: Condition | None, samples: int) -> float:
    """What one call of ``feed`` costs with windows full and nothing changing, loop included."""
    rules = _plain(condition)
    width = round(HOUR_S * NS_PER_S / 600)
    utc = Utc(0)
    for number in range(610):
        rules.feed(_A, 1.0, Quality.GOOD, Instant(number * width), utc)
    period = round(_FAST_PERIOD_S * NS_PER_S)
    instants = [Instant(610 * width + number * period) for number in range(samples)]

    def work(part: Sequence[Instant]) -> None:
        feed = rules.feed
        for now in part:
            feed(_A, 1.0, Quality.GOOD, now, utc)

    size = samples // _SLICES
    parts = [instants[part * size : (part + 1) * size] for part in range(_SLICES)]
    return min(cpu_s(partial(work, part))[0] for part in parts) / size * 1e9


def single(samples: int) -> Numbers:
    """One rule on one point: what each kind of comparison adds to a reading that changes none."""
    bare = _feed_ns(None, samples)

    def added(condition: Condition) -> float:
        return round(_feed_ns(condition, samples) - bare)

    numbers: Numbers = {"leaf_ns": added(_one(Compare(Value(_A), ">=", _NEVER)))}
    for function in Function:
        length = 0 if function is Function.DAY_SUM else round(HOUR_S * NS_PER_S)
        window = Window(function, _A, length, float(function is Function.TANGENT))
        numbers[f"{function.value}_ns"] = added(_one(Compare(window, ">=", 89.0)))
    return numbers


def _one(compare: Compare) -> Condition:
    return Condition(RuleId("one"), (LevelCondition(Level.RED, compare),))


def memory(points: int) -> Numbers:
    """What the rules of the mix take with every bin of every window in use."""
    site = make_site(points, HOUR_S / 600)
    stream = readings(site, 700 * points)
    gc.collect()
    tracemalloc.start()
    try:
        rules = rule_set(site)
        for each in stream:
            rules.feed(*each)
        gc.collect()
        measured, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    stated = rules.memory_bytes()
    return {"memory_stated_bytes": stated, "memory_measured_bytes": measured}


def run(
    points: int, samples: int, rescans: int, data: Path | None = None
) -> tuple[Numbers, Numbers, Numbers]:
    """Settings, figures and ratios. Raises Disagreement."""
    settings: Numbers = {
        "cores": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2),
        "points": points,
        "rules_per_point": 3,
        "samples": samples,
        "rescan_samples": rescans,
        "window_s": HOUR_S,
        "period_s": 1.0,
        "fast_period_s": _FAST_PERIOD_S,
    }
    _say("quality and three rules per point, beside a rescan of every window")
    numbers, ratios = mix(points, samples, rescans)
    _say("windows of ten minutes and of a week")
    ratios["window_7d_over_10min"] = round(lengths(samples // 2, _FAST_PERIOD_S), 3)
    ratios["window_7d_over_10min_1_per_s"] = round(lengths(samples // 2, 1.0), 3)
    _say("one rule at a time, and memory")
    numbers |= single(max(5000, samples // 2)) | memory(points)
    _say("a back-test, from CSV to decisions")
    # a back-test is a process of its own: its collector does not look at what was measured before
    gc.collect()
    gc.freeze()
    numbers |= measure_backtest(samples, data=data)
    gc.unfreeze()
    stated, measured = numbers["memory_stated_bytes"], numbers["memory_measured_bytes"]
    ratios["memory_measured_over_stated"] = round(measured / stated, 3)
    return settings, numbers, ratios


def as_table(groups: Iterable[Numbers]) -> str:
    """For people: a line per number."""
    return "\n".join(f"{name:32}{value:>14,g}" for group in groups for name, value in group.items())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="tools.bench.rules", description=__doc__)
    parser.add_argument("--points", type=int, default=6, help="a multiple of 6")
    parser.add_argument("--samples", type=int, default=300_000, help="through the agent's rules")
    parser.add_argument("--rescans", type=int, default=6_000, help="of them through the rescan")
    parser.add_argument("--data", type=Path, help="recorded series to back-test, a folder of CSV")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args(arguments)
    if options.points % 6 or options.points < 6:
        parser.error("--points must be a multiple of 6")
    try:
        settings, numbers, ratios = run(
            options.points, options.samples, options.rescans, options.data
        )
    except Disagreement as error:
        _say(f"rules bench: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    if options.json:
        result = {"bench": "rules", "settings": settings, "figures": numbers, "ratios": ratios}
        print(json.dumps(result, allow_nan=False))
    else:
        print(as_table((numbers, ratios)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
