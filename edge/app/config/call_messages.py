"""Messages at their longest: whether a telephone, a text or a satellite takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edge.app.config.call_plans import plan_of
from edge.app.config.call_texts import Saying, message, value_text
from edge.app.config.draft import Draft
from edge.app.config.model import PlanConfig, RuleConfig, Site
from edge.core.calls import BEIDOU, SMS, VOICE
from edge.core.model import Level
from edge.engine.calls.ladder import SHORT, Ladder, form_of
from edge.locale import Language, catalogue, text

# 160 characters of seven bits or 70 of UCS-2; 153 and 67 in each part of several (3GPP TS 23.040).
_ONE_PART: Final = (160, 70)
_EACH_PART: Final = (153, 67)
_MOST_PARTS: Final = 3
# One BeiDou short message upward carries 78 bytes; Chinese goes as GBK.
_BEIDOU_BYTES: Final = 78
# Told twice with 20 s for a key after it, within the 90 s that a call may take: 35 s, at about 4
# Chinese characters, or 14 letters, a second.
_SPOKEN_S: Final = 35.0
_CHINESE_PER_S: Final = 4.0
_LETTERS_PER_S: Final = 14.0
_READINGS: Final = 2


def check_messages(site: Site, draft: Draft) -> None:
    """Note every plan whose message, filled with the longest there can be, is too long."""
    for plan in site.plans:
        if plan.entry is None or not (plan.calls or plan.helpers):
            continue
        for ladder in plan_of(plan, site).ladders:
            for form in ladder.forms:
                _check_form(site, draft, plan, ladder, form)


def _check_form(site: Site, draft: Draft, plan: PlanConfig, ladder: Ladder, form: str) -> None:
    spoken = longest(site, plan, ladder, form)
    language = _language(form)
    channels = {
        channel
        for rung in ladder.rungs
        for contact in rung.contacts
        for channel in rung.channels
        if contact.address(channel) is not None and form_of(contact, channel) == form
    }
    index = next(i for i, each in enumerate(draft.plans) if each.item.raw.get("id") == plan.id)
    key = "helper_message" if ladder.persons else "message"
    path = ("plan", index, language, "short_message" if form.endswith(SHORT) else key)
    for channel in sorted(channels):
        over = too_long(channel, spoken)
        if over is not None:
            draft.findings.add(
                path, "message-too-long", found=over[0], allowed=over[1],
                channel=text(f"channel.{channel}"), plan=plan.id, hint=spoken,
            )  # fmt: skip


def longest(site: Site, plan: PlanConfig, ladder: Ladder, form: str) -> str:
    """The longest message of a ladder that can ever be told in a form."""
    if plan.entry is None:
        return ""
    language, entry = _language(form), plan.entry
    rules = [rule for rule in site.rules if rule.plan == plan.id]
    value = max((_longest_value(site, rule, language) for rule in rules), key=len, default="")
    said = (
        message(
            entry, language, site.site.name,
            Saying(level, value, ladder.persons, drill, form.endswith(SHORT)),
        )
        for level in Level
        for drill in (False, True)
        if level >= max(ladder.lowest, Level.BLUE)
    )  # fmt: skip
    return max(said, key=len, default="")


def _language(form: str) -> Language:
    return "en" if form.startswith("en") else "zh"


def _longest_value(site: Site, rule: RuleConfig, language: Language) -> str:
    """As many readings as are told, each as long as its range allows."""
    shown = sorted(
        (
            f"{site.names.get(point.id, point.id)} {number}"
            for point in site.points
            if point.id in rule.points
            for number in [max(_numbers(site, point.id, language), key=len)]
        ),
        key=len,
    )
    return catalogue(language)["call.between"].join(shown[-_READINGS:])


def _numbers(site: Site, name: str, language: Language) -> Iterator[str]:
    point = next(each for each in site.points if each.id == name)
    for value in (point.low, point.high, None):
        yield value_text(point, value, language)


def too_long(channel: str, words: str) -> tuple[str, str] | None:
    """What a message takes and what is allowed, in the channel's measure; None if it fits."""
    if channel == SMS:
        parts = sms_parts(words)
        return None if parts <= _MOST_PARTS else (f"{parts} SMS", f"{_MOST_PARTS} SMS")
    if channel == BEIDOU:
        size = len(words.encode("gbk", "replace"))
        return None if size <= _BEIDOU_BYTES else (f"{size} B", f"{_BEIDOU_BYTES} B")
    if channel == VOICE:
        wide = sum(each > "\u2e7f" for each in words)
        seconds = wide / _CHINESE_PER_S + (len(words) - wide) / _LETTERS_PER_S
        return None if seconds <= _SPOKEN_S else (f"{seconds:.0f} s", f"{_SPOKEN_S:.0f} s")
    return None


def sms_parts(words: str) -> int:
    """How many short messages a text takes; anything beyond ASCII makes it UCS-2."""
    wide = not words.isascii()
    units = len(words.encode("utf-16-le")) // 2 if wide else len(words)
    if units <= _ONE_PART[wide]:
        return 1
    return -(-units // _EACH_PART[wide])
