"""``tongluo check``: all that is wrong with site files, or a summary of what is right."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.locale import places, text

if TYPE_CHECKING:
    from edge.app.config import BusConfig, Problem, Site
    from edge.app.proof import Judgement

EXIT_PROBLEMS = 2


@click.command()
@click.argument(
    "sites", metavar="SITE.toml…", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--terms", "-v", "terms", is_flag=True, help="Show every part of every bound.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(sites: tuple[Path, ...], *, terms: bool, as_json: bool) -> None:
    """Check site files and the profiles they use, and prove that each rule sounds in time.

    Prints every problem as file:line: path: message, and ends with status 2 if there is any.
    Otherwise prints what the site consists of, how busy its lines are, and the bound of every rule.
    """
    from edge.app.config import inspect_site
    from edge.app.port_warnings import port_warnings
    from edge.app.proof import judge

    problems: list[Problem] = []
    right: list[tuple[Site, Judgement]] = []
    for path in sites:
        site, found = inspect_site(path)
        if site is not None:
            site = replace(site, warnings=(*site.warnings, *port_warnings(site)))
        judged = judge(site) if site is not None else None
        found = judged.problems if judged is not None else found
        problems += found
        if site is not None and judged is not None:
            right.append((site, judged))
        if not as_json:
            print_problems(found)
            if site is not None and judged is not None:
                print_summary(site, judged, terms=terms)
    if as_json:
        print_json(right, problems)
    if problems:
        sys.exit(EXIT_PROBLEMS)


def print_json(sites: list[tuple[Site, Judgement]], problems: list[Problem]) -> None:
    """One object: whether all is well, the problems, the warnings, and a summary per right site."""
    document = {
        "ok": not problems,
        "problems": [problem.json() for problem in problems],
        "warnings": [
            warning.json()
            for site, judged in sites
            for warning in (*site.warnings, *judged.warnings)
        ],
        "summary": [summarise(site, judged) for site, judged in sites],
    }
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_problems(problems: tuple[Problem, ...]) -> None:
    """Each problem on a line, with a line for its hint, and how many there are."""
    for problem in problems:
        click.echo(str(problem))
        _print_detail(problem)
    if len(problems) > 1:
        click.echo(text("check.problems", count=len(problems)))
    elif problems:
        click.echo(text("check.problem"))


def print_summary(site: Site, judged: Judgement, *, terms: bool) -> None:
    """What the site consists of, its buses with their load, its bounds, and possible oversights."""
    summary = summarise(site, judged)
    head = {"file": summary["file"], "id": summary["site"], "name": summary["name"]}
    click.echo(text("check.late" if judged.refused else "check.fine", **head))
    click.echo("  " + text("check.counts", **summary))
    kib = -(-_rules_bytes(site) // 1024)
    click.echo("  " + text("check.memory", kib=kib))
    if site.buses:
        for row in align(_bus_rows(site, judged)):
            click.echo(f"  {row}")
    print_bounds(judged, terms=terms)
    for warning in (*site.warnings, *judged.warnings):
        message = text("check.warning", message=warning.message)
        where = f"{warning.place}: {warning.path}" if warning.path else warning.place
        click.echo(f"{where}: {message}")
        _print_detail(warning)


def _print_detail(problem: Problem) -> None:
    """The text with a caret under what is meant, and what to do."""
    if problem.excerpt:
        click.echo(f"  {problem.excerpt}\n  {problem.caret}")
    if problem.hint:
        click.echo(f"  {text('check.hint', hint=problem.hint)}")


def print_bounds(judged: Judgement, *, terms: bool) -> None:
    """The bound of every rule and output; advice under the late ones; all terms if wanted."""
    from edge.cli.bounds import advice_lines, bound_rows, term_rows

    head, *rows = align(bound_rows(judged))
    bounds = judged.proof.bounds
    for index, (bound, row) in enumerate(zip(bounds, rows, strict=True)):
        if index == 0:
            click.echo(f"  {head}")
        click.echo(f"  {row}")
        if terms:
            for line in align(term_rows(bound)):
                click.echo(f"      {line}")
        if not any(other.rule == bound.rule for other in bounds[index + 1 :]):
            for line in advice_lines(judged, bound.rule):
                click.echo(f"    {line}")


def summarise(site: Site, judged: Judgement) -> dict[str, object]:
    """Counts, line loads and bounds of a site, ready for JSON; ``utilisation`` 1.0 is the whole
    line."""
    from edge.cli.bounds import proof_object, shares, total

    return {
        "file": str(site.path),
        "site": site.site.id,
        "name": site.site.name,
        "digest": site.digest,
        "devices": len(site.devices),
        "points": len(site.points),
        "rules": len(site.rules),
        "plans": len(site.plans),
        "links": len(site.links),
        "rules_memory_bytes": _rules_bytes(site),
        "utilisation": {bus: round(total(load), 4) for bus, load in shares(site, judged).items()},
        "proof": proof_object(judged),
    }


def _rules_bytes(site: Site) -> int:
    """The most memory that judging the rules ever takes; the site file alone decides it."""
    from edge.app.checks import checks_of
    from edge.app.deciding import rule_set_of

    return rule_set_of(site, checks_of(site)).memory_bytes()


def _bus_rows(site: Site, judged: Judgement) -> list[tuple[str, ...]]:
    from edge.cli.bounds import shares, total

    keys = ("bus", "kind", "line", "devices", "act", "watch", "log", "utilisation")
    rows = [tuple(text(f"check.{key}") for key in keys)]
    loads = shares(site, judged)
    for bus in site.buses:
        load = loads.get(bus.id)
        parts = (load.act, load.watch, load.log, total(load)) if load is not None else ()
        shown = [f"{part:.1%}" for part in parts] or ["–"] * 4
        devices = sum(device.bus == bus.id for device in site.devices)
        rows.append((bus.id, bus.kind, _line_of(bus), str(devices), *shown))
    return rows


def align(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as columns two spaces apart; Chinese characters take two places."""
    widths = [max(map(places, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - places(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _line_of(bus: BusConfig) -> str:
    if bus.kind == "tcp":
        return f"{bus.host}:{bus.tcp_port}"
    parity = (bus.parity or "none")[0].upper()
    return f"{bus.port} {bus.baud} {bus.data_bits}{parity}{bus.stop_bits}"
