"""The field of a run: devices that take their time, and what is written to them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from edge.app.config.model import RuleConfig
from edge.app.config.profile import Action, ModbusProfile
from edge.core.instant import NS_PER_MS, Clock
from tools.bench.proof_sites import ABOVE, BELOW, MESSAGE_ADDRESS, REST, STATUS_ADDRESS
from tools.twins.modbus_unit import Table, Unit

_CHANNELS = 100


def unit_of(profile: ModbusProfile, clock: Clock, settle: float) -> Unit:
    """The twin of a device at rest. ``settle``: share of its time until its read-back shows."""
    cells: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
    for point in profile.points.values():
        cells[point.table][point.address] = REST
    _bridge(cells)
    turnaround_ms = float(profile.timing.turnaround_ms)
    if not profile.actions:
        return Unit(
            coils=cells["coil"], discretes=cells["discrete"],
            holding=cells["holding"], inputs=cells["input"], turnaround_ms=turnaround_ms,
        )  # fmt: skip
    within_ms = [a.confirm.within_ms for a in profile.actions.values() if a.confirm is not None]
    settle_ns = round(settle * min(within_ms, default=0) * NS_PER_MS)
    for action in profile.actions.values():
        for write in action.write:
            span = range(write.address, write.address + len(write.values) + 8)
            cells[write.table] |= dict.fromkeys(span, 0)
    return _Output(cells, turnaround_ms, clock, settle_ns)


class _Output(Unit):
    """A relay board or an amplifier that takes its time: until then, it reads as it was.

    A status register follows each channel.
    """

    def __init__(
        self,
        cells: dict[str, dict[int, int]],
        turnaround_ms: float,
        clock: Clock,
        settle_ns: int,
    ) -> None:
        cells["input"] |= dict.fromkeys(range(STATUS_ADDRESS, STATUS_ADDRESS + _CHANNELS), 0)
        super().__init__(
            coils=cells["coil"], discretes=cells["discrete"],
            holding=cells["holding"], inputs=cells["input"],
            turnaround_ms=turnaround_ms, on_read=self._show, on_write=self._note_write,
        )  # fmt: skip
        self._shown = {table: dict(self.table(table)) for table in (Table.COILS, Table.HOLDING)}
        self._coming: dict[tuple[Table, int], tuple[int, int]] = {}
        self._clock = clock
        self._settle_ns = settle_ns

    def _note_write(self, table: Table, address: int, values: list[int]) -> None:
        at = self._clock.now() + self._settle_ns
        for each, value in enumerate(values, start=address):
            same = self._coming.get((table, each), (0, self._shown[table][each]))[1] == value
            if not same:
                self._coming[table, each] = at, value
            self.table(table)[each] = self._shown[table][each]

    def _show(self, table: Table, address: int, count: int) -> None:
        now = self._clock.now()
        for (of, each), (at, value) in list(self._coming.items()):
            if at > now:
                continue
            del self._coming[of, each]
            self._shown[of][each] = self.table(of)[each] = value
            if of is Table.COILS:
                self.inputs[STATUS_ADDRESS + each] = value
            elif each == MESSAGE_ADDRESS + 1:
                self.inputs[STATUS_ADDRESS] = value


def reading(rule: RuleConfig, *, fires: bool) -> int:
    """What the register of a rule's quantity holds, in force or at rest."""
    if not fires:
        return REST
    return ABOVE if rule.comparison in (">=", ">") else BELOW


def write_pdus(action: Action, arguments: Mapping[str, int]) -> list[bytes]:
    """What an action's writes look like on the wire, worked out from its profile alone."""
    pdus = []
    for write in action.write:
        step = arguments[write.address_step[1:]] - 1 if write.address_step else 0
        address = write.address + step
        values = [arguments[v[1:]] if isinstance(v, str) else v for v in write.values]
        several = len(values) > 1 or write.multiple
        if write.table == "coil":
            if several:
                raise ValueError("the campaign writes single coils")
            pdus.append(struct.pack(">BHH", 5, address, 0xFF00 if values[0] else 0))
        elif several:
            head = struct.pack(">BHHB", 16, address, len(values), 2 * len(values))
            pdus.append(head + struct.pack(f">{len(values)}H", *values))
        else:
            pdus.append(struct.pack(">BHH", 6, address, values[0]))
    return pdus


def _bridge(cells: dict[str, dict[int, int]]) -> None:
    """Define the registers between points too: a read may go over them."""
    for table in cells.values():
        for address in list(table):
            for each in range(address, address + 20):
                table.setdefault(each, REST)
