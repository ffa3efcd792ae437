"""Runs a commissioning script in virtual time."""

from __future__ import annotations

from typing import TypeVar

from edge.app.commissioning.place import OpenerOf
from edge.app.commissioning.talk import Heard, Script, Talk
from tools.virtual_clock import VirtualClock

T = TypeVar("T")


def run_script(
    script: Script[T], opener_of: OpenerOf, clock: VirtualClock, most_s: float = 3600.0
) -> tuple[T, float]:
    """What the script returns, and the seconds it took. Its errors are raised.

    TimeoutError if it is still at it after ``most_s``; then the line is closed, as by Ctrl-C.
    """
    talk = Talk(clock, opener_of)
    began = clock.now()
    ended: list[tuple[T, float]] = []

    def go_on(heard: Heard | None) -> None:
        try:
            step = next(script) if heard is None else script.send(heard)
        except StopIteration as end:
            ended.append((end.value, (clock.now() - began) / 1e9))
            return
        talk.carry_out(step, go_on)

    try:
        go_on(None)
        clock.run_for(0.0)
        passed_s = 0.0
        while not ended and passed_s < most_s:
            clock.run_for(0.05)
            passed_s += 0.05
    finally:
        talk.close()
        script.close()
    if not ended:
        raise TimeoutError(f"still at it after {most_s:g} s")
    return ended[0]
