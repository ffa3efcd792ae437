"""What a site file says. Tables as written are models; what is computed are dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge.app.config.fields import (
    Host,
    Identifier,
    IpAddress,
    Label,
    LocalFile,
    PointReference,
    ProfileReference,
    SerialPort,
    Topic,
    UsbId,
    UsbPath,
    WrittenLevel,
    WrittenQuantity,
    Zone,
    real,
    sequence,
    whole,
)
from edge.app.config.items import Table
from edge.app.config.linemap import LineMap
from edge.app.config.problems import Problem
from edge.app.config.profile import (
    Baud,
    DataBits,
    LineProfile,
    ModbusProfile,
    Parity,
    Profile,
    StopBits,
)
from edge.core.model import Level, Point, PointId

BusKind = Literal["rtu", "tcp", "ascii"]
Comparison = Literal[">=", ">", "<=", "<"]
Until = Literal["acknowledged", "returned", "normal"]


class SiteConfig(Table):
    """``[site]``: who and where. Coordinates are WGS 84 degrees."""

    id: Identifier
    name: Label
    latitude: Annotated[float, real(-90, 90)] | None = None
    longitude: Annotated[float, real(-180, 180)] | None = None
    time_zone: Zone


class JournalConfig(Table):
    """``[journal]``: how much is kept, and how much telemetry a power cut may cost."""

    max_mb: Annotated[int, whole(8, 65536)] = 256
    block_s: Annotated[float, real(0.5, 300)] = 5.0


class ProofConfig(Table):
    """``[proof]``: what the latency proof assumes and allows. See docs/proof.md.

    ``dead_devices``: so many devices of each bus may be silent at once. ``compute_ms``: from the
    last byte of a reading to the first byte of a command on an idle line. ``exchange_us``: what the
    owner of a line loses between two exchanges. ``budget_s``: of rules that sound something.
    """

    dead_devices: Annotated[int, whole(0, 8)] = 1
    compute_ms: Annotated[float, real(0, 1000)] = 25.0
    exchange_us: Annotated[int, whole(0, 100_000)] = 500
    budget_s: Annotated[float, real(0.05, 86400)] = 1.0


class AdapterConfig(Table):
    """``adapter`` of a serial line: what must be found behind its port; at least one key."""

    vendor: UsbId | None = None
    product: UsbId | None = None
    serial: Label | None = None
    path: UsbPath | None = None


class Rs485Config(Table):
    """``rs485`` of a serial line: the UART's driver switches its direction with RTS."""

    rts_on_send: bool = True
    # the kernel keeps no longer ones: RS485_MAX_RTS_DELAY
    delay_before_ms: Annotated[int, whole(0, 100)] = 0
    delay_after_ms: Annotated[int, whole(0, 100)] = 0


class BusConfig(Table):
    """``[[bus]]``: a serial line (rtu, ascii) has port to stop_bits; tcp has host and tcp_port.

    ``adapter`` and ``rs485`` may stand with a serial line.
    """

    id: Identifier
    kind: BusKind
    port: SerialPort | None = None
    baud: Baud | None = None
    data_bits: DataBits | None = None
    parity: Parity | None = None
    stop_bits: StopBits | None = None
    adapter: AdapterConfig | None = None
    rs485: Rs485Config | None = None
    host: IpAddress | None = None
    tcp_port: Annotated[int, whole(1, 65535)] | None = None


class DeviceConfig(Table):
    """``[[device]]``. In a Site, ``period_ms`` is None only if the device is never asked."""

    id: Identifier
    bus: Label
    profile: ProfileReference
    # 0 is a broadcast, which no device answers
    address: Annotated[int, whole(1, 255)] | None = None
    period_ms: Annotated[int, whole(20, 3_600_000)] | None = None
    name: Label | None = None


class PointConfig(Table):
    """``[[point]]``: what this site knows better about a point than the profile."""

    id: PointReference
    name: Label | None = None
    range: Annotated[tuple[WrittenQuantity, WrittenQuantity], sequence(2, 2)] | None = None
    stale_s: Annotated[float, real(0.1, 86400)] | None = None


