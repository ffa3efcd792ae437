"""How many recorded samples a second go through a whole back-test: CSV to decisions.

Three rules per point: four thresholds with hysteresis and holding time, a window, and a
repetition. The record is made here, or is every CSV of a folder.
"""

from __future__ import annotations

import csv
import math
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from statistics import median, quantiles

from edge.app.backtest import Order, backtest, decision_line
from edge.app.backtest_engine import engine_of
from edge.app.config import load_site
from edge.app.history.mapping import Series
from edge.core.model import PointId
from tools.recorded_walk import Recorded, live_log

POINTS = 32
PERIOD_S = 60
_BEGIN_S = 1_700_000_000
_MOST_SERIES = 200

_SITE = """\
[site]
id = "bench"
name = "bench"
time_zone = "Asia/Shanghai"

[[bus]]
id = "line-a"
kind = "rtu"
port = "/dev/serial/by-id/usb-bench"
baud = 115200
data_bits = 8
parity = "none"
stop_bits = 1
"""
_DEVICE = """
[[device]]
id = "{device}"
bus = "line-a"
profile = "{device}.toml"
address = {address}
period_ms = 60000
"""
_PROFILE = """\
[device]
name = "bench"
maker = "none"
model = "bench"
kind = "other"
protocol = "modbus"
verified = false
source = "made for the bench"
[line]
baud = 115200
data_bits = 8
parity = "none"
stop_bits = 1
address = 1
[timing]
turnaround_ms = 1
timeout_ms = 50
late_ms = 100
[limits]
max_registers = 2
max_gap = 0
"""
_POINT = """
[point.{name}]
table = "input"
address = {address}
type = "f32"
word_order = "high_first"
scale = 1
decimals = 3
unit = ""
range = [-1000000, 1000000]
description = {{ en = "{name}", zh = "{name}" }}
"""
_RULES = """
[[rule]]
id = "level-{number}"
point = "{point}"
comparison = ">="
blue = "{p980}"
yellow = "{p990}"
orange = "{p995}"
red = "{p998}"
hysteresis = "{step}"
hold_s = 120
lost = "hold"

[[rule]]
id = "window-{number}"
yellow = "mean({point}, 1 h) >= {p980}"
lost = "hold"

[[rule]]
id = "burst-{number}"
orange = "{point} >= {p995} for 3 of 5 readings"
lost = "hold"
"""


