"""The proof's terms, advice and times in words, in the current language."""

from __future__ import annotations

from edge.analysis.latency.draw import Captions
from edge.analysis.latency.model import UNBOUNDED_NS, Advice, Term
from edge.core.instant import NS_PER_MS
from edge.locale import known, text

# Longer times are told in seconds.
_MOST_MS = 10_000


def duration(ns: int) -> str:
    """A bound, never rounded down: whole milliseconds, or tenths of a second from 10 s on."""
    if ns >= UNBOUNDED_NS:
        return text("proof.unbounded")
    ms = -(-ns // NS_PER_MS)
    return f"{ms} ms" if ms < _MOST_MS else f"{-(-ms // 100) / 10:.1f} s"


def exactly(ns: int) -> str:
    """A time to the hundredth of a millisecond."""
    if ns >= UNBOUNDED_NS:
        return text("proof.unbounded")
    return f"{ns / NS_PER_MS:.2f} ms"


def output_words(output: str) -> str:
    """An output for people: the device, and what of it if it has several."""
    # the action between them is the one that ends it, which would mislead
    device, _, rest = output.partition(":")
    arguments = rest.partition(":")[2]
    return f"{device} {arguments}".strip()


def term_words(term: Term) -> str:
    """A part of a bound with its cause, without its time."""
    key = f"term.{term.kind}"
    words = text(key) if known(key) else term.kind
    detail = ", ".join(output_words(each) for each in term.detail.split(", "))
    return f"{words} ({detail})" if detail else words


def advice_words(advice: Advice) -> str:
    """What would meet the budget, and what the bound would be then."""
    key = f"advice.{advice.code}"
    if not known(key):
        return ", ".join([advice.code, *(f"{k} {v}" for k, v in advice.values.items())])
    words = text(key, **advice.values)
    return text("proof.then", advice=words, sound=duration(advice.sound_ns))


def captions() -> Captions:
    """The words of a picture."""
    names = ("change", "decision", "command", "sound", "act", "watch", "log", "silent")
    # the drawing fills in the count itself
    return Captions(
        **{name: text(f"picture.{name}") for name in names},
        more=text("picture.more", count="{count}"),
    )
