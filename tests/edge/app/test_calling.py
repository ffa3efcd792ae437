"""Calls in the whole agent: after the sirens, until somebody answers, through a restart."""

import pytest

from edge.app.calling import calling_of
from edge.core.calls import Request, Result
from edge.core.instant import Instant, ms_between
from edge.core.model import Level, Phase, RecordKind, RuleId
from edge.engine.drill import Mode
from tools.twins.phones import Person, PhoneLine, Phones
from tools.virtual_village import VirtualVillage

PEOPLE = """
[[contact]]
id = "wang"
name = "王秀英"
role = "duty"
phone = "13800000001"

[[contact]]
id = "li"
name = "李建国"
role = "village"
phone = "13800000002"

[[contact]]
id = "zhao"
name = "赵敏"
role = "helper"
phone = "13800000003"

[[group]]
id = "office"
name = "值班室"
contacts = ["wang"]
"""

CALLS = """
[plan.zh]
name = "河道转移"
where = "村小学"

[[plan.call]]
level = "orange"
groups = ["office"]
channels = ["voice"]

[[plan.call]]
level = "orange"
contacts = ["li"]
channels = ["voice", "sms"]

[[plan.helper]]
level = "red"
persons = ["陈奶奶"]
contacts = ["zhao"]
channels = ["voice"]
"""


def with_calls(text):
    """The demonstration's site, its plan for the river with calls."""
    entry = '[[plan]]\nid = "evacuate"\n'
    assert entry in text
    return text.replace(entry, f"{PEOPLE}{entry}repeat_s = 60\nanswer_s = 120\n{CALLS}")


class Village(VirtualVillage):
    """With telephones; they survive the agent's process."""

    def __init__(self, folder, people, *, lines=None):
        self.people = people
        self.lines_of = {"voice": 1, "sms": 4} if lines is None else lines
        self.phones = None
        super().__init__(folder, rewrite=with_calls, limits={})

    def start(self):
        super().start()
        if self.phones is None:
            self.phones = Phones(self.people, self.clock)
        for name, count in self.lines_of.items():
            self.agent.calling.attend(PhoneLine(self.phones, name, count))

    def calls(self, *whats):
        return [b for b in self.journal.bodies(RecordKind.CALL) if b["what"] in whats]


@pytest.fixture
def village(tmp_path):
    def make(*people, **options):
        made = Village(tmp_path, people, **options)
        made.run(5.0)
        return made

    return make


def rung(village):
    return [(request.contact, request.channel) for request in village.phones.rung]


def test_the_siren_sounds_first_and_the_duty_officer_s_key_acknowledges(village):
    """The command is in the journal before the first call, and the call tells what is measured."""
    made = village(Person("13800000001", after_s=6.0))
    began = made.clock.now()
    made.world.set("river.level", 3.3)
    made.run(60.0)
    kinds = [r.kind for r in made.journal.records if r.kind is not RecordKind.HEALTH]
    assert kinds.index(RecordKind.COMMAND) < kinds.index(RecordKind.CALL)
    edge = next(at for at, what, now in made.relay.changes if what == "coil.0" and now == 1)
    assert ms_between(began, Instant(edge)) < 1000
    alarm = made.alarm("river-flood")
    assert alarm.phase is Phase.ACTIVE_ACKNOWLEDGED
    assert alarm.acknowledged_by == "王秀英"
    told = made.phones.rung[0].text
    assert "红色" in told
    assert "3.300 m" in told
    assert "村小学" in told
    assert made.relay.coils[0] == 0


def test_who_is_silent_is_followed_by_the_next_one_who_does_not_acknowledge(village):
    """Three tries at a minute for red, then the village leader; his answer ends the ladder only."""
    made = village(Person("13800000001", habit="silence"), Person("13800000002"))
    made.world.set("river.level", 3.3)
    made.run(300.0)
    duty = [contact for contact, _ in rung(made) if contact != "zhao"]
    assert duty == ["wang", "wang", "wang", "li"]
    assert made.alarm("river-flood").phase is Phase.ACTIVE_UNACKNOWLEDGED
    ends = {b["ladder"]: b["result"] for b in made.calls("ended")}
    assert ends == {"duty": "answered"}


def test_the_button_ends_the_ladder_but_not_the_helper_s(village):
    made = village()
    made.world.set("river.level", 3.3)
    made.run(20.0)
    made.world.set("button.pressed", 1.0)
    made.run(120.0)
    ends = {b["ladder"]: (b["result"], b.get("name", "")) for b in made.calls("ended")}
    assert ends == {"duty": ("acknowledged", "值班室按钮")}
    assert [c for c, _ in rung(made)].count("zhao") >= 2


