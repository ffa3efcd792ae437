"""``tongluo audit``: whether the journal's decisions are the ones that were made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from edge.cli.options import json_option, print_json, state_option
from edge.core.errors import StoreError
from edge.engine.audit import Head
from edge.engine.audit_file import Result
from edge.engine.audit_file import verify as verify_file
from edge.engine.audit_verify import Anchor
from edge.locale import text

EXIT_BROKEN = 4
EXIT_END_UNKNOWN = 5


@click.group()
def audit() -> None:
    """The hash chain over every decision in the journal."""


@audit.command(help=text("help.audit-verify"))
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@state_option
@json_option
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="First record.")
@click.option("--to", "last", type=click.IntRange(min=1), default=None, help="Last record.")
@click.option(
    "--received",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the district received: the lines of `tongluo receive`.",
)
@click.option("--head", "heads", multiple=True, metavar="N:HEX", help="A head kept elsewhere.")
def verify(
    file: Path | None,
    state: Path,
    as_json: bool,
    first: int,
    last: int | None,
    received: Path | None,
    heads: tuple[str, ...],
) -> int:
    """Walk the chain; see docs/audit.md."""
    path = file or state / "journal.db"
    if not path.exists():
        raise StoreError(text("journal.absent", path=path), hint=text("journal.absent-hint"))
    anchors = [_head(each, 0, text("audit.given-head")) for each in heads]
    result = verify_file(path, first=first, last=last, anchors=anchors)
    if received is not None:
        anchors += _received(received, result.source.site, result.source.epoch)
        result = verify_file(path, first=first, last=last, anchors=anchors)
    if as_json:
        print_json(_object(result))
    else:
        _print(result)
    if result.fault is not None:
        return EXIT_BROKEN
    return EXIT_END_UNKNOWN if result.whole and not result.end_known else 0


def _head(written: str, seq: int, origin: str) -> Anchor:
    """A head as a person or a district kept it. Raises click.BadParameter."""
    match = re.fullmatch(r"(\d+):([0-9a-f]{64})", written.strip().lower())
    if match is None:
        raise click.BadParameter(text("audit.bad-head", found=written), param_hint="--head")
    return Anchor(int(match[1]), seq, bytes.fromhex(match[2]), origin)


def _parsed(line: bytes) -> dict[str, object]:
    try:
        item = json.loads(line)
    except ValueError:
        return {}
    return item if isinstance(item, dict) else {}


def _received(path: Path, site: str, epoch: str) -> Iterator[Anchor]:
    """The checkpoints among what a district received of this journal, and its newest record."""
    origin = text("audit.district")
    newest = 0
    with path.open("rb") as lines:
        for line in lines:
            item = _parsed(line)
            if item.get("site") != site or item.get("epoch") != epoch:
                continue
            match item:
                case {"seq": int(seq)}:
                    newest = max(newest, seq)
            match item:
                case {"type": "checkpoint", "n": int(n), "body.seq": int(seq), "head": str(head)}:
                    yield _head(f"{n}:{head}", seq, origin)
    if newest:
        yield Anchor(0, newest, b"", origin)


def _object(result: Result) -> dict[str, object]:
    account = result.account
    fault = result.fault
    return {
        "site": result.source.site,
        "epoch": result.source.epoch,
        "intact": fault is None,
        "from": _place(account.first),
        "to": _place(account.last),
        "links": account.links,
        "evicted": account.evicted,
        "bridged": account.bridged,
        "checkpoints": account.checkpoints,
        "gaps": account.gaps,
        "uncovered_to": result.uncovered,
        "trusted_start": result.trusted,
        "end_known": result.end_known,
        "fault": None if fault is None else {**asdict(fault), "kind": fault.kind.value},
    }


def _place(head: Head) -> dict[str, object]:
    return {"n": head.n, "seq": head.seq, "head": head.head.hex()}


def _print(result: Result) -> None:
    account, fault = result.account, result.fault
    first, last = account.first, account.last
    if result.uncovered and not result.trusted:
        click.echo(text("audit.uncovered", seq=result.uncovered))
    if result.trusted:
        click.echo(text("audit.trusted", n=first.n, seq=first.seq))
    click.echo(text("audit.intact", first=first.seq + 1, last=last.seq, links=account.links))
    if account.evicted or account.bridged:
        click.echo(text("audit.evicted", records=account.evicted, links=account.bridged))
    for gap in account.gaps:
        click.echo(text("audit.gap", seq=gap["at"], cause=gap.get("cause")))
    click.echo(text("audit.head", n=last.n, head=last.head.hex()))
    if fault is not None:
        kind = text(f"audit.{fault.kind.value}", n=fault.n, seq=fault.seq)
        click.echo(f"{kind}: {text(f'audit.why-{fault.why}', **fault.facts)}")
    elif result.whole and result.end_known:
        click.echo(text("audit.end-known"))
    elif result.whole:
        click.echo(text("audit.end-unknown"))
