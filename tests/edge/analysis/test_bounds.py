"""Bounds computed by hand, term by term; exchanges of 1 + 2 + 1 + 3, so an attempt takes 7."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edge.analysis.latency import ADVICE_CODES, TERM_KINDS, phases, prove
from edge.analysis.latency.model import (
    UNBOUNDED_NS,
    Bound,
    Bus,
    Device,
    Exchange,
    Output,
    Read,
    Rule,
    System,
)

FAR = 1 << 40
MS = 1_000_000


def exchange(question=2, turnaround=1, answer=3, timeout=10, gap=1) -> Exchange:
    return Exchange(gap, question, turnaround, answer, timeout)


def sensor(name="a", period=100, *reads, **more) -> Device:
    watched = tuple(Read(each, True, f"{name}.point") for each in reads or (exchange(),))
    return Device(name, period, watched, **more)


def logger(name="z", period=100, turnaround=1) -> Device:
    return Device(name, period, (Read(exchange(turnaround=turnaround), False),))


def siren(name="siren", device=None, writes=1, confirm=False, **more) -> Output:
    back = exchange() if confirm else None
    return Output(name, device or name, (exchange(),) * writes, back, **more)


def bound_of(*buses: Bus, outputs=("siren",), hold=0, repeats=0, output=None, **more) -> Bound:
    rule = Rule("rule", (("a", 0),), tuple(outputs), hold, repeats=repeats)
    system = System(buses, (rule,), **{"ensure_ns": FAR, "retry_ns": FAR, **more})
    bounds = {bound.output: bound for bound in prove(system).bounds}
    return bounds[output or outputs[0]]


def heard(*devices: Device, **more) -> Bound:
    """On a line with no output; the command goes out on another, 7 after the decision."""
    here, there = Bus("here", devices, (), more.pop("dead", 0)), Bus("there", (), (siren(),), 0)
    return bound_of(here, there, **more)


WAIT = 6 + 1
"""What the output was told last may just have begun; and the silence before a command."""


def terms(bound: Bound) -> dict[str, int]:
    return {term.kind: term.ns for term in bound.terms}


# --- the reading


def test_a_command_follows_on_the_same_line_after_commands_and_a_silence():
    bound = bound_of(Bus("bus", (sensor(),), (siren(),), 0), compute_ns=5)
    # the output may be told something else before the poll; what then waits is withdrawn
    own = {"sampling": 100, "own_reads": 1 + 4, "compute": 5, "actuator_gap": 1}
    assert terms(bound) == own | {"commands": 7}
    assert bound.command_ns == 118
    assert bound.sound_ns == 118 + 6
    assert bound.confirmed_ns == bound.sound_ns
    assert (bound.response_ns, bound.decision_ns, bound.action_ns) == (7 + 7, 5 + 1, 7)


def test_a_lower_class_blocks_with_what_is_left_once_begun():
    bound = bound_of(Bus("bus", (sensor(), logger(turnaround=9)), (siren(),), 0))
    assert terms(bound)["blocking"] == 2 + 9 + 3
    assert [t.detail for t in bound.terms if t.kind == "blocking"] == ["z"]


def test_what_its_own_poll_left_to_be_logged_does_not_block_the_next():
    reads = (Read(exchange(), True), Read(exchange(turnaround=30), False))
    bound = bound_of(Bus("bus", (Device("a", 100, reads),), (siren(),), 0))
    assert "blocking" not in terms(bound)
    late = bound_of(Bus("bus", (Device("a", 50, (*reads, reads[1])),), (siren(),), 0))
    assert terms(late)["blocking"] == 2 + 30 + 3


def test_a_later_deadline_only_blocks_and_an_earlier_one_interferes():
    slow = bound_of(Bus("bus", (sensor(), sensor("b", 300)), (siren(),), 0))
    assert terms(slow)["blocking"] == 6
    assert "other_polls" not in terms(slow)
    quick = bound_of(Bus("bus", (sensor(), sensor("b", 30)), (siren(),), 0))
    assert terms(quick)["other_polls"] == 7
    assert "blocking" not in terms(quick)


def test_a_longer_period_interferes_once_a_long_window_gives_it_the_earlier_deadline():
    """Of two released together the one of the longer period waits, but not of one before."""
    long = exchange(turnaround=14)
    polled = sensor("a", 60), sensor("b", 90, long), sensor("c", 130, long)
    # b or c blocks with 19; if a came 30 later than b, both would be over but for 10
    assert heard(*polled).command_ns == 60 + 19 + 1 + 4 + WAIT
    near = sensor("a", 60), sensor("b", 65, long), polled[2]
    # a comes 5 later than b: c blocks with 19, b takes 20, and 5 of it had gone
    assert heard(*near).command_ns == 60 + (19 + 20 + 1 - 5) + 4 + WAIT


def test_commands_go_before_every_poll():
    out = siren("other", confirm=True, within_ns=60, every_ns=10)
    bound = bound_of(
        Bus("here", (sensor(),), (out,), 0), Bus("there", (), (siren(),), 0)
    )  # fmt: skip
    # asked first, write, read-back: 21; the answer and a pause of 10 after it the next one is due
    assert terms(bound)["commands"] == 3 * 7 + 7
    assert "actuator_queue" not in terms(bound)


def test_what_waits_at_the_decision_goes_first_but_a_read_back_that_has_time():
    def queue(within: int) -> int:
        out = siren("other", writes=1, confirm=True, within_ns=within, every_ns=10)
        back = replace(out, confirm=exchange(turnaround=5))
        return terms(bound_of(Bus("bus", (sensor(),), (siren(), back), 0)))["actuator_queue"]

    # the other output's write; a read-back is due when the device must have got there
    assert queue(20) == 7
    # during the reading of 6 a read-back may become due
    assert queue(6) == 11


def test_the_outputs_of_one_decision_go_in_order():
    bus = Bus("bus", (sensor(),), (siren(), siren("second", writes=2)), 0)
    first = bound_of(bus, outputs=("siren", "second"))
    second = bound_of(bus, outputs=("siren", "second"), output="second")
    # what each was told last is withdrawn, but not if another rule told it the same already
    assert terms(first)["actuator_queue"] == 7
    # the first's write goes first, be it the new one or that of another rule
    assert terms(second)["actuator_queue"] == 7
    # nor does it come again between the two writes of the second
    assert second.sound_ns == first.sound_ns + 7


def test_without_a_silence_to_wait_for_older_commands_may_begin_before_they_are_withdrawn():
    hasty = Output("siren", "siren", (exchange(gap=0),))
    bound = bound_of(Bus("bus", (sensor(),), (hasty,), 0))
    assert terms(bound)["actuator_queue"] == 6


def test_overhead_counts_with_every_attempt():
    bus = Bus("bus", (sensor(), logger()), (siren(),), 0)
    slower = replace(bus, overhead_ns=3)
    # begun, commanded, read; and the command
    assert bound_of(slower).command_ns == bound_of(bus).command_ns + 4 * 3


def test_an_overloaded_line_has_a_bound_because_no_read_is_queued_twice():
    """Each other read is open once, and once more for each of its periods in ours."""
    bound = heard(sensor("a", 10), sensor("b", 10), sensor("c", 20))
    # begun 6; open b and c, and b due again: 21; own 7. And a may be open when due again: the
    # answer before it takes 4, then up to a period
    assert bound.command_ns == 4 + 10 + (6 + 21 + 7) + WAIT
    assert terms(bound)["skipped_poll"] == 4


def test_on_an_overloaded_line_polls_of_longer_periods_may_wait_and_then_be_silent():
    """All that were released just before ours, and none of them asked yet."""
    long = exchange(timeout=30)
    polled = [sensor("a", 10), *(sensor(name, 20, long, late_ns=FAR) for name in "bcd")]
    bounds = [bound_of(Bus("bus", tuple(polled), (siren(),), k)) for k in range(4)]
    # silence takes 33 in place of 7; one of them may have just begun instead
    assert terms(bounds[2])["dead_devices"] >= (33 - 7) + (33 - 7)
    waits = [bound.command_ns for bound in bounds]
    assert all(b - a >= 33 - 7 for a, b in itertools.pairwise(waits))


# --- silence


def test_the_worst_silent_devices_are_chosen_and_one_of_them_may_block():
    long = exchange(timeout=30)
    polled = (sensor(), sensor("b", 60, late_ns=FAR), sensor("c", 60, long, late_ns=FAR))
    one = bound_of(Bus("bus", polled, (siren(),), 1))
    # b answers, and c is silent within the window
    assert terms(one)["dead_devices"] == 33 - 7
    assert [t.detail for t in one.terms if t.kind == "dead_devices"] == ["c"]
    two = bound_of(Bus("bus", polled, (siren(),), 2))
    assert terms(two)["dead_devices"] == (33 - 7) + (13 - 7)
    # of a later deadline it can only have begun: b's silence would add less
    later = (*polled[:2], sensor("c", 300, long, late_ns=FAR))
    blocking = bound_of(Bus("bus", later, (siren(),), 1))
    assert terms(blocking)["blocking"] == 2 + 30
    assert "dead_devices" not in terms(blocking)
    # no silence is no worse than some
    none = bound_of(Bus("bus", polled, (siren(),), 0))
    assert none.command_ns < one.command_ns < two.command_ns


def test_a_silent_device_is_asked_again_only_after_a_late_answer_could_have_come():
    def extra(late: int, give_up=3) -> int:
        quick = sensor("b", 90, exchange(timeout=20), attempts=2, late_ns=late, give_up=give_up)
        return terms(heard(sensor(), quick, dead=1))["dead_devices"]

    once = 23 - 7
    assert extra(late=FAR) == once
    # again 22 + 2 after the first began, and that is 1 too late for a third
    assert extra(late=2) == 2 * 23 - 7
    assert extra(late=1) == 3 * 23 - 7
    assert extra(late=1, give_up=2) == 2 * 23 - 7


def test_a_silent_output_takes_an_old_attempt_two_new_ones_and_one_after_each_pause():
    def extra(retry: int) -> int:
        here = Bus("here", (sensor(),), (siren("other", "other"),), 1)
        bound = bound_of(here, Bus("there", (), (siren(),), 0), retry_ns=retry)
        return terms(bound)["dead_devices"]

    assert extra(FAR) == 3 * 13 - 7
    # the fourth could begin 3 * 12 + 5 after the first, but all is over at 40
    assert extra(5) == 3 * 13 - 7
    assert extra(4) == 4 * 13 - 7


def test_what_is_silent_before_the_decision_may_be_so_after_it():
    bus = Bus("bus", (sensor(),), (siren(), siren("other", "other")), 1)
    dead = [term for term in bound_of(bus).terms if term.kind == "dead_devices"]
    # 39 in place of 7 in the window, and 13 in place of 7 at the decision
    assert [(term.ns, term.detail) for term in dead] == [(39 - 7 + 13 - 7, "other")]


def test_a_probe_may_have_begun_on_any_line_with_a_silent_device():
    there = Bus("there", (logger(),), (siren(),), 1)
    bound = bound_of(Bus("here", (sensor(),), (), 1), there)
    assert terms(bound)["actuator_blocking"] == 2 + 10
    alive = bound_of(Bus("here", (sensor(),), (), 1), replace(there, dead=0))
    assert terms(alive)["actuator_blocking"] == 6


def test_commands_that_may_take_all_of_a_line_leave_no_bound():
    outputs = (siren(), *(siren(f"o{n}", "box") for n in range(4)))
    bound = bound_of(Bus("bus", (sensor(),), outputs, 1), retry_ns=20)
    assert bound.command_ns == bound.sound_ns == UNBOUNDED_NS
    assert terms(bound) == {"overload": UNBOUNDED_NS}


# --- holding, sounding, confirming


@pytest.mark.parametrize(("hold", "repeats", "polls"), [(0, 2, 2), (1, 1, 2), (100, 3, 5)])
def test_every_reading_that_must_bear_it_out_costs_a_period(hold, repeats, polls):
    bound = heard(sensor(), hold=hold, repeats=repeats)
    assert terms(bound)["hold"] == polls * 100
    assert bound.command_ns == heard(sensor()).command_ns + polls * 100


@pytest.mark.parametrize(("hold", "polls"), [(0, 0), (1, 1), (98, 1), (99, 2), (100, 2), (250, 3)])
def test_a_hold_lasts_until_the_first_reading_after_it(hold, polls):
    """The first reading may come 2 later after its release than another: gap and turnaround."""
    bound = heard(sensor(), hold=hold)
    assert terms(bound).get("hold", 0) == polls * 100


def test_between_writes_every_other_output_may_put_one_attempt():
    other = siren("other", writes=3)
    bus = Bus("bus", (sensor(),), (siren(writes=3, warm_up_ns=50), other), 0)
    bound = bound_of(bus)
    # the first write from its first byte, two more with their silence; other's run is 3 in all
    assert bound.sound_ns - bound.command_ns == 6 + 7 + 7 + 2 * 7 + 50


def test_a_confirmation_comes_with_the_first_read_back_after_the_device_got_there():
    out = siren(confirm=True, within_ns=200, every_ns=50)
    bound = bound_of(Bus("bus", (sensor(), logger()), (out,), 0))
    written = bound.sound_ns
    # asked just before: its answer 1 + 3, then a pause, a logger's 6, and the read-back
    assert bound.confirmed_ns == written + 200 + 4 + 50 + 6 + 7


def test_terms_add_up_and_their_kinds_are_known():
    other = siren("other", confirm=True, within_ns=20, every_ns=10)
    near = Bus("near", (sensor(), sensor("b", 60, attempts=2), logger()), (other,), 1, 2)
    far = Bus("far", (sensor("d", 70), logger("y")), (siren(), siren("next")), 1, 2)
    bound = bound_of(near, far, compute_ns=9, hold=300)
    assert sum(term.ns for term in bound.terms) == bound.command_ns
    assert all(term.kind in TERM_KINDS and term.ns > 0 for term in bound.terms)
    assert bound.command_ns <= bound.sound_ns <= bound.confirmed_ns


def test_the_slowest_input_of_a_quorum_decides():
    bus = Bus("bus", (sensor(), sensor("b", 400)), (siren(),), 0)
    rule = Rule("rule", (("a", 0), ("b", 0)), ("siren",))
    (bound,) = prove(System((bus,), (rule,))).bounds
    assert bound.input == "b.point"
    assert bound.command_ns > 400


def test_an_input_that_is_only_logged_is_refused():
    with pytest.raises(ValueError, match="not watched"):
        bound_of(Bus("bus", (Device("a", 100, (Read(exchange(), False),)),), (siren(),), 0))


# --- schedules, loads, advice


def test_the_schedule_ends_with_the_command_and_never_overlaps():
    other = siren("other", "box", confirm=True, within_ns=20, every_ns=10)
    polled = (sensor(), sensor("b", 60, attempts=2), sensor("c", 30), logger())
    bound = bound_of(Bus("bus", polled, (siren(writes=2), other), 1, 1), compute_ns=5)
    slots = [slot for slot in bound.schedule if slot.what in ("exchange", "silent")]
    assert bound.command_ns in {slot.begin_ns for slot in slots}
    assert bound.sound_ns in {slot.end_ns for slot in slots}
    assert any(slot.what == "silent" for slot in slots)
    for before, after in itertools.pairwise(slots):
        assert before.end_ns <= after.begin_ns
    whats = {slot.what for slot in bound.schedule}
    assert {"change", "decision", "release"} <= whats
    (change,) = [slot for slot in bound.schedule if slot.what == "change"]
    assert change.begin_ns == 0


def test_phases_say_how_to_bring_it_about():
    polled = (sensor(), sensor("b", 60, late_ns=FAR), logger())
    rule = Rule("rule", (("a", 0),), ("siren",))
    system = System((Bus("bus", polled, (siren(), siren("other")), 1),), (rule,), 0, FAR, FAR)
    (bound,) = prove(system).bounds
    found = phases(system, bound)
    assert set(found.releases) >= {"a", "b"}
    assert found.releases["b"] <= found.releases["a"]
    assert set(found.dead) <= {"b", "z", "other"}
    assert set(found.commands) == {"siren", "other"}


def test_loads_by_class():
    bus = Bus("bus", (sensor("a", 70), logger("z", 14)), (siren(confirm=True),), 0)
    (load,) = prove(System((bus,), (), ensure_ns=700)).loads
    assert (load.act, load.watch, load.log) == (0.01, 0.1, 0.5)


def late(budget_ms: int, **more) -> System:
    def line(name, *periods):
        return tuple(
            Device(
                f"{name}{n}", period * MS,
                (Read(Exchange(4 * MS, 9 * MS, 20 * MS, 12 * MS, 400 * MS), True),), 2, 300 * MS,
            )
            for n, period in enumerate(periods)
        )  # fmt: skip

    out = Output("siren", "siren", (Exchange(4 * MS, 9 * MS, 20 * MS, 9 * MS, 400 * MS),))
    buses = (Bus("one", line("a", *more.get("periods", (1000, 1000))), (out,), 1, 0, 9600),)
    rule = Rule("rule", (("a0", 0),), ("siren",), more.get("hold", 0), budget_ms * MS)
    return System(buses, (rule,))


def test_advice_is_the_cheapest_that_meets_the_budget_first():
    advice = prove(late(1000)).advice
    assert advice[0].code == "shorten_period"
    assert advice[0].values == {"device": "a0", "now": "1000", "then": "300"}
    assert prove(late(1000, periods=(400, 1000))).missed() == ("rule",)
    assert prove(late(1000, periods=(300, 1000))).missed() == ()
    assert all(each.sound_ns <= 1000 * MS for each in advice)
    codes = [each.code for each in advice]
    assert codes == sorted(codes, key=ADVICE_CODES.index)


def test_advice_names_the_silent_device_whose_timeout_is_too_long():
    advice = {each.code: each for each in prove(late(1300)).advice}
    assert advice["shorten_timeout"].values == {"device": "a1", "now": "400", "then": "150"}


def test_advice_takes_the_least_of_a_kind():
    advice = {each.code: each for each in prove(late(3500, hold=4000 * MS)).advice}
    assert advice["shorten_hold"].values["rule"] == "rule"
    more = int(advice["shorten_hold"].values["then"]) + 1000
    (bound,) = prove(late(3500, hold=more * MS)).bounds
    assert not bound.met


def test_a_budget_that_is_met_needs_no_advice():
    assert prove(late(5000)).advice == ()
    assert prove(late(5000)).missed() == ()


def test_the_example_in_the_documentation():
    """docs/proof.md, 9."""

    def part(answer=10) -> Exchange:
        return Exchange(4 * MS, 8 * MS, 20 * MS, answer * MS, 200 * MS)

    def polled(name, period, *, watch=True, answer=10) -> Device:
        return Device(name, period * MS, (Read(part(answer), watch, name),), 2, 300 * MS)

    devices = polled("a", 500), polled("b", 500), polled("c", 250)
    logged = polled("z", 1000, watch=False, answer=60)
    line = Bus("line", (*devices, logged), (Output("siren", "siren", (part(),)),), 1)
    rule = Rule("flood", (("a", 0),), ("siren",), 0, 1000 * MS)
    proof = prove(System((line,), (rule,), 25 * MS))
    (bound,) = proof.bounds
    assert {term.kind: term.ns // MS for term in bound.terms} == {
        "sampling": 500,
        "own_reads": 4 + 30,
        "blocking": 88,
        "dead_devices": 170,
        "commands": 42,
        "other_polls": 126,
        "compute": 25,
        "actuator_gap": 4,
    }
    assert (bound.command_ns, bound.sound_ns) == (989 * MS, 1027 * MS)
    assert not bound.met
    assert bound.dominating.kind == "sampling"
    assert proof.advice[0].values == {"device": "a", "now": "500", "then": "400"}
