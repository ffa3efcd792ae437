"""How lengths of time are said to people."""

from __future__ import annotations

from edge.locale import text

_UNITS = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1000))
NOTHING = "–"


def length(ms: float | None) -> str:
    """A duration in its two largest units."""
    if ms is None:
        return NOTHING
    left, parts = round(abs(ms)), list[str]()
    for name, size in _UNITS:
        count, rest = divmod(left, size)
        if count or (parts and rest):
            if count:
                parts.append(text(f"backtest.{name}", count=count))
            left = rest
        if len(parts) == 2:
            break
    return " ".join(parts) or text("backtest.seconds", count=0)
