"""Every rule's worst case, put together from its reading and its command. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.analysis.latency.actuation import Actuation, Done, Wait
from edge.analysis.latency.demand import Subject
from edge.analysis.latency.line import Line, exchanges
from edge.analysis.latency.model import UNBOUNDED_NS, Bound, Device, Output, Rule, System, Term
from edge.analysis.latency.response import Reading, Response, longest_ns, respond

TERM_KINDS = (
    "sampling",
    "skipped_poll",
    "own_reads",
    "blocking",
    "commands",
    "other_polls",
    "dead_devices",
    "hold",
    "compute",
    "backup",
    "actuator_blocking",
    "actuator_queue",
    "actuator_dead",
    "actuator_gap",
    "overload",
)
"""The kinds of terms, in the order in which they come."""

# A term names so many of its causes.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Case:
    """How one bound came about: the reading of one input, and the wait of one output."""

    rule: Rule
    sensor: Device
    index: int
    sensor_line: Line
    output: Output
    output_line: Line
    subject: Subject
    wait: Wait
    bound: Bound
    compute_ns: int
    response: Response | None = None
    polls: int = 0
    done: Done | None = None

    @property
    def same(self) -> bool:
        """Whether one line carries both."""
        return self.sensor_line is self.output_line


class Prover:
    """One system; what does not depend on the rule is computed once."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.lines = {
            bus.name: Line(bus, system.ensure_ns, system.retry_ns) for bus in system.buses
        }
        self._sensor_line = {
            device.name: self.lines[bus.name] for bus in system.buses for device in bus.devices
        }
        self._output = {
            output.name: (output, self.lines[bus.name])
            for bus in system.buses
            for output in bus.outputs
        }
        self._responses: dict[tuple[str, Subject], Response | None] = {}
        self._plain: dict[tuple[str, int], Response | None] = {}
        self._steady: dict[str, bool] = {}

    def cases(self, rule: Rule) -> list[Case]:
        """The worst input for each output of a rule."""
        found = []
        for name in rule.outputs:
            cases = [self._case(rule, device, index, name) for device, index in rule.inputs]
            if cases:
                found.append(max(cases, key=lambda case: case.bound.command_ns))
        return found

    def reading(self, rule: Rule) -> tuple[list[Term], str] | None:
        """The terms from the change to a decision, computing included, whatever it commands.

        And the label of the input with the latest; None if nothing bounds one.
        """
        worst: tuple[list[Term], str] | None = None
        for device, index in rule.inputs:
            line, subject = self._sensor_line[device], Subject(device, index)
            response = self._respond(line, subject)
            if response is None:
                return None
            terms, _ = _reading(rule, Reading(line, subject), response)
            terms.append(Term("compute", self.system.compute_ns))
            if worst is None or sum(t.ns for t in terms) > sum(t.ns for t in worst[0]):
                worst = terms, line.devices[device].reads[index].label or device
        return worst

    def seen_ns(self, device: str, index: int) -> int:
        """From any instant until a read has brought the value of then."""
        line = self._sensor_line[device]
        period = line.devices[device].period_ns
        response = self._stages(line, device, index)
        if response is None:
            return UNBOUNDED_NS
        return period * (2 if response.overrun else 1) + response.response_ns

    def output(self, name: str) -> tuple[Output, Line]:
        """An output and its line."""
        return self._output[name]

    # -- one case --------------------------------------------------------------------------------

    def _case(self, rule: Rule, device: str, index: int, name: str) -> Case:
        line = self._sensor_line[device]
        output, output_line = self._output[name]
        same = line is output_line
        sensor = line.devices[device]
        beside = tuple(each for each in rule.outputs if self._output[each][1] is output_line)
        alive = frozenset({device} if same else ())
        actuation = Actuation(output_line, output, beside, alive)
        read = sensor.reads[index].exchange
        first = exchanges(output)[0]
        wait = actuation.after(line.rest_ns(read)) if same else actuation.elsewhere()
        subject = Subject(
            device, index, frozenset({output.device} if same else ()),
            wait.extra if same else (),
        )  # fmt: skip
        response = self._respond(line, subject)
        stages = self._stages(line, device, index)
        if response is None:
            bound = _unbounded(rule, name, sensor.reads[index].label or device, line)
            return Case(
                rule, sensor, index, line, output, output_line, subject, wait, bound,
                self.system.compute_ns,
            )  # fmt: skip
        terms, polls = _reading(rule, Reading(line, subject), response)
        terms.append(Term("compute", self.system.compute_ns))
        reading = sum(term.ns for term in terms) - _joint(response)
        terms += waiting(wait, 0 if same and not response.overrun else output_line.bus.dead)
        command = sum(term.ns for term in terms)
        done = actuation.done(wait)
        written = max(reading + done.written_ns, command + output_line.rest_ns(first))
        bound = Bound(
            rule=rule.name,
            output=name,
            input=sensor.reads[index].label or device,
            command_ns=command,
            sound_ns=written + output.warm_up_ns,
            confirmed_ns=max(reading + done.confirmed_ns, written),
            terms=tuple(term for term in terms if term.ns),
            budget_ns=rule.budget_ns,
            response_ns=stages.response_ns if stages else UNBOUNDED_NS,
            decision_ns=self.system.compute_ns + wait.total_ns(output_line.bus.dead),
            action_ns=done.action_ns,
        )
        return Case(
            rule, sensor, index, line, output, output_line, subject, wait, bound,
            self.system.compute_ns, response, polls, done,
        )  # fmt: skip

    def _respond(self, line: Line, subject: Subject) -> Response | None:
        key = (line.bus.name, subject)
        if key not in self._responses:
            period = line.devices[subject.device].period_ns
            steady = frozenset(
                each.name
                for each in line.polls
                if each.period_ns == period and self._is_steady(line, each.name)
            )
            self._responses[key] = respond(line, subject, steady=steady)
        return self._responses[key]

    def _stages(self, line: Line, device: str, index: int) -> Response | None:
        """A read whatever its decision commands, whoever else is silent."""
        key = (device, index)
        if key not in self._plain:
            self._plain[key] = respond(line, Subject(device, index), steady=frozenset())
        return self._plain[key]

    def _is_steady(self, line: Line, device: str) -> bool:
        """Whether no poll of a device is ever skipped for as long as it answers."""
        if device not in self._steady:
            longest = longest_ns(line)
            if longest is not None and longest < line.devices[device].period_ns:
                self._steady[device] = True
                return True
            reads = line.devices[device].reads
            last = max(index for index, read in enumerate(reads) if read.watch)
            response = self._stages(line, device, last)
            self._steady[device] = response is not None and not response.overrun
        return self._steady[device]


