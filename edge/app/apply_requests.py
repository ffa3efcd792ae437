"""Changes of configuration as people ask for them on the local socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge.app.changeover import Changeover, Configuration, Wish
from edge.app.complaint import Complaint
from edge.app.config import Site, load_site
from edge.app.local_socket import Request
from edge.app.proof import armed
from edge.core.errors import ConfigError

T = TypeVar("T", Site, Configuration)

LEAST_MINUTES = 0.05
MOST_MINUTES = 24 * 60.0
MOST_SHADOW_S = 3600.0


def proven(path: Path) -> Configuration:
    """The site of a file without the rules that would sound too late. Raises ConfigError."""
    site, limits = armed(load_site(path))
    return Configuration(site, path, limits)


async def carry_out(
    changeover: Changeover, request: Request, gone: Callable[[], bool]
) -> dict[str, object]:
    """``do``: apply, confirm, roll-back or status. ``gone``: whether nobody waits for the answer.

    Raises Complaint.
    """
    match request.get("do"):
        case "apply":
            return await _apply(changeover, request, gone)
        case "confirm":
            by = _named(request)
            changeover.confirm(await _load(load_site, changeover.file), by)
            return _status(changeover, same=True)
        case "roll-back":
            gap_ms = await changeover.roll_back(_named(request), force=bool(request.get("force")))
            return {**_status(changeover, same=await _same(changeover)), "gap_ms": gap_ms}
        case "status":
            return _status(changeover, same=await _same(changeover))
        case other:
            raise Complaint("unknown-request", found=f"apply {other}")


async def _apply(
    changeover: Changeover, request: Request, gone: Callable[[], bool]
) -> dict[str, object]:
    path = Path(str(request.get("file")))
    wish = Wish(
        by=_named(request),
        minutes=_number(request, "minutes", 10.0, LEAST_MINUTES, MOST_MINUTES),
        shadow_s=_number(request, "shadow_s", 10.0, 0.0, MOST_SHADOW_S),
        force=bool(request.get("force")),
        gone=gone,
    )
    if path.parent != changeover.file.parent:
        # profiles and certificates are named relative to the file
        raise Complaint("apply-elsewhere", found=str(path), allowed=str(changeover.file.parent))
    if path == changeover.file:
        raise Complaint("apply-in-place", file=str(path))
    restarts = await _load(load_site, changeover.file)
    found = await changeover.apply(await _load(proven, path), restarts, wish)
    return {**found, **_status(changeover, same=False)}


def _status(changeover: Changeover, *, same: bool | None) -> dict[str, object]:
    """``same``: whether a restart would begin with what runs now; None: that cannot be read."""
    return {
        "pending": changeover.body(),
        "file": str(changeover.file),
        "config": changeover.configuration.site.digest,
        "restart_same": same,
    }


async def _same(changeover: Changeover) -> bool | None:
    try:
        site = await _load(load_site, changeover.file)
    except Complaint:
        return None
    return site.digest == changeover.configuration.site.digest


async def _load(load: Callable[[Path], T], path: Path) -> T:
    """In a thread: a reading must not wait for a file."""
    try:
        return await asyncio.to_thread(load, path)
    except ConfigError as error:
        raise Complaint("apply-refused", file=str(path), reason=str(error)) from error


def _named(request: Request) -> str:
    by = str(request.get("by", "")).strip()
    if not by:
        raise Complaint("no-name")
    return by


def _number(request: Request, name: str, default: float, least: float, most: float) -> float:
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        allowed = f"{least:g} … {most:g}"
        raise Complaint("bad-number", name=name, found=str(value), allowed=allowed)
    return float(value)
