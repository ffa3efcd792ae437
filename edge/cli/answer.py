"""``tongluo answer``: answer a call at the box."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import click

from edge.app.local_socket import ask
from edge.cli.call_words import judgement
from edge.cli.options import json_option, print_json, state_option
from edge.locale import text


@click.command()
@click.argument("event", default="all")
@click.option("--as", "contact", required=True, help="Id of the contact who answers.")
@click.option("--by", default=None, help="Who types this; the account's name by default.")
@state_option
@json_option
def answer(event: str, contact: str, by: str | None, state: Path, as_json: bool) -> None:
    """Answer the calls for EVENT: a rule, an alarm id, or 'all' (the default)."""
    request = {
        "op": "answer",
        "alarm": event,
        "contact": contact,
        "by": by or getpass.getuser(),
    }
    reply = asyncio.run(ask(state, request))
    if as_json:
        print_json(reply)
        return
    answers = reply["answers"]
    if not isinstance(answers, list) or not answers:
        click.echo(text("answer.nothing"), err=True)
        return
    for each in answers:
        said = judgement(str(each["judgement"]))
        click.echo(text("answer.done", name=each["name"], judgement=said))
