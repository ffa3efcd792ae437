"""``tongluo alarms``: the state of every rule's alarm, how good they are, and their history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.cli.options import columns, json_option, print_json, state_option
from edge.cli.words import alarm_line, metrics_lines
from edge.locale import text

_FIGURES = (
    "transitions_min", "transitions_10min", "per_10min", "per_day", "standing_s", "longest_s",
)  # fmt: skip


@click.command()
@click.option("--log", is_flag=True, help="Print the history from the journal instead.")
@click.option("--since", default=None, help="Of the log: 2h, 2026-07-01 or 2026-07-01T22:00 (UTC).")
@click.option("--rule", multiple=True, help="Only of this rule; may be repeated.")
@state_option
@json_option
def alarms(log: bool, since: str | None, rule: tuple[str, ...], state: Path, as_json: bool) -> None:
    """List all alarms of the running agent, the highest level first."""
    if log:
        from edge.cli.alarm_log import print_log

        print_log(state, since, rule, as_json)
        return
    if since is not None:
        raise click.UsageError(text("alarm-log.needs-log"))
    answer = _only(asyncio.run(ask(state, {"op": "alarms"})), rule)
    if as_json:
        print_json(answer)
        return
    for body in answer["alarms"]:
        click.echo(alarm_line(body))
    figures = answer["metrics"]["rules"]
    if figures:
        click.echo()
        click.echo("\n".join(metrics_lines(answer["metrics"])))
        click.echo(columns([_head(), *[_row(*each) for each in figures.items()]]))


def _only(answer: Mapping[str, Any], rules: tuple[str, ...]) -> dict[str, Any]:
    """The answer, of these rules alone if any are named."""
    metrics = dict(answer["metrics"])
    if not rules:
        return {**answer}
    metrics["rules"] = {name: each for name, each in metrics["rules"].items() if name in rules}
    chosen = [body for body in answer["alarms"] if body["rule"] in rules]
    return {**answer, "alarms": chosen, "metrics": metrics}


def _head() -> tuple[str, ...]:
    return (text("metrics.rule"), *(text(f"metrics.{key}") for key in _FIGURES))


def _row(rule: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    return (rule, *(f"{figures[key]:g}" for key in _FIGURES))
