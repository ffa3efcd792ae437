"""From one site file to another while the site stays protected. See docs/apply.md.

A new file is proven, then judged beside the running one for a while, then takes over between two
polls with everything that is known: windows, holding times, alarms. Unless somebody confirms it in
time the old one comes back; so it does after a restart, which starts from the file of the unit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.app.complaint import Complaint
from edge.app.compose import Agent, block_profile
from edge.app.config.call_plans import call_plans
from edge.app.config.model import Site
from edge.app.plan_steps import plans_of
from edge.app.rehearsal import Rehearsal
from edge.core.instant import Clock, Instant, Timer, after, ms_between, seconds_between
from edge.core.model import Phase, Record, RecordKind, RuleId, Urgency
from edge.engine.conformance import Limit
from protocols.block import Profile

_log = logging.getLogger("tongluo.alarm")

# On most lines there soon is a moment at which nothing is under way anyway; then not one poll is
# late. Where there is none, polls are held back until every line is at rest.
_PATIENT_S = 1.0
# A line that does not come to rest by then is cut: what was under way is asked again.
_REST_S = 2.0
_LOOK_S = 0.002
# Going back is put off while it would silence something; so often it is looked whether it may.
_AGAIN_S = 5.0

Limits = Mapping[RuleId, Limit]
Compose = Callable[[Site, Limits], Agent]


@dataclass(frozen=True, slots=True)
class Configuration:
    """A site that was proven, from which file, and what the proof allows its rules."""

    site: Site
    path: Path
    limits: Limits


@dataclass(frozen=True, slots=True)
class Journaling:
    """What of the journal depends on the configuration.

    ``offer`` takes a record; ``use`` is told, before the first record of a configuration, its
    digest, and what its blocks contain if that is something else than before.
    """

    offer: Callable[[Record], None]
    use: Callable[[str, Profile | None], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for.

    ``minutes``: how long he has to confirm it. ``force``: also if it would alarm where what runs
    does not. ``gone``: whether he does not wait for the answer any more.
    """

    by: str
    minutes: float = 10.0
    shadow_s: float = 10.0
    force: bool = False
    gone: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Pending:
    """A configuration that runs and is not confirmed yet. ``gap_ms``: how long nothing was asked.

    ``held``: why it has not been taken back although its time is up.
    """

    before: Configuration
    by: str
    until: Instant
    gap_ms: float
    timer: Timer | None = None
    held: Complaint | None = None


