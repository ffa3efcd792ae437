"""``tongluo wire``: how well each device can be heard, worst cable first, live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.cli.options import columns, json_option, print_json, state_option
from edge.locale import text

_COUNTS = (
    "questions", "answers", "timeouts", "checksum_errors", "garbled", "echoes", "late", "slow",
)  # fmt: skip
_HEAD = ("bus", "address", "device", *_COUNTS, "p50", "p99", "state")


@dataclass(frozen=True, slots=True)
class Wire:
    """One device: what came of its questions since the look began, and its turnaround.

    Turnarounds in milliseconds are since the agent's start; None before the first answer.
    ``lost_s`` is how long it has been lost, None if it is not.
    """

    bus: str
    address: int
    device: str
    questions: int
    answers: int
    timeouts: int
    checksum_errors: int
    garbled: int
    echoes: int
    late: int
    slow: int
    p50_ms: float | None
    p99_ms: float | None
    lost_s: float | None
    up: bool

    @property
    def badness(self) -> tuple[bool, bool, float, int]:
        """What sorts the worst first: gone, lost, the share of vain questions, odd answers."""
        share = (self.timeouts + self.garbled) / self.questions if self.questions else 0.0
        return not self.up, self.lost_s is not None, share, self.late + self.slow + self.echoes


@click.command()
@state_option
@json_option
@click.option("--bus", "only", default=None, help="Only this bus.")
@click.option("--every", "every_s", type=click.FloatRange(0.1, 60), default=1.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--for", "seconds", type=float, default=None, help="Stop after this many seconds.")
@click.option("--total", is_flag=True, help="Count from the agent's start, not from now.")
def wire(
    state: Path, as_json: bool, only: str | None, every_s: float, seconds: float | None, total: bool
) -> None:
    """Show for each device how it answers, worst first; stop with Ctrl-C.

    On a terminal the picture is redrawn in place; into a pipe one table is printed at the end.
    """
    asyncio.run(_watch(state, as_json, only, every_s, seconds, total))


async def _watch(
    state: Path, as_json: bool, only: str | None, every_s: float, seconds: float | None, total: bool
) -> None:
    first = await ask(state, {"op": "status"})
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    live = sys.stdout.isatty() and not as_json
    wires: list[Wire] = wires_of(first, {} if total else first, only)
    while end is None or loop.time() < end:
        if live:
            click.echo("\x1b[H\x1b[2J" + table(wires))
        await asyncio.sleep(every_s if end is None else min(every_s, max(0, end - loop.time())))
        wires = wires_of(await ask(state, {"op": "status"}), {} if total else first, only)
        if as_json:
            print_json({"wires": [asdict(each) for each in wires]})
    if not as_json:
        click.echo(("\x1b[H\x1b[2J" if live else "") + table(wires))


def wires_of(
    now: Mapping[str, Any], before: Mapping[str, Any], only: str | None = None
) -> list[Wire]:
    """Every device that has an address, worst first. ``before``: counts to begin from."""
    earlier = {bus["id"]: bus["units"] for bus in before.get("buses", ())}
    wires = []
    for bus in now["buses"]:
        if only is not None and only not in (bus["id"], bus["id"].partition("/")[0]):
            continue
        for address, device in bus["devices"].items():
            unit = bus["units"].get(address, {})
            base = earlier.get(bus["id"], {}).get(address, {})
            turnaround = unit.get("turnaround", {})
            lost = bus["lost"].get(address)
            counts = {name: unit.get(name, 0) - base.get(name, 0) for name in _COUNTS}
            wires.append(
                Wire(
                    bus=bus["id"], address=int(address), device=device, **counts,
                    p50_ms=turnaround.get("p50_ms"), p99_ms=turnaround.get("p99_ms"),
                    lost_s=lost["since_s"] if lost else None, up=bus["up"],
                )
            )  # fmt: skip
    return sorted(wires, key=lambda each: each.badness, reverse=True)


def table(wires: Iterable[Wire]) -> str:
    """A head and a row per device."""
    rows = [tuple(text(f"wire.{name}") for name in _HEAD)]
    rows += [
        (
            each.bus,
            str(each.address),
            each.device,
            *(str(getattr(each, name)) for name in _COUNTS),
            _shown(each.p50_ms),
            _shown(each.p99_ms),
            _state(each),
        )
        for each in wires
    ]
    return columns(rows)


def _shown(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.1f}"


def _state(each: Wire) -> str:
    """What to look at first, in words."""
    if not each.up:
        return text("wire.down")
    if each.lost_s is not None:
        return text("wire.lost", seconds=round(each.lost_s))
    if each.checksum_errors:
        return text("wire.noisy")
    if each.timeouts or each.garbled:
        return text("wire.failing")
    if each.slow or each.late:
        return text("wire.sluggish")
    if each.echoes:
        return text("wire.echoing")
    return text("wire.well") if each.answers else text("wire.unasked")
