"""Our agent on the bench's line: ``python -m tools.bench.bus_agent SITE STATE poll|saturate``

Composed from a site file with real ports, rules and a journal on disk. ``saturate`` asks every
device again as soon as it has answered. On standard input ``write CODE AT_NS`` commands the relay
at that instant of CLOCK_MONOTONIC, ``report`` prints one JSON object. Ends when the input does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import signal
import sys
import threading
from pathlib import Path

from drivers.modbus_device import ModbusDevice
from edge.app.clock import RealClock
from edge.app.compose import Agent, block_profile, compose
from edge.app.config import load_site
from edge.app.config.model import Site
from edge.app.priority import go_first
from edge.core.instant import Instant, after
from edge.core.model import Command, DeviceId, Outcome, Sample
from edge.core.ports import Class
from edge.engine.journal import JournalWriter

_MOST_BYTES = 1 << 28
_TIMEOUT_S = 5.0
# As in edge/app/alarm_main.py.
_SWITCH_S = 0.0005


class Saturation:
    """Keeps one device busy."""

    def __init__(self, agent: Agent, device: ModbusDevice) -> None:
        self._agent = agent
        self._device = device
        self._left = 0

    def ask(self) -> None:
        """Ask for all its points; a device that cannot be asked yet is asked a little later."""
        self._left = len(self._device.points)
        clock = self._agent.clock
        if not self._device.poll(after(clock.now(), seconds=1), self._heard, Class.WATCH):
            clock.call_at(after(clock.now(), ms=5), self.ask)

    def _heard(self, samples: tuple[Sample, ...]) -> None:
        self._agent.pipeline.on_samples(samples)
        self._left -= len(samples)
        if self._left <= 0:
            asyncio.get_running_loop().call_soon(self.ask)


class Orders:
    """Standard input's orders, carried out on the loop."""

    def __init__(self, agent: Agent, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        self._agent = agent
        self._loop = loop
        self._stop = stop
        self._outcomes: dict[str, int] = {}

    def listen(self) -> None:
        """Until the input ends; in a thread of its own."""
        for text in sys.stdin:
            self._loop.call_soon_threadsafe(self._obey, text.split())
        self._loop.call_soon_threadsafe(self._stop.set)

    def _obey(self, words: list[str]) -> None:
        if words[0] == "report":
            print(json.dumps(self._report()), flush=True)
            return
        code, at = int(words[1]), Instant(int(words[2]))
        self._agent.clock.call_at(at, lambda: self._command(code, at))

    def _command(self, code: int, at: Instant) -> None:
        relay = DeviceId("relay")
        command = Command(
            id=f"bench-{code}",
            actuator=relay,
            output="relay",
            action="set",
            arguments=(("code", code),),
            alarm="",
            revision=0,
            ensure=False,
            issued=self._agent.clock.now(),
            not_after=after(at, seconds=_TIMEOUT_S),
            cause=at,
        )
        self._agent.devices[relay].apply(command, self._note)

    def _note(self, outcome: Outcome) -> None:
        name = outcome.status.name.lower()
        self._outcomes[name] = self._outcomes.get(name, 0) + 1

    def _report(self) -> dict[str, object]:
        return {
            "queue": sum(line.waiting for line in self._agent.lines.values()),
            "skipped": sum(poller.skipped for poller in self._agent.pollers),
            "outcomes": self._outcomes,
        }


async def run(site: Site, state: Path, mode: str) -> None:
    """Until standard input ends."""
    sys.setswitchinterval(_SWITCH_S)
    go_first()
    clock = RealClock()
    journal = JournalWriter(
        state / "journal.db", block_profile(site), clock,
        most_bytes=_MOST_BYTES, block_s=site.journal.block_s, committed=lambda _seq, _urgent: None,
    )  # fmt: skip
    agent = compose(site, clock, journal, run="bench")
    journal.start()
    if mode == "saturate":
        agent.pollers.clear()
    agent.start([])
    if mode == "saturate":
        for device in agent.devices.values():
            if device.points:
                Saturation(agent, device).ask()
    gc.collect()
    gc.freeze()
    stop = asyncio.Event()
    orders = Orders(agent, asyncio.get_running_loop(), stop)
    threading.Thread(target=orders.listen, name="orders", daemon=True).start()
    await stop.wait()
    agent.stop()
    await asyncio.to_thread(journal.stop)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """As ``tongluo run`` has it."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    # the terminal's Ctrl-C is for the bench, which ends this by closing its input
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # ended by force nothing is lost that the bench needs
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    folder = Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(run(load_site(Path(sys.argv[1])), folder, sys.argv[3]))
