"""``tongluo apply``: another site file for the running agent, taken back unless confirmed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.complaint import Complaint
from edge.app.local_socket import ask, ask_ticking
from edge.cli.apply_words import applied_lines, confirmed_lines, gone_back_lines, status_lines
from edge.cli.options import json_option, state_option
from edge.cli.options import print_json as print_answer
from edge.core.errors import AgentError, ConfigError
from edge.locale import text

# Beyond the time in shadow: reading and proving two files on a slow board, and the switch itself.
_PROVE_S = 60.0
_ANSWER_S = 20.0
_TICK_S = 0.1


@click.command()
@click.argument(
    "new", metavar="[NEW.toml]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@click.option("--confirm", is_flag=True, help="Keep what was applied, also over restarts.")
@click.option("--roll-back", is_flag=True, help="Go back to the file before.")
@click.option("--status", "show", is_flag=True, help="Show what waits for a confirmation.")
@click.option("--minutes", default=10.0, show_default=True, help="Time to confirm it.")
@click.option("--shadow-s", default=10.0, show_default=True, help="Seconds beside the old one.")
@click.option("--force", is_flag=True, help="Also if it alarms at once, or ends alarms.")
@click.option("--by", default="", help="Who asks for it; it is recorded.")
@state_option
@json_option
def apply(
    new: Path | None, *, confirm: bool, roll_back: bool, show: bool, minutes: float,
    shadow_s: float, force: bool, by: str, state: Path, as_json: bool,
) -> None:  # fmt: skip
    """Let the running agent go on with another site file.

    It is checked and proven, judges beside the old one for a while, and takes over between two
    polls. Unless confirmed in time the old one comes back.
    """
    if sum((new is not None, confirm, roll_back, show)) != 1:
        raise click.UsageError(text("apply.one-of"))
    if not show and not by.strip():
        raise Complaint("no-name")
    if new is not None:
        wanted = {"minutes": minutes, "shadow_s": shadow_s, "force": force, "by": by}
        answer, lines = _apply(new.resolve(), state, wanted, as_json=as_json), applied_lines
    elif confirm:
        answer, lines = _confirm(state, by), confirmed_lines
    elif roll_back:
        answer, lines = _ask(state, "roll-back", by=by, force=force), gone_back_lines
    else:
        answer, lines = _ask(state, "status"), status_lines
    if as_json:
        print_answer(answer)
    else:
        click.echo("\n".join(lines(answer)))


def _apply(
    new: Path, state: Path, wanted: Mapping[str, object], *, as_json: bool
) -> Mapping[str, Any]:
    """Prove it here first, where everything that is wrong can be told; then ask the agent."""
    _prove(new, as_json=as_json)
    request = {"op": "apply", "do": "apply", "file": str(new), **wanted}
    shadow_s = float(str(wanted["shadow_s"]))
    return asyncio.run(_ask_watching(state, request, shadow_s))


def _prove(new: Path, *, as_json: bool) -> None:
    """Ends with status 2 if anything is wrong, as ``check`` does."""
    from edge.app.config import inspect_site
    from edge.app.proof import judge
    from edge.cli.check import EXIT_PROBLEMS, print_json, print_problems

    site, problems = inspect_site(new)
    if site is not None:
        problems = judge(site).problems
    if not problems:
        return
    if as_json:
        print_json([], list(problems))
    else:
        print_problems(problems)
    sys.exit(EXIT_PROBLEMS)


async def _ask_watching(
    state: Path, request: Mapping[str, object], shadow_s: float
) -> Mapping[str, Any]:
    """Show how long the shadow still takes while the agent is busy with it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with _bar(shadow_s) as advance:
        return await ask_ticking(
            state, request, shadow_s + _PROVE_S, lambda: advance(loop.time() - began), _TICK_S
        )


@contextlib.contextmanager
def _bar(seconds: float) -> Iterator[Any]:
    """A progress bar on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty() or seconds <= 0:
        yield lambda _: None
        return
    steps = max(1, round(seconds / _TICK_S))
    with click.progressbar(length=steps, label=text("apply.shadow"), file=sys.stderr) as bar:
        yield lambda passed_s: bar.update(min(steps, round(passed_s / _TICK_S)) - bar.pos)


def _ask(state: Path, do: str, **arguments: object) -> Mapping[str, Any]:
    return asyncio.run(ask(state, {"op": "apply", "do": do, **arguments}, _ANSWER_S))


def _confirm(state: Path, by: str) -> Mapping[str, Any]:
    """Put what runs where a restart looks, then have the agent see that it is there."""
    from edge.app.unit_file import put_back, replace_file

    before = _ask(state, "status")
    pending = before["pending"]
    if pending is None:
        raise Complaint("apply-nothing")
    new, file = Path(pending["file"]), Path(before["file"])
    if _digest(new) != pending["config"]:
        raise Complaint("apply-edited", file=str(new))
    try:
        kept = replace_file(file, new)
    except OSError as error:
        raise Complaint("apply-not-written", file=str(file), reason=str(error)) from error
    try:
        answer = _ask(state, "confirm", by=by)
    except BaseException as error:
        if isinstance(error, AgentError) and (settled := _settled(state, pending["config"])):
            return {**settled, "kept": str(kept)}
        put_back(file, kept)
        raise
    return {**answer, "kept": str(kept)}


def _settled(state: Path, config: str) -> Mapping[str, Any] | None:
    """Whether it was confirmed, though the answer that says so was lost."""
    try:
        now = _ask(state, "status")
    except AgentError:
        return None
    return now if now["pending"] is None and now["config"] == config else None


def _digest(file: Path) -> str:
    from edge.app.config import load_site

    try:
        return load_site(file).digest
    except ConfigError:
        return ""
