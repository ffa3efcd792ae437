"""The alarm process: field buses, rules, sirens and the journal. It listens on no network."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge.app.black_box import FOLDER, keeper_of
from edge.app.changeover import Changeover, Configuration, Journaling
from edge.app.clock import RealClock
from edge.app.compose import Agent, block_profile, compose
from edge.app.config.model import Site
from edge.app.local_socket import serve
from edge.app.lock import hold
from edge.app.priority import go_first
from edge.app.proof import outcome
from edge.app.services import Services
from edge.app.supervisor import Supervisor
from edge.core.instant import Instant, after, ms_between
from edge.core.model import Alarm, Notice, Record, RecordKind, RuleId, Urgency
from edge.core.ports import Class
from edge.engine.audit import Context
from edge.engine.bodies import alarm_from
from edge.engine.box_keeper import BoxKeeper
from edge.engine.clock_watch import ClockWatch
from edge.engine.conformance import Limit
from edge.engine.journal import JournalWriter
from protocols.block import Profile

_log = logging.getLogger("tongluo.alarm")

_LAG_S = 0.25
_HEALTH_S = 60.0
# The journal thread holds the interpreter at most this long while a reading waits.
_SWITCH_S = 0.0005
_MEBIBYTE = 1 << 20


async def run(
    site: Site,
    site_path: Path,
    state: Path,
    *,
    with_link: bool,
    limits: Mapping[RuleId, Limit] | None = None,
) -> None:
    """Protect the site until SIGTERM or SIGINT. Raises AgentError if another agent runs here."""
    sys.setswitchinterval(_SWITCH_S)
    go_first()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with hold(state, "alarm"):
        async with _protect(site, site_path, state, with_link, limits or {}):
            await stop.wait()


@contextlib.asynccontextmanager
async def _protect(
    site: Site, site_path: Path, state: Path, with_link: bool, limits: Mapping[RuleId, Limit]
) -> AsyncIterator[None]:
    """Everything that runs, started in order and stopped in reverse: links first, sirens last."""
    loop = asyncio.get_running_loop()
    clock = RealClock()
    name = secrets.token_hex(3)
    services: Services | None = None

    def committed(seq: int, urgent: bool) -> None:
        if services is not None:
            loop.call_soon_threadsafe(services.committed, seq, urgent)

    journal = _journal(site, state, clock, committed)
    journal.set_context(Context(name, site.digest))
    journal.start()
    box = keeper_of(site, state / FOLDER, clock, journal)
    if box is not None:
        box.start()

    def composed(
        site: Site, limits: Mapping[RuleId, Limit], lost: Collection[tuple[str, int]] = ()
    ) -> Agent:
        return compose(site, clock, journal, run=name, limits=limits, lost=lost, box=box)

    agent = composed(site, limits, _lost(journal.kept_devices()))
    loop.set_exception_handler(lambda _, context: _note_fault(change.agent, context))
    _note_run(agent, journal, name, "started")
    supervisor = Supervisor(_link(site, site_path, state)) if with_link else None
    services = Services(agent, journal, supervisor, name)

    now = Configuration(site, site_path, limits)
    switched = partial(_switched, services, supervisor, state)
    change = Changeover(agent, now, clock, _journaling(journal, name), composed, switched)
    services.changeover = change
    server = await serve(state, services.answer)
    _start(agent, journal)
    # what lives for ever is never looked at again by the collector
    gc.collect()
    gc.freeze()
    tasks = _begin(change, journal, supervisor)
    try:
        yield
    finally:
        change.close()
        await _cancel(tasks)
        server.close()
        change.agent.stop()
        _note_run(change.agent, journal, name, "stopped")
        await _write_out(box, journal)


def _journal(
    site: Site, state: Path, clock: RealClock, committed: Callable[[int, bool], None]
) -> JournalWriter:
    return JournalWriter(
        state / "journal.db",
        block_profile(site),
        clock,
        most_bytes=site.journal.max_mb * _MEBIBYTE,
        block_s=site.journal.block_s,
        committed=committed,
    )


def _switched(
    services: Services, supervisor: Supervisor | None, state: Path, agent: Agent,
    configuration: Configuration,
) -> None:  # fmt: skip
    """Another agent protects the site now."""
    services.use(agent)
    if supervisor is not None:
        supervisor.use(_link(agent.site, configuration.path, state))
    # it, too, lives for long
    gc.freeze()


def _begin(
    change: Changeover, journal: JournalWriter, supervisor: Supervisor | None
) -> list[asyncio.Task[None]]:
    """What goes on beside the walk."""
    tasks = [asyncio.create_task(_measure(change, journal), name="health")]
    if supervisor is not None:
        tasks.append(asyncio.create_task(supervisor.run(), name="link"))
    return tasks


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """The last one first."""
    for task in reversed(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _journaling(journal: JournalWriter, run: str) -> Journaling:
    """What a change of configuration needs of the journal."""

    def use(digest: str, blocks: Profile | None) -> None:
        journal.set_context(Context(run, digest))
        if blocks is not None:
            journal.use(blocks)

    return Journaling(journal.offer, use)


async def _write_out(box: BoxKeeper | None, journal: JournalWriter) -> None:
    """Let what still waits for the disk reach it."""
    if box is not None and not await asyncio.to_thread(box.stop):
        _log.error("event=black_box_not_written")
    if not await asyncio.to_thread(journal.stop):
        _log.error("event=journal_not_flushed waiting=%d", journal.status.waiting)


def _link(site: Site, site_path: Path, state: Path) -> list[str] | None:
    """What the link process is started with; None: the site has no links."""
    if not site.links:
        return None
    return ["link", str(site_path), "--state", str(state), "--child"]


def _start(agent: Agent, journal: JournalWriter) -> None:
    """Begin where the agent before stopped."""
    agent.start(
        _kept(journal), journal.kept_exercises(), journal.kept_newest(), journal.kept_calls()
    )


def _kept(journal: JournalWriter) -> list[Alarm]:
    """The alarms of before the restart; one that cannot be read is logged and begins anew."""
    alarms = []
    for body in journal.kept_alarms():
        try:
            alarms.append(alarm_from(body))
        except (KeyError, ValueError) as error:
            _log.error("event=alarm_state_unreadable reason=%s", error)
    return alarms


def _lost(bodies: list[dict[str, object]]) -> set[tuple[str, int]]:
    """The lines and addresses that were silent when the agent last ran."""
    return {
        (str(body["bus"]), address)
        for body in bodies
        if body.get("event") == Notice.LOST.value and isinstance(address := body["address"], int)
    }


async def _measure(change: Changeover, journal: JournalWriter) -> None:
    """Watch the loop's own lateness and the journal's thread; report once a minute."""
    clock = change.agent.clock
    due = after(clock.now(), seconds=_HEALTH_S)
    watch = ClockWatch(clock.now(), clock.utc())
    while True:
        expected: Instant = after(clock.now(), seconds=_LAG_S)
        await asyncio.sleep(_LAG_S)
        agent = change.agent
        agent.health.loop_lag.add(max(0.0, ms_between(expected, clock.now())))
        agent.pipeline.look_round()
        if (step := watch.look(clock.now(), clock.utc())) is not None:
            journal.offer(Record(RecordKind.CLOCK, Urgency.STATE, step.after, step.body()))
        if journal.revive():
            agent.health.faults += 1
        if clock.now() >= due:
            due = after(due, seconds=_HEALTH_S)
            journal.offer(
                Record(RecordKind.HEALTH, Urgency.STATE, clock.utc(), _health_body(agent, journal))
            )


def _health_body(agent: Agent, journal: JournalWriter) -> dict[str, object]:
    return {
        **agent.health.body(),
        "rules": agent.conformance.body(),
        "alarms": agent.pipeline.annunciator.body(agent.clock.now()),
        "journal": asdict(journal.status),
        "buses": {
            name: {
                "up": line.up,
                "losses": line.losses,
                "lost": sorted(line.quarantine.lost),
                "waits": {each.name.lower(): line.waits[each].body() for each in Class},
            }
            for name, line in agent.lines.items()
        },
        "skipped": sum(poller.skipped for poller in agent.pollers),
    }


def _note_run(agent: Agent, journal: JournalWriter, name: str, event: str) -> None:
    body: dict[str, object] = {
        "event": event,
        "run": name,
        "config": agent.site.digest,
        **outcome(agent.site),
    }
    journal.offer(Record(RecordKind.RUN, Urgency.STATE, agent.clock.utc(), body))


def _note_fault(agent: Agent, context: dict[str, object]) -> None:
    """A bug in a callback: say it loudly and go on, for the other sensors' sake."""
    agent.health.faults += 1
    error = context.get("exception")
    _log.critical(
        "event=fault message=%s",
        context.get("message"),
        exc_info=error if isinstance(error, BaseException) else None,
    )
