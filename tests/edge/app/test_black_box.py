"""The black box: what it keeps around an alarm decides the same again, whatever came before it."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.app.black_box import calendars, head_of, keeper_of, named_of
from edge.app.config import Site, load_site
from edge.app.config.model import BlackBoxConfig
from edge.app.deciding import decider_of
from edge.app.replaying import read_box, replay_file
from edge.core.errors import StoreError
from edge.core.instant import NS_PER_S, ClockQuality, Instant, Utc
from edge.core.model import Alarm, PointId, Quality, Record, RecordKind, RuleId, Sample, Urgency
from edge.engine import box_file
from edge.engine.black_box import BEGIN, SAMPLES, TAKE_OVER, Frame, Input, Noted, tell
from edge.engine.bodies import alarm_body
from edge.engine.box_keeper import BoxKeeper, Limits
from edge.engine.decider import Decider
from edge.engine.silence import Asked
from edge.engine.snapshot import capture, revive
from tools.virtual_clock import VirtualClock
from tools.virtual_village import MemoryJournal, VirtualVillage

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
POINTS = re.findall(r"^\| `([\w-]+)\.(\w+)` \| (\S+) \| (\S+) … (\S+) \|", PAGE, re.MULTILINE)
WEEK = """
[[rule]]
id = "week-of-rain"
orange = "sum(gauge.rain, 7 d) >= 180 mm"
lost = "hold"

[[rule]]
id = "week-of-water"
yellow = "max(river.level, 7 d) >= 3 m and mean(river.level, 7 d) >= 1.2 m"
lost = "hold"
zone = "valley"
"""
UTC_MS = 1_718_158_500_000


def write_site(folder: Path) -> Path:
    """A site with the points of docs/rules.md, all of its rules, and two that look back a week."""
    text = '[site]\nid = "page"\nname = "page"\ntime_zone = "Asia/Shanghai"\n'
    text += '[[bus]]\nid = "lan"\nkind = "tcp"\nhost = "192.168.1.20"\ntcp_port = 502\n'
    for number, device in enumerate(dict.fromkeys(device for device, *_ in POINTS), start=1):
        text += f'[[device]]\nid = "{device}"\nbus = "lan"\nprofile = "{device}.toml"\n'
        text += f"address = {number}\nperiod_ms = 1000\n"
        profile = '[device]\nname = "x"\nmaker = "x"\nmodel = "x"\nkind = "other"\n'
        profile += 'protocol = "modbus"\nverified = false\nsource = "x"\n'
        profile += "[timing]\nturnaround_ms = 30\ntimeout_ms = 200\nlate_ms = 400\n"
        for at, (owner, name, unit, low, high) in enumerate(POINTS):
            if owner == device:
                profile += f'[point.{name}]\ntable = "holding"\naddress = {2 * at}\ntype = "f32"\n'
                profile += f'word_order = "high_first"\ndecimals = 3\nunit = "{unit}"\n'
                profile += f'range = [{low}, {high}]\ndescription = {{ en = "x", zh = "x" }}\n'
        (folder / f"{device}.toml").write_text(profile, "utf-8")
    rules = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = folder / "site.toml"
    path.write_text(text + "\n" + "\n".join(rules) + WEEK, "utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Every construct of the rule language."""
    return load_site(write_site(tmp_path_factory.mktemp("site")))


