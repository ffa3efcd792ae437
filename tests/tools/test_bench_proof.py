"""The campaign against the latency proof, in short; and that it would notice a wrong proof."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.analysis.latency import Phases, prove
from edge.analysis.latency.model import UNBOUNDED_NS, Proof, System
from edge.app.config import load_site
from edge.app.proof import system_of
from tools.bench import proof, proof_campaign
from tools.bench.proof_campaign import Attack, SiteResult, attack_site, replay
from tools.bench.proof_faults import seeded
from tools.bench.proof_ground import Ground, Target, targets
from tools.bench.proof_line import FastLine, TwinLine
from tools.bench.proof_search import KINDS, Search
from tools.bench.proof_sites import write_large_site, write_site
from tools.bench.proof_texts import ACTION, DEVICE, HEAD, POINT, PROFILE, RTU, RULE, STEP
from tools.bench.proof_trial import Scenario, Trial
from tools.bench.proof_witness import Witness, witness_of

MS = 1_000_000
_SITES = 40
_TIMING = {
    "turnaround_ms": 10, "timeout_ms": 100, "late_ms": 200, "gap_ms": 0, "retries": 1,
    "max_registers": 125, "max_gap": 0, "pipeline": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The campaign silences the agent's log for its process; here it is that of all tests."""
    log = logging.getLogger("tongluo")
    level = log.level
    yield
    log.setLevel(level)


def write_small_site(folder: Path, *periods_ms: int) -> Path:
    """At 9600 Bd 8N1 a sensor with one register, polled every 500 ms, a relay, and others."""
    register = POINT.format(name="p0_0", table="holding", address=0)
    write = '  { table = "coil", address = 0, address_step = "$channel", values = [1] },\n'
    actions = "".join(
        ACTION.format(
            name=name, parameters="channel = [1, 8]", warm_up_ms=0, broadcast="false", writes=write
        )
        for name in ("on", "off")
    )
    sensor = PROFILE.format(name="sensor", kind="level", **_TIMING) + register
    relay = PROFILE.format(name="relay", kind="relay", **_TIMING) + actions
    site = [
        HEAD.format(seed=0, dead=0),
        RTU.format(name="b0", baud=9600, parity="none", stop_bits=1),
        DEVICE.format(name="s", bus="b0", profile="sensor", address=1),
        "period_ms = 500\n",
        DEVICE.format(name="a", bus="b0", profile="relay", address=2),
        *(
            DEVICE.format(name=f"o{n}", bus="b0", profile="sensor", address=n)
            + f"period_ms = {period_ms}\n"
            for n, period_ms in enumerate(periods_ms, start=3)
        ),
        RULE.format(
            name="r", point="s.p0_0", comparison=">=", thresholds='red = "1500 mm"',
            hold_s=0, lost="hold", plan="plan-0",
        ),
        '\n[[plan]]\nid = "plan-0"\n',
        STEP.format(
            level="red", actuator="a", action="on", arguments="channel = 3", stop="off",
            stop_arguments="channel = 3", until="normal",
        ),
    ]  # fmt: skip
    for name, text in (("sensor", sensor), ("relay", relay), ("site", "".join(site))):
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder / "site.toml"


def test_a_trial_times_what_the_line_takes(tmp_path: Path) -> None:
    """Alone on its line a change waits for a period, the answer, and the silence before a frame."""
    site = load_site(write_small_site(tmp_path))
    character_ns = 10 * 1_000_000_000 / 9600
    finding = Trial(Ground(site, Target("r", 0)), Scenario()).run(2_000 * MS)
    # sampled at the end of the question: 10 ms turnaround, 7 characters, 3.5 of silence
    command_ns = 500 * MS + 10 * MS + round((7 + 3.5) * character_ns)
    assert finding.command == pytest.approx(command_ns, abs=5)
    # the write and its answer are 8 characters each
    sound_ns = command_ns + round(16 * character_ns) + 10 * MS
    assert finding.sound == finding.confirmed == pytest.approx(sound_ns, abs=5)
    assert not finding.faults


