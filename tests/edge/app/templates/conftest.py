"""A template's whole site in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from edge.app.commissioning.site_templates import shipped_templates
from edge.app.config import load_site
from edge.app.proof import judge
from edge.core.instant import Instant
from edge.core.model import Level, Phase, RecordKind
from tools.twins.phones import Person
from tools.virtual_site import VirtualSite


class Scene(VirtualSite):
    """A template with its twins, and what scenarios ask of it."""

    def level(self, rule: str) -> Level:
        """The level that a rule has announced; NORMAL if it is over."""
        alarm = self.alarm(rule)
        return Level.NORMAL if alarm.phase is Phase.NORMAL else alarm.level

    def latest_ms(self, rule: str, output: str) -> float:
        """How late a rule may sound an output, by its proof."""
        bounds = judge(self.site).proof.bounds
        found = [
            b for b in bounds if (b.rule, b.switch) == (rule, None) and b.output.endswith(output)
        ]
        assert found, [b.output for b in bounds if b.rule == rule]
        return max(bound.sound_ns for bound in found) / 1e6

    def in_time(self, rule: str, since: Instant, *channels: int, message: int = 0) -> bool:
        """Whether relay channels closed, and a message began, within the proven bound."""
        for channel in channels:
            took = self.moved_ms("relay", f"coil.{channel - 1}", 1, since)
            if took is None or took > self.latest_ms(rule, f":channel={channel}"):
                return False
        if message:
            took = self.moved_ms("horn", "message", message, since)
            return took is not None and took <= self.latest_ms(rule, "horn:stop:")
        return True

    def calm(self) -> bool:
        """Whether no alarm ever was, nothing ever moved, and nobody was called."""
        return not self.records(RecordKind.ALARM) and self.silent() and not self.called()


@pytest.fixture
def play() -> Callable[..., Scene]:
    """Starts a template and lets it settle."""

    def start(
        name: str,
        rest: Mapping[str, float] | None = None,
        *,
        people: Iterable[Person] = (),
        utc_ms: int | None = None,
        settle_s: float = 30.0,
    ) -> Scene:
        scene = Scene(load_site(shipped_templates()[name]), rest=rest, people=people, utc_ms=utc_ms)
        scene.run(settle_s)
        return scene

    return start