class Working:
    """A decider at work, with a black box that hears what it is told, as in the pipeline."""

    def __init__(self, site: Site, folder: Path, *, before_s: float, after_s: float) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.folder = folder
        settings = BlackBoxConfig(before_s=before_s, after_s=after_s, most_mb=64, keep_files=10_000)
        box = keeper_of(replace(site, black_box=settings), folder, self.clock, self.journal)
        assert box is not None
        self.box = box
        self.decider: Decider | None = None
        self.begin(site, BEGIN)

    def begin(self, site: Site, how: str) -> None:
        """This site's decider from now on."""
        self.box.use(head_of(site, "test"), calendars(site))
        now, utc = self.clock.now(), self.clock.utc()
        when = () if how == BEGIN else (now, utc)
        # a decider of its own for each of the two
        self.box.tell(now, how, (decider_of(site), *when))
        self.decider, changed = tell(self.decider, Input(now, how, (decider_of(site), *when)))
        self._note(changed)

    def tell(self, method: str, *arguments: object) -> None:
        """What the pipeline does."""
        now = self.clock.now()
        self.box.tell(now, method, arguments)
        self.decider, changed = tell(self.decider, Input(now, method, arguments))
        self._note(changed)

    def _note(self, changed: list[Alarm]) -> None:
        for alarm in changed:
            record = Record(RecordKind.ALARM, Urgency.ALARM, self.clock.utc(), alarm_body(alarm))
            self.box.note(record)

    def pass_time(self, seconds: float) -> None:
        """Until then, with a look of the box's thread."""
        self.clock.run_for(seconds)
        self.box.look()

    def boxes(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self.folder.glob("*.box"))


def sample(clock: VirtualClock, point: str, value: float | None, site: Site) -> Sample:
    """A reading now; None: no answer."""
    unit = next(each.unit for each in site.points if each.id == point)
    quality = Quality.GOOD if value is not None else Quality.NO_ANSWER
    return Sample(PointId(point), value, unit, quality, clock.now(), clock.utc())


def weather(work: Working, site: Site, seed: int, steps: int, step_s: float) -> None:
    """Random walks of every point, drop-outs, answers, shelvings and inhibits."""
    draw = random.Random(seed)
    values = {f"{d}.{n}": float(low) for d, n, _, low, _ in POINTS}
    for _ in range(steps):
        work.pass_time(step_s)
        samples = []
        for device, name, _, low, high in POINTS:
            point, span = f"{device}.{name}", float(high) - float(low)
            reach = 0.0001 if name == "rain" else 0.2
            step = draw.uniform(0 if name == "rain" else -reach, reach) * span
            values[point] = min(max(values[point] + step, float(low)), float(high))
            if draw.random() < 0.9:
                samples.append(
                    sample(work.clock, point, None if draw.random() < 0.05 else values[point], site)
                )
        for index in range(0, len(samples), 5):
            work.tell(SAMPLES, *samples[index : index + 5])
        now, utc = work.clock.now(), work.clock.utc()
        if draw.random() < 0.2:
            work.tell("decider.advance", now, utc)
        if draw.random() < 0.1:
            assert work.decider is not None
            rules = tuple(work.decider.annunciator.alarms)
            work.tell("annunciator.acknowledge", rules, "王", now, utc)
        if draw.random() < 0.02:
            asked = Asked("王", "works", for_s=3600.0)
            work.tell("annunciator.shelve", RuleId("flash-flood"), asked, now, utc)
            work.tell("annunciator.inhibit", "valley", asked, now, utc)
            work.tell("annunciator.inhibit", "nowhere", asked, now, utc)
        if draw.random() < 0.02:
            work.tell("checks.maintain", PointId("river.level"), Instant(now + 600 * NS_PER_S))


def encoded(box: box_file.Box) -> bytes:
    """A box as its file."""
    named = named_of(box.head.named)
    return box_file.encode(box.head, box_file.pack(box.state), box.items, named)


@pytest.mark.parametrize(("seed", "steps"), [(1, 340), (2, 60), (3, 60)])
def test_every_box_of_a_random_week_decides_the_same_again(site: Site, tmp_path, seed, steps):
    """All constructs of the language, with windows of up to a week, from a box of two hours."""
    work = Working(site, tmp_path, before_s=3600, after_s=3600)
    weather(work, site, seed, steps, 1800.0)
    boxes = work.boxes()
    assert len(boxes) >= 4
    decisions = 0
    for path in [*boxes[:2], *boxes[-6:]]:
        done = replay_file(path)
        assert done.replay.difference is None
        assert done.box.state or path is boxes[0]
        decisions += len(done.replay.recorded)
        assert len(done.replay.recorded) == len(done.replay.replayed)
    assert decisions > 8


