"""A device on an RTU line that takes its address from one of its holding registers."""

from __future__ import annotations

from typing import Literal

from tools.twins.modbus_slave import RtuSlave
from tools.twins.modbus_unit import ILLEGAL_ADDRESS, ILLEGAL_VALUE, OnWrite, Refusal, Table, Unit

Effect = Literal["at_once", "power_cycle", "never"]


class Addressable:
    """Watches a register of a device; what is written there becomes its address.

    ``at_once``: from the next question on, the write is still answered from the old address.
    ``power_cycle``: after that is called. ``never``: the number is kept and nothing follows.
    ``unlock``: this register must hold this value before. ``writes`` are all that came.
    """

    def __init__(
        self,
        slave: RtuSlave,
        address: int,
        register: int,
        effect: Effect = "at_once",
        unlock: tuple[int, int] | None = None,
    ) -> None:
        self.slave = slave
        self.address = address
        self.writes: list[tuple[int, list[int]]] = []
        self._device: Unit = slave.units[address]
        self._device.holding[register] = address
        if unlock is not None:
            self._device.holding.setdefault(unlock[0], 0)
        self._register = register
        self._effect = effect
        self._unlock = unlock
        self._before: OnWrite | None = self._device.on_write
        self._device.on_write = self._on_write

    def power_cycle(self) -> None:
        """Off and on again."""
        if self._effect != "never":
            self._move(self._device.holding[self._register])

    def _on_write(self, table: Table, address: int, values: list[int]) -> None:
        self.writes.append((address, list(values)))
        if self._unlock is not None and address == self._unlock[0]:
            return
        if (table, address) != (Table.HOLDING, self._register):
            if self._before is not None:
                self._before(table, address, values)
            return
        if self._unlock is not None and self._device.holding[self._unlock[0]] != self._unlock[1]:
            raise Refusal(ILLEGAL_ADDRESS)
        if not 1 <= values[0] <= 247:
            raise Refusal(ILLEGAL_VALUE)
        if self._effect == "at_once":
            self._move(values[0])

    def _move(self, new: int) -> None:
        if self.slave.units.get(self.address) is self._device:
            del self.slave.units[self.address]
        self.address = new
        self.slave.units[new] = self._device
