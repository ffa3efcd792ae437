"""One table of a file against its model: every mistake is noted, what is right stays usable."""

from __future__ import annotations

import re
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from edge.app.config.linemap import KeyPath
from edge.app.config.problems import Findings, listed, show, suggest
from edge.locale import known, text

Context = dict[str, object]
M = TypeVar("M", bound=BaseModel)
M_co = TypeVar("M_co", bound=BaseModel, covariant=True)
T = TypeVar("T")

_TYPE_TEXTS = {
    "string_type": "type.text",
    "int_type": "type.integer",
    "bool_type": "type.flag",
    "list_type": "type.list",
    "tuple_type": "type.list",
    "dict_type": "type.table",
    "model_type": "type.table",
}
# pydantic names the choices of a Literal only in words
_CHOICE = re.compile(r"'([^']*)'|(\d+)")


class Table(BaseModel):
    """Base of everything that is read from a file: strict, closed, unchangeable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


@dataclass(frozen=True, slots=True)
class Item(Generic[M_co]):
    """A table of a file. ``value`` is None if anything is wrong; ``fields`` hold what is right."""

    path: KeyPath
    raw: dict[str, object]
    fields: dict[str, object]
    value: M_co | None
    findings: Findings

    def get(self, key: str, kind: type[T]) -> T | None:
        """The value of a key if it is right and of this type."""
        value = self.fields.get(key)
        return value if isinstance(value, kind) else None

    def given(self, key: str) -> bool:
        """Whether the key is written in the file, rightly or not."""
        return key in self.raw

    def report(
        self,
        key: str,
        code: str,
        *,
        found: str = "",
        allowed: str = "",
        hint: str = "",
        **arguments: object,
    ) -> None:
        """Note a problem at one of the keys; ``found`` defaults to the value written there."""
        written = show(self.raw[key]) if key in self.raw else ""
        self.findings.add(
            (*self.path, key),
            code,
            found=found or written,
            allowed=allowed,
            hint=hint,
            **arguments,
        )


def read_item(
    model: type[M],
    raw: object,
    path: KeyPath,
    findings: Findings,
    context: Context | None = None,
) -> Item[M] | None:
    """Read one table; None if it is no table at all. All problems go to ``findings``."""
    if not isinstance(raw, dict):
        findings.add(path, "wrong-type", found=show(raw), allowed=text("type.table"))
        return None
    try:
        value = model.model_validate(raw, context=context)
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
    else:
        return Item(
            path, raw, {name: getattr(value, name) for name in _names(model)}, value, findings
        )
    for error in errors:
        _report(model, error, path, findings)
    wrong = {error["loc"][0] for error in errors if error["loc"]}
    return Item(path, raw, _right_fields(model, raw, wrong, context), None, findings)


def _right_fields(
    model: type[BaseModel], raw: dict[str, object], wrong: set[int | str], context: Context | None
) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, field in model.model_fields.items():
        if name in wrong:
            continue
        if name in raw:
            fields[name] = _adapter(model, name).validate_python(raw[name], context=context)
        else:
            fields[name] = field.get_default(call_default_factory=True)
    return fields


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[object]:
    field = model.model_fields[name]
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    if is_dataclass(field.annotation) or _model_in(field.annotation) is field.annotation:
        return TypeAdapter(kind)  # brings its own configuration
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def _names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _report(model: type[BaseModel], error: ErrorDetails, path: KeyPath, findings: Findings) -> None:
    # pydantic marks a refused key of a dict with an extra part
    kind, where = error["type"], (*path, *(part for part in error["loc"] if part != "[key]"))
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        owner = _model_at(model, error["loc"][:-1])
        report_unknown_key(findings, where, _names(owner) if owner else [])
    elif kind == "missing":
        findings.add(where, "missing-key")
    elif kind == "literal_error":
        choices = [a or b for a, b in _CHOICE.findall(str(context["expected"]))]
        value = error["input"]
        hint = suggest(value, choices) if isinstance(value, str) else ""
        findings.add(where, "not-one-of", found=show(value), allowed=listed(choices), hint=hint)
    elif kind in _TYPE_TEXTS:
        allowed = text(_TYPE_TEXTS[kind])
        findings.add(where, "wrong-type", found=show(error["input"]), allowed=allowed)
    elif known(f"problem.{kind}"):
        findings.add(where, kind, **context)
    else:
        findings.add(where, "invalid", found=show(error["input"]), reason=error["msg"])


def report_unknown_key(findings: Findings, where: KeyPath, allowed: list[str]) -> None:
    """Note a key that nobody knows, with the one that was probably meant."""
    key = str(where[-1])
    findings.add(
        where, "unknown-key", found=key, allowed=listed(allowed), hint=suggest(key, allowed)
    )


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model of the nested table an error location leads to."""
    owner: type[BaseModel] | None = model
    for part in loc:
        if owner is not None and isinstance(part, str):
            field = owner.model_fields.get(part)
            owner = _model_in(field.annotation) if field else None
    return owner


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