def test_the_witness_stands_where_the_working_decider_stood(site: Site, tmp_path):
    """Once everything has left the ring the two are the same, node by node."""
    work = Working(site, tmp_path, before_s=60, after_s=60)
    weather(work, site, 9, 30, 1800.0)
    now, utc = work.clock.now(), work.clock.utc()
    asked = Asked("王", "works", for_s=600.0)
    work.tell("annunciator.shelve", RuleId("county-rain"), asked, now, utc)
    work.pass_time(700.0)
    now, utc = work.clock.now(), work.clock.utc()
    work.tell("decider.advance", now, utc)
    work.tell("annunciator.acknowledge", (RuleId("power"),), "王", now, utc)
    work.pass_time(61.0)
    work.pass_time(301.0)
    named = calendars(site)
    assert capture(work.box._witness, named) == capture(work.decider, named)


def test_a_rule_over_a_week_is_decided_from_a_box_of_a_minute(site: Site, tmp_path):
    site = replace(site, rules=tuple(r for r in site.rules if r.id.startswith("week")))
    work = Working(site, tmp_path, before_s=60, after_s=60)
    while not work.boxes():
        work.tell(SAMPLES, sample(work.clock, "gauge.rain", 0.2, site))
        work.pass_time(600.0)
    assert work.clock.now() > 6 * 86_400 * NS_PER_S
    done = replay_file(work.boxes()[0])
    assert [cause.rule for cause in done.box.head.causes] == ["week-of-rain"]
    assert done.replay.same
    first = min(item.at for item in done.box.items)
    assert (done.box.head.causes[0].at - first) <= 60 * NS_PER_S
    told = [item for item in done.box.items if isinstance(item, Input)]
    assert 1 <= len(told) <= 2


def test_without_the_state_it_begins_in_the_same_box_would_decide_otherwise(site: Site, tmp_path):
    """What the state is good for: a decider that begins empty knows nothing of the week."""
    site = replace(site, rules=tuple(r for r in site.rules if r.id.startswith("week")))
    work = Working(site, tmp_path, before_s=60, after_s=60)
    for _ in range(1000):
        work.tell(SAMPLES, sample(work.clock, "gauge.rain", 0.2, site))
        work.pass_time(600.0)
    path = work.boxes()[0]
    box = read_box(path)
    named = named_of(box.head.named)
    empty = replace(box, state=capture(decider_of(site), named))
    path.write_bytes(encoded(empty))
    difference = replay_file(path).replay.difference
    assert difference is not None
    assert difference.recorded is not None
    assert difference.replayed is None


def test_a_changed_decision_in_a_box_is_found_and_shown(site: Site, tmp_path):
    work = Working(site, tmp_path, before_s=3600, after_s=600)
    weather(work, site, 3, 15, 600.0)
    path = work.boxes()[0]
    box = read_box(path)
    index, noted = next(
        (i, item)
        for i, item in enumerate(box.items)
        if isinstance(item, Noted) and item.record.body.get("change") == "raised"
    )
    forged = replace(noted.record, body={**noted.record.body, "since_ms": 5})
    items = (*box.items[:index], replace(noted, record=forged), *box.items[index + 1 :])
    path.write_bytes(encoded(replace(box, items=items)))
    difference = replay_file(path).replay.difference
    assert difference is not None
    assert difference.recorded is not None
    assert difference.recorded["since_ms"] == 5


def silent(reading: object) -> Sample:
    """The reading without its number."""
    assert isinstance(reading, Sample)
    return replace(reading, value=None)


def test_a_changed_reading_in_a_box_is_found(site: Site, tmp_path):
    work = Working(site, tmp_path, before_s=3600, after_s=600)
    weather(work, site, 4, 15, 600.0)
    path = work.boxes()[0]
    box = read_box(path)
    items = tuple(
        replace(item, arguments=tuple(map(silent, item.arguments)))
        if isinstance(item, Input) and item.method == SAMPLES
        else item
        for item in box.items
    )
    path.write_bytes(encoded(replace(box, items=items)))
    assert not replay_file(path).replay.same


