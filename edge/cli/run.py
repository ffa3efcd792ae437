"""``tongluo run``: protect a site."""

from __future__ import annotations

import asyncio
import logging
import selectors
from pathlib import Path

import click

from edge.app import alarm_main, log
from edge.app.config import Site, load_site
from edge.app.proof import armed
from edge.cli.options import state_option
from edge.locale import text

_log = logging.getLogger("tongluo.alarm")


@click.command()
@click.argument("site_file", type=click.Path(path_type=Path))
@state_option
@click.option(
    "--no-link", is_flag=True, help="Do not start the link process (it is a unit of its own)."
)
@click.option("--verbose", is_flag=True, help="Log at INFO.")
def run(site_file: Path, state: Path, no_link: bool, verbose: bool) -> None:
    """Protect the site described in SITE_FILE until stopped.

    Starts and restarts the link process. Stopping leaves sirens as they are; the next start
    re-asserts what should sound. A rule that is not proven to sound in time is not armed.
    """
    site, limits = armed(load_site(site_file))
    log.set_up("alarm", verbose=verbose)
    _announce(site)
    main = alarm_main.run(
        site, site_file.resolve(), state.resolve(), with_link=not no_link, limits=limits
    )
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(main)


def _announce(site: Site) -> None:
    """Say which rules are not armed, and which are although they may be late."""
    for refused in site.refused:
        message = str(refused.problem)
        click.echo(text("proof.refused", rule=refused.rule, message=message), err=True)
        _log.error("event=rule_refused rule=%s reason=%s", refused.rule, message)
    for override in site.overrides:
        click.echo(text("proof.overridden", rule=override.rule, reason=override.reason), err=True)
        _log.warning("event=rule_overridden rule=%s reason=%s", override.rule, override.reason)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """Timers keep fractions of a millisecond; epoll would round each silence of a line up."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
