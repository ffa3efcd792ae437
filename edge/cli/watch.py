"""``tongluo watch``: live values in the terminal."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from edge.app.complaint import Complaint
from edge.app.local_socket import connect
from edge.cli.options import columns, json_option, print_json, state_option
from edge.cli.words import alarm_line, quality, value
from edge.locale import text

_REDRAW_S = 0.25


@click.command()
@state_option
@json_option
@click.option("--for", "seconds", type=float, default=None, help="Stop after this many seconds.")
def watch(state: Path, as_json: bool, seconds: float | None) -> None:
    """Show values and alarms as they change; stop with Ctrl-C.

    On a terminal the picture is redrawn in place; into a pipe each change is a line.
    """
    asyncio.run(_watch(state, as_json, seconds))


async def _watch(state: Path, as_json: bool, seconds: float | None) -> None:
    values: dict[str, Any] = {}
    drawn = 0.0
    loop = asyncio.get_running_loop()
    in_place = sys.stdout.isatty() and not as_json
    try:
        async with asyncio.timeout(seconds), connect(state) as peer:
            await peer.send({"op": "watch"})
            while (message := await peer.receive()) is not None:
                samples: Any = message["samples"]
                values.update({sample["point"]: sample for sample in samples})
                if as_json:
                    print_json(message)
                elif not in_place:
                    _print_lines(samples)
                elif loop.time() - drawn > _REDRAW_S:
                    drawn = loop.time()
                    _draw(values, message["alarms"])
    except TimeoutError:
        return
    raise Complaint("stopped")


def _print_lines(samples: Any) -> None:
    for sample in samples:
        click.echo(f"{sample['point']}\t{value(sample)}\t{quality(sample['quality'])}".rstrip())


def _draw(values: dict[str, Any], alarms: Any) -> None:
    rows = [(name, value(v), quality(v["quality"])) for name, v in sorted(values.items())]
    lines = [alarm_line(alarm) for alarm in alarms] or [text("watch.quiet")]
    click.echo("\x1b[H\x1b[2J" + "\n".join(lines) + "\n\n" + columns(rows))
