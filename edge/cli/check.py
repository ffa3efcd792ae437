"""``tongluo check``: all that is wrong with site files, or a summary of what is right."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.locale import text

if TYPE_CHECKING:
    from edge.app.config import BusConfig, Problem, Site

EXIT_PROBLEMS = 2


@click.command()
@click.argument(
    "sites", metavar="SITE.toml…", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check(sites: tuple[Path, ...], *, as_json: bool) -> None:
    """Check site files and the profiles they use.

    Prints every problem as file:line: path: message, and ends with status 2 if there is any.
    Otherwise prints what the site consists of and how busy its lines are.
    """
    from edge.app.config import inspect_site

    results = [inspect_site(path) for path in sites]
    problems = [problem for _, found in results for problem in found]
    if as_json:
        print_json([site for site, _ in results if site is not None], problems)
    else:
        for site, found in results:
            print_problems(found)
            if site is not None:
                print_summary(site)
    if problems:
        sys.exit(EXIT_PROBLEMS)


def print_json(sites: list[Site], problems: list[Problem]) -> None:
    """One object: whether all is well, the problems, the warnings, and a summary per right site."""
    document = {
        "ok": not problems,
        "problems": [problem.json() for problem in problems],
        "warnings": [warning.json() for site in sites for warning in site.warnings],
        "summary": [summarise(site) for site in sites],
    }
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_problems(problems: tuple[Problem, ...]) -> None:
    """Each problem on a line, with a line for its hint, and how many there are."""
    for problem in problems:
        click.echo(str(problem))
        if problem.hint:
            click.echo(f"  {text('check.hint', hint=problem.hint)}")
    if len(problems) > 1:
        click.echo(text("check.problems", count=len(problems)))
    elif problems:
        click.echo(text("check.problem"))


def print_summary(site: Site) -> None:
    """What the site consists of, its buses with their load, and what may be an oversight."""
    summary = summarise(site)
    head = {"file": summary["file"], "id": summary["site"], "name": summary["name"]}
    click.echo(text("check.fine", **head))
    click.echo("  " + text("check.counts", **summary))
    rows = [
        tuple(text(f"check.{key}") for key in ("bus", "kind", "line", "devices", "utilisation"))
    ]
    for bus in site.buses:
        load = site.utilisation.get(bus.id)
        devices = sum(device.bus == bus.id for device in site.devices)
        shown = f"{load:.1%}" if load is not None else "–"
        rows.append((bus.id, bus.kind, _line_of(bus), str(devices), shown))
    if site.buses:
        for row in align(rows):
            click.echo(f"  {row}")
    for warning in site.warnings:
        message = text("check.warning", message=warning.message)
        click.echo(f"{warning.file}:{warning.line}: {warning.path}: {message}")


def summarise(site: Site) -> dict[str, object]:
    """Counts and line loads of a site, ready for JSON; ``utilisation`` 1.0 is the whole line."""
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
        "utilisation": {bus: round(share, 4) for bus, share in site.utilisation.items()},
    }


def align(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as columns two spaces apart; Chinese characters take two places."""
    widths = [max(map(_places, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _places(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _places(cell: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in cell)


def _line_of(bus: BusConfig) -> str:
    if bus.kind == "tcp":
        return f"{bus.host}:{bus.tcp_port}"
    parity = (bus.parity or "none")[0].upper()
    return f"{bus.port} {bus.baud} {bus.data_bits}{parity}{bus.stop_bits}"