def test_a_box_around_a_change_of_the_configuration_decides_the_same(site: Site, tmp_path):
    """`tongluo apply` in the middle of it; windows go on, also in the replay."""
    work = Working(site, tmp_path, before_s=3600, after_s=1800)
    weather(work, site, 5, 15, 600.0)
    other = replace(site, rules=tuple(r for r in site.rules if r.id != "county-rain"), digest="d2")
    work.begin(other, TAKE_OVER)
    weather(work, other, 6, 15, 600.0)
    boxes = [replay_file(path) for path in work.boxes()]
    assert all(done.replay.same for done in boxes)
    told = [item.method for done in boxes for item in done.box.items if isinstance(item, Input)]
    assert TAKE_OVER in told
    assert boxes[-1].box.head.config == "d2"


def test_another_site_file_says_what_it_would_have_decided(site: Site, tmp_path):
    work = Working(site, tmp_path, before_s=3600, after_s=600)
    weather(work, site, 7, 20, 600.0)
    path = work.boxes()[-1]
    quiet = replace(site, rules=tuple(r for r in site.rules if r.id == "power"))
    as_was, changed = replay_file(path), replay_file(path, quiet)
    assert changed.other
    assert len(changed.replay.replayed) < len(as_was.replay.replayed)
    same = replay_file(path, site)
    assert {d.name for d in same.replay.replayed} >= {
        d.name for d in as_was.replay.replayed if d.body.get("change") == "raised"
    }


def test_a_state_revived_is_captured_as_the_same_nodes(site: Site, tmp_path):
    work = Working(site, tmp_path, before_s=60, after_s=60)
    weather(work, site, 8, 10, 600.0)
    named = calendars(site)
    nodes = capture(work.decider, named)
    assert capture(revive(nodes, named), named) == nodes


# -- the agent ------------------------------------------------------------------------------------


@pytest.fixture
def village(tmp_path):
    made = VirtualVillage(tmp_path, boxed=True)
    made.run(100.0)
    return made


def boxes_of(village) -> list[Path]:
    return sorted(village._boxes.glob("*.box"))


def test_the_agent_keeps_frames_readings_and_decisions_around_an_alarm(village):
    village.world.set("river.level", 3.3)
    village.run(30.0)
    (early,) = boxes_of(village)
    assert not read_box(early).head.complete
    village.agent.pipeline.acknowledge([RuleId("river-flood")], "王")
    village.world.set("river.level", 0.8)
    village.run(40.0)
    (path,) = boxes_of(village)
    done = replay_file(path)
    assert done.replay.same
    assert len(done.replay.recorded) == 3
    head = done.box.head
    assert head.complete
    assert head.config == village.site.digest
    assert head.texts == {"site.toml": village.site.path.read_text("utf-8")}
    zero = head.causes[0].at
    times = [(item.at - zero) / NS_PER_S for item in done.box.items]
    assert times == sorted(times)
    assert -60 <= times[0] <= -59
    assert 59 <= times[-1] <= 61
    frames = [item for item in done.box.items if isinstance(item, Frame)]
    question = next(f for f in frames if f.line == "field" and f.sent and f.data[0] == 5)
    assert question.data[:2] == b"\x05\x03"
    siren = next(f for f in frames if f.line == "horns" and f.sent and f.at >= zero)
    assert siren.data[:2] == b"\x03\x05"
    assert siren.at == zero
    kinds = {item.record.kind for item in done.box.items if isinstance(item, Noted)}
    assert kinds >= {RecordKind.ALARM, RecordKind.COMMAND, RecordKind.OUTCOME}


def test_the_file_of_a_box_is_named_in_a_record_with_its_hash(village):
    village.world.set("river.level", 3.3)
    village.run(70.0)
    (path,) = boxes_of(village)
    (body,) = village.journal.bodies(RecordKind.BLACK_BOX)
    assert (body["event"], body["file"]) == ("kept", path.name)
    assert body["alarms"] == [village.alarm("river-flood").id]


