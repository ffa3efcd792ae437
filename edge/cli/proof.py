"""``tongluo proof``: every term of every bound, the worst schedule, and what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edge.analysis.latency.draw import svg as draw_svg
from edge.analysis.latency.draw import terminal
from edge.analysis.latency.model import Bound
from edge.app.config import Site, load_site
from edge.app.local_socket import ask
from edge.app.proof import Judgement, judge
from edge.app.proof_words import captions, duration, output_words
from edge.cli.bounds import (
    advice_lines,
    bound_object,
    bound_rows,
    budget_words,
    proof_object,
    schedule_object,
    sounded_words,
    term_rows,
    verdict_words,
)
from edge.cli.check import EXIT_PROBLEMS, align
from edge.cli.options import json_option, print_json, state_option
from edge.core.errors import ConfigError, TongluoError
from edge.core.instant import NS_PER_MS
from edge.locale import text

_STAGES = ("response", "decision", "action")
_QUANTILES = ("p50_ms", "p99_ms", "p999_ms", "most_ms")


@click.command()
@click.argument("site_file", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.option("--rule", help="Only this rule.")
@click.option(
    "--svg", "svg_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture to this file.",
)  # fmt: skip
@click.option("--measured", is_flag=True, help="Put what the running agent measured beside it.")
@state_option
@json_option
def proof(
    site_file: Path,
    rule: str | None,
    svg_file: Path | None,
    measured: bool,
    state: Path,
    as_json: bool,
) -> int:
    """Show how late each rule of SITE.toml may sound at worst, and why.

    Ends with status 2 if a rule misses its budget and is not overridden.
    """
    site = load_site(site_file)
    judged = judge(site)
    bounds = _bounds(site, judged, rule)
    status = asyncio.run(ask(state, {"op": "status"})) if measured else None
    # the picture is of a schedule, which a back-up's bound has none of
    drawn = [bound for bound in bounds if bound.switch is None]
    worst = max(drawn, key=_tightness, default=None)
    if svg_file is not None and worst is not None:
        _write_svg(svg_file, worst)
    if as_json:
        print_json(_object(judged, bounds, status))
    else:
        click.echo("\n".join(_lines(judged, bounds, worst, status)))
    asked = {bound.rule for bound in bounds}
    return EXIT_PROBLEMS if any(each.rule in asked for each in judged.refused) else 0


def _bounds(site: Site, judged: Judgement, rule: str | None) -> list[Bound]:
    """The bounds of one rule or of all. Raises ConfigError if there is no such rule."""
    names = [each.id for each in site.rules]
    if rule is not None and rule not in names:
        raise ConfigError(
            text("proof.no-rule", found=rule), hint=text("proof.rules", allowed=", ".join(names))
        )
    return [bound for bound in judged.proof.bounds if rule in (None, bound.rule)]


def _tightness(bound: Bound) -> float:
    """How much of its budget a bound takes; rules without one come last, the slowest first."""
    if bound.budget_ns is None:
        return -1.0 / (1 + bound.sound_ns)
    return bound.sound_ns / bound.budget_ns


def _write_svg(file: Path, bound: Bound) -> None:
    try:
        file.write_text(draw_svg(_drawn(bound), captions(), title=_title(bound)), encoding="utf-8")
    except OSError as error:
        raise TongluoError(f"{file}: {error.strerror}") from error


def _drawn(bound: Bound) -> Bound:
    """With the names of outputs as people know them."""
    slots = tuple(replace(slot, label=output_words(slot.label)) for slot in bound.schedule)
    return replace(bound, schedule=slots)


def _title(bound: Bound) -> str:
    return text(
        "proof.title",
        rule=bound.rule,
        output=sounded_words(bound),
        sound=duration(bound.sound_ns),
        budget=budget_words(bound),
    )


# -- text -------------------------------------------------------------------------------------


def _lines(
    judged: Judgement,
    bounds: list[Bound],
    worst: Bound | None,
    status: Mapping[str, Any] | None,
) -> list[str]:
    if worst is None:
        return [text("proof.nothing")]
    lines: list[str] = []
    for index, bound in enumerate(bounds):
        lines.append(f"{_title(bound)}  {verdict_words(bound, judged)}")
        lines += [f"  {row}" for row in align(term_rows(bound))]
        if not any(other.rule == bound.rule for other in bounds[index + 1 :]):
            lines += [f"  {line}" for line in advice_lines(judged, bound.rule)]
        lines.append("")
    if len(bounds) > 1:
        rule = bounds[0].rule if len({bound.rule for bound in bounds}) == 1 else None
        lines += [*align(bound_rows(judged, rule)), ""]
    lines += [text("proof.worst", title=_title(worst)), "", terminal(_drawn(worst), captions())]
    if status is not None:
        lines += ["", *align(_measured_rows(bounds, status)), *_load_lines(judged, status)]
    return lines


def _measured_rows(bounds: list[Bound], status: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Per rule and stage its largest bound, and what the agent measured."""
    keys = ("rule", "stage", "time", "measured", "p50", "p99", "p999", "most", "holds")
    rows = [tuple(text(f"proof.{key}") for key in keys)]
    for rule in dict.fromkeys(bound.rule for bound in bounds):
        for stage in _STAGES:
            bound_ns, found = _largest(bounds, rule, stage), _measured(status, rule, stage)
            rows.append(
                (
                    rule,
                    text(f"stage.{stage}"),
                    duration(bound_ns),
                    str(found.get("count", 0)),
                    *(_shown(found.get(key)) for key in _QUANTILES),
                    _holds(found.get("most_ms"), bound_ns),
                )
            )
    return rows