def measure(samples: int = 400_000, *, data: Path | None = None, runs: int = 3) -> dict[str, float]:
    """Figures by name: ``backtest_samples_per_s`` (median of the runs) and what went through.

    Per second of processor time: it is one thread, and other programs are none of its business.
    ``backtest_unlike_live``: decisions that differ from those of the running agent, in virtual time
    on the same samples; byte by byte, in order.
    ``data``: a folder of ``time,series,value`` files instead of a made record. Raises ValueError
    if there is none in it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if data is None:
            _make_record(folder / "record.csv", samples)
            paths = [folder / "record.csv"]
        else:
            paths = _named_apart(_long_files(data), folder)
        series = _write_site(folder, paths)
        order = Order((load_site(folder / "site.toml"),), tuple(paths), tuple(series))
        rates, fed = [], 0
        for _ in range(runs):
            began = time.process_time()
            report = backtest(order, engine_of)
            taken = time.process_time() - began
            fed = report.results[0].fed
            rates.append(fed / taken)
        replayed, live = _replayed(order), live_log(order.sites[0], _recorded(paths, series))
    return {
        "backtest_samples_per_s": round(median(rates)),
        "backtest_samples": fed,
        "backtest_decisions": len(replayed),
        "backtest_rules": 3 * len(series),
        "backtest_unlike_live": sum(a != b for a, b in zip_longest(replayed, live)),
    }


def _replayed(order: Order) -> list[str]:
    """The decisions of a back-test, a line each."""
    lines: list[str] = []
    backtest(
        order, engine_of, decided=lambda at_ms, alarm: lines.append(decision_line(at_ms, alarm))
    )
    return lines


def _recorded(paths: list[Path], series: list[Series]) -> list[Recorded]:
    """The same samples, read by nothing that a back-test reads them with."""
    points = {each.name: each.point for each in series}
    samples = []
    for path in paths:
        with path.open(encoding="utf-8") as file:
            next(file)
            rows = (line.rstrip("\n").split(",") for line in file)
            samples += [
                Recorded(round(float(at_s) * 1000), points[name], float(value))
                for at_s, name, value in rows
                if name in points
            ]
    unlike = [a for a, b in zip(samples, [None, *samples], strict=False) if a != b]
    return sorted(unlike, key=lambda sample: sample.at_ms)


def _make_record(path: Path, samples: int) -> None:
    """A tide with noise and a swell of some days, on every point with another phase."""
    noise = random.Random(8658120)
    with path.open("w", encoding="ascii") as file:
        file.write("time,series,value\n")
        for step in range(samples // POINTS):
            at_s = _BEGIN_S + step * PERIOD_S
            for point in range(POINTS):
                tide = math.sin(at_s / 7000 + point) + 0.5 * math.sin(at_s / 90_000 - point)
                file.write(f"{at_s},p{point:02},{tide + noise.gauss(0, 0.02):.3f}\n")


def _long_files(data: Path) -> list[Path]:
    found = []
    for path in sorted(data.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            if file.readline().strip() == "time,series,value":
                found.append(path)
    if not found:
        raise ValueError(f"no file with time,series,value in {data}")
    return found


def _named_apart(files: list[Path], folder: Path) -> list[Path]:
    """Copies in which no two files have a series of the same name."""
    copies = []
    for number, source in enumerate(files):
        copy = folder / f"{number:02}.csv"
        with source.open(encoding="utf-8") as rows, copy.open("w", encoding="utf-8") as file:
            file.write(next(rows))
            for row in rows:
                at, _, rest = row.partition(",")
                file.write(f"{at},s{number}_{rest}")
        copies.append(copy)
    return copies


def _write_site(folder: Path, paths: list[Path]) -> list[Series]:
    """A device per file, a point per series, three rules per point; returns the mapping."""
    site, mapping, number = [_SITE], list[Series](), 0
    for address, path in enumerate(paths, start=1):
        device = f"d{address}"
        profile = [_PROFILE]
        site.append(_DEVICE.format(device=device, address=address))
        for place, (name, values) in enumerate(_values(path).items()):
            if len(values) < 20 or number >= _MOST_SERIES:
                continue
            point = name.lower()
            profile.append(_POINT.format(name=point, address=2 * place))
            site.append(_rules(number, f"{device}.{point}", values))
            mapping.append(Series(name, PointId(f"{device}.{point}")))
            number += 1
        (folder / f"{device}.toml").write_text("".join(profile), encoding="utf-8")
    (folder / "site.toml").write_text("".join(site), encoding="utf-8")
    return mapping


def _values(path: Path) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, value in _rows(path):
        found.setdefault(name, []).append(value)
    return found


def _rows(path: Path) -> Iterator[tuple[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["series"], float(row["value"])


def _rules(number: int, point: str, values: list[float]) -> str:
    """Thresholds that one reading in 50, 100, 200, 500 reaches; never two alike."""
    cuts = quantiles(values, n=1000, method="inclusive")
    step = max(cuts[989] - cuts[9], 1e-3) / 100
    names = (("p980", 979), ("p990", 989), ("p995", 994), ("p998", 997))
    limits = {
        name: f"{cuts[place] + rank * 2 * step:.9f}" for rank, (name, place) in enumerate(names)
    }
    return _RULES.format(number=number, point=point, step=f"{step:.9f}", **limits)


def main() -> None:
    """Print the figures; ``--data DIR`` for recorded series."""
    import argparse
    import json

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--samples", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.samples, data=options.data, runs=options.runs)))


if __name__ == "__main__":
    main()