def test_the_proof_of_a_lonely_sensor_is_exact(tmp_path: Path) -> None:
    """Alone on its line: what is measured, one silence, and a command that an operator may give."""
    site = load_site(write_small_site(tmp_path))
    [bound] = prove(system_of(site)).bounds
    finding = Trial(Ground(site, Target("r", 0)), Scenario()).run(2_000 * MS)
    assert finding.command is not None
    commands_ns = sum(term.ns for term in bound.terms if term.kind == "commands")
    assert 0 <= bound.command_ns - commands_ns - finding.command <= 3_645_834


@pytest.mark.parametrize("seed", [3, 5, 11, 17])
def test_fast_and_full_twins_agree(seed: int, tmp_path: Path) -> None:
    """The twin that the search runs on gives the times of VirtualLine, to the nanosecond."""
    site = load_site(write_site(seed, tmp_path))
    for target in targets(site)[:2]:
        ground = Ground(site, target)
        period = ground.period_ns
        polls = {d.id: period - n * 7 * MS for n, d in enumerate(ground.polled)}
        dead = {d.id: period - 100 * MS for d in ground.polled[:1]}
        scenario = Scenario(polls, dead=dead, settle=0.9)
        found = [Trial(ground, scenario, twin).run(4 * period) for twin in (FastLine, TwinLine)]
        assert found[0].command == found[1].command
        assert found[0].confirmed == found[1].confirmed


def test_leaving_polls_out_changes_nothing(tmp_path: Path) -> None:
    """A run without the polls between our first reading and the window finds the same."""
    site = load_site(write_small_site(tmp_path, 100, 250))
    ground = Ground(site, Target("r", 0))
    polls = {"o3": 500 * MS - 1, "o4": 500 * MS - 2}
    whole = Trial(ground, Scenario(polls)).run(2_000 * MS)
    brief = Trial(ground.reduced(), Scenario(polls, begin=400 * MS)).run(2_000 * MS)
    assert whole.command == brief.command
    assert len(brief.attempts) < len(whole.attempts)


def test_a_seed_makes_the_same_site_and_another_seed_another(tmp_path: Path) -> None:
    """Sites can be made again from their number."""
    one, again, other = (
        write_site(seed, tmp_path / name).read_text("utf-8")
        for name, seed in (("one", 7), ("again", 7), ("other", 8))
    )
    assert one == again != other


def test_every_generated_site_is_valid(tmp_path: Path) -> None:
    """What the generator writes, the loader takes; sites differ in what matters."""
    sites = [load_site(write_site(seed, tmp_path / str(seed))) for seed in range(60)]
    assert {len(site.buses) for site in sites} == {1, 2, 3, 4}
    assert {site.proof.dead_devices for site in sites} == {0, 1, 2, 3}
    assert {bus.kind for site in sites for bus in site.buses} == {"rtu", "tcp"}
    assert any(rule.hold_s for site in sites for rule in site.rules)
    large = load_site(write_large_site(tmp_path / "large"))
    assert (len(large.devices), len(large.buses)) == (64, 4)


def test_the_proof_holds(tmp_path: Path) -> None:
    """Nothing that the search finds in random sites exceeds what was proven of them."""
    broken = []
    for seed in range(_SITES):
        result = attack_site(seed, 6, tmp_path, most=1)
        broken += [f"site {seed}: {each.rule}: {each.broken}" for each in result.violations]
    assert not broken


def test_forgotten_blocking_is_found(tmp_path: Path) -> None:
    """A proof that forgets that attempts are not broken off is caught, and can be run again."""
    with seeded("blocking"):
        results = [attack_site(seed, 12, tmp_path) for seed in (12, 88)]
    broken = [each for result in results for each in result.violations]
    assert any("command" in each.broken for each in broken)
    folder = next(tmp_path.glob("site-*"))
    attack, finding = next(replay(folder))
    assert finding.command == attack.found["command"]


