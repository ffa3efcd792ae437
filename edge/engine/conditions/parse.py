"""From the text of a condition to its written tree. Pure.

A text of any kind gives a tree or a Mistaken, never anything else, in time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from edge.engine.conditions.tree import Function
from edge.engine.conditions.written import Mistake, Mistaken, Spot, WrittenLevel

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedInput

MAX_CHARS = 2000
"""A longer condition is nothing that a person could check."""
MAX_NESTED = 50
"""Parentheses within parentheses; what walks a tree may recurse."""

_CALLS = (*(each.value for each in Function), "lost", "quality", "seen", "during", "between")

# What a terminal of the grammar is called: the word itself, or else a kind of thing.
_LITERALS = {
    "_AND": "and",
    "_OR": "or",
    "_NOT": "not",
    "_FOR": "for",
    "_OF": "of",
    "_IS": "is",
    "_CLEAR": "clear when",
    "_WHEN": "when",
    "_READINGS": "readings",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
}
_KINDS = {
    "POINT": "point",
    "NUMBER": "number",
    "UNIT": "unit",
    "COMPARISON": "comparison",
    "NAME": "name",
    "DATE": "date",
    "TIME": "time",
    "$END": "end",
}
_BEGINS_CONDITION = {"POINT", "LPAR", "NUMBER", "WINDOW"}

_SHOWN = re.compile(r"[\w.%/-]+|[<>=!≥≤]+|\S")
_CALL = re.compile(r"\w+\s*\(")


def parse(text: str) -> WrittenLevel:
    """Read ``expression [clear when expression]``. Raises Mistaken with the first mistake."""
    if len(text) > MAX_CHARS:
        spot = Spot(MAX_CHARS, len(text))
        most = f"≤ {MAX_CHARS}"
        raise Mistaken(Mistake("condition-long", spot, str(len(text)), (most,)))
    _check_nesting(text)
    # 50 ms and more that only a site with conditions needs to pay
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415  # see above

    from edge.engine.conditions.syntax import PARSER  # noqa: PLC0415  # see above

    try:
        # what the grammar's start gives
        written = cast("WrittenLevel", PARSER.parse(text))
    except UnexpectedInput as unexpected:
        mistake = _mistake(text, unexpected)
    else:
        return replace(written, text=text)
    raise Mistaken(mistake)


def _check_nesting(text: str) -> None:
    depth = 0
    for at, each in enumerate(text):
        depth += (each == "(") - (each == ")")
        if depth > MAX_NESTED:
            most = f"≤ {MAX_NESTED}"
            raise Mistaken(Mistake("condition-nested", Spot(at, at + 1), "(", (most,)))


def _mistake(text: str, unexpected: UnexpectedInput) -> Mistake:
    at: int | None = vars(unexpected).get("pos_in_stream")
    found = _SHOWN.match(text, at) if at is not None and at < len(text) else None
    # an unexpected end is said to be where the last word is
    if found is None or _at_end(unexpected):
        end = len(text.rstrip())
        words, kinds = _expected(_accepted(text, end, unexpected))
        code = "condition-end" if end else "condition-empty"
        return Mistake(code, Spot(end, end + 1), "", words, kinds)
    spot = Spot(found.start(), found.end())
    accepted = _accepted(text, spot.at, unexpected)
    words, kinds = _expected(accepted)
    if accepted >= _BEGINS_CONDITION and _CALL.match(text, spot.at):
        words, kinds = _CALLS, ()
    return Mistake("condition-syntax", spot, found[0], words, kinds)


def _at_end(unexpected: UnexpectedInput) -> bool:
    return getattr(getattr(unexpected, "token", None), "type", "") == "$END"


def _accepted(text: str, at: int, unexpected: UnexpectedInput) -> set[str]:
    """The terminals that could have stood at this place."""
    from lark.exceptions import UnexpectedInput as Unexpected  # noqa: PLC0415  # as in parse

    from edge.engine.conditions.syntax import PARSER  # noqa: PLC0415  # as in parse

    # afresh: what stands there has already closed what could have gone on
    parser = PARSER.parse_interactive(text[:at])
    try:
        parser.exhaust_lexer()
    except Unexpected:
        parser = unexpected.interactive_parser
    # lark leaves this one function untyped
    return set(parser.accepts())  # type: ignore[no-untyped-call]  # see above


def _expected(accepted: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words to be written as they are, and kinds of things, for people."""
    left = set(accepted)
    kinds = []
    if left >= _BEGINS_CONDITION:
        kinds.append("condition")
        left &= {"RPAR"}
    elif "_PICK" in left:
        kinds.append("limit")
        left.discard("NUMBER")
    kinds += [kind for name, kind in _KINDS.items() if name in left]
    return tuple(word for name, word in _LITERALS.items() if name in left), tuple(kinds)
