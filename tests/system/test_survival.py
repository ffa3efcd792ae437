"""Whatever is killed or full.

The next alarm sounds as before, and nothing journalled is lost or doubled.
"""

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from protocols.modbus import write_coil
from protocols.modbus_rtu import rtu_frame
from tools.demo.stage import tongluo, wait_for

pytestmark = pytest.mark.timeout(150)


def check_complete(rig, items):
    """Everything in the journal arrived, nothing twice."""
    seqs = [
        item["seq"]
        for item in items
        if "seq" in item and item["type"] not in ("reading", "completeness")
    ]
    assert len(seqs) == len(set(seqs)), "a record was printed twice"
    last = [item for item in items if item["type"] == "completeness"][-1]
    newest = rig.rows("SELECT max(seq) FROM record")[0][0]
    assert last["missing"] == []
    assert last["complete_to"] >= newest
    journalled = {
        seq for (seq,) in rig.rows("SELECT seq FROM record WHERE kind IN ('alarm', 'outcome')")
    }
    assert journalled <= set(seqs)


def test_alarms_sound_with_link_and_broker_killed_and_the_district_catches_up(rig):
    rig.start_broker()
    rig.receive("--for", "0.5")
    rig.start_agent()
    old = wait_for("the link process", rig.link_pid)
    os.kill(old, signal.SIGKILL)
    rig.raise_river()
    wait_for("the siren, link killed", lambda: rig.coil(0), 3)
    rig.stage.kill("broker")
    rig.leak_gas()
    wait_for("the gas siren, broker killed", lambda: rig.coil(2), 3)
    wait_for("the link process again", lambda: rig.link_pid() not in (0, old))
    rig.start_broker()
    # what a clean stop records goes out with the next link, which needs no agent
    rig.stage.stop("agent")
    rig.stage.start("link", tongluo("link", str(rig.site), "--state", str(rig.state)))
    check_complete(rig, rig.receive("--until-idle", "3", "--report", "1"))


def test_a_killed_agent_comes_back_sounding_and_without_losing_an_alarm_record(rig):
    rig.start_agent("--no-link")
    rig.raise_river()
    wait_for("the siren", lambda: rig.coil(0), 3)
    wait_for(
        "the outcomes on disk",
        lambda: rig.rows("SELECT count(*) FROM record WHERE kind = 'outcome'")[0][0] >= 3,
    )
    before = rig.rows("SELECT seq, body FROM record WHERE kind = 'alarm'")
    rig.stage.kill("agent")
    assert rig.coil(0) == 1
    rig.start_agent("--no-link")
    assert rig.coil(0) == 1
    after = rig.rows("SELECT seq, body FROM record WHERE kind = 'alarm'")
    assert after[: len(before)] == before
    alarm = next(a for a in rig.status()["alarms"] if a["rule"] == "river-flood")
    assert alarm["phase"] == "active, unacknowledged"
    assert "siren:off:channel=1" in rig.status()["sounding"]


def test_a_siren_that_fell_silent_while_the_agent_was_dead_sounds_again(rig):
    rig.start_agent("--no-link")
    rig.raise_river()
    wait_for("the siren", lambda: rig.coil(0), 3)
    rig.stage.kill("agent")
    silence = rtu_frame(write_coil(3, 0, False))
    with Path(rig.lines["horns"]["path"]).open("r+b", buffering=0) as line:
        line.write(silence)
    wait_for("silence", lambda: not rig.coil(0), 3)
    rig.start_agent("--no-link")
    wait_for("the siren again", lambda: rig.coil(0), 3)


def test_a_full_disk_delays_no_siren_and_loses_no_record_once_there_is_room(rig):
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a small disk needs root to be mounted")
    rig.state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(rig.state)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr!r}")
    try:
        rig.start_agent("--no-link")
        filler = rig.state / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        wait_for("the journal to notice", lambda: rig.status()["journal"]["fault"], 20)
        began = time.monotonic()
        rig.raise_river()
        wait_for("the siren on a full disk", lambda: rig.coil(0), 3)
        assert time.monotonic() - began < 3
        filler.unlink()
        wait_for("the journal to be well", lambda: not rig.status()["journal"]["fault"], 20)
        wait_for(
            "the alarm on disk",
            lambda: rig.rows("SELECT count(*) FROM record WHERE kind = 'alarm'")[0][0] >= 1,
        )
        assert rig.status()["journal"]["lost"] == {}
        rig.stage.stop("agent")
    finally:
        rig.stage.stop("agent")
        subprocess.run(["umount", str(rig.state)], check=True)


def test_a_file_size_limit_is_survived_like_a_full_disk(rig):
    rig.start_agent("--no-link")
    agent = rig.pid("agent")
    resource.prlimit(agent, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    wait_for("the journal to notice", lambda: rig.status()["journal"]["fault"], 20)
    rig.raise_river()
    wait_for("the siren", lambda: rig.coil(0), 3)
    resource.prlimit(agent, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for("the journal to be well", lambda: not rig.status()["journal"]["fault"], 20)
    wait_for(
        "the alarm on disk",
        lambda: rig.rows("SELECT count(*) FROM record WHERE kind = 'alarm'")[0][0],
    )


def test_a_wedged_link_process_delays_nothing(rig):
    rig.start_broker()
    rig.start_agent()
    link = wait_for("the link process", rig.link_pid)
    os.kill(link, signal.SIGSTOP)
    try:
        rig.raise_river()
        wait_for("the siren", lambda: rig.coil(0), 3)
    finally:
        os.kill(link, signal.SIGCONT)


def test_a_pulled_adapter_is_taken_again_without_a_restart(rig):
    rig.start_agent("--no-link")
    rig.village.order({"unplug": "field"})
    wait_for("the loss", lambda: not rig.all_good())
    rig.village.order({"replug": "field"})
    wait_for("all sensors", rig.all_good, 10)


def test_a_second_agent_on_the_same_state_is_refused(rig):
    rig.start_agent("--no-link")
    second = subprocess.run(
        tongluo("run", str(rig.site), "--state", str(rig.state), "--no-link"),
        check=False, capture_output=True, text=True, timeout=20, cwd=rig.folder,
    )  # fmt: skip
    assert second.returncode == 3
    assert str(rig.pid("agent")) in second.stderr


def test_no_link_process_outlives_a_killed_agent(rig):
    rig.start_broker()
    rig.start_agent()
    link = wait_for("the link process", rig.link_pid)
    rig.stage.kill("agent")
    wait_for(
        "the link to end",
        lambda: (
            not Path(f"/proc/{link}/cmdline").exists()
            or not Path(f"/proc/{link}/cmdline").read_bytes()
        ),
        10,
    )
