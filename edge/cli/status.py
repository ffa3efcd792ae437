"""``tongluo status``: everything at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.local_socket import ask
from edge.cli.apply_words import pending_sign
from edge.cli.calls import standing
from edge.cli.exercise_words import drill_sign, sound_line, walk_sign
from edge.cli.options import columns, json_option, print_json, state_option
from edge.cli.shadow_words import shadow_lines
from edge.cli.words import alarm_line, metrics_lines, sign, yes_no
from edge.locale import text

_STAGES = ("response", "decision", "action")


@click.command()
@state_option
@json_option
def status(state: Path, as_json: bool) -> None:
    """Show how the running agent is: alarms, buses, devices, journal, link."""
    answer = asyncio.run(ask(state, {"op": "status"}))
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(_lines(answer)))


def _lines(answer: Mapping[str, Any]) -> list[str]:
    health = answer["health"]
    lines = [
        text("status.head", site=answer["site"], name=answer["name"], up=answer["up_s"]),
        *unusual(answer),
        "",
        text("status.alarms"),
        *([f"  {alarm_line(alarm)}" for alarm in answer["alarms"]] or [f"  {text('cli.none')}"]),
        *[f"  {line}" for line in metrics_lines(answer["metrics"])],
        *[f"  {text('status.sounding')}: {output}" for output in answer["sounding"]],
        *[f"  {line}" for line in standing(answer.get("calls") or {"ladders": []})],
        *[f"  {sound_line(each)}" for each in answer.get("sound", ())],
        *[f"  {line}" for line in shadow_lines(answer.get("shadows", {}))],
        "",
        text("status.latency", **_latency(health)),
        "",
    ]
    lines.append(columns([_bus_head(), *[_bus_row(bus) for bus in answer["buses"]]]))
    lines.append("")
    if rules := health.get("rules"):
        lines.append(columns([_rule_head(), *[_rule_row(*each) for each in rules.items()]]))
        lines.append("")
    lines.append(columns([_device_head(), *[_device_row(d) for d in answer["devices"]]]))
    lines.append("")
    journal = answer["journal"]
    lines.append(
        text(
            "status.journal",
            seq=journal["last_seq"],
            kib=journal["bytes_used"] // 1024,
            waiting=journal["waiting"],
            lost=sum(journal["lost"].values()),
            fault=journal["fault"] or text("cli.none"),
        )
    )
    for name, link in (answer["link"].get("links") or {}).items():
        lines.append(
            text(
                "status.link",
                name=name,
                state=link.get("state"),
                delivered=link.get("delivered"),
                pending=link.get("pending"),
                refused=link.get("refused"),
                error=link.get("last_error") or text("cli.none"),
            )
        )
    return lines


def unusual(answer: Mapping[str, Any]) -> list[str]:
    """What is not as it should be: inhibits, drills, rules not armed or late."""
    refused, overridden = answer.get("refused", {}), answer.get("overridden", {})
    drill, test = answer.get("drill"), answer.get("walk_test")
    changeover = answer.get("changeover")
    return [
        *([pending_sign(changeover)] if changeover else []),
        *(sign(inhibit) for inhibit in answer.get("inhibits", {}).values()),
        *([drill_sign(drill)] if drill else []),
        *([walk_sign(test)] if test else []),
        *(text("proof.refused", rule=rule, message=why) for rule, why in refused.items()),
        *(text("proof.overridden", rule=rule, reason=why) for rule, why in overridden.items()),
    ]


def _latency(health: Mapping[str, Any]) -> dict[str, str]:
    def show(part: str, key: str) -> str:
        value = health[part][key]
        return "-" if value is None else f"{value:.2f}"

    return {
        "decision": show("decision", "p99_ms"),
        "action": show("action", "p99_ms"),
        "lag": show("loop_lag", "p999_ms"),
        "faults": str(health["faults"]),
    }


def _bus_head() -> tuple[str, ...]:
    keys = ("id", "up", "questions", "bad", "late", "losses", "load", "act_wait", "lost")
    return tuple(text(f"bus.{key}") for key in keys)


def _bus_row(bus: Mapping[str, Any]) -> tuple[str, ...]:
    units = list(bus["units"].values())
    return (
        bus["id"],
        yes_no(bus["up"]) if bus["up"] else f"{yes_no(False)} ({bus['reason']})",
        str(sum(unit["questions"] for unit in units)),
        str(sum(unit["timeouts"] + unit["garbled"] for unit in units)),
        str(sum(unit["late"] for unit in units)),
        str(bus["losses"]),
        f"{sum(bus['load'].values()):.0%}",
        _worst(bus["waits"]["act"]),
        ", ".join(bus["devices"].get(unit, unit) for unit in bus["lost"]) or "-",
    )


def _rule_head() -> tuple[str, ...]:
    stages = [text(f"stage.{stage}") for stage in _STAGES]
    return (text("rules.rule"), *stages, text("rules.breaches"))


def _rule_row(name: str, stages: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, *(_worst(stages[stage]) for stage in _STAGES), str(stages["breaches"]))


def _worst(histogram: Mapping[str, Any]) -> str:
    """p99 and the most, in milliseconds."""
    if not histogram["count"]:
        return "-"
    return f"{histogram['p99_ms']:.1f} / {histogram['most_ms']:.1f}"


def _device_head() -> tuple[str, ...]:
    return tuple(
        text(f"device.{key}")
        for key in ("id", "bus", "address", "profile", "good", "bad", "skipped")
    )


def _device_row(device: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("id", "bus", "address", "profile", "good", "bad", "skipped")
    return tuple("-" if device[key] is None else str(device[key]) for key in keys)
