"""Actuators of the simulated village as Modbus devices; every change is kept with its time."""

from __future__ import annotations

from tools.twins.modbus_unit import (
    DEVICE_FAILURE,
    ILLEGAL_VALUE,
    Refusal,
    Table,
    Unit,
)
from tools.twins.world import ChangeLog, World

_NS_PER_MS = 1_000_000


class RelayBoard(Unit):
    """8-channel relay board (domain.md §2.6.5, vector M12): coils 0-7 by FC 1, 5, 15.

    ``stuck`` channels accept every command and do not move; the read-back tells.
    """

    model = "relay-8"

    def __init__(
        self,
        world: World,
        *,
        stuck: tuple[int, ...] | list[int] = (),
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(coils=[0] * 8, on_write=self._on_write, turnaround_ms=turnaround_ms)
        self.stuck = set(stuck)
        self.changes = ChangeLog(world.now)
        self._contacts = [0] * 8

    def state(self) -> dict[str, object]:
        return {"coils": list(self._contacts), "changes": self.changes.as_json()}

    def _on_write(self, table: Table, address: int, values: list[int]) -> None:
        for channel, value in enumerate(values, start=address):
            if channel in self.stuck:
                self.coils[channel] = self._contacts[channel]
            elif self._contacts[channel] != value:
                self._contacts[channel] = value
                self.changes.add(f"coil.{channel}", value)


class Amplifier(Unit):
    """Broadcast amplifier and siren controller with stored messages. A generic map of our own.

    No public register map of such a device is among the facts (domain.md §4.4), so this one states
    what they have in common:

    - holding 0010h message slot: writing 1-99 starts that message, 0 stops; other values are
      exception 3. Writing the slot that is already playing changes nothing.
    - holding 0011h volume 0-30
    - coil 0000h: playing; writing 0 stops, writing 1 starts slot 1 unless something is playing
    - inputs 0000h state (0 idle, 1 playing, 2 fault), 0001h current message (0 none), 0002h current
      volume, 0003h loudspeaker line current in mA

    Signals: ``amplifier.fault`` 1 makes it state 2, silent, and starting exception 4;
    ``amplifier.line`` 0 is a cut loudspeaker line: it plays, and no current flows. Current flows
    once the power stage is warm. A message plays until stopped, or for ``message_s``.
    """

    model = "amplifier"
    SLOT = 0x0010
    VOLUME = 0x0011
    LAST_SLOT = 99
    LOUDEST = 30
    IDLE, PLAYING, FAULT = 0, 1, 2

    def __init__(
        self,
        world: World,
        *,
        signal: str = "amplifier",
        volume: int = 20,
        warm_up_ms: float = 300.0,
        message_s: float | None = None,
        full_current_ma: float = 900.0,
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(
            coils=[0],
            holding={self.SLOT: 0, self.VOLUME: volume},
            inputs=[0, 0, volume, 0],
            on_read=self._on_read,
            on_write=self._on_write,
            turnaround_ms=turnaround_ms,
        )
        self.world = world
        self.changes = ChangeLog(world.now)
        self._signal = signal
        self._warm_up_ns = round(warm_up_ms * _NS_PER_MS)
        self._message_ns = None if message_s is None else round(message_s * 1000 * _NS_PER_MS)
        self._full_current_ma = full_current_ma
        self._message = 0
        self._volume = volume
        self._started_ns = self._powered_ns = 0

    @property
    def message(self) -> int:
        """The slot that is sounding now, 0 for none."""
        self._settle()
        return self._message

    def state(self) -> dict[str, object]:
        self._settle()
        return {
            "state": self.inputs[0],
            "message": self._message,
            "volume": self._volume,
            "line_ma": self.inputs[3],
            "changes": self.changes.as_json(),
        }

    def _on_read(self, table: Table, address: int, count: int) -> None:
        self._settle()

    def _on_write(self, table: Table, address: int, values: list[int]) -> None:
        self._settle()
        if table is Table.COILS:
            if values[0]:
                self._play(self._message or 1)
            else:
                self._play(0)
            return
        asked = dict(enumerate(values, start=address))
        slot, volume = asked.get(self.SLOT), asked.get(self.VOLUME)
        if slot is not None and slot > self.LAST_SLOT:
            raise Refusal(ILLEGAL_VALUE)
        if volume is not None and volume > self.LOUDEST:
            raise Refusal(ILLEGAL_VALUE)
        if volume is not None and volume != self._volume:
            self._volume = volume
            self.changes.add("volume", volume)
        if slot is not None:
            self._play(slot)
        self._settle()

    def _play(self, slot: int) -> None:
        if slot == self._message:
            return
        if slot and self.world.is_on(f"{self._signal}.fault"):
            raise Refusal(DEVICE_FAILURE)
        now = self.world.now()
        if not self._message:
            self._powered_ns = now
        self._message, self._started_ns = slot, now
        self.changes.add("message", slot)

    def _settle(self) -> None:
        """Let what time and faults have done since take effect, and show it in the registers."""
        now = self.world.now()
        failed = self.world.is_on(f"{self._signal}.fault")
        over = self._message_ns is not None and now - self._started_ns >= self._message_ns
        if failed or over:
            self._play(0)
        playing = self._message != 0
        sounding = (
            playing
            and now - self._powered_ns >= self._warm_up_ns
            and self.world.is_on(f"{self._signal}.line")
        )
        current_ma = self._full_current_ma * self._volume / self.LOUDEST if sounding else 0.0
        state = self.FAULT if failed else self.PLAYING if playing else self.IDLE
        self.inputs.update(enumerate((state, self._message, self._volume, round(current_ma))))
        self.holding.update({self.SLOT: self._message, self.VOLUME: self._volume})
        self.coils[0] = int(playing)
