"""``tongluo replay``: the story of a box, its verdict, and that no process decides otherwise."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from edge.app.black_box import named_of
from edge.app.replaying import read_box
from edge.cli.main import main
from edge.engine import box_file
from edge.engine.black_box import Noted
from tools.virtual_village import VirtualVillage


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("village")
    village = VirtualVillage(folder, boxed=True)
    village.run(70.0)
    village.world.set("river.level", 3.3)
    village.run(65.0)
    (path,) = (folder / "black-box").glob("*.box")
    return path


def replay(capsys, *arguments):
    code = main(["replay", *map(str, arguments)])
    return code, capsys.readouterr()


def test_the_story_is_told_relative_to_the_alarm(box, capsys, monkeypatch):
    monkeypatch.setenv("TONGLUO_LANG", "en")
    code, said = replay(capsys, box)
    assert code == 0
    assert "alarm river-flood/" in said.out
    assert "+0.000000 s  river.level = 3.3 m" in said.out
    assert "+0.000000 s  RED  river-flood" in said.out
    assert "the same 1 decisions" in said.out
    assert " → " not in said.out
    plain = len(said.out.splitlines())
    code, said = replay(capsys, box, "--frames", "--samples")
    assert "field → 05 03" in said.out
    assert len(said.out.splitlines()) > 10 * plain


def test_a_box_with_another_decision_ends_with_4_and_shows_both(box, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TONGLUO_LANG", "en")
    found = read_box(box)
    items = [
        replace(item, record=replace(item.record, body={**item.record.body, "level": "orange"}))
        if isinstance(item, Noted) and item.record.kind == "alarm"
        else item
        for item in found.items
    ]
    named = named_of(found.head.named)
    forged = tmp_path / "forged.box"
    forged.write_bytes(box_file.encode(found.head, box_file.pack(found.state), items, named))
    code, said = replay(capsys, forged, "--no-story")
    assert code == 4
    assert "DIFFERENT from +0.000000 s on" in said.out
    assert "recorded: ORANGE" in said.out
    assert "replayed: RED" in said.out


def test_json_is_one_object(box, capsys):
    code, said = replay(capsys, box, "--json")
    assert code == 0
    found = json.loads(said.out)
    assert found["same"] is True
    assert found["replayed"] == found["recorded"]


def test_the_texts_of_a_box_can_be_taken_out_and_replayed_under(box, capsys, tmp_path):
    code, said = replay(capsys, box, "--extract", tmp_path / "out")
    assert code == 0
    site = tmp_path / "out" / "site.toml"
    assert said.out.split() == [str(site)]
    text = site.read_text("utf-8").replace('red = "3.20 m"', 'red = "3.40 m"')
    site.write_text(text, "utf-8")
    code, said = replay(capsys, box, "--site", site, "--json")
    assert code == 0
    found = json.loads(said.out)
    assert found["same"] is None
    assert [each["level"] for each in found["replayed"]] == ["orange"]


def test_a_text_never_leaves_the_folder_it_is_taken_out_to(box, capsys, tmp_path):
    found = read_box(box)
    head = replace(
        found.head, texts={"../outside.toml": "x", "/etc/outside.toml": "x", "a.toml": ""}
    )
    evil = tmp_path / "evil.box"
    evil.write_bytes(box_file.encode(head, box_file.pack(found.state), (), {}))
    code, _ = replay(capsys, evil, "--extract", tmp_path / "out")
    assert code == 0
    assert [path.name for path in tmp_path.rglob("*.toml")] == ["a.toml"]


def test_what_is_no_box_ends_with_1(capsys, tmp_path):
    path = tmp_path / "x.box"
    path.write_bytes(b"x")
    assert replay(capsys, path)[0] == 1


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_another_process_decides_the_same(box, seed):
    """Sets have another order in every process: no decision may depend on it."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.main", "replay", "--json", str(box)],
        env=environment, capture_output=True, check=False, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same"] is True