def test_alarms_close_together_share_a_box(village):
    village.world.set("river.level", 3.3)
    village.run(20.0)
    village.world.set("gas.h2s", 40.0)
    village.run(130.0)
    (path,) = boxes_of(village)
    done = replay_file(path)
    assert [cause.rule for cause in done.box.head.causes] == ["river-flood", "h2s-leak"]
    assert done.replay.same
    assert (done.box.items[-1].at - done.box.head.causes[1].at) / NS_PER_S > 55


def test_a_box_after_a_restart_begins_with_what_the_restart_took_up(village):
    village.world.set("river.level", 3.3)
    village.run(5.0)
    village.kill()
    village.start()
    village.world.set("gas.h2s", 40.0)
    village.run(70.0)
    done = replay_file(boxes_of(village)[-1])
    assert [cause.rule for cause in done.box.head.causes] == ["h2s-leak"]
    assert done.replay.same
    assert not done.box.state
    methods = [item.method for item in done.box.items if isinstance(item, Input)]
    assert methods[:2] == [BEGIN, "decider.restore"]


def test_the_same_alarms_sound_with_and_without_a_black_box(tmp_path):
    heard = []
    for boxed in (False, True):
        (tmp_path / str(boxed)).mkdir()
        village = VirtualVillage(tmp_path / str(boxed), boxed=boxed)
        village.run(5.0)
        village.world.set("river.level", 3.3)
        village.run(5.0)
        heard.append(list(village.relay.changes))
    assert heard[0] == heard[1]


# -- bounds and faults ----------------------------------------------------------------------------


class Lonely:
    """A keeper with records of its own making."""

    def __init__(self, folder: Path, site: Site, **limits: Any) -> None:
        self.clock = VirtualClock()
        self.records: list[Record] = []
        chosen = {
            "before_s": 60.0, "after_s": 60.0, "most_bytes": 1 << 20, "keep_files": 100,
            "keep_bytes": 1 << 24, **limits,
        }  # fmt: skip
        self.box = BoxKeeper(folder, Limits(**chosen), self.clock, self.records.append)
        self.box.use(head_of(site, "test"), calendars(site))
        self.site = site
        self.box.tell(self.clock.now(), BEGIN, (decider_of(site),))

    def alarm(self, number: int) -> None:
        body: dict[str, object] = {
            "rule": "power", "id": f"power/{number}", "revision": 1, "change": "raised",
            "level": "red",
        }  # fmt: skip
        utc = Utc(UTC_MS + number, ClockQuality.SYNCED)
        self.box.note(Record(RecordKind.ALARM, Urgency.ALARM, utc, body))

    def poll(self, seconds: float, step_s: float = 1.0) -> None:
        for _ in range(round(seconds / step_s)):
            self.box.frame("lan", self.clock.now(), True, bytes(100))
            self.box.tell(
                self.clock.now(), SAMPLES, (sample(self.clock, "river.level", 1.0, self.site),)
            )
            self.clock.run_for(step_s)
            self.box.look()


def test_the_oldest_boxes_make_room(site, tmp_path):
    lonely = Lonely(tmp_path, site, keep_files=3)
    for number in range(6):
        lonely.alarm(number)
        lonely.poll(130.0)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"{UTC_MS + number}-power.box" for number in (3, 4, 5)]


def test_the_newest_box_stays_however_large_it_is(site, tmp_path):
    lonely = Lonely(tmp_path, site, keep_bytes=1)
    for number in range(3):
        lonely.alarm(number)
        lonely.poll(130.0)
    assert [path.name for path in tmp_path.iterdir()] == [f"{UTC_MS + 2}-power.box"]


