"""Configuration: site files and device profiles, strict, with every mistake reported at once.

``load_site`` gives a Site or raises SiteProblems; ``inspect_site`` gives one or the other.
"""

from __future__ import annotations

from edge.app.config.loading import inspect_site, load_site
from edge.app.config.model import (
    AcknowledgeConfig,
    BusConfig,
    DeviceConfig,
    JournalConfig,
    LinkConfig,
    OverrideConfig,
    PlanConfig,
    ProofConfig,
    Refused,
    RuleConfig,
    Site,
    SiteConfig,
    StepConfig,
)
from edge.app.config.problems import Problem, SiteProblems
from edge.app.config.profile import (
    Action,
    Confirm,
    Constant,
    Framing,
    Limits,
    LineDefaults,
    LinePoint,
    LineProfile,
    ModbusPoint,
    ModbusProfile,
    Profile,
    SetAddress,
    Timing,
    Write,
)
from edge.app.config.sheet import read_sheet, shipped_profiles

__all__ = [
    "AcknowledgeConfig",
    "Action",
    "BusConfig",
    "Confirm",
    "Constant",
    "DeviceConfig",
    "Framing",
    "JournalConfig",
    "Limits",
    "LineDefaults",
    "LinePoint",
    "LineProfile",
    "LinkConfig",
    "ModbusPoint",
    "ModbusProfile",
    "OverrideConfig",
    "PlanConfig",
    "Problem",
    "Profile",
    "ProofConfig",
    "Refused",
    "RuleConfig",
    "SetAddress",
    "Site",
    "SiteConfig",
    "SiteProblems",
    "StepConfig",
    "Timing",
    "Write",
    "inspect_site",
    "load_site",
    "read_sheet",
    "shipped_profiles",
]
