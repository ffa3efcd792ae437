"""What a site file says. Tables as written are models; what is computed are dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge.app.config.call_tables import (
    CallConfig,
    ContactConfig,
    GroupConfig,
    HelperConfig,
    Measure,
)
from edge.app.config.call_tables import PlanEntry as PlanEntry
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
from edge.app.config.rates import WrittenRate
from edge.app.config.rule_tables import Comparison
from edge.core.model import Level, Point, PointId
from edge.engine.conditions.tree import Condition, Selector

BusKind = Literal["rtu", "tcp", "ascii"]
_NO_POINT = PointId("")
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


class BlackBoxConfig(Table):
    """``[black_box]``: what is kept around every alarm. See docs/black-box.md.

    ``most_mb``: in memory; ``keep_files``, ``keep_mb``: on disk, the oldest go first.
    """

    on: bool = True
    before_s: Annotated[float, real(1, 3600)] = 60.0
    after_s: Annotated[float, real(1, 3600)] = 60.0
    most_mb: Annotated[int, whole(1, 256)] = 8
    keep_files: Annotated[int, whole(1, 10_000)] = 200
    keep_mb: Annotated[int, whole(1, 65536)] = 64


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


class AlarmsConfig(Table):
    """``[alarms]``: how long a shelving and a zone's inhibit may last at most, in hours."""

    shelve_max_h: Annotated[float, real(0.1, 8)] = 8.0
    inhibit_max_h: Annotated[float, real(0.1, 72)] = 8.0


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
    """``[[point]]``: what this site knows better about a point than the profile.

    From ``rate`` on: how its readings are checked, see docs/quality.md.
    """

    id: PointReference
    name: Label | None = None
    range: Annotated[tuple[WrittenQuantity, WrittenQuantity], sequence(2, 2)] | None = None
    stale_s: Annotated[float, real(0.1, 86400)] | None = None
    rate: WrittenRate | None = None
    stuck_s: Annotated[float, real(1, 604_800)] | None = None
    noise_floor: WrittenQuantity | None = None
    peers: Annotated[tuple[PointReference, ...], sequence(1, 8)] = ()
    drift: WrittenQuantity | None = None
    drift_s: Annotated[float, real(60, 2_592_000)] = 3600.0
    drift_excludes: bool = False
    current: Literal["4-20 mA"] | None = None
    span: Annotated[tuple[WrittenQuantity, WrittenQuantity], sequence(2, 2)] | None = None
    counter: bool | None = None
    rollover: WrittenQuantity | None = None
    saturates: bool | None = None


class OverrideConfig(Table):
    """``[[override]]``: a rule that may be armed although it misses its budget, and why."""

    rule: Label
    reason: Label


class HeardConfig(Table):
    """``heard`` of a step: the reading that proves that it sounds.

    In a Site ``value`` is in the point's stored unit.
    """

    point: PointReference
    comparison: Comparison = ">="
    value: WrittenQuantity
    within_s: Annotated[float, real(0.1, 600)]


class BackupConfig(Table):
    """``backup`` of a step: what is commanded too when the step is not confirmed or not heard."""

    actuator: Label
    action: Label
    arguments: dict[str, int] = Field(default_factory=dict)
    stop: Label | None = None
    stop_arguments: dict[str, int] = Field(default_factory=dict)


class RehearsalConfig(Table):
    """``drill`` of a step: what its actuator does in a drill or walk-test instead."""

    action: Label
    arguments: dict[str, int] = Field(default_factory=dict)


class StepConfig(Table):
    """``[[plan.step]]``: what an actuator does from a level on, and when it stops.

    ``measure``: which of 断、禁、停、撤、疏 it is, for reports.
    """

    level: WrittenLevel
    actuator: Label
    action: Label
    arguments: dict[str, int] = Field(default_factory=dict)
    stop: Label | None = None
    stop_arguments: dict[str, int] = Field(default_factory=dict)
    until: Until = "normal"
    timeout_s: Annotated[float, real(0.1, 600)] = 5.0
    heard: HeardConfig | None = None
    backup: BackupConfig | None = None
    drill: RehearsalConfig | None = None
    measure: Measure | None = None


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
    """A rule, resolved. ``points``: all that it looks at, its selectors' too.

    ``latch`` None: nothing is latched. ``plan`` None: the alarm is only recorded. ``budget_s``
    None: as ``[proof]`` has it, if the plan sounds anything. ``shadow``: it is judged, and never
    announced or sounded; ``shadow_of`` is the rule it may replace, if any. ``re_alarm_s``: how long
    an answer counts. ``suppressed_by``: rules whose active alarm suppresses this one, up to that
    level.

    ``point`` to ``hold_s`` are what the short form says, in the point's stored unit; a rule that is
    written as conditions has no thresholds there.
    """

    id: str
    condition: Condition
    points: frozenset[PointId]
    latch: Level | None
    plan: str | None
    budget_s: float | None = None
    zone: str | None = None
    shadow: bool = False
    shadow_of: str | None = None
    re_alarm_s: float | None = None
    suppressed_by: tuple[str, ...] = ()
    suppressed_up_to: Level = Level.ORANGE
    point: PointId = _NO_POINT
    comparison: Comparison = ">="
    thresholds: dict[Level, float] = field(default_factory=dict)
    hysteresis: float = 0.0
    hold_s: float = 0.0

    @property
    def lost(self) -> Level | None:
        """The level that a lost sensor raises; None: the last level stands."""
        return self.condition.lost

    @property
    def highest(self) -> Level:
        """The highest level it can raise, by a condition or by losing a sensor."""
        levels = (each.level for each in self.condition.levels)
        return max(*levels, self.condition.lost or Level.NORMAL)


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """A plan with its steps, calls and helpers in the order of the file."""

    id: str
    steps: tuple[StepConfig, ...]
    entry: PlanEntry | None = None
    calls: tuple[CallConfig, ...] = ()
    helpers: tuple[HelperConfig, ...] = ()


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
    refinements: tuple[PointConfig, ...] = ()
    selectors: tuple[Selector, ...] = ()
    contacts: tuple[ContactConfig, ...] = ()
    groups: tuple[GroupConfig, ...] = ()
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
    black_box: BlackBoxConfig = field(default_factory=BlackBoxConfig)

    def profile(self, device: DeviceConfig) -> ModbusProfile | LineProfile:
        """The profile of one of the site's devices."""
        return self.profiles[device.profile]

    def watched(self) -> frozenset[PointId]:
        """The points that feed alarms: those of rules that may sound and of push-buttons, and those
        that hear."""
        buttons = {PointId(each.point) for each in self.acknowledges}
        judged = frozenset().union(*(rule.points for rule in self.rules if not rule.shadow))
        return judged | buttons | self.hearing()

    def hearing(self) -> frozenset[PointId]:
        """The points that tell whether outputs sound."""
        steps = (step for plan in self.plans for step in plan.steps)
        return frozenset(PointId(step.heard.point) for step in steps if step.heard is not None)

    def points_of(self, device: DeviceConfig) -> tuple[Point, ...]:
        """The points of one of the site's devices, in the order of its profile."""
        return tuple(point for point in self.points if point.device == device.id)
