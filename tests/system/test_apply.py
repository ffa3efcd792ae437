"""Another site file for the running agent: real processes, real terminals, paced twins."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge.app.config import load_site
from protocols.envelope import decode_body
from tools.demo.stage import StageError, ask, tongluo, wait_for

CHANGES = (('blue = "1.60 m"', 'blue = "1.70 m"'), ("20 ppm", "22 ppm"))


def changed(rig, *pairs: tuple[str, str], name: str = "new.toml") -> Path:
    text = rig.site.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path: Path = rig.site.with_name(name)
    path.write_text(text, "utf-8")
    return path


def run(rig, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        tongluo("apply", *arguments, "--state", str(rig.state)),
        check=False, capture_output=True, text=True, timeout=60, cwd=rig.folder,
    )  # fmt: skip


def apply(rig, path: Path, *options: str) -> dict[str, Any]:
    done = run(rig, str(path), "--by", "王工", "--shadow-s", "1.5", "--json", *options)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def runs(rig) -> list[dict[str, object]]:
    rows = rig.rows("SELECT body FROM record WHERE kind = 'run' ORDER BY seq")
    return [decode_body(body) for (body,) in rows]


@pytest.mark.timeout(120)
def test_applied_under_a_sounding_alarm_and_confirmed(rig):
    """Not one write reaches the relay; what was applied is what a restart begins with."""
    rig.start_agent("--no-link")
    rig.raise_river()
    wait_for("the siren", lambda: rig.coil(0), 5)
    before = rig.village.changes("horns", 3, "coil.0")
    old, old_digest = rig.site.read_bytes(), load_site(rig.site).digest
    new = changed(rig, *CHANGES)
    answer = apply(rig, new)
    assert answer["differences"] == []
    assert answer["gap_ms"] < 1000
    status = rig.status()
    assert status["config"] == load_site(new).digest[:12]
    assert status["changeover"]["left_s"] > 500
    wait_for("all sensors", rig.all_good, 5)
    assert rig.village.changes("horns", 3, "coil.0") == before
    assert "NOT CONFIRMED" in subprocess.run(
        tongluo("status", "--state", str(rig.state)),
        check=True, capture_output=True, text=True, env={"TONGLUO_LANG": "en"}, cwd=rig.folder,
    ).stdout  # fmt: skip
    confirmed = json.loads(run(rig, "--confirm", "--by", "王工", "--json").stdout)
    assert confirmed["pending"] is None
    assert rig.site.read_bytes() == new.read_bytes()
    assert Path(confirmed["kept"]).read_bytes() == old
    assert rig.status()["changeover"] is None
    rig.stage.stop("agent")
    rig.start_agent("--no-link")
    told = [(body["event"], body["config"]) for body in runs(rig)]
    digest = load_site(new).digest
    assert told == [
        ("started", old_digest), ("applied", digest), ("confirmed", digest), ("stopped", digest),
        ("started", digest),
    ]  # fmt: skip
    assert rig.village.changes("horns", 3, "coil.0") == before


@pytest.mark.timeout(120)
def test_a_crash_before_the_confirmation_brings_the_old_file_back(rig):
    rig.start_agent("--no-link")
    digest = load_site(rig.site).digest[:12]
    apply(rig, changed(rig, *CHANGES))
    assert rig.status()["config"] != digest
    rig.stage.kill("agent")
    rig.start_agent("--no-link")
    assert rig.status()["config"] == digest
    assert rig.status()["changeover"] is None


@pytest.mark.timeout(120)
def test_unless_confirmed_it_is_taken_back_and_who_watches_sees_it_through(rig):
    rig.start_agent("--no-link")
    digest = load_site(rig.site).digest[:12]
    rig.stage.start("watch", tongluo("watch", "--state", str(rig.state), "--json"))
    apply(rig, changed(rig, *CHANGES), "--minutes", "0.05")
    wait_for("the old file", lambda: rig.status()["config"] == digest, 15)
    assert runs(rig)[-1]["event"] == "rolled back"
    wait_for("all sensors", rig.all_good, 5)
    assert rig.stage._processes["watch"].poll() is None


@pytest.mark.timeout(120)
def test_what_is_refused(rig, tmp_path):
    rig.start_agent("--no-link")
    digest = rig.status()["config"]
    wrong = run(rig, str(changed(rig, ('plan = "gas"', 'plan = "none"'))), "--by", "a")
    assert wrong.returncode == 2
    assert "new.toml:" in wrong.stdout
    far = tmp_path / "far"
    far.mkdir()
    (far / "new.toml").write_bytes(changed(rig, *CHANGES).read_bytes())
    assert run(rig, str(far / "new.toml"), "--by", "a").returncode == 3
    assert run(rig, str(rig.site), "--by", "a").returncode == 3
    other = changed(rig, ('id = "shuanghe"', 'id = "elsewhere"'))
    assert run(rig, str(other), "--by", "a").returncode == 3
    assert run(rig, str(changed(rig, *CHANGES))).returncode == 3
    assert run(rig, "--confirm", "--by", "a").returncode == 3
    alarming = run(rig, str(changed(rig, ('"1.60 m"', '"0.50 m"'))), "--by", "a", "--shadow-s", "1")
    assert alarming.returncode == 3
    assert "river-flood" in alarming.stderr
    assert rig.status()["config"] == digest
    with pytest.raises(StageError):
        ask("apply", "--roll-back", "--by", "a", "--state", str(rig.state))


@pytest.mark.timeout(120)
def test_confirming_an_edited_file_leaves_the_unit_s_file_alone(rig):
    rig.start_agent("--no-link")
    old, new = rig.site.read_bytes(), changed(rig, *CHANGES)
    apply(rig, new)
    new.write_text(new.read_text("utf-8") + "\n# edited\n", "utf-8")
    assert run(rig, "--confirm", "--by", "a").returncode == 3
    assert rig.site.read_bytes() == old
    answer = json.loads(run(rig, "--roll-back", "--by", "a", "--json").stdout)
    assert answer["restart_same"] is True
    assert list(rig.folder.glob("*.before-*")) == []