class RuleEntry(Table):
    """``[[rule]]`` as written; a Site has RuleConfig."""

    id: Identifier
    point: PointReference
    comparison: Comparison
    blue: WrittenQuantity | None = None
    yellow: WrittenQuantity | None = None
    orange: WrittenQuantity | None = None
    red: WrittenQuantity | None = None
    hysteresis: WrittenQuantity | None = None
    hold_s: Annotated[float, real(0, 86400)] = 0.0
    lost: Literal["hold", "blue", "yellow", "orange", "red"]
    latch: Literal["none", "blue", "yellow", "orange", "red"] = "red"
    plan: Label | None = None
    budget_s: Annotated[float, real(0.05, 86400)] | None = None


class OverrideConfig(Table):
    """``[[override]]``: a rule that may be armed although it misses its budget, and why."""

    rule: Label
    reason: Label


class PlanEntry(Table):
    """``[[plan]]`` without its steps, which are read one by one."""

    id: Identifier


class StepConfig(Table):
    """``[[plan.step]]``: what an actuator does from a level on, and when it stops."""

    level: WrittenLevel
    actuator: Label
    action: Label
    arguments: dict[str, int] = Field(default_factory=dict)
    stop: Label | None = None
    stop_arguments: dict[str, int] = Field(default_factory=dict)
    until: Until = "normal"
    timeout_s: Annotated[float, real(0.1, 600)] = 5.0


class AcknowledgeConfig(Table):
    """``[[acknowledge]]``: a push-button; value 1 of the point is pressed."""

    point: PointReference
    by: Label


class LinkConfig(Table):
    """``[[link]]``. Files are absolute; they are None exactly if ``tls`` is false."""

    id: Identifier
    kind: Literal["mqtt"]
    host: Host
    port: Annotated[int, whole(1, 65535)]
    protocol: Literal["5", "3.1.1"] = "5"
    topic: Topic = "tongluo"
    tls: bool = True
    ca_file: LocalFile | None = None
    cert_file: LocalFile | None = None
    key_file: LocalFile | None = None
    keepalive_s: Annotated[int, whole(5, 3600)] = 30
    window: Annotated[int, whole(1, 100)] = 20


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """A rule, resolved. Thresholds and hysteresis are in the point's stored unit.

    ``lost`` None: the last level stands. ``latch`` None: nothing is latched. ``plan`` None: the
    alarm is only recorded. ``budget_s`` None: as ``[proof]`` has it, if the plan sounds anything.
    """

    id: str
    point: PointId
    comparison: Comparison
    thresholds: dict[Level, float]
    hysteresis: float
    hold_s: float
    lost: Level | None
    latch: Level | None
    plan: str | None
    budget_s: float | None = None

    @property
    def highest(self) -> Level:
        """The highest level it can raise, by a threshold or by losing its sensor."""
        return max(*self.thresholds, self.lost or Level.NORMAL)


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """A plan with its steps in the order of the file."""

    id: str
    steps: tuple[StepConfig, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule that is not armed because it may sound too late, and why."""

    rule: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Site:
    """A whole site without a single problem.

    ``profiles`` is keyed by what the devices' ``profile`` says. ``names`` gives a name for people
    to the site, each device, point and push-button by its id. ``warnings`` are oddities that may
    be meant. ``lines`` says where in the file each key stands. ``refused`` holds the rules that
    were taken out because they miss their budget.
    """

    path: Path
    site: SiteConfig
    journal: JournalConfig
    proof: ProofConfig
    buses: tuple[BusConfig, ...]
    devices: tuple[DeviceConfig, ...]
    points: tuple[Point, ...]
    stale_s: dict[PointId, float]
    rules: tuple[RuleConfig, ...]
    overrides: tuple[OverrideConfig, ...]
    plans: tuple[PlanConfig, ...]
    acknowledges: tuple[AcknowledgeConfig, ...]
    links: tuple[LinkConfig, ...]
    profiles: dict[str, Profile]
    digest: str
    names: dict[str, str]
    warnings: tuple[Problem, ...]
    lines: LineMap = field(compare=False, repr=False)
    refused: tuple[Refused, ...] = ()

    def profile(self, device: DeviceConfig) -> ModbusProfile | LineProfile:
        """The profile of one of the site's devices."""
        return self.profiles[device.profile]

    def watched(self) -> frozenset[PointId]:
        """The points that feed alarms: those of rules and push-buttons."""
        buttons = {PointId(each.point) for each in self.acknowledges}
        return frozenset(buttons | {rule.point for rule in self.rules})

    def points_of(self, device: DeviceConfig) -> tuple[Point, ...]:
        """The points of one of the site's devices, in the order of its profile."""
        return tuple(point for point in self.points if point.device == device.id)
