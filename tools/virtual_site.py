"""The whole agent on any Modbus site in virtual time: a twin for every device, made from its
profile, and telephones for every contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivers.bus.port import Opener
from edge.app.compose import Agent, compose
from edge.app.config.model import BusConfig, Site
from edge.app.config.profile import ModbusProfile
from edge.app.proof import armed
from edge.core.instant import Instant, Utc, ms_between
from edge.core.model import Alarm, RecordKind
from tools.twins.modbus_slave import RtuSlave, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.phones import Person, PhoneLine, Phones
from tools.twins.profiled import signals_of, twin_of
from tools.twins.virtual_port import VirtualLine
from tools.twins.world import World
from tools.virtual_clock import VirtualClock
from tools.virtual_village import MemoryJournal

_LINES = {"voice": 2, "sms": 4}


class VirtualSite:
    """An agent on a site, armed as it would be. Sensors begin at ``rest``, else near zero.

    ``people`` stand in for contacts by their numbers; everybody else is silent. ``utc_ms``: the
    wall time at the beginning.
    """

    def __init__(
        self,
        site: Site,
        *,
        rest: Mapping[str, float] | None = None,
        people: Iterable[Person] = (),
        utc_ms: int | None = None,
    ) -> None:
        self.clock = VirtualClock() if utc_ms is None else VirtualClock(utc_ms=utc_ms)
        self.site, self._limits = armed(site)
        profiles = {each.id: _modbus(site, each.id) for each in site.devices}
        signals = {
            name: value
            for device, profile in profiles.items()
            for name, value in signals_of(device, profile)
        }
        unknown = set(rest or {}) - set(signals)
        if unknown:
            raise ValueError(f"no such points: {sorted(unknown)}")
        self.world = World(self.clock.now, signals | dict(rest or {}))
        self.twins: dict[str, Unit] = {
            device: twin_of(self.world, device, profile) for device, profile in profiles.items()
        }
        self.slaves = {bus.id: self._slave(bus) for bus in site.buses}
        self.lines = {bus.id: self._line(bus) for bus in site.buses}
        self.journal = MemoryJournal()
        self.agent: Agent = compose(
            self.site, self.clock, self.journal, run="test", opener_of=self._opener_of,
            limits=self._limits,
        )  # fmt: skip
        self.phones = Phones(people, self.clock)
        for name, count in _LINES.items():
            self.agent.calling.attend(PhoneLine(self.phones, name, count))
        self.agent.start(())

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.clock.run_for(seconds)

    def change(self, point: str, value: float) -> Instant:
        """A point changes at once; when that was."""
        self.world.set(point, value)
        return self.clock.now()

    def ramp(self, point: str, to: float, seconds: float) -> None:
        """A point changes evenly."""
        self.world.ramp(point, to, seconds)

    def spike(self, point: str, value: float, *, readings: int = 1) -> None:
        """So many readings of a point are wrong; then it is again what it was."""
        before = self.world.value(point)
        device = point.partition(".")[0]
        period_ms = next(each.period_ms or 0 for each in self.site.devices if each.id == device)
        self.world.set(point, value)
        self.run(period_ms * readings / 1000)
        self.world.set(point, before)

    def lose(self, *devices: str) -> None:
        """Devices fall silent; with none named, all are back."""
        for bus in self.site.buses:
            self.slaves[bus.id].faults.silent_units = {
                each.address
                for each in self.site.devices
                if each.bus == bus.id and each.id in devices and each.address is not None
            }

    def press(self, point: str) -> None:
        """A button is pressed for as long as a hand takes."""
        self.world.set(point, 1.0)
        self.run(3.0)
        self.world.set(point, 0.0)
        self.run(3.0)

    # -- what can be seen and heard -----------------------------------------------------------

    def alarm(self, rule: str) -> Alarm:
        """The present state of one rule's alarm."""
        return next(a for name, a in self.agent.pipeline.alarms.items() if name == rule)

    def closed(self, relay: str) -> set[int]:
        """The channels of a relay board that are closed."""
        board = self.twins[relay]
        return {channel + 1 for channel, on in board.coils.items() if on}

    def message(self, amplifier: str) -> int:
        """The message that an amplifier plays, 0 for none."""
        twin = self.twins[amplifier]
        if not isinstance(twin, Amplifier):
            raise TypeError(f"{amplifier} is no amplifier")
        return twin.message

    def silent(self) -> bool:
        """Whether no output does anything, and none ever did."""
        boards = [each for each in self.twins.values() if isinstance(each, RelayBoard | Amplifier)]
        return not any(list(each.changes) for each in boards)

    def moved_ms(self, device: str, name: str, value: int, since: Instant) -> float | None:
        """When an output first did this after an instant: ``coil.0`` or ``message``."""
        twin = self.twins[device]
        if not isinstance(twin, RelayBoard | Amplifier):
            raise TypeError(f"{device} is no output")
        for at, what, now in twin.changes:
            if (what, now) == (name, value) and at >= since:
                return ms_between(since, Instant(at))
        return None

    def called(self) -> list[str]:
        """The contacts for whom it rang, in order, each once."""
        return list(dict.fromkeys(request.contact for request in self.phones.rung))

    def records(self, kind: RecordKind) -> list[dict[str, object]]:
        """The bodies of all records of a kind, oldest first."""
        return self.journal.bodies(kind)

    def utc(self) -> Utc:
        """The wall time now."""
        return self.clock.utc()

    # -- wiring -------------------------------------------------------------------------------

    def _slave(self, bus: BusConfig) -> RtuSlave:
        if bus.kind != "rtu":
            raise ValueError(f"bus {bus.id} is {bus.kind}: there are twins for rtu only")
        return RtuSlave(
            {
                each.address: self.twins[each.id]
                for each in self.site.devices
                if each.bus == bus.id and each.address is not None
            }
        )

    def _line(self, bus: BusConfig) -> VirtualLine:
        frame = f"{bus.data_bits or 8}{(bus.parity or 'none')[0].upper()}{bus.stop_bits or 1}"
        return VirtualLine(self.slaves[bus.id], self.clock, bus.baud, frame, name=bus.id)

    def _opener_of(self, bus: BusConfig) -> Opener:
        return self.lines[bus.id].opener


def _modbus(site: Site, device: str) -> ModbusProfile:
    profile = site.profile(next(each for each in site.devices if each.id == device))
    if not isinstance(profile, ModbusProfile):
        raise TypeError(f"{device} does not speak Modbus: there is no twin for it")
    return profile
