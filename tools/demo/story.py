"""The story: rain, flood, siren, a killed link, a cut network, gas, an answer, and the report."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tools.demo.broker import Broker
from tools.demo.district import District
from tools.demo.stage import Stage, StageError, Village, ask, wait_for

NS_PER_MS = 1_000_000
_BUDGET_MS = 1000.0


@dataclass
class Sounding:
    """One output that began to sound: how long after its cause, by the twin's own stamps."""

    what: str
    edge_ms: float
    link: str


@dataclass
class Told:
    """What is printed at the end, and what must be true for it to be a success."""

    soundings: list[Sounding] = field(default_factory=list)
    checks: list[tuple[str, bool]] = field(default_factory=list)

    def check(self, what: str, holds: bool) -> None:
        """Remember a fact of the story."""
        self.checks.append((what, holds))


class Story:
    """Tells itself step by step; each step waits for what must really happen."""

    def __init__(
        self, stage: Stage, village: Village, broker: Broker, district: District, state: Path
    ) -> None:
        self.told = Told()
        self._stage = stage
        self._village = village
        self._broker = broker
        self._district = district
        self._state = str(state)
        self._began = time.monotonic()

    def say(self, zh: str, en: str, latency_ms: float | None = None) -> None:
        """One line of the timeline."""
        measured = "" if latency_ms is None else f"  [{latency_ms:.1f} ms]"
        print(f"{time.monotonic() - self._began:6.1f} s  {zh}  {en}{measured}", flush=True)

    def tell(self) -> Told:
        """The whole story."""
        self.wake_up()
        self.rain_and_flood()
        self.call_people()
        self.kill_the_link()
        self.cut_the_network()
        self.answer()
        self.network_back()
        self.water_falls()
        return self.told

    def wake_up(self) -> None:
        """All sensors answer, and the district hears of them."""
        wait_for("all sensors to answer", self._all_good, 20)
        self.say("各传感器正常", "all sensors answer")
        wait_for("first telemetry at the district", lambda: self._district.counts["reading"], 20)
        self.say("区县已收到遥测", "the district receives telemetry")

    def rain_and_flood(self) -> None:
        """The river climbs through the levels; at red the siren and the horn sound."""
        self._village.order({"set": {"rain.intensity": 80.0}})
        self.say("暴雨 80 mm/h", "a cloudburst, 80 mm/h")
        self._village.order({"ramp": {"river.level": {"to": 2.9, "seconds": 15.0}}})
        for level in ("yellow", "orange"):
            wait_for(f"{level} alarm", partial(self._level_is, "river-flood", level), 20)
            self.say(f"河道水位{_ZH[level]}色预警", f"river level {level}")
        self._sound("river.level", 3.3, 3, "coil.0", "siren", "警报器鸣响", "the siren sounds")
        self._horn_plays(3)
        received = wait_for(
            "the red alarm at the district", lambda: self._district.alarm("river-flood", "red"), 15
        )
        self.say("区县收到红色预警", f"the district has the red alarm (record {received['seq']})")

    def call_people(self) -> None:
        """The duty officer does not hear; the village leader and the helper answer."""
        ends = wait_for("somebody to answer the telephone", self._answered, 40)
        self.told.check("the calls went on until somebody answered", ends == {"answered"})
        self.told.check("the siren goes on until it is acknowledged", self._coil(0))
        self.say(
            "值班员未接，村干部与帮扶人已应答",
            "the duty officer did not hear; the village leader and the helper have answered",
        )

    def kill_the_link(self) -> None:
        """The link process dies; it is started again by itself."""
        old = self._link_pid()
        os.kill(old, signal.SIGKILL)
        self.say("上联进程被杀死", "the link process is killed (SIGKILL)")
        new = wait_for("a new link process", lambda: self._link_pid() not in (0, old), 15)
        self.told.check("the link process was restarted", bool(new))
        self.say("上联进程已自动重启", "the link process is back by itself")

    def cut_the_network(self) -> None:
        """With the network gone a second hazard strikes; the village hears it all the same."""
        self._stage.kill("broker")
        self.say("断网", "the network is cut (broker SIGKILL)")
        time.sleep(3.0)
        self._sound(
            "gas.h2s",
            35.0,
            3,
            "coil.2",
            "gas siren, network cut",
            "硫化氢警报鸣响",
            "H2S siren sounds",
        )
        self._horn_plays(7)

    def answer(self) -> None:
        """The duty officer presses the button; what should end with an answer ends."""
        self._village.order({"set": {"button.pressed": 1.0}})
        self.say("值班员按下应答按钮", "the duty officer presses the button")
        wait_for("the siren to stop", lambda: not self._coil(0), 10)
        self._village.order({"set": {"button.pressed": 0.0}})
        alarms = {a["rule"]: a for a in ask("alarms", "--state", self._state)["alarms"]}
        by = alarms["river-flood"]["acknowledged_by"]
        self.told.check("the answer carries a name", by == "值班室按钮")
        self.told.check("the H2S siren goes on while there is gas", self._coil(2))
        self.say(
            f"已应答：{by}；警报器停，广播继续", "answered: the siren stops, the broadcast goes on"
        )

    def network_back(self) -> None:
        """What happened in the dark arrives."""
        self._broker.start(self._stage)
        self.say("网络恢复", "the network is back")
        wait_for(
            "the gas alarm at the district", lambda: self._district.alarm("h2s-leak", "red"), 40
        )
        self.say("断网期间的警报已补报", "the alarm raised in the dark has arrived")

    def water_falls(self) -> None:
        """Both hazards end; the village falls silent."""
        self._village.order({"set": {"gas.h2s": 0.0, "rain.intensity": 0.0}})
        self._village.order({"ramp": {"river.level": {"to": 1.0, "seconds": 10.0}}})
        self.say("雨停，水退，气散", "rain and gas are gone, the river falls")
        wait_for("both alarms to end", self._all_normal, 30)
        wait_for("the horn to stop", lambda: self._horn()["message"] == 0, 10)
        silent = not any(self._coil(channel) for channel in range(8))
        self.told.check("everything is silent at the end", silent)
        self.say("警报解除", "all clear")

    # -- looking ----------------------------------------------------------------------------

    def _sound(
        self, signal_name: str, value: float, unit: int, output: str, name: str, zh: str, en: str
    ) -> None:
        """Let a quantity jump past its red limit, and time the contact by the twins' stamps."""
        cause_ns = self._village.order({"set": {signal_name: value}, "state": True})["now_ns"]

        def edge() -> dict[str, Any] | None:
            changes = self._village.changes("horns", unit, output)
            return next((c for c in changes if c["at_ns"] > cause_ns and c["value"]), None)

        latency_ms = (wait_for(name, edge, 10)["at_ns"] - cause_ns) / NS_PER_MS
        self.say(zh, en, latency_ms)
        self.told.soundings.append(Sounding(name, latency_ms, "down" if "cut" in name else "up"))
        self.told.check(f"{name}: within 1 s of the change", latency_ms <= _BUDGET_MS)

    def _horn_plays(self, message: int) -> None:
        horn = wait_for(
            f"the horn to play {message}",
            lambda: self._horn() if self._plays(message) else None,
            10,
        )
        self.say(
            f"大喇叭播放第 {message} 条", f"the horn plays message {message}, {horn['line_ma']} mA"
        )

    def _plays(self, message: int) -> bool:
        horn = self._horn()
        return bool(horn["message"] == message and horn["line_ma"] > 0)

    def _horn(self) -> dict[str, Any]:
        return self._village.device("speaker", 4)

    def _coil(self, channel: int) -> bool:
        return bool(self._village.device("horns", 3)["coils"][channel])

    def _status(self) -> dict[str, Any]:
        try:
            return ask("status", "--state", self._state)
        except StageError:
            return {}

    def _all_good(self) -> bool:
        devices = self._status().get("devices", [])
        return bool(devices) and all(d["good"] and not d["bad"] for d in devices)

    def _level_is(self, rule: str, level: str) -> bool:
        alarms = ask("alarms", "--state", self._state)["alarms"]
        return any(a["rule"] == rule and a["level"] == level for a in alarms)

    def _answered(self) -> set[str]:
        ladders = ask("calls", "--state", self._state)["ladders"]
        ends = {each["end"] for each in ladders if each["rule"] == "river-flood"}
        return set() if "" in ends else ends

    def _all_normal(self) -> bool:
        return all(a["phase"] == "normal" for a in ask("alarms", "--state", self._state)["alarms"])

    def _link_pid(self) -> int:
        process = (self._status().get("link") or {}).get("process") or {}
        return int(process.get("pid") or 0)


_ZH = {"yellow": "黄", "orange": "橙", "red": "红"}