def test_a_box_ends_with_an_input_that_has_led_to_all_it_will(site, tmp_path):
    """One of the last half second may not have its records yet; one after the end is not of it."""
    lonely = Lonely(tmp_path, site)
    lonely.poll(10.0)
    lonely.alarm(1)
    zero = lonely.clock.now()
    lonely.poll(6.0, 0.25)

    def newest() -> float:
        box = read_box(next(tmp_path.glob("*.box")))
        told = [item.at for item in box.items if isinstance(item, Input)]
        return (told[-1] - zero) / NS_PER_S

    assert 4.0 <= newest() <= 4.5
    lonely.poll(60.0, 0.25)
    assert 59.5 <= newest() <= 60.0


def test_memory_is_bounded_and_a_box_that_outgrows_it_is_cut(site, tmp_path):
    lonely = Lonely(tmp_path, site, most_bytes=100_000)
    lonely.poll(50.0, 0.1)
    assert lonely.box.status.ring_bytes <= 100_000
    lonely.alarm(1)
    lonely.poll(40.0, 0.1)
    assert lonely.box.status.ring_bytes <= 101_000
    box = read_box(next(tmp_path.glob("*.box")))
    assert box.head.cut
    assert not box.head.complete
    lonely.poll(100.0)
    assert lonely.box.status.replayable


def test_a_disk_that_refuses_costs_the_box_and_is_recorded_once(site, tmp_path):
    folder = tmp_path / "file"
    folder.write_bytes(b"")
    lonely = Lonely(folder, site)
    for number in range(2):
        lonely.alarm(number)
        lonely.poll(130.0)
    assert lonely.box.status.lost == 4
    lost = [r.body for r in lonely.records if r.body["event"] == "lost"]
    assert len(lost) == 1
    folder.unlink()
    lonely.alarm(3)
    lonely.poll(130.0)
    assert lonely.box.status.fault == ""
    assert replay_file(next(folder.glob("*.box"))).box.head.complete


def test_items_that_were_missed_are_said_and_the_next_decider_makes_it_replayable(
    site, tmp_path, monkeypatch
):
    lonely = Lonely(tmp_path, site)
    for number in range(60_000):
        lonely.box.frame("lan", Instant(number), False, b"x")
    lonely.box.look()
    assert lonely.box.status.missed == 10_001
    assert not lonely.box.status.replayable
    lonely.poll(70.0)
    lonely.alarm(1)
    lonely.poll(70.0)
    with pytest.raises(StoreError, match="state"):
        replay_file(next(tmp_path.glob("*.box")))
    lonely.box.tell(lonely.clock.now(), BEGIN, (decider_of(site),))
    lonely.poll(130.0)
    assert lonely.box.status.replayable


def test_the_thread_writes_what_is_open_when_it_is_stopped(site, tmp_path):
    lonely = Lonely(tmp_path, site)
    lonely.poll(10.0)
    lonely.box.start()
    lonely.alarm(1)
    assert lonely.box.stop()
    box = read_box(next(tmp_path.glob("*.box")))
    assert not box.head.complete
    assert [cause.id for cause in box.head.causes] == ["power/1"]
    assert [r.body["event"] for r in lonely.records] == ["kept"]


def test_a_drill_is_no_reason_for_a_box(site, tmp_path):
    lonely = Lonely(tmp_path, site)
    body: dict[str, object] = {
        "rule": "power",
        "id": "d",
        "change": "raised",
        "level": "red",
        "drill": "d",
    }
    lonely.box.note(Record(RecordKind.ALARM, Urgency.STATE, Utc(0), body))
    lonely.poll(70.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoil", ["cut", "flip", "other", "empty"])
def test_a_damaged_box_is_refused_and_never_more(site, tmp_path, spoil):
    lonely = Lonely(tmp_path, site)
    lonely.alarm(1)
    lonely.poll(70.0)
    path = next(tmp_path.glob("*.box"))
    data = bytearray(path.read_bytes())
    if spoil == "cut":
        data = data[: len(data) // 2]
    elif spoil == "flip":
        data[len(data) // 2] ^= 0x10
    elif spoil == "other":
        data = bytearray(b"no box")
    else:
        data.clear()
    path.write_bytes(data)
    with pytest.raises(StoreError):
        replay_file(path)
