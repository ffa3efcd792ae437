"""From a site to its black box, and from a box to what its replay needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from drivers.bus.port import Opener
from drivers.bus.tap import tapped
from edge.app.config.model import BusConfig, Site
from edge.app.deciding import local_time
from edge.core.instant import Clock
from edge.core.model import Record, Sample
from edge.core.ports import Journal
from edge.engine.box_file import Head
from edge.engine.box_keeper import BoxKeeper, Limits

FOLDER = "black-box"
_MEBIBYTE = 1 << 20
_CALENDAR = "calendar "


class BoxedJournal:
    """Satisfies Journal: what is offered goes to the journal first, then to the black box."""

    def __init__(self, journal: Journal, box: BoxKeeper) -> None:
        self._journal = journal
        self._box = box

    def offer(self, record: Record) -> None:
        """See Journal.offer."""
        self._journal.offer(record)
        self._box.note(record)

    def offer_samples(self, samples: tuple[Sample, ...]) -> None:
        """See Journal.offer_samples."""
        self._journal.offer_samples(samples)


def keeper_of(site: Site, folder: Path, clock: Clock, journal: Journal) -> BoxKeeper | None:
    """The black box of a site; None if it has none. It records into the journal."""
    settings = site.black_box
    if not settings.on:
        return None
    limits = Limits(
        settings.before_s,
        settings.after_s,
        settings.most_mb * _MEBIBYTE,
        settings.keep_files,
        settings.keep_mb * _MEBIBYTE,
    )
    return BoxKeeper(folder, limits, clock, journal.offer)


def overheard(
    opener_of: Callable[[BusConfig], Opener], box: BoxKeeper, clock: Clock
) -> Callable[[BusConfig], Opener]:
    """The openers, with the box's ear on every port."""
    return lambda bus: tapped(opener_of(bus), clock, partial(box.frame, bus.id))


def head_of(site: Site, run: str) -> Head:
    """What a box of this site says of itself."""
    texts = {site.path.name: _text(site.path)}
    texts |= {name: _text(site.path.parent / name) for name in site.profiles if _is_own(name)}
    return Head(
        program=version("tongluo"),
        site=site.site.id,
        run=run,
        config=site.digest,
        named=_zones(site),
        texts=texts,
    )


def calendars(site: Site) -> dict[str, object]:
    """What the state of this site's decider does not keep."""
    return dict(named_of(_zones(site)))


def _zones(site: Site) -> Mapping[str, str]:
    return {f"{_CALENDAR}{site.site.time_zone}": site.site.time_zone}


def named_of(zones: Mapping[str, str]) -> Mapping[str, object]:
    """The calendars that a state refers to. Raises KeyError or ValueError for no time zone."""
    return {name: local_time(zone) for name, zone in zones.items()}


def _is_own(profile: str) -> bool:
    return profile.endswith(".toml")


def _text(path: Path) -> str:
    """A file as far as it can be read: the digest says whether it is the one that was loaded."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        return f"# {error}"
