"""``tongluo report``: how an event was called out and answered (叫应效能), from the journal."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edge.cli import call_words as words
from edge.cli.options import columns, json_option, print_json, state_option
from edge.cli.words import level
from edge.core.errors import StoreError
from edge.engine.bodies import call_from
from edge.engine.calls.entries import Entry
from edge.engine.calls.report import LadderEnd, Person, Report
from edge.engine.calls.report import report as judge
from edge.locale import text
from protocols.envelope import Malformed, decode_body
from uplink.reader import JournalReader

Dated = tuple[int, dict[str, Any]]
_LISTED = 10


@click.command()
@click.argument("event", default="")
@state_option
@json_option
def report(event: str, state: Path, as_json: bool) -> None:
    """Report on EVENT: an alarm id, or a rule (its newest event); without it, the newest of all."""
    found = read(state, event)
    if as_json:
        shares = {"reached_share": found.reached_share, "covered_share": found.covered_share}
        print_json({**asdict(found), **shares})
    else:
        click.echo("\n".join(lines(found)))


def read(state: Path, event: str) -> Report:
    """The report of an event from a journal. Raises StoreError if there is none."""
    path = state / "journal.db"
    if not path.exists():
        raise StoreError(text("journal.absent", path=path), hint=text("journal.absent-hint"))
    bodies: dict[str, list[Dated]] = {"alarm": [], "call": [], "command": [], "outcome": []}
    reader = JournalReader(path)
    with contextlib.closing(reader), reader.snapshot() as snapshot:
        for record in snapshot.scan(kinds=tuple(bodies)):
            with contextlib.suppress(Malformed):
                bodies[record.kind].append((record.utc_ms, decode_body(record.body)))
    entries = [entry for _, body in bodies["call"] if (entry := _entry(body)) is not None]
    alarm = _choose(event, bodies["alarm"], entries)
    return judge(alarm, entries, bodies["alarm"], bodies["command"], bodies["outcome"])


def _entry(body: dict[str, Any]) -> Entry | None:
    try:
        return call_from(body)
    except (KeyError, TypeError, ValueError):
        return None


def _choose(event: str, alarms: list[Dated], entries: list[Entry]) -> str:
    """The newest alarm that is meant: of those that were called for, if none is named."""
    called = [entry.alarm for entry in entries]
    raised = [str(body["id"]) for _, body in alarms if body.get("id")]
    known = list(dict.fromkeys([*called, *raised]))
    wanted = [each for each in known if event in (each, each.partition("/")[0])]
    pool = wanted if event else (called or raised)
    if not pool:
        newest = known[-_LISTED:]
        raise StoreError(
            text("report.absent", found=event) if event else text("report.empty"),
            hint=text("report.absent-hint", allowed=", ".join(newest)) if newest else "",
        )
    return max(pool, key=lambda each: (_since(each), called.count(each) > 0))


def _since(alarm: str) -> int:
    """When an alarm was raised, as its name says."""
    parts = alarm.split("/")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 0


def lines(found: Report) -> list[str]:
    """The report for a duty officer: the summary first, then everybody, then the rest."""
    shown = [
        text("report.title", alarm=found.alarm),
        text("report.head", level=level(found.level), rule=found.rule, plan=found.plan or "-"),
    ]
    if found.drill:
        shown.append(text("report.drill", drill=found.drill))
    shown += ["", columns(_summary(found)), ""]
    shown.append(_shares(found))
    for title, table in (
        ("people", _people(found)),
        ("ladders", _ladders(found)),
        ("answers", _refusals(found)),
        ("acts", _acts(found)),
    ):
        if len(table) > 1:
            shown += ["", text(f"report.{title}"), columns(table)]
    return shown


def _summary(found: Report) -> list[tuple[str, ...]]:
    never = text("report.not-yet")

    def row(key: str, at_ms: int | None, who: str = "") -> tuple[str, ...]:
        if at_ms is None:
            return text(f"report.{key}"), never, ""
        return text(f"report.{key}"), f"+{words.since(found.raised_ms, at_ms)}", who

    limit = text("report.no-limit")
    if found.limit_s is not None:
        limit = text("report.late" if found.late else "report.in-time", limit=found.limit_s)
    answered = found.answered_by or text("report.nobody")
    return [
        (text("report.raised"), words.local_time(found.raised_ms), ""),
        row("due", found.due_ms),
        row("first-call", found.first_call_ms),
        (*row("first-answer", found.answered_ms)[:2], f"{answered}  {limit}"),
        row("acknowledged", found.acknowledged_ms, found.acknowledged_by),
        row("ended", found.ended_ms),
    ]


def _shares(found: Report) -> str:
    said = text(
        "report.reached", called=found.called, reached=found.reached,
        share=words.share(found.reached_share),
    )  # fmt: skip
    if found.needing:
        said += "\n" + text(
            "report.covered", needing=found.needing, covered=found.covered,
            share=words.share(found.covered_share),
        )  # fmt: skip
    return said


def _heads(*keys: str) -> tuple[str, ...]:
    return tuple(text(f"report.{key}") for key in keys)


def _people(found: Report) -> list[tuple[str, ...]]:
    heads = ("name", "role", "for", "calls", "by", "called", "answered", "key", "took", "outcome")
    return [_heads(*heads), *(_person(found, each) for each in found.people)]


def _person(found: Report, person: Person) -> tuple[str, ...]:
    return (
        person.name,
        words.role(person.role),
        ", ".join(person.persons) or text("report.duty"),
        str(person.calls),
        ", ".join(words.channel(each) for each in person.channels) or "-",
        words.since(found.raised_ms, person.first_called_ms),
        words.since(found.raised_ms, person.answered_ms),
        f"{words.channel(person.answered_by)} {person.key}".strip() or "-",
        "-" if person.answer_s is None else words.duration(person.answer_s),
        _outcome(person),
    )


def _outcome(person: Person) -> str:
    said = words.result(person.results[-1] if person.results else "standing")
    if person.answered_ms is not None:
        said = words.judgement("accepted" if person.accepted else "later")
    if person.late and person.limit_s is not None:
        said += " " + text("report.late", limit=person.limit_s)
    return said


def _ladders(found: Report) -> list[tuple[str, ...]]:
    return [
        _heads("ladder", "rounds", "outcome", "whom"),
        *(
            (_ladder(each), str(each.rounds), words.ladder_end(each.end), each.by or "-")
            for each in found.ladders
        ),
    ]


def _ladder(each: LadderEnd) -> str:
    return ", ".join(each.persons) or text("report.duty")


def _refusals(found: Report) -> list[tuple[str, ...]]:
    return [
        _heads("at", "name", "by", "key", "why"),
        *(
            (
                f"+{words.since(found.raised_ms, each.at_ms)}",
                each.name or each.number or "-",
                words.channel(each.channel),
                each.key or "-",
                words.judgement(each.judgement),
            )
            for each in found.refusals
        ),
    ]


def _acts(found: Report) -> list[tuple[str, ...]]:
    return [
        _heads("output", "action", "measure", "commanded", "outcome", "confirmed"),
        *(
            (
                each.output,
                f"{each.action} {each.arguments}".strip(),
                words.measure(each.measure) or "-",
                f"+{words.since(found.raised_ms, each.at_ms)}",
                words.status(each.status) or "-",
                "-" if each.after_s is None else words.duration(each.after_s),
            )
            for each in found.acts
        ),
    ]