def test_without_anybody_who_rings_the_ladder_goes_on_and_begins_when_one_comes(village):
    made = village(Person("13800000001"), lines={})
    made.world.set("river.level", 3.3)
    made.run(10.0)
    assert {b["result"] for b in made.calls("outcome")} == {Result.NO_CHANNEL.value}
    assert {b["contact"] for b in made.calls("outcome")} == {"wang", "li", "zhao"}
    made.agent.calling.attend(PhoneLine(made.phones, "voice", 1))
    made.run(40.0)
    assert made.alarm("river-flood").acknowledged_by == "王秀英"


def test_a_restart_in_the_middle_of_a_call_neither_loses_nor_repeats_it(village):
    """The telephone rings on meanwhile; whoever rings tells the new process what became of it."""
    made = village(Person("13800000001", after_s=15.0), lines={"voice": 2})
    made.world.set("river.level", 3.3)
    made.run(8.0)
    made.kill()
    made.run(20.0)
    made.start()
    made.run(30.0)
    assert [contact for contact, _ in rung(made)].count("wang") == 1
    assert made.alarm("river-flood").acknowledged_by == "王秀英"


def test_a_rise_calls_again_with_the_higher_level(village):
    made = village(Person("13800000001", key="1"), Person("13800000002"))
    made.world.set("river.level", 2.7)
    made.run(60.0)
    assert [request.level.name for request in made.phones.rung] == ["ORANGE"]
    made.world.set("river.level", 3.3)
    made.run(60.0)
    assert [r.level.name for r in made.phones.rung if r.contact == "wang"] == ["ORANGE", "RED"]
    assert made.alarm("river-flood").acknowledged_by == "王秀英"


def test_a_drill_calls_in_its_own_name_and_its_answer_acknowledges_nothing_real(village):
    """It is tagged end to end, and a real alarm ends it."""
    made = village(Person("13800000001", after_s=10.0))
    made.agent.pipeline.outputs.drills.start(
        RuleId("river-flood"), Level.RED, Mode.SURPRISE, plan="evacuate", by="me", reason="test",
        minutes=10,
    )  # fmt: skip
    made.run(3.0)
    request = made.phones.rung[0]
    assert request.drill
    assert request.text.startswith("【演练】")
    made.run(30.0)
    assert made.agent.pipeline.outputs.drills.alarm.acknowledged_by == "王秀英"
    assert made.alarm("river-flood").phase is Phase.NORMAL
    assert all(body["drill"] for body in made.journal.bodies(RecordKind.CALL))
    made.world.set("river.level", 3.3)
    made.run(40.0)
    assert made.alarm("river-flood").acknowledged_by == "王秀英"
    assert [r.drill for r in made.phones.rung if r.contact == "wang"] == [True, False]


def test_the_calls_of_another_site_file_go_on_where_these_stopped(village):
    """Who rings, rings on; whoever comes or goes at the old one comes and goes at the new one."""
    made = village(Person("13800000001", after_s=20.0))
    made.world.set("river.level", 3.3)
    made.run(10.0)
    old, agent = made.agent.calling, made.agent
    new = calling_of(made.site, agent.pipeline, made.journal, made.clock)
    new.take_over(old, agent.pipeline.alarms.values())
    made.run(40.0)
    assert rung(made).count(("wang", "voice")) == 1
    assert made.alarm("river-flood").acknowledged_by == "王秀英"
    line = PhoneLine(made.phones, "beidou", 1)
    old.attend(line)
    assert "beidou" in str(new.body()["channels"])
    old.leave(line)
    assert "beidou" not in str(new.body()["channels"])


def test_nothing_shows_a_number_in_full(village, caplog):
    caplog.set_level("INFO")
    made = village(Person("13800000001", key="9"))
    made.world.set("river.level", 3.3)
    made.run(40.0)
    body = made.agent.calling.body()
    seen = [repr(body), repr(made.journal.bodies(RecordKind.CALL)), caplog.text]
    assert body["ladders"]
    assert "call_request" in caplog.text
    assert all("13800000001" not in text for text in seen)
    assert "0001" in seen[0] + seen[1]


def test_a_person_at_the_box_answers_in_the_name_of_one_who_is_called(village):
    made = village()
    made.world.set("river.level", 3.3)
    made.run(20.0)
    reply = made.agent.calling.answer("river-flood", "wang", "ttyS0")
    assert [each["judgement"] for each in reply["answers"]] == ["accepted"]
    assert made.alarm("river-flood").acknowledged_by == "王秀英"


def test_many_requests_do_not_leave_in_one_turn(village, monkeypatch):
    """The walk gets its turn between slices of calls."""
    made = village()
    seen: list[int] = []
    line = made.agent.calling
    original = line._begin

    def begin(request):
        seen.append(made.clock.calls_run)
        original(request)

    monkeypatch.setattr(line, "_begin", begin)
    for index in range(20):
        line._outbox.append(_request(f"r|1|duty|1|0|c{index}|voice|1|0"))
    line._go_on()
    made.run(0.1)
    assert len(seen) == 20
    assert len(set(seen)) >= 3


def _request(name):
    return Request(name, "voice", "13800000009", "x", "X", "zh", "text", ("1",), Level.RED, 30.0)
