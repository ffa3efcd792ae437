"""``tongluo run``: protect a site."""

from __future__ import annotations

import asyncio
import selectors
from pathlib import Path

import click

from edge.app import alarm_main, log
from edge.app.config import load_site
from edge.cli.options import state_option


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
    re-asserts what should sound.
    """
    site = load_site(site_file)
    log.set_up("alarm", verbose=verbose)
    main = alarm_main.run(site, site_file.resolve(), state.resolve(), with_link=not no_link)
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(main)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """Timers keep fractions of a millisecond; epoll would round each silence of a line up."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
