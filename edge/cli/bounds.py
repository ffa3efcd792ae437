"""What was proven of a site, as tables for people and as an object for programs."""

from __future__ import annotations

from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Load
from edge.app.config import Site
from edge.app.proof import Judgement
from edge.app.proof_words import advice_words, duration, exactly, output_words, term_words
from edge.core.instant import NS_PER_MS
from edge.locale import text

Row = tuple[str, ...]


def bound_rows(judged: Judgement, rule: str | None = None) -> list[Row]:
    """A head, and a row per rule and output: bounds, budget, verdict, and what dominates."""
    keys = ("rule", "output", "command", "sound", "confirmed", "budget", "verdict", "mostly")
    head = tuple(text(f"proof.{key}") for key in keys)
    bounds = [bound for bound in judged.proof.bounds if rule in (None, bound.rule)]
    return [head, *(_bound_row(bound, judged) for bound in bounds)]


def _bound_row(bound: Bound, judged: Judgement) -> Row:
    return (
        bound.rule,
        sounded_words(bound),
        duration(bound.command_ns),
        duration(bound.sound_ns),
        duration(bound.confirmed_ns),
        budget_words(bound),
        verdict_words(bound, judged),
        f"{term_words(bound.dominating)} {duration(bound.dominating.ns)}",
    )


def term_rows(bound: Bound) -> list[Row]:
    """Every part of a bound, in order, and their sum."""
    parts = [(term_words(term), exactly(term.ns)) for term in bound.terms]
    parts += [
        (text("proof.command"), exactly(bound.command_ns)),
        (text("proof.sound"), exactly(bound.sound_ns)),
        (text("proof.confirmed"), exactly(bound.confirmed_ns)),
    ]
    width = max(len(time) for _, time in parts)
    head = (text("proof.term"), text("proof.time"))
    return [head, *((words, time.rjust(width)) for words, time in parts)]


def advice_lines(judged: Judgement, rule: str) -> list[str]:
    """What would make a late rule meet its budget, the cheapest first."""
    return [
        text("proof.advice", advice=advice_words(advice))
        for advice in judged.proof.advice
        if advice.rule == rule
    ]


def sounded_words(bound: Bound) -> str:
    """The output, and what it stands in for."""
    words = output_words(bound.output)
    if bound.switch is None:
        return words
    return text("proof.stands-in", output=words, primary=output_words(bound.switch.primary))


def budget_words(bound: Bound) -> str:
    """The budget, or that there is none."""
    return duration(bound.budget_ns) if bound.budget_ns is not None else text("proof.any")


def verdict_words(bound: Bound, judged: Judgement) -> str:
    """A sign and a word: within the budget, too late, or too late and armed all the same."""
    if bound.budget_ns is None:
        return text("proof.no-budget")
    if bound.met:
        return text("proof.met")
    return text("proof.excused" if bound.rule in judged.overridden else "proof.missed")


def shares(site: Site, judged: Judgement) -> dict[str, Load]:
    """The load of each serial Modbus bus."""
    rtu = {bus.id for bus in site.buses if bus.kind == "rtu"}
    return {load.bus: load for load in judged.proof.loads if load.bus in rtu}


def total(load: Load) -> float:
    """All of a line's time that is taken; 1.0 is all there is."""
    return load.act + load.watch + load.log


def proof_object(judged: Judgement) -> dict[str, object]:
    """For JSON; times in milliseconds, shares of 1.0."""
    proof = judged.proof
    return {
        "bounds": [bound_object(bound) for bound in proof.bounds],
        "loads": [
            {
                "bus": load.bus,
                "act": round(load.act, 4),
                "watch": round(load.watch, 4),
                "log": round(load.log, 4),
            }
            for load in proof.loads
        ],
        "advice": [
            {
                "rule": advice.rule,
                "code": advice.code,
                "values": advice.values,
                "sound_ms": _ms(advice.sound_ns),
                "text": advice_words(advice),
            }
            for advice in proof.advice
        ],
        "missed": list(proof.missed()),
        "overridden": judged.overridden,
    }


def bound_object(bound: Bound) -> dict[str, object]:
    """One bound with its terms; ``budget_ms`` null: any latency will do.

    ``switch``, of a back-up: what it stands in for, and how long that may stay silent.
    """
    switch = bound.switch
    return {
        "rule": bound.rule,
        "output": bound.output,
        "input": bound.input,
        "command_ms": _ms(bound.command_ns),
        "sound_ms": _ms(bound.sound_ns),
        "confirmed_ms": _ms(bound.confirmed_ns),
        "budget_ms": None if bound.budget_ns is None else _ms(bound.budget_ns),
        "met": bound.met,
        "dominating": bound.dominating.kind,
        "terms": [
            {"kind": term.kind, "detail": term.detail, "ms": _ms(term.ns)} for term in bound.terms
        ],
        "switch": None
        if switch is None
        else {
            "stands_in_for": switch.primary,
            "confirm_ms": _ms(switch.confirm_ns),
            "heard_ms": _ms(switch.heard_ns) if switch.audible_ns else None,
            "latest_ms": _ms(switch.latest_ns),
        },
    }


def schedule_object(bound: Bound) -> list[dict[str, object]]:
    """The worst schedule, times relative to the change at the sensor."""
    return [
        {
            "bus": slot.bus,
            "begin_ms": _ms(slot.begin_ns),
            "end_ms": _ms(slot.end_ns),
            "label": slot.label,
            "class": slot.priority,
            "what": slot.what,
        }
        for slot in bound.schedule
    ]


def _ms(ns: int) -> float | None:
    """None where there is no bound."""
    return None if ns >= UNBOUNDED_NS else round(ns / NS_PER_MS, 4)
