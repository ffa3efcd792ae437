"""``tongluo link``: the link process on its own (a unit of its own, or started by ``run``)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from edge.app import link_main, log
from edge.app.config import load_site
from edge.cli.options import state_option


@click.command(hidden=True)
@click.argument("site_file", type=click.Path(path_type=Path))
@state_option
@click.option("--child", is_flag=True, help="End when the parent process ends.")
@click.option("--verbose", is_flag=True, help="Log at INFO.")
def link(site_file: Path, state: Path, child: bool, verbose: bool) -> None:
    """Deliver the journal of SITE_FILE's agent over its links until stopped."""
    site = load_site(site_file)
    log.set_up("link", verbose=verbose)
    asyncio.run(link_main.run(site, state.resolve(), child=child))
