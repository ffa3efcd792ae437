"""From one site file to another while the virtual village stays protected."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from edge.app.changeover import Changeover, Configuration, Journaling, Wish
from edge.app.complaint import Complaint
from edge.app.compose import Agent, compose
from edge.app.config import load_site
from edge.app.proof import armed
from edge.core.instant import after, seconds_between
from edge.core.model import DeviceId, Level, Phase, PointId, Quality, RecordKind, RuleId, Sample
from edge.engine.conformance import Limit
from edge.engine.drill import Mode
from tools.twins.faults import Faults
from tools.virtual_village import VirtualVillage

EXTRA = """
[[rule]]
id = "soaked"
yellow = "sum(gauge.rain, 1 h) >= 30 mm"
lost = "hold"

[[rule]]
id = "held"
yellow = "river.level >= 1.20 m for 60 s"
lost = "hold"
"""


class Change:
    """A virtual village whose site file can be changed under way."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder = folder
        self.village = village = VirtualVillage(folder, rewrite=lambda text: text + extra)
        self.file = folder / "site.toml"
        self.text = self.file.read_text("utf-8")
        self.uses: list[tuple[str, bool]] = []
        self.marks: list[int] = []
        self.composed = self._compose
        journaling = Journaling(village.journal.offer, self._use)
        self.change = Changeover(
            village.agent, Configuration(village.site, self.file, {}), village.clock, journaling,
            lambda *which: self.composed(*which),  # noqa: PLW0108 - a test replaces it later
            self._switched, self._sleep,
        )  # fmt: skip
        village.run(5.0)

    def new(self, *pairs: tuple[str, str], more: str = "", name: str = "new.toml") -> Configuration:
        """The site file with this for that, proven as the agent would."""
        text = self.text
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text + more, "utf-8")
        site, limits = armed(load_site(path))
        return Configuration(site, path, limits)

    def apply(self, new: Configuration, **wish: Any) -> Any:
        wish = {"by": "王工", "shadow_s": 3.0, "minutes": 60.0, **wish}
        return self.do(self.change.apply(new, load_site(self.file), Wish(**wish)))

    def do(self, what):
        async def run():
            found = await what
            await asyncio.sleep(0)
            return found

        return asyncio.run(run())

    def pass_time(self, seconds: float) -> None:
        """As ``village.run``, with an event loop for what the change does by itself."""

        async def run():
            for _ in range(round(seconds)):
                self.village.run(1.0)
                for _ in range(3):
                    await asyncio.sleep(0)
            task = self.change._task
            if task is not None:
                await asyncio.wait([task])

        asyncio.run(run())

    def runs(self) -> list[dict[str, object]]:
        return self.village.journal.bodies(RecordKind.RUN)

    def _compose(self, site, limits: dict[RuleId, Limit]):
        village = self.village
        return compose(
            site, village._life, village.journal, run="test", opener_of=village._opener_of,
            limits=limits,
        )  # fmt: skip

    def _switched(self, agent, _) -> None:
        self.village.agent = agent

    def _use(self, digest: str, blocks) -> None:
        self.uses.append((digest, blocks is not None))
        self.marks.append(len(self.village.journal.records))

    async def _sleep(self, seconds: float) -> None:
        self.village.run(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def change(tmp_path):
    return Change(tmp_path)


@pytest.fixture
def watching(tmp_path):
    """With a rule on a window, and one on a holding time."""
    return Change(tmp_path, EXTRA)


def ups(village, name):
    return [now for _, what, now in village.relay.changes if what == name]


# -- what goes on -------------------------------------------------------------------------------


def test_a_sum_that_is_half_full_goes_on(watching):
    village = watching.village
    village.world.set("rain.intensity", 600.0)
    village.run(120.0)
    watching.apply(watching.new(("1.60 m", "1.65 m")))
    assert village.alarm("soaked").current is Level.NORMAL
    village.run(70.0)
    assert village.alarm("soaked").current is Level.YELLOW


def test_a_holding_time_goes_on(watching):
    village = watching.village
    village.world.set("river.level", 1.3)
    village.run(40.0)
    watching.apply(watching.new(('yellow = "2.00 m"', 'yellow = "2.05 m"')))
    assert village.alarm("held").current is Level.NORMAL
    village.run(10.0)
    assert village.alarm("held").current is Level.NORMAL
    village.run(15.0)
    assert village.alarm("held").current is Level.YELLOW


def test_what_sounds_goes_on_sounding_without_a_gap(change):
    village = change.village
    village.world.set("river.level", 3.3)
    village.run(3.0)
    before, alarm = list(village.relay.changes), village.alarm("river-flood")
    assert village.relay.coils[0] == 1
    change.apply(change.new(("20 ppm", "22 ppm")))
    village.run(30.0)
    assert list(village.relay.changes) == before
    assert village.horn.message == 3
    assert village.alarm("river-flood") == alarm
    village.agent.pipeline.acknowledge([RuleId("river-flood")], "test")
    village.world.set("river.level", 0.8)
    village.run(5.0)
    assert village.relay.coils == dict.fromkeys(range(8), 0)
    assert village.horn.message == 0


def test_a_stop_that_is_not_confirmed_yet_is_followed_up_by_the_new_one(change):
    """Otherwise a siren whose relay was out of reach would sound for ever."""
    village = change.village
    village.world.set("river.level", 3.3)
    village.run(3.0)
    village.slaves["horns"].faults.silent_units = {3}
    village.world.set("river.level", 0.8)
    village.agent.pipeline.acknowledge([RuleId("river-flood")], "test")
    village.run(3.0)
    assert village.relay.coils[0] == 1
    change.apply(change.new(("20 ppm", "22 ppm")))
    village.slaves["horns"].faults.silent_units = set()
    village.run(10.0)
    assert village.relay.coils[0] == 0


def test_no_poll_is_lost_and_their_rhythm_is_kept(change):
    village, journal = change.village, change.village.journal
    village.run(20.0)
    change.apply(change.new(("1.60 m", "1.65 m")))
    village.run(20.0)
    for point, period_s in (("river.level", 0.25), ("gauge.rain", 2.0), ("solar.load_power", 2.0)):
        times = [one.at for one in journal.samples if one.point == PointId(point)]
        gaps = [seconds_between(a, b) for a, b in itertools.pairwise(times)]
        assert gaps, point
        assert max(gaps) < period_s * 1.7, point
    assert {one.quality for one in journal.samples} == {Quality.GOOD}
    assert village.agent.pollers[0].polls > 150


def test_a_line_that_is_never_idle_is_cut_between_two_questions(change, monkeypatch):
    """The samples of what was cut off are nobody's: not one is bad, and it is asked again."""
    monkeypatch.setattr(Agent, "between_polls", property(lambda _: False))
    village, waited = change.village, 0
    for turn in range(12):
        village.run(0.317)
        answer = change.apply(change.new(("1.60 m", f"1.{61 + turn} m")), shadow_s=0.0)
        assert answer["gap_ms"] < 200
        waited += answer["gap_ms"] > 0
        change.do(change.change.roll_back("a"))
    assert waited
    village.run(3.0)
    assert {one.quality for one in village.journal.samples} == {Quality.GOOD}
    for point, most_s in (("river.level", 0.5), ("gauge.rain", 2.5)):
        times = [one.at for one in village.journal.samples if one.point == PointId(point)]
        gaps = [seconds_between(a, b) for a, b in itertools.pairwise(times)]
        assert max(gaps) < most_s, point


def test_counters_latencies_and_numbers_of_commands_go_on(change):
    village = change.village
    village.world.set("river.level", 3.3)
    village.run(3.0)
    health, units = village.agent.health.body(), dict(village.agent.lines["field"].units)
    change.apply(change.new(("20 ppm", "22 ppm")))
    village.run(30.0)
    assert village.agent.health.body()["decision"]["count"] == health["decision"]["count"]
    assert village.agent.lines["field"].units[5].answers >= units[5].answers > 20
    ids = [body["id"] for body in village.journal.bodies(RecordKind.COMMAND)]
    assert len(ids) == len(set(ids)) > 3


def test_a_lost_device_stays_lost_and_is_not_told_again(change):
    village = change.village
    village.slaves["field"].faults.silent_units = {7}
    village.run(20.0)
    assert 7 in village.agent.lines["field"].quarantine.lost
    told = len(village.journal.bodies(RecordKind.DEVICE))
    change.apply(change.new(("1.60 m", "1.65 m")))
    village.run(1.0)
    assert 7 in village.agent.lines["field"].quarantine.lost
    village.slaves["field"].faults.silent_units = set()
    village.run(30.0)
    events = [body["event"] for body in village.journal.bodies(RecordKind.DEVICE)[told:]]
    assert events == ["back"]


def test_what_is_owed_to_the_old_one_is_waited_for_by_the_new_one(change, monkeypatch):
    """The port is closed for an instant only: an older answer may still come, and fit."""
    village = change.village
    late = village.slaves["field"].unit_faults.setdefault(5, Faults())
    late.late_ms, late.next_n = 900.0, 1
    while not village.agent.lines["field"]._owed:
        village.run(0.01)
    monkeypatch.setattr(Agent, "between_polls", property(lambda agent: agent.at_rest))
    until = village.agent.lines["field"].readable_at(5)
    assert until > village.clock.now()
    change.apply(change.new(("1.60 m", "1.65 m")), shadow_s=0.0)
    assert village.agent.lines["field"].readable_at(5) == until
    asked = village.agent.lines["field"].units[5].questions
    village.run(seconds_between(village.clock.now(), until) - 0.01)
    assert village.agent.lines["field"].units[5].questions == asked
    village.run(2.0)
    assert village.agent.lines["field"].units[5].questions > asked


def test_a_line_of_text_that_was_cut_is_not_read_as_a_number(change, monkeypatch):
    """Its end alone may look like a reading; and the sensor gets no more time to be silent."""
    monkeypatch.setattr(Agent, "between_polls", property(lambda agent: agent.at_rest))
    village = change.village
    old = village.agent.triggers[DeviceId("raintext")]
    village.lines["rain-text"].slave.faults.silent = True
    village.run(3.0)
    old._framer.feed(b"Acc 0.1")
    assert not old.at_rest
    change.apply(change.new(("1.60 m", "1.65 m")), shadow_s=0.0)
    new = village.agent.triggers[DeviceId("raintext")]
    assert new is not old
    assert new._silent_at == old._silent_at
    village.journal.samples.clear()
    new._on_bytes(b"Acc  9.99 mm, EventAcc  9.99 mm, TotalAcc  9.99 mm, RInt  9.99 mmph\r\n")
    assert not village.journal.samples
    assert new.discarded_lines == old.discarded_lines + 1


def test_who_watches_goes_on_watching(change):
    heard: list[tuple[Sample, ...]] = []
    end = change.village.agent.pipeline.listen(heard.append)
    change.apply(change.new(("1.60 m", "1.65 m")))
    heard.clear()
    change.village.run(1.0)
    assert heard
    end()
    heard.clear()
    change.village.run(1.0)
    assert not heard


def test_the_old_one_does_nothing_any_more(change):
    """Not by its timers either: an alarm that it would re-announce, a command it would repeat."""
    village = change.village
    village.world.set("river.level", 3.3)
    village.run(3.0)
    old, late = village.agent, []
    old.clock.call_at(after(village.clock.now(), seconds=20), lambda: late.append(1))
    change.apply(change.new(("20 ppm", "22 ppm")))
    issued = len(village.journal.records)
    old.pipeline.on_samples(tuple(old.pipeline.values.values()))
    assert len(village.journal.records) == issued
    for line in old.lines.values():
        assert not line.up
    assert all(not poller._timer for poller in old.pollers)
    village.run(20.0)
    assert not late


# -- what is new --------------------------------------------------------------------------------


def test_a_new_threshold_counts_at_the_next_reading(change):
    village = change.village
    village.world.set("river.level", 1.5)
    village.run(2.0)
    assert village.alarm("river-flood").current is Level.NORMAL
    change.apply(change.new(("1.60 m", "1.40 m")), force=True)
    village.run(0.3)
    assert village.alarm("river-flood").current is Level.BLUE


def test_new_points_come_with_a_birth_and_old_ones_go(change):
    village = change.village
    without = change.text.split("[[device]]")
    without = [part for part in without if 'id = "solar"' not in part]
    change.new()
    path = change.folder / "new.toml"
    path.write_text("[[device]]".join(without).replace('id = "gauge"', 'id = "gauge2"'), "utf-8")
    site, limits = armed(load_site(path))
    change.apply(Configuration(site, path, limits))
    assert change.uses[-1] == (site.digest, True)
    village.journal.samples.clear()
    village.run(5.0)
    points = {one.point.split(".")[0] for one in village.journal.samples}
    assert "gauge2" in points
    assert not {"gauge", "solar"} & points


def test_the_same_points_need_no_birth(change):
    new = change.new(("1.60 m", "1.65 m"))
    change.apply(new)
    assert change.uses == [(new.site.digest, False)]


def test_what_is_said_at_the_switch_is_said_under_the_new_file(change):
    village = change.village
    village.world.set("river.level", 3.3)
    village.run(3.0)
    change.apply(change.new(("20 ppm", "22 ppm")))
    after = village.journal.records[change.marks[0] :]
    assert [r.kind for r in after][-1] is RecordKind.RUN
    assert RecordKind.COMMAND in [r.kind for r in after]


def test_a_port_that_is_not_there_stops_no_other_line(change):
    change.village.lines["absent"] = change.village.lines["power"]
    bus = '[[bus]]\nid = "absent"\nkind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1\n'
    device = (
        '[[device]]\nid = "far"\nbus = "absent"\nprofile = "epever-tracer"\naddress = 1\n'
        "period_ms = 2000\n"
    )
    change.apply(change.new(more=f"\n{bus}\n{device}"))
    village = change.village
    village.run(3.0)
    assert sum(not line.up for line in village.agent.lines.values()) == 1
    village.world.set("river.level", 3.3)
    village.run(1.0)
    assert village.relay.coils[0] == 1


# -- what is refused ----------------------------------------------------------------------------


def refused(change, key, new, **wish):
    with pytest.raises(Complaint) as caught:
        change.apply(new, **wish)
    assert caught.value.key == key
    assert change.change.agent is change.village.agent
    before = len(change.village.journal.samples)
    change.village.run(3.0)
    assert len(change.village.journal.samples) > before
    return caught.value


def test_another_site_another_journal_and_the_same_file_are_refused(change):
    refused(change, "apply-other-site", change.new(('id = "shuanghe"', 'id = "other"')))
    refused(change, "apply-restart", change.new(("max_mb = 64", "max_mb = 32")))
    refused(change, "apply-same", change.new())


def test_refused_if_a_crash_would_not_bring_back_what_runs(change):
    new = change.new(("1.60 m", "1.65 m"))
    change.file.write_text(change.text + "\n# edited\n", "utf-8")
    refused(change, "apply-file-changed", new)


def test_a_rule_may_not_vanish_while_its_alarm_stands(change):
    village = change.village
    village.world.set("gas.h2s", 35.0)
    village.run(3.0)
    gone = change.text.index('[[rule]]\nid = "h2s-leak"')
    end = change.text.index("[[plan]]")
    text = change.text[:gone] + change.text[end:]
    path = change.folder / "new.toml"
    path.write_text(text, "utf-8")
    site, limits = armed(load_site(path))
    error = refused(change, "apply-standing", Configuration(site, path, limits))
    assert "h2s-leak" in str(error)
    assert village.relay.coils[2] == 1


def test_a_plan_may_not_change_while_its_alarm_stands(change):
    change.village.world.set("gas.h2s", 35.0)
    change.village.run(3.0)
    refused(
        change,
        "apply-standing",
        change.new(("message = 7, volume = 30", "message = 8, volume = 30")),
    )


def test_refused_during_a_drill(change):
    drills = change.village.agent.pipeline.outputs.drills
    drills.start(
        RuleId("river-flood"), Level.RED, Mode.SILENT, plan="evacuate", by="a", reason="b",
        minutes=5,
    )  # fmt: skip
    refused(change, "apply-exercise", change.new(("1.60 m", "1.65 m")))
    drills.stop("a")
    change.apply(change.new(("1.60 m", "1.65 m")))


def test_a_drill_that_begins_during_the_shadow_is_in_time_to_refuse(change):
    drills = change.village.agent.pipeline.outputs.drills
    clock = change.village.clock

    def begin():
        drills.start(
            RuleId("river-flood"), Level.RED, Mode.SILENT, plan="evacuate", by="a", reason="b",
            minutes=5,
        )  # fmt: skip

    clock.call_at(clock.now() + 1_000_000_000, begin)
    refused(change, "apply-exercise", change.new(("1.60 m", "1.65 m")))


def test_what_would_alarm_at_once_is_refused_unless_forced(change):
    new = change.new(("1.60 m", "0.50 m"))
    error = refused(change, "apply-alarms", new)
    assert "river-flood" in str(error)
    answer = change.apply(new, force=True)
    assert answer["differences"] == [
        {"rule": "river-flood", "before": "normal", "after": "blue", "louder": True}
    ]


def test_an_alarm_that_comes_and_goes_in_the_shadow_counts(change):
    village = change.village
    clock = village.clock
    clock.call_at(clock.now() + 500_000_000, lambda: village.world.set("river.level", 1.5))
    clock.call_at(clock.now() + 1_500_000_000, lambda: village.world.set("river.level", 0.8))
    refused(change, "apply-alarms", change.new(("1.60 m", "1.40 m")), shadow_s=5.0)


def test_the_shadow_leaves_no_trace_in_what_runs(change):
    """Its chatter, its figures and its notices are its own."""
    village = change.village
    pipeline = village.agent.pipeline

    def toggle(level):
        village.world.set("river.level", level)
        village.run(5.0)

    toggle(1.7)
    toggle(0.8)
    chatter = pipeline.annunciator._chatter[RuleId("river-flood")]
    turns = list(chatter._times)
    figures = pipeline.annunciator.body(village.clock.now())["rules"]["river-flood"]
    refused(change, "apply-alarms", change.new(("1.60 m", "0.50 m")))
    after = pipeline.annunciator.body(village.clock.now())["rules"]["river-flood"]
    assert after["per_day"] == figures["per_day"] == 1
    assert after["transitions_10min"] == figures["transitions_10min"] == 2
    assert list(chatter._times) == turns
    assert pipeline.alarms[RuleId("river-flood")].chattering is False


def test_rules_on_new_sensors_are_said_not_to_have_been_judged(change):
    device = (
        '[[device]]\nid = "gas2"\nbus = "field"\nprofile = "pemtech-pt495"\naddress = 17\n'
        "period_ms = 2000\n"
    )
    rule = (
        '[[rule]]\nid = "leak2"\npoint = "gas2.gas"\ncomparison = ">="\nred = "20 ppm"\n'
        'hysteresis = "2 ppm"\nlost = "hold"\n'
    )
    answer = change.apply(change.new(more=f"\n{device}\n{rule}"))
    assert answer["unjudged"] == ["leak2"]


def test_given_up_if_nobody_waits_for_the_answer(change):
    refused(change, "apply-given-up", change.new(("1.60 m", "1.65 m")), gone=lambda: True)


def test_cancelled_while_it_waits_for_a_rest_the_old_one_goes_on(change, monkeypatch):
    new = change.new(("1.60 m", "1.65 m"))
    seen = []

    async def interrupted(seconds):
        change.village.run(seconds)
        if change.village.agent.pollers[0]._timer is None:
            seen.append(seconds)
            raise asyncio.CancelledError

    change.change._sleep = interrupted
    monkeypatch.setattr(Agent, "between_polls", property(lambda _: False))
    monkeypatch.setattr(Agent, "at_rest", property(lambda _: False))
    with pytest.raises(asyncio.CancelledError):
        change.apply(new)
    assert seen
    polls = change.village.agent.pollers[0].polls
    change.village.run(3.0)
    assert change.village.agent.pollers[0].polls > polls + 5


def test_two_at_once_are_refused(change):
    first, second = (
        change.new(("1.60 m", "1.65 m")),
        change.new(("1.60 m", "1.70 m"), name="b.toml"),
    )

    async def both():
        restarts = load_site(change.file)
        return await asyncio.gather(
            change.change.apply(first, restarts, Wish("a", shadow_s=1.0)),
            change.change.apply(second, restarts, Wish("b", shadow_s=1.0)),
            return_exceptions=True,
        )

    done, said = asyncio.run(both())
    assert done["pending"]["config"] == first.site.digest
    assert said.key == "apply-pending"
    with pytest.raises(Complaint, match=r"under way|正在进行"):
        change.apply(second)


# -- the end ------------------------------------------------------------------------------------


def test_an_alarm_while_the_lines_come_to_rest_sounds(change, monkeypatch):
    """The walk never stops; what it has begun goes on under the new file."""
    village = change.village
    village.world.set("river.level", 1.0)

    def never(agent):
        village.world.set("river.level", 3.3)
        return False

    monkeypatch.setattr(Agent, "between_polls", property(never))
    change.apply(change.new(("20 ppm", "22 ppm")), shadow_s=0.0)
    village.run(0.5)
    assert village.relay.coils[0] == 1
    assert ups(village, "coil.0") == [1]
    assert village.alarm("river-flood").level is Level.RED


def test_unless_confirmed_the_old_one_comes_back(change):
    before = change.village.site.digest
    new = change.new(("1.60 m", "1.40 m"))
    change.apply(new, minutes=1.0, force=True)
    assert change.change.body()["left_s"] == 60.0
    change.pass_time(59)
    assert change.change.pending is not None
    change.pass_time(3)
    assert change.change.pending is None
    assert change.village.agent.site.digest == before
    events = [(body["event"], body["config"]) for body in change.runs()]
    assert events == [("applied", new.site.digest), ("rolled back", before)]
    assert change.runs()[-1]["why"] == "not confirmed in time"
    change.village.world.set("river.level", 1.5)
    change.village.run(2.0)
    assert change.village.alarm("river-flood").current is Level.NORMAL


def test_confirmed_it_stays(change):
    new = change.new(("1.60 m", "1.65 m"))
    change.apply(new, minutes=1.0)
    with pytest.raises(Complaint) as caught:
        change.change.confirm(load_site(change.file), "王工")
    assert caught.value.key == "apply-other-file"
    change.file.write_bytes(new.path.read_bytes())
    change.change.confirm(load_site(change.file), "王工")
    assert change.change.configuration.path == change.file
    change.pass_time(90)
    assert change.village.agent.site.digest == new.site.digest
    assert [body["event"] for body in change.runs()] == ["applied", "confirmed"]
    with pytest.raises(Complaint) as caught:
        change.change.confirm(load_site(change.file), "王工")
    assert caught.value.key == "apply-nothing"


def test_asked_to_go_back_it_does_at_once(change):
    before = change.village.site.digest
    change.apply(change.new(("1.60 m", "1.65 m")))
    gap_ms = change.do(change.change.roll_back("王工"))
    assert gap_ms < 100
    assert change.village.agent.site.digest == before
    assert change.change.pending is None


def test_a_clock_silences_no_alarm_that_the_old_file_does_not_know(change):
    village = change.village
    rule = (
        '[[rule]]\nid = "co"\npoint = "river.level"\ncomparison = ">="\nred = "1.20 m"\n'
        'hysteresis = "0.1 m"\nlost = "hold"\nplan = "gas"\n'
    )
    change.apply(change.new(more=f"\n{rule}"), minutes=1.0)
    village.world.set("river.level", 1.3)
    change.pass_time(80)
    assert village.relay.coils[2] == 1
    assert change.change.body()["held"]["error"] == "apply-standing"
    assert [b["event"] for b in change.runs()].count("roll-back put off") == 1
    with pytest.raises(Complaint):
        change.do(change.change.roll_back("王工"))
    assert change.change.pending is not None
    change.do(change.change.roll_back("王工", force=True))
    village.run(3.0)
    assert village.relay.coils[2] == 0
    assert village.horn.message == 0


def test_put_off_it_goes_back_once_the_alarm_is_over(change):
    village = change.village
    rule = (
        '[[rule]]\nid = "co"\npoint = "river.level"\ncomparison = ">="\norange = "1.20 m"\n'
        'hysteresis = "0.1 m"\nlost = "hold"\n'
    )
    change.apply(change.new(more=f"\n{rule}"), minutes=1.0)
    village.world.set("river.level", 1.3)
    change.pass_time(70)
    assert change.change.pending is not None
    village.world.set("river.level", 0.8)
    village.run(1.0)
    village.agent.pipeline.acknowledge([RuleId("co")], "x")
    assert village.alarm("co").phase is Phase.NORMAL
    change.pass_time(8)
    assert change.change.pending is None


def test_a_crash_while_it_is_pending_starts_with_the_old_file(change):
    change.apply(change.new(("1.60 m", "1.40 m")), force=True)
    change.village.kill()
    change.village.start()
    assert change.village.agent.site.digest == load_site(change.file).digest


def test_a_bug_in_the_new_one_brings_the_old_one_back(change):
    village, before = change.village, change.village.site.digest
    village.world.set("river.level", 3.3)
    village.run(3.0)
    new = change.new(("20 ppm", "22 ppm"))

    def fault(_):
        raise AttributeError("a bug")

    def broken(site, limits):
        agent = change._compose(site, limits)
        if site.digest == new.site.digest:
            agent.pipeline.take_over = fault
        return agent

    change.composed = broken
    with pytest.raises(AttributeError):
        change.apply(new)
    village.run(3.0)
    assert village.agent.site.digest == before
    assert change.uses[-1][0] == before
    assert ups(village, "coil.0") == [1]
    assert change.change.pending is None
    village.world.set("gas.h2s", 35.0)
    village.run(1.0)
    assert village.relay.coils[2] == 1


def test_one_that_cannot_be_composed_changes_nothing(change):
    def broken(site, limits):
        raise ValueError("a bug")

    change.composed = broken
    agent = change.village.agent
    with pytest.raises(ValueError, match="a bug"):
        change.apply(change.new(("1.60 m", "1.65 m")))
    polls = agent.pollers[0].polls
    change.village.run(3.0)
    assert agent.pollers[0].polls > polls + 5
