"""The proof's own worst case as a construction of the campaign's search. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge.analysis.latency import Phases
from tools.bench.proof_ground import Ground


@dataclass(frozen=True, slots=True)
class Witness:
    """Polls and deaths of a witness in ns after our first poll; ``release``: our deciding poll."""

    polls: dict[str, int]
    dead: dict[str, int]
    release: int


def witness_of(ground: Ground, phases: Phases, change: int, most_dead: int) -> Witness | None:
    """A bound's witness on our polls, with the change where it is if nothing interferes.

    None if the witness does not tell when we are polled.
    """
    ours = phases.releases.get(ground.sensor.id)
    if ours is None:
        return None
    # the change is where we make it: the deciding poll is one of ours, the others move with it
    release = round((ours + change) / ground.period_ns) * ground.period_ns
    by = release - ours
    devices = {device.id for device in ground.polled}
    polls = {name: at + by - 1 for name, at in phases.releases.items() if name in devices}
    spared = {ground.sensor.id, ground.actuator.id}
    mortal = [name for name in phases.dead if name in ground.devices and name not in spared]
    dead = {name: phases.dead[name] + by - 1 for name in mortal[:most_dead]}
    return Witness(polls, dead, release)
