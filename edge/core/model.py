"""The nouns of the walk. All frozen; times are never bare floats."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType

from edge.core.instant import Instant, Utc
from edge.core.units import Unit

PointId = NewType("PointId", str)
"""``device.point``, unique in a site."""
DeviceId = NewType("DeviceId", str)
RuleId = NewType("RuleId", str)
ActuatorId = DeviceId
"""An actuator is a device that has actions."""


class Quality(StrEnum):
    """Whether a value may be compared.

    Anything but GOOD is never compared, and never read as normal.
    """

    GOOD = "good"
    OUT_OF_RANGE = "out of range"
    ERROR_WORD = "error word"
    NO_ANSWER = "no answer"
    GARBLED = "garbled"
    REFUSED = "refused"
    ABSENT = "absent"
    STALE = "stale"
    LOST = "lost"
    FAULT_CURRENT = "fault current"
    UNCERTAIN = "uncertain"
    JUMP = "jump"
    STUCK = "stuck"
    DRIFT = "drift"
    MAINTENANCE = "maintenance"


class Notice(StrEnum):
    """What is told of a device beside its readings."""

    LOST = "lost"
    BACK = "back"
    BABBLING = "babbling"
    QUIET = "quiet"
    ECHOING = "echoing"
    DOWN = "line down"
    UP = "line up"


class Level(IntEnum):
    """Warning level; GB colours, red is the highest (Ⅰ)."""

    NORMAL = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4


class Urgency(IntEnum):
    """Who may be kept waiting. Lower goes first, and is evicted last."""

    ALARM = 0
    STATE = 1
    TELEMETRY = 2


class RecordKind(StrEnum):
    """What a journal record holds."""

    ALARM = "alarm"
    COMMAND = "command"
    OUTCOME = "outcome"
    BIRTH = "birth"
    BLOCK = "block"
    HEALTH = "health"
    LOSS = "loss"
    RUN = "run"
    DEVICE = "device"
    BREACH = "breach"
    CHECKPOINT = "checkpoint"
    GAP = "gap"
    CLOCK = "clock"
    BLACK_BOX = "black-box"
    CALL = "call"
    INHIBIT = "inhibit"
    SOUND = "sound"
    DRILL = "drill"
    WALK_TEST = "walk-test"
    SHADOW = "shadow"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Point:
    """One measured quantity of a device, in its stored unit."""

    id: PointId
    device: DeviceId
    unit: Unit
    decimals: int
    low: float | None = None
    high: float | None = None
    tick_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading.

    ``value`` is None unless a number was read; ``at`` is the arrival of its last byte.
    """

    point: PointId
    value: float | None
    unit: Unit
    quality: Quality
    at: Instant
    utc: Utc
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of the newest sample.

    ``level`` None means unknown: the last known level holds.
    """

    rule: RuleId
    level: Level | None
    evidence: tuple[Sample, ...]
    at: Instant


class Phase(StrEnum):
    """Alarm states in the sense of ISA-18.2 (IEC 62682)."""

    NORMAL = "normal"
    ACTIVE_UNACKNOWLEDGED = "active, unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active, acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned, unacknowledged"
    LATCHED = "returned, latched"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed by design"
    OUT_OF_SERVICE = "out of service"


class Silencing(StrEnum):
    """What keeps an alarm from being announced; the strongest first."""

    OUT_OF_SERVICE = "out of service"
    """A person took the rule out, until a person puts it back."""
    TESTED = "under test"
    """A person walks round and stimulates its sensors."""
    SHELVED = "shelved"
    """A person set the alarm aside for a limited time."""
    INHIBITED = "inhibited"
    """A person inhibited the rule's zone for a limited time."""
    SUPPRESSED = "suppressed"
    """The site file says so while another rule's alarm is active."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One reason why an alarm is not announced: who, why, up to which level, until when.

    ``source`` is the zone or the other rule, where there is one. ``until`` is None if no time ends
    it; ``ends`` is the same end in monotonic time, which decides while the agent runs.
    """

    kind: Silencing
    by: str
    reason: str
    up_to: Level
    since: Utc
    source: str = ""
    until: Utc | None = None
    ends: Instant | None = None


class Change(StrEnum):
    """What made a revision of an alarm."""

    RAISED = "raised"
    LOWERED = "lowered"
    RETURNED = "returned"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    RE_ALARMED = "re-alarmed"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    INHIBITED = "inhibited"
    UNINHIBITED = "uninhibited"
    TAKEN_OUT = "taken out of service"
    PUT_BACK = "put back into service"
    TESTED = "put under test"
    TEST_ENDED = "test is over"
    EXPIRED = "time is over"
    CHATTERING = "chattering"
    QUIET = "chatters no more"
    CLOCK = "clock was set"


@dataclass(frozen=True, slots=True)
class Alarm:
    """The state of one rule's alarm. Every change makes a new revision.

    ``id`` names one occurrence, from raised to normal, and stays until the next one. ``current`` is
    the measured level, ``level`` the announced one (a latched level outlives its cause),
    ``highest`` the highest since the alarm was raised or last acknowledged; the latter two are
    normal while nothing is announced. ``silences`` also holds those that do not reach up to the
    present level. ``acknowledged`` is when, ``re_alarms`` until when the answer counts. ``change``
    and ``by`` say what made this revision, and who. ``drill`` names the drill that plays it; empty
    for what is real.
    """

    rule: RuleId
    id: str = ""
    current: Level = Level.NORMAL
    level: Level = Level.NORMAL
    highest: Level = Level.NORMAL
    phase: Phase = Phase.NORMAL
    revision: int = 0
    since: Utc = field(default_factory=lambda: Utc(0))
    acknowledged_by: str = ""
    evidence: tuple[Sample, ...] = ()
    drill: str = ""
    silences: tuple[Silence, ...] = ()
    acknowledged: Utc | None = None
    re_alarms: Instant | None = None
    chattering: bool = False
    change: Change | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """An order to an actuator. Doing it twice is harmless; after ``not_after`` it must not be
    begun.

    ``output`` names what of the actuator is meant (a channel); a newer command for the same output
    supersedes an older one. ``ensure`` asks first and writes only if the read-back differs.
    ``cause`` is the arrival of the reading that led here; it starts both latencies. ``ends``: it
    silences the output. ``drill`` names the drill or walk-test that gave it; empty for what is
    real. ``measure``: which of cut, forbid, stop, withdraw, divert it is; empty: it only sounds.
    """

    id: str
    actuator: ActuatorId
    output: str
    action: str
    arguments: tuple[tuple[str, int], ...]
    alarm: str
    revision: int
    ensure: bool
    issued: Instant
    not_after: Instant
    cause: Instant
    ends: bool = False
    drill: str = ""
    measure: str = ""


class Status(StrEnum):
    """How a command ended."""

    DONE = "done"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    TOO_LATE = "too late"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command. ``first_byte`` is None if nothing went onto the wire.

    Decision latency is ``first_byte - command.cause``; action latency ``at - command.cause`` when
    DONE.
    """

    command: str
    actuator: ActuatorId
    status: Status
    at: Instant
    first_byte: Instant | None = None
    confirmed_by: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeviceNotice:
    """What a line tells of a device. ``device`` and ``address`` are None if nobody knows whose."""

    bus: str
    address: int | None
    device: DeviceId | None
    notice: Notice
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """One journal entry before it has a sequence number. ``body`` is encoded when it is written."""

    kind: RecordKind
    urgency: Urgency
    utc: Utc
    body: dict[str, object]