def _holds(most_ms: float | None, bound_ns: int) -> str:
    if most_ms is None:
        return "–"
    return text("proof.held" if most_ms * NS_PER_MS <= bound_ns else "proof.broken")


def _load_lines(judged: Judgement, status: Mapping[str, Any]) -> list[str]:
    """Measured shares of the lines, where the agent tells them."""
    loads = {load.bus: load for load in judged.proof.loads}
    rows = []
    for bus in status.get("buses", []):
        found, proven = bus.get("load"), loads.get(bus.get("id"))
        if not isinstance(found, Mapping) or proven is None:
            continue
        pairs = [(found.get(name), getattr(proven, name)) for name in ("act", "watch", "log")]
        rows.append((bus["id"], *(f"{_share(now)} / {share:.1%}" for now, share in pairs)))
    if not rows:
        return []
    head = tuple(text(f"check.{key}") for key in ("bus", "act", "watch", "log"))
    return ["", text("proof.loads"), *align([head, *rows])]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _shown(ms: float | None) -> str:
    return "–" if ms is None else f"{ms:.1f} ms"


def _largest(bounds: list[Bound], rule: str, stage: str) -> int:
    """The bound of a stage that holds whichever output is meant."""
    found: int = max(getattr(bound, f"{stage}_ns") for bound in bounds if bound.rule == rule)
    return found


def _measured(status: Mapping[str, Any], rule: str, stage: str) -> Mapping[str, Any]:
    """What the agent tells of a stage; nothing where it is older, or has another site."""
    found: object = status.get("health")
    for key in ("rules", rule, stage):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# -- JSON -------------------------------------------------------------------------------------


def _object(
    judged: Judgement, bounds: list[Bound], status: Mapping[str, Any] | None
) -> dict[str, object]:
    document = proof_object(judged)
    document["bounds"] = [
        {**bound_object(bound), "schedule": schedule_object(bound)} for bound in bounds
    ]
    if status is not None:
        document["measured"] = {
            rule: {
                stage: {
                    **_measured(status, rule, stage),
                    "bound_ms": _largest(bounds, rule, stage) / NS_PER_MS,
                }
                for stage in _STAGES
            }
            for rule in dict.fromkeys(bound.rule for bound in bounds)
        }
    return document
