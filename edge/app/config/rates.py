"""Rates of change in site files: a quantity per time, such as ``0.05 m/s`` or ``20 ppm/min``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from edge.app.config.fields import WrittenQuantity, refuse
from edge.app.config.problems import show
from edge.core.units import Quantity
from edge.locale import text

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_QUANTITY: TypeAdapter[Quantity] = TypeAdapter(WrittenQuantity)


@dataclass(frozen=True, slots=True)
class Rate:
    """So much change in so many seconds."""

    change: Quantity
    seconds: float


def _read_rate(value: object) -> Rate:
    allowed = text("type.rate")
    if not isinstance(value, str):
        raise refuse("wrong-type", value, allowed=allowed)
    # the last stroke: "0.5 m/s/min" is an acceleration, which is the rate of a speed
    written, _, time = value.rpartition("/")
    seconds = _SECONDS.get(time.strip())
    if seconds is None:
        raise refuse("not-a-rate", value, allowed=allowed)
    try:
        return Rate(_QUANTITY.validate_python(written), seconds)
    except ValidationError as failure:
        error = failure.errors()[0]
        context = {**error.get("ctx", {}), "found": show(value)}
        raise PydanticCustomError(error["type"], "{found}", context) from None


WrittenRate = Annotated[Rate, BeforeValidator(_read_rate)]
