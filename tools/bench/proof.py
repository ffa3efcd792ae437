"""``python -m tools.bench.proof [--json]``: random sites against the latency proof.

Every site is proven, then attacked: the real agent runs in virtual time against paced twins with
phases, dead devices and coincidences that are searched for, and nothing found may exceed the bound.
See docs/bench.md. Exit status: 0, 1 if a proof did not hold, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.analysis.latency import prove
from edge.app.config import load_site
from edge.app.proof import system_of
from tools.bench import proof_faults
from tools.bench.pairing import quantile
from tools.bench.proof_campaign import Attack, SiteResult, attack_site, replay
from tools.bench.proof_sites import write_large_site
from tools.bench.report import Numbers

_LOOSE = 1.5
_LARGE_SITES = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench."""
    options = _options(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    try:
        with proof_faults.seeded(options.seed_fault):
            results = list(_campaign(options))
    except KeyboardInterrupt:
        return 130
    numbers = figures(results) | large_figures()
    if options.real:
        from tools.bench.proof_real import measure  # opens terminals; not needed otherwise

        numbers |= measure()
    _tell(results, numbers)
    settings = {"sites": options.sites, "seed": options.seed, "trials": options.trials}
    if options.json:
        line = {"bench": "proof", "settings": settings, "figures": numbers, "ratios": {}}
        print(json.dumps(line, allow_nan=False))
    broken = numbers["violations"] + numbers.get("real_violations", 0)
    return 1 if broken else 0


def figures(results: Sequence[SiteResult]) -> Numbers:
    """What the campaign found, as flat numbers; docs/bench.md says what each tightness counts."""
    attacks = [attack for result in results for attack in result.attacks]
    numbers: Numbers = {
        "sites": sum(bool(result.attacks) for result in results),
        "rules": len(attacks),
        "overloaded": sum(result.overloaded for result in results),
        "violations": sum(bool(result.violations) for result in results),
        "trials": sum(attack.trials for attack in attacks),
    }
    parts = {
        "tightness": [result.slowest for result in results],
        "tightness_loosest": [result.loosest for result in results],
        "tightness_rule": [attack.ratio for attack in attacks],
        "tightness_confirmed": [attack.confirmed_ratio for attack in attacks],
    }
    for name, ratios in parts.items():
        values = [ratio for ratio in ratios if ratio is not None]
        if values:
            numbers[f"{name}_median"] = round(quantile(values, 0.5), 4)
            numbers[f"{name}_p90"] = round(quantile(values, 0.9), 4)
            numbers[f"{name}_worst"] = round(max(values), 4)
    if results:
        numbers["prove_s_max"] = round(max(result.prove_s for result in results), 4)
        numbers["site_s_mean"] = round(sum(r.took_s for r in results) / len(results), 3)
    return numbers


def large_figures() -> Numbers:
    """How long it takes to prove 64 devices on four lines, and the whole command with it."""
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        path = write_large_site(Path(name))
        site = load_site(path)
        took, bounds = [], 0
        for _ in range(_LARGE_SITES):
            begin = time.perf_counter()
            bounds = len(prove(system_of(site)).bounds)
            took.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        command = [sys.executable, "-m", "edge.cli.main", "check", str(path)]
        done = subprocess.run(command, capture_output=True, check=False)
        command_s = time.perf_counter() - begin
    return {
        "check_64_devices_s": round(quantile(took, 0.5), 4),
        "check_64_devices_s_max": round(max(took), 4),
        "check_64_command_s": round(command_s, 3),
        "check_64_command_status": done.returncode,
        "check_64_bounds": bounds,
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.proof", description=__doc__)
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--sites", type=int, default=1000, help="random sites (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first site; the next is +1")
    parser.add_argument("--trials", type=int, default=40, help="runs per rule and output (40)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--resume", type=Path, help="results are kept here and not made again")
    parser.add_argument(
        "--keep", type=Path, default=Path("results/proof"), help="where sites go that break"
    )
    parser.add_argument("--replay", type=Path, help="run the scenarios of a kept site again")
    parser.add_argument("--real", action="store_true", help="three sites in real time, too")
    parser.add_argument("--seed-fault", choices=sorted(proof_faults.FAULTS), help="break the proof")
    return parser.parse_args(arguments)


def _campaign(options: argparse.Namespace) -> Iterator[SiteResult]:
    """Results of all seeds, those of an earlier run first."""
    seeds = range(options.seed, options.seed + options.sites)
    done = {r.seed: r for r in _kept(options.resume) if r.seed in seeds}
    yield from done.values()
    begin = time.monotonic()
    missing = [seed for seed in seeds if seed not in done]
    for count, result in enumerate(_run(missing, options), start=1):
        if options.resume is not None:
            options.resume.parent.mkdir(parents=True, exist_ok=True)
            with options.resume.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        for attack in result.violations:
            print(f"site {result.seed}: {_line(attack)}", file=sys.stderr)
        if count % 20 == 0:
            rate = count / (time.monotonic() - begin)
            print(f"{len(done) + count} sites, {rate:.2f}/s", file=sys.stderr)
        yield result


def _run(seeds: list[int], options: argparse.Namespace) -> Iterator[SiteResult]:
    if options.jobs <= 1:
        for seed in seeds:
            yield attack_site(seed, options.trials, options.keep)
        return
    # forked, so that a seeded fault is there too
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, context) as pool:
        tasks = [pool.submit(attack_site, seed, options.trials, options.keep) for seed in seeds]
        try:
            for task in concurrent.futures.as_completed(tasks):
                yield task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _kept(resume: Path | None) -> Iterable[SiteResult]:
    if resume is None or not resume.exists():
        return
    for line in resume.read_text("utf-8").splitlines():
        fields: dict[str, Any] = json.loads(line)
        fields["attacks"] = [Attack(**attack) for attack in fields["attacks"]]
        yield SiteResult(**fields)


def _line(attack: Attack) -> str:
    return f"{attack.rule} -> {attack.output}: {attack.broken or f'ratio {attack.ratio or 0:.3f}'}"


def _tell(results: Sequence[SiteResult], numbers: Numbers) -> None:
    """For people: what did not hold, what is loose, the figures."""
    for result in sorted(results, key=lambda each: each.seed):
        for attack in result.attacks:
            if attack.broken or (attack.ratio or 0) > _LOOSE:
                print(f"site {result.seed}: {_line(attack)}")
        if result.violations:
            print(f"  python -m tools.bench.proof --replay results/proof/site-{result.seed}")
    for name, value in numbers.items():
        print(f"{name}: {value:g}")


def _replay(folder: Path) -> int:
    over = 0
    for attack, finding in replay(folder):
        print(attack.rule, attack.output, attack.broken)
        for kind, bound in attack.bound.items():
            found = getattr(finding, kind) or 0
            over += found > bound
            print(f"  {kind}: {found / 1e6:.6f} ms, bound {bound / 1e6:.6f} ms")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
