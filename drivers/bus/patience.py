"""How long a question may take on its line, as far as is known of its device. No I/O."""

from __future__ import annotations

from collections import defaultdict

from drivers.bus.dialect import Dialect
from drivers.bus.pace import Pace
from drivers.bus.quarantine import Quarantine
from drivers.bus.transaction import DeviceTiming, Transaction
from edge.core.instant import NS_PER_S, Instant, after, seconds_between
from edge.core.ports import Class
from protocols.modbus import Request

# Slaves need time to carry a broadcast out before the next question (V1.02, 2.1: 100 to 200 ms).
_BROADCAST_S = 0.1
# A lost device is waited for as long as it takes if it answers; one probe in so many has the whole
# time-out, as it may have become slower.
_PATIENT_PROBE = 32
_PROBE_MARGIN_S = 0.02
# What feeds no alarm looks for room between polls that do for so many of their periods, within
# these limits. In two periods every gap comes by that there is.
_ROOM_PERIODS = 2
_ROOM_S = (1.0, 5.0)


class Patience:
    """Knows every device's pace, and when the next polls that feed alarms are due."""

    def __init__(self, dialect: Dialect, quarantine: Quarantine) -> None:
        self._dialect = dialect
        self._quarantine = quarantine
        self._pace: dict[int, Pace] = defaultdict(Pace)
        self._releases: dict[int, Instant] = {}
        self._room_s = _ROOM_S[0]

    def take_over(self, old: Patience) -> None:
        """Go on with the paces that another one has learned."""
        self._pace.update(old._pace)

    def answered(self, unit: int, turnaround_s: float) -> None:
        """A read was answered after so long."""
        self._pace[unit].answered(turnaround_s)

    def released(self, unit: int, now: Instant, following: Instant) -> None:
        """A poll that feeds an alarm was submitted; the next one is due then."""
        self._releases[unit] = following
        periods_s = seconds_between(now, following) * _ROOM_PERIODS
        self._room_s = min(max(periods_s, self._room_s), _ROOM_S[1])

    def wait_s(self, transaction: Transaction) -> float:
        """How long after the question the first byte of the answer may be told of.

        Writes are given all the time of the profile: a relay may be slower than a register.
        """
        request, timing = transaction.request, transaction.timing
        if request.broadcast:
            return _BROADCAST_S
        timeout_s = timing.timeout_s
        lost = self._quarantine.lost.get(request.unit)
        if lost is not None:
            if transaction.priority is Class.LOG and lost.probes % _PATIENT_PROBE:
                timeout_s = _quick_s(timing)
        elif not request.self_identifying:
            silences = self._quarantine.silence(request.unit)
            timeout_s = self._pace[request.unit].timeout_s(timeout_s, silences)
        return timeout_s + self._dialect.hidden_s(request)

    def probe_ns(self, request: Request, timing: DeviceTiming) -> int:
        """What a vain probe costs on the average."""
        question_s, _ = self._dialect.line_s(request)
        patient_s = (timing.timeout_s - _quick_s(timing)) / _PATIENT_PROBE
        slice_s = question_s + _quick_s(timing) + patient_s + self._dialect.hidden_s(request)
        return round(slice_s * NS_PER_S)

    def room_at(self, transaction: Transaction, now: Instant) -> Instant:
        """When a question that feeds no alarm may begin.

        If it would still be under way when the next poll that feeds one is due, it waits behind
        that, so that alarms keep their rhythm; but not for ever.
        """
        if transaction.priority is not Class.LOG or not self._releases:
            return now
        latest = after(transaction.submitted, seconds=self._room_s)
        ends = after(now, seconds=self._likely_s(transaction))
        due = min((each for each in self._releases.values() if each > now), default=ends)
        return now if ends <= due else Instant(min(due, latest))

    def _likely_s(self, transaction: Transaction) -> float:
        """How long an attempt takes: that of an answer for who answers, else the time-out."""
        request = transaction.request
        question_s, answer_s = self._dialect.line_s(request)
        unit = request.unit
        known = self._pace[unit].slowest_s
        if known is None:
            known = transaction.timing.turnaround_s
        if known is None or self._quarantine.silence(unit) or unit in self._quarantine.lost:
            return question_s + self.wait_s(transaction)
        return question_s + known + answer_s


def _quick_s(timing: DeviceTiming) -> float:
    """The time-out of most probes."""
    if timing.turnaround_s is None:
        return timing.timeout_s
    return min(timing.timeout_s, timing.turnaround_s + _PROBE_MARGIN_S)
