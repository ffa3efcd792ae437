"""What the alarm process answers on its local socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

from drivers.modbus_device import ModbusDevice
from edge.app import apply_requests
from edge.app.alarm_requests import REQUESTS, carry_out, inhibits_body
from edge.app.attendant import attend
from edge.app.changeover import Changeover
from edge.app.complaint import Complaint
from edge.app.compose import Agent
from edge.app.config.model import DeviceConfig
from edge.app.exercises import Exercises
from edge.app.local_socket import Peer, Request
from edge.app.proof import outcome
from edge.app.supervisor import Supervisor
from edge.core.instant import after, seconds_between
from edge.core.model import DeviceId, Phase, Quality, RuleId, Sample
from edge.core.ports import Class
from edge.engine.bodies import alarm_body, sample_body
from edge.engine.journal import JournalWriter
from edge.engine.sound import UNHEARD

_READ_S = 3.0
_BUSY_S = 0.02


class Services:
    """Requests by name. Each answers one frame, but ``watch`` and ``follow``, which go on."""

    def __init__(
        self, agent: Agent, journal: JournalWriter, supervisor: Supervisor | None, run: str
    ) -> None:
        self.changeover: Changeover | None = None
        """What changes the configuration; None: nothing does."""
        self._agent = agent
        self._journal = journal
        self._supervisor = supervisor
        self._run = run
        self._began = agent.clock.now()
        self._followers: set[Peer] = set()
        self._link: dict[str, object] = {}
        self._answers: dict[str, Callable[[Request], Mapping[str, object]]] = {
            "status": lambda _: self.status(),
            "alarms": lambda _: {"alarms": self.alarms(), "metrics": self._metrics()},
            "ack": self.acknowledge,
            "drill": lambda request: Exercises(self._agent).drill(request),
            "walk-test": lambda request: Exercises(self._agent).walk_test(request),
            "calls": lambda _: self._agent.calling.body(),
            "answer": lambda request: self._agent.calling.answer(*_answering(request)),
        }
        self._tasks: dict[str, Callable[[Request], Awaitable[Mapping[str, object]]]] = {
            "read": lambda request: self.read(str(request.get("device"))),
        }
        self._talks: dict[str, Callable[[Request, Peer], Awaitable[None]]] = {
            "apply": self._apply,
            "attend": lambda request, peer: attend(self._agent.calling, request, peer),
            "watch": lambda _, peer: self._watch(peer),
            "follow": lambda _, peer: self._follow(peer),
        }

    def use(self, agent: Agent) -> None:
        """From now on this agent is meant."""
        self._agent = agent

    async def answer(self, request: Request, peer: Peer) -> None:
        """Answer one request; what cannot be answered is said to the peer, never raised."""
        name = str(request.get("op"))
        try:
            if name in self._talks:
                await self._talks[name](request, peer)
            elif name in self._tasks:
                await peer.send(await self._tasks[name](request))
            elif name in REQUESTS:
                await peer.send(carry_out(self._agent.pipeline, request))
            elif name in self._answers:
                await peer.send(self._answers[name](request))
            else:
                raise Complaint("unknown-request", found=name)
        except Complaint as error:
            await peer.send(error.body())

    def committed(self, seq: int, urgent: bool) -> None:
        """The journal grew: tell the link, which must not wait for its next look."""
        for peer in list(self._followers):
            peer.post({"committed": seq, "urgent": urgent})

    def status(self) -> dict[str, object]:
        """Everything a technician wants to know at once."""
        agent = self._agent
        now = agent.clock.now()
        utc = agent.clock.utc()
        return {
            "site": agent.site.site.id,
            "name": agent.site.site.name,
            "run": self._run,
            "up_s": round(seconds_between(self._began, now), 1),
            "utc_ms": utc.ms,
            "clock": utc.quality.value,
            "config": agent.site.digest[:12],
            **outcome(agent.site),
            "changeover": self.changeover.body() if self.changeover is not None else None,
            "alarms": self.alarms(active_only=True),
            "inhibits": inhibits_body(agent.pipeline.annunciator.inhibits),
            "metrics": self._metrics(),
            "sounding": sorted(agent.dispatcher.wanted),
            "calls": agent.calling.body(),
            "sound": Exercises(agent).sound(),
            "drill": Exercises(agent).drill({})["running"],
            "walk_test": Exercises(agent).walk_test({})["running"],
            "buses": [self._bus(name) for name in agent.lines],
            "sensors": [
                {"id": trigger.id, "up": trigger.up, "discarded_lines": trigger.discarded_lines}
                for trigger in agent.triggers.values()
            ],
            "devices": [self._device(config) for config in agent.site.devices],
            "journal": {
                **asdict(self._journal.status),
                "epoch": self._journal.epoch,
                "set_aside": self._journal.set_aside,
            },
            "black_box": asdict(agent.box.status) if agent.box is not None else None,
            "health": {**agent.health.body(), "rules": agent.conformance.body()},
            "shadows": agent.pipeline.shadows.body(now),
            "link": {
                **self._link,
                "process": asdict(self._supervisor.state) if self._supervisor else None,
            },
        }

    def alarms(self, *, active_only: bool = False) -> list[dict[str, object]]:
        """All alarms, the highest level first; of the built-in rules those that are not normal."""
        alarms = sorted(self._agent.pipeline.alarms.values(), key=lambda a: (-a.level, a.rule))
        return [
            alarm_body(alarm)
            for alarm in alarms
            if alarm.phase is not Phase.NORMAL
            or not (active_only or alarm.rule.startswith(UNHEARD))
        ]

    def acknowledge(self, request: Request) -> dict[str, object]:
        """Answer for one rule, one alarm id, or all.

        Raises AgentError if there is no such alarm.
        """
        wanted = str(request.get("alarm", ""))
        by = str(request.get("by", "")).strip()
        if not by:
            raise Complaint("nobody")
        known = self._agent.pipeline.alarms
        if wanted == "all":
            rules = list(known)
        else:
            rules = [name for name, alarm in known.items() if wanted in (name, alarm.id) and wanted]
            drilled = self._agent.pipeline.outputs.drills.alarm
            if drilled is not None and wanted == drilled.id:
                rules = [drilled.rule]
        if not rules:
            allowed = sorted(rule for rule in known if not rule.startswith(UNHEARD))
            raise Complaint("no-alarm", found=wanted, allowed=", ".join(allowed))
        changed = self._agent.pipeline.acknowledge([RuleId(rule) for rule in rules], by)
        return {"acknowledged": [alarm_body(alarm) for alarm in changed]}

    async def _apply(self, request: Request, peer: Peer) -> None:
        if self.changeover is None:
            raise Complaint("unknown-request", found="apply")
        await peer.send(await apply_requests.carry_out(self.changeover, request, lambda: peer.gone))

    def _metrics(self) -> dict[str, object]:
        return self._agent.pipeline.annunciator.body(self._agent.clock.now())

    async def read(self, name: str) -> dict[str, object]:
        """Ask one device now, between the polls of its line."""
        agent = self._agent
        device = agent.devices.get(DeviceId(name))
        if device is None:
            trigger = agent.triggers.get(DeviceId(name))
            if trigger is None:
                names = sorted(each.id for each in agent.site.devices)
                raise Complaint("no-device", found=name, allowed=", ".join(names))
            last = [s for p in trigger.points if (s := agent.pipeline.values.get(p.id))]
            return {"device": name, "samples": [sample_body(s) for s in last]}
        if not device.points:
            return {"device": name, "samples": []}
        samples = await self._ask(device)
        return {"device": name, "samples": [sample_body(sample) for sample in samples]}

    async def _ask(self, device: ModbusDevice) -> list[Sample]:
        """One poll of our own; while the regular one is under way, wait for it to end.

        Raises Complaint if the line had no time for it.
        """
        clock = self._agent.clock
        deadline = after(clock.now(), seconds=_READ_S)
        samples: list[Sample] = []
        complete = asyncio.Event()

        def done(part: tuple[Sample, ...]) -> None:
            samples.extend(part)
            if len(samples) == len(device.points):
                complete.set()

        while not (device.idle and device.poll(deadline, done, Class.LOG)):
            if clock.now() > deadline:
                raise Complaint("device-busy", seconds=_READ_S)
            await asyncio.sleep(_BUSY_S)
        try:
            await asyncio.wait_for(complete.wait(), _READ_S)
        except TimeoutError:
            raise Complaint("device-busy", seconds=_READ_S) from None
        return samples

    async def _watch(self, peer: Peer) -> None:
        """Send all values, then every new one, until the peer goes.

        One that is too slow misses some.
        """
        pipeline = self._agent.pipeline
        await peer.send(
            {
                "samples": [sample_body(s) for s in pipeline.values.values()],
                "alarms": self.alarms(active_only=True),
            }
        )

        def show(samples: tuple[Sample, ...]) -> None:
            bodies = [sample_body(sample) for sample in samples]
            peer.post({"samples": bodies, "alarms": self.alarms(active_only=True)})

        end = pipeline.listen(show)
        try:
            await peer.receive()
        finally:
            end()

    async def _follow(self, peer: Peer) -> None:
        """Tell the link of every commit, and take its status, until it goes."""
        self._followers.add(peer)
        try:
            await peer.send({"committed": self._journal.status.last_seq, "urgent": True})
            while (message := await peer.receive()) is not None:
                self._link = message
        finally:
            self._followers.discard(peer)

    def _bus(self, name: str) -> dict[str, object]:
        line = self._agent.lines[name]
        now = self._agent.clock.now()
        up_ns = max(1, now - self._began)
        return {
            "id": name,
            "up": line.up,
            "reason": line.reason,
            "losses": line.losses,
            "devices": {
                str(device.address): device.id
                for device in self._agent.site.devices
                if device.address is not None and self._agent.line_of(device) is line
            },
            "waiting": line.waiting,
            "stray_bytes": line.strays.bytes,
            "babbling": line.strays.babbling,
            "babbler": line.strays.unit,
            "load": {each.name.lower(): line.busy_ns[each] / up_ns for each in Class},
            "waits": {each.name.lower(): line.waits[each].body() for each in Class},
            "lost": {
                str(unit): {"since_s": seconds_between(lost.since, now), "probes": lost.probes}
                for unit, lost in sorted(line.quarantine.lost.items())
            },
            "units": {str(unit): count.body() for unit, count in sorted(line.units.items())},
        }

    def _device(self, config: DeviceConfig) -> dict[str, object]:
        agent = self._agent
        ids = [point.id for point in agent.site.points_of(config)]
        values = [s for point in ids if (s := agent.pipeline.values.get(point))]
        poller = next((p for p in agent.pollers if p.sensor.id == config.id), None)
        return {
            "id": config.id,
            "name": agent.site.names.get(config.id, ""),
            "bus": config.bus,
            "address": config.address,
            "profile": config.profile,
            "good": sum(s.quality is Quality.GOOD for s in values),
            "bad": sum(s.quality is not Quality.GOOD for s in values),
            "polls": poller.polls if poller else None,
            "skipped": poller.skipped if poller else None,
        }


def _answering(request: Request) -> tuple[str, str, str]:
    """Which alarm is answered, as whom, and by which account."""
    return (
        str(request.get("alarm", "")),
        str(request.get("contact", "")),
        str(request.get("by", "")).strip(),
    )
