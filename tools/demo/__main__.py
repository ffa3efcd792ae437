"""``python -m tools.demo``: tells the story once; exits 0 only if all of it really happened.

With STAY=1 in the environment the village keeps running afterwards, for exploring.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tools.demo import broker as brokers
from tools.demo.district import District
from tools.demo.stage import (
    Stage,
    StageError,
    Village,
    ask,
    free_port,
    open_stage,
    show,
    tongluo,
    wait_for,
)
from tools.demo.story import Story, Told
from tools.demo.village import start_phones, start_twins, write_site


def main() -> int:
    """Set the stage, tell the story, print what was measured."""
    folder = (
        Path(os.environ.get("TONGLUO_DEMO", tempfile.gettempdir())) / f"tongluo-demo-{os.getuid()}"
    )
    print(f"双河村  the village of Shuanghe   (logs: {folder})", flush=True)
    with open_stage(folder) as stage:
        try:
            return _play(stage, folder)
        except (StageError, OSError) as error:
            print(f"\nFAILED: {error}", file=sys.stderr)
            for name in ("twins", "broker", "agent", "phones", "district"):
                print(f"--- {name}\n{stage.log_tail(name)}", file=sys.stderr)
            return 1


def _play(stage: Stage, folder: Path) -> int:
    lines = start_twins(stage)
    broker = brokers.choose(folder, free_port())
    broker.start(stage)
    site = write_site(folder, lines, broker_port=broker.port, protocol=broker.protocol, calls=True)
    state = folder / "state"
    receiver = stage.start("district", tongluo(
        "receive", "--host", "127.0.0.1", "--port", str(broker.port), "--protocol",
        broker.protocol, "--state", str(folder / "district"), "--report", "2",
    ))  # fmt: skip
    district = District(receiver)
    stage.start("agent", tongluo("run", str(site), "--state", str(state)))
    wait_for("the agent to answer", (state / "agent.sock").exists, 20)
    start_phones(stage, state)
    print(f"broker: {broker.name}, MQTT {broker.protocol}\n", flush=True)
    story = Story(stage, Village(folder / "twins.sock"), broker, district, state)
    told = story.tell()
    status = ask("status", "--state", str(state))
    if os.environ.get("STAY") == "1":
        _stay(site, state)
    sent = _settle(district, state)
    called = show("report", "river-flood", "--state", str(state))
    stage.stop("agent")
    stage.stop("district")
    district.wait_end(10)
    print(f"\n{called}", flush=True)
    return _report(told, status, district, sent)


def _settle(district: District, state: Path) -> int:
    """Wait until the district is complete up to the newest record of now; returns its number."""
    sent = _last_seq(state)
    try:
        wait_for("completeness", lambda: district.completeness.get("complete_to", 0) >= sent, 20)
    except StageError as error:
        print(f"note: {error}", file=sys.stderr)
    return sent


def _last_seq(state: Path) -> int:
    return int(ask("journal", "--state", str(state), "--last", "1")["seq"])


def _stay(site: Path, state: Path) -> None:
    done = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: done.set())
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    lines = (
        "",
        "The village keeps running; end it with Ctrl-C. In another terminal, in this folder:",
        f"  export TONGLUO_STATE={state}",
        "  .venv/bin/tongluo status        (also: watch, alarms, calls, report, read river)",
        f"  .venv/bin/tongluo check {site}",
        '  .venv/bin/python -m tools.demo \'{"set": {"river.level": 3.5}}\'    the river rises',
        '  .venv/bin/python -m tools.demo \'{"unplug": "field"}\'             a cable is pulled',
    )
    print("\n".join(lines), flush=True)
    done.wait()


def _report(told: Told, status: dict[str, Any], district: District, sent: int) -> int:
    missing = sum(b - a + 1 for a, b in district.completeness.get("missing", []))
    received = int(district.completeness.get("complete_to", 0))
    told.check("every record reached the district", received >= sent and not missing)
    print("\n  siren (change at the sensor -> contact closes)      link   ms")
    for sounding in told.soundings:
        print(f"  {sounding.what:<50}  {sounding.link:<5}  {sounding.edge_ms:.1f}")
    health = status["health"]
    print("\n  inside the agent, from its own stamps               count  p50 ms  most ms")
    for name, text in (
        ("decision", "last byte of reading -> first byte of command"),
        ("action", "last byte of reading -> confirmed"),
    ):
        part = health[name]
        print(f"  {text:<50}  {part['count']:<5}  {part['p50_ms']:.3f}   {part['most_ms']:.3f}")
    duplicates = district.completeness.get("duplicates", 0)
    print(
        f"\n  records: sent {sent}, complete at the district up to {received}, missing {missing},"
        f" duplicates dropped {duplicates}, readings {district.counts['reading']}\n"
    )
    for what, holds in told.checks:
        print(f"  {'ok  ' if holds else 'FAIL'}  {what}")
    return 0 if all(holds for _, holds in told.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