def test_the_search_finds_more_than_a_calm_run(tmp_path: Path) -> None:
    """With interference to be had, the worst that is found is worse than nothing happening."""
    site = load_site(write_site(3, tmp_path))
    ground = Ground(site, targets(site)[0]).reduced()
    calm = Trial(ground, Scenario(dict.fromkeys((d.id for d in ground.polled), 0)))
    command = calm.run(4 * ground.period_ns).command
    search = Search(ground, site.proof.dead_devices, 1, 4 * ground.period_ns)
    search.run([], 12, dict.fromkeys(KINDS, 10**18))
    assert command is not None
    assert search.worst["command"].ns > command + 100 * MS


def _attack(bound_ms: int, ratio: float, broken: str = "") -> Attack:
    bound, found = dict.fromkeys(KINDS, bound_ms * MS), dict.fromkeys(KINDS, 0)
    return Attack("r", "o", bound, found, ratio, None, 10, broken, {}, {})


def _result(seed: int, ratio: float, broken: str = "") -> SiteResult:
    return SiteResult(seed, [_attack(100, ratio, broken)], 0, 0.01, 1.0)


def test_a_site_counts_with_its_slowest_rule_and_with_its_loosest() -> None:
    """The slowest bound is not the loosest; rules count one by one; no ratio is left out."""
    attacks = [_attack(900, 1.1), _attack(100, 1.5), _attack(500, 1.2)]
    numbers = proof.figures([SiteResult(1, attacks, 0, 0.01, 1.0)])
    assert numbers["tightness_median"] == 1.1
    assert numbers["tightness_loosest_median"] == 1.5
    assert numbers["tightness_rule_median"] == 1.2
    assert numbers["tightness_rule_worst"] == 1.5
    assert "tightness_confirmed_median" not in numbers


def test_an_unbounded_confirmation_has_no_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker of no bound is never divided by what was found; the command has its ratio."""

    def unconfirmed(system: System) -> Proof:
        proved = prove(system)
        bounds = (replace(bound, confirmed_ns=UNBOUNDED_NS) for bound in proved.bounds)
        return replace(proved, bounds=tuple(bounds))

    monkeypatch.setattr(proof_campaign, "prove", unconfirmed)
    [attack] = attack_site(1, 3, tmp_path, most=1).attacks
    assert attack.confirmed_ratio is None
    assert attack.ratio is not None
    assert not attack.broken


def test_a_witness_is_laid_on_our_polls(tmp_path: Path) -> None:
    """The deciding poll becomes one of ours; the others keep their distance, a moment earlier."""
    ground = Ground(load_site(write_small_site(tmp_path, 100)), Target("r", 0))
    told = Phases({"s": 480 * MS, "o3": 470 * MS}, {"o3": 460 * MS, "a": 0})
    found = witness_of(ground, told, 8 * MS, most_dead=1)
    assert found == Witness({"o3": 490 * MS - 1}, {"o3": 480 * MS - 1}, 500 * MS)
    assert witness_of(ground, Phases(), 8 * MS, most_dead=1) is None


def test_figures_count_sites() -> None:
    """The median is over sites."""
    results = [_result(1, 1.1), _result(2, 1.3), _result(3, 1.2, "command 1 ms over the bound")]
    numbers = proof.figures(results)
    assert (numbers["sites"], numbers["violations"], numbers["trials"]) == (3, 1, 30)
    assert numbers["tightness_median"] == 1.2
    assert numbers["tightness_worst"] == 1.3


def test_a_campaign_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results are kept; a second run makes only what is missing. A violation is exit status 1."""
    made = []

    def attack(seed: int, trials: int, kept: Path | None) -> SiteResult:
        made.append(seed)
        return _result(seed, 1.1, "command 1 ms over the bound" if seed == 2 else "")

    monkeypatch.setattr(proof, "attack_site", attack)
    monkeypatch.setattr(proof, "large_figures", dict)
    words = ["--jobs", "1", "--json", "--resume", str(tmp_path / "kept.jsonl"), "--sites"]
    assert proof.main([*words, "2"]) == 0
    assert proof.main([*words, "3"]) == 1
    assert made == [0, 1, 2]
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["bench"] == "proof"
    assert (last["figures"]["sites"], last["figures"]["violations"]) == (3, 1)
