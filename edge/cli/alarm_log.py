"""``tongluo alarms --log``: what became of every alarm, straight from the journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from edge.app.clock import RealClock
from edge.cli.options import print_json
from edge.cli.words import change, clock_time, level, phase, silence, value
from edge.core.errors import StoreError
from edge.core.units import Unit, UnitMismatch, parse_quantity
from edge.locale import text
from protocols.envelope import Malformed, decode_body
from uplink.reader import JournalReader

_KINDS = ("alarm", "inhibit")


def print_log(state: Path, since: str | None, rules: Collection[str], as_json: bool) -> None:
    """Print alarm revisions and inhibits, oldest first; JSON is one object per line."""
    path = state / "journal.db"
    if not path.exists():
        raise StoreError(text("journal.absent", path=path), hint=text("journal.absent-hint"))
    first_ms = 0 if since is None else begin_ms(since, asyncio.run(_now_ms()))
    reader = JournalReader(path)
    with contextlib.closing(reader), reader.snapshot() as snapshot:
        for record in snapshot.scan(kinds=_KINDS):
            if record.utc_ms < first_ms:
                continue
            try:
                body = decode_body(record.body)
            except Malformed as error:
                body = {"damaged": str(error)}
            if rules and body.get("rule") not in rules:
                continue
            when = clock_time(record.utc_ms)
            if as_json:
                head = {
                    "seq": record.seq,
                    "kind": record.kind,
                    "utc": when,
                    "clock": record.quality,
                }
                print_json({**head, "body": body})
            else:
                click.echo(f"{when}  {log_line(record.kind, body)}")


async def _now_ms() -> int:
    return RealClock().utc().ms


def begin_ms(since: str, now_ms: int) -> int:
    """Wall time in milliseconds: so long before now (``2h``), or a date and time, of UTC."""
    try:
        seconds = parse_quantity(since).to(Unit.SECOND)
    except (ValueError, UnitMismatch):
        pass
    else:
        return now_ms - round(seconds * 1000)
    try:
        when = datetime.fromisoformat(since)
    except ValueError:
        raise click.BadParameter(text("alarm-log.since", found=since)) from None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def log_line(kind: str, body: Mapping[str, Any]) -> str:
    """One revision, or one begin or end of an inhibit, on one line."""
    if "damaged" in body:
        return str(body["damaged"])
    if kind == "inhibit":
        parts = [change(body["event"]), body["zone"]]
        told = [body["inhibit"]]
    else:
        written = body.get("change")
        parts = [change(written) if written else "-", level(body["current"]), body["rule"]]
        parts.append(phase(body["phase"]))
        told = body.get("silences", [])
    if body.get("by"):
        parts.append(f"{text('cli.by-whom')} {body['by']}")
    parts += [silence(each) for each in told]
    if body.get("evidence"):
        parts.append(", ".join(f"{e['point']} = {value(e)}" for e in body["evidence"]))
    return "  ".join(parts)
