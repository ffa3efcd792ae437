"""``tongluo backtest``: what the rules of a site would have done on recorded readings."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from edge.cli.options import json_option, print_json
from edge.core.errors import ConfigError, TongluoError
from edge.locale import text

if TYPE_CHECKING:
    from edge.app.backtest import Report
    from edge.core.model import Alarm

_STEPS_OF_BAR = 1000


@click.command()
@click.argument("site_file", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--events",
    "events_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Labelled events: begin,end,label[,level][,rule].",
)
@click.option(
    "--before",
    default="24 h",
    show_default=True,
    metavar="TIME",
    help="An alarm this long before an event is still of it.",
)
@click.option(
    "--against",
    metavar="OTHER.toml",
    type=click.Path(path_type=Path),
    help="Compare with this site file.",
)
@click.option(
    "--sweep",
    "swept",
    metavar="SPEC",
    help="Move one threshold: rule=RULE:level=LEVEL:FROM..TO:STEPS.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="SERIES=POINT[:UNIT]",
    help="Which series of the data is which point; may be repeated.",
)
@click.option(
    "--map-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The same as a TOML file with [[series]].",
)
@click.option(
    "--missing",
    multiple=True,
    metavar="VALUE[=QUALITY]",
    help="What stands for no reading, such as -9999; may be repeated.",
)
@click.option("--silence", metavar="TIME", help="A sensor without a row for this long is lost.")
@click.option("--zone", metavar="ZONE", help="Time zone of times without an offset.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the report and its pictures here.",
)
@json_option
def backtest(
    site_file: Path,
    data: tuple[Path, ...],
    events_file: Path | None,
    before: str,
    against: Path | None,
    swept: str | None,
    maps: tuple[str, ...],
    map_file: Path | None,
    missing: tuple[str, ...],
    silence: str | None,
    zone: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Replay DATA through the rules of SITE.toml: alarms, lead times, misses, false alarms."""
    from edge.app.backtest import Order
    from edge.app.backtest import backtest as replay
    from edge.app.backtest_engine import engine_of
    from edge.app.config import load_site
    from edge.app.history.events import read_events
    from edge.app.history.mapping import parse_map, parse_missing, read_map_file
    from edge.app.history.times import parse_duration
    from edge.app.sweep import parse_sweep, sweep_of
    from edge.cli.backtest_object import report_object
    from edge.cli.backtest_report import blocks
    from edge.cli.document import as_text

    sites = tuple(load_site(path) for path in (site_file, against) if path is not None)
    where = _zone(zone)
    rules = [rule.id for site in sites for rule in site.rules]
    order = Order(
        sites=sites,
        paths=data,
        series=(*map(parse_map, maps), *(read_map_file(map_file) if map_file else ())),
        missing=dict(map(parse_missing, missing)),
        zone=where,
        silence_ms=parse_duration(silence) if silence is not None else None,
        events=tuple(read_events(events_file, rules, where)) if events_file else (),
        reach_ms=parse_duration(before),
        sweep=sweep_of(sites, parse_sweep(swept)) if swept is not None else None,
    )
    with _decisions(folder) as decided, _bar() as progress:
        report = replay(order, engine_of, decided=decided, progress=progress)
    if folder is not None:
        _write(folder, report)
    if as_json:
        print_json(report_object(report))
    else:
        click.echo(as_text(list(blocks(report))))


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(text("problem.bad-zone", found=name, allowed=text("type.zone"))) from None


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[float], None] | None]:
    """A progress bar on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(
        length=_STEPS_OF_BAR, label=text("backtest.progress"), file=sys.stderr
    ) as bar:

        def show(done: float) -> None:
            bar.update(max(0, round(done * _STEPS_OF_BAR) - bar.pos))

        yield show
        show(1.0)


@contextlib.contextmanager
def _decisions(folder: Path | None) -> Iterator[Callable[[int, Alarm], None] | None]:
    """Write every decision as it is made; there may be more than fit in memory."""
    from edge.app.backtest import decision_line

    if folder is None:
        yield None
        return
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file: TextIO = (folder / "decisions.jsonl").open("w", encoding="utf-8")
    with file:

        def decided(at_ms: int, alarm: Alarm) -> None:
            with _written(folder):
                file.write(decision_line(at_ms, alarm) + "\n")

        yield decided


def _write(folder: Path, report: Report) -> None:
    """The report's files, and what could not be made of them."""
    import asyncio
    import json

    from edge.cli.backtest_object import report_object
    from edge.cli.backtest_report import blocks, sweep_svg, timeline_svg, title
    from edge.cli.document import as_html, as_text

    parts = list(blocks(report))
    files = {
        "report.txt": as_text(parts) + "\n",
        "report.html": as_html(parts, title(report)),
        "result.json": json.dumps(report_object(report), ensure_ascii=False, indent=1) + "\n",
        "timeline.svg": timeline_svg(report),
    }
    if report.curves:
        files["sweep.svg"] = sweep_svg(report)
        files["sweep.csv"] = _sweep_csv(report)
    with _written(folder):
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    pictures = [folder / name for name in files if name.endswith(".svg")]
    if not asyncio.run(_draw(pictures)):
        click.echo(text("backtest.no-png"), err=True)
    click.echo(text("backtest.written", folder=folder / "report.html"), err=True)


async def _draw(pictures: Sequence[Path]) -> bool:
    """A PNG beside each SVG; False if the program that makes them is absent or fails."""
    import asyncio
    import shutil

    program = shutil.which("rsvg-convert")
    if program is None:
        return False
    for picture in pictures:
        process = await asyncio.create_subprocess_exec(
            program, "-z", "2", "-o", str(picture.with_suffix(".png")), str(picture)
        )
        if await process.wait():
            return False
    return True


def _sweep_csv(report: Report) -> str:
    from edge.cli.backtest_object import score_object

    file = io.StringIO()
    rows = [
        {"file": curve.name, "threshold": choice.threshold, "written": choice.words,
         "present": choice.present, **score_object(choice.score)}
        for curve in report.curves
        for choice in curve.choices
    ]  # fmt: skip
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TongluoError(f"{error.filename or folder}: {error.strerror}") from error
