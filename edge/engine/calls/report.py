"""How well a warning was called out and answered (叫应效能), from one event's records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edge.core.calls import Result
from edge.core.model import Level
from edge.engine.calls.entries import End, Entry, Judgement, What

_REACHED: Final = (Judgement.ACCEPTED, Judgement.LATER)


@dataclass(slots=True)
class Person:
    """One person on one ladder. Times are wall time in ms; None: it has not happened.

    ``answer_s``: from the first call to the answer. ``late``: after the agreed time, or by nobody
    of this helper's ladder; None: nothing was agreed, or it is not for him to say.
    """

    contact: str
    name: str
    role: str
    ladder: str
    persons: tuple[str, ...]
    calls: int = 0
    channels: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    first_called_ms: int | None = None
    answered_ms: int | None = None
    answered_by: str = ""
    key: str = ""
    accepted: bool = False
    answer_s: float | None = None
    limit_s: float | None = None
    late: bool | None = None


@dataclass(slots=True)
class Refusal:
    """An answer that counted for nothing."""

    at_ms: int
    name: str
    number: str
    channel: str
    key: str
    judgement: str


@dataclass(slots=True)
class Act:
    """What an output was told, and how long after it that was confirmed."""

    output: str
    action: str
    arguments: str
    measure: str
    at_ms: int
    status: str = ""
    after_s: float | None = None


@dataclass(slots=True)
class LadderEnd:
    """How one ladder ended; ``end`` is empty while it stands. ``answered``: by the right people."""

    ladder: str
    persons: tuple[str, ...]
    rounds: int
    end: str
    by: str
    answered: bool


@dataclass(slots=True)
class Report:
    """An event. Shares are between 0 and 1; None where there is nothing to share.

    ``due_ms`` is when the alarm was first so high that people on duty had to be called; from there
    to the first answer that was accepted takes ``answer_s``, and ``limit_s`` was agreed for it.
    ``covered``: persons in need of help whose helper has answered.
    """

    alarm: str
    rule: str
    level: str
    drill: str
    plan: str
    raised_ms: int
    due_ms: int | None
    ended_ms: int | None
    acknowledged_by: str
    acknowledged_ms: int | None
    first_call_ms: int | None
    answered_ms: int | None
    answered_by: str
    answer_s: float | None
    limit_s: float | None
    late: bool | None
    people: list[Person]
    ladders: list[LadderEnd]
    refusals: list[Refusal]
    acts: list[Act]
    called: int
    reached: int
    needing: int
    covered: int

    @property
    def reached_share(self) -> float | None:
        """Of those called, who has answered."""
        return self.reached / self.called if self.called else None

    @property
    def covered_share(self) -> float | None:
        """Of those in need of help, for whom somebody has answered."""
        return self.covered / self.needing if self.needing else None


def report(
    alarm: str,
    entries: Iterable[Entry],
    alarms: Sequence[tuple[int, Mapping[str, Any]]],
    commands: Sequence[tuple[int, Mapping[str, Any]]],
    outcomes: Sequence[tuple[int, Mapping[str, Any]]],
) -> Report:
    """The report of one alarm's occurrence.

    ``alarms``, ``commands`` and ``outcomes`` are record bodies with their wall times in ms, oldest
    first, of this alarm or others.
    """
    mine = [entry for entry in entries if entry.alarm == alarm]
    revisions = [(at, body) for at, body in alarms if body.get("id") == alarm]
    people, ladders = _people(mine), _ladders(mine)
    acknowledged = next(((at, b) for at, b in revisions if b.get("acknowledged_by")), None)
    first = _first_answer(mine, acknowledged)
    due_ms = next((e.utc_ms for e in mine if e.what is What.BEGAN and not e.persons), None)
    limit_s = next((e.limit_s for e in mine if not e.persons and e.limit_s is not None), None)
    answer_s = None
    if first is not None and due_ms is not None:
        answer_s = max(0, first[0] - due_ms) / 1000
    called, reached = _reach(people)
    return Report(
        alarm=alarm,
        rule=mine[0].rule if mine else alarm.partition("/")[0],
        level=_highest(revisions, mine),
        drill=next((e.drill for e in mine if e.drill), ""),
        plan=mine[0].plan if mine else "",
        raised_ms=_raised(revisions, mine),
        due_ms=due_ms,
        ended_ms=next((at for at, b in reversed(revisions) if b.get("phase") == "normal"), None),
        acknowledged_by=str(acknowledged[1]["acknowledged_by"]) if acknowledged else "",
        acknowledged_ms=acknowledged[0] if acknowledged else None,
        first_call_ms=min((e.utc_ms for e in mine if e.what is What.REQUEST), default=None),
        answered_ms=first[0] if first is not None else None,
        answered_by=first[1] if first is not None else "",
        answer_s=answer_s,
        limit_s=limit_s,
        late=_late(answer_s, limit_s),
        people=people,
        ladders=ladders,
        refusals=_refusals(mine),
        acts=_acts(alarm, commands, outcomes),
        called=called,
        reached=reached,
        needing=len({person for end in ladders for person in end.persons}),
        covered=len({person for end in ladders if end.answered for person in end.persons}),
    )


def _reach(people: Sequence[Person]) -> tuple[int, int]:
    """How many were called, and how many of these answered."""
    called = {each.contact for each in people if each.first_called_ms is not None}
    answered = {each.contact for each in people if each.answered_ms is not None}
    return len(called), len(called & answered)


def _first_answer(
    mine: Sequence[Entry], acknowledged: tuple[int, Mapping[str, Any]] | None
) -> tuple[int, str] | None:
    """When people on duty first answered, and who: by a call, or by acknowledging the alarm."""
    helpers = {e.ladder for e in mine if e.persons}
    answers = [
        (e.utc_ms, e.name)
        for e in mine
        if e.judgement == Judgement.ACCEPTED and e.ladder not in helpers
    ]
    if acknowledged is not None:
        answers.append((acknowledged[0], str(acknowledged[1]["acknowledged_by"])))
    return min(answers, default=None)


def _late(answer_s: float | None, limit_s: float | None) -> bool | None:
    if limit_s is None:
        return None
    return answer_s is None or answer_s > limit_s


def _raised(revisions: Sequence[tuple[int, Mapping[str, Any]]], mine: Sequence[Entry]) -> int:
    since = next((body.get("since_ms") for _, body in revisions), None)
    if isinstance(since, int) and since:
        return since
    return revisions[0][0] if revisions else mine[0].utc_ms if mine else 0


def _highest(revisions: Sequence[tuple[int, Mapping[str, Any]]], mine: Sequence[Entry]) -> str:
    words = {level.name.lower(): level for level in Level}
    levels = [words.get(str(body.get("highest")), Level.NORMAL) for _, body in revisions]
    levels += [entry.level for entry in mine]
    return max(levels, default=Level.NORMAL).name.lower()


def _people(mine: Sequence[Entry]) -> list[Person]:
    """Everybody who was called or has answered, in the order in which that began."""
    answered = {e.ladder for e in mine if e.judgement in _REACHED}
    heads = {e.ladder: e for e in mine if e.what in (What.BEGAN, What.AGAIN)}
    found: dict[tuple[str, str], Person] = {}
    for entry in mine:
        if not entry.contact:
            continue
        head = heads.get(entry.ladder)
        person = found.setdefault(
            (entry.ladder, entry.contact),
            Person(
                entry.contact, entry.name, entry.role, entry.ladder,
                head.persons if head is not None else (),
                limit_s=head.limit_s if head is not None else None,
            ),
        )  # fmt: skip
        _take(person, entry)
    for person in found.values():
        if person.answered_ms is not None and person.first_called_ms is not None:
            waited_ms = max(0, person.answered_ms - person.first_called_ms)
            person.answer_s = waited_ms / 1000
        # nobody on duty need answer once another one has
        if person.answer_s is not None or (person.persons and person.ladder not in answered):
            person.late = _late(person.answer_s, person.limit_s)
    return list(found.values())


def _take(person: Person, entry: Entry) -> None:
    if entry.what is What.REQUEST and entry.offer <= 1:
        person.calls += 1
        if person.first_called_ms is None:
            person.first_called_ms = entry.utc_ms
        if entry.channel not in person.channels:
            person.channels.append(entry.channel)
    elif entry.what is What.OUTCOME:
        if entry.result == Result.DISPLACED:
            person.calls -= 1
        if entry.result not in (Result.WITHDRAWN, Result.DISPLACED):
            person.results.append(entry.result)
    elif entry.judgement in _REACHED and person.answered_ms is None:
        person.answered_ms, person.answered_by = entry.utc_ms, entry.channel
        person.key, person.accepted = entry.key, entry.judgement == Judgement.ACCEPTED


def _ladders(mine: Sequence[Entry]) -> list[LadderEnd]:
    found: dict[str, LadderEnd] = {}
    for entry in mine:
        end = found.setdefault(entry.ladder, LadderEnd(entry.ladder, (), 0, "", "", answered=False))
        if entry.what in (What.BEGAN, What.AGAIN):
            end.persons, end.end, end.by = entry.persons, "", ""
            end.rounds += 1
            end.answered = end.answered and entry.what is not What.BEGAN
        elif entry.what is What.ENDED:
            end.end, end.by = entry.result, entry.name or end.by
        elif entry.judgement in _REACHED:
            end.answered, end.by = True, entry.name
    return list(found.values())


def _refusals(mine: Iterable[Entry]) -> list[Refusal]:
    return [
        Refusal(e.utc_ms, e.name, e.number, e.channel, e.key, e.judgement)
        for e in mine
        if e.what is What.ANSWER and e.judgement not in _REACHED
    ]


def _acts(
    alarm: str,
    commands: Sequence[tuple[int, Mapping[str, Any]]],
    outcomes: Sequence[tuple[int, Mapping[str, Any]]],
) -> list[Act]:
    """The first command to each output of the plan, and the first word that it was done."""
    found: dict[str, Act] = {}
    actions: dict[str, str] = {}
    for at, body in commands:
        if body.get("alarm") == alarm and not body.get("ensure"):
            output, action = str(body.get("output")), str(body.get("action"))
            actions[str(body.get("id"))] = output
            arguments = body.get("arguments")
            written = arguments.items() if isinstance(arguments, dict) else ()
            act = Act(
                str(body.get("actuator")),
                action,
                ", ".join(f"{name}={value}" for name, value in sorted(written)),
                str(body.get("measure", "")),
                at,
            )
            found.setdefault(output, act)
        elif body.get("alarm") == alarm:
            actions[str(body.get("id"))] = str(body.get("output"))
    for at, body in outcomes:
        known = found.get(actions.get(str(body.get("command")), ""))
        if known is None or known.action != body.get("action") or known.status == "done":
            continue
        known.status = str(body.get("status"))
        if known.status == "done":
            known.after_s = max(0, at - known.at_ms) / 1000
    return list(found.values())


def unanswered(report: Report) -> bool:
    """Whether the people on duty were called in vain."""
    return any(
        not end.persons and not end.answered and end.end != End.ACKNOWLEDGED
        for end in report.ladders
    )
