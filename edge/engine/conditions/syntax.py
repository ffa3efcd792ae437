"""The parser of the rule language, made when this module is first imported; see parse.py."""

from __future__ import annotations

from lark import Lark, Token, Transformer, v_args

from edge.engine.conditions.written import (
    AllOf,
    Amount,
    AnyOf,
    Ballot,
    Call,
    Comparison,
    Dates,
    Gone,
    Holding,
    Hours,
    Judged,
    Negation,
    Picked,
    Reading,
    Repetition,
    Sighting,
    Spot,
    Word,
    Written,
    WrittenLevel,
)

_MIRRORED = {"≥": ">=", "≤": "<="}


def _word(token: Token) -> Word:
    at = token.start_pos or 0
    return Word(str(token), Spot(at, at + len(token)))


def _comparison(token: Token) -> str:
    return _MIRRORED.get(str(token), str(token))


@v_args(inline=True)
class _Writer(Transformer[Token, WrittenLevel]):
    """One method per alternative of the grammar."""

    def start(self, raises: Written, clears: Written | None) -> WrittenLevel:
        return WrittenLevel("", raises, clears)

    def any_of(self, *parts: Written) -> AnyOf:
        return AnyOf(parts)

    def all_of(self, *parts: Written) -> AllOf:
        return AllOf(parts)

    def negation(self, part: Written) -> Negation:
        return Negation(part)

    def holding(self, part: Written, duration: Amount) -> Holding:
        return Holding(part, duration)

    def repetition(self, part: Written, needed: Token, of: Token | None) -> Repetition:
        return Repetition(part, _word(needed), _word(of) if of is not None else None)

    def comparison(self, source: Reading | Call, sign: Token, limit: Amount | Picked) -> Comparison:
        return Comparison(source, _comparison(sign), limit)

    def ballot(self, needed: Token, *parts: Written) -> Ballot:
        return Ballot(_word(needed), parts)

    def gone(self, point: Token) -> Gone:
        return Gone(_word(point))

    def judged(self, point: Token, quality: Token) -> Judged:
        return Judged(_word(point), _word(quality))

    def judged_not(self, point: Token, quality: Token) -> Negation:
        return Negation(self.judged(point, quality))

    def sighting(self, point: Token, sign: Token, limit: Amount, age: Amount) -> Sighting:
        return Sighting(_word(point), _comparison(sign), limit, age)

    def dates(self, begin: Token, end: Token) -> Dates:
        return Dates(_word(begin), _word(end))

    def hours(self, begin: Token, end: Token) -> Hours:
        return Hours(_word(begin), _word(end))

    def reading(self, point: Token) -> Reading:
        return Reading(_word(point))

    def window(self, function: Token, point: Token, *arguments: Amount) -> Call:
        return Call(_word(function), _word(point), arguments)

    def picked(self, selector: Token, *choices: Token | Amount) -> Picked:
        names = [_word(each) for each in choices[::2] if isinstance(each, Token)]
        amounts = [each for each in choices[1::2] if isinstance(each, Amount)]
        return Picked(_word(selector), tuple(zip(names, amounts, strict=True)))

    def amount(self, number: Token, unit: Token | None) -> Amount:
        return Amount(_word(number), _word(unit) if unit is not None else None)


PARSER = Lark.open(
    "grammar.lark", rel_to=__file__, parser="lalr", lexer="contextual", transformer=_Writer()
)
