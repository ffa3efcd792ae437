"""``tongluo replay``: a black box told as a story, and executed once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edge.app.config import load_site
from edge.app.replaying import Replayed, read_box, replay_file
from edge.cli.options import json_option, print_json
from edge.cli.words import alarm_line, clock_time, value
from edge.core.instant import Instant, seconds_between
from edge.core.model import RecordKind, Sample
from edge.engine.black_box import SAMPLES, Frame, Input, Item, Noted
from edge.engine.bodies import sample_body
from edge.engine.box_file import Box
from edge.engine.replay import Decision, Difference
from edge.locale import text

EXIT_DIFFERENT = 4
# What time and outputs say again and again; what follows from it is told.
_OF_ITSELF = ("annunciator.check_clock", "annunciator.step", "decider.advance")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--site",
    "site_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Execute it under this site file instead of its own.",
)
@click.option("--frames", is_flag=True, help="Also the bytes on the lines.")
@click.option("--samples", is_flag=True, help="Also every reading.")
@click.option("--story/--no-story", default=True, help="Tell what happened.")
@click.option(
    "--extract",
    type=click.Path(file_okay=False, path_type=Path),
    help="Only write the site file and its own profiles from the box into this directory.",
)
@json_option
def replay(
    file: Path,
    site_file: Path | None,
    frames: bool,
    samples: bool,
    story: bool,
    extract: Path | None,
    as_json: bool,
) -> int:
    """Tell the story in FILE and decide it once more."""
    if extract is not None:
        for written in _extract(read_box(file), extract):
            click.echo(written)
        return 0
    done = replay_file(file, load_site(site_file) if site_file is not None else None)
    if as_json:
        print_json(_object(done))
    else:
        _print_head(done.box)
        if story:
            for line in _story(done.box, frames=frames, samples=samples):
                click.echo(line)
        _print_verdict(done)
    return 0 if done.other or done.replay.same else EXIT_DIFFERENT


def _extract(box: Box, folder: Path) -> Iterator[Path]:
    """The texts of a box as files; a name never leads out of the folder."""
    root = folder.resolve()
    for name, content in box.head.texts.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        yield path


def _begin(box: Box) -> Instant:
    """Zero of the story: the first alarm."""
    if box.head.causes:
        return box.head.causes[0].at
    return box.items[0].at if box.items else Instant(0)


def _print_head(box: Box) -> None:
    head = box.head
    click.echo(
        text("replay.head", site=head.site, config=head.config[:12], run=head.run,
             program=head.program)
    )  # fmt: skip
    for cause in head.causes:
        click.echo(text("replay.cause", alarm=cause.id, utc=clock_time(cause.utc_ms)))
    if box.items:
        zero = _begin(box)
        first = seconds_between(zero, box.items[0].at)
        last = seconds_between(zero, box.items[-1].at)
        click.echo(text("replay.span", first=f"{first:.3f}", last=f"{last:.3f}"))
    if head.cut:
        click.echo(text("replay.cut"))
    elif not head.complete:
        click.echo(text("replay.incomplete"))
    if head.missed:
        click.echo(text("replay.missed", items=head.missed))


def _story(box: Box, *, frames: bool, samples: bool) -> Iterator[str]:
    zero = _begin(box)
    rules = {cause.rule for cause in box.head.causes}
    points = {
        sample["point"]
        for item in box.items
        if isinstance(item, Noted) and item.record.body.get("rule") in rules
        for sample in _dicts(item.record.body.get("evidence"))
    }
    last: dict[str, object] = {}
    for item in box.items:
        when = f"{seconds_between(zero, item.at):+11.6f} s"
        for told in _lines(item, frames=frames, samples=samples, points=points, last=last):
            yield f"{when}  {told}"


def _lines(
    item: Item, *, frames: bool, samples: bool, points: set[Any], last: dict[str, object]
) -> Iterator[str]:
    match item:
        case Frame() if frames:
            way = "→" if item.sent else "←"
            yield f"{item.line} {way} {item.data.hex(' ')}"
        case Noted():
            yield _noted(item)
        case Input() if item.method == SAMPLES:
            for sample in item.arguments:
                if isinstance(sample, Sample):
                    seen = (sample.value, sample.quality)
                    fresh = sample.point in points and last.get(sample.point) != seen
                    last[sample.point] = seen
                    if samples or fresh:
                        yield f"{sample.point} = {value(sample_body(sample))}{_quality(sample)}"
        case Input() if item.method not in _OF_ITSELF:
            yield text("replay.told", method=item.method.rpartition(".")[2].replace("_", " "))


def _quality(sample: Sample) -> str:
    return "" if sample.quality == "good" else f" ({sample.quality})"


def _noted(item: Noted) -> str:
    body: Mapping[str, Any] = item.record.body
    kind = item.record.kind
    if kind is RecordKind.ALARM:
        return alarm_line(body)
    parts = [f"{key} {each}" for key, each in body.items() if isinstance(each, str | int | float)]
    return f"{kind.value}: {', '.join(parts)}"


def _dicts(found: object) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _print_verdict(done: Replayed) -> None:
    result = done.replay
    if done.other:
        click.echo(text("replay.other", decisions=len(result.replayed)))
        zero = _begin(done.box)
        for decision in result.replayed:
            after = f"{seconds_between(zero, decision.at):+11.6f} s"
            click.echo(f"{after}  {alarm_line(decision.body)}")
        return
    if result.difference is None:
        click.echo(text("replay.same", decisions=len(result.recorded)))
        return
    difference = result.difference
    when = seconds_between(_begin(done.box), difference.at)
    click.echo(text("replay.different", at=f"{when:+.6f}"))
    for key, body in (("recorded", difference.recorded), ("replayed", difference.replayed)):
        said = alarm_line(body) if body is not None else text("replay.nothing")
        click.echo(f"  {text(f'replay.{key}')}: {said}")


def _object(done: Replayed) -> dict[str, object]:
    head, result = done.box.head, done.replay
    zero = _begin(done.box)
    return {
        "site": head.site,
        "run": head.run,
        "config": head.config,
        "program": head.program,
        "causes": [asdict(cause) for cause in head.causes],
        "complete": head.complete,
        "cut": head.cut,
        "missed": head.missed,
        "items": len(done.box.items),
        "same": None if done.other else result.same,
        "difference": None if result.difference is None else _difference(result.difference, zero),
        "recorded": [_decision(each, zero) for each in result.recorded],
        "replayed": [_decision(each, zero) for each in result.replayed],
    }


def _decision(decision: Decision, zero: Instant) -> dict[str, object]:
    return {"after_s": seconds_between(zero, decision.at), **decision.body}


def _difference(difference: Difference, zero: Instant) -> dict[str, object]:
    return {
        "after_s": seconds_between(zero, difference.at),
        "recorded": difference.recorded,
        "replayed": difference.replayed,
    }
