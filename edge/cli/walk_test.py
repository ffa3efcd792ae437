"""``tongluo walk-test``: stimulate each sensor, see it respond, hear the right horn, tick off."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.app.proof_words import output_words
from edge.cli.exercise_words import output_rows, sensor_rows, sounding_words, walk_sign
from edge.cli.options import json_option, print_json, state_option
from edge.cli.words import clock_time
from edge.core.errors import StoreError
from edge.locale import text
from protocols.envelope import Malformed, decode_body
from uplink.reader import JournalReader

_LOOK_S = 0.5


@click.group()
def walk_test() -> None:
    """Walk round, stimulate each sensor, see which responds and what sounds, keep the record."""


@walk_test.command()
@click.option("--rule", help="The rule whose sensors are tested.")
@click.option("--zone", help="Test all rules of this zone.")
@click.option("--by", default=None, help="Who walks; the account's name by default.")
@click.option("--reason", default="", help="What for.")
@click.option("--minutes", type=float, default=30.0, show_default=True, help="The time limit.")
@click.option("--sound", "sound_s", type=float, help="Sound the horns for so many seconds.")
@click.option(
    "--change", "changes", multiple=True,
    help="A change that counts, such as \"0.10 m\"; for points of its dimension.",
)  # fmt: skip
@click.option("--follow/--no-follow", default=True, help="Show responses until it ends.")
@state_option
@json_option
def start(
    rule: str | None,
    zone: str | None,
    by: str | None,
    reason: str,
    minutes: float,
    sound_s: float | None,
    changes: tuple[str, ...],
    follow: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Begin. The rules under test raise no alarm until it ends; Ctrl-C only ends the watching."""
    if (rule is None) == (zone is None):
        raise click.UsageError(text("walk.rule-or-zone"))
    request: dict[str, object] = {
        "op": "walk-test", "do": "start", "rule": rule, "zone": zone,
        "by": by or getpass.getuser(), "reason": reason, "minutes": minutes, "sound_s": sound_s,
        "changes": list(changes),
    }  # fmt: skip
    answer: Mapping[str, Any] = asyncio.run(ask(state, request))
    if as_json:
        print_json(answer)
        return
    click.echo(walk_sign(answer["running"]))
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_follow(state))
        click.echo(text("walk.goes-on"), err=True)


@walk_test.command()
@click.option("--by", default=None, help="Who ends it; the account's name by default.")
@state_option
@json_option
def stop(by: str | None, state: Path, as_json: bool) -> None:
    """End the walk-test; its rules protect again. Exits 1 if anything is missing."""
    request = {"op": "walk-test", "do": "stop", "by": by or getpass.getuser()}
    answer: Mapping[str, Any] = asyncio.run(ask(state, request))
    _show(answer["last"], as_json)


@walk_test.command()
@state_option
@json_option
def status(state: Path, as_json: bool) -> None:
    """Show which sensors have responded so far."""
    answer: Mapping[str, Any] = asyncio.run(ask(state, {"op": "walk-test", "do": "status"}))
    if as_json:
        print_json(answer)
    elif answer["running"] is None:
        click.echo(text("walk.none"))
    else:
        click.echo(walk_sign(answer["running"]))
        _print_rows(answer["running"])


@walk_test.command()
@click.argument("test", required=False)
@state_option
@json_option
def report(test: str | None, state: Path, as_json: bool) -> None:
    """Show the record of a walk-test, the newest if none is named, from the journal alone."""
    found = _read(state, test)
    if found is None:
        raise StoreError(text("walk.no-record", found=test or ""))
    _show(found, as_json)


def _show(body: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(body)
        return
    began, until = clock_time(body["began_ms"]), clock_time(body["until_ms"])
    click.echo(text("walk.head", id=body["walk_test"], by=body["by"], began=began))
    click.echo(f"  {text('walk.rules', rules=', '.join(body['rules']), reason=body['reason'])}")
    why = body.get("why")
    if why is None:
        click.echo(f"  {text('walk.not-ended', until=until)}")
    else:
        words = text(f"walk.why-{str(why).replace(' ', '-')}")
        click.echo(f"  {text('walk.ended', why=words, by=body.get('ended_by') or '–')}")
    _print_rows(body)


def _print_rows(body: Mapping[str, Any]) -> None:
    click.echo(sensor_rows(body["sensors"]))
    if body["outputs"]:
        click.echo(output_rows(body["outputs"]))
    missing = ", ".join(map(output_words, body["missing"]))
    click.echo(text("walk.missing", missing=missing) if missing else text("walk.complete"))


async def _follow(state: Path) -> None:
    """Print each sensor and output as it responds, until the test ends."""
    told: set[str] = set()
    while True:
        running = (await ask(state, {"op": "walk-test", "do": "status"}))["running"]
        if not isinstance(running, dict):
            return
        for line in _news(running):
            if line not in told:
                told.add(line)
                click.echo(line)
        await asyncio.sleep(_LOOK_S)


def _news(running: Mapping[str, Any]) -> list[str]:
    seen = [each for each in running["sensors"] if each["seen"]]
    tried = [each for each in running["outputs"] if each["sounding"]]
    lines = [text("walk.seen", point=each["point"], value=f"{each['value']:g}") for each in seen]
    lines += [
        text(
            "walk.tried",
            output=output_words(each["output"]),
            heard=sounding_words(each["sounding"]),
        )
        for each in tried
    ]
    return lines


def _read(state: Path, test: str | None) -> dict[str, Any] | None:
    """The newest record of a test; of one that was cut short, what was ticked off till then."""
    path = state / "journal.db"
    if not path.exists():
        raise StoreError(text("journal.absent", path=path), hint=text("journal.absent-hint"))
    found: dict[str, Any] | None = None
    reader = JournalReader(path)
    with contextlib.closing(reader), reader.snapshot() as snapshot:
        for record in snapshot.scan(kinds=("walk-test",)):
            try:
                body = decode_body(record.body)
            except Malformed:
                continue
            if test is not None and body.get("walk_test") != test:
                continue
            found = _with(found, body)
    return found


def _with(found: dict[str, Any] | None, body: dict[str, Any]) -> dict[str, Any] | None:
    """What is known after one more record."""
    event = body.get("event")
    if event == "started":
        return body
    if found is None or body.get("walk_test") != found["walk_test"]:
        return body if event == "ended" else found
    if event == "ended" and body.get("why") != "restart":
        return body
    if event == "ended":
        return {**found, "event": event, "why": body["why"], "ended_by": ""}
    key, name = ("sensors", "point") if event == "seen" else ("outputs", "output")
    whole = {**found, key: [_updated(each, body, name) for each in found[key]]}
    kept = [each["point"] for each in whole["sensors"] if not each["seen"]]
    kept += [each["output"] for each in whole["outputs"] if each["sounding"] != "heard"]
    return {**whole, "missing": kept}


def _updated(row: dict[str, Any], body: dict[str, Any], name: str) -> dict[str, Any]:
    if row[name] != body[name]:
        return row
    return {**row, **{key: body[key] for key in row if key in body}}
