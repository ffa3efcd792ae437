"""Mistakes in conditions as problems of a file: at their place, in the reader's language."""

from __future__ import annotations

from typing import Final

from edge.app.config.draft import Draft
from edge.app.config.fields import OTHER_NAMES
from edge.app.config.linemap import KeyPath
from edge.app.config.problems import Mark, listed, show, suggest
from edge.app.config.references import MissingPoint, look_up, name_dimension
from edge.core.units import dimension
from edge.engine.conditions.measures import Measure
from edge.engine.conditions.written import Mistake
from edge.locale import text

# What another keyboard, another language or a habit writes for a word of the language.
_OTHER_WORDS: Final = {
    **dict(zip("（），：；＜＞％", "(),:;<>%", strict=True)),
    "。": ".",
    "=>": ">=",
    "=<": "<=",
    "=": ">=",
    "==": ">=",
    "&": "and",
    "|": "or",
    "!": "not",
    "且": "and",
    "或": "or",
    "非": "not",
}
_OTHER_TIMES: Final = {
    "秒": "s",
    "分": "min",
    "分钟": "min",
    "时": "h",
    "小时": "h",
    "日": "d",
    "天": "d",
    "sec": "s",
    "seconds": "s",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}
_DANGLING: Final = {"no-selector": "selector", "no-choice": "choice"}


def report(draft: Draft, path: KeyPath, words: str, mistake: Mistake) -> None:
    """Note a mistake in the text at a key, with a mark under what is wrong."""
    mark = Mark(words, mistake.spot.at, mistake.spot.end)
    found, allowed = show(mistake.found), _allowed(mistake)
    told = {key: _told(value) for key, value in mistake.arguments.items()}
    code, hint = mistake.code, _hint(words, mistake)
    if code == "no-point":
        missing = look_up(draft, mistake.found)
        if not isinstance(missing, MissingPoint):
            return  # it is there; what is wrong with it is noted with its device
        allowed = listed(missing.choices) or text("type.nothing")
        hint = suggest(mistake.found, missing.choices)
        code, told = "dangling", {"what": text("what.point")}
    elif code in _DANGLING:
        allowed = allowed or text("type.nothing")
        code, told = "dangling", {"what": text(f"what.{_DANGLING[code]}")}
    words_of = {"found": found, "allowed": allowed, **told}
    draft.findings.add_mark(path, code, mark, words_of, hint=hint)


def _allowed(mistake: Mistake) -> str:
    kinds = [text(f"condition.{kind}") for kind in mistake.kinds if kind != "end"]
    words = [word if word not in "(,)" else f"“{word}”" for word in mistake.allowed]
    end = [text("condition.end")] if "end" in mistake.kinds else []
    return listed([*kinds, *words, *end])


def _told(value: object) -> str:
    """A measure by what it measures; anything else as it is."""
    if not isinstance(value, Measure):
        return str(value)
    name = name_dimension(value.unit)
    return text("condition.per-time", dimension=name) if value.per_time else name


def _hint(words: str, mistake: Mistake) -> str:
    match mistake.code:
        case "wrong-dimension":
            return _gas_hint(mistake)
        case "unit-missing":
            return text("hint.number-unit", number=mistake.found, unit=mistake.allowed[0])
        case "unknown-unit" | "length-of-time":
            unit = mistake.found.rpartition(" ")[2]
            names = OTHER_NAMES if mistake.code == "unknown-unit" else _OTHER_TIMES
            return _meant(names.get(unit)) or suggest(unit, mistake.allowed)
        case "condition-syntax":
            return _syntax_hint(words, mistake)
        case _:
            return suggest(mistake.found, mistake.allowed)


def _gas_hint(mistake: Mistake) -> str:
    measures = [each for each in mistake.arguments.values() if isinstance(each, Measure)]
    dimensions = {dimension(each.unit) for each in measures}
    gas = dimensions == {"volume fraction", "mass concentration"}
    return text("hint.gas") if gas else ""


def _syntax_hint(words: str, mistake: Mistake) -> str:
    at = mistake.spot.at
    if mistake.found[:1] in ",，" and words[:at][-1:].isdigit() and words[at + 1 :][:1].isdigit():
        return text("hint.decimal-point")
    other = _OTHER_WORDS.get(mistake.found) or _OTHER_WORDS.get(mistake.found[:1])
    return _meant(other) or suggest(mistake.found, mistake.allowed)


def _meant(word: str | None) -> str:
    return text("hint.did-you-mean", word=word) if word else ""