class Changeover:
    """Owns which configuration runs. One change at a time."""

    def __init__(
        self,
        agent: Agent,
        configuration: Configuration,
        clock: Clock,
        journaling: Journaling,
        compose: Compose,
        switched: Callable[[Agent, Configuration], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``switched`` is told after each switch, when the new agent already protects.

        ``sleep`` waits for so many seconds of ``clock``.
        """
        self.agent = agent
        self.configuration = configuration
        self.file = configuration.path
        """The file that a restart begins with."""
        self.pending: Pending | None = None
        self._clock = clock
        self._journaling = journaling
        self._compose = compose
        self._switched = switched
        self._sleep = sleep
        self._blocks = block_profile(configuration.site)
        self._busy = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def apply(self, new: Configuration, restarts: Site, wish: Wish) -> dict[str, object]:
        """Judge the new configuration beside the old one, then switch. Raises Complaint.

        ``restarts``: what the file of the unit says now: it must be what runs, because that is what
        comes back after a crash. Until the switch the old one goes on as if nothing were; it also
        does if this is cancelled.
        """
        if self._busy or self.pending is not None:
            raise Complaint("apply-pending")
        if restarts.digest != self.configuration.site.digest:
            raise Complaint("apply-file-changed", file=str(self.file))
        if new.site.digest == self.configuration.site.digest:
            raise Complaint("apply-same", file=str(new.path))
        self._refuse(new.site)
        self._busy = True
        try:
            found = await self._rehearse(new.site, wish)
            before = self.configuration
            gap_ms = await self._switch(new, self._refuse)
        finally:
            self._busy = False
        until = after(self._clock.now(), seconds=wish.minutes * 60)
        self.pending = Pending(before, wish.by, until, gap_ms)
        self.pending.timer = self._clock.call_at(until, self._time_is_up)
        self._note(
            "applied", by=wish.by, before=before.site.digest, minutes=wish.minutes, gap_ms=gap_ms,
            forced=wish.force,
        )  # fmt: skip
        return {**found, "gap_ms": gap_ms, "pending": self.body()}

    def confirm(self, restarts: Site, by: str) -> None:
        """Keep what runs, if a restart would begin with it. Raises Complaint."""
        pending = self._waiting()
        if self._busy:
            raise Complaint("apply-going-back")
        if restarts.digest != self.configuration.site.digest:
            raise Complaint("apply-other-file", file=str(self.file))
        self._cancel(pending)
        self.pending = None
        now = self.configuration
        self.configuration = Configuration(now.site, self.file, now.limits)
        self._switched(self.agent, self.configuration)
        self._note("confirmed", by=by)

    async def roll_back(self, by: str, *, force: bool = False) -> float:
        """Go back to the configuration before; how long nothing was asked. Raises Complaint.

        ``force``: also if that ends alarms and calls which it does not know.
        """
        return await self._go_back(by, "asked", self._refuse_exercise if force else self._refuse)

    def body(self) -> dict[str, object] | None:
        """What waits for a confirmation, for status."""
        pending = self.pending
        if pending is None:
            return None
        left_s = max(0.0, seconds_between(self._clock.now(), pending.until))
        return {
            "config": self.configuration.site.digest,
            "file": str(self.configuration.path),
            "before": pending.before.site.digest,
            "by": pending.by,
            "until_ms": self._clock.utc().ms + round(left_s * 1000),
            "left_s": round(left_s, 1),
            "gap_ms": pending.gap_ms,
            "held": pending.held.body() if pending.held is not None else None,
        }

    def close(self) -> None:
        """Switch nothing more."""
        self._closed = True
        if self.pending is not None:
            self._cancel(self.pending)
        if self._task is not None:
            self._task.cancel()

    # -- what may not be changed under way ----------------------------------------------------

    def _refuse(self, site: Site) -> None:
        """Raises Complaint if something is under way that this site could not go on with."""
        old, pipeline = self.agent.site, self.agent.pipeline
        if site.site.id != old.site.id:
            raise Complaint("apply-other-site", found=site.site.id, allowed=old.site.id)
        if (site.journal, site.black_box) != (old.journal, old.black_box):
            raise Complaint("apply-restart", found="[journal], [black_box]")
        self._refuse_exercise(site)
        if called := self.agent.calling.cut_by(call_plans(site)):
            raise Complaint("apply-calls", alarms=", ".join(called))
        steps, after_ = plans_of(old), plans_of(site)
        standing = [
            rule
            for rule, alarm in pipeline.alarms.items()
            if alarm.phase is not Phase.NORMAL
            and rule in steps
            and (rule not in after_ or steps[rule] != after_[rule])
        ]
        if standing:
            raise Complaint("apply-standing", rules=", ".join(sorted(standing)))

    def _refuse_exercise(self, _: Site) -> None:
        outputs = self.agent.pipeline.outputs
        if outputs.drills.running is not None or outputs.walk_tests.running:
            raise Complaint("apply-exercise")

    async def _rehearse(self, site: Site, wish: Wish) -> dict[str, object]:
        """Let the new rules judge what the old ones are given. Raises Complaint if they alarm."""
        rehearsal = Rehearsal(self.agent.site, self.agent.pipeline, site, self._clock)
        try:
            await self._sleep(wish.shadow_s)
        finally:
            rehearsal.end()
        if wish.gone() or self._closed:
            raise Complaint("apply-given-up")
        if rehearsal.failed:
            raise Complaint("apply-failed", file=str(site.path))
        found = rehearsal.differences()
        louder = [each.rule for each in found if each.louder]
        if louder and not wish.force:
            raise Complaint("apply-alarms", rules=", ".join(louder), seconds=wish.shadow_s)
        return {"differences": [each.body() for each in found], "unjudged": rehearsal.unjudged}

    # -- the switch ---------------------------------------------------------------------------

    async def _switch(self, new: Configuration, refuse: Callable[[Site], None]) -> float:
        """Between two polls, from one agent to the other; returns the gap in milliseconds.

        Raises Complaint; then the old one goes on.
        """
        old, clock = self.agent, self._clock
        agent = self._compose(new.site, new.limits)
        paused_at = None
        try:
            if not await self._reach(lambda: old.between_polls, _PATIENT_S):
                paused_at = clock.now()
                old.pause()
                await self._reach(lambda: old.at_rest, _REST_S)
            # a moment ago is not now
            refuse(new.site)
            if self._closed:
                raise Complaint("apply-given-up")
        except BaseException:
            old.resume()
            raise
        # from here on nothing is awaited until the new one protects
        began = paused_at or clock.now()
        self._hand_over(old, agent, new)
        gap_ms = ms_between(began, clock.now())
        self.agent, self.configuration = agent, new
        self._switched(agent, new)
        _log.warning("event=switched config=%s gap_ms=%.1f", new.site.digest[:12], gap_ms)
        return round(gap_ms, 3)

    async def _reach(self, state: Callable[[], bool], most_s: float) -> bool:
        """Wait until it is so, if that is soon."""
        limit = after(self._clock.now(), seconds=most_s)
        # a line has no event that says so, and a rest lasts as long as nobody asks
        while not (reached := state()) and self._clock.now() < limit:
            await self._sleep(_LOOK_S)
        return reached

    def _hand_over(self, old: Agent, agent: Agent, new: Configuration) -> None:
        old.stop()
        try:
            self._enter(agent, old)
        except BaseException:
            # a bug in what was to protect from now on: what protected until now comes back
            _log.critical("event=switch_failed config=%s", new.site.digest[:12])
            agent.stop()
            self.agent = self._compose(old.site, self.configuration.limits)
            self._enter(self.agent, old)
            self._switched(self.agent, self.configuration)
            raise

    def _enter(self, agent: Agent, old: Agent) -> None:
        before, self._blocks = self._blocks, block_profile(agent.site)
        # what it says while it takes over is said under its own configuration
        changed = self._blocks if self._blocks != before else None
        self._journaling.use(agent.site.digest, changed)
        agent.take_over(old)

    # -- going back ---------------------------------------------------------------------------

    async def _go_back(self, by: str, why: str, refuse: Callable[[Site], None]) -> float:
        pending = self._waiting()
        if self._busy:
            raise Complaint("apply-pending")
        self._busy = True
        try:
            refuse(pending.before.site)
            gap_ms = await self._switch(pending.before, refuse)
        finally:
            self._busy = False
        self._cancel(pending)
        self.pending = None
        self._note("rolled back", by=by, why=why, gap_ms=gap_ms)
        return gap_ms

    def _time_is_up(self) -> None:
        pending = self.pending
        if pending is None or self._closed:
            return
        again = after(self._clock.now(), seconds=_AGAIN_S)
        pending.timer = self._clock.call_at(again, self._time_is_up)
        self._task = asyncio.get_running_loop().create_task(self._give_up(pending))
        self._task.add_done_callback(_surface)

    async def _give_up(self, pending: Pending) -> None:
        """Go back, or leave it for now: a clock silences nothing."""
        try:
            await self._go_back("", "not confirmed in time", self._refuse)
        except Complaint as error:
            if pending.held is None or pending.held.key != error.key:
                _log.warning("event=roll_back_put_off reason=%s", error.key)
                self._note("roll-back put off", why=error.key)
            pending.held = error

    # -- both ---------------------------------------------------------------------------------

    def _waiting(self) -> Pending:
        if self.pending is None:
            raise Complaint("apply-nothing")
        return self.pending

    @staticmethod
    def _cancel(pending: Pending) -> None:
        if pending.timer is not None:
            pending.timer.cancel()

    def _note(self, event: str, **body: object) -> None:
        digest = self.agent.site.digest
        told: dict[str, object] = {"event": event, "config": digest, **body}
        self._journaling.offer(Record(RecordKind.RUN, Urgency.STATE, self._clock.utc(), told))


def _surface(task: asyncio.Task[None]) -> None:
    """A bug there is one here, for the loop to tell."""
    if not task.cancelled():
        task.result()
