"""A rain gauge that speaks lines of text, in the manner of the Hydreon RG-15 (source: ESPH).

Field names as in domain.md §2.6.3: ``Acc  0.20 mm, EventAcc  1.40 mm, TotalAcc  12.60 mm, RInt
8.40 mmph`` on one line, ended by CR LF. Acc counts since the last such line, EventAcc since rain
began after an hour without any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tools.twins.faults import AsciiFaults
from tools.twins.modbus_slave import Reply
from tools.twins.world import NS_PER_S, World

_LONGEST_COMMAND = 64
_EVENT_ENDS_NS = 3600 * NS_PER_S
_GARBAGE = b"\xfe\x80\x00Acc\xff\x07,\x1b mm\r\n"
_OVERLONG = b"9" * 4000
_BOOTED = b"PwrDays 1\r\n"


class AsciiGauge:
    """Commands, each a letter and LF: R poll, P poll only, C by itself, O zero, K restart.

    Other lines are ignored. With ``period_ms`` it begins by speaking by itself.
    """

    model = "rain-rg15"

    def __init__(
        self,
        world: World,
        *,
        rain: str = "rain.intensity",
        period_ms: float | None = None,
        turnaround_ms: float = 10.0,
        faults: AsciiFaults | None = None,
    ) -> None:
        self.world = world
        self.faults = faults if faults is not None else AsciiFaults()
        self.turnaround_ms = turnaround_ms
        self.counters: Counter[str] = Counter()
        self.on_request: Callable[[bytes], None] | None = None
        self._rain = rain
        self._period_ms = period_ms
        self._by_itself = period_ms is not None
        self._received = bytearray()
        self._zero_mm = self._told_mm = self._event_mm = self._fallen_mm()
        self._last_rain_ns = world.now()

    @property
    def speaks_every_ms(self) -> float | None:
        """As Slave."""
        if self.faults.babble:
            return 0.0
        return self._period_ms if self._by_itself else None

    def speak(self) -> bytes:
        """As Slave."""
        return self.faults.babble or self._say(self._measurement())

    def reset(self) -> None:
        """As Slave."""
        self._received.clear()

    def state(self) -> dict[str, object]:
        """What it has measured, mm."""
        return {"total_mm": round(self._fallen_mm() - self._zero_mm, 2)}

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes from the master; what to send, with delays in ms."""
        replies = []
        for byte in data:
            self._received.append(byte)
            del self._received[:-_LONGEST_COMMAND]
            if byte == ord("\n"):
                command = bytes(self._received)
                self._received.clear()
                answer = self._obey(command)
                if answer:
                    replies.append((self.turnaround_ms + self.faults.late_ms, answer))
        return replies

    def _obey(self, command: bytes) -> bytes:
        if self.on_request is not None:
            self.on_request(command)
        self.counters["requests"] += 1
        match command.strip():
            case b"R":
                return self._say(self._measurement())
            case b"P":
                self._by_itself = False
            case b"C":
                self._by_itself = self._period_ms is not None
            case b"O":
                self._zero()
            case b"K":
                self._zero()
                return self._say(_BOOTED)
        return b""

    def _zero(self) -> None:
        self._zero_mm = self._told_mm = self._event_mm = self._fallen_mm()

    def _fallen_mm(self) -> float:
        return self.world.area(self._rain) / 3600

    def _measurement(self) -> bytes:
        fallen_mm, now = self._fallen_mm(), self.world.now()
        if fallen_mm > self._told_mm:
            if now - self._last_rain_ns >= _EVENT_ENDS_NS:
                self._event_mm = self._told_mm
            self._last_rain_ns = now
        fields = (
            ("Acc", fallen_mm - self._told_mm, "mm"),
            ("EventAcc", fallen_mm - self._event_mm, "mm"),
            ("TotalAcc", fallen_mm - self._zero_mm, "mm"),
            ("RInt", self.world.value(self._rain), "mmph"),
        )
        self._told_mm = fallen_mm
        line = ", ".join(f"{name}  {value:.2f} {unit}" for name, value, unit in fields)
        # where the flag stands in the line is not among the facts
        flag = ", LensBad" if self.faults.lens_bad else ""
        return f"{line}{flag}\r\n".encode()

    def _say(self, line: bytes) -> bytes:
        """The line as the faults leave it."""
        faults = self.faults
        if faults.silent:
            line = b""
        elif faults.garbage:
            line = _GARBAGE
        elif faults.half_line:
            line = line[: len(line) // 2]
        elif faults.long_line:
            line = _OVERLONG + line
        if line:
            self.counters["answers"] += 1
        faults.used()
        return line
