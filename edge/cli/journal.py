"""``tongluo journal``.

What has been recorded, straight from the file, with or without a running agent.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from edge.cli.options import json_option, print_json, state_option
from edge.cli.words import clock_time
from edge.core.errors import StoreError
from edge.core.quality_code import CODES
from edge.locale import text
from protocols.block import Profile, decode_birth, decode_block, profile_of
from protocols.envelope import Envelope, Malformed, decode_body
from uplink.reader import JournalReader


@click.command()
@state_option
@json_option
@click.option("--after", type=int, default=0, help="Only records after this sequence number.")
@click.option("--kind", multiple=True, help="Only this kind of record; may be repeated.")
@click.option("--last", type=click.IntRange(min=1), default=None, help="Only the last N records.")
def journal(
    state: Path, as_json: bool, after: int, kind: tuple[str, ...], last: int | None
) -> None:
    """Print journal records, oldest first, telemetry blocks decoded; --json prints one per line."""
    path = state / "journal.db"
    if not path.exists():
        raise StoreError(text("journal.absent", path=path), hint=text("journal.absent-hint"))
    profiles: dict[bytes, Profile] = {}
    reader = JournalReader(path)
    with contextlib.closing(reader), reader.snapshot() as snapshot:
        for birth in snapshot.scan(kinds=("birth",)):
            with contextlib.suppress(Malformed):
                profile = decode_birth(birth.body)
                profiles[profile.id] = profile
        for record in snapshot.scan(after=after, kinds=kind, last=last):
            _print(record, _body(record, profiles), as_json)


def _print(record: Envelope, body: dict[str, object], as_json: bool) -> None:
    when = clock_time(record.utc_ms)
    if as_json:
        head = {"seq": record.seq, "kind": record.kind, "utc": when, "clock": record.quality}
        print_json({**head, "body": body})
    else:
        shown = json.dumps(body, ensure_ascii=False, separators=(", ", ": "))
        click.echo(f"{record.seq:>8}  {when}  {record.kind}  {shown}")


def _body(record: Envelope, profiles: dict[bytes, Profile]) -> dict[str, object]:
    """The record's content; what cannot be decoded is said, not raised."""
    try:
        if record.kind == "birth":
            profile = decode_birth(record.body)
            return {"profile": profile.id.hex(), "points": [c.point for c in profile.columns]}
        if record.kind == "block":
            return {"readings": _readings(record.body, profiles)}
        return decode_body(record.body)
    except Malformed as error:
        return {"damaged": str(error)}


def _readings(block: bytes, profiles: dict[bytes, Profile]) -> list[dict[str, object]]:
    profile = profiles.get(profile_of(block))
    columns = profile.columns if profile else ()
    return [
        {
            "point": columns[reading.column].point,
            "utc": clock_time(reading.at_ms),
            "value": reading.value,
            "quality": CODES[reading.quality].value if reading.quality < len(CODES) else None,
        }
        for reading in decode_block(block, profiles)
    ]
