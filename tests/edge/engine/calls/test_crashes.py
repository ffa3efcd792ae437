"""A thousand random plans, each with crashes between any two of its steps."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from edge.core.calls import Result
from edge.core.instant import seconds_between
from edge.core.model import Level
from edge.engine.calls.entries import End

EXECUTIONS = 1000
# no wait of a standing ladder is longer: somebody talking, the pause, or the tries' distance
LONGEST_S = 300.0

REACTIONS = ("silence", "busy", "off", "pick up", "wrong key", "never told", "answer")


def random_world(parts, seed, *, willing):
    """A plan, people, and how each reacts to his nth call; the ``willing`` answer at last."""
    draw = random.Random(seed)
    names = [f"c{index}" for index in range(draw.randint(1, 5))]
    people = {
        name: parts.contact(
            name,
            duty=draw.random() < 0.4,
            channels=draw.choice((("voice",), ("voice", "sms"), ("sms",))),
        )
        for name in names
    }
    rungs = tuple(
        parts.Rung(
            draw.choice((Level.ORANGE, Level.RED)) if index else Level.ORANGE,
            tuple(people[each] for each in draw.sample(names, draw.randint(1, len(names)))),
            draw.choice((("voice",), ("voice", "sms"), ("sms", "voice"))),
            together=draw.random() < 0.3,
            contacts_first=draw.random() < 0.3,
            ring_s=draw.choice((None, 10.0)),
            tries=draw.choice((None, 1, 2)),
            every_s=draw.choice((None, 0.0, 20.0)),
        )
        for index in range(draw.randint(1, 3))
    )
    repeat_s = draw.choice((0.0, 30.0, 300.0))
    helper = parts.contact("helper", channels=("voice",))
    ladders = [parts.Ladder("duty", rungs, repeat_s)]
    if draw.random() < 0.5:
        one = parts.Rung(Level.ORANGE, (helper,), ("voice",))
        ladders.append(parts.Ladder("helper-1", (one,), repeat_s, persons=("granny",)))
    plan = parts.CallPlan("plan", tuple(ladders), ("1",), ("ok",))
    habits = {
        name: [draw.choice(REACTIONS) for _ in range(draw.randint(1, 4))]
        for name in (*names, "helper")
    }
    if draw.random() < 0.5:  # else perhaps nobody ever answers
        habits[draw.choice(names)].append("answer")

    if willing:
        for habit in habits.values():
            habit.append("answer")

    def react(request, count):
        habit = habits[request.contact][min(count, len(habits[request.contact])) - 1]
        right, wrong = ("1", "7") if request.channel == "voice" else ("OK.", "who is this")
        if request.channel != "voice":
            replies = {"answer": right, "wrong key": wrong}
            reply = [(40.0, None, replies[habit])] if habit in replies else []
            return [] if habit == "never told" else [(2.0, Result.SENT, None), *reply]
        return {
            "silence": [(request.ring_s, Result.NO_ANSWER, None)],
            "busy": [(3.0, Result.BUSY, None)],
            "off": [(5.0, Result.UNREACHABLE, None)],
            "pick up": [(8.0, Result.TALKING, None), (50.0, Result.ANSWERED, None)],
            "wrong key": [(8.0, Result.TALKING, None), (12.0, Result.ANSWERED, wrong)],
            "never told": [],
            "answer": [(8.0, Result.TALKING, None), (20.0, Result.ANSWERED, right)],
        }[habit]

    lines = draw.choice(({"voice": 1, "sms": 1}, {"voice": 2, "sms": 4}, {"sms": 1}, {"voice": 1}))
    world = parts.World(
        plan, react, lines=lines, seed=seed, level=draw.choice((Level.ORANGE, Level.RED))
    )
    return world, draw


def execute(parts, seed, *, crashes, willing=False):
    """Run one plan for two hours of its alarm, with crashes; returns its world."""
    world, draw = random_world(parts, seed, willing=willing)
    left = draw.randint(1, 4) if crashes else 0
    world.fuse = draw.randint(0, 25) if left else None
    began = False
    while world.t < 7200:
        try:
            if not began:
                began = True
                world.start()
            elif not world.up:
                world.restart()
            else:
                world.run(min(draw.choice((10.0, 100.0, 1000.0)), 7200 - world.t))
                watch(world)
                continue
            watch(world)
        except parts.Crash:
            world.crash(power=draw.random() < 0.5, down_s=draw.choice((0.1, 5.0, 60.0, 1000.0)))
            left -= 1
        if world.fuse is None and left > 0:
            world.fuse = draw.randint(0, 25)
    return world


def watch(world):
    """A ladder that stands always knows when it goes on; it never waits for nothing."""
    for run in world.caller.runs:
        if run.end is None:
            assert world.caller.due is not None
            assert seconds_between(world.now, world.caller.due) <= LONGEST_S


def judge(parts, world):
    """What must hold of every execution, whatever happened to the box."""
    entries = world.entries()
    accepted = [entry for entry in entries if entry.judgement == "accepted"]
    for run in world.caller.runs:
        mine = [e for e in entries if e.ladder == run.ladder.id]
        answers = [entry for entry in accepted if entry.ladder == run.ladder.id]
        if run.end in (End.ANSWERED, End.ACKNOWLEDGED):
            assert answers or world.alarm.acknowledged_by
        elif run.end is End.EXHAUSTED:
            assert not run.ladder.repeat_s
        else:
            assert run.end is None
            assert not answers
        no_step_lost(run, mine)
        no_step_pretended(world, mine)
    none_done_twice(world, entries)
    nobody_called_after_an_answer(world, accepted)
    for entry in accepted:
        if entry.acknowledges:
            assert world.alarm.acknowledged_by


def no_step_lost(run, mine):
    """Before a round is given up, everybody on the ladder was tried by every way, as often as
    planned, or the way was not there."""
    rungs = run.ladder.at(run.level)
    ends = [e for e in mine if e.what == "paused" or e.result == End.EXHAUSTED]
    for end in ends:
        done = {
            (e.rung, e.contact, e.channel, e.attempt): e.result
            for e in mine
            if e.what == "outcome" and e.round == end.round
        }
        for index, rung in enumerate(rungs):
            for track in rung.tracks(run.level):
                for each in track:
                    key = (index, each.contact.id, each.channel, each.number)
                    absent = [
                        n
                        for n in range(1, each.number + 1)
                        if done.get((*key[:3], n)) == Result.NO_CHANNEL
                    ]
                    assert key in done or absent, (key, done)


def no_step_pretended(world, mine):
    """What has an outcome of its own was really rung, unless the box died on it again and again."""
    rung = {request.id for _, request in world.dialler.dials}
    offers = {e.request: e.offer for e in mine if e.what == "request"}
    for entry in mine:
        if entry.what == "outcome" and entry.result not in ("no channel", "withdrawn", "displaced"):
            assert entry.request in rung or offers[entry.request] >= 3, entry


def none_done_twice(world, entries):
    """No attempt is rung a second time once the journal knows how the first one ended; nor while
    whoever rings remembers it, but for those that had to give way."""
    once: Counter[tuple[int, str]] = Counter()
    for life, (_, request) in zip(world.dialler.lives, world.dialler.dials, strict=True):
        once[life, request.id.rpartition("|")[0]] += 1
    gave_way = Counter(e.request.rpartition("|")[0] for e in entries if e.result == "displaced")
    for (_, attempt), count in once.items():
        assert count <= 1 + gave_way[attempt], attempt
    ended: dict[str, int] = {}
    for entry in entries:
        if entry.what == "outcome" and entry.request:
            ended.setdefault(entry.request, entry.utc_ms)
    seen = {}
    for at, request in world.dialler.dials:
        if request.id in seen:
            assert ended.get(request.id, 1 << 62) >= world_ms(at), request.id
        seen[request.id] = at


def nobody_called_after_an_answer(world, accepted):
    for entry in accepted:
        later = [
            request.id
            for at, request in world.dialler.dials
            if world_ms(at) > entry.utc_ms and request.id.split("|")[2] == entry.ladder
        ]
        assert not later


def world_ms(at):
    return 1_718_158_500_000 + round(at * 1000)


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_executions_with_crashes_lose_no_step_and_do_none_twice(village, block):
    """And escalation goes on until somebody answers or the ladder's declared end."""
    for seed in range(block * EXECUTIONS // 10, (block + 1) * EXECUTIONS // 10):
        judge(village, execute(village, seed, crashes=True))


def test_the_same_executions_without_crashes_dial_each_attempt_once(village):
    for seed in range(200):
        world = execute(village, seed, crashes=False)
        judge(village, world)
        ids = [request.id for _, request in world.dialler.dials]
        assert len(ids) == len(set(ids))


def test_whoever_answers_in_the_end_is_reached_whatever_crashes(village):
    """With a ladder that begins again and a line to somebody on it, an answer comes."""
    reached = 0
    for seed in range(1000, 1300):
        world = execute(village, seed, crashes=True, willing=True)
        duty = next(run for run in world.caller.runs if run.ladder.id == "duty")
        called = any(request.id.split("|")[2] == "duty" for _, request in world.dialler.dials)
        if duty.ladder.repeat_s and called:
            assert duty.end in (End.ANSWERED, End.ACKNOWLEDGED), seed
            reached += 1
    assert reached > 100
