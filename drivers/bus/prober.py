"""Asks lost devices whether they are back, within a fixed share of their line's time."""

from __future__ import annotations

from collections.abc import Callable

from drivers.bus.quarantine import Quarantine
from drivers.bus.transaction import DeviceTiming, Result, Transaction
from edge.core.instant import Clock, Timer
from edge.core.ports import Class
from protocols.modbus import Request


class Prober:
    """One probe at a time. ``probed`` is told of each address that is asked."""

    def __init__(
        self,
        quarantine: Quarantine,
        clock: Clock,
        submit: Callable[[Transaction], None],
        probed: Callable[[int], None],
    ) -> None:
        self._quarantine = quarantine
        self._clock = clock
        self._submit = submit
        self._probed = probed
        self._requests: dict[int, tuple[Request, DeviceTiming]] = {}
        self._slices_ns: dict[int, int] = {}
        self._timer: Timer | None = None
        self._under_way = False

    def introduce(self, request: Request, timing: DeviceTiming, slice_ns: int) -> None:
        """How to ask a device, and what that costs if it is in vain."""
        self._requests[request.unit] = request, timing
        self._slices_ns[request.unit] = slice_ns

    @property
    def units(self) -> frozenset[int]:
        """The devices that it knows how to ask."""
        return frozenset(self._requests)

    def plan(self) -> None:
        """Set the alarm clock for the next probe, if anything is lost."""
        due = self._quarantine.due()
        if self._timer is None and not self._under_way and due is not None:
            self._timer = self._clock.call_at(due, self._probe)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _probe(self) -> None:
        self._timer = None
        if not self._quarantine.lost:
            return
        now = self._clock.now()
        unit = self._quarantine.probe(now, self._slices_ns)
        if unit is None:
            self.plan()
            return
        self._under_way = True
        self._probed(unit)
        request, timing = self._requests[unit]
        self._submit(Transaction(request, Class.LOG, now, timing, self._ended))

    def _ended(self, _: Result) -> None:
        self._under_way = False
        self.plan()
