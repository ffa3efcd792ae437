"""``heard``, ``backup`` and ``drill`` of a step: mistakes are named, with their line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.app.config import inspect_site, load_site
from edge.app.plan_steps import steps_of
from edge.app.proof import judge
from edge.engine.plan import Heard, Rehearsal

DEMO = Path(__file__).parents[3] / "tools" / "demo" / "site.toml"
HORN_STEP = 'arguments = { message = 3, volume = 25 }\nstop = "stop"\n'
HEARD = 'heard = { point = "horn.line_current", comparison = ">=", value = "0.4 A", within_s = 3 }'
BACKUP = (
    'backup = { actuator = "siren", action = "on", arguments = { channel = 5 },'
    ' stop = "off", stop_arguments = { channel = 5 } }'
)
ITSELF = (
    'backup = { actuator = "horn", action = "volume", arguments = { volume = 30 }, stop = "stop" }'
)
DRILL = 'drill = { action = "play", arguments = { message = 90, volume = 20 } }'


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGLUO_LANG", "en")


def written(folder: Path, *keys: str, step: str = HORN_STEP, budget: str = "6.0") -> Path:
    text = DEMO.read_text("utf-8")
    for name in ("field", "horns", "speaker", "rain-text"):
        text = text.replace(f"@{name}@", f"/dev/{name}")
    assert HORN_STEP in text
    text = text.replace(HORN_STEP, step + "".join(f"{key}\n" for key in keys))
    text = text.replace('lost = "hold"\n', f'lost = "hold"\nbudget_s = {budget}\n')
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_step_may_say_how_it_is_heard_what_stands_in_and_what_it_does_in_drills(
    tmp_path: Path,
) -> None:
    site = load_site(written(tmp_path, HEARD, BACKUP, DRILL))
    step = steps_of(site.plans[0])[1]
    assert step.heard == Heard("horn.line_current", ">=", 400.0, 3.0)  # type: ignore[arg-type]  # a name is a str
    assert step.drill == Rehearsal("play", (("message", 90), ("volume", 20)))
    assert step.backup is not None
    assert step.backup.output == "siren:off:channel=5"
    assert (step.backup.level, step.backup.until) == (step.level, step.until)
    assert "horn.line_current" in site.watched()
    assert judge(site).refused == ()


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ((HEARD.replace("horn.line", "horn.lime"),), "heard.point", "there is no point"),
        ((HEARD.replace("0.4 A", "0.4 m"),), "heard.value", "measures length"),
        ((HEARD.replace("0.4 A", "30 A"),), "heard.value", "can never be true"),
        ((HEARD.replace("0.4 A", "0 A"),), "heard.value", "silence would never be noticed"),
        ((HEARD.replace("within_s = 3", "within_s = 0.2"),), "heard.within_s", "≥ 1"),
        ((HEARD.replace(", within_s = 3", ""),), "heard.within_s", "missing"),
        ((BACKUP.replace('"siren"', '"sirens"'),), "backup.actuator", "there is no device"),
        ((BACKUP.replace('"siren"', '"river"'),), "backup.actuator", "is no actuator"),
        ((BACKUP.replace("channel = 5 },", "channel = 9 },"),), "channel", "out of range"),
        ((BACKUP.replace("arguments = { channel = 5 },", "", 1),), "channel", "needs channel"),
        ((BACKUP.replace('"on"', '"of"'),), "backup.action", "there is no action"),
        ((ITSELF,), "backup.actuator", "the very output that it stands in for"),
        ((DRILL.replace("message = 90", "message = 190"),), "drill.arguments.message", "1 … 99"),
        ((DRILL.replace('"play"', '"sing"'),), "drill.action", "there is no action"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_where_it_stands(
    tmp_path: Path, keys: tuple[str, ...], path: str, words: str
) -> None:
    site, problems = inspect_site(written(tmp_path, *keys))
    assert site is None
    (problem,) = problems
    assert problem.path.startswith("plan[0].step[1]")
    assert path in problem.path
    assert words in problem.message


def test_what_a_drill_begins_must_have_an_end(tmp_path: Path) -> None:
    step = HORN_STEP.replace('stop = "stop"\n', "")
    site, problems = inspect_site(written(tmp_path, DRILL, step=step))
    assert site is None
    assert "give the step a stop" in problems[0].message


def test_a_back_up_that_fails_together_with_its_primary_is_warned_of(tmp_path: Path) -> None:
    on_itself = 'backup = { actuator = "horn", action = "volume", arguments = { volume = 30 } }'
    site = load_site(written(tmp_path, on_itself))
    assert any("if that is dead, both are" in each.message for each in site.warnings)
    assert not any("back-up" in w.message for w in load_site(written(tmp_path, BACKUP)).warnings)


def test_a_budget_that_a_healthy_horn_needs_for_itself_is_refused_with_the_least_that_will_do(
    tmp_path: Path,
) -> None:
    (refused,) = judge(load_site(written(tmp_path, HEARD, BACKUP, budget="2.0"))).refused
    assert "siren channel=5" in refused.problem.message
    assert "give budget_s at least" in refused.problem.hint
    least_ms = refused.problem.hint.split("at least ")[1].split(" ms")[0]
    path = written(tmp_path, HEARD, BACKUP, budget=str(int(least_ms) / 1000))
    assert judge(load_site(path)).refused == ()


def test_patience_that_a_healthy_horn_may_exceed_is_warned_of(tmp_path: Path) -> None:
    """The ear is polled every second, the amplifier may take 1.5 s."""
    hasty = HEARD.replace("within_s = 3", "within_s = 1.0")
    step = HORN_STEP + "timeout_s = 0.5\n"
    judged = judge(load_site(written(tmp_path, hasty, BACKUP, step=step)))
    assert [(w.path.rpartition(".")[2], "too short" in w.message) for w in judged.warnings] == [
        ("timeout_s", True),
        ("within_s", True),
    ]
