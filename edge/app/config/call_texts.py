"""What people are told by telephone and message: a plan's texts, filled from an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edge.app.config.call_tables import PlanEntry, PlanTextConfig
from edge.app.config.model import Site
from edge.core.model import Alarm, Level, Point, PointId, Sample
from edge.engine.calls.ladder import SHORT, CallPlan, Ladder
from edge.locale import Language, catalogue

# So many readings are told; more nobody keeps in mind.
_READINGS: Final = 2
# What is told only when people have to move, or to make ready for it.
_MOVING: Final = ("where", "route", "leader", "who", "keep")


@dataclass(frozen=True, slots=True)
class Saying:
    """What fills a message. ``persons`` is empty for people on duty; ``short``: for a satellite."""

    level: Level
    value: str
    persons: tuple[str, ...] = ()
    drill: bool = False
    short: bool = False


def message(entry: PlanEntry, language: Language, place: str, saying: Saying) -> str:
    """What is told in a language; how to answer stands at the end, unless the plan has it."""
    words = {key.removeprefix("call."): each for key, each in catalogue(language).items()
             if key.startswith("call.")}  # fmt: skip
    texts = texts_of(entry, language)
    colour = saying.level.name.lower()
    facts = {
        "place": place,
        "level": catalogue(language)[f"level.{colour}"],
        "value": saying.value,
        "order": words[f"order-{colour}"],
        "plan": texts.name or entry.id,
        "persons": words["between"].join(saying.persons),
        "answer": words["answer"].format(key=entry.keys[0], word=entry.words[0]),
    }
    facts |= {each: getattr(texts, each) or "" for each in ("when", *_MOVING)}
    if saying.short:
        facts["answer"] = words["answer-short"].format(word=entry.words[0])
    template = _written(texts, saying) or _usual(words, facts, saying)
    if "{answer}" not in template:
        template += "{answer}"
    head = words["drill"] if saying.drill else ""
    for name, fact in facts.items():
        template = template.replace(f"{{{name}}}", fact)
    return head + template


def _written(texts: PlanTextConfig, saying: Saying) -> str | None:
    """The plan's own words, if it has any."""
    if saying.short:
        return texts.short_message
    return texts.helper_message if saying.persons else texts.message


def _usual(words: Mapping[str, str], facts: Mapping[str, str], saying: Saying) -> str:
    """A message made of what the plan says."""
    if saying.short:
        return words["short-persons" if saying.persons else "short"]
    parts = [words["head"]]
    if saying.persons:
        parts.append(words["persons"])
    if saying.level >= Level.ORANGE:
        parts += [words[name] for name in _MOVING if facts[name] and name != "who"]
    return "".join(parts)


def texts_of(entry: PlanEntry, language: str) -> PlanTextConfig:
    """A plan's texts in a language; in the other one where there are none."""
    first, second = (entry.zh, entry.en) if language == "zh" else (entry.en, entry.zh)
    return first or second or PlanTextConfig()


def readings(names: Mapping[str, str], points: Mapping[PointId, Point], language: Language,
             samples: Iterable[Sample]) -> str:  # fmt: skip
    """The readings that raised an alarm, for people."""
    shown = []
    for sample in list(samples)[:_READINGS]:
        point = points.get(sample.point)
        name = names.get(sample.point, sample.point)
        shown.append(f"{name} {value_text(point, sample.value, language)}")
    # a drill measures nothing, and a restart no longer knows what was measured
    return catalogue(language)["call.between"].join(shown) or catalogue(language)["call.no-value"]


def value_text(point: Point | None, value: float | None, language: Language) -> str:
    """A reading with its unit; one that is not there is said to be missing."""
    if value is None:
        return catalogue(language)["call.unread"]
    if point is None:
        return f"{value:g}"
    return f"{value:.{point.decimals}f} {point.unit.value}".strip()


class Phrases:
    """What to tell of an alarm: satisfies the call engine's Phrase."""

    def __init__(self, site: Site) -> None:
        self._place = site.site.name
        self._entries = {plan.id: plan.entry for plan in site.plans if plan.entry is not None}
        self._names = site.names
        self._points = {point.id: point for point in site.points}

    def __call__(self, alarm: Alarm, plan: CallPlan, ladder: Ladder, form: str) -> str:
        """The whole message to the people of a ladder, in one of its forms."""
        tongue: Language = "en" if form.startswith("en") else "zh"
        value = readings(self._names, self._points, tongue, alarm.evidence)
        saying = Saying(
            alarm.highest, value, ladder.persons, bool(alarm.drill), form.endswith(SHORT)
        )
        return message(self._entries[plan.id], tongue, self._place, saying)
