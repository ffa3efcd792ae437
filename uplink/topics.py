"""Where things are published: ``<prefix>/<site>/<kind>``, and two that are retained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LINK: Final = "link"
BIRTH: Final = "birth"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site. ``prefix`` may itself have several levels."""

    prefix: str
    site: str

    def record(self, kind: str) -> str:
        """Where records of a kind go."""
        return f"{self.prefix}/{self.site}/{kind}"

    def birth(self, profile_id: bytes) -> str:
        """Where the birth of a profile stays (retained) for receivers that come later."""
        return f"{self.prefix}/{self.site}/{BIRTH}/{profile_id.hex()}"

    @property
    def link(self) -> str:
        """Where the state of the link stays (retained; the broker itself writes ``lost``)."""
        return f"{self.prefix}/{self.site}/{LINK}"


def subscription(prefix: str, site: str = "") -> str:
    """The filter for everything of one site, or of all."""
    return f"{prefix}/{site or '+'}/#"


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says: the site, the kind, and whether it is the kept copy of a birth."""

    site: str
    kind: str
    kept: bool


def parse(topic: str, prefix: str) -> Address | None:
    """Read a topic; None if it is not one of ours."""
    if not topic.startswith(f"{prefix}/"):
        return None
    match topic[len(prefix) + 1 :].split("/"):
        case [site, kind] if site and kind:
            return Address(site, kind, kept=False)
        case [site, "birth", profile_id] if site and profile_id:
            return Address(site, BIRTH, kept=True)
    return None
