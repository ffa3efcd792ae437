"""What is doubtful about a site's serial ports, seen from the machine that checks it."""

from __future__ import annotations

from drivers.bus.adapter import (
    ROOTS,
    Adapter,
    Expectation,
    Roots,
    find_adapter,
    has_own_serial,
    is_unstable,
    list_adapters,
    stable_name,
)
from edge.app.config.model import AdapterConfig, BusConfig, Site
from edge.app.config.problems import Findings, Problem, show
from edge.app.config.source import show_file
from edge.locale import text


def expectation(adapter: AdapterConfig) -> Expectation:
    """What a site file expects behind a port, as the driver compares it."""
    return Expectation(**adapter.model_dump(exclude_none=True))


def port_warnings(site: Site, roots: Roots = ROOTS) -> tuple[Problem, ...]:
    """Names that do not stay with their adapter, and adapters that are not the expected ones.

    Adapters that are not plugged in here say nothing: a site may be checked anywhere.
    """
    findings = Findings(show_file(site.path), site.lines)
    for index, bus in enumerate(site.buses):
        if bus.port is not None:
            _judge(bus, bus.port, ("bus", index), findings, roots)
    return tuple(findings.problems)


def _judge(
    bus: BusConfig, port: str, path: tuple[str, int], findings: Findings, roots: Roots
) -> None:
    found, plugged = find_adapter(port, roots), list_adapters(roots)
    if bus.adapter is not None:
        expected = expectation(bus.adapter)
        if found is not None and not expected.fits(found):
            findings.add(
                (*path, "adapter"), "other-adapter",
                found=str(found), allowed=str(expected), port=show(port),
            )  # fmt: skip
    elif is_unstable(port):
        findings.add(
            (*path, "port"), "unstable-port", found=show(port), hint=_better(port, found, plugged)
        )
    elif found is not None and port == found.by_id and not has_own_serial(found, plugged):
        findings.add(
            (*path, "port"), "shared-port-name",
            found=show(port), hint=_better(port, found, plugged),
        )  # fmt: skip


def _better(port: str, found: Adapter | None, plugged: list[Adapter]) -> str:
    name = stable_name(found, plugged) if found is not None else ""
    if name and name != port:
        return text("hint.stable-port", port=name)
    return text("hint.ports")
