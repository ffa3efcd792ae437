"""Contacts, groups and call ladders: that they can reach somebody, and who may answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from edge.app.config.call_tables import (
    PLACEHOLDERS,
    CallConfig,
    ContactConfig,
    HelperConfig,
    PlanTextConfig,
)
from edge.app.config.draft import Draft, PlanDraft, written_ids
from edge.app.config.items import Item
from edge.app.config.problems import listed, plain, show, suggest
from edge.app.config.references import report_dangling
from edge.engine.calls.answers import plain_number, plain_words

M = TypeVar("M", bound=BaseModel)

_LANGUAGES = ("zh", "en")
_ADDRESSES = ("phone", "beidou", "mqtt")
# A ladder that begins again sooner than this leaves nobody the time to answer.
_LEAST_REPEAT_S = 30
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


def check_calls(draft: Draft) -> None:
    """Check who can be called, and every plan's calls and helpers."""
    _check_contacts(draft)
    for group in draft.groups:
        _check_references(group, "contacts", "contact", draft.contacts)
    for plan in draft.plans:
        for call in plan.calls:
            _check_call(draft, call)
        for helper in plan.helpers:
            _check_references(helper, "contacts", "contact", draft.contacts)
            _check_reach(helper, _named(draft.contacts, helper.get("contacts", tuple)))
        _check_duty(draft, plan)
        _check_answers(plan)
        _check_messages(plan)


def _check_contacts(draft: Draft) -> None:
    first: dict[tuple[str, str], Item[ContactConfig]] = {}
    for item in draft.contacts:
        if not any(item.given(key) for key in _ADDRESSES):
            item.findings.add(item.path, "no-address", allowed=", ".join(_ADDRESSES))
        for key in _ADDRESSES:
            address = item.get(key, str)
            if address is None:
                continue
            way = (key, plain_number(address) if key == "phone" else address)
            other = first.setdefault(way, item)
            if other is not item:
                line = item.findings.lines.line((*other.path, key))
                name = plain(str(other.raw.get("id")))
                item.report(key, "duplicate-number", other=name, first=line)


def _check_references(
    item: Item[BaseModel], key: str, what: str, known: Iterable[Item[BaseModel]]
) -> None:
    """Every name in a list leads to something, and stands there once."""
    ids = written_ids(known)
    names = item.get(key, tuple) or ()
    for index, name in enumerate(names):
        if name not in ids:
            report_dangling(item, key, str(name), what, ids)
        elif name in names[:index]:
            item.report(key, "named-twice", found=show(name))


def _check_call(draft: Draft, call: Item[CallConfig]) -> None:
    if not call.given("groups") and not call.given("contacts"):
        call.findings.add(call.path, "nobody-called", allowed="groups, contacts")
        return
    _check_references(call, "groups", "group", draft.groups)
    _check_references(call, "contacts", "contact", draft.contacts)
    contacts = list(_called(draft, call))
    if contacts:
        _check_reach(call, contacts)


def _called(draft: Draft, call: Item[CallConfig]) -> Iterator[Item[ContactConfig]]:
    """The contacts of a rung, those of its groups first."""
    for group in _named(draft.groups, call.get("groups", tuple)):
        yield from _named(draft.contacts, group.get("contacts", tuple))
    yield from _named(draft.contacts, call.get("contacts", tuple))


def _named(items: Iterable[Item[M]], names: tuple[object, ...] | None) -> list[Item[M]]:
    by_id = {item.raw.get("id"): item for item in items}
    return [by_id[name] for name in names or () if name in by_id]


def _check_reach(
    rung: Item[CallConfig] | Item[HelperConfig], contacts: Iterable[Item[ContactConfig]]
) -> None:
    """Somebody on the rung can be reached by one of its channels; who cannot is warned of."""
    channels = rung.get("channels", tuple)
    values = [item.value for item in contacts if item.value is not None]
    if channels is None or not values:
        return
    deaf = [each.id for each in values if not any(way in channels for way, _ in each.addresses)]
    if len(deaf) == len(values):
        rung.report("channels", "reaches-nobody", found=listed(channels), allowed=listed(deaf))


def warn_of_unreachable(draft: Draft) -> None:
    """Warn of people on a rung whom none of its channels reaches."""
    for plan in draft.plans:
        for call in plan.calls:
            _warn_of_deaf(draft, call, _called(draft, call))
        for helper in plan.helpers:
            contacts = _named(draft.contacts, helper.get("contacts", tuple))
            _warn_of_deaf(draft, helper, contacts)


def _warn_of_deaf(
    draft: Draft,
    rung: Item[CallConfig] | Item[HelperConfig],
    contacts: Iterable[Item[ContactConfig]],
) -> None:
    channels = rung.get("channels", tuple) or ()
    for item in contacts:
        if item.value is not None and not any(way in channels for way, _ in item.value.addresses):
            draft.warnings.add(
                (*rung.path, "channels"), "passed-over", found=item.value.id,
                allowed=listed(channels),
            )  # fmt: skip


def _check_duty(draft: Draft, plan: PlanDraft) -> None:
    """Somebody on the ladder may acknowledge: else the alarm sounds on although people answered."""
    called = [item for call in plan.calls for item in _called(draft, call)]
    values = [item.value for item in called if item.value is not None]
    if not values or len(values) < len(called):
        return
    if not any(each.may_acknowledge for each in values):
        names = listed(dict.fromkeys(each.id for each in values))
        plan.item.findings.add((*plan.item.path, "call"), "no-duty", found=names)


def _check_answers(plan: PlanDraft) -> None:
    item = plan.item
    for word in item.get("words", tuple) or ():
        if not plain_words(str(word)):
            item.report("words", "no-word", found=show(word))
    repeat_s = item.get("repeat_s", float)
    if repeat_s is not None and 0 < repeat_s < _LEAST_REPEAT_S:
        item.report("repeat_s", "out-of-range", allowed=f"0, {_LEAST_REPEAT_S} … 86400")


def _check_messages(plan: PlanDraft) -> None:
    """A message refers to nothing but what there is."""
    for language in _LANGUAGES:
        texts = plan.item.get(language, PlanTextConfig)
        for key in ("message", "helper_message"):
            written = getattr(texts, key) if texts is not None else None
            for found in _BRACES.finditer(written or ""):
                if found[1] not in PLACEHOLDERS:
                    plan.item.findings.add(
                        (*plan.item.path, language, key), "no-placeholder", found=found[0],
                        allowed=listed(f"{{{name}}}" for name in PLACEHOLDERS),
                        hint=suggest(found[1] or "", PLACEHOLDERS),
                    )  # fmt: skip