def _unbounded(rule: Rule, output: str, label: str, line: Line) -> Bound:
    """There is none: the commands of the line may take all its time."""
    never = UNBOUNDED_NS
    outputs = _names(each.name for each in line.bus.outputs)
    return Bound(
        rule.name, output, label, never, never, never, (Term("overload", never, outputs),),
        rule.budget_ns, (), never, never, never,
    )  # fmt: skip


def _joint(response: Response) -> int:
    """The part of the reading's terms that is about the command."""
    return 0 if response.overrun else response.worst.stop.after_ns


def _reading(rule: Rule, reading: Reading, response: Response) -> tuple[list[Term], int]:
    """The terms from the change to the deciding reading, and how many polls later that is."""
    window = response.worst
    sensor = reading.name
    terms = [Term("sampling", reading.period_ns, sensor)]
    own = window.own_ns + reading.tail_ns
    lead = window.lead_ns
    if response.overrun:
        terms.append(Term("skipped_poll", reading.tail_ns, sensor))
        own += reading.question_ns
    else:
        own -= reading.idle_ns
    hold, polls = _hold(rule, reading, response)
    stop = window.stop
    parts = [
        Term("other_polls", window.polls_ns, _names(each.name for each in window.ahead)),
        Term("commands", window.commands_ns, _names(reading.demand.outputs())),
        Term("dead_devices", stop.extra_ns, _names(stop.dead)),
        Term("blocking", stop.blocking_ns, stop.blocker),
        Term("own_reads", own, sensor),
    ]
    for at, term in enumerate(parts):
        # what the poll before was delayed by as well does not come on top
        part = min(lead, term.ns)
        lead -= part
        parts[at] = Term(term.kind, term.ns - part, term.detail)
    return [*terms, *reversed(parts), hold], polls


def _hold(rule: Rule, reading: Reading, response: Response) -> tuple[Term, int]:
    """From the first reading that shows the change to the one that decides, and polls between."""
    if response.overrun:
        # from any reading the next one comes within this
        late = reading.period_ns + response.response_ns
        held = rule.hold_ns + late if rule.hold_ns else 0
        return Term("hold", held + rule.repeats * late), 0
    polls = rule.repeats
    if rule.hold_ns:
        vary = response.shift_ns + reading.turnaround_ns
        polls += -(-(rule.hold_ns + vary) // reading.period_ns)
    return Term("hold", polls * reading.period_ns), polls


def waiting(wait: Wait, dead: int) -> list[Term]:
    """The terms from the decision to the first byte, with at most so many silent devices."""
    return [
        Term("actuator_blocking", wait.blocking_ns, wait.blocker),
        Term("actuator_queue", wait.queue_ns, _names(name for name, _ in wait.queue)),
        Term(
            "actuator_dead",
            sum(ns for _, ns in wait.dead(dead)),
            _names(name for name, _ in wait.dead(dead)),
        ),
        Term("actuator_gap", wait.gap_ns),
    ]


def _names(names: Iterable[str]) -> str:
    """Those who cause a term: some by name, the rest by number."""
    listed = list(dict.fromkeys(names))
    more = len(listed) - _MOST_NAMED
    if more <= 1:
        return ", ".join(listed)
    return ", ".join(listed[:_MOST_NAMED]) + f" +{more}"
