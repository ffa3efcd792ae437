"""Whose answer something is, and whether it is the right one. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from edge.core.calls import COMMAND_LINE, SMS, VOICE, Answer
from edge.engine.calls.entries import End, Judgement
from edge.engine.calls.ladder import CallPlan, Contact, Ladder
from edge.engine.calls.run import Run, parts_of

_CHINA: Final = "86"
_NATIONAL_DIGITS: Final = 11


def right_key(answer: Answer, plan: CallPlan) -> bool:
    """Whether these digits or words say yes. On the command line the person has said it himself."""
    if answer.channel == COMMAND_LINE:
        return True
    if answer.channel == VOICE:
        # whoever is woken presses twice, or goes on with the hash key
        pressed = answer.key.strip().rstrip("#")
        return pressed in plan.keys or (len(set(pressed)) == 1 and pressed[0] in plan.keys)
    return plain_words(answer.key) in {plain_words(word) for word in plan.words}


def plain_words(words: str) -> str:
    """Words without what people write differently: width, case, punctuation and space."""
    folded = unicodedata.normalize("NFKC", words).casefold()
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LN")


def sender_of(answer: Answer, ladder: Ladder) -> Contact | None:
    """The person on the ladder whom an answer's sender names; None if it is nobody there."""
    if answer.channel == COMMAND_LINE:
        return ladder.contact(answer.sender)
    for rung in ladder.rungs:
        for contact in rung.contacts:
            address = contact.address(answer.channel)
            if address is not None and _same(answer.channel, address, answer.sender):
                return contact
    return None


def _same(channel: str, one: str, other: str) -> bool:
    if channel in (VOICE, SMS):
        return plain_number(one) == plain_number(other)
    return one == other


def plain_number(number: str) -> str:
    """The digits of a telephone number, without China's prefix in any of its spellings."""
    digits = "".join(each for each in number if each in "0123456789")
    for prefix in (f"00{_CHINA}", _CHINA):
        rest = digits.removeprefix(prefix)
        if rest != digits and len(rest) == _NATIONAL_DIGITS:
            return rest
    return digits


def whose(answer: Answer, runs: Iterable[Run]) -> list[tuple[Run, Contact | None]]:
    """The runs an answer belongs to, and the person there who gave it; None: a stranger."""
    if answer.request:
        parts = parts_of(answer.request)
        return [
            (run, run.ladder.contact(parts[3]))
            for run in runs
            if parts is not None and (run.alarm, run.ladder.id) == (parts[0], parts[2])
        ]
    wanted = [
        run
        for run in runs
        if answer.alarm in ("", "all", run.alarm, run.rule) and run.end is not End.OVER
    ]
    known = [(run, sender_of(answer, run.ladder)) for run in wanted]
    # whoever comes to the box need not have been called; a text must answer something
    here = answer.channel == COMMAND_LINE
    found = [(run, who) for run, who in known if who is not None and (here or who.id in run.asked)]
    strange = [run for run in wanted if run.end is None and not run.ladder.persons]
    return [*found] or [(run, None) for run in strange]


def judge(run: Run, contact: Contact | None, answer: Answer) -> Judgement:
    """What an answer counts for on this run."""
    if contact is None:
        return Judgement.WRONG_PERSON
    parts = parts_of(answer.request)
    if parts is not None and parts[1] != run.revision:
        return Judgement.STALE
    if answer.sender and answer.request:
        by = sender_of(answer, run.ladder)
        if by is None or by.id != contact.id:
            return Judgement.WRONG_PERSON
    if not right_key(answer, run.plan):
        return Judgement.WRONG_KEY
    return Judgement.ACCEPTED if run.end in (None, End.EXHAUSTED) else Judgement.LATER
